//! The queue's file as a whole: copied while the queue works, and judged by somebody who does not run it.

use super::Queue;
use super::database::{Database, QueueError};
use crate::action::QueueName;
use crate::sqlite::CopyError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

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

/// Whether a process works with the queue at `path`. Changes nothing in it, whatever the file is.
pub fn is_in_use(path: &Path) -> bool {
    let look = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0))
    };
    let code = look().err().and_then(|error| error.sqlite_error_code());
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::super::Submission;
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn a_copy_is_a_queue_of_its_own_and_a_queue_that_runs_is_in_use() -> Result<(), Box<dyn std::error::Error>> {
        let (home, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let name = file_name(&QueueName::fetch());
        let queue = Queue::open(settings(home.path()))?;
        let token = queue.submit(&Submission::default())?;
        queue.copy_to(&other.path().join(&name))?;
        assert!(is_in_use(&home.path().join(&name)) && !is_in_use(&other.path().join(&name)));
        check(&other.path().join(&name))?;
        let copy = Queue::open(settings(other.path()))?;
        assert_eq!(copy.list(), queue.list());
        assert!(copy.get(&token).is_some());
        queue.join();
        assert!(matches!(queue.copy_to(&other.path().join("x")), Err(QueueCopyError::Closed)));
        drop(queue);
        assert!(!is_in_use(&home.path().join(&name)) && !is_in_use(&home.path().join("none")));
        Ok(())
    }
}
