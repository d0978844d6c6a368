//! Which page is visited next, and when: pure, and told the time.
//!
//! Pages queue by site (scheme, host and port: what one robots.txt speaks for); sites of one host share its pace.
//! Only a window of each queue is in memory. The rest is *parked*: it waits in the datastore, from which the loop
//! refills a queue that runs low, so that a site of a million pages needs no more room here than one of a thousand.
//!
//! Whatever leaves for a host takes its turn here: pages, robots.txt, sitemaps, and where any of them is redirected to.

mod hosts;
mod robotstxt;
#[cfg(test)]
mod tests;
mod trouble;

pub(super) use hosts::{HostId, Manners};
pub(super) use robotstxt::Rules;
pub(super) use trouble::{Consequence, Heard, Wish};

use super::datastore::Waiting;
use hosts::Hosts;
use robotstxt::{Asked, Question};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use url::Url;

/// Pages of one site that are held in memory at most.
const WINDOW: usize = 256;
/// A queue this short asks for more.
const WINDOW_LOW: usize = 64;
/// Pages of all sites together that are held in memory at most, but for one of each site.
const WINDOWS_MAX: usize = 20_000;
/// Sites and hosts that one crawl gets to know; links to further ones are passed over.
const SITES_MAX: usize = 100_000;
/// A site in this frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SiteId(usize);

/// A page on its way to a visitor and back.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) site: SiteId,
    pub(super) url: Url,
    pub(super) page: Waiting,
    /// Visits before this one that failed.
    pub(super) tries: u32,
    /// It redirected to itself with a cookie, which this visit brings along.
    pub(super) is_cookie_check: bool,
}

/// What the loop does next.
#[derive(Debug)]
pub(super) enum Next {
    Visit(Box<Visit>),
    /// Nothing of the site is visited before its robots.txt is known, which is here.
    AskRobots(SiteId, String),
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

#[derive(Debug)]
struct Site {
    origin: String,
    host: HostId,
    queue: VecDeque<Waiting>,
    asked: Asked,
    /// More pages wait in the datastore, all of a greater `seq` than `last_seq`.
    parked: bool,
    last_seq: i64,
    /// Its place in `due`, if it is there.
    due: Option<(Instant, u64)>,
    /// It waits for more from the datastore.
    is_hungry: bool,
    /// It waits for a seat at its host.
    is_blocked: bool,
    /// In a row.
    troubles: u32,
    spared_until: Option<Instant>,
    down: Option<Arc<str>>,
}

/// The waiting pages of one crawl. Owned by its loop, so it has no lock.
#[derive(Debug)]
pub(super) struct Frontier {
    manners: Manners,
    sites: Vec<Site>,
    site_of: HashMap<String, SiteId>,
    hosts: Hosts,
    /// Sites with a queue and no question in flight, by the time at which they are due and then in turn.
    due: BTreeSet<(Instant, u64, SiteId)>,
    turn: u64,
    retries: BTreeMap<(Instant, u64), Visit>,
    hungry: VecDeque<SiteId>,
    queued: usize,
    /// Sites whose rules are held, the oldest first, and the size of these.
    ruled: VecDeque<(SiteId, usize)>,
    rules_bytes: usize,
}

impl Frontier {
    pub(super) fn new(manners: Manners) -> Frontier {
        Frontier {
            manners,
            sites: Vec::new(),
            site_of: HashMap::new(),
            hosts: Hosts::new(manners),
            due: BTreeSet::new(),
            turn: 0,
            retries: BTreeMap::new(),
            hungry: VecDeque::new(),
            queued: 0,
            ruled: VecDeque::new(),
            rules_bytes: 0,
        }
    }

    /// The site of `origin`, made known if it is new.
    pub(super) fn site(&mut self, origin: &str, now: Instant) -> SiteId {
        if let Some(site) = self.site_of.get(origin) {
            return *site;
        }
        let host = self.hosts.of(origin, now);
        let id = SiteId(self.sites.len());
        self.sites.push(Site {
            origin: origin.to_owned(),
            host,
            queue: VecDeque::new(),
            asked: if self.manners.asks_robots { Asked::Not(Question::FIRST) } else { Asked::Never },
            parked: false,
            last_seq: -1,
            due: None,
            is_hungry: false,
            is_blocked: false,
            troubles: 0,
            spared_until: None,
            down: None,
        });
        self.site_of.insert(origin.to_owned(), id);
        id
    }

    pub(super) fn origin(&self, site: SiteId) -> &str {
        &self.sites[site.0].origin
    }

    pub(super) fn host(&self, site: SiteId) -> HostId {
        self.sites[site.0].host
    }

    pub(super) fn host_name(&self, host: HostId) -> &str {
        self.hosts.name(host)
    }

    /// What kept hosts from being visited faster, a line each.
    pub(super) fn waits(&self, lines_max: usize) -> Vec<String> {
        self.hosts.waits(lines_max)
    }

    /// `false` for one site more than a crawl gets to know.
    pub(super) fn has_room_for(&self, origin: &str) -> bool {
        self.sites.len().max(self.hosts.len()) < SITES_MAX || self.site_of.contains_key(origin)
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
        self.sites[site.0].is_hungry = false;
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
        let entry = &mut self.sites[site.0];
        if entry.parked && entry.queue.len() < WINDOW_LOW && !entry.is_hungry {
            entry.is_hungry = true;
            self.hungry.push_back(site);
        }
    }

    /// Puts the site where its due time belongs, or nowhere.
    fn schedule(&mut self, site: SiteId) {
        let entry = &mut self.sites[site.0];
        if let Some((at, turn)) = entry.due.take() {
            self.due.remove(&(at, turn, site));
        }
        if entry.queue.is_empty() || entry.is_blocked || matches!(entry.asked, Asked::InFlight(..)) {
            return;
        }
        let at = self.due_at(site);
        self.turn += 1;
        self.sites[site.0].due = Some((at, self.turn));
        self.due.insert((at, self.turn, site));
    }

    /// Whom the next request for the site goes to: a robots.txt may be on another host.
    fn next_host(&self, site: SiteId) -> HostId {
        let entry = &self.sites[site.0];
        match &entry.asked {
            Asked::Not(Question { moved_to: Some((_, host)), .. }) => *host,
            _ => entry.host,
        }
    }

    /// When the next request for the site may leave.
    fn due_at(&self, site: SiteId) -> Instant {
        let entry = &self.sites[site.0];
        let not_before = match &entry.asked {
            Asked::Not(question) => question.not_before,
            _ => None,
        };
        let host_at = self.hosts.get(self.next_host(site)).due_at;
        [not_before, entry.spared_until].into_iter().flatten().fold(host_at, Instant::max)
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        loop {
            if let Some(retry) = self.retries.first_entry()
                && retry.key().0 <= now
            {
                let visit = retry.remove();
                let (host, at) = (self.sites[visit.site.0].host, self.due_at(visit.site));
                if at > now {
                    self.retry(visit, at);
                } else if self.hosts.has_seat(host) {
                    self.hosts.seat(host, now);
                    return Next::Visit(Box::new(visit));
                } else {
                    self.hosts.get_mut(host).blocked_retries.push(visit);
                }
                continue;
            }
            let next_retry = self.retries.first_key_value().map(|((at, _), _)| *at);
            let Some((at, turn, site)) = self.due.first().copied() else {
                return next_retry.map_or(Next::Empty, Next::Wait);
            };
            // A sister site of the same host may have been served since. This one keeps its turn, or it would lose every
            // race against a sister that is served again and again.
            let due_at = self.due_at(site);
            if due_at > at {
                self.due.pop_first();
                self.due.insert((due_at, turn, site));
                self.sites[site.0].due = Some((due_at, turn));
                continue;
            }
            if at > now {
                return Next::Wait(next_retry.map_or(at, |retry| retry.min(at)));
            }
            let host = self.next_host(site);
            if !self.hosts.has_seat(host) {
                self.due.pop_first();
                (self.sites[site.0].due, self.sites[site.0].is_blocked) = (None, true);
                self.hosts.get_mut(host).blocked_sites.push(site);
                continue;
            }
            if let Some(next) = self.take(site, now) {
                return next;
            }
        }
    }

    /// The next of a site that is due.
    fn take(&mut self, site: SiteId, now: Instant) -> Option<Next> {
        let entry = &mut self.sites[site.0];
        entry.asked.expire(now);
        let rules = match &entry.asked {
            Asked::Known(rules, _) => rules.clone(),
            Asked::Never => Rules::None,
            Asked::Not(question) | Asked::InFlight(_, question) => {
                let question = question.clone();
                let host = question.moved_to.as_ref().map_or(entry.host, |(_, host)| *host);
                let moved_to = question.moved_to.as_ref().map(|(url, _)| url.to_string());
                let url = moved_to.unwrap_or_else(|| format!("{}/robots.txt", entry.origin));
                entry.asked = Asked::InFlight(host, question);
                self.hosts.seat(host, now);
                self.schedule(site);
                return Some(Next::AskRobots(site, url));
            }
        };
        let page = entry.queue.pop_front();
        let (down, host) = (entry.down.clone(), entry.host);
        let page = page.inspect(|_| self.queued -= 1);
        // What is in the datastore was a URL when it was met; one that is not is passed over.
        let visit = page.and_then(|page| {
            let url = Url::parse(&page.url).ok()?;
            Some(Visit { site, url, page, tries: 0, is_cookie_check: false })
        });
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
            self.hosts.seat(host, now);
            Next::Visit(Box::new(visit))
        });
        self.schedule(site);
        self.feed(site);
        next
    }

    /// Takes a turn at the host of `url` for something that is no page: a sitemap. If it is not due, when it may be; `None`
    /// if that is when something else comes back.
    pub(super) fn take_turn(&mut self, url: &Url, now: Instant) -> Result<HostId, Option<Instant>> {
        let host = self.hosts.of(crate::url::origin(url), now);
        let due_at = self.hosts.get(host).due_at;
        if due_at > now {
            return Err(Some(due_at));
        }
        if !self.hosts.has_seat(host) {
            return Err(None);
        }
        self.hosts.seat(host, now);
        Ok(host)
    }

    /// Takes a turn for a further request of something that is on its way already, such as the same with credentials: it needs
    /// no seat more. If it is not due, when it may be.
    pub(super) fn take_further_turn(&mut self, url: &Url, now: Instant) -> Result<(), Instant> {
        let host = self.hosts.of(crate::url::origin(url), now);
        let due_at = self.hosts.get(host).due_at;
        if due_at > now {
            return Err(due_at);
        }
        self.hosts.go_on(host, now);
        Ok(())
    }

    /// Whether `host` has asked to be left alone.
    pub(super) fn is_spared(&self, host: HostId, now: Instant) -> bool {
        self.hosts.get(host).spared_until > now
    }

    /// What was to be sent to `host` has not left.
    pub(super) fn take_back(&mut self, host: HostId, now: Instant) {
        self.hosts.take_back(host);
        self.came_back(host, now);
    }

    /// What was sent to `host` has come back, with or without an answer.
    pub(super) fn came_back(&mut self, host: HostId, now: Instant) {
        self.hosts.unseat(host);
        if self.manners.connections_max.is_none() {
            return;
        }
        let host = self.hosts.get_mut(host);
        let (sites, retries) = (std::mem::take(&mut host.blocked_sites), std::mem::take(&mut host.blocked_retries));
        for site in sites {
            self.sites[site.0].is_blocked = false;
            self.schedule(site);
        }
        for visit in retries {
            self.retry(visit, now);
        }
    }

    /// Visits the page once more, not before `at`.
    pub(super) fn retry(&mut self, visit: Visit, at: Instant) {
        self.turn += 1;
        self.retries.insert((at, self.turn), visit);
    }
}
