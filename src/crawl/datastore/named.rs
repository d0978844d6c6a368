//! Changes outside of a run: documents of single pages that were sent again, and forgetting everything.

use super::{Datastore, DatastoreError, PageId, Reached};
use rusqlite::{OptionalExtension as _, params};

/// What was known of a page that is sent by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    pub delivered: bool,
    pub reached: Reached,
}

impl Datastore {
    /// What is known of the page; `None` if nothing is.
    pub fn before(&self, id: PageId) -> Result<Option<Before>, DatastoreError> {
        let mut statement = self.db.prepare_cached("SELECT delivered, depth FROM page WHERE id = ?1")?;
        let before = statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((delivered, depth)) = before else {
            return Ok(None);
        };
        Ok(Some(Before { delivered, reached: Reached { depth, referrer: self.referrer(id)? } }))
    }

    /// Notes that the index holds the document with this hash, and leaves the page's place in the runs as it is.
    ///
    /// Its validators go: the next run is to read the page's links, which this visit did not look at. A page that no
    /// run has met is one that the next whole run deletes if it does not meet it either.
    pub fn set_sent(&mut self, id: PageId, url: &str, hash: [u8; 16]) -> Result<(), DatastoreError> {
        let site = crate::url::origin_of(url);
        self.db
            .prepare_cached(
                "INSERT INTO page(id, url, site, seq, depth, hops, met, delivered, hash) VALUES(?1, ?2, ?3, 0, 0, 0, 0, 1, ?4)
                 ON CONFLICT(id) DO UPDATE SET delivered = 1, hash = ?4, etag = NULL, modified = NULL",
            )?
            .execute(params![id.0, url, site, hash])?;
        Ok(())
    }

    /// Forgets every page: the next run finds them all new. It deletes nothing, since there is nothing that it
    /// could miss.
    pub fn purge(&mut self) -> Result<(), DatastoreError> {
        self.db.execute("DELETE FROM page", [])?;
        self.set_meta("open", 0)?;
        self.set_meta("doubtful", 0)?;
        self.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Begun, Found, Met};
    use super::*;
    use crate::client::Conditions;
    use std::path::Path;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn with_page(url: &str) -> Result<(Datastore, PageId), DatastoreError> {
        let mut datastore = Datastore::open(Path::new(":memory:"))?;
        datastore.begin(7, None)?;
        let id = datastore.ids().of(url);
        datastore.meet(id, url, 3, 0, None)?;
        let conditions = Conditions { etag: Some("\"1\"".to_owned()), modified_since: None };
        let found = Found { delivered: true, hash: Some([1; 16]), conditions, ..Found::default() };
        datastore.settle(id, &found)?;
        datastore.end()?;
        Ok((datastore, id))
    }

    #[test]
    fn a_page_that_was_sent_again_is_read_anew_by_the_next_run_and_keeps_its_place() -> Tested {
        let (mut datastore, id) = with_page("http://h/a")?;
        assert_eq!(
            datastore.before(id)?,
            Some(Before { delivered: true, reached: Reached { depth: 3, referrer: None } })
        );
        datastore.set_sent(id, "http://h/a", [2; 16])?;
        assert_eq!(datastore.row(id)?.hash, Some([2; 16]));
        assert_eq!(datastore.begin(7, None)?, Begun::New);
        assert_eq!(datastore.meet(id, "http://h/a", 1, 0, None)?, Met::New);
        let waiting = datastore.waiting_page(id)?.ok_or("it waits")?;
        assert_eq!((waiting.depth, waiting.conditions), (1, Conditions::default()));
        Ok(())
    }

    #[test]
    fn a_page_that_no_run_meets_is_an_orphan_of_the_next() -> Tested {
        let (mut datastore, _) = with_page("http://h/a")?;
        let stray = datastore.ids().of("http://h/stray");
        assert_eq!(datastore.before(stray)?, None);
        datastore.set_sent(stray, "http://h/stray", [2; 16])?;
        datastore.begin(7, None)?;
        assert!(datastore.waiting_sites()?.is_empty());
        let orphans: Vec<String> = datastore.orphans(None, 10)?.into_iter().map(|orphan| orphan.url).collect();
        assert!(orphans.contains(&"http://h/stray".to_owned()), "{orphans:?}");
        Ok(())
    }

    #[test]
    fn after_a_purge_nothing_is_known_and_nothing_can_be_missed() -> Tested {
        let (mut datastore, id) = with_page("http://h/a")?;
        datastore.purge()?;
        assert_eq!(datastore.before(id)?, None);
        assert_eq!(datastore.begin(7, None)?, Begun::New);
        assert_eq!(datastore.orphans(None, 10)?, []);
        assert_eq!(datastore.meet(id, "http://h/a", 0, 0, None)?, Met::New);
        Ok(())
    }
}
