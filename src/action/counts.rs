//! What an action has done so far: counted by whoever performs it, read by `QueueInfo` at any time.

use super::errors::{ErrorSummary, Errors};
use super::results::{DocumentResult, Listing, Results, Warning};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The counters of one task section, shared between the thread that counts and those that ask.
///
/// Each is exact; together they are no snapshot: a page may be seen and not yet added.
#[derive(Debug, Default)]
pub struct TaskCounts {
    /// The section's name in upper case, as `documentcount` prints it.
    pub task: String,
    /// Pages that the crawl decided about.
    pub seen: AtomicU64,
    /// Documents that are new.
    pub added: AtomicU64,
    /// Documents whose content has changed.
    pub updated: AtomicU64,
    /// Documents that are gone.
    pub deleted: AtomicU64,
    /// Documents that were collected.
    pub collected: AtomicU64,
    /// Pages whose document is as it was.
    pub unchanged: AtomicU64,
    /// Pages that could not be had.
    pub errors: AtomicU64,
    /// Adds that the ingest target has confirmed.
    pub ingestadded: AtomicU64,
    /// Updates that the ingest target has confirmed.
    pub ingestupdated: AtomicU64,
    /// Deletes that the ingest target has confirmed.
    pub ingestdeleted: AtomicU64,
    /// Changes that the ingest target has refused or not answered.
    pub ingestfailed: AtomicU64,
    /// Pages known and not yet visited; no `documentcount` attribute, but what `Progress` divides by.
    pub waiting: AtomicU64,
    /// Set once nothing more is counted.
    pub ended: AtomicBool,
    /// What went wrong since it was last asked for.
    met: Errors,
    /// At most [`WARNINGS_MAX`].
    warnings: Mutex<Vec<Arc<Warning>>>,
    /// Why the ingest target refused the first change that it refused.
    refusal: OnceLock<String>,
}

/// Warnings of one task that an action tells; all of them are in the log.
const WARNINGS_MAX: usize = 50;

/// How far a running action is with one task section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Not begun; the section's name in upper case.
    Pending(String),
    Running {
        task: String,
        /// Pages decided about.
        seen: u64,
        /// Pages known and not yet visited.
        waiting: u64,
    },
    Ended(String),
}

/// The values of a [`TaskCounts`] at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub task: String,
    /// Names and values in the alphabetical order in which `documentcount` prints them (aci.md 3.5).
    pub values: Vec<(&'static str, u64)>,
}

impl TaskCounts {
    pub fn new(task: &str) -> TaskCounts {
        TaskCounts { task: task.to_ascii_uppercase(), ..TaskCounts::default() }
    }

    /// Tells whoever asks about the action what they should look at.
    pub fn warn(&self, text: &str) {
        let warning = Arc::new(Warning { task: self.task.clone(), text: text.to_owned() });
        let mut warnings = self.warnings.lock();
        if warnings.len() < WARNINGS_MAX {
            warnings.push(warning);
        }
    }

    /// Counts a page that could not be had; `why` is told to those who are told of errors while the action runs.
    pub fn error(&self, why: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.met.add(why);
    }

    /// Counts a change that the ingest target has refused, as [`TaskCounts::error`] does a page.
    pub fn refused(&self, why: &str) {
        self.ingestfailed.fetch_add(1, Ordering::Relaxed);
        self.met.add(why);
        self.refusal.get_or_init(|| why.to_owned());
    }

    /// One sentence on the changes that the target has not taken, if there are any.
    fn refusals(&self) -> Option<String> {
        let why = self.refusal.get()?;
        let (task, count) = (&self.task, self.ingestfailed.load(Ordering::Relaxed));
        Some(format!(
            "{task}: {count} of the changes were not taken, and the next run sends them again; the first: {why}"
        ))
    }

    fn stage(&self) -> Stage {
        if self.ended.load(Ordering::Relaxed) {
            return Stage::Ended(self.task.clone());
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stage::Running { task: self.task.clone(), seen: count(&self.seen), waiting: count(&self.waiting) }
    }

    pub fn snapshot(&self) -> Counts {
        let values = [
            ("added", &self.added),
            ("collected", &self.collected),
            ("deleted", &self.deleted),
            ("errors", &self.errors),
            ("ingestadded", &self.ingestadded),
            ("ingestdeleted", &self.ingestdeleted),
            ("ingestfailed", &self.ingestfailed),
            ("ingestupdated", &self.ingestupdated),
            ("seen", &self.seen),
            ("unchanged", &self.unchanged),
            ("updated", &self.updated),
        ];
        let values = values.map(|(name, value)| (name, value.load(Ordering::Relaxed)));
        Counts { task: self.task.clone(), values: values.to_vec() }
    }
}

impl Counts {
    /// The names that a stored report may carry; others are from a version that this one does not know.
    pub const NAMES: [&'static str; 11] = [
        "added",
        "collected",
        "deleted",
        "errors",
        "ingestadded",
        "ingestdeleted",
        "ingestfailed",
        "ingestupdated",
        "seen",
        "unchanged",
        "updated",
    ];

    pub fn get(&self, name: &str) -> u64 {
        self.values.iter().find(|(given, _)| *given == name).map_or(0, |(_, value)| *value)
    }
}

/// What an action reports: its kind, the counts of each task section that it has worked on, and its results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Upper case, such as `SYNCHRONIZE`; empty for an action that never started.
    pub fetch_action: String,
    pub tasks: Vec<Counts>,
    pub results: Results,
}

/// The report of a running action while it grows.
#[derive(Debug, Default)]
pub struct Live(Mutex<LiveReport>);

#[derive(Debug, Default)]
struct LiveReport {
    fetch_action: String,
    tasks: Vec<Arc<TaskCounts>>,
    results: Results,
    /// Task sections to come, in their order, in upper case.
    pending: Vec<String>,
}

impl Live {
    /// Names the kind of fetch; printed in upper case.
    pub fn set_fetch_action(&self, name: &str) {
        self.0.lock().fetch_action = name.to_ascii_uppercase();
    }

    /// Names the task sections that the action is going to work on, none of which has begun.
    pub fn plan<'a>(&self, tasks: impl IntoIterator<Item = &'a str>) {
        let pending = tasks.into_iter().map(str::to_ascii_uppercase).collect();
        self.0.lock().pending = pending;
    }

    /// Begins a task section, planned or not. Its counts are part of every later report.
    pub fn begin_task(&self, task: &str) -> Arc<TaskCounts> {
        let counts = Arc::new(TaskCounts::new(task));
        let mut live = self.0.lock();
        live.pending.retain(|pending| *pending != counts.task);
        live.tasks.push(Arc::clone(&counts));
        drop(live);
        counts
    }

    /// Pages that are known and not yet visited.
    pub fn waiting(&self) -> u64 {
        self.0.lock().tasks.iter().map(|counts| counts.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Tells what became of a document.
    pub fn add_document(&self, result: DocumentResult) {
        let result = Arc::new(result);
        self.0.lock().results.documents.push(result);
    }

    /// Adds a group of identifiers to the answer.
    pub fn add_listing(&self, listing: Listing) {
        let listing = Arc::new(listing);
        self.0.lock().results.listings.push(listing);
    }

    /// What the ingest target has not taken, in one sentence for each task section: no failure of the action, and yet
    /// what somebody has to look into.
    pub fn refusals(&self) -> Option<String> {
        let tasks = self.0.lock().tasks.clone();
        let sentences: Vec<String> = tasks.iter().filter_map(|counts| counts.refusals()).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }

    /// The errors of each task section since the last call.
    pub fn take_errors(&self) -> Vec<ErrorSummary> {
        let tasks = self.0.lock().tasks.clone();
        tasks.iter().filter_map(|counts| counts.met.take(&counts.task)).collect()
    }

    /// The task sections in the order of the work: those that have ended, that run, and that are to come.
    pub fn stages(&self) -> Vec<Stage> {
        let live = self.0.lock();
        let begun = live.tasks.iter().map(|counts| counts.stage());
        begun.chain(live.pending.iter().cloned().map(Stage::Pending)).collect()
    }

    pub fn report(&self) -> Report {
        let live = self.0.lock();
        Report {
            fetch_action: live.fetch_action.clone(),
            tasks: live.tasks.iter().map(|counts| counts.snapshot()).collect(),
            results: Results {
                warnings: live.tasks.iter().flat_map(|counts| counts.warnings.lock().clone()).collect(),
                ..live.results.clone()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_pending_then_running_then_ended() {
        let live = Live::default();
        live.plan(["a", "b"]);
        let pending = |task: &str| Stage::Pending(task.to_owned());
        assert_eq!(live.stages(), [pending("A"), pending("B")]);
        let counts = live.begin_task("a");
        counts.seen.store(3, Ordering::Relaxed);
        counts.waiting.store(4, Ordering::Relaxed);
        assert_eq!(live.stages(), [Stage::Running { task: "A".to_owned(), seen: 3, waiting: 4 }, pending("B")]);
        counts.ended.store(true, Ordering::Relaxed);
        assert_eq!(live.stages(), [Stage::Ended("A".to_owned()), pending("B")]);
    }
}
