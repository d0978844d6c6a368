//! Who may come in: the counts of open connections and the limits on them. Pure.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

#[derive(Debug)]
pub(super) struct Guests {
    connections_max: usize,
    reserved_for_loopback: usize,
    connections_per_address_max: usize,
    inside: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Which limit keeps a connection out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Door,
    Address,
}

impl Guests {
    /// Of `connections_max`, the last `reserved_for_loopback` are for clients on this host.
    pub(super) fn new(
        connections_max: usize,
        reserved_for_loopback: usize,
        connections_per_address_max: usize,
    ) -> Guests {
        Guests {
            connections_max: connections_max.max(1),
            reserved_for_loopback,
            connections_per_address_max: connections_per_address_max.max(1),
            inside: 0,
            by_address: HashMap::new(),
        }
    }

    /// Counts a connection in, to be given back with [`Guests::leave`], or says why it has to stay out.
    pub(super) fn enter(&mut self, ip: IpAddr) -> Result<(), Full> {
        let reserved = if ip.is_loopback() { 0 } else { self.reserved_for_loopback };
        if self.inside >= self.connections_max.saturating_sub(reserved) {
            return Err(Full::Door);
        }
        if !ip.is_loopback() {
            let of_address = self.by_address.entry(network(ip)).or_default();
            if *of_address >= self.connections_per_address_max {
                return Err(Full::Address);
            }
            *of_address += 1;
        }
        self.inside += 1;
        Ok(())
    }

    /// Allows `fewer` connections than are inside, for good; a few are always allowed.
    pub(super) fn shrink(&mut self, fewer: usize) {
        let least = (self.reserved_for_loopback + 1).min(self.connections_max);
        self.connections_max = self.inside.saturating_sub(fewer).clamp(least, self.connections_max);
    }

    /// Whether more are inside than are allowed.
    pub(super) fn is_overfull(&self) -> bool {
        self.inside > self.connections_max
    }

    /// How many connections are allowed.
    pub(super) fn places(&self) -> usize {
        self.connections_max
    }

    pub(super) fn leave(&mut self, ip: IpAddr) {
        self.inside -= 1;
        if let Some(of_address) = self.by_address.get_mut(&network(ip)) {
            *of_address -= 1;
            if *of_address == 0 {
                self.by_address.remove(&network(ip));
            }
        }
    }
}

impl Full {
    /// Whether `inside` may be sent away so that `newcomer` gets its place: never this host for the sake of another.
    pub(super) fn is_helped_by(self, inside: IpAddr, newcomer: IpAddr) -> bool {
        match self {
            Full::Door => newcomer.is_loopback() || !inside.is_loopback(),
            Full::Address => network(inside) == network(newcomer),
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, as a single host has all that share them.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("the test's addresses are addresses")
    }

    #[test]
    fn the_last_places_are_for_this_host() {
        let mut guests = Guests::new(3, 1, 10);
        let (near, far) = (ip("127.0.0.1"), ip("192.0.2.1"));
        assert_eq!([guests.enter(far), guests.enter(far), guests.enter(far)], [Ok(()), Ok(()), Err(Full::Door)]);
        assert_eq!([guests.enter(ip("::1")), guests.enter(near)], [Ok(()), Err(Full::Door)]);
        guests.leave(far);
        assert_eq!([guests.enter(far), guests.enter(near)], [Err(Full::Door), Ok(())]);
    }

    #[test]
    fn one_address_does_not_take_every_place() {
        let mut guests = Guests::new(10, 0, 2);
        let of_one = [ip("2001:db8::1"), ip("2001:db8::2:1"), ip("2001:db8::3")];
        assert_eq!(of_one.map(|ip| guests.enter(ip)), [Ok(()), Ok(()), Err(Full::Address)]);
        assert_eq!(guests.enter(ip("2001:db8:0:1::1")), Ok(()));
        guests.leave(of_one[0]);
        assert_eq!(guests.enter(of_one[2]), Ok(()));
        for ip in [of_one[1], of_one[2], ip("2001:db8:0:1::1")] {
            guests.leave(ip);
        }
        assert_eq!((guests.inside, guests.by_address.len()), (0, 0));
    }

    #[test]
    fn places_are_given_up_but_for_a_few() {
        let mut guests = Guests::new(100, 2, 100);
        for _ in 0..50 {
            assert_eq!(guests.enter(ip("127.0.0.1")), Ok(()));
        }
        guests.shrink(20);
        assert_eq!((guests.places(), guests.is_overfull()), (30, true));
        for _ in 0..45 {
            guests.leave(ip("127.0.0.1"));
        }
        assert!(!guests.is_overfull());
        guests.shrink(20);
        assert_eq!((guests.places(), guests.is_overfull()), (3, true));
    }

    #[test]
    fn a_place_is_taken_only_from_whom_it_helps() {
        let (near, far, other) = (ip("127.0.0.1"), ip("192.0.2.1"), ip("192.0.2.2"));
        assert!(Full::Door.is_helped_by(far, near) && Full::Door.is_helped_by(near, near));
        assert!(Full::Door.is_helped_by(far, other) && !Full::Door.is_helped_by(near, far));
        assert!(Full::Address.is_helped_by(far, far) && !Full::Address.is_helped_by(other, far));
    }
}
