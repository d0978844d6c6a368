//! Asynchronous actions: accepted durably, performed by a fixed pool of threads, watched and ended by token.
//!
//! Owns the status map (`table`), its durable copy (`store`, `database`), the pool (`worker`) and the events that are owed to
//! handlers (`events`, `delivery`). Knows neither what
//! actions do (their parameters are opaque, a function value performs them) nor the wire.
//!
//! # What is shown is durable
//!
//! A change is committed to the store first and published in the table after. For each point where the process may die (the
//! tests of `crashes` go through them in this order):
//!
//! | died | the next process finds | and the client |
//! | --- | --- | --- |
//! | in a submission, before its commit | nothing | got no token |
//! | after the commit, before the answer | the action, queued; it runs | got no token; the action runs although nobody waits |
//! | after a take, before its commit | it queued, no attempt counted (*) | may have seen Processing |
//! | after that commit, before the end's | it Processing: queued again, or Error after `attempts_max` | saw Processing |
//! | after the end's commit | how it ended | may have seen Processing, and never another end |
//! | in a command, before its commit | everything as before it | got no answer, and has seen nothing of it |
//! | after that commit, before the answer | what the command has made of it | got no answer |
//! | in a start's or an end's commit that an event is owed for | neither the one nor the other | was told nothing |
//! | after that commit, before the handler has the event | the event, and delivers it | is told by the next process |
//! | after the handler has it, before the store has forgotten it | the event, and delivers it | is told twice, with one id |
//! | while error reports are gathered | none of them: the action runs again, and meets the errors again | was told of those before |
//!
//! A command is one commit, however many actions it changes. A paused action stays paused, in its worker's place and with
//! its claims, and a paused queue stays paused. What ran in a paused queue, because it was resumed by itself, is queued
//! again like everything that ran, and waits there: a start of the process is no reason to start what the pause forbids.
//!
//! (*) Nothing of it had run, unless it was submitted less than a second before: then it is started beside the commit.
//!
//! Only a start is shown before it is durable, because what a crash makes of it is what a crash makes of any
//! running action. So an end that a client has seen stands, and a token that a client holds is known. What a client *asks*
//! of a running action is not durable: a stop that was acknowledged and not yet seen by the action is lost with the process
//! when that dies, though not when it shuts down.
//!
//! The state of a [`Series`] is committed with its action, in one transaction: no death of the process comes between.
//!
//! # Locks
//!
//! One around the table, and one around the series, never both; they cover assignments only. Store, flags and the perform
//! function are called outside of them; lists are copied as references under the first and turned to snapshots after.
//! Readers never wait for a disk.
//!
//! From the decision on a change to its commit the action is marked as changing; who wants to change it as well, another
//! command or its own end, waits until that is over. So changes of one action reach the store one after the other.
//!
//! # Threads
//!
//! `queue-store` from [`Queue::open`] on, and from [`Queue::start`] on `fetch-N` (N from 1; named after the queue), `event-N`
//! for each handler, and `event-report` if there is one for the errors of running actions. All are joined by
//! [`Queue::join`], or when the queue is dropped.
//!
//! They wait for each other by way of `sync` alone, so that the tests of `schedules` can decide which goes on: all of the above
//! is held against what is durable at any point, in thousands of orders of client threads, workers, a disk that refuses and
//! a shutdown.
//!
//! # Events
//!
//! What handlers are told (`events`) is committed with what causes it, and delivered from the store by threads that nothing
//! else waits for. So a handler that is slow or dead delays no action, no client and no shutdown, and costs a bounded
//! number of rows.

mod commands;
mod copy;
#[cfg(test)]
mod crashes;
mod database;
mod delivery;
mod errors;
mod events;
mod level;
mod listing;
mod record;
#[cfg(all(test, feature = "shuttle"))]
mod schedules;
mod series;
mod store;
mod submit;
mod sync;
mod table;
mod waiting;
mod watch;
mod worker;

pub use copy::{QueueCopyError, check, file_name, is_in_use};
pub use database::{OwedTo, QueueError};
pub use errors::{CommandError, DuplicateError, SubmitError};
pub use events::{Deliver, Events, Handler, Notification, Occasion, Render, Subject};
pub use level::QueueEvent;
pub use series::Series;
pub use store::StoreError;
pub use submit::Submitting;
pub use watch::Watch;

use crate::action::{Live, Params, Query, QueueName, Report, Stage, Status, Token, TokenHost};
use crate::pause::PauseGate;
use crate::stop::StopFlag;
use crate::time::Moment;
use crossbeam_channel::{Receiver, Sender, bounded};
use database::{Database, Write};
use level::Level;
use log::{error, info, warn};
use record::View;
use std::collections::{BTreeMap, HashSet};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Outlet, Store};
use sync::{Condvar, JoinHandle, Mutex, thread};
use table::{Limits, Table};

/// Most bytes of parameters, as a form, that all waiting actions may have together: they are held in memory.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Most bytes of results that all ended actions may have together; beyond it the oldest actions are forgotten.
const ENDED_BYTES_MAX: usize = 64 << 20;

/// What a queue is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    pub queue: QueueName,
    /// Holds `<queue>.db`; made with mode 0700 if it is not there.
    pub directory: PathBuf,
    pub token_host: TokenHost,
    /// Actions performed at once (`MaximumThreads`).
    pub workers: usize,
    /// Actions that may wait (`MaxQueueSize`). Actions that a restart queues again may exceed it.
    pub waiting_max: usize,
    /// Ended actions kept, the latest ones.
    pub ended_max: usize,
    pub ended_age_max: Duration,
    /// How often an action is started that the process does not survive, before it is ended as Error. A death within
    /// milliseconds of a start right after the submission may not count.
    pub attempts_max: u32,
    pub events: Events,
}

/// Performs an action, on a worker's thread. It returns soon after [`Running::stop`] is set.
pub type Perform = Arc<dyn Fn(&Running) -> Result<(), PerformError> + Send + Sync>;

/// The action that a worker performs.
pub struct Running {
    pub token: Token,
    pub params: Params,
    /// 1 for the first; more if earlier processes died of it or while it ran.
    pub attempt: u32,
    /// Set by a client's stop and by a shutdown.
    pub stop: StopFlag,
    /// Closed while a client has the action paused. Nothing is to be begun before it has been passed.
    pub pause: PauseGate,
    /// What `QueueInfo` shows while it runs, and keeps after.
    pub live: Arc<Live>,
}

/// Why an action came to no end of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PerformError {
    /// [`Running::stop`] was set. The queue knows why.
    #[error("stopped")]
    Stopped,
    /// The text that `QueueInfo` prints as its `error`.
    #[error("{0}")]
    Failed(String),
}

/// An action to be queued.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    pub params: Params,
    /// Larger is sooner.
    pub priority: i64,
    /// Names, compared ignoring case, of which no two running actions share one.
    pub claims: Vec<String>,
    /// What to keep of the series that it is the next action of, with its token as `last`.
    pub series: Option<Series>,
}

/// An action as a client may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub token: Token,
    pub status: Status,
    pub queued_at: Moment,
    pub started_at: Option<Moment>,
    pub ended_at: Option<Moment>,
    pub priority: i64,
    pub error: Option<String>,
    /// Counts of this moment if it is running.
    pub report: Report,
    /// How far it is with each task section; none unless it is running.
    pub stages: Vec<Stage>,
}

/// The queue as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// No queued action is started.
    pub is_paused: bool,
    pub queued: usize,
    /// Paused actions too: each holds a worker.
    pub running: usize,
    /// However they ended, as long as they are remembered.
    pub ended: usize,
}

/// A durable queue and its workers.
pub struct Queue {
    shared: Arc<Shared>,
    /// Those of the workers, and then those of events.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Of each handler, where it is told that it is owed more; until its thread has it.
    woken: Mutex<Vec<Receiver<()>>>,
}

/// What the workers and the callers share.
struct Shared {
    settings: Settings,
    table: Mutex<Table>,
    /// Every series, as the store has it.
    series: Mutex<BTreeMap<String, Series>>,
    /// Told when an action that was changing does so no more, when one has ended, and when the table is closed.
    changed: Condvar,
    store: Store,
    /// How many events handlers are owed, as of the last commit.
    owed: Arc<Mutex<OwedTo>>,
    /// Full if every worker has a reason to look: nobody waits to put one more in.
    waker: Sender<()>,
    woken: Receiver<()>,
    /// Set after the table was closed.
    closing: StopFlag,
}

impl Shared {
    /// Has one more worker look for an action.
    fn wake(&self) {
        // Full: as many wakes as workers lie there already.
        let _ = self.waker.try_send(());
    }
}

impl Queue {
    /// Opens the queue's store, or makes it, and takes up what the last process left: what it was running is queued
    /// again in its old place, or has ended as Error after its last attempt; what was paused is paused.
    pub fn open(settings: Settings) -> Result<Queue, QueueError> {
        make_directory(&settings.directory)
            .map_err(|source| QueueError::Directory { path: settings.directory.clone(), source })?;
        let path = settings.directory.join(file_name(&settings.queue));
        let (mut database, kept) = Database::open(&path)?;
        let limits = Limits {
            waiting: settings.waiting_max,
            waiting_bytes: WAITING_BYTES_MAX,
            ended: settings.ended_max,
            ended_age: settings.ended_age_max,
            ended_bytes: ENDED_BYTES_MAX,
        };
        let mut table = Table::new(limits, kept.is_paused);
        if kept.is_paused {
            info!(target: "action", "The queue is paused: no action is started until QueueAction=Resume");
        }
        let now = Moment::now();
        let (events, told) = (settings.events.clone(), kept.told);
        let mut writes = Vec::new();
        let mut waiting = HashSet::new();
        for record in kept.records {
            let revived = record.revived(settings.attempts_max, now);
            if let Some(revived) = &revived {
                info!(target: "action", "Action of the last process is {} [{}]", revived.status, revived.token);
                let revived = Arc::new(revived.clone());
                let owed = events.of_end(&revived, now).into_iter().collect();
                writes.push(Write { owed, ..Write::put(&revived) });
            }
            let record = revived.unwrap_or(record);
            let id = record.id;
            if record.status == Status::Queued {
                waiting.insert(id);
            }
            if !table.restore(record) {
                let reason = format!("row {id} repeats the token of another row");
                return Err(QueueError::Damaged { path, reason });
            }
        }
        let inaccessible = |source| QueueError::Inaccessible { path: path.clone(), source };
        database.commit(&writes).map_err(inaccessible)?;
        for (handler, count) in database.keep_events_of(&events.names()).map_err(inaccessible)? {
            warn!(target: "action", "{count} undelivered events for [{handler}] are dropped: it is no handler any more");
        }
        for (handler, count) in database.owed_to() {
            info!(target: "action", "{count} events wait to be delivered to [{handler}]");
        }
        // The rows of what this drops go with the first end that is written.
        table.prune(now);

        let (waker, woken) = bounded(settings.workers.max(1));
        let size_max = settings.waiting_max;
        let level = events.tells(Occasion::QueueEvent);
        let level = level.then(|| Level::new(events.thresholds(size_max), waiting, told));
        let (wakers, handlers_woken) = events
            .names()
            .into_iter()
            .map(|name| {
                let (waker, woken) = bounded(1);
                ((name, waker), woken)
            })
            .unzip();
        let owed = Arc::new(Mutex::new(database.owed_to()));
        let store = Store::start(database, Outlet { events, size_max, level, wakers, owed: Arc::clone(&owed) })?;
        let (table, changed, closing) = (Mutex::new(table), Condvar::new(), StopFlag::new());
        let series = Mutex::new(kept.series.into_iter().map(|series| (series.name.clone(), series)).collect());
        let shared = Shared { settings, table, series, changed, store, owed, waker, woken, closing };
        Ok(Queue { shared: Arc::new(shared), threads: Mutex::default(), woken: Mutex::new(handlers_woken) })
    }

    /// Starts the workers, which perform every action by `perform`, and the delivery of events. Paused actions of the last process have their workers
    /// when this returns. Called once: a second call panics.
    ///
    /// On an error, the threads that could be started work.
    pub fn start(&self, perform: &Perform) -> Result<(), QueueError> {
        assert!(self.threads.lock().is_empty(), "a queue is started once");
        for number in 1..=self.shared.settings.workers {
            let name = format!("{}-{number}", self.shared.settings.queue.as_str().to_ascii_lowercase());
            let (shared, perform) = (Arc::clone(&self.shared), Arc::clone(perform));
            let parked = shared.table.lock().take_parked();
            self.spawn(name, move || worker::work(&shared, &perform, parked))?;
        }
        let events = &self.shared.settings.events;
        let woken = std::mem::take(&mut *self.woken.lock());
        for (number, (handler, woken)) in events.handlers.iter().cloned().zip(woken).enumerate() {
            let shared = Arc::clone(&self.shared);
            self.spawn(format!("event-{}", number + 1), move || delivery::deliver(&shared, &handler, &woken))?;
        }
        if events.tells(Occasion::ErrorReport) {
            let shared = Arc::clone(&self.shared);
            self.spawn("event-report".to_owned(), move || events::report(&shared))?;
        }
        Ok(())
    }

    fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> Result<(), QueueError> {
        let thread = thread::Builder::new().name(name).spawn(run).map_err(QueueError::Thread)?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// The action as it is now, however many there are.
    pub fn get(&self, token: &Token) -> Option<Snapshot> {
        let view = self.shared.table.lock().get(token)?;
        Some(view.snapshot())
    }

    /// Every action, the latest queued first; of one millisecond, the latest submitted first.
    pub fn list(&self) -> Vec<Snapshot> {
        self.find(&Query::default())
    }

    /// The actions that `query` asks for. However many there are, only what is told is copied.
    pub fn find(&self, query: &Query) -> Vec<Snapshot> {
        let views = self.shared.table.lock().list();
        listing::arrange(views, query).iter().map(View::snapshot).collect()
    }

    /// As [`Queue::find`], among this one action.
    pub fn find_one(&self, token: &Token, query: &Query) -> Result<Vec<Snapshot>, CommandError> {
        let view = self.shared.table.lock().get(token);
        let view = view.ok_or_else(|| CommandError::UnknownToken(token.clone()))?;
        Ok(listing::arrange(vec![view], query).iter().map(View::snapshot).collect())
    }

    /// The parameters with which an action that has not ended was submitted.
    pub fn parameters(&self, token: &Token) -> Result<Params, CommandError> {
        Ok(Params::from_form(&self.not_ended(token)?.params))
    }

    /// The parameters of every action that has not ended, the latest queued first.
    pub fn all_parameters(&self) -> Vec<(Token, Params)> {
        let pending = self.not_ended_views();
        pending.iter().map(|view| (view.record.token.clone(), Params::from_form(&view.record.params))).collect()
    }

    /// How many bytes the parameters of every action that has not ended have together, or those of one action.
    pub fn parameters_bytes(&self, token: Option<&Token>) -> Result<usize, CommandError> {
        match token {
            Some(token) => Ok(self.not_ended(token)?.params.len()),
            None => Ok(self.not_ended_views().iter().map(|view| view.record.params.len()).sum()),
        }
    }

    fn not_ended_views(&self) -> Vec<View> {
        let views = self.shared.table.lock().list();
        let mut views = listing::arrange(views, &Query::default());
        views.retain(|view| !view.record.status.is_end());
        views
    }

    pub fn state(&self) -> State {
        let (is_paused, numbers) = {
            let table = self.shared.table.lock();
            (table.is_paused(), table.numbers())
        };
        let table::Numbers { queued, running, ended } = numbers;
        State { is_paused, queued, running, ended }
    }

    /// The handlers of events, and how many events each is still to be told. Many mean that it does not take them.
    pub fn owed(&self) -> OwedTo {
        let owed = self.shared.owed.lock().clone();
        let count = |name: &Arc<str>| owed.iter().find(|(owed, _)| owed == name).map_or(0, |(_, count)| *count);
        self.shared.settings.events.names().into_iter().map(|name| (Arc::clone(&name), count(&name))).collect()
    }

    /// Accepts and starts no more actions and asks the running ones to stop. Returns at once; status is answered as before.
    ///
    /// An action that stops because of this is queued again, and the attempt does not count.
    pub fn shut_down(&self) {
        let flags = self.shared.table.lock().close();
        self.shared.closing.set();
        self.shared.changed.notify_all();
        for flag in flags {
            flag.set();
        }
    }

    /// Shuts down and waits for every thread. What has been answered and what has ended is durable then, and so are the
    /// events that handlers are still owed; the store is closed, and status is still answered.
    pub fn join(&self) {
        self.shut_down();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                error!(target: "action", "the thread {name} of the queue ended by a panic");
            }
        }
        self.shared.store.close();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.join();
    }
}

/// Makes the directory, and its entry in its parent durable: the store syncs only what is inside.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests;
