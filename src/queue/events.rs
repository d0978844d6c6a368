//! Events: what handlers are told of actions and of the queue. After the fact, and never so that an action waits for it.
//!
//! An event is rendered when it comes about and committed with the change that causes it: a row for its handler (see
//! `database::outbox`). One thread for each handler brings it its rows in their order (`delivery`); another reports the
//! errors of running actions. How a handler is told and what an event looks like are function values.

use super::database::{Owed, Write};
use super::level::{QueueEvent, Thresholds};
use super::record::{Record, View};
use super::{Shared, Snapshot};
use crate::action::{ErrorSummary, Live, Status};
use crate::stop::StopFlag;
use crate::time::Moment;
use log::error;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a handler can be set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A worker begins with an action; again if the process ends meanwhile and the next one begins anew.
    Start,
    /// It came to its own end.
    Finish,
    /// It had been started and came to another end: it failed, or was stopped.
    Error,
    /// Something in it failed, and it goes on.
    ErrorReport,
    /// The queue's size.
    QueueEvent,
}

/// Something that a handler is told.
pub struct Notification<'a> {
    /// The same however often it is told.
    pub id: Uuid,
    pub at: Moment,
    pub occasion: Occasion,
    pub subject: Subject<'a>,
}

pub enum Subject<'a> {
    /// With the errors since the last report, if it is one.
    Action(&'a Snapshot, &'a [ErrorSummary]),
    Queue {
        event: QueueEvent,
        /// Actions that wait, and that may.
        size: usize,
        size_max: usize,
    },
}

/// A notification as its handler is told it.
pub type Render = Arc<dyn Fn(&Notification<'_>) -> String + Send + Sync>;

/// Tells a handler; the error says why it has not been told.
pub type Deliver = Box<dyn FnMut(&str) -> Result<(), String>>;

/// Somebody who is told of events, one after the other.
#[derive(Clone)]
pub struct Handler {
    /// The name of its section, in capitals. What is owed to it is kept under this name.
    pub name: Arc<str>,
    /// Called on the handler's thread. What it returns comes back soon after the flag is set.
    pub open: Arc<dyn Fn(&StopFlag) -> Deliver + Send + Sync>,
    /// Attempts after the first, and the time between them.
    pub retries: u32,
    pub retry_interval: Duration,
}

/// Who is told of what. The default is nobody of nothing, and then nothing of events is ever written.
#[derive(Clone)]
pub struct Events {
    pub handlers: Vec<Handler>,
    /// Names of `handlers`.
    pub told: BTreeMap<Occasion, Arc<str>>,
    /// Waiting actions beyond which the queue is filling, and below which it is emptying.
    pub filling_above: usize,
    pub emptying_below: usize,
    /// Least time between two reports of one action.
    pub report_every: Duration,
    pub render: Render,
}

impl Occasion {
    /// The parameter that names its handler, which is also what an event is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Start => "OnStart",
            Occasion::Finish => "OnFinish",
            Occasion::Error => "OnError",
            Occasion::ErrorReport => "OnErrorReport",
            Occasion::QueueEvent => "OnQueueEvent",
        }
    }
}

impl Default for Events {
    fn default() -> Events {
        Events {
            handlers: Vec::new(),
            told: BTreeMap::new(),
            filling_above: usize::MAX,
            emptying_below: 0,
            report_every: Duration::from_secs(10),
            render: Arc::new(|_| String::new()),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers: Vec<_> = self.handlers.iter().map(|handler| &handler.name).collect();
        f.debug_struct("Events").field("handlers", &handlers).field("told", &self.told).finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn tells(&self, occasion: Occasion) -> bool {
        self.told.contains_key(&occasion)
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.handlers.iter().map(|handler| Arc::clone(&handler.name)).collect()
    }

    pub(super) fn thresholds(&self, size_max: usize) -> Thresholds {
        Thresholds { size_max, filling_above: self.filling_above, emptying_below: self.emptying_below }
    }

    /// What is owed because an action is being started. Copies, as the next ones do; call them with no lock held.
    pub(super) fn of_start(&self, record: &Arc<Record>, live: &Arc<Live>, now: Moment) -> Option<Owed> {
        self.of_action(Occasion::Start, record, Some(live), now)
    }

    /// What is owed because an action has become `record`, if that is an end and it had been started.
    pub(super) fn of_end(&self, record: &Arc<Record>, now: Moment) -> Option<Owed> {
        let occasion = match record.status {
            Status::Finished => Occasion::Finish,
            Status::Error | Status::Stopped if record.started_at.is_some() => Occasion::Error,
            _ => return None,
        };
        self.of_action(occasion, record, None, now)
    }

    /// A report of the errors that a running action has met since the last one; `None` if there were none.
    pub(super) fn of_errors(&self, record: &Arc<Record>, live: &Arc<Live>, now: Moment) -> Option<Owed> {
        if !self.tells(Occasion::ErrorReport) {
            return None;
        }
        let errors = live.take_errors();
        if errors.is_empty() {
            return None;
        }
        let snapshot = snapshot(record, Some(live));
        self.owe(Occasion::ErrorReport, Subject::Action(&snapshot, &errors), now)
    }

    pub(super) fn of_queue(&self, event: QueueEvent, size: usize, size_max: usize, now: Moment) -> Option<Owed> {
        self.owe(Occasion::QueueEvent, Subject::Queue { event, size, size_max }, now)
    }

    fn of_action(
        &self,
        occasion: Occasion,
        record: &Arc<Record>,
        live: Option<&Arc<Live>>,
        now: Moment,
    ) -> Option<Owed> {
        if !self.tells(occasion) {
            return None;
        }
        self.owe(occasion, Subject::Action(&snapshot(record, live), &[]), now)
    }

    fn owe(&self, occasion: Occasion, subject: Subject<'_>, at: Moment) -> Option<Owed> {
        let handler = Arc::clone(self.told.get(&occasion)?);
        let id = Uuid::new_v4();
        let payload = (self.render)(&Notification { id, at, occasion, subject });
        Some(Owed { handler, name: format!("{} {id}", occasion.as_str()).into(), payload: payload.into() })
    }
}

fn snapshot(record: &Arc<Record>, live: Option<&Arc<Live>>) -> Snapshot {
    View { record: Arc::clone(record), live: live.cloned() }.snapshot()
}

/// Reports what running actions have met, until the queue shuts down. What is left at an action's end is reported with
/// that. One at the same moment may overtake this: then the last report of an action comes after its end.
pub(super) fn report(shared: &Shared) {
    let events = &shared.settings.events;
    while shared.closing.sleep(events.report_every).is_ok() {
        let running = shared.table.lock().running();
        let now = Moment::now();
        let reports = running.iter().filter_map(|(record, live)| events.of_errors(record, live, now));
        let owed: Vec<Owed> = reports.collect();
        if owed.is_empty() {
            continue;
        }
        let lost = owed.len();
        if let Err(failure) = shared.store.commit(Write { owed, ..Write::default() }) {
            error!(target: "action", "{lost} error reports are lost, what they said is in the log: {failure}");
        }
    }
}

#[cfg(test)]
mod tests;
