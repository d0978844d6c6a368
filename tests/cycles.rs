//! Ten runs over a site that changes in known ways, also while it fails: each tells exactly what is new, changed and gone.

mod common;

use common::{Change, Connector, FetchTask, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const NOTHING: [&str; 0] = [];

/// The site as it is meant to be, and what the connector can know of it.
struct Model {
    site: Site,
    random: u64,
    pages: BTreeMap<u32, Page>,
    next_page: u32,
    /// The links that each page had when it was last read.
    read: BTreeMap<u32, BTreeSet<u32>>,
    /// What the target holds: the text of each document.
    index: BTreeMap<u32, String>,
    told: usize,
}

#[derive(Clone, Default)]
struct Page {
    version: u32,
    links: BTreeSet<u32>,
}

impl Page {
    fn text(&self, number: u32) -> String {
        format!("Page {number} in version {} leads to {:?}.", self.version, self.links)
    }
}

impl Model {
    /// Forty pages, each linked from the one before it and from some of the others.
    fn new(site: Site, seed: u64) -> Model {
        let (pages, read, index) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut model = Model { site, random: seed, pages, next_page: 1, read, index, told: 0 };
        model.put(0, Page::default());
        for _ in 1..40 {
            model.grow();
        }
        model
    }

    /// xorshift64 (Marsaglia 2003).
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % (limit as u64)).expect("less than limit")
    }

    fn any(&mut self) -> u32 {
        let nth = self.below(self.pages.len());
        *self.pages.keys().nth(nth).expect("there are as many")
    }

    /// Any page but the start.
    fn any_other(&mut self) -> u32 {
        let nth = 1 + self.below(self.pages.len() - 1);
        *self.pages.keys().nth(nth).expect("there are as many")
    }

    fn put(&mut self, number: u32, page: Page) {
        let mut html = format!("<title>{number}</title><p>{}</p>", page.text(number));
        for link in &page.links {
            let _ = write!(html, "<a href='{}'></a>", target(*link));
        }
        self.site.set(&target(number), &html);
        self.pages.insert(number, page);
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Page)) {
        let mut page = self.pages[&number].clone();
        change(&mut page);
        self.put(number, page);
    }

    fn grow(&mut self) {
        let (number, parent) = (self.next_page, self.any());
        self.next_page += 1;
        let links = BTreeSet::from([self.any(), self.any()]);
        self.put(number, Page { version: 1, links });
        self.change(parent, |page| {
            page.links.insert(number);
        });
    }

    /// New texts, new pages, pages that are gone with and without the links to them, and links that are gone.
    fn edit(&mut self) {
        for _ in 0..4 {
            let number = self.any();
            self.change(number, |page| page.version += 1);
        }
        for _ in 0..3 {
            self.grow();
        }
        let gone = self.any_other();
        self.pages.remove(&gone);
        self.site.remove(&target(gone));
        let forgotten = self.any_other();
        for number in self.pages.keys().copied().collect::<Vec<_>>() {
            if self.pages[&number].links.contains(&forgotten) {
                self.change(number, |page| {
                    page.links.remove(&forgotten);
                });
            }
        }
    }

    fn fail(&self, failing: &BTreeSet<u32>) {
        for number in failing {
            self.site.set_status(&target(*number), 503);
        }
    }

    fn recover(&mut self) {
        for (number, page) in self.pages.clone() {
            self.put(number, page);
        }
    }

    /// The pages that a run meets: by the links of those that it reads, and by the remembered ones of those that fail.
    fn met(&self, failing: &BTreeSet<u32>) -> BTreeSet<u32> {
        let (mut met, mut waiting) = (BTreeSet::from([0]), vec![0]);
        while let Some(number) = waiting.pop() {
            let links = match self.pages.get(&number) {
                Some(_) if failing.contains(&number) => self.read.get(&number),
                Some(page) => Some(&page.links),
                None => None,
            };
            waiting.extend(links.into_iter().flatten().filter(|link| met.insert(**link)));
        }
        met
    }

    /// What a run has to tell while exactly these pages fail, in the words of [`brief`].
    fn expected(&mut self, failing: &BTreeSet<u32>) -> Vec<String> {
        let met = self.met(failing);
        let mut expected = Vec::new();
        for number in met.iter().filter(|number| !failing.contains(number)) {
            let text = self.pages.get(number).map(|page| page.text(*number));
            match (self.index.get(number), text) {
                (None, Some(_)) => expected.push(format!("add {}", target(*number))),
                (Some(before), Some(text)) if *before != text => expected.push(format!("update {}", target(*number))),
                (Some(_), None) => expected.push(format!("delete {}", target(*number))),
                _ => {}
            }
        }
        // What was not met is gone, unless a page that failed could have led there.
        if failing.is_disjoint(&met) {
            let gone = self.index.keys().filter(|number| !met.contains(number));
            expected.extend(gone.map(|number| format!("delete {}", target(*number))));
            self.read.retain(|number, _| met.contains(number));
        }
        for number in met.iter().filter(|number| !failing.contains(number)) {
            let links = self.pages.get(number).map(|page| page.links.clone()).unwrap_or_default();
            self.read.insert(*number, links);
        }
        expected.sort();
        expected
    }

    /// Takes in what a run has told, as an index would. Panics if it makes no sense there, or is not so.
    fn take(&mut self, connector: &Connector) {
        let changes = connector.changes("docs");
        for change in &changes[self.told..] {
            let number = number_of(change);
            let is_there = self.index.contains_key(&number);
            match change.kind.as_str() {
                "delete" => assert!(self.index.remove(&number).is_some(), "{number} was not there"),
                kind => {
                    assert_eq!(is_there, kind == "update", "{kind} {number}");
                    let text = change.content.trim().to_owned();
                    let shown = text.strip_prefix(&format!("{number} ")).unwrap_or(&text).to_owned();
                    assert_ne!(
                        self.index.insert(number, shown.clone()).as_ref(),
                        Some(&shown),
                        "{number} is as before"
                    );
                    let page = self.pages.get(&number).unwrap_or_else(|| panic!("{number} is no page"));
                    assert_eq!(shown, page.text(number));
                }
            }
        }
        self.told = changes.len();
    }

    /// The index holds the site, neither more nor less.
    fn assert_whole(&self) {
        let met = self.met(&BTreeSet::new());
        let there = self.pages.iter().filter(|(number, _)| met.contains(number));
        let site: BTreeMap<u32, String> = there.map(|(number, page)| (*number, page.text(*number))).collect();
        assert_eq!(self.index, site);
    }
}

fn target(number: u32) -> String {
    if number == 0 { "/".to_owned() } else { format!("/{number}") }
}

fn number_of(change: &Change) -> u32 {
    let name = change.reference.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { 0 } else { name.parse().unwrap_or_else(|_| panic!("{} is no page", change.reference)) }
}

fn connector(model: &Model) -> Connector {
    let task = FetchTask::named("docs").set("Url", model.site.url("/"));
    // A site in trouble is not left alone first: that would take minutes.
    Connector::with(task.set("MaxRetries", "0").set("RetryDelay", "0").set("SynchronizeThreads", "3"))
}

/// A run while nothing fails tells the difference, all of it and nothing else.
fn run_healthy(model: &mut Model, connector: &mut Connector, cycle: usize) {
    let expected = model.expected(&BTreeSet::new());
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), expected, "cycle {cycle}");
    let [added, updated, deleted] = ["add ", "update ", "delete "]
        .map(|kind| expected.iter().filter(|change| change.starts_with(kind)).count() as u64);
    let counts = ["added", "updated", "deleted", "errors"].map(|name| action.count(name));
    assert_eq!(counts, [added, updated, deleted, 0], "cycle {cycle}");
    model.take(connector);
    model.assert_whole();
}

/// Some pages answer 503 from the first request to the last.
fn run_with_failing_pages(
    model: &mut Model,
    connector: &mut Connector,
    cycle: usize,
    before: &BTreeSet<u32>,
) -> BTreeSet<u32> {
    let mut failing = BTreeSet::new();
    while failing.len() < 5 {
        let number = model.any_other();
        // A page that fails again and again is given up in the end, which is another rule.
        if !before.contains(&number) {
            failing.insert(number);
        }
    }
    model.fail(&failing);
    let expected = model.expected(&failing);
    let errors = model.met(&failing).intersection(&failing).count() as u64;
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), expected, "cycle {cycle}");
    assert_eq!(action.count("errors"), errors, "cycle {cycle}");
    model.take(connector);
    model.recover();
    failing
}

/// The whole site answers 503 from the middle of the run on.
fn run_into_an_outage(model: &mut Model, connector: &mut Connector, cycle: usize) {
    let middle = {
        let met: Vec<u32> =
            model.met(&BTreeSet::new()).into_iter().filter(|number| model.pages.contains_key(number)).collect();
        met[met.len() / 2]
    };
    let hits = model.site.hits(&target(middle));
    model.site.hold(&target(middle));
    let token = connector.synchronize("docs");
    model.site.wait_for_hits(&target(middle), hits + 1);
    model.fail(&model.pages.keys().copied().collect());
    model.site.release(&target(middle));
    connector.wait_until_done(&token);
    let action = connector.action(&token);
    assert!(action.count("errors") > 0, "cycle {cycle}: {action:?}");
    connector.new_changes("docs");
    // What it has told is true; how far it came is not known.
    let known: BTreeSet<u32> = model.index.keys().copied().collect();
    model.take(connector);
    let lost: Vec<u32> = known.into_iter().filter(|number| !model.index.contains_key(number)).collect();
    assert!(lost.iter().all(|number| !model.pages.contains_key(number)), "cycle {cycle}: {lost:?}");
    model.recover();
}

fn ten_cycles(site: Site, seed: u64) {
    let mut model = Model::new(site, seed);
    let mut connector = connector(&model);
    run_healthy(&mut model, &mut connector, 0);
    let mut failing = BTreeSet::new();
    for cycle in 1..=10 {
        model.edit();
        match cycle {
            2 | 6 | 7 => failing = run_with_failing_pages(&mut model, &mut connector, cycle, &failing),
            4 | 9 => run_into_an_outage(&mut model, &mut connector, cycle),
            _ => run_healthy(&mut model, &mut connector, cycle),
        }
    }
    let documents = model.index.len() as u64;
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), NOTHING);
    assert_eq!((action.count("unchanged"), action.count("errors")), (documents, 0));
}

#[test]
fn ten_cycles_tell_exactly_what_has_changed() {
    for seed in [1, 20_261_124] {
        ten_cycles(Site::new(), seed);
    }
}

#[test]
fn ten_cycles_over_a_site_that_answers_304_tell_the_same() {
    for seed in [2, 314_159] {
        ten_cycles(Site::new().conditional(), seed);
    }
}
