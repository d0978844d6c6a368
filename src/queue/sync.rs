//! All that the queue's threads wait for each other with: locks, the store's channel, threads, and what a worker waits for.
//!
//! Here are the names; behind them are parking_lot, crossbeam and std. Only in the library's own tests with the feature
//! `shuttle` they are those of a scheduler that decides at each of them which thread goes on (`scheduled`), so
//! that `schedules` can look at orders that a machine hits once in a year. Nobody who waits may do so past this module: there,
//! all threads share one of the system's, and that would stand still.

#[cfg(all(test, feature = "shuttle"))]
mod scheduled;

#[cfg(all(test, feature = "shuttle"))]
pub(super) use scheduled::*;

#[cfg(not(all(test, feature = "shuttle")))]
pub(super) use ordinary::*;

#[cfg(not(all(test, feature = "shuttle")))]
mod ordinary {
    use crate::pause::PauseGate;
    use crate::stop::{StopFlag, Stopped};
    use crossbeam_channel::select;
    use std::time::Duration;

    pub(in crate::queue) use crossbeam_channel::{Receiver, Sender, bounded};
    pub(in crate::queue) use parking_lot::{Condvar, Mutex};
    pub(in crate::queue) use std::thread::{self, JoinHandle};

    /// Waits until a wake is there, which it takes, or the flag is set; `false`: for `longest`, and neither came.
    pub(in crate::queue) fn woken(wakes: &Receiver<()>, closing: &StopFlag, longest: Duration) -> bool {
        select! {
            recv(wakes) -> _ => true,
            recv(closing.signal()) -> _ => true,
            default(longest) => false,
        }
    }

    /// As [`StopFlag::sleep`].
    pub(in crate::queue) fn sleep(stop: &StopFlag, duration: Duration) -> Result<(), Stopped> {
        stop.sleep(duration)
    }

    /// As [`PauseGate::pass`].
    pub(in crate::queue) fn pass(gate: &PauseGate, stop: &StopFlag) -> Result<(), Stopped> {
        gate.pass(stop)
    }
}
