//! Where the links of a page lead: which pages, each once, without a text for each.
//!
//! A page has hundreds of links, and nearly all lead to pages that the crawl has met. So a visitor finds out no more than
//! which pages they are; the URL of one that is new is joined again by whoever needs it.

use super::datastore::{PageId, PageIds};
use super::html::Links;
use super::known::Identity;
use super::{Settings, scope};
use crate::stop::{StopFlag, Stopped};
use crate::url::{Base, Joined, host_key};
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use url::Url;

/// Links of one page that are followed. A page of the size limit could have a million.
const LINKS_MAX: usize = 50_000;
/// Links that are joined, or met, between two looks at the flag: some tens of microseconds.
pub(super) const LINKS_BETWEEN_LOOKS: usize = 256;

/// The links of a page.
pub(super) struct Linked {
    base: Base,
    hrefs: Links,
    /// The pages in scope, each once, in the order of the document.
    ids: Vec<PageId>,
    /// For each of them, the place of the href that leads there.
    places: Vec<usize>,
    /// A link whose path goes in circles, which is not among them.
    circular: Option<String>,
}

impl Linked {
    /// Nothing leads anywhere before [`Linked::gather`].
    pub(super) fn new(base: Base, hrefs: Links) -> Linked {
        Linked { base, hrefs, ids: Vec::new(), places: Vec::new(), circular: None }
    }

    /// Finds out which pages in scope the links lead to. `page` is where they stand.
    pub(super) fn gather(
        &mut self,
        settings: &Settings,
        stop: &StopFlag,
        ids: PageIds,
        page: &Url,
    ) -> Result<(), Stopped> {
        let is_near_visited = settings.scope.visits_site(host_key(self.base.url()));
        let links_max = self.hrefs.len().min(LINKS_MAX);
        let mut seen =
            HashSet::<PageId, _>::with_capacity_and_hasher(links_max, BuildHasherDefault::<Identity>::default());
        self.ids.reserve_exact(links_max);
        self.places.reserve_exact(links_max);
        for (place, link) in self.hrefs.iter().enumerate() {
            if place % LINKS_BETWEEN_LOOKS == 0 {
                stop.check()?;
            }
            if self.ids.len() >= LINKS_MAX {
                log::warn!(target: "synchronize", "{page}: links beyond the first {LINKS_MAX} are passed over");
                break;
            }
            if link.nofollow && settings.follow_robots {
                continue;
            }
            let Some(joined) = self.base.join(link.href) else {
                continue;
            };
            let id = ids.of(joined.as_str());
            if !seen.insert(id) {
                continue;
            }
            let visits = match &joined {
                Joined::Near { url, path } if is_near_visited => settings.scope.visits_path(url, path),
                Joined::Named { url, host, path } if settings.scope.visits_site(host) => {
                    settings.scope.visits_path(url, path)
                }
                Joined::Near { .. } | Joined::Named { .. } => Err(scope::OutOfScope::OtherSite),
                Joined::Far(url) => settings.scope.visits(url),
            };
            match visits {
                Ok(()) => {
                    self.ids.push(id);
                    self.places.push(place);
                }
                Err(scope::OutOfScope::Circular) if self.circular.is_none() => {
                    self.circular = Some(joined.as_str().to_owned());
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn ids(&self) -> &[PageId] {
        &self.ids
    }

    pub(super) fn into_ids(self) -> Vec<PageId> {
        self.ids
    }

    pub(super) fn circular(&self) -> Option<&str> {
        self.circular.as_deref()
    }

    /// The URL of the page of this number among [`Linked::ids`].
    pub(super) fn url(&mut self, number: usize) -> Option<String> {
        let link = self.hrefs.get(*self.places.get(number)?)?;
        Some(self.base.join(link.href)?.as_str().to_owned())
    }
}
