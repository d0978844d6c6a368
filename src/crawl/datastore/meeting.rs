//! Meeting pages: each waits from the first time that something leads to it in a run.

use super::{Datastore, DatastoreError, PageId};
use rusqlite::params;

/// What meeting a page in the present run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// For the first time: it waits now.
    New,
    /// Before, and at most as deep.
    Known,
    /// Before, but deeper. It is visited again if the depth limit had cut its links off.
    Sooner,
}

impl Datastore {
    /// Whether anything is known of the page.
    pub fn knows(&self, id: PageId) -> Result<bool, DatastoreError> {
        Ok(self.db.prepare_cached("SELECT 1 FROM page WHERE id = ?1")?.exists([id.0])?)
    }

    /// Tells the URL of every page that is known.
    pub fn each_known(&self, mut tell: impl FnMut(&str)) -> Result<(), DatastoreError> {
        let mut statement = self.db.prepare("SELECT url FROM page")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            tell(row.get_ref(0)?.as_str().unwrap_or_default());
        }
        Ok(())
    }

    /// Whether it is known, without a look at the file, that meeting the page anew would change nothing.
    pub fn has_met(&self, id: PageId, depth: u32) -> bool {
        self.known.has(id.0, depth)
    }

    /// Meets the page at `url`, whose identifier is `id`; `referrer` led to it.
    pub fn meet(
        &mut self,
        id: PageId,
        url: &str,
        depth: u32,
        hops: u32,
        referrer: Option<PageId>,
    ) -> Result<Met, DatastoreError> {
        match self.known.insert(id.0, depth) {
            Met::New => {}
            Met::Known => return Ok(Met::Known),
            Met::Sooner => return self.lower(id, depth),
        }
        let mut statement = self.db.prepare_cached(
            "INSERT INTO page(id, url, site, seq, depth, hops, met, referrer) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT(id) DO UPDATE SET seq = ?4, depth = ?5, hops = ?6, met = ?7, referrer = ?8 WHERE met < ?7",
        )?;
        let site = crate::url::origin_of(url);
        let referrer = referrer.map(|page| page.0);
        let changed = statement.execute(params![id.0, url, site, self.next_seq, depth, hops, self.run, referrer])?;
        if changed == 0 {
            drop(statement);
            return self.met_before(id, depth);
        }
        self.next_seq += 1;
        Ok(Met::New)
    }

    /// Meets a page that an earlier run has linked to. One that the datastore has forgotten counts as known.
    pub fn meet_again(&mut self, id: PageId, depth: u32, referrer: PageId) -> Result<Met, DatastoreError> {
        match self.known.insert(id.0, depth) {
            Met::New => {}
            Met::Known => return Ok(Met::Known),
            Met::Sooner => return self.lower(id, depth),
        }
        let changed = self
            .db
            .prepare_cached(
                "UPDATE page SET seq = ?2, depth = ?3, hops = 0, met = ?4, referrer = ?5 WHERE id = ?1 AND met < ?4",
            )?
            .execute(params![id.0, self.next_seq, depth, self.run, referrer.0])?;
        if changed == 0 {
            return self.met_before(id, depth);
        }
        self.next_seq += 1;
        Ok(Met::New)
    }

    /// A page that only the table knew to be met, which has the last word: the memory of known pages is bounded, and empty
    /// when a run goes on.
    fn met_before(&mut self, id: PageId, depth: u32) -> Result<Met, DatastoreError> {
        if self.depth_max.is_some() { self.lower(id, depth) } else { Ok(Met::Known) }
    }

    /// A page met again nearer to a start. If it was settled with its links cut off, it waits anew.
    fn lower(&mut self, id: PageId, depth: u32) -> Result<Met, DatastoreError> {
        let again = self
            .db
            .prepare_cached(
                "UPDATE page SET depth = ?2, seq = ?3, settled = 0
                 WHERE id = ?1 AND depth > ?2 AND settled = ?4 AND cut = 1",
            )?
            .execute(params![id.0, depth, self.next_seq, self.run])?;
        if again > 0 {
            self.next_seq += 1;
            return Ok(Met::Sooner);
        }
        self.db
            .prepare_cached("UPDATE page SET depth = ?2 WHERE id = ?1 AND depth > ?2")?
            .execute(params![id.0, depth])?;
        Ok(Met::Known)
    }
}
