//! Changes on their way to the index, and the commit that says that they are there.

use super::super::datastore::PageId;
use super::super::{Change, Verdict};
use super::{CrawlError, LOG, Run};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A batch is delivered and committed when it has this many settled pages,
pub(super) const BATCH_PAGES: usize = 500;
/// or this much text and files,
const BATCH_BYTES: usize = 16 << 20;
/// or is this old.
const BATCH_AGE: Duration = Duration::from_secs(1);

/// What was decided since the last commit.
pub(super) struct Batch {
    /// What the target was given, in this order.
    changes: Vec<(PageId, Kind)>,
    bytes: usize,
    /// Pages.
    settled: usize,
    /// When the first of them was settled.
    since: Instant,
}

impl Batch {
    pub(super) fn new(since: Instant) -> Batch {
        Batch { changes: Vec::new(), bytes: 0, settled: 0, since }
    }

    pub(super) fn count_settled(&mut self, now: Instant) {
        if self.settled == 0 {
            self.since = now;
        }
        self.settled += 1;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.settled >= BATCH_PAGES || self.bytes >= BATCH_BYTES || self.due_at().is_some_and(|due_at| due_at <= now)
    }

    /// When it is due by its age, unless nothing is in it.
    pub(super) fn due_at(&self) -> Option<Instant> {
        (self.settled > 0).then(|| self.since + BATCH_AGE)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Add,
    Update,
    Delete,
}

impl Kind {
    fn of(change: &Change) -> Kind {
        match change {
            Change::Add(_) => Kind::Add,
            Change::Update(_) => Kind::Update,
            Change::Delete { .. } => Kind::Delete,
        }
    }
}

impl Run<'_> {
    pub(super) fn add(&mut self, id: PageId, change: Change) -> Result<(), CrawlError> {
        let kind = Kind::of(&change);
        let counter = match kind {
            Kind::Add => &self.counts.added,
            Kind::Update => &self.counts.updated,
            Kind::Delete => &self.counts.deleted,
        };
        counter.fetch_add(1, Relaxed);
        if let Change::Add(delivery) | Change::Update(delivery) = &change {
            self.ingested += 1;
            self.batch.bytes += delivery.page.text.len() + delivery.file.as_ref().map_or(0, Vec::len);
        }
        self.batch.changes.push((id, kind));
        self.deliver.take(change, self.stop).map_err(CrawlError::Deliver)
    }

    /// Delivers the batch, then commits the datastore: in this order (see the crate's `crawl` module).
    pub(super) fn commit(&mut self) -> Result<(), CrawlError> {
        let batch = std::mem::replace(&mut self.batch, Batch::new(Instant::now()));
        if !batch.changes.is_empty() {
            let verdicts = self.deliver.flush(self.stop).map_err(CrawlError::Deliver)?;
            for ((id, kind), verdict) in batch.changes.into_iter().zip(verdicts) {
                self.conclude(id, kind, &verdict)?;
            }
        }
        Ok(self.datastore.commit()?)
    }

    fn conclude(&mut self, id: PageId, kind: Kind, verdict: &Verdict) -> Result<(), CrawlError> {
        let counter = match (verdict, kind) {
            (Verdict::NotSent, _) => return Ok(()),
            (Verdict::Refused(why), _) => {
                log::error!(target: LOG, "{}: the target refused a document: {why}", self.counts.task);
                self.counts.refused(&format!("the target refused a document: {why}"));
                match kind {
                    Kind::Add => self.datastore.undelivered(id, false)?,
                    Kind::Update => self.datastore.undelivered(id, true)?,
                    Kind::Delete => self.datastore.set_delivered(id, true)?,
                }
                return Ok(());
            }
            (Verdict::Accepted, Kind::Add) => &self.counts.ingestadded,
            (Verdict::Accepted, Kind::Update) => &self.counts.ingestupdated,
            (Verdict::Accepted, Kind::Delete) => &self.counts.ingestdeleted,
        };
        counter.fetch_add(1, Relaxed);
        Ok(())
    }
}
