//! The same names with shuttle behind them. Time does not pass: a deadline never comes, a sleep lets others go on.
//!
//! Flags, gates and wakes are the real ones, and only looked at: who waits for one lets others go on until it has come. So
//! waiting in vain is found as too many steps, and as a deadlock where the wait is one for a lock, a condition or an answer.

use crate::pause::PauseGate;
use crate::stop::{StopFlag, Stopped};
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub(in crate::queue) use shuttle::sync::mpsc::{Receiver, SyncSender as Sender, sync_channel as bounded};
pub(in crate::queue) use shuttle::thread::{self, JoinHandle};

/// With the interface of parking_lot's.
#[derive(Default)]
pub(in crate::queue) struct Mutex<T>(shuttle::sync::Mutex<T>);

/// `None` only while a condition is waited for.
pub(in crate::queue) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

#[derive(Default)]
pub(in crate::queue) struct Condvar(shuttle::sync::Condvar);

/// Whether the deadline came.
pub(in crate::queue) struct Waited(bool);

impl<T> Mutex<T> {
    pub(in crate::queue) fn new(value: T) -> Mutex<T> {
        Mutex(shuttle::sync::Mutex::new(value))
    }

    pub(in crate::queue) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is held")
    }
}

impl Condvar {
    pub(in crate::queue) fn new() -> Condvar {
        Condvar::default()
    }

    pub(in crate::queue) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("it is held");
        guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    pub(in crate::queue) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> Waited {
        self.wait(guard);
        Waited(false)
    }

    pub(in crate::queue) fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl Waited {
    pub(in crate::queue) fn timed_out(self) -> bool {
        self.0
    }
}

pub(in crate::queue) fn woken(wakes: &crossbeam_channel::Receiver<()>, closing: &StopFlag, _: Duration) -> bool {
    while wakes.try_recv().is_err() && !closing.is_set() {
        thread::yield_now();
    }
    true
}

pub(in crate::queue) fn sleep(stop: &StopFlag, _: Duration) -> Result<(), Stopped> {
    thread::yield_now();
    stop.check()
}

pub(in crate::queue) fn pass(gate: &PauseGate, stop: &StopFlag) -> Result<(), Stopped> {
    loop {
        stop.check()?;
        if gate.while_closed().is_none() {
            return Ok(());
        }
        thread::yield_now();
    }
}
