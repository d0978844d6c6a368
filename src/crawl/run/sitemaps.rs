//! The loop's dealings with sitemaps: one at a time is fetched, and what it lists is met.

use super::super::datastore::Met;
use super::super::frontier::HostId;
use super::super::linked::LINKS_BETWEEN_LOOKS;
use super::super::robots::REDIRECTS_MAX;
use super::super::sitemap::{Entry, INDEX_DEPTH_MAX, Sitemap};
use super::super::visitor::{Errand, SitemapFailure, Wanted};
use super::super::{Entries, Sitemaps};
use super::meeting::Way;
use super::{CrawlError, LOG, Run};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use url::Url;

/// Sitemaps of one run; an index of indexes could name far more.
const SITEMAPS_MAX: usize = 10_000;

/// Sitemaps that are still to be read.
#[derive(Default)]
pub(super) struct SitemapQueue {
    waiting: VecDeque<Wanted>,
    /// Those that could not be had, by when they are asked for again and then in turn.
    later: BTreeMap<(Instant, usize), Wanted>,
    turn: usize,
    known: HashSet<Url>,
    /// One at a time: each may have fifty megabytes.
    is_fetching: bool,
}

impl SitemapQueue {
    pub(super) fn push(&mut self, url: Url, level: u32) {
        if self.known.len() < SITEMAPS_MAX && self.known.insert(url.clone()) {
            self.waiting.push_back(Wanted { url, level, hops: 0, tries: 0 });
        }
    }

    /// Where one of them is instead, says its server: that is next. `false` if it has moved too often.
    fn push_moved(&mut self, from: &Wanted, url: Url) -> bool {
        if from.hops >= REDIRECTS_MAX {
            return false;
        }
        self.waiting.push_front(Wanted { url, level: from.level, hops: from.hops + 1, tries: 0 });
        true
    }

    /// It could not be had, and is asked for again at that time. The others do not wait for it.
    fn push_again(&mut self, wanted: Wanted, at: Instant) {
        self.turn += 1;
        self.later.insert((at, self.turn), Wanted { tries: wanted.tries + 1, ..wanted });
    }

    /// It was not asked for after all, and is next.
    pub(super) fn put_back(&mut self, wanted: Wanted) {
        self.is_fetching = false;
        self.waiting.push_front(wanted);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.later.is_empty()
    }

    /// Has those wait for a turn whose time has come; when the next one's time comes.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        while let Some(next) = self.later.first_entry().filter(|next| next.key().0 <= now) {
            self.waiting.push_back(next.remove());
        }
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// The one to be fetched next, if none is being fetched.
    pub(super) fn first(&self) -> Option<&Url> {
        self.waiting.front().filter(|_| !self.is_fetching).map(|wanted| &wanted.url)
    }

    /// Fetches it, since it is its host's turn.
    pub(super) fn fetch(&mut self, host: HostId) -> Option<Errand> {
        let wanted = self.waiting.pop_front()?;
        self.is_fetching = true;
        Some(Errand::Sitemap(wanted, host))
    }
}

impl Run<'_> {
    /// Takes up the sitemaps that a robots.txt names, if the task wants that.
    pub(super) fn want_sitemaps_of(&mut self, origin: &str, named: &[String]) {
        if !self.settings.robots_sitemaps {
            return;
        }
        let Ok(base) = Url::parse(origin) else {
            return;
        };
        for url in named.iter().filter_map(|named| crate::url::join(&base, named)) {
            self.sitemaps.push(url, 0);
        }
    }

    pub(super) fn settle_sitemap(
        &mut self,
        wanted: Wanted,
        sitemap: Result<Sitemap, SitemapFailure>,
    ) -> Result<(), CrawlError> {
        self.sitemaps.is_fetching = false;
        let url = &wanted.url;
        match sitemap {
            Ok(Sitemap::Index(entries)) if wanted.level < INDEX_DEPTH_MAX => {
                self.note_sitemap_read();
                for named in entries.iter().filter_map(|entry| crate::url::join(url, &entry.location)) {
                    if self.admits_sitemap(&named) {
                        self.sitemaps.push(named, wanted.level + 1);
                    }
                }
                Ok(())
            }
            Ok(Sitemap::Index(_)) => self.miss_sitemap(url, "it is an index in an index in an index"),
            Ok(Sitemap::Pages(entries)) => {
                self.note_sitemap_read();
                self.meet_entries(url, &entries)
            }
            Err(SitemapFailure::Stopped) => Ok(()),
            Err(SitemapFailure::Moved(target)) => {
                if self.sitemaps.push_moved(&wanted, target) {
                    return Ok(());
                }
                self.miss_sitemap(url, "too many redirects one after the other")
            }
            // One that robots.txt names and that is not there is a mistake of the site, and hides nothing.
            Err(SitemapFailure::Gone(status)) if !self.lists_all() => {
                log::warn!(target: LOG, "{}: there is no sitemap {url}: HTTP status {status}", self.counts.task);
                Ok(())
            }
            Err(SitemapFailure::Failed(failure)) => {
                let now = Instant::now();
                if self.frontier.has_room_for(crate::url::origin(url)) {
                    let site = self.frontier.site(crate::url::origin(url), now);
                    self.hear_failure(site, &failure);
                }
                if failure.transient && wanted.tries < self.settings.retries_max {
                    let pause = self.settings.retry_delay * 2_u32.pow(wanted.tries.min(10));
                    self.sitemaps.push_again(wanted, now + pause.max(failure.retry_after.unwrap_or_default()));
                    return Ok(());
                }
                self.miss_sitemap(url, &failure.why)
            }
            Err(failure @ SitemapFailure::Gone(_)) => self.miss_sitemap(url, &failure.to_string()),
        }
    }

    /// Whether sitemaps are what says which pages there are.
    fn lists_all(&self) -> bool {
        matches!(self.settings.entries, Entries::Sitemaps(_))
    }

    fn note_sitemap_read(&mut self) {
        self.starts.reached |= self.lists_all();
    }

    /// Pages that a sitemap would have listed may be hidden.
    fn miss_sitemap(&mut self, url: &Url, why: &str) -> Result<(), CrawlError> {
        log::error!(target: LOG, "{}: the sitemap {url} cannot be read: {why}", self.counts.task);
        self.counts.error(&format!("the sitemap {url} cannot be read: {why}"));
        self.starts.failure.get_or_insert_with(|| format!("the sitemap {url}: {why}"));
        Ok(self.datastore.set_doubtful()?)
    }

    fn admits_sitemap(&self, url: &Url) -> bool {
        let Entries::Sitemaps(sitemaps) = &self.settings.entries else {
            return true;
        };
        let Sitemaps { index_must, index_cant, .. } = &**sitemaps;
        index_must.as_ref().is_none_or(|must| must.matches(url.as_str()))
            && !index_cant.as_ref().is_some_and(|cant| cant.matches(url.as_str()))
    }

    fn meet_entries(&mut self, sitemap: &Url, entries: &[Entry]) -> Result<(), CrawlError> {
        let mut outside = 0_usize;
        for (number, entry) in entries.iter().enumerate() {
            if number % LINKS_BETWEEN_LOOKS == 0 {
                // The sitemap is read again by whoever goes on with the run.
                self.stop.check()?;
            }
            let Some(url) = crate::url::join(sitemap, &entry.location) else {
                continue;
            };
            if !self.may_list(sitemap, &url) {
                outside += 1;
                continue;
            }
            let id = self.datastore.ids().of(url.as_str());
            if self.settings.scope.visits(&url).is_err()
                || self.meets(Way { id, url: url.as_str(), depth: 0, hops: 0, from: None })? == Met::Known
            {
                continue;
            }
            let known_since = entry.modified.map(|modified| self.datastore.is_read_after(id, modified)).transpose()?;
            if known_since == Some(true) {
                self.counts.waiting.fetch_add(1, Relaxed);
                self.settle_unchanged(id)?;
            } else {
                self.enqueue(id, url.as_str())?;
            }
        }
        if outside > 0 {
            log::warn!(
                target: LOG,
                "{}: {outside} entries of the sitemap {sitemap} are outside of its scope (the same host, at or below \
                 its folder) and passed over; IgnoreSitemapScopeErrors=TRUE takes them",
                self.counts.task
            );
        }
        Ok(())
    }

    /// The protocol's rule: a sitemap speaks for its own host, at or below its folder.
    fn may_list(&self, sitemap: &Url, url: &Url) -> bool {
        let Entries::Sitemaps(sitemaps) = &self.settings.entries else {
            return true;
        };
        if sitemaps.ignore_scope {
            return true;
        }
        let folder = sitemap.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_below = url.path().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        crate::url::same_site(sitemap, url) && is_below
    }
}
