//! Where the question for each site's robots.txt stands.

use super::hosts::HostId;
use super::{Frontier, SiteId};
use crate::crawl::robots::{REDIRECTS_MAX, Robots, UNREACHABLE_FOR};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// How long rules hold; after it they are asked for anew (RFC 9309 2.4).
const FRESH_FOR: Duration = Duration::from_hours(24);
/// Rules of all sites together that are held in memory at most. The sites whose rules go first are asked again.
pub(super) const RULES_BYTES_MAX: usize = 64 << 20;

/// What is known of a site's robots.txt.
#[derive(Debug, Clone)]
pub(in crate::crawl) enum Rules {
    /// Everything is allowed: there are no rules, or they are not to be obeyed.
    None,
    Robots(Arc<Robots>),
    Unreachable(Arc<str>),
}

#[derive(Debug)]
pub(super) enum Asked {
    /// To be asked, or asked again.
    Not(Question),
    /// The host that was asked, and what to ask again.
    InFlight(HostId, Question),
    Known(Rules, Instant),
    /// Never to be asked.
    Never,
}

/// A request for a robots.txt that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Where it was redirected to, and on which host that is.
    pub(super) moved_to: Option<(Url, HostId)>,
    pub(super) hops: usize,
    /// Requests that failed before.
    pub(super) tries: u32,
    pub(super) not_before: Option<Instant>,
}

impl Question {
    pub(super) const FIRST: Question = Question { moved_to: None, hops: 0, tries: 0, not_before: None };
}

impl Asked {
    /// Turns an answer that holds no more into a question.
    pub(super) fn expire(&mut self, now: Instant) {
        if let Asked::Known(rules, at) = self {
            let lasts = if matches!(rules, Rules::Unreachable(_)) { UNREACHABLE_FOR } else { FRESH_FOR };
            if now >= *at + lasts {
                *self = Asked::Not(Question::FIRST);
            }
        }
    }
}

impl Frontier {
    /// Whom the question for the robots.txt of `site` that is in flight was sent to.
    pub(in crate::crawl) fn asked_host(&self, site: SiteId) -> HostId {
        let entry = &self.sites[site.0];
        if let Asked::InFlight(host, _) = &entry.asked { *host } else { entry.host }
    }

    /// The rules of `site` are known. Gives the delay that they ask for, if it is a longer one than before.
    pub(in crate::crawl) fn know_robots(&mut self, site: SiteId, rules: Rules, now: Instant) -> Option<Duration> {
        let entry = &mut self.sites[site.0];
        let host = self.hosts.get_mut(entry.host);
        let mut longer = None;
        if let Rules::Robots(robots) = &rules {
            if let Some(crawl_delay) = robots.crawl_delay() {
                longer = (crawl_delay > host.delay).then_some(crawl_delay);
                host.delay = host.delay.max(crawl_delay);
                host.due_at = host.due_at.max(now + crawl_delay);
            }
            self.rules_bytes += robots.bytes();
            self.ruled.push_back((site, robots.bytes()));
        }
        entry.asked = Asked::Known(rules, now);
        self.schedule(site);
        self.forget_rules();
        longer
    }

    /// Forgets the rules that are held longest when all together are too large: their sites are asked again.
    fn forget_rules(&mut self) {
        while self.rules_bytes > RULES_BYTES_MAX && self.ruled.len() > 1 {
            let Some((site, bytes)) = self.ruled.pop_front() else { return };
            self.rules_bytes -= bytes;
            if matches!(self.sites[site.0].asked, Asked::Known(Rules::Robots(_), _)) {
                self.sites[site.0].asked = Asked::Not(Question::FIRST);
            }
        }
    }

    /// The robots.txt of `site` is at `url`, says the host that was asked. `false` if that is one redirect too many.
    pub(in crate::crawl) fn robots_moved(&mut self, site: SiteId, url: Url, now: Instant) -> bool {
        let question = self.question(site);
        if question.hops >= REDIRECTS_MAX {
            return false;
        }
        let origin = crate::url::origin(&url);
        let host = if self.has_room_for(origin) { self.hosts.of(origin, now) } else { self.sites[site.0].host };
        let question = Question { moved_to: Some((url, host)), hops: question.hops + 1, ..question };
        self.sites[site.0].asked = Asked::Not(question);
        self.schedule(site);
        true
    }

    /// Asks for the robots.txt of `site` again after `pause`, which doubles each time, and not before `at_least`. `false` if
    /// it was asked again `tries_max` times.
    pub(in crate::crawl) fn robots_again(
        &mut self,
        site: SiteId,
        pause: Duration,
        at_least: Duration,
        tries_max: u32,
        now: Instant,
    ) -> bool {
        let question = self.question(site);
        if question.tries >= tries_max {
            return false;
        }
        let not_before = Some(now + (pause * 2_u32.pow(question.tries.min(10))).max(at_least));
        self.sites[site.0].asked = Asked::Not(Question { tries: question.tries + 1, not_before, ..question });
        self.schedule(site);
        true
    }

    /// The question for the robots.txt of `site` has not left.
    pub(in crate::crawl) fn robots_not_asked(&mut self, site: SiteId, now: Instant) {
        self.take_back(self.asked_host(site), now);
        self.sites[site.0].asked = Asked::Not(self.question(site));
        self.schedule(site);
    }

    fn question(&self, site: SiteId) -> Question {
        match &self.sites[site.0].asked {
            Asked::Not(question) | Asked::InFlight(_, question) => question.clone(),
            Asked::Known(..) | Asked::Never => Question::FIRST,
        }
    }
}
