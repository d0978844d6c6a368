//! The one thread that writes: it takes the writes that are there, commits them together, and answers each.
//!
//! A commit costs one wait for the disk whether it holds one write or many, so submissions that come at the same time
//! share it and none waits for another's turn. The thread never looks at the table.

use super::database::{Database, QueueError, Write};
use crossbeam_channel::{Receiver, Sender, bounded};
use log::error;
use parking_lot::Mutex;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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

pub(super) struct Store {
    /// `None` once closed. The thread ends when the last clone of it is gone.
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Answer = Result<(), StoreError>;

enum Job {
    Commit(Write, Sender<Answer>),
    #[cfg(test)]
    Pragma(&'static str, i64, Sender<Answer>),
}

impl Store {
    pub(super) fn start(database: Database) -> Result<Store, QueueError> {
        let (jobs, incoming) = bounded(WAITING_MAX);
        let thread = thread::Builder::new().name("queue-store".to_owned());
        let thread = thread.spawn(move || run(database, &incoming)).map_err(QueueError::Thread)?;
        Ok(Store { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// Returns when `write` is durable, or is known not to be. There is no giving up in between: then nobody
    /// would know whether it happened.
    pub(super) fn commit(&self, write: Write) -> Result<(), StoreError> {
        self.ask(|answer| Job::Commit(write, answer))?.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Has `write` committed before any that is asked for later, and does not wait. If it fails, the log says so.
    pub(super) fn commit_later(&self, write: Write) -> Result<(), StoreError> {
        self.ask(|answer| Job::Commit(write, answer)).map(drop)
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
    fn ask(&self, job: impl FnOnce(Sender<Answer>) -> Job) -> Result<Receiver<Answer>, StoreError> {
        let jobs = self.jobs.lock().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = bounded(1);
        jobs.send(job(answer)).map_err(|_| StoreError::Closed)?;
        Ok(answered)
    }
}

fn run(mut database: Database, incoming: &Receiver<Job>) {
    let (mut writes, mut answers) = (Vec::new(), Vec::new());
    while let Ok(first) = incoming.recv() {
        for job in std::iter::once(first).chain(incoming.try_iter()).take(BATCH_MAX) {
            match job {
                Job::Commit(write, answer) => {
                    writes.push(write);
                    answers.push(answer);
                }
                #[cfg(test)]
                Job::Pragma(name, value, answer) => {
                    let done = database.pragma(name, value).map_err(|error| StoreError::Write(Arc::new(error)));
                    drop(answer.send(done));
                }
            }
        }
        let done = database.commit(&writes).map_err(|error| StoreError::Write(Arc::new(error)));
        if let Err(failure) = &done {
            error!(target: "action", "A commit of {} changes failed: {failure}", writes.len());
        }
        writes.clear();
        for answer in answers.drain(..) {
            // Nobody listens to a commit for later.
            drop(answer.send(done.clone()));
        }
    }
}
