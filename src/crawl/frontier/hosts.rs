//! What hosts bear: how soon after one request the next may leave, how many at once, and how long one is left alone that
//! asked for it. Pure, and told the time.
//!
//! A host is a name, whatever the scheme and the port: what a server's owner takes for one machine.

use super::{SiteId, Visit};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How requests are spread.
#[derive(Debug, Clone, Copy)]
pub(in crate::crawl) struct Manners {
    /// Least time between two requests to one host.
    pub(in crate::crawl) delay: Duration,
    /// Requests to one host at the same time at most; `None` is no limit.
    pub(in crate::crawl) connections_max: Option<usize>,
    /// How long a site in trouble is left alone at first, when it does not say so itself.
    pub(in crate::crawl) pause: Duration,
    /// Whether robots.txt is asked for.
    pub(in crate::crawl) asks_robots: bool,
}

/// A host in this frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::crawl) struct HostId(usize);

#[derive(Debug)]
pub(super) struct Host {
    name: String,
    pub(super) delay: Duration,
    /// When the next request may leave.
    pub(super) due_at: Instant,
    /// It asked to be left alone until then.
    pub(super) spared_until: Instant,
    seats_taken: usize,
    /// What waits for a seat.
    pub(super) blocked_sites: Vec<SiteId>,
    pub(super) blocked_retries: Vec<Visit>,
    requests: u64,
    /// Time for which it was left alone, all in all.
    spared: Duration,
}

/// The hosts of one crawl.
#[derive(Debug)]
pub(super) struct Hosts {
    manners: Manners,
    all: Vec<Host>,
    by_name: HashMap<String, HostId>,
}

impl Hosts {
    pub(super) fn new(manners: Manners) -> Hosts {
        Hosts { manners, all: Vec::new(), by_name: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The host of `origin`, made known if it is new.
    pub(super) fn of(&mut self, origin: &str, now: Instant) -> HostId {
        let name = name_of(origin);
        if let Some(host) = self.by_name.get(name) {
            return *host;
        }
        let id = HostId(self.all.len());
        self.all.push(Host {
            name: name.to_owned(),
            delay: self.manners.delay,
            due_at: now,
            spared_until: now,
            seats_taken: 0,
            blocked_sites: Vec::new(),
            blocked_retries: Vec::new(),
            requests: 0,
            spared: Duration::ZERO,
        });
        self.by_name.insert(name.to_owned(), id);
        id
    }

    pub(super) fn get(&self, host: HostId) -> &Host {
        &self.all[host.0]
    }

    pub(super) fn get_mut(&mut self, host: HostId) -> &mut Host {
        &mut self.all[host.0]
    }

    pub(super) fn name(&self, host: HostId) -> &str {
        &self.all[host.0].name
    }

    pub(super) fn has_seat(&self, host: HostId) -> bool {
        self.manners.connections_max.is_none_or(|most| self.all[host.0].seats_taken < most)
    }

    /// A request to `host` leaves now.
    pub(super) fn seat(&mut self, host: HostId, now: Instant) {
        self.go_on(host, now);
        self.get_mut(host).seats_taken += 1;
    }

    /// A further request of what has a seat already leaves for `host` now.
    pub(super) fn go_on(&mut self, host: HostId, now: Instant) {
        let host = self.get_mut(host);
        host.due_at = now + host.delay;
        host.requests += 1;
    }

    /// The request that was to leave for `host` has not left.
    pub(super) fn take_back(&mut self, host: HostId) {
        let host = self.get_mut(host);
        host.requests = host.requests.saturating_sub(1);
    }

    /// One has come back.
    pub(super) fn unseat(&mut self, host: HostId) {
        let host = self.get_mut(host);
        host.seats_taken = host.seats_taken.saturating_sub(1);
    }

    /// No request leaves for `host` until `at`.
    pub(super) fn spare(&mut self, host: HostId, now: Instant, at: Instant) {
        let host = self.get_mut(host);
        host.spared += at.saturating_duration_since(now.max(host.spared_until));
        host.spared_until = host.spared_until.max(at);
        host.due_at = host.due_at.max(at);
    }

    /// What kept the busiest of the hosts that were waited for from being visited faster, a line each.
    pub(super) fn waits(&self, lines_max: usize) -> Vec<String> {
        let mut waited: Vec<&Host> =
            self.all.iter().filter(|host| !(host.delay.is_zero() && host.spared.is_zero())).collect();
        waited.sort_by_key(|host| std::cmp::Reverse(host.requests));
        let line = |host: &&Host| {
            let mut line = format!("{}: {} requests", host.name, host.requests);
            if !host.delay.is_zero() {
                let _ = write!(line, ", {} s apart", host.delay.as_secs_f64());
            }
            if !host.spared.is_zero() {
                let _ = write!(line, ", left alone for {} s", host.spared.as_secs_f64().round());
            }
            line
        };
        waited.iter().take(lines_max).map(line).collect()
    }
}

/// `https://h:8080` -> `h`. The origin is normalised and has no userinfo.
fn name_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        // Not a colon inside the brackets of an IPv6 address.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_host_is_its_origin_without_scheme_and_port() {
        let cases =
            [("http://h", "h"), ("https://h:8080", "h"), ("http://[::1]:80", "[::1]"), ("http://[::1]", "[::1]")];
        for (origin, name) in cases {
            assert_eq!(name_of(origin), name);
        }
    }

    #[test]
    fn what_was_waited_for_is_told_and_what_overlaps_counts_once() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let manners =
            Manners { delay: Duration::ZERO, connections_max: None, pause: Duration::ZERO, asks_robots: true };
        let mut hosts = Hosts::new(manners);
        let (slow, _fast) = (hosts.of("http://slow", start), hosts.of("http://fast", start));
        hosts.seat(slow, start);
        hosts.spare(slow, at(0), at(10));
        hosts.spare(slow, at(5), at(15));
        hosts.spare(slow, at(6), at(7));
        hosts.get_mut(slow).delay = Duration::from_millis(500);
        assert_eq!(hosts.get(slow).due_at, at(15));
        assert_eq!(hosts.waits(5), ["slow: 1 requests, 0.5 s apart, left alone for 15 s"]);
    }
}
