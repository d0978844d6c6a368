//! The one thread that writes: it takes the writes that are there, commits them together, and answers each.
//!
//! A commit costs one wait for the disk whether it holds one write or many, so submissions that come at the same time
//! share it and none waits for another's turn. The thread never looks at the table.
//!
//! It sees every change of the queue's size in the order in which the store does, so it is what tells queue events: in
//! the transaction of the change.

use super::database::{Database, Dispatched, KeptEvent, OWED_MAX, Owed, OwedTo, QueueError, Write};
use super::events::Events;
use super::level::{Level, Movement};
use super::sync::{JoinHandle, Mutex, Receiver, Sender, bounded, thread};
use crate::sqlite::CopyError;
use crate::stop::StopFlag;
use crate::time::Moment;
use crossbeam_channel::Sender as Waker;
use log::{error, warn};
use std::path::PathBuf;
use std::sync::Arc;

/// Most writes in one transaction: bounds how long the first of them waits for the others.
const BATCH_MAX: usize = 512;

/// Writes that may lie in the channel before a writer waits to put one in.
const WAITING_MAX: usize = 512;

/// Why a write is not durable. Nothing of it was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, for example. Later writes may succeed.
    #[error("the queue's store cannot be written: {0}")]
    Write(#[source] Arc<rusqlite::Error>),
    /// The queue has been shut down.
    #[error("the queue's store is closed")]
    Closed,
}

/// What the thread knows of events.
pub(super) struct Outlet {
    pub(super) events: Events,
    /// Actions that may wait.
    pub(super) size_max: usize,
    /// `None` if nobody is told of the queue's size.
    pub(super) level: Option<Level>,
    /// By the names of handlers, where each is told that it is owed more.
    pub(super) wakers: Vec<(Arc<str>, Waker<()>)>,
    /// Where others see how many events are owed.
    pub(super) owed: Arc<Mutex<OwedTo>>,
}

pub(super) struct Store {
    /// `None` once closed. The thread ends when the last clone of it is gone.
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Answer = Result<(), StoreError>;

/// A write that has been asked for.
pub(super) struct Commit(Result<Receiver<Answer>, StoreError>);

impl Commit {
    /// Returns when the write is durable, or is known not to be.
    pub(super) fn wait(self) -> Result<(), StoreError> {
        self.0?.recv().unwrap_or(Err(StoreError::Closed))
    }
}

enum Job {
    Commit(Write, Sender<Answer>),
    Copy(PathBuf, StopFlag, Sender<Result<(), CopyError>>),
    Owed {
        handler: Arc<str>,
        after: i64,
        until: i64,
        count: usize,
        answer: Sender<Result<Vec<KeptEvent>, StoreError>>,
    },
    #[cfg(test)]
    Pragma(&'static str, i64, Sender<Answer>),
}

impl Store {
    pub(super) fn start(database: Database, outlet: Outlet) -> Result<Store, QueueError> {
        let (jobs, incoming) = bounded(WAITING_MAX);
        let thread = thread::Builder::new().name("queue-store".to_owned());
        let thread = thread.spawn(move || run(database, outlet, &incoming)).map_err(QueueError::Thread)?;
        Ok(Store { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// Returns when `write` is durable, or is known not to be. There is no giving up in between: then nobody
    /// would know whether it happened.
    pub(super) fn commit(&self, write: Write) -> Result<(), StoreError> {
        self.begin_commit(write).wait()
    }

    /// As [`Store::commit`] with the waiting left to the caller.
    pub(super) fn begin_commit(&self, write: Write) -> Commit {
        Commit(self.ask(|answer| Job::Commit(write, answer)))
    }

    /// Has `write` committed before any that is asked for later, and does not wait. If it fails, the log says so.
    pub(super) fn commit_later(&self, write: Write) -> Result<(), StoreError> {
        self.ask(|answer| Job::Commit(write, answer)).map(drop)
    }

    /// The first events that `handler` is owed after `after` and up to `until`, at most `count`.
    pub(super) fn owed(
        &self,
        handler: &Arc<str>,
        after: i64,
        until: i64,
        count: usize,
    ) -> Result<Vec<KeptEvent>, StoreError> {
        let handler = Arc::clone(handler);
        let job = |answer| Job::Owed { handler, after, until, count, answer };
        self.ask(job)?.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Writes a copy of the file to `to`. Everything that was asked for before is in it, if it was answered.
    pub(super) fn copy(&self, to: PathBuf, stop: StopFlag) -> Result<Result<(), CopyError>, StoreError> {
        let jobs = self.jobs.lock().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = bounded(1);
        jobs.send(Job::Copy(to, stop, answer)).map_err(|_| StoreError::Closed)?;
        drop(jobs);
        answered.recv().map_err(|_| StoreError::Closed)
    }

    /// Answers what has been asked, ends the thread and closes the file. Later commits fail as closed.
    pub(super) fn close(&self) {
        let jobs = self.jobs.lock().take();
        drop(jobs);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            error!(target: "action", "the thread of the queue's store ended by a panic");
        }
    }

    #[cfg(test)]
    pub(super) fn pragma(&self, name: &'static str, value: i64) -> Result<(), StoreError> {
        self.ask(|answer| Job::Pragma(name, value, answer))?.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Where the answer will come. It always does, unless the thread is gone.
    fn ask<T>(&self, job: impl FnOnce(Sender<T>) -> Job) -> Result<Receiver<T>, StoreError> {
        let jobs = self.jobs.lock().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = bounded(1);
        jobs.send(job(answer)).map_err(|_| StoreError::Closed)?;
        Ok(answered)
    }
}

fn run(mut database: Database, mut outlet: Outlet, incoming: &Receiver<Job>) {
    if let Err(error) = database.write_log_ahead() {
        // The disk is full, perhaps. Commits will say so to whom it concerns.
        warn!(target: "action", "The queue's log was not written ahead: {error}");
    }
    let (mut writes, mut answers) = (Vec::new(), Vec::new());
    let write_error = |error| StoreError::Write(Arc::new(error));
    while let Ok(first) = incoming.recv() {
        for job in std::iter::once(first).chain(incoming.try_iter()).take(BATCH_MAX) {
            match job {
                Job::Commit(write, answer) => {
                    writes.push(write);
                    answers.push(answer);
                }
                // Whoever asks has given up if it does not listen.
                Job::Owed { handler, after, until, count, answer } => {
                    drop(answer.send(database.owed(&handler, after, until, count).map_err(write_error)));
                }
                // What stands before it in this batch is answered after it, and so need not be in it.
                Job::Copy(to, stop, answer) => drop(answer.send(database.copy_to(&to, &stop))),
                #[cfg(test)]
                Job::Pragma(name, value, answer) => {
                    drop(answer.send(database.pragma(name, value).map_err(write_error)));
                }
            }
        }
        if writes.is_empty() {
            continue;
        }
        let movement = outlet.follow(&mut writes);
        let done = database.commit(&writes).map_err(write_error);
        let done = match done {
            Ok(dispatched) => {
                #[cfg(all(test, feature = "shuttle"))]
                super::schedules::committed(&writes);
                if writes.iter().any(Write::moves_events) {
                    let owed = database.owed_to();
                    *outlet.owed.lock() = owed;
                }
                outlet.announce(dispatched);
                Ok(())
            }
            Err(failure) => {
                error!(target: "action", "A commit of {} changes failed: {failure}", answers.len());
                outlet.undo(movement);
                Err(failure)
            }
        };
        writes.clear();
        for answer in answers.drain(..) {
            // Nobody listens to a commit for later.
            drop(answer.send(done.clone()));
        }
    }
}

impl Outlet {
    /// Adds the queue events that `writes` cause.
    fn follow(&mut self, writes: &mut Vec<Write>) -> Option<Movement> {
        let movement = self.level.as_mut()?.follow(writes);
        if let Some(&(last, _)) = movement.events.last() {
            let now = Moment::now();
            let owed = |&(event, size): &_| self.events.of_queue(event, size, self.size_max, now);
            let owed: Vec<Owed> = movement.events.iter().filter_map(owed).collect();
            writes.push(Write { owed, told: Some(last), ..Write::default() });
        }
        Some(movement)
    }

    fn undo(&mut self, movement: Option<Movement>) {
        if let (Some(level), Some(movement)) = (&mut self.level, movement) {
            level.undo(movement);
        }
    }

    fn announce(&self, Dispatched { handlers, dropped }: Dispatched) {
        for (handler, count) in dropped {
            warn!(
                target: "action",
                "[{handler}] has not been told of {OWED_MAX} events, or of as many as may be kept: the oldest {count} \
                 are dropped"
            );
        }
        for handler in handlers {
            for (_, waker) in self.wakers.iter().filter(|(name, _)| *name == handler) {
                // Full: it has been told and has not looked yet.
                let _ = waker.try_send(());
            }
        }
    }
}
