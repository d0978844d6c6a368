//! Waiting for the end of an action: for a client that wants its result instead of its token.

use super::{Queue, Shared, Snapshot, Submission, SubmitError, Table};
use crate::action::Token;
use crate::stop::StopFlag;
use std::sync::Arc;

/// An action that was queued, and whose end is kept for whoever holds this, even if the queue forgets it at once.
/// Dropping it changes nothing about the action.
pub struct Watch {
    pub token: Token,
    shared: Arc<Shared>,
    id: u64,
}

impl Queue {
    /// As [`Queue::submit`], for somebody who is going to wait for the end.
    pub fn submit_watched(&self, submission: &Submission) -> Result<Watch, SubmitError> {
        let watch = |table: &mut Table, id| {
            table.watch(id);
            id
        };
        let (token, id) = self.begin_submit(submission)?.finish_with(watch)?;
        Ok(Watch { token, shared: Arc::clone(&self.shared), id })
    }
}

impl Queue {
    /// Has everybody who waits for the end of an action look at their flags. Called after one was set.
    pub fn wake_waiting(&self) {
        // Whoever has found the flag unset waits by the time this has the lock, or had not looked yet.
        drop(self.shared.table.lock());
        self.shared.changed.notify_all();
    }
}

impl Watch {
    /// The action once it has ended, however long that takes; `None` as soon as the queue shuts down before it has, or `stop`
    /// is set and [`Queue::wake_waiting`] called.
    pub fn wait(&self, stop: &StopFlag) -> Option<Snapshot> {
        let ended = {
            let mut table = self.shared.table.lock();
            // The end is asked for first: what has ended is told, also while the queue shuts down.
            loop {
                match table.seen_end(self.id) {
                    Some(view) => break view,
                    None if table.is_closing() || stop.is_set() => return None,
                    None => self.shared.changed.wait(&mut table),
                }
            }
        };
        Some(ended.snapshot())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.table.lock().unwatch(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::super::{Perform, PerformError, Settings};
    use super::*;
    use crate::action::Status;
    use tempfile::TempDir;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn an_end_that_is_forgotten_at_once_is_still_told_to_who_waits_for_it() -> Tested {
        let directory = TempDir::new()?;
        let queue = Queue::open(Settings { ended_max: 0, ..settings(directory.path()) })?;
        let perform: Perform = Arc::new(|running| match running.params.get("fail") {
            None => Ok(()),
            Some(why) => Err(PerformError::Failed(why.to_owned())),
        });
        let failing = Submission { params: [("fail", "why not")].into_iter().collect(), ..Submission::default() };
        let watches = [queue.submit_watched(&Submission::default())?, queue.submit_watched(&failing)?];
        let cancelled = queue.submit_watched(&Submission::default())?;
        queue.cancel(&cancelled.token)?;
        assert_eq!(cancelled.wait(&StopFlag::new()).map(|action| action.status), Some(Status::Cancelled));
        queue.start(&perform)?;
        let ends: Vec<_> = watches
            .iter()
            .map(|watch| watch.wait(&StopFlag::new()).map(|action| (action.status, action.error)))
            .collect();
        assert_eq!(ends, [Some((Status::Finished, None)), Some((Status::Error, Some("why not".to_owned())))]);
        assert!(queue.list().is_empty());
        drop((watches, cancelled));
        assert!(queue.shared.table.lock().seen_end(1).is_none());
        Ok(())
    }

    #[test]
    fn a_flag_ends_the_wait_of_who_has_it_and_no_other() -> Tested {
        let directory = TempDir::new()?;
        let queue = Queue::open(settings(directory.path()))?;
        let watches = [queue.submit_watched(&Submission::default())?, queue.submit_watched(&Submission::default())?];
        let (stop, other) = (StopFlag::new(), StopFlag::new());
        let waited = std::thread::scope(|scope| {
            let ended = scope.spawn(|| watches[1].wait(&other));
            let stopped = scope.spawn(|| watches[0].wait(&stop));
            stop.set();
            queue.wake_waiting();
            let stopped = stopped.join();
            let cancelled = queue.cancel(&watches[1].token);
            (stopped, cancelled, ended.join())
        });
        assert!(waited.0.is_ok_and(|end| end.is_none()));
        assert_eq!(waited.2.ok().flatten().map(|action| action.status), Some(Status::Cancelled));
        assert_eq!(queue.get(&watches[0].token).map(|action| action.status), Some(Status::Queued));
        waited.1?;
        Ok(())
    }

    #[test]
    fn a_shutdown_ends_the_wait_and_not_the_action() -> Tested {
        let directory = TempDir::new()?;
        let queue = Queue::open(settings(directory.path()))?;
        let watch = queue.submit_watched(&Submission::default())?;
        let waited = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| watch.wait(&StopFlag::new()));
            queue.shut_down();
            waiter.join()
        });
        assert!(waited.is_ok_and(|end| end.is_none()));
        assert_eq!(queue.get(&watch.token).map(|action| action.status), Some(Status::Queued));
        Ok(())
    }
}
