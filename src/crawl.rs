//! One crawl: a loop that owns the frontier and the datastore, and visitor threads that fetch and read pages.
//!
//! The loop ([`crawl`]) only decides: which page is visited next, what of a visit is new, changed or gone. Visitors
//! fetch, decode, parse and hash. They meet over two bounded channels, and everything that can happen is one arm of
//! one `select!`.
//!
//! # What survives a crash
//!
//! Each change is handed to the target at once, which may write or send it or let it wait. When a batch of them is due (by
//! number, size or time), the loop *delivers* it, which returns once the target holds the documents for good, and then
//! commits the datastore, which says that it does. A crash
//!
//! * before the delivery loses a batch that the datastore does not know either: its pages wait, and are visited again;
//! * between delivery and commit leaves documents whose pages wait: they are visited and delivered once more;
//! * after the commit loses nothing.
//!
//! So documents may be delivered twice, and are never lost. The action that performs the crawl ends in the queue's
//! store only after all this: sink, then datastore, then queue.
//!
//! # What is deleted
//!
//! A page that answers 404 or 410, or says that it is not to be indexed, loses its document at once. A page that the
//! run has not met loses it at the end of the run, and only if the run is whole: every waiting page was settled, every
//! start was reached, and no failure could hide a link (`doubtful`). A page that fails in many cycles on end hides
//! nothing any more, or one broken link would keep a site from ever being cleaned.

pub mod admission;
pub mod charset;
pub mod datastore;
mod date;
mod datefilter;
mod frontier;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod html;
mod known;
mod linked;
pub mod login;
#[cfg(feature = "micro")]
#[doc(hidden)]
pub mod micro;
mod pace;
pub mod page;
pub mod robots;
mod run;
pub mod scope;
pub mod shape;
mod single;
pub mod sitemap;
pub mod trap;
mod visitor;

pub use self::admission::{Admission, LinkGuard};
pub use self::datastore::{Before, Datastore, DatastoreError, Known, Part, Reached, Reader};
pub use self::date::Mask;
pub use self::datefilter::{Bound, DateFilter};
pub use self::login::Login;
pub use self::pace::Limits;
pub use self::page::Page;
pub use self::run::{CrawlError, Ended, crawl};
pub use self::scope::{Filter, Scope};
pub use self::shape::Shaping;
pub use self::single::{Admits, Fetched, Single, SingleError, Singles, fetch_now};

use crate::client;
use crate::stop::StopFlag;
use crate::time::Moment;
use std::time::Duration;
use url::Url;

/// How one crawl goes about its work.
pub struct Settings {
    pub entries: Entries,
    /// Whether the sitemaps that robots.txt files name are read as well: what they list is met at depth 0.
    pub robots_sitemaps: bool,
    /// Which pages are visited, and which of them become documents.
    pub scope: Scope,
    /// Links followed from a start at most; `None` is no limit.
    pub depth_max: Option<u32>,
    /// Visitor threads, 1 or more.
    pub visitors: usize,
    /// Least time between two requests to one host.
    pub page_delay: Duration,
    /// Requests to one host at the same time at most; `None` is no other limit than the visitors.
    pub host_connections_max: Option<usize>,
    /// Documents added or updated in one action at most; `None` is no limit.
    pub pages_max: Option<u64>,
    pub limits: Limits,
    /// What of a page is a link.
    pub follows: html::Follows,
    /// Which pages become documents, beside what the scope says of their URLs.
    pub admission: Admission,
    /// Which dates they may have.
    pub dates: DateFilter,
    /// Which part of a page is its document.
    pub shaping: Shaping,
    /// Pages at most whose URLs differ in numbers and values of their query only; `None` is no limit.
    pub pattern_pages_max: Option<u32>,
    /// How much of a page's links may vanish at once.
    pub link_guard: LinkGuard,
    /// Response headers that become fields.
    pub header_fields: Vec<String>,
    /// Whether the links of a page are fields of its document.
    pub link_fields: bool,
    /// Whether robots.txt and robots meta are obeyed.
    pub follow_robots: bool,
    /// What to make of a robots.txt that cannot be had.
    pub on_robots_error: robots::OnError,
    /// Visits of a page after a first that failed for a passing reason.
    pub retries_max: u32,
    /// Pause before the first of them; it doubles for each further one.
    pub retry_delay: Duration,
    /// Redirects followed one after the other at most.
    pub redirects_max: u32,
    /// The form that stands before the pages, if there is one.
    pub login: Option<Login>,
    pub client: client::Settings,
}

/// Where a crawl begins, at depth 0.
pub enum Entries {
    /// Start pages, from which links are followed.
    Starts(Vec<Url>),
    /// All pages that there are: what is not listed (any more) is gone, whatever links say.
    Listed(Vec<Url>),
    /// The same, listed by sitemaps.
    Sitemaps(Box<Sitemaps>),
}

/// Sitemaps that list all pages.
pub struct Sitemaps {
    pub urls: Vec<Url>,
    /// Which sitemaps of an index are read.
    pub index_must: Option<Filter>,
    pub index_cant: Option<Filter>,
    /// Whether entries on another host, or above the sitemap's folder, are taken too.
    pub ignore_scope: bool,
}

/// A page that became a document.
#[derive(Debug)]
pub struct Delivery {
    pub url: String,
    pub page: Page,
    /// The body as it was sent, of a page that is no text.
    pub file: Option<Vec<u8>>,
    pub depth: u32,
    /// The URL of the page that led to it when it was last met.
    pub referrer: Option<String>,
    /// The server's `Last-Modified`, as it said it.
    pub modified: Option<String>,
}

/// Reads a date as a person writes it into a configuration: in one of these forms, or in any that the web has.
pub fn read_date(text: &str, formats: &[Mask]) -> Option<Moment> {
    formats.iter().find_map(|mask| mask.find(text)).or_else(|| date::read(text)).map(|date| date.at)
}

/// Brings changes to the index. An error ends the crawl; its changes since the last flush are decided anew in the next run.
pub trait Deliver {
    /// Takes one change, and promises nothing yet.
    fn take(&mut self, change: Change, stop: &StopFlag) -> Result<(), String>;

    /// One verdict for each change since the last flush, in their order, once the target holds the accepted ones for good.
    fn flush(&mut self, stop: &StopFlag) -> Result<Vec<Verdict>, String>;
}

/// What the index has to do so that it agrees with the site.
#[derive(Debug)]
pub enum Change {
    Add(Box<Delivery>),
    Update(Box<Delivery>),
    Delete { url: String },
}

/// What came of a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The target holds it.
    Accepted,
    /// It does not; the next run tries again.
    Refused(String),
    /// There is no target; only the datastore keeps what was decided.
    NotSent,
}
