//! What a task remembers from run to run, and which files are refused.

use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn fresh(depth_max: Option<u32>) -> Result<Datastore, DatastoreError> {
    let mut datastore = Datastore::open(Path::new(":memory:"))?;
    datastore.begin(7, depth_max)?;
    Ok(datastore)
}

fn meet(datastore: &mut Datastore, url: &str, depth: u32) -> Result<(PageId, Met), DatastoreError> {
    let id = datastore.ids().of(url);
    Ok((id, datastore.meet(id, url, depth, 0, None)?))
}

fn waiting(datastore: &Datastore) -> Result<Vec<String>, DatastoreError> {
    let mut urls = Vec::new();
    for (site, _) in datastore.waiting_sites()? {
        urls.extend(datastore.waiting(&site, -1, 100)?.into_iter().map(|page| page.url));
    }
    Ok(urls)
}

fn delivered(links: Vec<PageId>) -> Found {
    let conditions = Conditions { etag: Some("\"1\"".to_owned()), modified_since: None };
    Found { delivered: true, hash: Some([1; 16]), conditions, links, ..Found::default() }
}

#[test]
fn a_page_is_met_once_a_run_and_waits_until_it_is_settled() -> Tested {
    let mut datastore = fresh(None)?;
    let (a, met) = meet(&mut datastore, "http://h/a", 0)?;
    assert_eq!(met, Met::New);
    assert_eq!(meet(&mut datastore, "http://h/a", 3)?.1, Met::Known);
    meet(&mut datastore, "http://h/b", 1)?;
    assert_eq!(waiting(&datastore)?, ["http://h/a", "http://h/b"]);
    datastore.settle(a, &delivered(Vec::new()))?;
    assert_eq!(waiting(&datastore)?, ["http://h/b"]);
    assert!(datastore.is_settled(a)?);
    Ok(())
}

#[test]
fn the_next_run_asks_under_the_same_scope_only_and_finds_orphans() -> Tested {
    let mut datastore = fresh(None)?;
    let (a, _) = meet(&mut datastore, "http://h/a", 0)?;
    let (b, _) = meet(&mut datastore, "http://h/b", 1)?;
    datastore.settle(a, &delivered(vec![b]))?;
    datastore.settle(b, &delivered(Vec::new()))?;
    datastore.end()?;

    assert_eq!(datastore.begin(7, None)?, Begun::New);
    meet(&mut datastore, "http://h/a", 0)?;
    let page = datastore.waiting_page(a)?.ok_or("a waits")?;
    assert_eq!(page.conditions.etag.as_deref(), Some("\"1\""));
    assert_eq!(datastore.row(a)?.links, [b]);
    assert_eq!((datastore.referrer(a)?, datastore.referrer(b)?), (None, None));
    datastore.settle_unchanged(a)?;
    assert_eq!(datastore.orphans(None, 10)?, [Orphan { id: b, url: "http://h/b".to_owned() }]);
    assert_eq!(datastore.meet_again(b, 1, a)?, Met::New);
    assert_eq!(datastore.meet_again(b, 1, a)?, Met::Known);
    assert_eq!(datastore.referrer(b)?.as_deref(), Some("http://h/a"));
    assert_eq!(datastore.orphans(None, 10)?, []);
    datastore.end()?;

    assert_eq!(datastore.begin(8, None)?, Begun::New);
    meet(&mut datastore, "http://h/a", 0)?;
    assert_eq!(datastore.waiting_page(a)?.ok_or("a waits")?.conditions, Conditions::default());
    assert_eq!(datastore.row(a)?.links, []);
    Ok(())
}

#[test]
fn a_page_met_nearer_is_visited_again_if_its_links_were_cut_off() -> Tested {
    let mut datastore = fresh(Some(2))?;
    let (page, _) = meet(&mut datastore, "http://h/a", 2)?;
    assert_eq!(meet(&mut datastore, "http://h/a", 1)?.1, Met::Known, "it waits: its depth is lowered, no more");
    assert_eq!(datastore.row(page)?.depth, 1);

    let (deep, _) = meet(&mut datastore, "http://h/deep", 2)?;
    datastore.settle(deep, &Found { cut: true, ..delivered(Vec::new()) })?;
    assert_eq!(meet(&mut datastore, "http://h/deep", 1)?.1, Met::Sooner);
    let again = datastore.waiting_page(deep)?.ok_or("it waits anew")?;
    assert_eq!((again.depth, again.conditions), (1, Conditions::default()), "not modified would yield no links");
    Ok(())
}

#[test]
fn an_open_run_goes_on_after_a_crash_from_the_last_commit() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.db");
    let mut datastore = Datastore::open(&path)?;
    datastore.begin(7, None)?;
    let (a, _) = meet(&mut datastore, "http://h/a", 0)?;
    meet(&mut datastore, "http://h/b", 0)?;
    datastore.commit()?;
    datastore.settle(a, &delivered(Vec::new()))?;
    meet(&mut datastore, "http://h/c", 0)?;
    drop(datastore);

    let mut datastore = Datastore::open(&path)?;
    assert_eq!(datastore.begin(7, None)?, Begun::Continued);
    assert_eq!(waiting(&datastore)?, ["http://h/a", "http://h/b"]);
    assert_eq!(meet(&mut datastore, "http://h/b", 0)?.1, Met::Known);
    assert_eq!(meet(&mut datastore, "http://h/c", 0)?.1, Met::New);
    assert_eq!(datastore.begin(8, None)?, Begun::New, "another scope is another run");
    assert!(datastore.waiting_sites()?.is_empty(), "which begins with nothing");
    assert_eq!(meet(&mut datastore, "http://h/b", 0)?.1, Met::New);
    assert_eq!(waiting(&datastore)?, ["http://h/b"]);
    Ok(())
}

#[test]
fn a_run_that_goes_on_remembers_how_deep_pages_are() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.db");
    let mut datastore = Datastore::open(&path)?;
    datastore.begin(7, Some(3))?;
    for (url, depth) in [("http://h/a", 3), ("http://h/b", 3), ("http://h/c", 1)] {
        let (id, _) = meet(&mut datastore, url, depth)?;
        if url.ends_with('a') {
            datastore.settle(id, &Found { cut: true, ..delivered(Vec::new()) })?;
        }
    }
    datastore.commit()?;
    drop(datastore);

    let mut datastore = Datastore::open(&path)?;
    assert_eq!(datastore.begin(7, Some(3))?, Begun::Continued);
    assert_eq!(meet(&mut datastore, "http://h/c", 2)?.1, Met::Known);
    assert_eq!(meet(&mut datastore, "http://h/b", 2)?.1, Met::Known);
    let (a, met) = meet(&mut datastore, "http://h/a", 2)?;
    assert_eq!(met, Met::Sooner, "its links had been cut off");
    assert_eq!(meet(&mut datastore, "http://h/d", 3)?.1, Met::New);
    // In the order in which they were met, those that were met anew last.
    assert_eq!(waiting(&datastore)?, ["http://h/b", "http://h/c", "http://h/a", "http://h/d"]);
    let depths = [a, datastore.ids().of("http://h/b"), datastore.ids().of("http://h/c")].map(|id| datastore.row(id));
    assert_eq!(depths.into_iter().map(|row| Ok(row?.depth)).collect::<Result<Vec<_>, DatastoreError>>()?, [2, 2, 1]);
    Ok(())
}

#[test]
fn what_was_refused_is_decided_anew() -> Tested {
    let mut datastore = fresh(None)?;
    let (a, _) = meet(&mut datastore, "http://h/a", 0)?;
    datastore.settle(a, &delivered(Vec::new()))?;
    datastore.undelivered(a, false)?;
    let row = datastore.row(a)?;
    assert_eq!((row.delivered, row.hash), (false, None));
    datastore.settle(a, &delivered(Vec::new()))?;
    datastore.set_delivered(a, false)?;
    assert!(!datastore.row(a)?.delivered);
    Ok(())
}

#[test]
fn a_file_that_is_locked_foreign_damaged_or_newer_is_refused_and_kept() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.db");
    let first = Datastore::open(&path)?;
    assert!(matches!(Datastore::open(&path), Err(DatastoreError::Locked)));
    drop(first);
    let mut datastore = Datastore::open(&path)?;
    datastore.commit()?;
    drop(datastore);

    let db = Connection::open(&path)?;
    db.execute_batch("PRAGMA user_version=99")?;
    drop(db);
    assert!(matches!(Datastore::open(&path), Err(DatastoreError::Newer { found: 99 })));

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)?.execute_batch("CREATE TABLE t(x)")?;
    assert!(matches!(Datastore::open(&foreign), Err(DatastoreError::Foreign)));

    let text = folder.path().join("text.db");
    std::fs::write(&text, "no database at all, but long enough to be one ".repeat(100))?;
    assert!(matches!(Datastore::open(&text), Err(DatastoreError::Foreign)));
    assert!(std::fs::read_to_string(&text)?.starts_with("no database"));
    Ok(())
}

/// Schema 1, as version 0.1 wrote it.
#[test]
fn a_datastore_of_an_earlier_version_is_brought_up_to_date_and_keeps_what_it_knows() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.db");
    let mut datastore = Datastore::open(&path)?;
    datastore.begin(7, None)?;
    let (a, _) = meet(&mut datastore, "http://h/a", 0)?;
    datastore.settle(a, &delivered(Vec::new()))?;
    datastore.end()?;
    datastore.commit()?;
    drop(datastore);
    let db = Connection::open(&path)?;
    db.execute_batch(
        "ALTER TABLE page DROP COLUMN referrer; ALTER TABLE page DROP COLUMN expires_at; PRAGMA user_version=1",
    )?;
    drop(db);

    let known = Reader::open(&path)?.ok_or("it is there")?.page("http://h/a")?;
    assert!(known.is_some_and(|page| page.delivered), "a reader needs no migration");
    let mut datastore = Datastore::open(&path)?;
    assert_eq!(datastore.begin(7, None)?, Begun::New);
    let row = datastore.row(a)?;
    assert_eq!((row.delivered, row.hash, row.expires_at), (true, Some([1; 16]), None));
    datastore.settle(a, &Found { expires_at: Some(Moment::from_epoch_ms(5)), ..delivered(Vec::new()) })?;
    assert_eq!(datastore.row(a)?.expires_at, Some(Moment::from_epoch_ms(5)));
    Ok(())
}

#[test]
fn a_hurried_end_leaves_its_log_to_the_next_opening() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("t.db");
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let log = folder.path().join("t.db-wal");
    {
        let mut datastore = Datastore::open(&path)?;
        datastore.begin(7, None)?;
        datastore.commit()?;
        datastore.hurry()?;
        for number in 0..2000 {
            meet(&mut datastore, &format!("http://h/{number}"), 1)?;
        }
        datastore.commit()?;
    }
    // More than SQLite leaves in it by itself.
    let (before, left) = (bytes(&path), bytes(&log));
    assert!(left > 100_000, "{left} bytes of log for a file of {before}");
    {
        let mut datastore = Datastore::open(&path)?;
        assert!(bytes(&path) > before, "what was left is not in the file");
        assert_eq!(datastore.begin(7, None)?, Begun::Continued);
        assert_eq!(waiting(&datastore)?.len(), 100);
    }
    assert_eq!(bytes(&log), 0);
    Ok(())
}
