//! Documents of single pages on their way to a task's targets, a batch at a time.

use super::Settings;
use super::targets::Targets;
use super::task::Task;
use crate::crawl::Verdict;
use crate::ingest::{Change, SinkError};
use crate::stop::StopFlag;

/// A batch is sent when it has this many documents,
const BATCH_DOCUMENTS: usize = 100;
/// or this much text and files.
const BATCH_BYTES: usize = 4 << 20;

/// The targets of one task and the batch that is being gathered, with a note on each of its documents.
pub(super) struct Outlet<T> {
    targets: Targets,
    changes: Vec<Change>,
    notes: Vec<T>,
    bytes: usize,
}

impl<T> Outlet<T> {
    pub(super) fn open(settings: &Settings, task: &Task, stop: &StopFlag) -> Result<Outlet<T>, SinkError> {
        let targets = Targets::open(settings, &task.name, stop)?;
        Ok(Outlet { targets, changes: Vec::new(), notes: Vec::new(), bytes: 0 })
    }

    pub(super) fn push(&mut self, change: Change, note: T) {
        if let Change::Add(document) | Change::Update(document) = &change {
            self.bytes += document.content.len() + document.file.as_ref().map_or(0, |file| file.bytes.len());
        }
        self.changes.push(change);
        self.notes.push(note);
    }

    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= BATCH_DOCUMENTS || self.bytes >= BATCH_BYTES
    }

    /// Sends the batch; what became of each document, with its note, once the targets hold what they accepted.
    pub(super) fn send(&mut self, stop: &StopFlag) -> Result<Vec<(T, Verdict)>, SinkError> {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        let notes = std::mem::take(&mut self.notes);
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        for change in changes {
            self.targets.take(change, stop)?;
        }
        Ok(notes.into_iter().zip(self.targets.flush(stop)?).collect())
    }
}
