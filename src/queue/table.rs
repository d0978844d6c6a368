//! The status map: what waits, runs and has ended, and who is next. Pure: no I/O, and the time is an argument.
//!
//! The table is what clients are shown. It computes the record that a change leads to, and shows it when told that
//! the record is durable ([`Table::publish`]); the one exception is a start, see [`Table::take`]. Until then the action is
//! marked as changing, and no other change of it is begun: so the store gets changes in the order in which they were
//! decided. What clients ask for is in `commands`.

#[cfg(all(test, feature = "shuttle"))]
pub(super) mod audit;
mod commands;

pub(super) use commands::{Change, Halt};

use super::PerformError;
use super::record::{Claims, Record, View};
use super::waiting::Waiting;
use crate::action::{Event, Live, Report, Status, Token};
use crate::pause::PauseGate;
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
    /// Actions of which a change is on its way to the store, and the status that it leads to. Queued ones among them are
    /// not in `waiting`, so nobody takes them.
    changing: HashMap<u64, Status>,
    running: BTreeMap<u64, Run>,
    /// Paused actions that no worker has: of the last process, not yet, and after a shutdown, no more.
    parked: BTreeSet<u64>,
    /// Whether the queue is paused: no queued action is started.
    is_paused: bool,
    /// What `is_paused` is about to be, once the store has it.
    pausing: Option<bool>,
    /// The claims of all running actions.
    held: HashSet<String>,
    ended: BTreeSet<(Moment, u64)>,
    /// What the results of all ended actions take.
    ended_bytes: usize,
    /// Ended actions that were dropped here and are still in the store.
    forgotten: Vec<u64>,
    /// Actions whose end somebody waits for; how they ended, also if they are forgotten at once.
    watched: HashMap<u64, Option<Arc<Record>>>,
    closing: bool,
}

struct Run {
    stop: StopFlag,
    /// Closed exactly while the action is paused or about to be.
    pause: PauseGate,
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
    /// Closed if the action is paused: nothing of it is performed before it is opened.
    pub(super) pause: PauseGate,
    pub(super) live: Arc<Live>,
}

/// How many actions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) queued: usize,
    /// Paused ones too.
    pub(super) running: usize,
    pub(super) ended: usize,
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

impl Table {
    pub(super) fn new(limits: Limits, is_paused: bool) -> Table {
        Table {
            limits,
            actions: BTreeMap::new(),
            ids: HashMap::new(),
            next_id: 1,
            reserved_actions: 0,
            reserved_bytes: 0,
            waiting: Waiting::default(),
            changing: HashMap::new(),
            running: BTreeMap::new(),
            parked: BTreeSet::new(),
            is_paused,
            pausing: None,
            held: HashSet::new(),
            ended: BTreeSet::new(),
            ended_bytes: 0,
            forgotten: Vec::new(),
            watched: HashMap::new(),
            closing: false,
        }
    }

    /// Adds a record of the store, which is not of a processing action; a paused one waits for a worker. `false`: there is one with this token or id.
    pub(super) fn restore(&mut self, record: Record) -> bool {
        let fresh = !self.actions.contains_key(&record.id) && !self.ids.contains_key(&record.token);
        if fresh {
            self.next_id = self.next_id.max(record.id + 1);
            self.ids.insert(record.token.clone(), record.id);
            if record.status == Status::Paused {
                self.parked.insert(record.id);
            }
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

    /// Starts the next action, if there is one that may run, and marks it as changing until [`Table::unmark`].
    ///
    /// A paused action of the last process comes first: it has a worker's place, as it had before, and is given as it is.
    ///
    /// Any other is shown as running before the store knows: a crash in between shows it queued again, which is what a crash
    /// does to a running action anyway.
    pub(super) fn take(&mut self, now: Moment) -> Option<Taken> {
        if self.closing {
            return None;
        }
        if let Some(parked) = self.take_parked() {
            return Some(parked);
        }
        if self.is_paused || self.pausing == Some(true) {
            return None;
        }
        let id = self.waiting.next(&self.held)?;
        let record = Arc::new(self.actions[&id].after(Event::Take, now).expect("what waits is queued"));
        let taken = self.run(&record, PauseGate::default());
        self.replace(&record);
        self.changing.insert(id, record.status);
        Some(taken)
    }

    /// Whether a worker that looks would find an action.
    pub(super) fn may_start(&self) -> bool {
        let is_paused = self.is_paused || self.pausing == Some(true);
        !self.closing && (!self.parked.is_empty() || !is_paused && self.waiting.next(&self.held).is_some())
    }

    /// Gives a worker's place back to a paused action of the last process.
    pub(super) fn take_parked(&mut self) -> Option<Taken> {
        let record = Arc::clone(&self.actions[&self.parked.pop_first()?]);
        Some(self.run(&record, PauseGate::closed()))
    }

    fn run(&mut self, record: &Arc<Record>, pause: PauseGate) -> Taken {
        let (stop, live) = (StopFlag::new(), Arc::new(Live::default()));
        let run = Run { stop: stop.clone(), pause: pause.clone(), live: Arc::clone(&live), stop_asked: false };
        self.running.insert(record.id, run);
        Taken { record: Arc::clone(record), stop, pause, live }
    }

    pub(super) fn is_changing(&self, id: u64) -> bool {
        self.changing.contains_key(&id)
    }

    /// The change of a running action is in the store, or there will be none.
    pub(super) fn unmark(&mut self, id: u64) {
        self.changing.remove(&id);
    }

    /// Undoes a take whose record could not be made durable, and nothing was performed. `false`: it has been
    /// asked to stop and is still running; it has to be settled.
    pub(super) fn give_back(&mut self, id: u64, now: Moment) -> bool {
        self.unmark(id);
        if self.running[&id].stop_asked {
            return false;
        }
        let record = self.actions[&id].put_back(now).expect("what was taken is running");
        self.publish(&Arc::new(record), now);
        true
    }

    /// The record that a running action ends with, or goes back to the queue with. The action must not be changing, and is
    /// marked so until the record is published or the mark is taken away.
    pub(super) fn settled(&mut self, id: u64, outcome: Outcome, report: Report, now: Moment) -> Record {
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
        let next = next.expect("a running action can end in every way");
        self.changing.insert(id, next.status);
        next
    }

    /// Shows `record`, which is durable, in place of what the action was. Drops ended actions beyond the limits.
    pub(super) fn publish(&mut self, record: &Arc<Record>, now: Moment) {
        self.replace(record);
        self.changing.remove(&record.id);
        self.prune(now);
    }

    /// As [`Table::publish`], of the record that an action was settled with. `false`: it goes back to the queue, and meanwhile
    /// a client was told that it stops; nothing has changed, and it has to be settled as stopped.
    ///
    /// No worker has it any more: one that stays paused over a shutdown can still be ended or queued by a command, as it
    /// could by the next process.
    pub(super) fn publish_settled(&mut self, record: &Arc<Record>, now: Moment) -> bool {
        if !record.status.is_end() && self.running[&record.id].stop_asked {
            self.unmark(record.id);
            return false;
        }
        if record.status == Status::Paused {
            self.running.remove(&record.id);
            self.parked.insert(record.id);
        }
        self.publish(record, now);
        true
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
            self.forget(ended_at, id);
            self.forgotten.push(id);
        }
    }

    fn forget(&mut self, ended_at: Moment, id: u64) {
        self.ended.remove(&(ended_at, id));
        if let Some(record) = self.actions.remove(&id) {
            self.ids.remove(&record.token);
            self.ended_bytes = self.ended_bytes.saturating_sub(record.report.results.bytes());
        }
    }

    /// The ended actions dropped since the last call; the store is to drop them with its next write.
    pub(super) fn take_forgotten(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.forgotten)
    }

    /// Keeps how this action ends until [`Table::unwatch`].
    pub(super) fn watch(&mut self, id: u64) {
        self.watched.insert(id, None);
    }

    pub(super) fn unwatch(&mut self, id: u64) {
        self.watched.remove(&id);
    }

    /// How a watched action has ended.
    pub(super) fn seen_end(&self, id: u64) -> Option<View> {
        let record = self.watched.get(&id)?.as_ref()?;
        Some(View { record: Arc::clone(record), live: None })
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// From now on nothing is reserved or taken. The flags of what runs are to be set, with no lock held.
    pub(super) fn close(&mut self) -> Vec<StopFlag> {
        self.closing = true;
        self.running.values().map(|run| run.stop.clone()).collect()
    }

    pub(super) fn get(&self, token: &Token) -> Option<View> {
        self.actions.get(self.ids.get(token)?).map(|record| self.view(record))
    }

    /// What runs, with its counters.
    pub(super) fn running(&self) -> Vec<(Arc<Record>, Arc<Live>)> {
        self.running.iter().map(|(id, run)| (Arc::clone(&self.actions[id]), Arc::clone(&run.live))).collect()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn numbers(&self) -> Numbers {
        let (running, ended) = (self.running.len() + self.parked.len(), self.ended.len());
        Numbers { queued: self.actions.len().saturating_sub(running + ended), running, ended }
    }

    /// Every action, in the order of arrival. Copies references only.
    pub(super) fn list(&self) -> Vec<View> {
        self.actions.values().map(|record| self.view(record)).collect()
    }

    fn view(&self, record: &Arc<Record>) -> View {
        let live = self.running.get(&record.id).map(|run| Arc::clone(&run.live));
        View { record: Arc::clone(record), live }
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
                // A changing one was taken out when its change began.
                Status::Queued if self.changing.contains_key(&id) => {}
                Status::Queued => self.waiting.remove(&old),
                Status::Processing | Status::Paused => self.let_go(&old.claims),
                Status::Finished | Status::Error | Status::Cancelled | Status::Stopped => {}
            }
        }
        match record.status {
            Status::Queued => self.waiting.insert(record),
            Status::Processing | Status::Paused => self.held.extend(record.claims.iter().cloned()),
            Status::Finished | Status::Error | Status::Cancelled | Status::Stopped => {
                if self.ended.insert(ended_place(record)) {
                    self.ended_bytes += record.report.results.bytes();
                }
                if let Some(seen) = self.watched.get_mut(&id) {
                    *seen = Some(Arc::clone(record));
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

/// The place of an ended action among those that have ended.
fn ended_place(record: &Record) -> (Moment, u64) {
    (record.ended_at.unwrap_or(record.queued_at), record.id)
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
