//! Reading a datastore beside the crawl that holds its lock: a second connection, which sees the last commit.

use super::{DatastoreError, PageIds, read_meta, schema};
use crate::sqlite::{self, CopyError};
use crate::stop::StopFlag;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::path::Path;
use std::time::Duration;

/// How long a question waits while the other connection is being opened or closed, which takes a short exclusive lock.
const BUSY_MAX: Duration = Duration::from_secs(2);

/// What a task knows, for questions; it changes nothing.
pub struct Reader {
    db: Connection,
    ids: PageIds,
}

/// A page of the datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub url: String,
    /// The index holds its document.
    pub delivered: bool,
    pub depth: u32,
}

/// How a page was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    pub depth: u32,
    /// The URL of the page that led to it.
    pub referrer: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub skip: usize,
    pub limit: usize,
}

impl Reader {
    /// Opens the datastore at `path`; `None` if there is none yet, which is what a task without a run has.
    pub fn open(path: &Path) -> Result<Option<Reader>, DatastoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY_MAX)?;
        // The first run has made the file and committed nothing.
        if matches!(schema::kind_of(&db)?, schema::Kind::Empty) {
            return Ok(None);
        }
        let key = |name| read_meta(&db, name).map(i64::cast_unsigned);
        let ids = PageIds { key: (key("key0")?, key("key1")?) };
        Ok(Some(Reader { db, ids }))
    }

    /// Writes a copy of the datastore, as of the last commit, to the file `to`, which is not there yet. A crawl that runs is
    /// not disturbed.
    pub fn copy_to(&self, to: &Path, stop: &StopFlag) -> Result<(), CopyError> {
        // One look at the whole: without a transaction, each commit of a crawl would have the copy begin anew.
        let transaction = self.db.unchecked_transaction()?;
        read_meta(&transaction, "run")?;
        sqlite::copy(&transaction, to, stop)
    }

    /// What is known of the page at `url`, which is canonical.
    pub fn page(&self, url: &str) -> Result<Option<Known>, DatastoreError> {
        let mut statement = self.db.prepare_cached("SELECT url, delivered, depth FROM page WHERE id = ?1")?;
        Ok(statement.query_row([self.ids.of(url).0], known).optional()?)
    }

    /// How the page at `url`, which is canonical, was reached when it was last met.
    pub fn reached(&self, url: &str) -> Result<Option<Reached>, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT page.depth, led.url FROM page LEFT JOIN page AS led ON led.id = page.referrer WHERE page.id = ?1",
        )?;
        let reached = |row: &rusqlite::Row<'_>| Ok(Reached { depth: row.get(0)?, referrer: row.get(1)? });
        Ok(statement.query_row([self.ids.of(url).0], reached).optional()?)
    }

    /// The sites (origins) that have documents or, with `others`, any pages, in alphabetical order.
    pub fn sites(&self, others: bool, part: Part) -> Result<Vec<String>, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT site FROM page WHERE delivered = 1 OR ?1 GROUP BY site ORDER BY site LIMIT ?2 OFFSET ?3",
        )?;
        let (limit, skip) = part.numbers();
        let sites = statement.query_map(params![others, limit, skip], |row| row.get(0))?;
        Ok(sites.collect::<Result<_, _>>()?)
    }

    pub fn count_sites(&self, others: bool) -> Result<usize, DatastoreError> {
        let sql = "SELECT count(DISTINCT site) FROM page WHERE delivered = 1 OR ?1";
        let count: i64 = self.db.prepare_cached(sql)?.query_row([others], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The documents of a site or, with `others`, all its pages, in alphabetical order.
    pub fn pages(&self, site: &str, others: bool, part: Part) -> Result<Vec<Known>, DatastoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT url, delivered, depth FROM page WHERE site = ?1 AND (delivered = 1 OR ?2)
             ORDER BY url LIMIT ?3 OFFSET ?4",
        )?;
        let (limit, skip) = part.numbers();
        let pages = statement.query_map(params![site, others, limit, skip], known)?;
        Ok(pages.collect::<Result<_, _>>()?)
    }

    pub fn count_pages(&self, site: &str, others: bool) -> Result<usize, DatastoreError> {
        let sql = "SELECT count(*) FROM page WHERE site = ?1 AND (delivered = 1 OR ?2)";
        let count: i64 = self.db.prepare_cached(sql)?.query_row(params![site, others], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Whether any page of the site is known.
    pub fn knows_site(&self, site: &str) -> Result<bool, DatastoreError> {
        Ok(self.db.prepare_cached("SELECT 1 FROM page WHERE site = ?1 LIMIT 1")?.exists([site])?)
    }
}

impl Part {
    fn numbers(self) -> (i64, i64) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        (number(self.limit), number(self.skip))
    }
}

fn known(row: &rusqlite::Row<'_>) -> Result<Known, rusqlite::Error> {
    Ok(Known { url: row.get(0)?, delivered: row.get(1)?, depth: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::super::{Datastore, Found};
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_reader_sees_what_the_owner_of_the_lock_has_committed_and_no_more() -> Tested {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.db");
        assert!(Reader::open(&path)?.is_none());
        let mut datastore = Datastore::open(&path)?;
        assert!(Reader::open(&path)?.is_none(), "made and not committed");
        datastore.begin(7, None)?;
        let urls = ["http://h/b", "http://h/a", "http://other/", "http://h/c"];
        for (place, url) in urls.into_iter().enumerate() {
            let id = datastore.ids().of(url);
            datastore.meet(id, url, 0, 0, None)?;
            datastore.settle(id, &Found { delivered: place < 3, ..Found::default() })?;
        }
        datastore.commit()?;
        let uncommitted = datastore.ids().of("http://h/d");
        datastore.meet(uncommitted, "http://h/d", 0, 0, None)?;

        let reader = Reader::open(&path)?.ok_or("it is there")?;
        let all = Part { skip: 0, limit: 10 };
        assert_eq!(reader.sites(false, all)?, ["http://h", "http://other"]);
        assert_eq!(reader.sites(false, Part { skip: 1, limit: 1 })?, ["http://other"]);
        let pages = |others, part| {
            Ok::<_, DatastoreError>(
                reader.pages("http://h", others, part)?.into_iter().map(|page| page.url).collect::<Vec<_>>(),
            )
        };
        assert_eq!(pages(false, all)?, ["http://h/a", "http://h/b"]);
        assert_eq!(pages(true, all)?, ["http://h/a", "http://h/b", "http://h/c"]);
        assert_eq!(pages(true, Part { skip: 1, limit: 1 })?, ["http://h/b"]);
        assert_eq!((reader.count_sites(false)?, reader.count_pages("http://h", true)?), (2, 3));
        assert_eq!(reader.page("http://h/c")?.map(|page| page.delivered), Some(false));
        assert_eq!(reader.page("http://h/d")?, None);
        assert_eq!((reader.knows_site("http://h")?, reader.knows_site("http://x")?), (true, false));
        // The owner goes on meanwhile.
        datastore.commit()?;
        assert!(reader.page("http://h/d")?.is_some());
        Ok(())
    }
}
