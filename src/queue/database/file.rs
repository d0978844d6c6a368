//! The queue's file, beside what is in it: opening it, and making it.

use super::{Database, Outbox, QueueError};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// SQLite takes an empty database for a new one and drops the log beside it, which may hold acknowledged actions.
pub(super) fn refuse_lost_file(path: &Path) -> Result<(), QueueError> {
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    if length(path) == 0 && length(&log_of(path)) > 0 {
        let reason = "the file is missing or empty, and its -wal file is not".to_owned();
        return Err(QueueError::Damaged { path: path.to_owned(), reason });
    }
    Ok(())
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the file of a new queue elsewhere and puts it in its place once it is whole and on the disk, which waits for the disk
/// twice. SQLite, which would make it where it is, waits seven times: half of a first start.
///
/// Of several processes only one can make it, and none takes the place of a file that is there. What a crash has left behind
/// keeps the next from doing it this way, and no more.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let new = beside(path, "-new");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let fill = || {
        let mut database = Database { connection: connect(&new)?, outbox: Outbox::default() };
        database.connection.pragma_update(None, "synchronous", "OFF")?;
        database.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        database.migrate(0)?;
        // Takes the log into the file.
        database.connection.close().map_err(|(_, error)| error)
    };
    let made = fill().map_err(io::Error::other).and_then(|()| {
        File::open(&new)?.sync_all()?;
        fs::hard_link(&new, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    });
    let removed = fs::remove_file(&new);
    made.and(removed)
}

pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // For this user alone, also where the folder was there before and is for others; SQLite gives its other files the same
    // mode, and says itself why a file cannot be opened.
    let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let connection = Connection::open_with_flags(path, flags)?;
    // Whoever holds the lock holds it until it ends: waiting is of no use.
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // Exclusive before the first access: the lock is never given back, and the log needs no shared memory file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}
