//! The durable copy of the table: one SQLite file with one row for each action, and one for each event that a handler is
//! owed (`outbox`).
//!
//! Owns the schema and the reading and writing of rows. Every write of an action is an upsert of a whole row or the deletion
//! of one, so it means the same whatever the row was before. The one index is the key: tokens are looked up in the table, and
//! an index of them would cost a page for each commit.

mod file;
mod outbox;
mod results;

pub(super) use outbox::{Dispatched, Kept as KeptEvent, OWED_MAX, Owed};

use super::level::QueueEvent;
use super::record::{Record, claims_of};
use super::series::Series;
use crate::action::{Counts, Report, Status, Token};
use crate::sqlite::{self, CopyError};
use crate::stop::StopFlag;
use crate::time::Moment;
use file::{connect, log_of, make, refuse_lost_file};
use outbox::{EVENTS, Outbox};
use rusqlite::{Connection, ErrorCode, Row, TransactionBehavior, params};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Marks the file as a queue of this product: "WCqu".
const APPLICATION_ID: i32 = 0x5743_7175;

/// The schema that this version writes: as many steps lead to it. A higher one is refused, a lower one migrated.
const SCHEMA_VERSION: i32 = 4;

/// What makes each version out of the one before; a new file is of version 0.
const MIGRATIONS: [&str; 4] = [ACTIONS, QUEUE, EVENTS, SERIES];

const ACTIONS: &str = "
CREATE TABLE actions (
    id         INTEGER PRIMARY KEY, -- the order of arrival
    token      TEXT    NOT NULL,
    status     TEXT    NOT NULL,    -- as QueueInfo spells it
    priority   INTEGER NOT NULL,
    claims     TEXT    NOT NULL,    -- JSON: names that no two running actions may share; none once ended
    params     TEXT    NOT NULL,    -- application/x-www-form-urlencoded; empty once ended
    attempts   INTEGER NOT NULL,
    queued_ms  INTEGER NOT NULL,    -- times are milliseconds since 1970, UTC
    started_ms INTEGER,
    ended_ms   INTEGER,
    error      TEXT,
    report     TEXT    NOT NULL     -- JSON: fetchaction, the counts other than 0 of each task, and results
) STRICT;
";

const QUEUE: &str = "
CREATE TABLE queue ( -- one row
    paused INTEGER NOT NULL
) STRICT;
INSERT INTO queue (paused) VALUES (0);
";

const SERIES: &str = "
CREATE TABLE series (
    name  TEXT PRIMARY KEY,
    last  TEXT,         -- the token of its latest action, which may be forgotten
    state TEXT NOT NULL -- whoever submits the actions knows what it says
) STRICT, WITHOUT ROWID;
";

/// The log between two checkpoints: 1000 pages, and what the last commit before one may add.
const LOG_BYTES: i64 = 5 << 20;

/// Pages in memory, in KiB: those at the end of the table, where actions are added.
const CACHE_KIB: i32 = 512;

const PUT: &str = "
INSERT INTO actions (id, token, status, priority, claims, params, attempts, queued_ms, started_ms, ended_ms, error, report)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (id) DO UPDATE SET status = ?3, priority = ?4, claims = ?5, params = ?6, attempts = ?7,
    started_ms = ?9, ended_ms = ?10, error = ?11, report = ?12
";

const PAUSE: &str = "UPDATE queue SET paused = ?1";

const TELL: &str = "UPDATE queue SET told = ?1";

const KEEP: &str = "
INSERT INTO series (name, last, state) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET last = ?2, state = ?3
";

const DELETE: &str = "DELETE FROM actions WHERE id = ?1";

const SELECT: &str = "
SELECT id, token, status, priority, claims, params, attempts, queued_ms, started_ms, ended_ms, error, report
FROM actions ORDER BY id
";

/// Why a queue could not be opened. Nothing was changed on disk, except that a missing directory may have been made.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the directory {} of the queue cannot be made or read: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// Its content is not what this product writes, or has been altered.
    #[error("the queue {} is damaged ({reason}); restore it from a backup, or move it away to start empty", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} is a database of another application, not a queue; move it away or set another directory", path.display())]
    Foreign { path: PathBuf },
    #[error("the queue {} has schema version {found}, and this program knows versions up to {SCHEMA_VERSION}; \
             use the program that wrote it, or a later one", path.display())]
    Newer { path: PathBuf, found: i32 },
    #[error("the queue {} is in use by another process; stop it, or set another directory", path.display())]
    Locked { path: PathBuf },
    /// The file may be sound: permissions, or the disk.
    #[error("the queue {} cannot be opened: {source}", path.display())]
    Inaccessible { path: PathBuf, source: rusqlite::Error },
    #[error("a thread of the queue cannot be started: {0}")]
    Thread(io::Error),
}

/// One change of the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Write {
    pub(super) put: Vec<Arc<Record>>,
    /// Rows to drop besides.
    pub(super) forget: Vec<u64>,
    /// Whether the queue is paused from now on; `None` leaves it as it is.
    pub(super) paused: Option<bool>,
    /// What handlers are to be told of all this.
    pub(super) owed: Vec<Owed>,
    /// Events that their handler has been told of.
    pub(super) settled: Vec<i64>,
    /// The queue event among `owed`, the last if there are several.
    pub(super) told: Option<QueueEvent>,
    /// Series in place of those of their names.
    pub(super) series: Vec<Series>,
}

impl Write {
    pub(super) fn put(record: &Arc<Record>) -> Write {
        Write { put: vec![Arc::clone(record)], ..Write::default() }
    }

    /// Whether more or fewer events are owed after it.
    pub(super) fn moves_events(&self) -> bool {
        !self.owed.is_empty() || !self.settled.is_empty()
    }
}

/// What a file held when it was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// In the order of arrival.
    pub(super) records: Vec<Record>,
    pub(super) is_paused: bool,
    /// The last queue event.
    pub(super) told: QueueEvent,
    /// By their names.
    pub(super) series: Vec<Series>,
}

/// Names of handlers, in capitals, with a number of events.
pub type OwedTo = Vec<(Arc<str>, usize)>;

/// The open file, locked against every other process until it is dropped or the process dies.
pub(super) struct Database {
    connection: Connection,
    outbox: Outbox,
}

impl Database {
    /// Opens the file, or makes it if there is none, and reads what it holds.
    pub(super) fn open(path: &Path) -> Result<(Database, Kept), QueueError> {
        refuse_lost_file(path)?;
        if !path.exists() {
            // If it fails, what follows makes the file, or says why it cannot be.
            let _ = make(path);
        }
        let open = || -> Result<Opened, rusqlite::Error> {
            let mut database = Database { connection: connect(path)?, outbox: Outbox::default() };
            match database.version()? {
                // Only now: a file of somebody else stays as it is.
                Version::Known(version) => database.prepare(version)?,
                Version::Foreign => return Ok(Opened::Foreign),
                Version::Newer(found) => return Ok(Opened::Newer(found)),
            }
            let kept = match database.records()? {
                Ok(records) => {
                    let (is_paused, told) = database.queue()?;
                    Ok(Kept { records, is_paused, told, series: database.series()? })
                }
                Err(reason) => Err(reason),
            };
            database.outbox = Outbox::read(&database.connection)?;
            Ok(Opened::Sound(database, kept))
        };
        let path = path.to_owned();
        match open() {
            Ok(Opened::Sound(database, Ok(kept))) => Ok((database, kept)),
            Ok(Opened::Sound(_, Err(reason))) => Err(QueueError::Damaged { path, reason }),
            Ok(Opened::Foreign) => Err(QueueError::Foreign { path }),
            Ok(Opened::Newer(found)) => Err(QueueError::Newer { path, found }),
            Err(error) => Err(refusal(path, error)),
        }
    }

    /// Makes all `writes` durable, or none of them; the connection can be used again either way.
    pub(super) fn commit<'a>(
        &mut self,
        writes: impl IntoIterator<Item = &'a Write>,
    ) -> Result<Dispatched, rusqlite::Error> {
        let mut dispatched = Dispatched::default();
        let mut outbox = self.outbox.clone();
        // Dropped before its commit, the transaction is rolled back.
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(PUT)?;
            let mut delete = transaction.prepare_cached(DELETE)?;
            for write in writes {
                let Write { put: records, forget, paused, told, series, .. } = write;
                for record in records {
                    put.execute(params![
                        signed(record.id),
                        record.token.as_str(),
                        record.status.as_str(),
                        record.priority,
                        json!(&record.claims[..]).to_string(),
                        &*record.params,
                        record.attempts,
                        record.queued_at.epoch_ms(),
                        record.started_at.map(Moment::epoch_ms),
                        record.ended_at.map(Moment::epoch_ms),
                        record.error,
                        report_text(&record.report),
                    ])?;
                }
                for &id in forget {
                    delete.execute([signed(id)])?;
                }
                if let Some(paused) = paused {
                    transaction.execute(PAUSE, [paused])?;
                }
                if let Some(told) = told {
                    transaction.execute(TELL, [told.as_str()])?;
                }
                outbox.write(&transaction, write, &mut dispatched)?;
                for Series { name, last, state } in series {
                    transaction.execute(KEEP, params![name, last.as_ref().map(Token::as_str), state])?;
                }
            }
        }
        transaction.commit()?;
        self.outbox = outbox;
        Ok(dispatched)
    }

    /// The first events that `handler` is owed after `after` and up to `until`, at most `count`.
    pub(super) fn owed(
        &self,
        handler: &str,
        after: i64,
        until: i64,
        count: usize,
    ) -> Result<Vec<KeptEvent>, rusqlite::Error> {
        outbox::owed(&self.connection, handler, after, until, count)
    }

    /// The handlers that are owed events, with the number of them.
    pub(super) fn owed_to(&self) -> OwedTo {
        self.outbox.handlers()
    }

    /// Drops what is owed to handlers other than `known`, since nobody can be told it; whose, and how many.
    pub(super) fn keep_events_of(&mut self, known: &[Arc<str>]) -> Result<Vec<(Arc<str>, usize)>, rusqlite::Error> {
        if self.owed_to().iter().all(|(name, _)| known.contains(name)) {
            return Ok(Vec::new());
        }
        let mut outbox = self.outbox.clone();
        let transaction = self.connection.transaction()?;
        let dropped = outbox.keep_only(&transaction, known)?;
        transaction.commit()?;
        self.outbox = outbox;
        Ok(dropped)
    }

    /// Writes a copy of the file, as of the last commit, to `to`.
    pub(super) fn copy_to(&self, to: &Path, stop: &StopFlag) -> Result<(), CopyError> {
        sqlite::copy(&self.connection, to, stop)
    }

    /// Writes as much of the log ahead as is written between two checkpoints, and changes nothing else.
    ///
    /// A commit at the end of a file waits for the file system's journal too, which knows its new length; one inside of
    /// it waits for its own bytes only: 0.1 ms instead of 4 on ext4. Without this it would be so only after the first
    /// checkpoint of a process. The bytes go to the disk as well, or the first commit would take them there.
    pub(super) fn write_log_ahead(&mut self) -> io::Result<()> {
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            // More than the cache holds is written to the log before it is committed, or not, as here.
            transaction.execute_batch("CREATE TABLE ahead (bytes BLOB) STRICT")?;
            transaction.execute("INSERT INTO ahead (bytes) VALUES (zeroblob(?1))", [LOG_BYTES])?;
            transaction.rollback()
        };
        write(&mut self.connection).map_err(io::Error::other)?;
        // To close it gives up no lock: those are on the file itself.
        let log = self.connection.path().map(|path| log_of(Path::new(path)));
        log.map_or(Ok(()), |log| File::open(log)?.sync_data())
    }

    /// Whose file it is. Changes nothing.
    fn version(&self) -> Result<Version, rusqlite::Error> {
        let number = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        let (application_id, version) = (number("application_id")?, number("user_version")?);
        let is_empty = self.connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(match (application_id, version) {
            (0, 0) if is_empty => Version::Known(0),
            (APPLICATION_ID, newer) if newer > SCHEMA_VERSION => Version::Newer(newer),
            (APPLICATION_ID, version) => Version::Known(version),
            _ => Version::Foreign,
        })
    }

    /// Sets how the file is written, and brings its schema from `version`, 0 of a new one, to the present one.
    fn prepare(&mut self, version: i32) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // Each commit is on the disk before it returns.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // Parameters may be passwords: once they are forgotten, neither the file nor a copy of it has them any more. The log
        // beside the file, which is for its user alone, has them until it is written over, or until the process ends.
        self.connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        self.migrate(version)
    }

    fn migrate(&mut self, version: i32) -> Result<(), rusqlite::Error> {
        // Also without a change: from here on the lock is held for writing.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version < SCHEMA_VERSION {
            for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
                transaction.execute_batch(step)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        // One transaction: a crash before its end leaves the file as it was.
        transaction.commit()
    }

    /// Every record, or what is wrong with the first row that holds none.
    fn records(&self) -> Result<Result<Vec<Record>, String>, rusqlite::Error> {
        let mut select = self.connection.prepare(SELECT)?;
        let mut rows = select.query([])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            match record(row)? {
                Some(record) => records.push(record),
                None => return Ok(Err(format!("row {} is no action", row.get::<_, i64>(0)?))),
            }
        }
        Ok(Ok(records))
    }

    fn queue(&self) -> Result<(bool, QueueEvent), rusqlite::Error> {
        self.connection.query_row("SELECT paused, told FROM queue", [], |row| {
            // Of a name that is none, as if nothing had been told.
            Ok((row.get(0)?, QueueEvent::parse(&row.get::<_, String>(1)?).unwrap_or_default()))
        })
    }

    fn series(&self) -> Result<Vec<Series>, rusqlite::Error> {
        let mut select = self.connection.prepare("SELECT name, last, state FROM series ORDER BY name")?;
        let read = |row: &Row<'_>| {
            let last: Option<String> = row.get(1)?;
            Ok(Series { name: row.get(0)?, last: last.as_deref().and_then(Token::parse), state: row.get(2)? })
        };
        select.query_map([], read)?.collect()
    }

    /// Runs a pragma, so that a test has SQLite itself refuse a write.
    #[cfg(test)]
    pub(super) fn pragma(&self, name: &str, value: i64) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, name, value)
    }
}

enum Opened {
    Sound(Database, Result<Kept, String>),
    Foreign,
    Newer(i32),
}

enum Version {
    /// Up to the present one; 0 is a new file.
    Known(i32),
    Foreign,
    Newer(i32),
}

fn refusal(path: PathBuf, source: rusqlite::Error) -> QueueError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => QueueError::Locked { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            QueueError::Damaged { path, reason: source.to_string() }
        }
        // A statement that does not fit the tables, or a value that does not fit its column.
        Some(ErrorCode::Unknown) | None => QueueError::Damaged { path, reason: source.to_string() },
        Some(_) => QueueError::Inaccessible { path, source },
    }
}

/// `None`: the columns have their types, and a value that is never written.
fn record(row: &Row<'_>) -> Result<Option<Record>, rusqlite::Error> {
    let (id, token, status): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (claims, report): (String, String) = (row.get(4)?, row.get(11)?);
    let attempts: i64 = row.get(6)?;
    let read = || {
        Some((
            u64::try_from(id).ok()?,
            Token::parse(&token)?,
            Status::parse(&status)?,
            claims_of(&serde_json::from_str::<Vec<String>>(&claims).ok()?),
            u32::try_from(attempts).ok()?,
            report_of(&report)?,
        ))
    };
    let Some((id, token, status, claims, attempts, report)) = read() else {
        return Ok(None);
    };
    let moment = |column| row.get::<_, Option<i64>>(column).map(|ms| ms.map(Moment::from_epoch_ms));
    Ok(Some(Record {
        id,
        token,
        status,
        priority: row.get(3)?,
        claims,
        params: row.get::<_, String>(5)?.into(),
        attempts,
        queued_at: Moment::from_epoch_ms(row.get(7)?),
        started_at: moment(8)?,
        ended_at: moment(9)?,
        error: row.get(10)?,
        report,
    }))
}

fn report_text(report: &Report) -> String {
    if *report == Report::default() {
        return "{}".to_owned();
    }
    let task = |counts: &Counts| {
        let counted = counts.values.iter().filter(|(_, value)| *value > 0);
        let mut task: Map<String, Value> = counted.map(|&(name, value)| (name.to_owned(), value.into())).collect();
        task.insert("task".to_owned(), counts.task.as_str().into());
        Value::Object(task)
    };
    let mut text = Map::new();
    text.insert("fetchaction".to_owned(), report.fetch_action.as_str().into());
    text.insert("tasks".to_owned(), report.tasks.iter().map(task).collect());
    results::write(&mut text, &report.results);
    Value::Object(text).to_string()
}

/// Reads what [`report_text`] wrote. Counts that this version does not know are passed over, absent ones are 0.
fn report_of(text: &str) -> Option<Report> {
    if text == "{}" {
        return Some(Report::default());
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let task = |task: &Value| {
        let count = |name| (name, task.get(name).and_then(Value::as_u64).unwrap_or(0));
        Some(Counts { task: task.get("task")?.as_str()?.to_owned(), values: Counts::NAMES.map(count).to_vec() })
    };
    let tasks = value.get("tasks")?.as_array()?.iter().map(task);
    Some(Report {
        fetch_action: value.get("fetchaction")?.as_str()?.to_owned(),
        tasks: tasks.collect::<Option<_>>()?,
        results: results::read(&value)?,
    })
}

/// The form of an id in the store. Ids count from 1 up, so they never leave the range.
fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
