//! What a task knows about its sites: every page met, what was delivered of it, and how far the present run is.
//!
//! One SQLite file per task, `connector_<TASK>_datastore.db`. The crawl's loop is its only user; everything between
//! two [`Datastore::commit`]s is one transaction, so that a crash returns to a state in which the pages settled
//! after it are simply waiting again.
//!
//! A *run* is one walk over the whole site. It may take several actions: one that was stopped, limited or killed
//! leaves its run open, and the next action of the same scope goes on with it. A page is *met* in a run when a
//! start or a link leads to it, *waiting* until it is *settled*, and *delivered* while the index holds its document.

mod meeting;
mod named;
mod reader;
mod schema;
#[cfg(test)]
mod tests;

pub use meeting::Met;
pub use named::Before;
pub use reader::{Known, Part, Reached, Reader};

use super::known;
use crate::client::Conditions;
use crate::time::Moment;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use schema::SCHEMA;
use siphasher::sip::SipHasher13;
use std::fs::OpenOptions;
use std::hash::Hasher as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Identifies a page in its datastore: a keyed 64-bit hash of its URL. The key is random per datastore, so that no
/// site can choose URLs that hide one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(i64);

/// Turns URLs into identifiers; cheap to copy to those who read links.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageIds {
    key: (u64, u64),
}

impl PageIds {
    pub fn of(self, url: &str) -> PageId {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(url.as_bytes());
        PageId(hasher.finish().cast_signed())
    }
}

/// What a datastore could not do; the caller knows its file. Nothing since the last commit is kept.
#[derive(Debug, thiserror::Error)]
pub enum DatastoreError {
    #[error("it belongs to a newer version of webconnector (schema {found}, this one knows {SCHEMA})")]
    Newer { found: i64 },
    #[error("it is no datastore of webconnector; move it away to begin anew")]
    Foreign,
    #[error("it is in use by another action or process")]
    Locked,
    #[error(
        "it is damaged ({0}); bring a backup back, or move it away: the next run then sends everything as new and deletes \
         nothing"
    )]
    Damaged(rusqlite::Error),
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for DatastoreError {
    fn from(error: rusqlite::Error) -> DatastoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatastoreError::Locked,
            Some(ErrorCode::NotADatabase) => DatastoreError::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => DatastoreError::Damaged(error),
            _ => DatastoreError::Sqlite(error),
        }
    }
}

/// How a run was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// No page of it is met yet.
    New,
    /// An earlier action left it open.
    Continued,
}

/// A page that waits, with what a conditional request for it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub id: PageId,
    pub url: String,
    /// Grows with the order in which pages were met.
    pub seq: i64,
    /// Redirects that led here one after the other.
    pub hops: u32,
    pub depth: u32,
    pub conditions: Conditions,
}

/// What was known of a page before the visit that is being settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub depth: u32,
    pub delivered: bool,
    pub hash: Option<[u8; 16]>,
    /// Cycles in a row in which it could not be had.
    pub failures: u32,
    /// When it is to lose its document.
    pub expires_at: Option<Moment>,
    /// The pages it links to, as far as they were in scope; empty if the scope was another.
    pub links: Vec<PageId>,
}

/// What a visit found, to be remembered.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub delivered: bool,
    pub hash: Option<[u8; 16]>,
    pub conditions: Conditions,
    pub links: Vec<PageId>,
    /// The depth limit kept its links from being met.
    pub cut: bool,
    /// When it was asked for, if it was read.
    pub asked_at: Option<Moment>,
    /// When it is to lose its document.
    pub expires_at: Option<Moment>,
}

/// A document that no link leads to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub id: PageId,
    pub url: String,
}

/// One task's datastore, open and locked for one run.
pub struct Datastore {
    db: Connection,
    ids: PageIds,
    run: i64,
    /// Of everything that decides which links a page yields; validators are only used under the same.
    scope: i64,
    depth_max: Option<u32>,
    next_seq: i64,
    known: known::Known,
}

impl Datastore {
    /// Opens the datastore at `path`, or creates it, and takes its lock until it is dropped.
    ///
    /// A file that is damaged, foreign, newer or locked is refused and left as it is. One of an earlier version is brought
    /// up to date.
    pub fn open(path: &Path) -> Result<Datastore, DatastoreError> {
        // For this user alone: it tells what was read where, behind logins too. SQLite gives its other files the same mode,
        // and says itself why a file cannot be opened.
        if path != Path::new(":memory:") {
            let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        }
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::ZERO)?;
        db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;")?;
        // What a hurried end has left (see `hurry`) or a killed process. That it cannot be done now is no harm; what is wrong
        // with the file shows next.
        let _ = db.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
        // Held from here to the drop, across commits: a second writer is told at once.
        db.execute_batch("BEGIN IMMEDIATE")?;
        schema::bring_up_to_date(&db)?;
        let meta = |name| read_meta(&db, name);
        let ids = PageIds { key: (meta("key0")?.cast_unsigned(), meta("key1")?.cast_unsigned()) };
        let run = meta("run")?;
        Ok(Datastore { ids, run, scope: 0, depth_max: None, next_seq: 0, known: known::Known::new(false), db })
    }

    /// From now on commits and the drop leave what they write in SQLite's log, where it is as safe: moving it into the file takes
    /// tens of milliseconds, which somebody who stops an action would wait for. The next opening moves it.
    pub fn hurry(&mut self) -> Result<(), DatastoreError> {
        self.db.pragma_update(None, "wal_autocheckpoint", 0)?;
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(())
    }

    pub fn ids(&self) -> PageIds {
        self.ids
    }

    /// Begins a run, or goes on with the open one if it has the same `scope` and `depth_max`.
    pub fn begin(&mut self, scope: i64, depth_max: Option<u32>) -> Result<Begun, DatastoreError> {
        self.scope = scope;
        self.depth_max = depth_max;
        let depth_value = depth_max.map_or(-1, i64::from);
        let same = self.meta("open")? == 1 && self.meta("scope")? == scope && self.meta("depth")? == depth_value;
        self.known = known::Known::new(depth_max.is_some());
        if !same {
            // What an abandoned run left waiting waits no more: whatever waits is of the present run.
            self.db.execute("UPDATE page SET settled = met WHERE settled < met", [])?;
            self.run += 1;
            self.next_seq = 0;
            let begun = [("run", self.run), ("open", 1), ("scope", scope), ("depth", depth_value), ("doubtful", 0)];
            for (name, value) in begun {
                self.set_meta(name, value)?;
            }
            return Ok(Begun::New);
        }
        // Which pages the run has met is asked of the table as links lead to them again: to read all of them first would
        // keep a large site waiting for seconds. What is met from now on comes behind all that waits.
        let last: Option<i64> =
            self.db.query_row("SELECT max(seq) FROM page WHERE settled < met", [], |row| row.get(0))?;
        self.next_seq = last.map_or(0, |last| last + 1);
        Ok(Begun::Continued)
    }

    /// The next waiting pages of `site` after `seq`, at most `limit`, in the order in which they were met.
    pub fn waiting(&self, site: &str, after_seq: i64, limit: usize) -> Result<Vec<Waiting>, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, url, seq, hops, depth, cut, scope, etag, modified, delivered, expires_at
             FROM page WHERE site = ?1 AND seq > ?2 AND settled < met AND met = ?3 ORDER BY seq LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![site, after_seq, self.run, limit])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            waiting.push(self.read_waiting(row)?);
        }
        Ok(waiting)
    }

    /// What waits of one page that was met just now.
    pub fn waiting_page(&self, id: PageId) -> Result<Option<Waiting>, DatastoreError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT id, url, seq, hops, depth, cut, scope, etag, modified, delivered, expires_at FROM page WHERE id = ?1")?;
        let mut rows = statement.query([id.0])?;
        Ok(match rows.next()? {
            Some(row) => Some(self.read_waiting(row)?),
            None => None,
        })
    }

    fn read_waiting(&self, row: &rusqlite::Row<'_>) -> Result<Waiting, DatastoreError> {
        let (depth, cut, scope): (u32, bool, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
        // "Not modified" yields the links of last time: useless if the scope was another, or if they were cut off
        // and may be followed now.
        let may_follow = self.depth_max.is_none_or(|depth_max| depth < depth_max);
        // A document whose time is up is to be judged anew, not found unchanged.
        let (delivered, expires_at): (bool, Option<i64>) = (row.get(9)?, row.get(10)?);
        let is_up = delivered && expires_at.is_some_and(|expires_at| expires_at <= Moment::now().epoch_ms());
        let usable = scope == self.scope && !(cut && may_follow) && !is_up;
        let conditions = Conditions { etag: row.get(7)?, modified_since: row.get(8)? };
        Ok(Waiting {
            id: PageId(row.get(0)?),
            url: row.get(1)?,
            seq: row.get(2)?,
            hops: row.get(3)?,
            depth,
            conditions: if usable { conditions } else { Conditions::default() },
        })
    }

    /// Whether the present run has settled the page.
    pub fn is_settled(&self, id: PageId) -> Result<bool, DatastoreError> {
        let mut statement = self.db.prepare_cached("SELECT 1 FROM page WHERE id = ?1 AND settled = ?2")?;
        Ok(statement.exists(params![id.0, self.run])?)
    }

    /// Every site with waiting pages, and how many wait: where a continued run begins.
    pub fn waiting_sites(&self) -> Result<Vec<(String, u64)>, DatastoreError> {
        // Of the index alone, since it is asked when a run goes on, and a large site has many that wait.
        let mut statement = self.db.prepare("SELECT site, count(*) FROM page WHERE settled < met GROUP BY site")?;
        let mut rows = statement.query([])?;
        let mut sites = Vec::new();
        while let Some(row) = rows.next()? {
            sites.push((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
        }
        Ok(sites)
    }

    /// What is known of a page.
    pub fn row(&self, id: PageId) -> Result<Row, DatastoreError> {
        let row = self
            .db
            .prepare_cached(
                "SELECT depth, delivered, hash, failures, expires_at, iif(scope = ?2, links, NULL) FROM page
                 WHERE id = ?1",
            )?
            .query_row([id.0, self.scope], |row| {
                let (expires_at, links): (Option<i64>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
                Ok(Row {
                    depth: row.get(0)?,
                    delivered: row.get(1)?,
                    hash: row.get(2)?,
                    failures: row.get(3)?,
                    expires_at: expires_at.map(Moment::from_epoch_ms),
                    links: links.map_or_else(Vec::new, |bytes| decode_links(&bytes)),
                })
            })
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// The URL of the page that led to this one when it was last met.
    pub fn referrer(&self, id: PageId) -> Result<Option<String>, DatastoreError> {
        // Not as one statement: SQLite makes a new plan for a join whenever its parameter has another value.
        let mut statement = self.db.prepare_cached("SELECT referrer FROM page WHERE id = ?1")?;
        let Some(referrer) = statement.query_row([id.0], |row| row.get::<_, Option<i64>>(0)).optional()?.flatten()
        else {
            return Ok(None);
        };
        let mut statement = self.db.prepare_cached("SELECT url FROM page WHERE id = ?1")?;
        Ok(statement.query_row([referrer], |row| row.get(0)).optional()?)
    }

    /// Settles a page that was read.
    pub fn settle(&mut self, id: PageId, found: &Found) -> Result<(), DatastoreError> {
        self.db
            .prepare_cached(
                "UPDATE page SET settled = ?2, delivered = ?3, cut = ?4, failures = 0, scope = ?5, etag = ?6,
                 modified = ?7, hash = ?8, links = ?9, read_at = ?10, expires_at = ?11 WHERE id = ?1",
            )?
            .execute(params![
                id.0,
                self.run,
                found.delivered,
                found.cut,
                self.scope,
                found.conditions.etag,
                found.conditions.modified_since,
                found.hash,
                encode_links(&found.links),
                found.asked_at.map_or(0, Moment::epoch_ms),
                found.expires_at.map(Moment::epoch_ms),
            ])?;
        Ok(())
    }

    /// Settles a page that is as it was.
    pub fn settle_unchanged(&mut self, id: PageId) -> Result<(), DatastoreError> {
        self.db
            .prepare_cached("UPDATE page SET settled = ?2, failures = 0 WHERE id = ?1")?
            .execute(params![id.0, self.run])?;
        Ok(())
    }

    /// Whether the page was last read, under the same scope, after `modified`, and its document stands.
    pub fn is_read_after(&self, id: PageId, modified: Moment) -> Result<bool, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT 1 FROM page
             WHERE id = ?1 AND delivered = 1 AND hash IS NOT NULL AND failures = 0 AND scope = ?2 AND read_at > ?3
             AND (expires_at IS NULL OR expires_at > ?4)",
        )?;
        let now = Moment::now().epoch_ms();
        Ok(statement.exists(params![id.0, self.scope, modified.epoch_ms(), now])?)
    }

    /// Settles a page that could not be had; all else known of it stays.
    pub fn settle_failed(&mut self, id: PageId) -> Result<(), DatastoreError> {
        self.db
            .prepare_cached("UPDATE page SET settled = ?2, failures = failures + 1 WHERE id = ?1")?
            .execute(params![id.0, self.run])?;
        Ok(())
    }

    /// The index did not take the add or update of this page: it is read and decided anew in the next run.
    pub fn undelivered(&mut self, id: PageId, delivered_before: bool) -> Result<(), DatastoreError> {
        self.db
            .prepare_cached("UPDATE page SET delivered = ?2, hash = NULL, etag = NULL, modified = NULL WHERE id = ?1")?
            .execute(params![id.0, delivered_before])?;
        Ok(())
    }

    /// Notes that something may be hidden from this run, so that absence is no proof of deletion.
    pub fn set_doubtful(&mut self) -> Result<(), DatastoreError> {
        self.set_meta("doubtful", 1)
    }

    pub fn is_doubtful(&self) -> Result<bool, DatastoreError> {
        Ok(self.meta("doubtful")? == 1)
    }

    /// The next documents, at most `limit` after `after`, of pages that this run has not met.
    pub fn orphans(&self, after: Option<PageId>, limit: usize) -> Result<Vec<Orphan>, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, url FROM page WHERE delivered = 1 AND met < ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![self.run, after.map(|id| id.0), limit])?;
        let mut orphans = Vec::new();
        while let Some(row) = rows.next()? {
            orphans.push(Orphan { id: PageId(row.get(0)?), url: row.get(1)? });
        }
        Ok(orphans)
    }

    /// Notes that the index holds no document of this page any more (or, if it refused the delete, still does).
    pub fn set_delivered(&mut self, id: PageId, delivered: bool) -> Result<(), DatastoreError> {
        self.db.prepare_cached("UPDATE page SET delivered = ?2 WHERE id = ?1")?.execute(params![id.0, delivered])?;
        Ok(())
    }

    /// Ends the run: the next action begins a new one. Pages that it has not met and of which the index holds
    /// nothing are forgotten, unless the run is doubtful.
    pub fn end(&mut self) -> Result<(), DatastoreError> {
        if !self.is_doubtful()? {
            self.db.execute("DELETE FROM page WHERE delivered = 0 AND met < ?1", [self.run])?;
        }
        self.set_meta("open", 0)
    }

    /// Makes everything since the last commit durable.
    pub fn commit(&mut self) -> Result<(), DatastoreError> {
        Ok(self.db.execute_batch("COMMIT; BEGIN IMMEDIATE")?)
    }

    fn meta(&self, name: &str) -> Result<i64, DatastoreError> {
        Ok(read_meta(&self.db, name)?)
    }

    fn set_meta(&mut self, name: &str, value: i64) -> Result<(), DatastoreError> {
        self.db
            .prepare_cached("INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
            .execute(params![name, value])?;
        Ok(())
    }
}

fn read_meta(db: &Connection, name: &str) -> Result<i64, rusqlite::Error> {
    db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([name], |row| row.get(0))
}

/// Eight bytes a link, little-endian.
fn encode_links(links: &[PageId]) -> Vec<u8> {
    links.iter().flat_map(|link| link.0.to_le_bytes()).collect()
}

fn decode_links(bytes: &[u8]) -> Vec<PageId> {
    bytes.as_chunks().0.iter().map(|chunk| PageId(i64::from_le_bytes(*chunk))).collect()
}
