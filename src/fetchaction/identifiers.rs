//! `fetchaction=identifiers`: lists what a task knows (web-connector.md 1.6).
//!
//! A web site has no folders, so the hierarchy is that of the datastore: below `ROOT` lie the task's sites, which are
//! containers, and below a site its documents. A site is named by its origin, `http://host`, without the slash that
//! its first page has. Read beside a running crawl, as of its last commit.

use super::task::{self, PlanError, Sources, Task};
use super::{FetchError, Performance, Settings};
use crate::action::{BadParam, Listed, Listing, Params, Problem, Subject};
use crate::config::csv;
use crate::crawl::{DatastoreError, Known, Part, Reader};
use crate::ingest::Identifier;
use crate::log;
use crate::stop::StopFlag;
use std::sync::atomic::Ordering::Relaxed;

/// Parameters of its own.
pub(super) const PARAMS: &[&str] = &[
    "ParentIdentifiers",
    "Identifiers",
    "MaxDepth",
    "ContainersOnly",
    "FilterTypes",
    "ShowAttributes",
    "ShowNames",
    "ShowTypes",
    "ShowExcluded",
    "ShowAncestors",
    "IdentifiersAction",
    "MaxResults",
    "Start",
];

const ROOT: &str = "ROOT";
const SITE: &str = "Site";
const PAGE: &str = "Page";
/// Identifiers of one answer unless `MaxResults` says otherwise, and at most: the answer is kept in memory.
const RESULTS_DEFAULT: u64 = 1_000;
const RESULTS_MAX: u64 = 10_000;
/// Sites that are looked into: as many as a crawl gets to know.
const SITES_MAX: usize = 100_000;
/// Identifiers that one action may ask about.
const SUBJECTS_MAX: usize = 1_000;

/// What is asked.
pub(super) struct Question {
    pub(super) task: Task,
    subjects: Subjects,
    /// Levels below each parent; `None` is all.
    depth_max: Option<u64>,
    containers_only: bool,
    /// In lower case; empty is all.
    types: Vec<String>,
    shown: Shown,
    /// Also pages that are no documents.
    shows_excluded: bool,
    /// Also the groups of what lies above each identifier asked about.
    shows_ancestors: bool,
    skip: usize,
    limit: usize,
}

/// What is printed of each identifier.
struct Shown {
    attributes: bool,
    names: bool,
    types: bool,
}

enum Subjects {
    /// What lies below these.
    Below(Vec<String>),
    Themselves(Vec<String>),
}

/// What an identifier names.
enum Place {
    Root,
    Site(String),
    Page(Known),
}

impl Question {
    pub(super) fn read(settings: &Settings, params: &Params) -> Result<Question, PlanError> {
        let sources = Sources::read(settings, params, PARAMS)?;
        let mut sections = task::sections(params);
        let Some(section) = sections.pop() else {
            return Err(BadParam { name: "ConfigSection".to_owned(), problem: Problem::Missing }.into());
        };
        if !sections.is_empty() {
            let listed = params.get("ConfigSection").unwrap_or_default();
            return Err(BadParam::unreadable("ConfigSection", listed, "one task section").into());
        }
        if let Some(action) = params.get("IdentifiersAction").filter(|action| !action.trim().is_empty()) {
            let expected = "nothing: identifiers are listed, and FetchAction=Collect collects what it is given";
            return Err(BadParam::unreadable("IdentifiersAction", action, expected).into());
        }
        let flag = |name, default| Ok::<_, BadParam>(params.optional(name)?.unwrap_or(default));
        let number = |name, default| Ok::<u64, BadParam>(params.optional(name)?.unwrap_or(default));
        let limit = number("MaxResults", RESULTS_DEFAULT)?;
        if !(1..=RESULTS_MAX).contains(&limit) {
            let expected = format!("a whole number from 1 to {RESULTS_MAX}; Start gives the next part");
            return Err(BadParam::unreadable("MaxResults", &limit.to_string(), expected).into());
        }
        let start = number("Start", 1)?;
        if start == 0 {
            return Err(BadParam::unreadable("Start", "0", "the place of the first identifier, 1 or more").into());
        }
        let depth = number("MaxDepth", 1)?;
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Question {
            task: task::of_known_section(settings, &sources, &section)?,
            subjects: Subjects::read(params)?,
            depth_max: (depth > 0).then_some(depth),
            containers_only: flag("ContainersOnly", false)?,
            types: csv(params.get("FilterTypes").unwrap_or("")).iter().map(|name| name.to_lowercase()).collect(),
            shown: Shown {
                attributes: flag("ShowAttributes", true)?,
                names: flag("ShowNames", true)?,
                types: flag("ShowTypes", true)?,
            },
            shows_excluded: flag("ShowExcluded", false)?,
            shows_ancestors: flag("ShowAncestors", false)?,
            skip: index(start - 1),
            limit: index(limit),
        })
    }
}

impl Subjects {
    fn read(params: &Params) -> Result<Subjects, PlanError> {
        let list = |name: &str| csv(params.get(name).unwrap_or(""));
        let (parents, themselves) = (list("ParentIdentifiers"), list("Identifiers"));
        if !parents.is_empty() && !themselves.is_empty() {
            let text = "ParentIdentifiers and Identifiers ask different questions: give one of them";
            return Err(PlanError::Impossible(text.to_owned()));
        }
        if parents.len().max(themselves.len()) > SUBJECTS_MAX {
            let text = format!("the action asks about more than {SUBJECTS_MAX} identifiers; ask in several actions");
            return Err(PlanError::Impossible(text));
        }
        Ok(match (parents.is_empty(), themselves.is_empty()) {
            (_, false) => Subjects::Themselves(themselves),
            (true, true) => Subjects::Below(vec![ROOT.to_owned()]),
            (false, true) => Subjects::Below(parents),
        })
    }
}

/// Answers the question into the action's results.
pub(super) fn list(question: &Question, performance: &Performance<'_>) -> Result<(), FetchError> {
    let Performance { token, stop, live, .. } = performance;
    let counts = live.begin_task(&question.task.name);
    log::always("action", format_args!("Starting IDENTIFIERS for task '{}' [{token}]", counts.task));
    let path = &question.task.datastore;
    let failed = |error: DatastoreError| {
        FetchError::Tasks(format!("{}: the datastore {} cannot be read: {error}", counts.task, path.display()))
    };
    let known = Reader::open(path).map_err(failed)?;
    let mut answer = Answer {
        question,
        known: known.as_ref(),
        stop,
        skip: question.skip,
        left: question.limit,
        listings: Vec::new(),
    };
    let (texts, is_below) = match &question.subjects {
        Subjects::Below(texts) => (texts, true),
        Subjects::Themselves(texts) => (texts, false),
    };
    for text in texts {
        stop.check().map_err(|_| FetchError::Stopped)?;
        match answer.place(text).map_err(failed)? {
            Err(why) => {
                counts.error(&why);
                let subject = if is_below { Subject::Parent(text.clone()) } else { Subject::Itself(text.clone()) };
                answer.listings.push(Listing { subject, entries: Vec::new(), error: Some(why) });
            }
            Ok(place) if is_below => answer.below(text, &place, 1).map_err(failed)?,
            Ok(place) => answer.itself(text, &place),
        }
    }
    for listing in answer.listings {
        counts.seen.fetch_add(listing.entries.len() as u64, Relaxed);
        live.add_listing(listing);
    }
    log::always("action", format_args!("Finished IDENTIFIERS for task '{}' [{token}]", counts.task));
    stop.check().map_err(|_| FetchError::Stopped)
}

/// The answer while it grows.
struct Answer<'a> {
    question: &'a Question,
    /// `None` if the task has no datastore yet: it knows nothing.
    known: Option<&'a Reader>,
    stop: &'a StopFlag,
    /// Identifiers that are still passed over, and those that still fit.
    skip: usize,
    left: usize,
    listings: Vec<Listing>,
}

impl Answer<'_> {
    /// What `text` names, or why it names nothing.
    fn place(&self, text: &str) -> Result<Result<Place, String>, DatastoreError> {
        if text.trim().eq_ignore_ascii_case(ROOT) {
            return Ok(Ok(Place::Root));
        }
        let identifier = match Identifier::decode(text) {
            Ok(identifier) => identifier,
            Err(why) => return Ok(Err(format!("it is no identifier: {why}"))),
        };
        let task = self.question.task.name.to_uppercase();
        if identifier.section() != task {
            return Ok(Err(format!("it is of the task {}, not of {task}", identifier.section())));
        }
        let reference = identifier.reference();
        if let Some(known) = self.known {
            if let Some(page) = known.page(reference)? {
                return Ok(Ok(Place::Page(page)));
            }
            if known.knows_site(reference)? {
                return Ok(Ok(Place::Site(reference.to_owned())));
            }
        }
        Ok(Err(format!("the task knows neither a page nor a site {reference}")))
    }

    /// Lists what lies below a place, and, as far as the question goes, below what it lists.
    fn below(&mut self, text: &str, place: &Place, depth: u64) -> Result<(), DatastoreError> {
        let others = self.question.shows_excluded;
        let mut sites = Vec::new();
        let (entries, is_cut) = match (place, self.known) {
            (Place::Root, Some(known)) => {
                if !self.question.containers_only && self.question.depth_max.is_none_or(|depth_max| depth < depth_max) {
                    sites = known.sites(others, Part { skip: 0, limit: SITES_MAX })?;
                }
                let (sites, is_cut) = if self.is_shown(SITE) {
                    self.take(|| known.count_sites(others), |part| known.sites(others, part))?
                } else {
                    (Vec::new(), false)
                };
                (sites.iter().map(|site| self.site(site)).collect(), is_cut)
            }
            (Place::Site(site), Some(known)) if self.is_shown(PAGE) && !self.question.containers_only => {
                let (pages, is_cut) =
                    self.take(|| known.count_pages(site, others), |part| known.pages(site, others, part))?;
                (pages.iter().map(|page| self.page(page)).collect(), is_cut)
            }
            // A page has nothing below it.
            _ => (Vec::new(), false),
        };
        let error = is_cut.then(|| {
            let next = self.question.skip.saturating_add(self.question.limit).saturating_add(1);
            format!("there are more than MaxResults={} identifiers; Start={next} goes on", self.question.limit)
        });
        // The groups that nobody asked for by name are only there if they say something.
        if depth == 1 || !entries.is_empty() || is_cut {
            self.listings.push(Listing { subject: Subject::Parent(text.to_owned()), entries, error });
        }
        for site in sites {
            if is_cut || self.left == 0 || self.stop.is_set() {
                break;
            }
            let identifier = self.identifier(&site);
            self.below(&identifier, &Place::Site(site), depth + 1)?;
        }
        Ok(())
    }

    /// The part of a list that the answer has room for, and whether there is more of it.
    fn take<T>(
        &mut self,
        count: impl FnOnce() -> Result<usize, DatastoreError>,
        read: impl FnOnce(Part) -> Result<Vec<T>, DatastoreError>,
    ) -> Result<(Vec<T>, bool), DatastoreError> {
        if self.skip > 0 {
            let count = count()?;
            if count <= self.skip {
                self.skip -= count;
                return Ok((Vec::new(), false));
            }
        }
        // One more than there is room for tells whether there is more.
        let mut found = read(Part { skip: std::mem::take(&mut self.skip), limit: self.left.saturating_add(1) })?;
        let is_cut = found.len() > self.left;
        found.truncate(self.left);
        self.left -= found.len();
        Ok((found, is_cut))
    }

    /// Describes a place; with `ShowAncestors` also what it lies in.
    fn itself(&mut self, text: &str, place: &Place) {
        let mut listing = Listing { subject: Subject::Itself(text.to_owned()), entries: Vec::new(), error: None };
        match place {
            Place::Root => {
                listing.error = Some("ROOT is what the sites lie below; ParentIdentifiers=ROOT lists them".to_owned());
            }
            Place::Site(site) => listing.entries.push(self.site(site)),
            Place::Page(page) => {
                if self.question.shows_ancestors {
                    let site = self.site(crate::url::origin_of(&page.url));
                    let subject = Subject::Parent(ROOT.to_owned());
                    self.listings.push(Listing { subject, entries: vec![site], error: None });
                }
                listing.entries.push(self.page(page));
            }
        }
        self.listings.push(listing);
    }

    fn is_shown(&self, kind: &str) -> bool {
        self.question.types.is_empty() || self.question.types.iter().any(|shown| shown.eq_ignore_ascii_case(kind))
    }

    fn site(&self, site: &str) -> Listed {
        self.listed(site, site, SITE, "container")
    }

    fn page(&self, page: &Known) -> Listed {
        let name = &page.url[crate::url::origin_of(&page.url).len()..];
        self.listed(&page.url, name, PAGE, if page.delivered { "document" } else { "excluded" })
    }

    fn listed(&self, reference: &str, name: &str, kind: &str, attributes: &str) -> Listed {
        let Shown { attributes: shows_attributes, names: shows_names, types: shows_types } = self.question.shown;
        Listed {
            identifier: self.identifier(reference),
            name: shows_names.then(|| name.to_owned()),
            kind: shows_types.then(|| kind.to_owned()),
            attributes: shows_attributes.then(|| attributes.to_owned()),
        }
    }

    fn identifier(&self, reference: &str) -> String {
        Identifier::new(&self.question.task.name, reference).encode()
    }
}
