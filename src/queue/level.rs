//! How full the queue is, and when that is an event (aci.md 4.4). Pure.
//!
//! Two thresholds, so that a queue that stays about one of them is no stream of events: what has been told decides what
//! may be told next.

use super::database::Write;
use crate::action::Status;
use std::collections::HashSet;

/// What `OnQueueEvent` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueEvent {
    /// The queue has reached `MaxQueueSize`. Not told again before another one has been.
    Full,
    /// It has risen above `QueueFillingThreshold`, and the last event was Empty or Emptying.
    Filling,
    /// It has dropped below `QueueEmptyingThreshold`, and the last event was Full or Filling.
    Emptying,
    /// No action waits any more. Told each time: whoever feeds the queue waits for it.
    #[default]
    Empty,
}

/// In actions that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) size_max: usize,
    pub(super) filling_above: usize,
    pub(super) emptying_below: usize,
}

/// The queue's size as the store has it, and the last event.
#[derive(Debug)]
pub(super) struct Level {
    thresholds: Thresholds,
    /// The waiting actions.
    waiting: HashSet<u64>,
    last: QueueEvent,
}

/// What some writes make of a [`Level`].
#[derive(Debug, Default)]
pub(super) struct Movement {
    /// In their order, with the size at each.
    pub(super) events: Vec<(QueueEvent, usize)>,
    /// The actions that came to wait (`true`) or do so no more.
    moved: Vec<(u64, bool)>,
    last: QueueEvent,
}

impl QueueEvent {
    const ALL: [QueueEvent; 4] = [QueueEvent::Full, QueueEvent::Filling, QueueEvent::Emptying, QueueEvent::Empty];

    /// As it is told, and as the store spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            QueueEvent::Full => "QueueFull",
            QueueEvent::Filling => "QueueFilling",
            QueueEvent::Emptying => "QueueEmptying",
            QueueEvent::Empty => "QueueEmpty",
        }
    }

    pub(super) fn parse(text: &str) -> Option<QueueEvent> {
        QueueEvent::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

impl Thresholds {
    /// What is to be told when the size goes from `before` to `size` and `last` was told before.
    fn events(self, last: QueueEvent, before: usize, size: usize) -> Vec<QueueEvent> {
        use QueueEvent::{Empty, Emptying, Filling, Full};
        let mut events = Vec::new();
        if size > before {
            if size > self.filling_above && matches!(last, Empty | Emptying) {
                events.push(Filling);
            }
            if size >= self.size_max && last != Full {
                events.push(Full);
            }
        } else if size < before {
            if size < self.emptying_below && matches!(last, Full | Filling) {
                events.push(Emptying);
            }
            if size == 0 {
                events.push(Empty);
            }
        }
        events
    }
}

impl Level {
    pub(super) fn new(thresholds: Thresholds, waiting: HashSet<u64>, last: QueueEvent) -> Level {
        Level { thresholds, waiting, last }
    }

    /// What `writes`, one after the other, make of it. Takes it there; [`Level::undo`] takes it back.
    pub(super) fn follow(&mut self, writes: &[Write]) -> Movement {
        let mut movement = Movement { last: self.last, ..Movement::default() };
        for write in writes {
            let before = self.waiting.len();
            let put = write.put.iter().map(|record| (record.id, record.status == Status::Queued));
            for (id, waits) in put.chain(write.forget.iter().map(|&id| (id, false))) {
                let is_new = if waits { self.waiting.insert(id) } else { self.waiting.remove(&id) };
                if is_new {
                    movement.moved.push((id, waits));
                }
            }
            let size = self.waiting.len();
            let events = self.thresholds.events(self.last, before, size);
            self.last = events.last().copied().unwrap_or(self.last);
            movement.events.extend(events.into_iter().map(|event| (event, size)));
        }
        movement
    }

    /// The writes were not made.
    pub(super) fn undo(&mut self, movement: Movement) {
        for (id, waits) in movement.moved.into_iter().rev() {
            if waits {
                self.waiting.remove(&id)
            } else {
                self.waiting.insert(id)
            };
        }
        self.last = movement.last;
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::super::record::tests::record;
    use super::*;
    use QueueEvent::{Empty, Emptying, Filling, Full};
    use std::sync::Arc;

    const TEN: Thresholds = Thresholds { size_max: 10, filling_above: 7, emptying_below: 5 };

    #[test]
    fn an_event_depends_on_the_size_its_direction_and_the_last_event() {
        // The last event, the size before and after; what is told.
        let cases: [(QueueEvent, usize, usize, &[QueueEvent]); 20] = [
            (Empty, 0, 1, &[]),
            (Empty, 6, 7, &[]),
            (Empty, 7, 8, &[Filling]),
            (Emptying, 7, 8, &[Filling]),
            (Filling, 7, 8, &[]),
            (Full, 7, 8, &[]),
            (Empty, 0, 10, &[Filling, Full]),
            (Filling, 9, 10, &[Full]),
            (Full, 9, 10, &[]),
            (Full, 10, 12, &[]),
            (Full, 10, 9, &[]),
            (Filling, 6, 5, &[]),
            (Filling, 5, 4, &[Emptying]),
            (Full, 5, 4, &[Emptying]),
            (Emptying, 5, 4, &[]),
            (Empty, 5, 4, &[]),
            (Full, 10, 0, &[Emptying, Empty]),
            (Emptying, 1, 0, &[Empty]),
            (Empty, 1, 0, &[Empty]),
            (Full, 4, 4, &[]),
        ];
        for (last, before, size, expected) in cases {
            assert_eq!(TEN.events(last, before, size), expected, "{last:?}: {before} to {size}");
        }
    }

    fn put(id: u64, status: Status) -> Write {
        Write::put(&Arc::new(Record { status, ..record(id, 0, &[]) }))
    }

    #[test]
    fn a_queue_that_fills_and_drains_tells_each_event_once() {
        let mut level = Level::new(TEN, HashSet::new(), Empty);
        let filling: Vec<Write> = (1..=10).map(|id| put(id, Status::Queued)).collect();
        assert_eq!(level.follow(&filling).events, [(Filling, 8), (Full, 10)]);
        // One goes, one comes: nothing new.
        assert_eq!(level.follow(&[put(1, Status::Processing), put(11, Status::Queued)]).events, []);
        let draining: Vec<Write> = (2..=11).map(|id| put(id, Status::Cancelled)).collect();
        assert_eq!(level.follow(&draining).events, [(Emptying, 4), (Empty, 0)]);
        // The end of what did not wait moves nothing.
        assert_eq!(level.follow(&[put(1, Status::Finished), Write { forget: vec![1], ..Write::default() }]).events, []);
    }

    #[test]
    fn what_was_not_written_has_not_happened() {
        let mut level = Level::new(TEN, (1..=9).collect(), Filling);
        let movement = level.follow(&[put(10, Status::Queued), put(3, Status::Processing)]);
        assert_eq!(movement.events, [(Full, 10)]);
        level.undo(movement);
        assert_eq!((level.waiting.len(), level.last), (9, Filling));
        assert_eq!(level.follow(&[put(10, Status::Queued)]).events, [(Full, 10)]);
    }
}
