//! The fixed pool: each worker takes an action, performs it, settles it, and takes the next. The panic boundary.
//!
//! Never ends an action without the store: see the crash points in [`super`].

use super::database::Write;
use super::record::Record;
use super::sync;
use super::table::{Outcome, Taken};
use super::{Perform, PerformError, Running, Shared, StoreError};
use crate::action::{Params, Status};
use crate::log::ActionIdScope;
use crate::stop::Stopped;
use crate::time::Moment;
use log::{error, info, warn};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long after a failed write the next one is tried: from the first to the second, doubling.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long after its submission an action counts as submitted just now.
const FRESH_MS: i64 = 1_000;

/// How often an idle queue looks for ended actions that have grown too old.
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// Works until the queue is shut down; `first` is a paused action of the last process.
pub(super) fn work(shared: &Shared, perform: &Perform, mut first: Option<Taken>) {
    let mut retry = Retry::default();
    while !shared.closing.is_set() {
        let taken = first.take().or_else(|| shared.table.lock().take(Moment::now()));
        let Some(taken) = taken else {
            wait(shared);
            continue;
        };
        // What follows it in the queue may be free to run as well, and its submission woke only one worker.
        shared.wake();
        let params = Params::from_form(&taken.record.params);
        let _scope = ActionIdScope::enter(params.get("ActionID"));
        if start(shared, &taken, &mut retry) {
            let outcome = run(&taken, params, perform);
            settle(shared, &taken, outcome);
        }
    }
}

/// Until an action may be there to take, or the queue shuts down.
fn wait(shared: &Shared) {
    if !sync::woken(&shared.woken, &shared.closing, PRUNE_EVERY) {
        shared.table.lock().prune(Moment::now());
    }
}

/// Records the attempt, so that an action that kills the process is not tried for ever. `false`: it could not be, the
/// action is back in the queue (or has been stopped meanwhile), and the wait before the next try is over.
///
/// An action that was submitted just now starts while its attempt is being recorded: the store has just been seen to work,
/// and a client that watches an idle connector waits for one disk write instead of two; unless a handler is told of
/// starts. If the process dies before the record is there, the action is soon too old for this, so the attempts still come to an end.
///
/// A paused action of the last process is still in its old attempt, which is recorded.
fn start(shared: &Shared, action: &Taken, retry: &mut Retry) -> bool {
    if action.record.status == Status::Paused {
        return true;
    }
    let token = &action.record.token;
    let owed = shared.settings.events.of_start(&action.record, &action.live, Moment::now());
    // A handler that is told of ends is told of starts: not only if the store works.
    let at_once = is_fresh(&action.record) && owed.is_none();
    let write = Write { owed: owed.into_iter().collect(), ..Write::put(&action.record) };
    let recorded = if at_once { shared.store.commit_later(write) } else { shared.store.commit(write) };
    match recorded {
        Ok(()) => {
            *retry = Retry::default();
            shared.table.lock().unmark(action.record.id);
            shared.changed.notify_all();
            info!(target: "action", "Action started, attempt {} [{token}]", action.record.attempts);
            return true;
        }
        Err(failure) => error!(target: "action", "Action not started, tried again later: {failure} [{token}]"),
    }
    let given_back = shared.table.lock().give_back(action.record.id, Moment::now());
    shared.changed.notify_all();
    if !given_back {
        // A client was told that it stops; it must not run again.
        settle(shared, action, Outcome::Returned(Err(PerformError::Stopped)));
    } else if retry.wait(shared).is_ok() {
        // Whoever looked meanwhile found it taken.
        shared.wake();
    }
    false
}

/// Whether this is the first start, right after the submission; false also if the clock was set back.
fn is_fresh(started: &Record) -> bool {
    let waited_ms = started.started_at.map(|at| at.epoch_ms().saturating_sub(started.queued_at.epoch_ms()));
    started.attempts == 1 && waited_ms.is_some_and(|ms| (0..FRESH_MS).contains(&ms))
}

fn run(action: &Taken, params: Params, perform: &Perform) -> Outcome {
    let running = Running {
        token: action.record.token.clone(),
        params,
        attempt: action.record.attempts,
        stop: action.stop.clone(),
        pause: action.pause.clone(),
        live: Arc::clone(&action.live),
    };
    if sync::pass(&running.pause, &running.stop).is_err() {
        return Outcome::Returned(Err(PerformError::Stopped));
    }
    // Nothing that it could leave half changed is used again: `running` is dropped, and `live` only counts.
    match catch_unwind(AssertUnwindSafe(|| perform(&running))) {
        Ok(result) => Outcome::Returned(result),
        Err(panic) => Outcome::Panicked(panic_text(panic.as_ref()).to_owned()),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

/// Commits how the action ended, then shows it. While the store cannot be written the action stays as it is, running,
/// with its counts; if the queue is shut down meanwhile, the next process finds it as if it had crashed.
fn settle(shared: &Shared, action: &Taken, outcome: Outcome) {
    let (report, refusals) = (action.live.report(), action.live.refusals());
    let token = &action.record.token;
    let id = action.record.id;
    let now = Moment::now();
    let report_owed = shared.settings.events.of_errors(&action.record, &action.live, now);
    let (record, mut write) = {
        let mut table = shared.table.lock();
        // A pause or a resume of it is being committed: the store answers in any case, and then it is over.
        while table.is_changing(id) {
            shared.changed.wait(&mut table);
        }
        let mut record = table.settled(id, outcome, report, Moment::now());
        if record.status.is_end() {
            let errors = record.error.take().into_iter().chain(refusals);
            record.error = errors.reduce(|first, second| format!("{first}; {second}"));
        }
        let record = Arc::new(record);
        (Arc::clone(&record), Write { forget: table.take_forgotten(), ..Write::put(&record) })
    };
    write.owed.extend(report_owed);
    write.owed.extend(shared.settings.events.of_end(&record, now));
    let mut retry = Retry::default();
    while let Err(failure) = shared.store.commit(write.clone()) {
        error!(target: "action", "The end of the action cannot be recorded: {failure} [{token}]");
        if shared.closing.is_set() || matches!(failure, StoreError::Closed) {
            shared.table.lock().unmark(id);
            shared.changed.notify_all();
            return;
        }
        // Also after a shutdown cut the wait: once more, it may be possible now.
        let (Ok(()) | Err(Stopped)) = retry.wait(shared);
    }
    let is_shown = shared.table.lock().publish_settled(&record, Moment::now());
    shared.changed.notify_all();
    if !is_shown {
        // Once: that is an end.
        return settle(shared, action, Outcome::Returned(Err(PerformError::Stopped)));
    }
    // The claims that it held may have kept others waiting.
    shared.wake();
    match (&record.status, &record.error) {
        (Status::Queued, _) => info!(target: "action", "Action back in the queue until the next start [{token}]"),
        (Status::Paused, _) => info!(target: "action", "Action stays paused over the next start [{token}]"),
        (Status::Error, Some(text)) => error!(target: "action", "[{token}] Failed: {text}"),
        (status, Some(text)) => warn!(target: "action", "Action ended as {status}: {text} [{token}]"),
        (status, None) => info!(target: "action", "Action ended as {status} [{token}]"),
    }
}

/// Waits between writes that fail.
struct Retry(Duration);

impl Default for Retry {
    fn default() -> Retry {
        Retry(RETRY_FIRST)
    }
}

impl Retry {
    /// Returns early, with the error, when the queue shuts down.
    fn wait(&mut self, shared: &Shared) -> Result<(), Stopped> {
        let pause = self.0;
        self.0 = (pause * 2).min(RETRY_MAX);
        sync::sleep(&shared.closing, pause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::super::{Queue, Submission, tests::settings};
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn only_a_first_start_right_after_the_submission_is_fresh() {
        let cases = [(1, 0, true), (1, FRESH_MS - 1, true), (1, FRESH_MS, false), (1, -1, false), (2, 0, false)];
        for (attempts, waited_ms, fresh) in cases {
            let queued = record(5, 0, &[]);
            let started_at = Some(Moment::from_epoch_ms(queued.queued_at.epoch_ms() + waited_ms));
            assert_eq!(is_fresh(&Record { attempts, started_at, ..queued }), fresh, "{attempts} {waited_ms}");
        }
    }

    #[test]
    fn a_start_that_cannot_be_recorded_is_undone_and_a_stop_in_time_prevents_it()
    -> Result<(), Box<dyn std::error::Error>> {
        let directory = TempDir::new()?;
        let queue = Queue::open(settings(directory.path()))?;
        let shared = &queue.shared;
        let token = queue.submit(&Submission::default())?;
        let status = || queue.get(&token).map(|action| action.status);
        let refuse_writes = |refuse: bool| shared.store.pragma("query_only", i64::from(refuse));
        let later = Moment::from_epoch_ms(Moment::now().epoch_ms() + FRESH_MS);
        let take = || shared.table.lock().take(later).ok_or("it waits");
        let mut retry = Retry(Duration::from_millis(1));

        let action = take()?;
        assert_eq!(status(), Some(Status::Processing));
        refuse_writes(true)?;
        assert!(!start(shared, &action, &mut retry));
        assert_eq!((status(), retry.0), (Some(Status::Queued), Duration::from_millis(2)));

        refuse_writes(false)?;
        let action = take()?;
        queue.stop(Some(&token))?;
        assert!(start(shared, &action, &mut retry));
        let untouched: Perform = Arc::new(|_| unreachable!("it was asked to stop"));
        settle(shared, &action, run(&action, Params::default(), &untouched));
        assert_eq!((status(), retry.0), (Some(Status::Stopped), RETRY_FIRST));
        Ok(())
    }
}
