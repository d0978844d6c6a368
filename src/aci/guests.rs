//! Who may come in: the counts of open connections and the limits on them. Pure.

use super::Settings;
use super::refusal::Refusal;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Debug)]
pub(super) struct Guests {
    /// The limit that was set.
    connections_max: usize,
    reserved_for_loopback: usize,
    connections_per_address_max: usize,
    /// Connections allowed now.
    places: usize,
    inside: usize,
    by_network: HashMap<IpAddr, usize>,
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
            places: connections_max.max(1),
            inside: 0,
            by_network: HashMap::new(),
        }
    }

    /// Counts a connection in, to be given back with [`Guests::leave`], or says why it has to stay out.
    pub(super) fn enter(&mut self, ip: IpAddr) -> Result<(), Full> {
        let reserved = if ip.is_loopback() { 0 } else { self.reserved_for_loopback };
        if self.inside >= self.places.saturating_sub(reserved) {
            return Err(Full::Door);
        }
        let network = network(ip);
        if !ip.is_loopback() && self.of_network(network) >= self.connections_per_address_max {
            return Err(Full::Address);
        }
        *self.by_network.entry(network).or_default() += 1;
        self.inside += 1;
        Ok(())
    }

    /// How many connections a network has.
    pub(super) fn of_network(&self, network: IpAddr) -> usize {
        self.by_network.get(&network).copied().unwrap_or_default()
    }

    /// Allows `fewer` connections than are inside; a few are always allowed.
    pub(super) fn shrink(&mut self, fewer: usize) {
        let least = (self.reserved_for_loopback + 1).min(self.places);
        self.places = self.inside.saturating_sub(fewer).clamp(least, self.places);
    }

    /// Allows `more` connections again. Whether there are as many as were set.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        self.places = self.places.saturating_add(more).min(self.connections_max);
        self.places == self.connections_max
    }

    /// Whether more are inside than are allowed.
    pub(super) fn is_overfull(&self) -> bool {
        self.inside > self.places
    }

    /// How many connections are allowed.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    pub(super) fn leave(&mut self, ip: IpAddr) {
        self.inside -= 1;
        let network = network(ip);
        if let Some(of_network) = self.by_network.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

impl Full {
    /// Whether one of the network `inside` may be sent away so that `newcomer` gets its place: never this host for the sake
    /// of another.
    pub(super) fn is_helped_by(self, inside: IpAddr, newcomer: IpAddr) -> bool {
        match self {
            Full::Door => newcomer.is_loopback() || !inside.is_loopback(),
            Full::Address => inside == network(newcomer),
        }
    }

    pub(super) fn refusal(self, settings: &Settings) -> Refusal {
        match self {
            Full::Door => Refusal::Full { connections_max: settings.connections_max },
            Full::Address => Refusal::FullForAddress { connections_max: settings.connections_per_address_max },
        }
    }
}

/// What counts as one address: this host, whatever it calls itself, and of IPv6 the first 64 bits, as a single host has all
/// that share them.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer {
        _ if peer.is_loopback() => Ipv4Addr::LOCALHOST.into(),
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
        assert_eq!((guests.inside, guests.by_network.len()), (0, 0));
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
        assert_eq!((guests.grow(24), guests.places()), (false, 27));
        assert_eq!((guests.grow(100), guests.places()), (true, 100));
    }

    #[test]
    fn a_place_is_taken_only_from_whom_it_helps() {
        let (near, far, other) = (ip("127.0.0.1"), ip("192.0.2.1"), ip("192.0.2.2"));
        assert!(Full::Door.is_helped_by(far, near) && Full::Door.is_helped_by(near, near));
        assert!(Full::Door.is_helped_by(far, other) && !Full::Door.is_helped_by(near, far));
        assert!(Full::Address.is_helped_by(far, far) && !Full::Address.is_helped_by(other, far));
    }
}
