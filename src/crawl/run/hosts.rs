//! What answers say about their servers rather than about a page: their robots.txt, and whether they want a pause.

use super::super::frontier::{Consequence, Heard, Rules, SiteId, Wish};
use super::super::visitor::{Failure, RobotsAnswer, Trouble};
use super::{LOG, Run};
use std::sync::Arc;
use std::time::Instant;

impl Run<'_> {
    pub(super) fn settle_robots(&mut self, site: SiteId, answer: RobotsAnswer) {
        let now = Instant::now();
        self.frontier.came_back(self.frontier.asked_host(site), now);
        let rules = match answer {
            RobotsAnswer::Rules(mut robots) => {
                let origin = self.frontier.origin(site).to_owned();
                self.want_sitemaps_of(&origin, &robots.take_sitemaps());
                Rules::Robots(Arc::new(robots))
            }
            RobotsAnswer::AllowAll => Rules::None,
            RobotsAnswer::Moved(url) => {
                if self.frontier.robots_moved(site, url, now) {
                    return;
                }
                Rules::None
            }
            // The loop ends: it was the stop that failed it.
            RobotsAnswer::Failed(_) if self.stop.is_set() => return,
            RobotsAnswer::Failed(failure) => {
                self.hear_failure(site, &failure);
                let (pause, tries_max) = (self.settings.retry_delay, self.settings.retries_max);
                let at_least = failure.retry_after.unwrap_or_default();
                if failure.transient && self.frontier.robots_again(site, pause, at_least, tries_max, now) {
                    return;
                }
                let origin = self.frontier.origin(site);
                self.warn(&format!("{origin}/robots.txt cannot be had: {}", failure.why));
                Rules::Unreachable(Arc::from(failure.why))
            }
        };
        if let Some(delay) = self.frontier.know_robots(site, rules, now) {
            // Nothing lies ready any more: what waits there for a visitor could leave together with what is decided later.
            self.in_flight_max = self.settings.visitors.max(1);
            let (host, delay) = (self.frontier.host_name(self.frontier.host(site)), delay.as_secs_f64());
            self.warn(&format!("{host} wants {delay} s between two requests (Crawl-delay in robots.txt)"));
        }
    }

    /// Has the site left alone if the failure is more than its page's.
    pub(super) fn hear_failure(&mut self, site: SiteId, failure: &Failure) {
        let heard = match failure.trouble {
            None => Heard::Answer,
            Some(trouble) => Heard::Trouble {
                why: &failure.why,
                wish: match (failure.retry_after, trouble) {
                    (Some(pause), _) => Some(Wish::Pause(pause)),
                    (None, Trouble::TooMany) => Some(Wish::SomePause),
                    (None, Trouble::Unreachable | Trouble::Unavailable) => None,
                },
            },
        };
        let consequence = self.frontier.hear(site, &heard, Instant::now());
        if matches!(consequence, Consequence::Spared(_)) {
            self.recall();
        }
        let (task, origin, why) = (&self.counts.task, self.frontier.origin(site), &failure.why);
        match consequence {
            Consequence::None => {}
            Consequence::Spared(pause) => {
                let pause = pause.as_secs_f64();
                log::warn!(target: LOG, "{task}: {origin} is left alone for {pause} s: {why}");
            }
            Consequence::GivenUp => {
                self.warn(&format!("the rest of {origin} is given up for this run: {why}"));
            }
        }
    }
}
