//! The fixed pool: each worker takes an action, performs it, settles it, and takes the next. The panic boundary.
//!
//! Never ends an action without the store: see the crash points in [`super`].

use super::database::Write;
use super::table::{Outcome, Taken};
use super::{Perform, Running, Shared, StoreError};
use crate::action::{Params, Status};
use crate::stop::Stopped;
use crate::time::Moment;
use crossbeam_channel::select;
use log::{error, info};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long after a failed write the next one is tried: from the first to the second, doubling.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How often an idle queue looks for ended actions that have grown too old.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Works until the queue is shut down.
pub(super) fn work(shared: &Shared, perform: &Perform) {
    let mut retry = Retry::default();
    while !shared.closing.is_set() {
        let taken = shared.table.lock().take(Moment::now());
        let Some(taken) = taken else {
            wait(shared);
            continue;
        };
        // What follows it in the queue may be free to run as well, and its submission woke only one worker.
        shared.wake();
        if start(shared, &taken, &mut retry) {
            info!(target: "action", "Action started, attempt {} [{}]", taken.record.attempts, taken.record.token);
            let outcome = run(&taken, perform);
            settle(shared, &taken, outcome);
        }
    }
}

/// Until an action may be there to take, or the queue shuts down.
fn wait(shared: &Shared) {
    select! {
        recv(shared.woken) -> _ => {}
        recv(shared.closing.signal()) -> _ => {}
        default(PRUNE_EVERY) => shared.table.lock().prune(Moment::now()),
    }
}

/// Records the attempt, so that an action that kills the process is not tried for ever. `false`: it could not be, the
/// action is back in the queue (or has been stopped meanwhile), and the wait before the next try is over.
fn start(shared: &Shared, taken: &Taken, retry: &mut Retry) -> bool {
    let token = &taken.record.token;
    let write = Write { put: Arc::clone(&taken.record), forget: Vec::new() };
    match shared.store.commit(write) {
        Ok(()) => {
            *retry = Retry::default();
            return true;
        }
        Err(failure) => error!(target: "action", "Action not started, tried again later: {failure} [{token}]"),
    }
    let given_back = shared.table.lock().give_back(taken.record.id, Moment::now());
    if !given_back {
        // A client was told that it stops; it must not run again.
        settle(shared, taken, Outcome::Returned(Err(super::PerformError::Stopped)));
    } else if retry.wait(shared).is_ok() {
        // Whoever looked meanwhile found the action taken.
        shared.wake();
    }
    false
}

fn run(taken: &Taken, perform: &Perform) -> Outcome {
    let running = Running {
        token: taken.record.token.clone(),
        params: Params::from_form(&taken.record.params),
        attempt: taken.record.attempts,
        stop: taken.stop.clone(),
        live: Arc::clone(&taken.live),
    };
    if running.stop.is_set() {
        return Outcome::Returned(Err(super::PerformError::Stopped));
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
fn settle(shared: &Shared, taken: &Taken, outcome: Outcome) {
    let report = taken.live.report();
    let token = &taken.record.token;
    let write = {
        let mut table = shared.table.lock();
        let record = table.settled(taken.record.id, outcome, report, Moment::now());
        Write { put: Arc::new(record), forget: table.take_forgotten() }
    };
    let mut retry = Retry::default();
    while let Err(failure) = shared.store.commit(write.clone()) {
        error!(target: "action", "The end of the action cannot be recorded: {failure} [{token}]");
        if shared.closing.is_set() || matches!(failure, StoreError::Closed) {
            return;
        }
        // Also after a shutdown cut the wait: once more, it may be possible now.
        let (Ok(()) | Err(Stopped)) = retry.wait(shared);
    }
    let record = write.put;
    shared.table.lock().publish(Arc::clone(&record), Moment::now());
    // The claims that it held may have kept others waiting.
    shared.wake();
    match (&record.status, &record.error) {
        (Status::Queued, _) => info!(target: "action", "Action back in the queue until the next start [{token}]"),
        (_, Some(text)) => error!(target: "action", "Action failed: {text} [{token}]"),
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
        shared.closing.sleep(pause)
    }
}
