//! One task of `fetchaction=synchronize`: its datastore, its target, its crawl, and pages turned into documents.

use super::targets::Targets;
use super::task::Task;
use super::{Performance, Settings};
use crate::crawl::{self, CrawlError, Datastore, DatastoreError, Delivery, Ended};
use crate::ingest::{self, Document, Identifier, SinkError};
use crate::log;
use crate::stop::StopFlag;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use uuid::Uuid;

pub(super) const LOG: &str = "synchronize";

/// The fields that every document has beside those of its page, and what they hold.
pub const FIELDS: &[(&str, &str)] = &[
    ("CANONICAL", "canonical URL that the page names, if the crawl may visit it"),
    ("HTTP_*", "response headers that `HeaderFields` names"),
    ("LINK", "a page that this one links to, with `LinkFields`"),
    ("DEPTH", "links followed from a start page to this one"),
    ("REFERRER", "the page that led to this one, by a link or a redirect, when the crawl last met it"),
    ("CONTENT_HASH", "32 hexadecimal digits: the same for two documents if title, text, metadata and file are"),
    (
        "DREDATE",
        "the page's date in seconds since 1970: where `DateInUrl`, `PageDateSelector` or `PageDateHeader` finds it",
    ),
    ("LAST-MODIFIED", "the page's last change, as the server said it"),
    ("AUTN_IDENTIFIER", "names the document to the connector: task and URL, in base64"),
    ("AUTN_GROUP", "`ConnectorGroup`"),
    ("AUTN_TASK_BATCH_ID", "the task and 32 hexadecimal digits, the same for all documents of one run"),
    ("DOCTRACKINGID", "32 hexadecimal digits, new for each delivery"),
];

/// Why a task did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskError {
    #[error("stopped")]
    Stopped,
    #[error("the datastore {} cannot be used: {source}", path.display())]
    Datastore { path: PathBuf, source: DatastoreError },
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{0}")]
    Crawl(CrawlError),
}

/// Performs one task. However it ends, everything that it decided is delivered and remembered, or neither.
pub(super) fn synchronize(settings: &Settings, task: &Task, performance: &Performance<'_>) -> Result<(), TaskError> {
    let Performance { token, stop, pause, live } = performance;
    let counts = live.begin_task(&task.name);
    log::always(LOG, format_args!("Starting SYNCHRONIZE for task '{}' [{token}]", counts.task));
    let in_datastore = |source| TaskError::Datastore { path: task.datastore.clone(), source };
    let mut datastore = Datastore::open(&task.datastore).map_err(in_datastore)?;
    let targets = Targets::open(settings, &task.name, stop)?;
    let mut delivered = Delivered { documents: Documents::new(task, &settings.connector_group), targets };
    let ended = crawl::crawl(&task.crawl, task.scope_key, &mut datastore, &counts, &mut delivered, stop, pause);
    counts.ended.store(true, Ordering::Relaxed);
    let outcome = match &ended {
        Ok(Ended::Complete { doubtful: false }) => "complete".to_owned(),
        Ok(Ended::Complete { doubtful: true }) => {
            "complete, but for pages that could not be had; nothing is deleted for its absence".to_owned()
        }
        Ok(Ended::Limited) => "MaxPages reached; the next one goes on from here".to_owned(),
        Err(error) => error.to_string(),
    };
    log::always(LOG, format_args!("Finished SYNCHRONIZE for task '{}' [{token}]: {outcome}", counts.task));
    match ended {
        Ok(_) => Ok(()),
        Err(CrawlError::Stopped(_)) => Err(TaskError::Stopped),
        Err(CrawlError::Datastore(source)) => Err(in_datastore(source)),
        Err(error) => Err(TaskError::Crawl(error)),
    }
}

/// What the crawl delivers to: the targets, which take documents.
struct Delivered<'a> {
    documents: Documents<'a>,
    targets: Targets,
}

impl crawl::Deliver for Delivered<'_> {
    fn take(&mut self, change: crawl::Change, stop: &StopFlag) -> Result<(), String> {
        self.targets.take(self.documents.change(change), stop).map_err(|error| error.to_string())
    }

    fn flush(&mut self, stop: &StopFlag) -> Result<Vec<crawl::Verdict>, String> {
        self.targets.flush(stop).map_err(|error| error.to_string())
    }
}

/// Turns what the crawl found into what a target takes.
pub(super) struct Documents<'a> {
    task: &'a Task,
    group: &'a str,
    batch_id: String,
}

impl<'a> Documents<'a> {
    /// For one run of `task`.
    pub(super) fn new(task: &'a Task, group: &'a str) -> Documents<'a> {
        Documents { task, group, batch_id: batch_id(&task.name.to_uppercase()) }
    }

    pub(super) fn change(&self, change: crawl::Change) -> ingest::Change {
        match change {
            crawl::Change::Add(delivery) => ingest::Change::Add(self.ingested(*delivery)),
            crawl::Change::Update(delivery) => ingest::Change::Update(self.ingested(*delivery)),
            crawl::Change::Delete { url } => {
                ingest::Change::Delete { identifier: Identifier::new(&self.task.name, &url), reference: url }
            }
        }
    }

    /// A document as the task wants it in the index.
    pub(super) fn ingested(&self, delivery: Delivery) -> Document {
        let mut document = self.document(delivery);
        self.task.ingest_actions.iter().for_each(|action| action.apply(&mut document));
        document
    }

    /// The fields of web-connector.md 4.2 that a connector sets, after those of the page.
    pub(super) fn document(&self, delivery: Delivery) -> Document {
        let Delivery { url, page, file, depth, referrer, modified } = delivery;
        let mut fields = page.fields;
        let mut set = |name: &str, value: String| fields.push((name.to_owned(), value));
        set("DEPTH", depth.to_string());
        if let Some(referrer) = referrer {
            set("REFERRER", referrer);
        }
        set("CONTENT_HASH", format!("{:032x}", u128::from_be_bytes(page.hash)));
        let dated_at = page.dated_at.map(|at| at.epoch_ms().div_euclid(1000).to_string());
        let modified_at = || Some(epoch_seconds(modified.as_deref()?)?.to_string());
        if let Some(seconds) = dated_at.or_else(modified_at) {
            set("DREDATE", seconds);
        }
        if let Some(modified) = modified {
            set("LAST-MODIFIED", modified);
        }
        set("AUTN_GROUP", self.group.to_owned());
        set("AUTN_TASK_BATCH_ID", self.batch_id.clone());
        set("DOCTRACKINGID", Uuid::new_v4().simple().to_string());
        Document {
            identifier: Identifier::new(&self.task.name, &url),
            reference: url,
            title: page.title,
            content: page.text,
            fields,
            file: file.map(|bytes| ingest::File { content_type: page.media_type, bytes }),
        }
    }
}

/// Identifies a run of a task on all its documents: `<TASK upper>_<32 hex>`.
fn batch_id(task: &str) -> String {
    format!("{task}_{}", Uuid::new_v4().simple())
}

fn epoch_seconds(http_date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(http_date).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}
