//! The `ActionID` of what a thread is busy with: every line that it logs meanwhile carries it (aci.md 1.3).

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

/// Longer ones are cut: they stand in every line.
const CHARS_MAX: usize = 100;

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// While it lives, what its thread logs belongs to one `ActionID`, or to none. Dropping it goes back to what was
/// before.
#[derive(Debug)]
pub struct ActionIdScope {
    before: Option<Arc<str>>,
    /// It belongs to its thread.
    unsendable: PhantomData<*const ()>,
}

impl ActionIdScope {
    #[must_use = "the scope ends when it is dropped"]
    pub fn enter(action_id: Option<&str>) -> ActionIdScope {
        let cut = |id: &str| id.chars().take(CHARS_MAX).collect::<String>();
        let action_id = action_id.filter(|id| !id.is_empty()).map(|id| Arc::from(cut(id)));
        ActionIdScope { before: CURRENT.replace(action_id), unsendable: PhantomData }
    }

    /// That of this thread, for another that works for it.
    pub fn current() -> Option<Arc<str>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

impl Drop for ActionIdScope {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_ends_where_it_began() {
        let outer = ActionIdScope::enter(Some("a"));
        {
            let _inner = ActionIdScope::enter(None);
            assert_eq!(ActionIdScope::current(), None);
            let _long = ActionIdScope::enter(Some(&"é".repeat(1000)));
            assert_eq!(ActionIdScope::current().map(|id| id.chars().count()), Some(CHARS_MAX));
        }
        assert_eq!(ActionIdScope::current().as_deref(), Some("a"));
        assert_eq!(std::thread::spawn(ActionIdScope::current).join().ok(), Some(None));
        drop(outer);
        assert_eq!(ActionIdScope::current(), None);
    }
}
