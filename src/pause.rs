//! Pausing as a value: whoever must not go on while an action is paused waits at a [`PauseGate`].

use crate::stop::{StopFlag, Stopped};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;

/// A gate that every clone sees: open at first, closed and opened any number of times.
///
/// Who waits at it waits for nothing else, so it is placed before a step and never inside one.
#[derive(Debug, Clone, Default)]
pub struct PauseGate(Arc<Mutex<Option<Closed>>>);

/// Nothing is sent: opening the gate drops the only sender, which whoever waits notices.
#[derive(Debug)]
struct Closed {
    _opener: Sender<Infallible>,
    opened: Receiver<Infallible>,
}

impl PauseGate {
    /// A gate that is closed from the beginning.
    pub fn closed() -> PauseGate {
        let gate = PauseGate::default();
        gate.close();
        gate
    }

    /// Lets nobody pass from now on. Closing it twice is closing it once.
    pub fn close(&self) {
        self.0.lock().get_or_insert_with(|| {
            let (sender, opened) = bounded(0);
            Closed { _opener: sender, opened }
        });
    }

    /// Lets everybody pass who waits or comes. Opening it twice is opening it once.
    pub fn open(&self) {
        // Taken out under the lock, dropped after it: that wakes others.
        let closed = self.0.lock().take();
        drop(closed);
    }

    /// Disconnected once the gate is opened, for `select!`; `None` if it is open. Never carries a message.
    pub fn while_closed(&self) -> Option<Receiver<Infallible>> {
        self.0.lock().as_ref().map(|closed| closed.opened.clone())
    }

    /// Waits until the gate is open, or returns `Err` as soon as the flag is set; a flag wins over an open gate.
    pub fn pass(&self, stop: &StopFlag) -> Result<(), Stopped> {
        loop {
            stop.check()?;
            let Some(opened) = self.while_closed() else {
                return Ok(());
            };
            // Opened, it may have been closed again: looked at anew.
            select! {
                recv(opened) -> _ => {}
                recv(stop.signal()) -> _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_closed_gate_holds_until_it_is_opened_or_a_stop_comes() {
        let (gate, stop) = (PauseGate::closed(), StopFlag::new());
        let passing = |gate: &PauseGate, stop: &StopFlag| {
            let (gate, stop) = (gate.clone(), stop.clone());
            thread::spawn(move || gate.pass(&stop))
        };
        let waiting = passing(&gate, &stop);
        assert!(gate.while_closed().is_some() && !waiting.is_finished());
        gate.open();
        gate.open();
        assert_eq!(waiting.join().ok(), Some(Ok(())));
        assert!(gate.while_closed().is_none());
        assert_eq!(gate.pass(&stop), Ok(()));

        gate.close();
        gate.close();
        let waiting = passing(&gate, &stop);
        stop.set();
        assert_eq!(waiting.join().ok(), Some(Err(Stopped)));
        gate.open();
        assert_eq!(gate.pass(&stop), Err(Stopped));
    }
}
