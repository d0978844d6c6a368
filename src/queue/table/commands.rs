//! What clients ask for: each command decides on a [`Change`], which is then committed, and concluded or abandoned.

use super::super::CommandError;
use super::super::database::Write;
use super::super::record::{Record, View};
use super::{Table, ended_place};
use crate::action::{Event, Filter, Status, Token};
use crate::pause::PauseGate;
use crate::stop::StopFlag;
use crate::time::Moment;
use std::sync::Arc;

/// What a command changes, as one. It has been decided, and the table shows nothing of it yet.
#[derive(Default)]
pub(in crate::queue) struct Change {
    /// What actions become.
    records: Vec<Arc<Record>>,
    /// Ended actions that go.
    deleted: Vec<Arc<Record>>,
    paused: Option<bool>,
    /// Rows of actions that the limits have dropped before.
    forget: Vec<u64>,
    /// To be closed before the commit, so that nothing of a paused action goes on when the client is answered; opened
    /// again if it fails.
    pub(in crate::queue) close: Vec<PauseGate>,
    /// To be opened after the commit.
    pub(in crate::queue) open: Vec<PauseGate>,
    /// To be set, whatever comes of the commit.
    pub(in crate::queue) stop: Vec<StopFlag>,
    /// The actions that the command is about, as they are once it is done.
    pub(in crate::queue) told: Vec<View>,
}

/// Why no change was decided on.
#[derive(Debug)]
pub(in crate::queue) enum Halt {
    /// Another change of the same is on its way to the store: to be asked again when it is there.
    Busy,
    Refused(CommandError),
}

impl From<CommandError> for Halt {
    fn from(error: CommandError) -> Halt {
        Halt::Refused(error)
    }
}

impl Change {
    /// `None`: nothing is to be made durable.
    pub(in crate::queue) fn write(&self) -> Option<Write> {
        if self.records.is_empty() && self.deleted.is_empty() && self.paused.is_none() {
            return None;
        }
        let deleted = self.deleted.iter().map(|record| record.id);
        let forget = self.forget.iter().copied().chain(deleted).collect();
        Some(Write { put: self.records.clone(), forget, paused: self.paused, ..Write::default() })
    }
}

impl Table {
    /// Ends a queued action by `Event::Cancel`.
    pub(in crate::queue) fn cancel(&mut self, token: &Token, now: Moment) -> Result<Change, Halt> {
        let record = self.commanded(token)?;
        if record.status != Status::Queued {
            return Err(CommandError::Running(token.clone()).into());
        }
        Ok(self.end(vec![record], Event::Cancel, now))
    }

    /// Ends every queued action that matches.
    pub(in crate::queue) fn cancel_matching(&mut self, filter: &Filter, now: Moment) -> Result<Change, Halt> {
        let chosen = self.chosen(filter, |status| status == Status::Queued);
        self.none_changes(&chosen)?;
        Ok(self.end(chosen, Event::Cancel, now))
    }

    /// Asks a running action to stop, or ends one that no worker has.
    pub(in crate::queue) fn stop(&mut self, token: &Token, now: Moment) -> Result<Change, Halt> {
        let record = self.known(token)?;
        self.stop_all(vec![record], now)
    }

    /// Asks every running action that matches to stop, and ends every other one.
    pub(in crate::queue) fn stop_matching(&mut self, filter: &Filter, now: Moment) -> Result<Change, Halt> {
        let chosen = self.chosen(filter, |status| !status.is_end());
        self.stop_all(chosen, now)
    }

    /// Asks every running action to stop.
    pub(in crate::queue) fn stop_running(&mut self, now: Moment) -> Result<Change, Halt> {
        let chosen = self.chosen(&Filter::default(), is_running);
        self.stop_all(chosen, now)
    }

    /// Halts a running action. One that is paused stays so.
    pub(in crate::queue) fn pause(&mut self, token: &Token, now: Moment) -> Result<Change, Halt> {
        let record = self.commanded(token)?;
        match record.status {
            Status::Queued => Err(CommandError::NotStarted(token.clone()).into()),
            Status::Processing => Ok(self.pause_all(vec![record], now)),
            _ => Ok(Change { told: vec![self.view(&record)], ..Change::default() }),
        }
    }

    /// Halts every running action, and starts none until the queue is resumed: from now on, and for good once concluded.
    pub(in crate::queue) fn pause_queue(&mut self, now: Moment) -> Result<Change, Halt> {
        let running = self.chosen(&Filter::default(), |status| status == Status::Processing);
        self.none_changes(&running)?;
        let paused = self.begin_pausing(true)?;
        Ok(Change { paused, ..self.pause_all(running, now) })
    }

    /// Lets a paused action go on. One that is not paused stays as it is.
    pub(in crate::queue) fn resume(&mut self, token: &Token, now: Moment) -> Result<Change, Halt> {
        let record = self.commanded(token)?;
        if record.status == Status::Paused {
            return Ok(self.resume_all(vec![record], now));
        }
        Ok(Change { told: vec![self.view(&record)], ..Change::default() })
    }

    /// Lets every paused action go on and queued ones be started.
    pub(in crate::queue) fn resume_queue(&mut self, now: Moment) -> Result<Change, Halt> {
        let paused = self.chosen(&Filter::default(), |status| status == Status::Paused);
        self.none_changes(&paused)?;
        let pausing = self.begin_pausing(false)?;
        Ok(Change { paused: pausing, ..self.resume_all(paused, now) })
    }

    /// Gives a queued action another place in the queue.
    pub(in crate::queue) fn change_priority(&mut self, token: &Token, priority: i64) -> Result<Change, Halt> {
        let record = self.commanded(token)?;
        if record.status != Status::Queued {
            return Err(CommandError::Started(token.clone()).into());
        }
        let mut change = Change::default();
        self.begin(&mut change, Record { priority, ..Record::clone(&record) });
        Ok(change)
    }

    /// Forgets an ended action.
    pub(in crate::queue) fn delete(&mut self, token: &Token) -> Result<Change, Halt> {
        let id = self.ids.get(token).copied();
        let record = id.and_then(|id| self.actions.get(&id)).cloned();
        let record = record.ok_or_else(|| CommandError::UnknownToken(token.clone()))?;
        if !record.status.is_end() {
            return Err(CommandError::NotEnded { token: token.clone(), status: record.status }.into());
        }
        self.none_changes(std::slice::from_ref(&record))?;
        Ok(self.delete_all(vec![record]))
    }

    /// Forgets every ended action that matches.
    pub(in crate::queue) fn delete_matching(&mut self, filter: &Filter) -> Change {
        // One that another command is deleting is left to that.
        let chosen = self.chosen(filter, Status::is_end);
        self.delete_all(chosen)
    }

    /// Shows a change that is durable.
    pub(in crate::queue) fn conclude(&mut self, change: &Change, now: Moment) {
        for record in &change.records {
            self.publish(record, now);
        }
        for record in &change.deleted {
            // The limits may have dropped it meanwhile.
            let (ended_at, id) = ended_place(record);
            self.forget(ended_at, id);
            self.unmark(id);
        }
        if let Some(paused) = change.paused {
            self.is_paused = paused;
            self.pausing = None;
        }
    }

    /// Keeps everything as it was before a change that could not be made durable.
    pub(in crate::queue) fn abandon(&mut self, change: Change) {
        self.forgotten.extend(change.forget);
        for record in change.records.iter().chain(&change.deleted) {
            self.unmark(record.id);
            let Some(before) = self.actions.get(&record.id) else {
                continue;
            };
            match before.status {
                Status::Queued => self.waiting.insert(before),
                Status::Paused if !self.running.contains_key(&record.id) => drop(self.parked.insert(record.id)),
                _ => {}
            }
        }
        if change.paused.is_some() {
            self.pausing = None;
        }
    }

    /// The action of this token, unless it has ended or is about to.
    fn known(&self, token: &Token) -> Result<Arc<Record>, CommandError> {
        let known = self.ids.get(token).and_then(|id| self.actions.get(id));
        let record = known.ok_or_else(|| CommandError::UnknownToken(token.clone()))?;
        if record.status.is_end() {
            return Err(CommandError::Ended { token: token.clone(), status: record.status });
        }
        match self.changing.get(&record.id) {
            Some(&status) if status.is_end() => Err(CommandError::Ending { token: token.clone(), status }),
            _ => Ok(Arc::clone(record)),
        }
    }

    /// As [`Table::known`], and nothing else changes it.
    fn commanded(&self, token: &Token) -> Result<Arc<Record>, Halt> {
        let record = self.known(token)?;
        self.none_changes(std::slice::from_ref(&record))?;
        Ok(record)
    }

    /// The actions that match and whose status is meant, but for those that are about to end or to be deleted: they are
    /// taken as if they had been already.
    fn chosen(&self, filter: &Filter, is_meant: impl Fn(Status) -> bool) -> Vec<Arc<Record>> {
        let is_chosen = |record: &&Arc<Record>| {
            is_meant(record.status)
                && record.matches(filter)
                && !self.changing.get(&record.id).is_some_and(|status| status.is_end())
        };
        self.actions.values().filter(is_chosen).cloned().collect()
    }

    fn none_changes(&self, records: &[Arc<Record>]) -> Result<(), Halt> {
        if records.iter().any(|record| self.is_changing(record.id)) { Err(Halt::Busy) } else { Ok(()) }
    }

    /// Marks the record's action as changing to it.
    fn begin(&mut self, change: &mut Change, next: Record) {
        let before = &self.actions[&next.id];
        if before.status == Status::Queued {
            self.waiting.remove(before);
        }
        self.parked.remove(&next.id);
        self.changing.insert(next.id, next.status);
        let next = Arc::new(next);
        change.told.push(self.view(&next));
        change.records.push(next);
        // With the first record: there will be a write.
        change.forget.append(&mut self.forgotten);
    }

    fn begin_pausing(&mut self, paused: bool) -> Result<Option<bool>, Halt> {
        if self.pausing.is_some() {
            return Err(Halt::Busy);
        }
        self.pausing = (self.is_paused != paused).then_some(paused);
        Ok(self.pausing)
    }

    /// Ends actions that no worker has.
    fn end(&mut self, records: Vec<Arc<Record>>, event: Event, now: Moment) -> Change {
        let mut change = Change::default();
        for record in records {
            let next = record.after(event, now).expect("an action that no worker has can be ended by a client");
            self.begin(&mut change, next);
        }
        change
    }

    fn stop_all(&mut self, records: Vec<Arc<Record>>, now: Moment) -> Result<Change, Halt> {
        let is_run = |record: &Arc<Record>| self.running.contains_key(&record.id);
        let (running, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_run);
        // What runs is asked whatever else becomes of it: a stop waits for no disk.
        self.none_changes(&others)?;
        let mut change = self.end(others, Event::Stop, now);
        for record in running {
            if let Some(run) = self.running.get_mut(&record.id) {
                run.stop_asked = true;
                change.stop.push(run.stop.clone());
            }
            change.told.push(self.view(&record));
        }
        Ok(change)
    }

    fn pause_all(&mut self, records: Vec<Arc<Record>>, now: Moment) -> Change {
        let mut change = Change::default();
        for record in records {
            change.close.extend(self.running.get(&record.id).map(|run| run.pause.clone()));
            let next = record.after(Event::Pause, now).expect("what is being processed can be paused");
            self.begin(&mut change, next);
        }
        change
    }

    /// Lets those go on that have a worker, and has the others wait for one.
    fn resume_all(&mut self, records: Vec<Arc<Record>>, now: Moment) -> Change {
        let mut change = Change::default();
        for record in records {
            let gate = self.running.get(&record.id).map(|run| run.pause.clone());
            let event = if gate.is_some() { Event::Resume } else { Event::Requeue };
            change.open.extend(gate);
            self.begin(&mut change, record.after(event, now).expect("what is paused can go on"));
        }
        change
    }

    fn delete_all(&mut self, records: Vec<Arc<Record>>) -> Change {
        self.changing.extend(records.iter().map(|record| (record.id, record.status)));
        let told = records.iter().map(|record| self.view(record)).collect();
        Change { deleted: records, told, ..Change::default() }
    }
}

fn is_running(status: Status) -> bool {
    matches!(status, Status::Processing | Status::Paused)
}
