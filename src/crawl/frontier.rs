//! Which page is visited next, and when: pure, and told the time.
//!
//! Pages queue by site (scheme, host and port: what one robots.txt speaks for); sites of one host share its pace.
//! Only a window of each queue is in memory. The rest is *parked*: it waits in the datastore, from which the loop
//! refills a queue that runs low, so that a site of a million pages needs no more room here than one of a thousand.

use super::datastore::Waiting;
use super::robots::{Robots, UNREACHABLE_FOR};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Pages of one site that are held in memory at most.
const WINDOW: usize = 256;
/// A queue this short asks for more.
const WINDOW_LOW: usize = 64;
/// Pages of all sites together that are held in memory at most, but for one of each site.
const WINDOWS_MAX: usize = 20_000;
/// Failures to reach a site, one after the other, after which the rest of it is given up for this run.
const UNREACHABLE_MAX: u32 = 10;

/// A site in this frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SiteId(usize);

/// A page on its way to a visitor and back.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) site: SiteId,
    pub(super) url: Url,
    pub(super) page: Waiting,
    /// Visits before this one.
    pub(super) tries: u32,
}

/// What the loop does next.
#[derive(Debug)]
pub(super) enum Next {
    Visit(Box<Visit>),
    /// Nothing of the site is visited before its robots.txt is known.
    AskRobots(SiteId),
    /// This page is not visited.
    Skip(Box<Visit>, Skip),
    /// No waiting page is due before this instant.
    Wait(Instant),
    /// Nothing waits, but for what is in flight.
    Empty,
}

/// Why a waiting page is not visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Skip {
    Disallowed,
    RobotsUnreachable(Arc<str>),
    SiteUnreachable(Arc<str>),
}

/// What is known of a site's robots.txt.
#[derive(Debug, Clone)]
pub(super) enum Rules {
    /// Everything is allowed: there are no rules, or they are not to be obeyed.
    None,
    Robots(Arc<Robots>),
    Unreachable(Arc<str>),
}

#[derive(Debug)]
enum Asked {
    Not,
    InFlight,
    Known(Rules, Instant),
}

#[derive(Debug)]
struct Site {
    origin: String,
    host: usize,
    queue: VecDeque<Waiting>,
    asked: Asked,
    /// More pages wait in the datastore, all of a greater `seq` than `last_seq`.
    parked: bool,
    last_seq: i64,
    /// Its place in `due`, if it is there.
    due: Option<(Instant, u64)>,
    unreachable: u32,
    down: Option<Arc<str>>,
}

#[derive(Debug)]
struct Host {
    delay: Duration,
    due_at: Instant,
}

/// The waiting pages of one crawl. Owned by its loop, so it has no lock.
#[derive(Debug)]
pub(super) struct Frontier {
    delay: Duration,
    sites: Vec<Site>,
    site_of: HashMap<String, SiteId>,
    hosts: Vec<Host>,
    host_of: HashMap<String, usize>,
    /// Sites with a queue and no question in flight, by the time at which they are due and then in turn.
    due: BTreeSet<(Instant, u64, SiteId)>,
    turn: u64,
    retries: BTreeMap<(Instant, u64), Visit>,
    hungry: VecDeque<SiteId>,
    queued: usize,
}

impl Frontier {
    /// `delay` is the least time between two requests to one host.
    pub(super) fn new(delay: Duration) -> Frontier {
        Frontier {
            delay,
            sites: Vec::new(),
            site_of: HashMap::new(),
            hosts: Vec::new(),
            host_of: HashMap::new(),
            due: BTreeSet::new(),
            turn: 0,
            retries: BTreeMap::new(),
            hungry: VecDeque::new(),
            queued: 0,
        }
    }

    /// The site of `origin`, made known if it is new.
    pub(super) fn site(&mut self, origin: &str, now: Instant) -> SiteId {
        if let Some(site) = self.site_of.get(origin) {
            return *site;
        }
        let name = host_name(origin);
        let known_host = self.host_of.get(name).copied();
        let host = known_host.unwrap_or_else(|| {
            self.hosts.push(Host { delay: self.delay, due_at: now });
            self.host_of.insert(name.to_owned(), self.hosts.len() - 1);
            self.hosts.len() - 1
        });
        let id = SiteId(self.sites.len());
        self.sites.push(Site {
            origin: origin.to_owned(),
            host,
            queue: VecDeque::new(),
            asked: Asked::Not,
            parked: false,
            last_seq: -1,
            due: None,
            unreachable: 0,
            down: None,
        });
        self.site_of.insert(origin.to_owned(), id);
        id
    }

    pub(super) fn origin(&self, site: SiteId) -> &str {
        &self.sites[site.0].origin
    }

    /// How many hosts it has met.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn knows(&self, origin: &str) -> bool {
        self.site_of.contains_key(origin)
    }

    /// How many pages wait for another visit.
    pub(super) fn retrying(&self) -> usize {
        self.retries.len()
    }

    /// Whether a page of `site` may be pushed; if not, it stays in the datastore, and [`Frontier::park`] notes that.
    pub(super) fn has_room(&self, site: SiteId) -> bool {
        let site = &self.sites[site.0];
        let in_all = self.queued < WINDOWS_MAX || site.queue.is_empty();
        !site.parked && site.queue.len() < WINDOW && in_all
    }

    /// Notes that the datastore holds waiting pages of `site` that the queue does not.
    pub(super) fn park(&mut self, site: SiteId) {
        self.sites[site.0].parked = true;
        self.feed(site);
    }

    /// Queues a page that was met after all that are queued of its site.
    pub(super) fn push(&mut self, site: SiteId, page: Waiting) {
        let entry = &mut self.sites[site.0];
        entry.last_seq = entry.last_seq.max(page.seq);
        entry.queue.push_back(page);
        self.queued += 1;
        self.schedule(site);
    }

    /// A site whose queue runs low, its origin, the `seq` after which to read on, and how many pages to read.
    pub(super) fn hungry(&mut self) -> Option<(SiteId, &str, i64, usize)> {
        let starving = self.hungry.iter().position(|site| self.sites[site.0].queue.is_empty());
        if self.queued >= WINDOWS_MAX && starving.is_none() {
            return None;
        }
        let site = self.hungry.remove(starving.unwrap_or(0))?;
        let limit = if self.queued >= WINDOWS_MAX { 1 } else { WINDOW - WINDOW_LOW };
        let entry = &self.sites[site.0];
        Some((site, &entry.origin, entry.last_seq, limit))
    }

    /// Queues what the datastore gave for a hungry site; fewer than asked for means that no more is parked.
    pub(super) fn refill(&mut self, site: SiteId, pages: Vec<Waiting>, limit: usize) {
        self.sites[site.0].parked = pages.len() >= limit;
        for page in pages {
            self.push(site, page);
        }
        self.feed(site);
    }

    fn feed(&mut self, site: SiteId) {
        let entry = &self.sites[site.0];
        if entry.parked && entry.queue.len() < WINDOW_LOW && !self.hungry.contains(&site) {
            self.hungry.push_back(site);
        }
    }

    /// Puts the site where its due time belongs, or nowhere.
    fn schedule(&mut self, site: SiteId) {
        let entry = &mut self.sites[site.0];
        if let Some((at, turn)) = entry.due.take() {
            self.due.remove(&(at, turn, site));
        }
        if entry.queue.is_empty() || matches!(entry.asked, Asked::InFlight) {
            return;
        }
        let at = self.hosts[entry.host].due_at;
        self.turn += 1;
        entry.due = Some((at, self.turn));
        self.due.insert((at, self.turn, site));
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        loop {
            if let Some(retry) = self.retries.first_entry()
                && retry.key().0 <= now
            {
                let mut visit = retry.remove();
                let host = self.sites[visit.site.0].host;
                if self.hosts[host].due_at > now {
                    let at = self.hosts[host].due_at;
                    self.retry(visit, at);
                    continue;
                }
                self.hosts[host].due_at = now + self.hosts[host].delay;
                visit.tries += 1;
                return Next::Visit(Box::new(visit));
            }
            let next_retry = self.retries.first_key_value().map(|((at, _), _)| *at);
            let Some((at, turn, site)) = self.due.first().copied() else {
                return next_retry.map_or(Next::Empty, Next::Wait);
            };
            // A sister site of the same host may have been served since. This one keeps its turn, or it would lose every
            // race against a sister that is served again and again.
            let host_at = self.hosts[self.sites[site.0].host].due_at;
            if host_at > at {
                self.due.pop_first();
                self.due.insert((host_at, turn, site));
                self.sites[site.0].due = Some((host_at, turn));
                continue;
            }
            if at > now {
                return Next::Wait(next_retry.map_or(at, |retry| retry.min(at)));
            }
            if let Some(next) = self.take(site, now) {
                return next;
            }
        }
    }

    /// The next of a site that is due.
    fn take(&mut self, site: SiteId, now: Instant) -> Option<Next> {
        let entry = &mut self.sites[site.0];
        let rules = match &entry.asked {
            Asked::Known(Rules::Unreachable(_), at) if now >= *at + UNREACHABLE_FOR => None,
            Asked::Known(rules, _) => Some(rules.clone()),
            Asked::Not | Asked::InFlight => None,
        };
        let Some(rules) = rules else {
            entry.asked = Asked::InFlight;
            let host = &mut self.hosts[entry.host];
            host.due_at = now + host.delay;
            self.schedule(site);
            return Some(Next::AskRobots(site));
        };
        let page = entry.queue.pop_front();
        let (down, host) = (entry.down.clone(), entry.host);
        let page = page.inspect(|_| self.queued -= 1);
        // What is in the datastore was a URL when it was met; one that is not is passed over.
        let visit = page.and_then(|page| Some(Visit { site, url: Url::parse(&page.url).ok()?, page, tries: 0 }));
        let next = visit.map(|visit| {
            let skip = match &rules {
                _ if down.is_some() => down.map(Skip::SiteUnreachable),
                Rules::Unreachable(why) => Some(Skip::RobotsUnreachable(Arc::clone(why))),
                Rules::Robots(robots) if !robots.allows(&visit.url) => Some(Skip::Disallowed),
                Rules::Robots(_) | Rules::None => None,
            };
            if let Some(skip) = skip {
                return Next::Skip(Box::new(visit), skip);
            }
            let host = &mut self.hosts[host];
            host.due_at = now + host.delay;
            Next::Visit(Box::new(visit))
        });
        self.schedule(site);
        self.feed(site);
        next
    }

    /// The robots.txt of `site` has been asked for.
    pub(super) fn know_robots(&mut self, site: SiteId, rules: Rules, now: Instant) {
        let entry = &mut self.sites[site.0];
        let host = &mut self.hosts[entry.host];
        if let Rules::Robots(robots) = &rules
            && let Some(crawl_delay) = robots.crawl_delay()
        {
            host.delay = host.delay.max(crawl_delay);
            host.due_at = host.due_at.max(now + crawl_delay);
        }
        entry.asked = Asked::Known(rules, now);
        self.schedule(site);
    }

    /// Visits the page once more, not before `at`.
    pub(super) fn retry(&mut self, visit: Visit, at: Instant) {
        self.turn += 1;
        self.retries.insert((at, self.turn), visit);
    }

    /// Leaves the host of `site` alone until `at`.
    pub(super) fn back_off(&mut self, site: SiteId, at: Instant) {
        let host = &mut self.hosts[self.sites[site.0].host];
        host.due_at = host.due_at.max(at);
        self.schedule(site);
    }

    /// Notes whether `site` answered, whatever it said. After too many failures in a row the rest of it is skipped.
    pub(super) fn answered(&mut self, site: SiteId, failure: Option<&str>) {
        let entry = &mut self.sites[site.0];
        match failure {
            None => entry.unreachable = 0,
            Some(why) => {
                entry.unreachable += 1;
                if entry.unreachable >= UNREACHABLE_MAX {
                    entry.down = Some(Arc::from(why));
                }
            }
        }
    }
}

/// `https://h:8080` -> `h`: what politeness counts by. The origin is normalised and has no userinfo.
fn host_name(origin: &str) -> &str {
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
    use crate::client::Conditions;
    use crate::crawl::datastore::Datastore;

    struct Pages {
        frontier: Frontier,
        datastore: Datastore,
        seq: i64,
        start: Instant,
    }

    impl Pages {
        fn new(delay_ms: u64) -> Pages {
            let datastore = Datastore::open(std::path::Path::new(":memory:")).expect("memory holds a datastore");
            let frontier = Frontier::new(Duration::from_millis(delay_ms));
            Pages { frontier, datastore, seq: 0, start: Instant::now() }
        }

        fn push(&mut self, url: &str) {
            let site = self.frontier.site(crate::url::origin_of(url), self.start);
            let id = self.datastore.ids().of(url);
            let (seq, conditions) = (self.seq, Conditions::default());
            self.seq += 1;
            self.frontier.push(site, Waiting { id, url: url.to_owned(), seq, hops: 0, depth: 0, conditions });
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// What `next` says at `ms`, in short; robots.txt is answered at once.
        fn next(&mut self, ms: u64) -> String {
            let now = self.at(ms);
            match self.frontier.next(now) {
                Next::Visit(visit) => visit.url.to_string(),
                Next::AskRobots(site) => {
                    self.frontier.know_robots(site, Rules::None, now);
                    format!("robots {}", self.frontier.origin(site))
                }
                Next::Skip(visit, _) => format!("skip {}", visit.url),
                Next::Wait(until) => format!("wait {}", (until - self.start).as_millis()),
                Next::Empty => "empty".to_owned(),
            }
        }
    }

    #[test]
    fn sites_take_turns_after_their_robots() {
        let mut pages = Pages::new(0);
        for url in ["http://a/1", "http://a/2", "http://b/1"] {
            pages.push(url);
        }
        let said: Vec<String> = (0..6).map(|_| pages.next(0)).collect();
        assert_eq!(said, ["robots http://a", "robots http://b", "http://a/1", "http://b/1", "http://a/2", "empty"]);
    }

    #[test]
    fn a_host_is_left_alone_for_its_delay_and_no_other_waits_for_it() {
        let mut pages = Pages::new(100);
        for url in ["http://a/1", "http://a/2", "https://a/3", "http://b/1"] {
            pages.push(url);
        }
        assert_eq!(pages.next(0), "robots http://a");
        assert_eq!(pages.next(0), "robots http://b");
        assert_eq!(pages.next(0), "wait 100");
        assert_eq!(pages.next(100), "robots https://a", "both schemes of a host have one pace");
        assert_eq!(pages.next(100), "http://b/1");
        assert_eq!(pages.next(100), "wait 200");
        assert_eq!(pages.next(200), "http://a/1");
        assert_eq!(pages.next(200), "wait 300");
        assert_eq!(pages.next(300), "https://a/3", "they take turns");
        assert_eq!(pages.next(400), "http://a/2");
        assert_eq!(pages.next(400), "empty");
    }

    #[test]
    fn a_retry_waits_for_its_time_and_for_its_host() {
        let mut pages = Pages::new(100);
        pages.push("http://a/1");
        assert_eq!(pages.next(0), "robots http://a");
        let Next::Visit(visit) = pages.frontier.next(pages.at(100)) else {
            panic!("the page is due");
        };
        pages.frontier.retry(*visit, pages.at(150));
        assert_eq!(pages.next(110), "wait 150");
        assert_eq!(pages.next(150), "wait 200", "the host is due later than the retry");
        assert_eq!(pages.next(200), "http://a/1");
        assert_eq!(pages.next(200), "empty");
    }

    #[test]
    fn an_unreachable_robots_is_asked_again_after_a_minute() {
        let mut pages = Pages::new(0);
        for number in 0..3 {
            pages.push(&format!("http://a/{number}"));
        }
        let Next::AskRobots(site) = pages.frontier.next(pages.at(0)) else {
            panic!("robots come first");
        };
        pages.frontier.know_robots(site, Rules::Unreachable(Arc::from("503")), pages.at(0));
        assert_eq!(pages.next(0), "skip http://a/0");
        assert_eq!(pages.next(59_999), "skip http://a/1");
        assert_eq!(pages.next(60_000), "robots http://a");
        assert_eq!(pages.next(60_000), "http://a/2");
    }

    #[test]
    fn a_site_that_never_answers_is_given_up() {
        let mut pages = Pages::new(0);
        pages.push("http://a/1");
        assert_eq!(pages.next(0), "robots http://a");
        let site = pages.frontier.site("http://a", pages.at(0));
        for _ in 0..UNREACHABLE_MAX {
            assert_ne!(pages.frontier.queued, 0);
            pages.frontier.answered(site, Some("refused"));
        }
        assert_eq!(pages.next(0), "skip http://a/1");
    }

    #[test]
    fn a_full_window_parks_and_is_refilled_in_order() {
        let mut pages = Pages::new(0);
        let site = pages.frontier.site("http://a", pages.start);
        let mut parked = Vec::new();
        for number in 0..WINDOW + 10 {
            let url = format!("http://a/{number}");
            if pages.frontier.has_room(site) {
                pages.push(&url);
            } else {
                parked.push(url);
                pages.frontier.park(site);
            }
        }
        assert_eq!(pages.next(0), "robots http://a");
        let mut visited = Vec::new();
        loop {
            while let Some((site, _, after_seq, limit)) = pages.frontier.hungry() {
                assert_eq!(after_seq, i64::try_from(WINDOW).unwrap_or(0) - 1);
                let ids = pages.datastore.ids();
                let page = |url: &String| Waiting {
                    id: ids.of(url),
                    url: url.clone(),
                    seq: after_seq + 1,
                    hops: 0,
                    depth: 0,
                    conditions: Conditions::default(),
                };
                let more = parked.drain(..).map(|url| page(&url)).collect();
                pages.frontier.refill(site, more, limit);
            }
            match pages.next(0).as_str() {
                "empty" => break,
                url => visited.push(url.to_owned()),
            }
        }
        let expected: Vec<String> = (0..WINDOW + 10).map(|number| format!("http://a/{number}")).collect();
        assert_eq!(visited, expected);
    }

    #[test]
    fn the_name_of_a_host_is_its_origin_without_scheme_and_port() {
        let cases =
            [("http://h", "h"), ("https://h:8080", "h"), ("http://[::1]:80", "[::1]"), ("http://[::1]", "[::1]")];
        for (origin, name) in cases {
            assert_eq!(host_name(origin), name);
        }
    }
}
