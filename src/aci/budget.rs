//! A limit on the memory that requests and replies in transit hold, over all connections of a door.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a single request or reply may hold without being counted: the usual ones never meet the limit, and they are
/// bounded by the number of connections.
pub(super) const FREE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

/// Others hold so much that no more can be had. What is held already stays held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicUsize::new(0), bytes_max })
    }

    /// Holds nothing yet.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        Held { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Makes this part large enough for `bytes`. A part that is the only one may grow beyond the limit: what is
    /// larger than the limit then passes alone instead of never.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let more = bytes.saturating_sub(FREE_BYTES).saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let grown = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let total = used.checked_add(more)?;
            (total <= self.budget.bytes_max || used == self.bytes).then_some(total)
        });
        grown.map_err(|_| Exhausted)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_and_one_may_always_pass() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.hold(), budget.hold());
        assert_eq!(one.grow_to(FREE_BYTES + 60), Ok(()));
        assert_eq!(two.grow_to(FREE_BYTES), Ok(()));
        assert_eq!(two.grow_to(FREE_BYTES + 41), Err(Exhausted));
        assert_eq!(two.grow_to(FREE_BYTES + 40), Ok(()));
        assert_eq!(two.grow_to(FREE_BYTES + 30), Ok(()));
        drop(one);
        assert_eq!(two.grow_to(FREE_BYTES + 1000), Ok(()));
        drop(two);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
