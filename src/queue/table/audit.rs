//! Whether the table and what is durable agree, at any moment: the argument of [`super`], to be checked.

use super::Table;
use crate::action::{Event, Status};
use crate::queue::record::Record;
use std::collections::{BTreeMap, BTreeSet};

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub(in crate::queue) struct Durable {
    pub(in crate::queue) actions: BTreeMap<u64, Record>,
    pub(in crate::queue) is_paused: bool,
}

impl Table {
    /// What is wrong now; nothing if nothing is.
    pub(in crate::queue) fn audit(&self, durable: &Durable, workers: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, shown) in &self.actions {
            let mark = self.changing.get(id).copied();
            if !may_be_shown(shown, durable.actions.get(id), mark) {
                wrong.push(format!("shown is {shown:?}, marked {mark:?}, durable is {:?}", durable.actions.get(id)));
            }
        }
        for (id, kept) in &durable.actions {
            let reserved = self.ids.get(&kept.token) == Some(id);
            let dropped = kept.status.is_end() && self.ended.len() >= self.limits.ended;
            if !self.actions.contains_key(id) && !reserved && !dropped {
                wrong.push(format!("durable and unknown: {kept:?}"));
            }
        }
        if durable.is_paused != self.is_paused && self.pausing != Some(durable.is_paused) {
            wrong.push(format!("the queue is paused: shown {}, durable {}", self.is_paused, durable.is_paused));
        }

        let of = |is_meant: fn(Status) -> bool| self.actions.values().filter(move |record| is_meant(record.status));
        let runs = |status| matches!(status, Status::Processing | Status::Paused);
        let held = of(runs).map(|record| record.claims.len()).sum::<usize>();
        if held != self.held.len() || of(runs).any(|record| record.claims.iter().any(|name| !self.held.contains(name)))
        {
            wrong.push(format!("{held} claims are of running actions, held are {:?}", self.held));
        }
        if self.running.len() > workers {
            wrong.push(format!("{} run, with {workers} workers", self.running.len()));
        }
        let has_no_worker = |record: &Record| record.status == Status::Paused && !self.running.contains_key(&record.id);
        let with_worker: BTreeSet<u64> =
            of(runs).filter(|record| !has_no_worker(record)).map(|record| record.id).collect();
        if !self.running.keys().eq(&with_worker) {
            wrong.push(format!("{:?} run, shown are {with_worker:?}", self.running.keys()));
        }
        for record in of(runs).filter(|record| has_no_worker(record)) {
            if !self.parked.contains(&record.id) && !self.is_changing(record.id) {
                wrong.push(format!("{} is nowhere", record.token));
            }
        }
        let waiting = of(|status| status == Status::Queued).filter(|record| !self.is_changing(record.id)).count();
        if waiting != self.waiting.actions() {
            wrong.push(format!("{waiting} actions wait, {} can be taken", self.waiting.actions()));
        }
        wrong
    }

    /// Whether a worker rests and there is something for it.
    pub(in crate::queue) fn can_take(&self, workers: usize) -> bool {
        self.running.len() < workers && !self.is_paused && self.waiting.next(&self.held).is_some()
    }
}

/// `mark` is the status that the action is changing to.
fn may_be_shown(shown: &Record, durable: Option<&Record>, mark: Option<Status>) -> bool {
    let Some(durable) = durable else {
        // Deleted, and not yet shown so.
        return shown.status.is_end() && mark.is_some();
    };
    // The one exception: a start is shown first.
    let is_start = || shown.started_at.and_then(|at| durable.after(Event::Take, at)).as_ref() == Some(shown);
    shown == durable || mark == Some(durable.status) || is_start()
}
