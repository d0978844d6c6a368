//! One handler and what it is owed: events in the order in which they came about, each until it is told.
//!
//! An event that has failed as often as the handler's settings allow is *set aside*: it stays in the store, the next
//! one is tried, and it is tried once more when another event has been delivered, now and then otherwise, and
//! like a new one at the next start. So a handler that was dead is told everything once it lives again, and one event
//! that it always refuses keeps no other from it.
//!
//! An event that was told and not yet deleted when the process dies is told again: at least once, hence the ids.

use super::Shared;
use super::database::{KeptEvent, Write};
use super::events::{Deliver, Handler};
use super::store::StoreError;
use crate::stop::Stopped;
use crossbeam_channel::{Receiver, select};
use log::{error, info, warn};
use std::time::{Duration, Instant};

/// Events that are read from the store at once.
const PAGE: usize = 16;
/// How long an event that was told may still be in the store, and so be told again after a crash; the one that is being
/// told aside.
const SETTLE_EVERY: Duration = Duration::from_millis(200);
/// How often what was set aside is tried again if nothing else is delivered.
const AGAIN_EVERY: Duration = Duration::from_mins(5);
/// Pause after a failure of the store.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Delivers until the queue shuts down; what is owed then stays owed.
pub(super) fn deliver(shared: &Shared, handler: &Handler, woken: &Receiver<()>) {
    let deliver = (handler.open)(&shared.closing);
    let mut line = Line {
        shared,
        handler,
        deliver,
        tried: 0,
        again: 0,
        aside: false,
        told: Vec::new(),
        settled_at: Instant::now(),
    };
    while !shared.closing.is_set() {
        let step = line.advance();
        // Also when it was cut short: what has been told is not to be told again.
        line.settle();
        match step {
            Ok(true) => {}
            Ok(false) => line.wait(woken),
            Err(Stopped) => return,
        }
    }
}

/// How far a handler has been told.
struct Line<'a> {
    shared: &'a Shared,
    handler: &'a Handler,
    deliver: Deliver,
    /// The last event that was tried. What of it and those before is still in the store has been set aside.
    tried: i64,
    /// The last of these that was tried again: each attempt goes on from there, so that one which always fails has the
    /// others had their turn.
    again: i64,
    /// Whether any has been set aside.
    aside: bool,
    /// Told, and still in the store since then.
    told: Vec<i64>,
    settled_at: Instant,
}

impl Line<'_> {
    /// Delivers the next events. `false`: there was none.
    fn advance(&mut self) -> Result<bool, Stopped> {
        let page = self.owed(self.tried, i64::MAX, PAGE)?;
        let is_empty = page.is_empty();
        let mut any_told = false;
        for event in page {
            let is_told = self.insist(&event)?;
            self.tried = event.id;
            self.aside |= !is_told;
            any_told |= is_told;
        }
        if any_told {
            self.settle();
            self.try_again()?;
        }
        Ok(!is_empty)
    }

    /// Tells an event, in as many attempts as the handler's settings allow. `false`: it has not been told.
    fn insist(&mut self, event: &KeptEvent) -> Result<bool, Stopped> {
        let (handler, attempts, name) = (&self.handler.name, u64::from(self.handler.retries) + 1, &event.name);
        for attempt in 1..=attempts {
            if attempt > 1 {
                self.shared.closing.sleep(self.handler.retry_interval)?;
            }
            match self.tell(event)? {
                Ok(()) => return Ok(true),
                Err(why) => warn!(
                    target: "action",
                    "Event {name} not delivered to [{handler}], attempt {attempt} of {attempts}: {why}"
                ),
            }
        }
        error!(
            target: "action",
            "Event {name} for [{handler}] set aside; it is tried again when another one has been delivered"
        );
        Ok(false)
    }

    /// Tries what was set aside once more, up to the first that fails again. What was told has been settled.
    fn try_again(&mut self) -> Result<(), Stopped> {
        let from = self.again;
        for (after, until) in [(from, self.tried), (0, from)] {
            if !self.aside {
                return Ok(());
            }
            self.again = after;
            while let Some(event) = self.owed(self.again, until, 1)?.pop() {
                self.again = event.id;
                if let Err(why) = self.tell(&event)? {
                    let (name, handler) = (&event.name, &self.handler.name);
                    info!(target: "action", "Event {name}, set aside before, still not delivered to [{handler}]: {why}");
                    return Ok(());
                }
            }
        }
        self.aside = false;
        Ok(())
    }

    fn tell(&mut self, event: &KeptEvent) -> Result<Result<(), String>, Stopped> {
        let outcome = (self.deliver)(&event.payload);
        match &outcome {
            Ok(()) => {
                self.told.push(event.id);
                if self.settled_at.elapsed() >= SETTLE_EVERY {
                    self.settle();
                }
            }
            // It may come from the shutdown; a success is one whatever is asked meanwhile.
            Err(_) => self.shared.closing.check()?,
        }
        Ok(outcome)
    }

    /// Has the store forget what was told. Returns when it has, or when the queue has shut down and it cannot.
    fn settle(&mut self) {
        let settled = std::mem::take(&mut self.told);
        self.settled_at = Instant::now();
        if settled.is_empty() {
            return;
        }
        let write = Write { settled, ..Write::default() };
        while let Err(failure) = self.shared.store.commit(write.clone()) {
            let name = &self.handler.name;
            error!(target: "action", "That events were delivered to [{name}] cannot be recorded: {failure}");
            if matches!(failure, StoreError::Closed) || self.shared.closing.sleep(STORE_PAUSE).is_err() {
                return;
            }
        }
    }

    fn owed(&self, after: i64, until: i64, count: usize) -> Result<Vec<KeptEvent>, Stopped> {
        loop {
            match self.shared.store.owed(&self.handler.name, after, until, count) {
                Ok(events) => return Ok(events),
                Err(StoreError::Closed) => return Err(Stopped),
                Err(failure) => {
                    let name = &self.handler.name;
                    error!(target: "action", "The events for [{name}] cannot be read: {failure}");
                    self.shared.closing.sleep(STORE_PAUSE)?;
                }
            }
        }
    }

    /// Until there may be something to deliver, or the queue shuts down.
    fn wait(&mut self, woken: &Receiver<()>) {
        let closing = &self.shared.closing;
        if self.aside {
            select! {
                recv(woken) -> _ => {}
                recv(closing.signal()) -> _ => {}
                default(AGAIN_EVERY) => {
                    // Stopped: the caller sees it as well.
                    let (Ok(()) | Err(Stopped)) = self.try_again();
                    self.settle();
                }
            }
        } else {
            select! {
                recv(woken) -> _ => {}
                recv(closing.signal()) -> _ => {}
            }
        }
    }
}
