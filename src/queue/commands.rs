//! What clients ask of actions and of the queue. Each command is durable when it returns; see [`super`].

use super::record::Record;
use super::table::{Change, Halt, Table};
use super::{CommandError, DuplicateError, Queue, Snapshot, Submission};
use crate::action::{Filter, Params, Token};
use crate::time::Moment;
use log::{error, info};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a command waits for others on the same actions: each takes one commit.
const WAIT_MAX: Duration = Duration::from_secs(10);

impl Queue {
    /// Ends a queued action as Cancelled.
    pub fn cancel(&self, token: &Token) -> Result<Snapshot, CommandError> {
        let cancelled = self.command("cancelled", |table, now| table.cancel(token, now))?;
        Ok(only(cancelled))
    }

    /// Ends every queued action that matches as Cancelled.
    pub fn cancel_matching(&self, filter: &Filter) -> Result<Vec<Snapshot>, CommandError> {
        self.command("cancelled", |table, now| table.cancel_matching(filter, now))
    }

    /// Asks the running action, or without a token every running one, to stop, and returns at once; they end as
    /// Stopped when they have seen it, or as what they were about to end as. A queued one, if named, ends as Stopped
    /// without having run.
    pub fn stop(&self, token: Option<&Token>) -> Result<Vec<Snapshot>, CommandError> {
        self.command("asked to stop", |table, now| match token {
            Some(token) => table.stop(token, now),
            None => table.stop_running(now),
        })
    }

    /// As [`Queue::stop`] with a token, of every action that matches and has not ended.
    pub fn stop_matching(&self, filter: &Filter) -> Result<Vec<Snapshot>, CommandError> {
        self.command("asked to stop", |table, now| table.stop_matching(filter, now))
    }

    /// Halts the running action, also over a restart. Without a token every running one, and starts no other until
    /// [`Queue::resume`]. Pausing what is paused changes nothing.
    ///
    /// A paused action keeps its worker. It may still end, if it was past its last [`super::Running::pause`].
    pub fn pause(&self, token: Option<&Token>) -> Result<Vec<Snapshot>, CommandError> {
        self.command("paused", |table, now| match token {
            Some(token) => table.pause(token, now),
            None => table.pause_queue(now),
        })
    }

    /// Lets the paused action go on, also in a paused queue. Without a token every paused one, and queued ones are
    /// started again. Resuming what is not paused changes nothing.
    ///
    /// An action that was paused when the last process ended, and for which there are not workers enough in this one,
    /// is queued.
    pub fn resume(&self, token: Option<&Token>) -> Result<Vec<Snapshot>, CommandError> {
        self.command("resumed", |table, now| match token {
            Some(token) => table.resume(token, now),
            None => table.resume_queue(now),
        })
    }

    /// Has a queued action start before those of lower priority.
    pub fn change_priority(&self, token: &Token, priority: i64) -> Result<Snapshot, CommandError> {
        let changed = self.command("given another priority", |table, _| table.change_priority(token, priority))?;
        Ok(only(changed))
    }

    /// Forgets an ended action: its token is unknown from now on.
    pub fn delete(&self, token: &Token) -> Result<Snapshot, CommandError> {
        let deleted = self.command("deleted", |table, _| table.delete(token))?;
        Ok(only(deleted))
    }

    /// Forgets every ended action that matches.
    pub fn delete_matching(&self, filter: &Filter) -> Result<Vec<Snapshot>, CommandError> {
        self.command("deleted", |table, _| Ok(table.delete_matching(filter)))
    }

    /// Queues an action that has not ended once more, with the same parameters and priority; the new token.
    pub fn duplicate(&self, token: &Token) -> Result<Token, DuplicateError> {
        let record = self.not_ended(token)?;
        let params = Params::from_form(&record.params);
        let (priority, claims) = (record.priority, record.claims.to_vec());
        let again = self.submit(&Submission { params, priority, claims, series: None })?;
        info!(target: "action", "Action queued once more, as [{again}] [{token}]");
        Ok(again)
    }

    pub(super) fn not_ended(&self, token: &Token) -> Result<Arc<Record>, CommandError> {
        let view = self.shared.table.lock().get(token);
        let record = view.ok_or_else(|| CommandError::UnknownToken(token.clone()))?.record;
        if record.status.is_end() {
            return Err(CommandError::Ended { token: token.clone(), status: record.status });
        }
        Ok(record)
    }

    /// Has `decide` decide as soon as no other command stands in its way, and carries that out. `what` has been done to
    /// the actions then, for the log.
    fn command(
        &self,
        what: &str,
        mut decide: impl FnMut(&mut Table, Moment) -> Result<Change, Halt>,
    ) -> Result<Vec<Snapshot>, CommandError> {
        let deadline = Instant::now() + WAIT_MAX;
        let change = {
            let mut table = self.shared.table.lock();
            loop {
                match decide(&mut table, Moment::now()) {
                    Ok(change) => break change,
                    Err(Halt::Refused(error)) => return Err(error),
                    Err(Halt::Busy) if self.shared.changed.wait_until(&mut table, deadline).timed_out() => {
                        return Err(CommandError::Busy);
                    }
                    Err(Halt::Busy) => {}
                }
            }
        };
        let told: Vec<Snapshot> = change.told.iter().map(super::View::snapshot).collect();
        self.carry_out(change)?;
        for action in &told {
            info!(target: "action", "Action {what} [{}]", action.token);
        }
        Ok(told)
    }

    fn carry_out(&self, change: Change) -> Result<(), CommandError> {
        change.stop.iter().for_each(crate::stop::StopFlag::set);
        change.close.iter().for_each(crate::pause::PauseGate::close);
        let Some(mut write) = change.write() else {
            return Ok(());
        };
        let (events, now) = (&self.shared.settings.events, Moment::now());
        write.owed.extend(write.put.iter().filter_map(|record| events.of_end(record, now)));
        let committed = self.shared.store.commit(write);
        let now_open = if committed.is_ok() { &change.open } else { &change.close };
        now_open.iter().for_each(crate::pause::PauseGate::open);
        {
            let mut table = self.shared.table.lock();
            match &committed {
                Ok(()) => table.conclude(&change, Moment::now()),
                Err(_) => table.abandon(change),
            }
        }
        self.shared.changed.notify_all();
        // There may be something to start now: what was resumed, or what has another place.
        self.shared.wake();
        committed.map_err(|failure| {
            error!(target: "action", "A command was not carried out: {failure}");
            CommandError::Store(failure)
        })
    }
}

/// A command on one action tells of that one.
fn only(mut told: Vec<Snapshot>) -> Snapshot {
    told.pop().expect("a command on one action tells of it")
}
