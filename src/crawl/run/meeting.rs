//! Pages that the run meets: which of them are let in, and how they come into the frontier.

use super::super::datastore::{Met, PageId, Row};
use super::super::linked::{LINKS_BETWEEN_LOOKS, Linked};
use super::{CrawlError, LOG, Run};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Sites of which it is told that paths go in circles there.
const CIRCLES_TOLD_MAX: usize = 20;

/// How a page is met.
#[derive(Clone, Copy)]
pub(super) struct Way<'u> {
    pub(super) id: PageId,
    pub(super) url: &'u str,
    pub(super) depth: u32,
    pub(super) hops: u32,
    pub(super) from: Option<PageId>,
}

impl Run<'_> {
    /// Meets a page that is in scope, and has it visited if it is new.
    pub(super) fn meet(&mut self, way: Way<'_>) -> Result<(), CrawlError> {
        if self.meets(way)? != Met::Known {
            self.enqueue(way.id, way.url)?;
        }
        Ok(())
    }

    /// Meets the pages that a page links to.
    pub(super) fn meet_linked(&mut self, from: PageId, depth: u32, linked: &mut Linked) -> Result<(), CrawlError> {
        for number in 0..linked.ids().len() {
            // What is met already stays met; the page itself is not settled yet, and waits on.
            if number % LINKS_BETWEEN_LOOKS == 0 {
                self.stop.check()?;
            }
            let id = linked.ids()[number];
            // Nearly all are, so that nobody has to know what they are called.
            if self.datastore.has_met(id, depth) {
                continue;
            }
            if let Some(url) = linked.url(number) {
                self.meet(Way { id, url: &url, depth, hops: 0, from: Some(from) })?;
            }
        }
        Ok(())
    }

    /// Meets a page that is in scope, unless the run has no room for one like this, which then counts as known.
    ///
    /// One that is known from before is met although there are too many of its pattern: to leave it out would be to
    /// delete it, and which ones are left out would change from run to run.
    pub(super) fn meets(&mut self, way: Way<'_>) -> Result<Met, CrawlError> {
        let Way { id, url, depth, hops, from } = way;
        let is_counted = self.settings.pattern_pages_max.is_some() && self.datastore.knows(id)?;
        if !self.frontier.has_room_for(crate::url::origin_of(url)) || !(is_counted || self.patterns.admits(url)) {
            return Ok(Met::Known);
        }
        let met = self.datastore.meet(id, url, depth, hops, from)?;
        if met == Met::New && !is_counted {
            self.count_pattern(url);
        }
        Ok(met)
    }

    pub(super) fn enqueue(&mut self, id: PageId, url: &str) -> Result<(), CrawlError> {
        self.counts.waiting.fetch_add(1, Relaxed);
        let site = self.frontier.site(crate::url::origin_of(url), Instant::now());
        if self.frontier.has_room(site) {
            if let Some(page) = self.datastore.waiting_page(id)? {
                self.frontier.push(site, page);
            }
        } else {
            self.frontier.park(site);
        }
        Ok(())
    }

    /// Follows the links that a page had when it was last read: before it is settled, since a stop may come in between.
    pub(super) fn meet_links(&mut self, id: PageId, row: &Row) -> Result<(), CrawlError> {
        if !self.follows(row.depth) {
            return Ok(());
        }
        for (number, link) in row.links.iter().enumerate() {
            if number % LINKS_BETWEEN_LOOKS == 0 {
                self.stop.check()?;
            }
            if self.datastore.meet_again(*link, row.depth + 1, id)? != Met::Known
                && let Some(page) = self.datastore.waiting_page(*link)?
            {
                if self.settings.pattern_pages_max.is_none() {
                    self.count_pattern(&page.url);
                }
                self.enqueue(*link, &page.url)?;
            }
        }
        Ok(())
    }

    pub(super) fn count_pattern(&mut self, url: &str) {
        if let Some(told) = self.patterns.count(url) {
            self.warn(&told.to_string());
        }
    }

    /// Counts what is known from before.
    pub(super) fn count_patterns(&mut self) -> Result<(), CrawlError> {
        if self.settings.pattern_pages_max.is_some() {
            let patterns = &mut self.patterns;
            self.datastore.each_known(|url| drop(patterns.count(url)))?;
        }
        Ok(())
    }

    pub(super) fn tell_circle(&mut self, url: &str) {
        let origin = crate::url::origin_of(url);
        if self.circles.len() < CIRCLES_TOLD_MAX && self.circles.insert(origin.to_owned()) {
            let url: String = url.chars().take(200).collect();
            self.warn(&format!("links whose paths go in circles are passed over (MaxPathRepeats), such as {url}"));
        }
    }

    /// Tells the log, and whoever asks about the action.
    pub(super) fn warn(&self, text: &str) {
        log::warn!(target: LOG, "{}: {text}", self.counts.task);
        self.counts.warn(text);
    }
}
