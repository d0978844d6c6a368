//! Requests whose answers are waited for: each holds a dispatcher meanwhile, so one of them is always left for everybody else.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the dispatchers that wait, for a web site or for the end of an action.
pub(in crate::server) struct Waits {
    now: AtomicUsize,
    dispatchers: usize,
}

/// A dispatcher that waits, until it is dropped.
pub(super) struct Waiting<'a>(&'a Waits);

impl Waits {
    pub(in crate::server) fn new(dispatchers: usize) -> Waits {
        Waits { now: AtomicUsize::new(0), dispatchers }
    }

    /// A wait of seconds. An only dispatcher may be held for that long. `None` if as many wait as may.
    pub(super) fn begin_short(&self) -> Option<Waiting<'_>> {
        self.begin(self.most().max(1))
    }

    /// A wait without an end that could be foretold. `None` if as many wait as may; of an only dispatcher none may.
    pub(super) fn begin_long(&self) -> Option<Waiting<'_>> {
        self.begin(self.most())
    }

    fn most(&self) -> usize {
        self.dispatchers.saturating_sub(1)
    }

    fn begin(&self, most: usize) -> Option<Waiting<'_>> {
        let one_more = |now| (now < most).then_some(now + 1);
        self.now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok().map(|_| Waiting(self))
    }
}

/// Why no more may wait.
impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, dispatchers) = (self.now.load(Ordering::SeqCst), self.dispatchers);
        write!(
            f,
            "{waiting} of {dispatchers} threads ([Server] Threads) wait for pages (action=View) or for actions \
             (Sync=true), and one is always left for other requests"
        )
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dispatcher_is_always_left_and_a_wait_that_is_over_makes_room() {
        let waits = Waits::new(3);
        let (first, second) = (waits.begin_short(), waits.begin_long());
        assert!(first.is_some() && second.is_some());
        assert!(waits.begin_short().is_none() && waits.begin_long().is_none());
        drop(first);
        assert!(waits.begin_long().is_some());
        let only = Waits::new(1);
        assert!(only.begin_long().is_none() && only.begin_short().is_some());
    }
}
