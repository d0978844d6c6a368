//! Copies of SQLite databases that are in use.

use crate::stop::{StopFlag, Stopped};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::ffi::c_int;
use std::path::Path;
use std::time::Duration;

/// Pages between two looks at the stop flag: 4 MB of the usual size.
const PAGES: c_int = 1024;
/// How long to wait for whoever is just opening or closing the database.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Why there is no copy. A part of it may be there.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("stopped")]
    Stopped,
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl From<Stopped> for CopyError {
    fn from(_: Stopped) -> CopyError {
        CopyError::Stopped
    }
}

/// Copies what `from` sees to the file `to`, which is not there yet or empty. It is not synced.
///
/// Others may write meanwhile. If `from` has a transaction open, the copy is what that transaction sees; otherwise each
/// foreign commit makes it start over.
pub fn copy(from: &Connection, to: &Path, stop: &StopFlag) -> Result<(), CopyError> {
    let mut target = Connection::open(to)?;
    target.execute_batch("PRAGMA synchronous=OFF")?;
    let backup = Backup::new(from, &mut target)?;
    loop {
        stop.check()?;
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            _ => stop.sleep(BUSY_PAUSE)?,
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| CopyError::Sqlite(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_the_transaction_sees_whoever_writes_meanwhile() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.db");
        let count = |db: &Connection| db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
        let writer = Connection::open(&path)?;
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")?;
        let reader = Connection::open(&path)?;
        let transaction = reader.unchecked_transaction()?;
        assert_eq!(count(&transaction)?, 1);
        writer.execute_batch("INSERT INTO t VALUES (2)")?;
        let stop = StopFlag::new();
        let (seen, all) = (folder.path().join("seen.db"), folder.path().join("all.db"));
        copy(&transaction, &seen, &stop)?;
        copy(&writer, &all, &stop)?;
        assert_eq!((count(&Connection::open(seen)?)?, count(&Connection::open(all)?)?), (1, 2));

        stop.set();
        let stopped = copy(&writer, &folder.path().join("none.db"), &stop);
        assert!(matches!(stopped, Err(CopyError::Stopped)));
        Ok(())
    }
}
