//! The queue's file as a whole: copied while the queue works, and judged by somebody who does not run it.

use super::Queue;
use super::database::{Database, QueueError};
use crate::action::QueueName;
use crate::sqlite::CopyError;
use std::path::Path;

/// Why there is no copy of a queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueCopyError {
    #[error("the queue is shut down")]
    Closed,
    #[error("the queue cannot be copied: {0}")]
    Copy(#[from] CopyError),
}

impl Queue {
    /// Writes a copy of the store to a new file. Whatever was answered before this was called is in it.
    ///
    /// The thread of the store copies between two commits, so commits wait for it: limits keep the file small. Nobody
    /// who only asks does.
    pub fn copy_to(&self, path: &Path) -> Result<(), QueueCopyError> {
        let copied = self.shared.store.copy(path.to_owned(), self.shared.closing.clone());
        Ok(copied.map_err(|_| QueueCopyError::Closed)??)
    }
}

/// The file of a queue in its directory.
pub fn file_name(queue: &QueueName) -> String {
    format!("{}.db", queue.as_str().to_ascii_lowercase())
}

/// Tells whether a process can go on with the queue at `path`, which nobody uses. Its schema is brought to the present one.
pub fn check(path: &Path) -> Result<(), QueueError> {
    Database::open(path).map(drop)
}

/// Whether a process works with the queue at `path`.
pub fn is_in_use(path: &Path) -> bool {
    path.exists() && matches!(Database::open(path), Err(QueueError::Locked { .. }))
}
