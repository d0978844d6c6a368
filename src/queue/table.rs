//! The status map: what waits, runs and has ended, and who is next. Pure: no I/O, and the time is an argument.
//!
//! The table is what clients are shown. It computes the record that a change leads to, and shows it when told that
//! the record is durable ([`Table::publish`]); the one exception is a start, see [`Table::take`].

use super::record::{Claims, Record, View};
use super::waiting::Waiting;
use super::{CommandError, PerformError};
use crate::action::{Event, Live, Report, Status, Token};
use crate::stop::StopFlag;
use crate::time::Moment;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Longest error text kept of an action, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

pub(super) struct Limits {
    pub(super) waiting: usize,
    pub(super) waiting_bytes: usize,
    pub(super) ended: usize,
    pub(super) ended_age: Duration,
    /// Of their results, which some actions have many of.
    pub(super) ended_bytes: usize,
}

pub(super) struct Table {
    limits: Limits,
    actions: BTreeMap<u64, Arc<Record>>,
    /// Also of the tokens that are reserved and have no action yet.
    ids: HashMap<Token, u64>,
    next_id: u64,
    reserved_actions: usize,
    reserved_bytes: usize,
    waiting: Waiting,
    /// Queued actions that are about to end with this status, once the store has it: nobody takes them.
    leaving: HashMap<u64, Status>,
    running: BTreeMap<u64, Run>,
    /// The claims of all running actions.
    held: HashSet<String>,
    ended: BTreeSet<(Moment, u64)>,
    /// What the results of all ended actions take.
    ended_bytes: usize,
    /// Ended actions that were dropped here and are still in the store.
    forgotten: Vec<u64>,
    closing: bool,
}

struct Run {
    stop: StopFlag,
    live: Arc<Live>,
    stop_asked: bool,
}

/// A place in the queue and a token, held for a record that is on its way to the store.
pub(super) struct Reservation {
    pub(super) id: u64,
    token: Token,
    bytes: usize,
}

/// Why there is no reservation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Closing,
    TooManyActions,
    TooManyBytes,
    /// Mint another one.
    TokenTaken,
}

/// An action that a worker is to perform.
pub(super) struct Taken {
    pub(super) record: Arc<Record>,
    pub(super) stop: StopFlag,
    pub(super) live: Arc<Live>,
}

/// How performing came to its end.
#[derive(Debug)]
pub(super) enum Outcome {
    Returned(Result<(), PerformError>),
    Panicked(String),
}

/// What had been asked of an action when it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Stop,
    ShutDown,
}

/// What a stop leads to.
pub(super) enum StopAsked {
    /// The flag is to be set, with no lock held.
    Running(StopFlag, View),
    /// It had not started; to be committed and published, or abandoned.
    Leaving(Record),
}

impl Table {
    pub(super) fn new(limits: Limits) -> Table {
        Table {
            limits,
            actions: BTreeMap::new(),
            ids: HashMap::new(),
            next_id: 1,
            reserved_actions: 0,
            reserved_bytes: 0,
            waiting: Waiting::default(),
            leaving: HashMap::new(),
            running: BTreeMap::new(),
            held: HashSet::new(),
            ended: BTreeSet::new(),
            ended_bytes: 0,
            forgotten: Vec::new(),
            closing: false,
        }
    }

    /// Adds a record of the store, which is not of a running action. `false`: there is one with this token or id.
    pub(super) fn restore(&mut self, record: Record) -> bool {
        let fresh = !self.actions.contains_key(&record.id) && !self.ids.contains_key(&record.token);
        if fresh {
            self.next_id = self.next_id.max(record.id + 1);
            self.ids.insert(record.token.clone(), record.id);
            self.replace(&Arc::new(record));
        }
        fresh
    }

    /// Holds a place and `token` for an action with `bytes` of parameters, to be published or released.
    pub(super) fn reserve(&mut self, token: &Token, bytes: usize) -> Result<Reservation, Refusal> {
        if self.closing {
            return Err(Refusal::Closing);
        }
        if self.waiting.actions() + self.reserved_actions >= self.limits.waiting {
            return Err(Refusal::TooManyActions);
        }
        if self.waiting.bytes() + self.reserved_bytes + bytes > self.limits.waiting_bytes {
            return Err(Refusal::TooManyBytes);
        }
        if self.ids.contains_key(token) {
            return Err(Refusal::TokenTaken);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.ids.insert(token.clone(), id);
        self.reserved_actions += 1;
        self.reserved_bytes += bytes;
        Ok(Reservation { id, token: token.clone(), bytes })
    }

    /// Gives a reservation up: there is no action.
    pub(super) fn release(&mut self, reservation: &Reservation) {
        self.ids.remove(&reservation.token);
        self.unreserve(reservation);
    }

    /// Shows the action that a reservation was made for.
    pub(super) fn admit(&mut self, reservation: &Reservation, record: &Arc<Record>) {
        self.unreserve(reservation);
        self.replace(record);
    }

    /// Starts the next action, if there is one that may run.
    ///
    /// It is shown as running before the store knows: a crash in between shows it queued again, which is what a crash
    /// does to a running action anyway.
    pub(super) fn take(&mut self, now: Moment) -> Option<Taken> {
        if self.closing {
            return None;
        }
        let id = self.waiting.next(&self.held)?;
        let record = Arc::new(self.actions[&id].after(Event::Take, now).expect("what waits is queued"));
        let (stop, live) = (StopFlag::new(), Arc::new(Live::default()));
        self.running.insert(id, Run { stop: stop.clone(), live: Arc::clone(&live), stop_asked: false });
        self.replace(&record);
        Some(Taken { record, stop, live })
    }

    /// Undoes a take whose record could not be made durable, and nothing was performed. `false`: it has been
    /// asked to stop and is still running; it has to be settled.
    pub(super) fn give_back(&mut self, id: u64, now: Moment) -> bool {
        if self.running[&id].stop_asked {
            return false;
        }
        let record = self.actions[&id].put_back(now).expect("what was taken is running");
        self.publish(&Arc::new(record), now);
        true
    }

    /// The record that a running action ends with, or goes back to the queue with. Nothing has changed yet.
    pub(super) fn settled(&self, id: u64, outcome: Outcome, report: Report, now: Moment) -> Record {
        let record = &self.actions[&id];
        let asked = match (self.running[&id].stop_asked, self.closing) {
            (true, _) => Asked::Stop,
            (false, true) => Asked::ShutDown,
            (false, false) => Asked::Nothing,
        };
        let next = match ending(outcome, asked) {
            (Event::Restart, _) => record.put_back(now),
            (event, error) => record.after(event, now).map(|next| Record { error, report, ..next }),
        };
        // Finish is the only one of these events that a paused action cannot meet, and a paused one does not return.
        next.expect("a running action can end in every way")
    }

    /// Begins to end a queued action by `Event::Cancel`; the record is to be committed and published, or abandoned.
    pub(super) fn cancel(&mut self, token: &Token, now: Moment) -> Result<Record, CommandError> {
        let id = self.commanded(token)?;
        if self.running.contains_key(&id) {
            return Err(CommandError::Running(token.clone()));
        }
        Ok(self.leave(id, Event::Cancel, now))
    }

    /// Asks a running action to stop, or begins to end a queued one.
    pub(super) fn stop(&mut self, token: &Token, now: Moment) -> Result<StopAsked, CommandError> {
        let id = self.commanded(token)?;
        let Some(run) = self.running.get_mut(&id) else {
            return Ok(StopAsked::Leaving(self.leave(id, Event::Stop, now)));
        };
        run.stop_asked = true;
        let flag = run.stop.clone();
        Ok(StopAsked::Running(flag, self.view(&self.actions[&id])))
    }

    /// Asks every running action to stop, in the order of their arrival.
    pub(super) fn stop_running(&mut self) -> Vec<(StopFlag, View)> {
        self.running.values_mut().for_each(|run| run.stop_asked = true);
        let running = self.running.iter();
        running.map(|(id, run)| (run.stop.clone(), self.view(&self.actions[id]))).collect()
    }

    /// Keeps a queued action whose end could not be made durable, and with it what the write was to forget.
    pub(super) fn abandon(&mut self, id: u64, forget: Vec<u64>) {
        self.forgotten.extend(forget);
        if self.leaving.remove(&id).is_some() {
            self.waiting.insert(&self.actions[&id]);
        }
    }

    /// Shows `record`, which is durable, in place of what the action was. Drops ended actions beyond the limits.
    pub(super) fn publish(&mut self, record: &Arc<Record>, now: Moment) {
        self.leaving.remove(&record.id);
        self.replace(record);
        self.prune(now);
    }

    /// Drops ended actions, the oldest first, beyond the limits of number, age and memory; never the last one for its
    /// memory alone, since somebody waits for its results.
    pub(super) fn prune(&mut self, now: Moment) {
        let age_ms_max = i64::try_from(self.limits.ended_age.as_millis()).unwrap_or(i64::MAX);
        while let Some(&(ended_at, id)) = self.ended.first() {
            let age_ms = now.epoch_ms().saturating_sub(ended_at.epoch_ms());
            let fits = self.ended_bytes <= self.limits.ended_bytes || self.ended.len() == 1;
            if self.ended.len() <= self.limits.ended && age_ms <= age_ms_max && fits {
                return;
            }
            self.ended.remove(&(ended_at, id));
            let record = self.actions.remove(&id).expect("what has ended is in the table");
            self.ids.remove(&record.token);
            self.ended_bytes = self.ended_bytes.saturating_sub(record.report.results.bytes());
            self.forgotten.push(id);
        }
    }

    /// The ended actions dropped since the last call; the store is to drop them with its next write.
    pub(super) fn take_forgotten(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.forgotten)
    }

    /// From now on nothing is reserved or taken. The flags of what runs are to be set, with no lock held.
    pub(super) fn close(&mut self) -> Vec<StopFlag> {
        self.closing = true;
        self.running.values().map(|run| run.stop.clone()).collect()
    }

    pub(super) fn get(&self, token: &Token) -> Option<View> {
        self.actions.get(self.ids.get(token)?).map(|record| self.view(record))
    }

    /// Every action, in the order of arrival. Copies references only.
    pub(super) fn list(&self) -> Vec<View> {
        self.actions.values().map(|record| self.view(record)).collect()
    }

    fn view(&self, record: &Arc<Record>) -> View {
        let live = self.running.get(&record.id).map(|run| Arc::clone(&run.live));
        View { record: Arc::clone(record), live }
    }

    /// The action that a command names and can still change.
    fn commanded(&self, token: &Token) -> Result<u64, CommandError> {
        let known = self.ids.get(token).and_then(|id| self.actions.get(id));
        let record = known.ok_or_else(|| CommandError::UnknownToken(token.clone()))?;
        if record.status.is_end() {
            return Err(CommandError::Ended { token: token.clone(), status: record.status });
        }
        if let Some(&status) = self.leaving.get(&record.id) {
            return Err(CommandError::Ending { token: token.clone(), status });
        }
        Ok(record.id)
    }

    fn leave(&mut self, id: u64, event: Event, now: Moment) -> Record {
        let record = &self.actions[&id];
        let next = record.after(event, now).expect("a queued action can be cancelled and stopped");
        self.waiting.remove(record);
        self.leaving.insert(id, next.status);
        next
    }

    fn unreserve(&mut self, reservation: &Reservation) {
        self.reserved_actions -= 1;
        self.reserved_bytes -= reservation.bytes;
    }

    /// The only place where an action's record changes: takes the old one out of its index, puts the new one in.
    fn replace(&mut self, record: &Arc<Record>) {
        let id = record.id;
        if let Some(old) = self.actions.insert(id, Arc::clone(record)) {
            match old.status {
                // A leaving action was taken out when it began to leave.
                Status::Queued if record.status.is_end() => {}
                Status::Queued => self.waiting.remove(&old),
                Status::Processing | Status::Paused => self.let_go(&old.claims),
                Status::Finished | Status::Error | Status::Cancelled | Status::Stopped => {}
            }
        }
        match record.status {
            Status::Queued => self.waiting.insert(record),
            Status::Processing | Status::Paused => self.held.extend(record.claims.iter().cloned()),
            Status::Finished | Status::Error | Status::Cancelled | Status::Stopped => {
                if self.ended.insert((record.ended_at.unwrap_or(record.queued_at), id)) {
                    self.ended_bytes += record.report.results.bytes();
                }
            }
        }
        if matches!(record.status, Status::Queued) || record.status.is_end() {
            self.running.remove(&id);
        }
    }

    fn let_go(&mut self, claims: &Claims) {
        // No two running actions share a claim, so nobody else holds these.
        for claim in claims.iter() {
            self.held.remove(claim);
        }
    }
}

/// The event that an action's end is, and its error text.
///
/// What it returned wins over what was asked of it: one that came to its own end has done everything, and
/// `Stopped` would say that it has not. A failure after a stop or a shutdown was asked is believed to come
/// from it, since both cut connections; if it does not, the action that goes back to the queue meets it again.
fn ending(outcome: Outcome, asked: Asked) -> (Event, Option<String>) {
    match (outcome, asked) {
        (Outcome::Returned(Ok(())), _) => (Event::Finish, None),
        (Outcome::Panicked(text), _) => (Event::Fail, Some(cut(&format!("internal error: {text}")))),
        (Outcome::Returned(Err(_)), Asked::Stop) => (Event::Stop, None),
        (Outcome::Returned(Err(_)), Asked::ShutDown) => (Event::Restart, None),
        (Outcome::Returned(Err(PerformError::Failed(text))), Asked::Nothing) => (Event::Fail, Some(cut(&text))),
        (Outcome::Returned(Err(PerformError::Stopped)), Asked::Nothing) => {
            (Event::Fail, Some("internal error: the action stopped and nobody had asked it to".to_owned()))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
