//! Requests between the loop's decision and their leaving: those that an errand needs beyond its first, and those that are
//! to leave no more.

use super::super::visitor::Errand;
use super::Run;
use std::time::Instant;

impl Run<'_> {
    /// Lets visitors go on that need one request more, those whose hosts are due; when the next of the others is.
    pub(super) fn grant_turns(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let mut next_at: Option<Instant> = None;
        let frontier = &mut self.frontier;
        self.turns_wanted.retain(|(url, grant)| match frontier.take_further_turn(url, now) {
            Ok(()) => {
                // Who does not wait any more was stopped.
                let _ = grant.send(());
                false
            }
            Err(due_at) => {
                next_at = Some(next_at.map_or(due_at, |at| at.min(due_at)));
                true
            }
        });
        next_at
    }

    /// Takes back what lies ready for hosts that want to be left alone. What a visitor has taken meanwhile was on its way.
    pub(super) fn recall(&mut self) {
        let now = Instant::now();
        let ready: Vec<Errand> = self.ready.try_iter().collect();
        for errand in ready {
            let host = match &errand {
                Errand::Page(visit) => self.frontier.host(visit.site),
                Errand::Robots(site, _) => self.frontier.asked_host(*site),
                Errand::Sitemap(_, host) => *host,
            };
            if !self.frontier.is_spared(host, now) {
                self.errands.send(errand).expect("visitors outlive the loop");
                continue;
            }
            self.in_flight -= 1;
            match errand {
                Errand::Page(visit) => {
                    self.frontier.take_back(host, now);
                    self.frontier.retry(*visit, now);
                }
                Errand::Robots(site, _) => self.frontier.robots_not_asked(site, now),
                Errand::Sitemap(wanted, _) => {
                    self.frontier.take_back(host, now);
                    self.sitemaps.put_back(wanted);
                }
            }
        }
    }
}
