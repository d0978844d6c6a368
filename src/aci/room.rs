//! The connections that wait for their clients to say something: who has waited for longest, whose deadline is next.
//! Pure; what a connection is does not matter here.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;

pub(super) struct Room<C> {
    waiting: HashMap<u64, Waiting<C>>,
    /// Those that may be sent away, by their network: since when they have waited, and their numbers.
    by_network: HashMap<IpAddr, BTreeSet<(u64, u64)>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// Those that have said much and not all of it. They take turns.
    talkers: BTreeSet<u64>,
    next_talker: u64,
}

struct Waiting<C> {
    connection: C,
    deadline: Instant,
    /// Its network, and since when it has waited, if it may be sent away.
    order: Option<(IpAddr, u64)>,
}

impl<C> Room<C> {
    pub(super) fn new() -> Room<C> {
        Room {
            waiting: HashMap::new(),
            by_network: HashMap::new(),
            deadlines: BTreeSet::new(),
            talkers: BTreeSet::new(),
            next_talker: 0,
        }
    }

    /// `number` is that of no other connection. With an `order` of its network and since when it has waited, on whatever
    /// scale, it may be sent away for another one.
    pub(super) fn enter(&mut self, number: u64, connection: C, deadline: Instant, order: Option<(IpAddr, u64)>) {
        if let Some((network, since)) = order {
            self.by_network.entry(network).or_default().insert((since, number));
        }
        self.deadlines.insert((deadline, number));
        self.waiting.insert(number, Waiting { connection, deadline, order });
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut C> {
        self.waiting.get_mut(&number).map(|waiting| &mut waiting.connection)
    }

    pub(super) fn set_deadline(&mut self, number: u64, deadline: Instant) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        let before = std::mem::replace(&mut waiting.deadline, deadline);
        if before != deadline {
            self.deadlines.remove(&(before, number));
            self.deadlines.insert((deadline, number));
        }
    }

    /// Whether there is more to take of what it has said. Returns whether that is new.
    pub(super) fn set_talks(&mut self, number: u64, talks: bool) -> bool {
        if talks { self.talkers.insert(number) } else { self.talkers.remove(&number) }
    }

    pub(super) fn has_talkers(&self) -> bool {
        !self.talkers.is_empty()
    }

    /// The number of the talker whose turn it is.
    pub(super) fn take_talker(&mut self) -> Option<u64> {
        let next = self.talkers.range(self.next_talker..).next().or_else(|| self.talkers.first()).copied()?;
        self.next_talker = next + 1;
        Some(next)
    }

    pub(super) fn leave(&mut self, number: u64) -> Option<C> {
        let Waiting { connection, deadline, order } = self.waiting.remove(&number)?;
        self.deadlines.remove(&(deadline, number));
        self.talkers.remove(&number);
        if let Some((network, since)) = order
            && let Some(of_network) = self.by_network.get_mut(&network)
        {
            of_network.remove(&(since, number));
            if of_network.is_empty() {
                self.by_network.remove(&network);
            }
        }
        Some(connection)
    }

    /// Of each network, since when the one has waited that has waited for longest, and its number.
    pub(super) fn longest(&self) -> impl Iterator<Item = (IpAddr, u64, u64)> {
        let first = |(network, waiting): (&IpAddr, &BTreeSet<_>)| {
            waiting.first().map(|&(since, number)| (*network, since, number))
        };
        self.by_network.iter().filter_map(first)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The number of one whose deadline has passed.
    pub(super) fn late(&self, now: Instant) -> Option<u64> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, number)| *number)
    }

    /// Empties the room.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = C> {
        self.by_network.clear();
        self.deadlines.clear();
        self.talkers.clear();
        self.waiting.drain().map(|(_, waiting)| waiting.connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn the_longest_wait_and_the_next_deadline_are_known() {
        let (near, far) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([192, 0, 2, 1]));
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut room = Room::new();
        room.enter(1, 'a', at(3), Some((near, 20)));
        room.enter(2, 'b', at(2), Some((near, 10)));
        room.enter(3, 'c', at(1), None);
        room.enter(4, 'd', at(4), Some((far, 30)));
        let mut longest: Vec<_> = room.longest().collect();
        longest.sort_unstable();
        assert_eq!(longest, [(near, 10, 2), (far, 30, 4)]);
        assert_eq!((room.next_deadline(), room.late(now), room.late(at(1))), (Some(at(1)), None, Some(3)));
        assert_eq!((room.leave(3), room.leave(2), room.leave(2)), (Some('c'), Some('b'), None));
        room.set_deadline(1, at(9));
        assert_eq!((room.next_deadline(), room.longest().count()), (Some(at(4)), 2));
        assert_eq!((room.leave(4), room.longest().count(), room.get_mut(1)), (Some('d'), 1, Some(&mut 'a')));
        assert_eq!((room.set_talks(1, true), room.set_talks(1, true), room.take_talker()), (true, false, Some(1)));
        room.enter(5, 'e', at(5), None);
        room.enter(6, 'f', at(6), None);
        assert!(room.set_talks(5, true) && room.set_talks(6, true) && room.set_talks(1, false));
        assert_eq!([room.take_talker(), room.take_talker(), room.take_talker()], [Some(5), Some(6), Some(5)]);
        assert_eq!((room.leave(6), room.leave(5), room.take_talker()), (Some('f'), Some('e'), None));
        assert_eq!((room.clear().count(), room.next_deadline(), room.longest().count()), (1, None, 0));
    }
}
