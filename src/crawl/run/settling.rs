//! What a visit came to: what the datastore notes of its page, and what changes for the index.

use super::super::datastore::{Found, PageId, Row};
use super::super::frontier::{Heard, Skip, Visit};
use super::super::visitor::{Done, Failure, Moved, Outcome, Reading};
use super::super::{Change, Delivery, Entries, LinkGuard};
use super::meeting::Way;
use super::{CrawlError, LOG, Run};
use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Pages that wait for a second visit at once; beyond it a failure is final.
const RETRIES_MAX: usize = 10_000;
/// Cycles in a row after which a page that fails is no longer thought to hide others.
const DOUBT_CYCLES: u32 = 3;

impl Run<'_> {
    pub(super) fn settle(&mut self, done: Done) -> Result<(), CrawlError> {
        if !matches!(done, Done::WantsTurn(..)) {
            self.in_flight -= 1;
        }
        let (visit, outcome) = match done {
            Done::WantsTurn(url, grant) => {
                self.turns_wanted.push((url, grant));
                return Ok(());
            }
            Done::Robots(site, answer) => {
                self.settle_robots(site, answer);
                return Ok(());
            }
            Done::Sitemap(wanted, host, sitemap) => {
                self.frontier.came_back(host, Instant::now());
                return self.settle_sitemap(wanted, sitemap);
            }
            Done::Page(visit, outcome) => (visit, outcome),
        };
        let now = Instant::now();
        self.frontier.came_back(self.frontier.host(visit.site), now);
        let id = visit.page.id;
        match outcome {
            // The flag is set: the loop ends, and the page waits on.
            Outcome::Stopped => return Ok(()),
            Outcome::Failed(failure) => {
                self.hear_failure(visit.site, &failure);
                return match self.retry(*visit, &failure) {
                    Some(visit) => self.settle_failed(id, visit.url.as_str(), &failure.why),
                    None => Ok(()),
                };
            }
            _ => self.frontier.hear(visit.site, &Heard::Answer, now),
        };
        match outcome {
            Outcome::Read(reading) => self.settle_read(&visit, *reading),
            Outcome::NotModified => self.settle_unchanged(id),
            Outcome::Moved(target) => self.settle_moved(&visit, target),
            Outcome::Gone(status) => self.settle_gone(id, visit.url.as_str(), &format!("HTTP status {status}")),
            Outcome::CookieCheck => {
                self.frontier.retry(Visit { is_cookie_check: true, ..*visit }, now);
                Ok(())
            }
            Outcome::Failed(_) | Outcome::Stopped => Ok(()),
        }
    }

    /// Has the page visited once more; gives it back if it has had its chances.
    fn retry(&mut self, visit: Visit, failure: &Failure) -> Option<Visit> {
        let chances_left = visit.tries < self.settings.retries_max && self.frontier.retrying() < RETRIES_MAX;
        if !(failure.transient && chances_left) {
            return Some(visit);
        }
        log::debug!(target: LOG, "{}: {} again later: {}", self.counts.task, visit.url, failure.why);
        let pause = self.settings.retry_delay * 2_u32.pow(visit.tries.min(10));
        let at = Instant::now() + pause.max(failure.retry_after.unwrap_or_default());
        self.frontier.retry(Visit { tries: visit.tries + 1, ..visit }, at);
        None
    }

    pub(super) fn settle_skipped(&mut self, visit: &Visit, skip: &Skip) -> Result<(), CrawlError> {
        let (id, url) = (visit.page.id, visit.url.as_str());
        match skip {
            Skip::Disallowed => self.settle_gone(id, url, "disallowed by robots.txt"),
            Skip::RobotsUnreachable(why) => self.settle_failed(id, url, &format!("robots.txt cannot be had: {why}")),
            Skip::SiteUnreachable(why) => self.settle_failed(id, url, &format!("given up with its site: {why}")),
        }
    }

    fn settle_read(&mut self, visit: &Visit, mut reading: Reading) -> Result<(), CrawlError> {
        let (id, url) = (visit.page.id, visit.url.as_str());
        let row = self.datastore.row(id)?;
        self.pace.spend(reading.body_bytes);
        self.starts.reached |= self.starts.ids.contains(&id);
        if let Some(circular) = reading.linked.circular() {
            self.tell_circle(circular);
        }
        if row.failures < DOUBT_CYCLES
            && let Some(why) = self.lost_links(&row, reading.linked.ids())
        {
            return self.settle_failed(id, url, &why);
        }
        let follows = self.follows(row.depth);
        if follows {
            self.meet_linked(id, row.depth + 1, &mut reading.linked)?;
        }
        let Reading { page, linked, conditions, ingests, file, modified, asked_at, .. } = reading;
        let links = linked.into_ids();
        let found = Found {
            delivered: ingests,
            hash: ingests.then_some(page.hash),
            cut: !follows && !links.is_empty(),
            conditions,
            asked_at: Some(asked_at),
            expires_at: page.expires_at,
            links,
        };
        self.datastore.settle(id, &found)?;
        self.count_settled();
        let is_as_before = row.hash == Some(page.hash);
        if ingests && row.delivered && is_as_before {
            self.counts.unchanged.fetch_add(1, Relaxed);
        } else if ingests {
            let referrer = self.datastore.referrer(id)?;
            let delivery = Box::new(Delivery { url: url.to_owned(), page, file, depth: row.depth, referrer, modified });
            self.add(id, if row.delivered { Change::Update(delivery) } else { Change::Add(delivery) })?;
        } else if row.delivered {
            self.add(id, Change::Delete { url: url.to_owned() })?;
        } else {
            log::debug!(target: LOG, "{}: {url} is not ingested", self.counts.task);
        }
        Ok(())
    }

    /// Says so if more links vanished from the page than may. It then counts as failed, so that what it linked to is
    /// visited: a page that is gone will say so itself. If it stays like that for some cycles, it is believed.
    fn lost_links(&self, row: &Row, links: &[PageId]) -> Option<String> {
        if self.settings.link_guard == LinkGuard::default() {
            return None;
        }
        let now: HashSet<PageId> = links.iter().copied().collect();
        let lost = row.links.iter().filter(|link| !now.contains(link)).count();
        let before = row.links.len();
        let accepted = self.settings.link_guard.accepts(before, lost);
        (!accepted).then(|| {
            format!("{lost} of its {before} links are gone, more than MaxLinkChanges or MaxLinkChangePercentage allow")
        })
    }

    pub(super) fn settle_unchanged(&mut self, id: PageId) -> Result<(), CrawlError> {
        let row = self.datastore.row(id)?;
        self.starts.reached |= self.starts.ids.contains(&id);
        self.meet_links(id, &row)?;
        self.datastore.settle_unchanged(id)?;
        self.count_settled();
        if row.delivered {
            self.counts.unchanged.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn settle_moved(&mut self, visit: &Visit, target: Moved) -> Result<(), CrawlError> {
        let (id, url) = (visit.page.id, visit.url.as_str());
        let before = self.datastore.row(id)?;
        let to = match target.to {
            Ok(_) if visit.page.hops >= self.settings.redirects_max => {
                return self.settle_failed(id, url, "too many redirects one after the other");
            }
            Ok((link, link_url)) => {
                if self.starts.ids.contains(&id) {
                    self.starts.ids.insert(link);
                    // To a page that was reached before: that will do.
                    self.starts.reached |= link != id && self.datastore.is_settled(link)?;
                }
                let hops = visit.page.hops + 1;
                self.meet(Way { id: link, url: &link_url, depth: before.depth, hops, from: Some(id) })?;
                Ok(link)
            }
            Err(why) => Err(why),
        };
        // A site under repair sends every page to one and the same: a redirect that says it is for now has to say
        // so for some cycles before it costs a document.
        if before.delivered && !target.permanent && before.failures < DOUBT_CYCLES {
            return self.settle_failed(id, url, "it is elsewhere for now, says the server; its document stays");
        }
        match to {
            Ok(link) => self.settle_without(id, url, vec![link]),
            Err(why) => self.settle_gone(id, url, &why),
        }
    }

    /// Settles a page that exists no more, or not for us.
    fn settle_gone(&mut self, id: PageId, url: &str, why: &str) -> Result<(), CrawlError> {
        // Without its start a site looks empty: that is believed of a page, never of a start.
        if self.starts.ids.contains(&id) {
            return self.settle_failed(id, url, why);
        }
        log::info!(target: LOG, "{}: {url} is passed over: {why}", self.counts.task);
        self.settle_without(id, url, Vec::new())
    }

    /// Settles a page that has no document (any more).
    fn settle_without(&mut self, id: PageId, url: &str, links: Vec<PageId>) -> Result<(), CrawlError> {
        let row = self.datastore.row(id)?;
        self.datastore.settle(id, &Found { links, ..Found::default() })?;
        self.count_settled();
        if row.delivered {
            self.add(id, Change::Delete { url: url.to_owned() })?;
        }
        Ok(())
    }

    /// Settles a page that could not be had. Its document stays, and so do the pages that it linked to.
    fn settle_failed(&mut self, id: PageId, url: &str, why: &str) -> Result<(), CrawlError> {
        log::error!(target: LOG, "{}: {url} could not be had: {why}", self.counts.task);
        let row = self.datastore.row(id)?;
        self.meet_links(id, &row)?;
        self.datastore.settle_failed(id)?;
        self.count_settled();
        self.counts.error(&format!("{url} could not be had: {why}"));
        let is_start = self.starts.ids.contains(&id);
        if is_start {
            self.starts.failure.get_or_insert_with(|| format!("{url}: {why}"));
        }
        let may_hide = matches!(self.settings.entries, Entries::Starts(_)) && row.failures < DOUBT_CYCLES;
        if is_start || may_hide {
            self.datastore.set_doubtful()?;
        }
        Ok(())
    }

    fn count_settled(&mut self) {
        self.batch.count_settled(Instant::now());
        self.counts.seen.fetch_add(1, Relaxed);
        self.counts.waiting.fetch_sub(1, Relaxed);
    }

    pub(super) fn follows(&self, depth: u32) -> bool {
        self.settings.depth_max.is_none_or(|depth_max| depth < depth_max)
    }
}
