use super::super::record::tests::record;
use super::file::beside;
use super::*;
use crate::action::{DocumentResult, Listed, Listing, Results, Subject, Warning};
use std::fs;
use tempfile::TempDir;

fn put(record: &Record) -> Write {
    Write::put(&Arc::new(record.clone()))
}

/// A directory with a sound file that holds one queued action.
fn sound() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("fetch.db");
    let (mut database, kept) = Database::open(&path).expect("a new file");
    assert_eq!(kept, Kept::default());
    database.commit(&[put(&record(1, 0, &[]))]).expect("a writable disk");
    (directory, path)
}

/// Opens the file without this module, changes it and closes it.
fn alter(path: &Path, sql: &str) {
    Connection::open(path).and_then(|connection| connection.execute_batch(sql)).expect("valid SQL");
}

fn refused(path: &Path) -> String {
    Database::open(path).err().map(|error| error.to_string()).unwrap_or_default()
}

fn results() -> Results {
    let entry = |name: Option<&str>| Listed {
        identifier: "PGlk".to_owned(),
        name: name.map(str::to_owned),
        kind: None,
        attributes: Some("document".to_owned()),
    };
    let listing = |subject, error: Option<&str>| {
        let entries = vec![entry(Some("/ü")), entry(None)];
        Arc::new(Listing { subject, entries, error: error.map(str::to_owned) })
    };
    Results {
        documents: vec![
            Arc::new(DocumentResult::success("PGlk")),
            Arc::new(DocumentResult::failed("PGlk", "HTTP status \"404\"")),
        ],
        listings: vec![
            listing(Subject::Parent("ROOT".to_owned()), Some("there are more")),
            listing(Subject::Itself("PGlk".to_owned()), None),
        ],
        warnings: vec![Arc::new(Warning { task: "DOCS".to_owned(), text: "é \"slow\"".to_owned() })],
    }
}

#[test]
fn a_new_file_is_whole_before_it_has_its_name_and_takes_the_place_of_none() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let path = directory.path().join("fetch.db");
    make(&path)?;
    let made = fs::read(&path)?;
    assert_eq!(Connection::open(&path)?.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(SCHEMA_VERSION));
    assert!(make(&path).is_err());
    assert_eq!(fs::read(&path)?, made);
    let names = |entries: fs::ReadDir| entries.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert_eq!(names(fs::read_dir(directory.path())?), ["fetch.db"]);

    // One that a crash has left behind is in nobody's way.
    fs::remove_file(&path)?;
    fs::write(beside(&path, "-new"), "half")?;
    let (mut database, kept) = Database::open(&path)?;
    assert_eq!(kept, Kept::default());
    database.commit(&[put(&record(1, 0, &[]))])?;
    drop(database);
    assert_eq!(Database::open(&path)?.1.records, [record(1, 0, &[])]);
    Ok(())
}

#[test]
fn the_log_is_written_ahead_and_holds_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let (_directory, path) = sound();
    let log = path.with_extension("db-wal");
    let (mut database, kept) = Database::open(&path)?;
    database.write_log_ahead()?;
    let length = || log.metadata().map(|metadata| metadata.len());
    let ahead = length()?;
    assert!(ahead >= 4 << 20, "{ahead} bytes");
    database.commit(&[put(&record(2, 0, &[]))])?;
    assert_eq!(length()?, ahead, "a commit goes into what is there");

    // As a process that died now would leave the files.
    let copy = TempDir::new()?;
    let copied = copy.path().join("fetch.db");
    fs::copy(&path, &copied)?;
    fs::copy(&log, copied.with_extension("db-wal"))?;
    let (_, found) = Database::open(&copied)?;
    assert_eq!(found.records, [kept.records, vec![record(2, 0, &[])]].concat());
    Ok(())
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let (_directory, path) = sound();
    let at = |ms| Some(Moment::from_epoch_ms(ms));
    let counts = |task: &str, seen| {
        let values = Counts::NAMES.map(|name| (name, if name == "seen" { seen } else { 0 })).to_vec();
        Counts { task: task.to_owned(), values }
    };
    let ended = Record {
        status: Status::Error,
        priority: i64::MIN,
        params: "".into(),
        claims: claims_of(&["NEWS".to_owned(), "Ü".to_owned()]),
        attempts: 3,
        started_at: at(5),
        ended_at: at(-7),
        error: Some("no \"route\"\nto host ü".to_owned()),
        report: Report {
            fetch_action: "SYNCHRONIZE".to_owned(),
            tasks: vec![counts("NEWS", 17), counts("X", 0)],
            results: results(),
        },
        ..record(2, 0, &[])
    };
    let (mut database, _) = Database::open(&path).expect("a sound file");
    database.commit(&[put(&record(2, 5, &["OLD"])), put(&ended)]).expect("a writable disk");
    drop(database);

    let (mut database, kept) = Database::open(&path).expect("a sound file");
    assert_eq!(kept.records, [record(1, 0, &[]), ended.clone()]);
    database.commit(&[Write { forget: vec![1], ..put(&ended) }]).expect("a writable disk");
    drop(database);
    assert_eq!(Database::open(&path).expect("a sound file").1.records, [ended]);
}

#[test]
fn a_paused_queue_is_paused_until_it_is_resumed() {
    let (_directory, path) = sound();
    for paused in [true, false] {
        let (mut database, kept) = Database::open(&path).expect("a sound file");
        assert_eq!(kept.is_paused, !paused);
        database.commit(&[Write { paused: Some(paused), ..Write::default() }]).expect("a writable disk");
        database.commit(&[put(&record(2, 0, &[]))]).expect("a writable disk");
    }
}

#[test]
fn a_series_is_read_back_as_it_was_last_kept() {
    let (_directory, path) = sound();
    let series = |name: &str, last, state: &str| Series { name: name.to_owned(), last, state: state.to_owned() };
    let (mut database, _) = Database::open(&path).expect("a sound file");
    let [first, second] = [record(2, 0, &[]), record(3, 0, &[])];
    let write = |record: &Record, state| Write {
        series: vec![series("DOCS ü", Some(record.token.clone()), state)],
        ..put(record)
    };
    database.commit(&[write(&first, "1"), write(&second, "2")]).expect("a writable disk");
    database.commit(&[Write { series: vec![series("A", None, "")], ..Write::default() }]).expect("a writable disk");
    drop(database);
    let kept = Database::open(&path).expect("a sound file").1;
    assert_eq!(kept.series, [series("A", None, ""), series("DOCS ü", Some(second.token), "2")]);
}

#[test]
fn a_file_of_an_earlier_version_is_migrated_and_keeps_its_actions() {
    let (_directory, path) = sound();
    alter(&path, "DROP TABLE queue; DROP TABLE events; DROP TABLE series; PRAGMA user_version = 1");
    let (database, kept) = Database::open(&path).expect("a sound file");
    assert_eq!(kept, Kept { records: vec![record(1, 0, &[])], ..Kept::default() });
    assert_eq!(database.connection.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(SCHEMA_VERSION));
}

#[test]
fn a_file_has_one_owner_at_a_time() {
    let (_directory, path) = sound();
    let owner = Database::open(&path).expect("a sound file");
    assert!(refused(&path).ends_with("is in use by another process; stop it, or set another directory"));
    drop(owner);
    assert_eq!(refused(&path), "");
}

#[test]
fn what_is_no_sound_queue_is_refused_and_left_as_it_is() {
    let cases: [(&str, &str); 9] = [
        ("PRAGMA application_id = 7; PRAGMA journal_mode = DELETE", "is a database of another application"),
        ("PRAGMA user_version = 5", "has schema version 5, and this program knows versions up to 4"),
        ("PRAGMA application_id = 7", "is a database of another application"),
        ("PRAGMA application_id = 0", "is a database of another application"),
        ("DROP TABLE actions", "no such table: actions"),
        ("DELETE FROM queue", "Query returned no rows"),
        ("ALTER TABLE actions DROP COLUMN claims", "no such column: claims"),
        ("UPDATE actions SET status = 'Lost'", "row 1 is no action"),
        ("UPDATE actions SET report = '{'", "row 1 is no action"),
    ];
    for (sql, reason) in cases {
        let (_directory, path) = sound();
        alter(&path, sql);
        let before = fs::read(&path).expect("it is there");
        assert!(refused(&path).contains(reason), "{sql}: {}", refused(&path));
        assert_eq!(fs::read(&path).expect("it is there"), before, "{sql}");
    }
}

#[test]
fn damage_to_the_bytes_is_refused() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 3] = [
        ("text", |bytes| *bytes = b"[actions]\nnothing=1\n".repeat(100)),
        ("cut", |bytes| bytes.truncate(4096)),
        ("overwritten", |bytes| bytes[4096..].fill(0xa5)),
    ];
    for (name, damage) in cases {
        let (_directory, path) = sound();
        let mut bytes = fs::read(&path).expect("it is there");
        damage(&mut bytes);
        fs::write(&path, &bytes).expect("a writable disk");
        assert!(refused(&path).contains("is damaged ("), "{name}: {}", refused(&path));
        assert_eq!(fs::read(&path).expect("it is there"), bytes, "{name}");
    }
}

#[test]
fn a_log_without_its_file_is_not_dropped() {
    let (_directory, path) = sound();
    let log = path.with_extension("db-wal");
    fs::write(&log, "acknowledged actions").expect("a writable disk");
    fs::remove_file(&path).expect("it is there");
    assert!(refused(&path).contains("its -wal file is not"), "{}", refused(&path));
    assert!(log.exists() && !path.exists());
}

#[test]
fn a_commit_that_fails_keeps_nothing_and_the_next_one_can_succeed() {
    let (_directory, path) = sound();
    let (mut database, _) = Database::open(&path).expect("a sound file");
    let long = Record { params: "x".repeat(100_000).into(), ..record(3, 0, &[]) };
    database.pragma("max_page_count", 3).expect("a pragma");
    let failed = database.commit(&[put(&record(2, 0, &[])), put(&long)]);
    let full = failed.err().and_then(|error| error.sqlite_error_code());
    assert_eq!(full, Some(ErrorCode::DiskFull));

    database.commit(&[put(&record(4, 0, &[]))]).expect("there is room for a short one");
    database.pragma("max_page_count", 1_000).expect("a pragma");
    database.commit(&[put(&long)]).expect("there is room again");
    drop(database);
    let ids: Vec<u64> = Database::open(&path).expect("a sound file").1.records.iter().map(|record| record.id).collect();
    assert_eq!(ids, [1, 3, 4]);
}

fn owed(handler: &str, text: impl Into<Arc<str>>) -> Owed {
    Owed { handler: handler.into(), name: "OnStart 7".into(), payload: text.into() }
}

#[test]
fn a_handler_is_owed_what_was_committed_and_not_told_in_its_order() {
    let (_directory, path) = sound();
    let (mut database, _) = Database::open(&path).expect("a sound file");
    let events = |database: &Database, after, until| {
        let owed = database.owed("A", after, until, 10).expect("a sound file");
        owed.into_iter().map(|event| (event.id, event.payload)).collect::<Vec<_>>()
    };
    let expected = |events: &[(i64, &str)]| events.iter().map(|&(id, text)| (id, text.to_owned())).collect::<Vec<_>>();
    let write = Write { owed: vec![owed("A", "1"), owed("B", "2"), owed("A", "ü")], ..put(&record(1, 0, &[])) };
    let dispatched = database.commit([&write]).expect("a writable disk");
    assert_eq!(dispatched, Dispatched { handlers: vec!["A".into(), "B".into()], dropped: Vec::new() });
    assert_eq!(events(&database, 0, i64::MAX), expected(&[(1, "1"), (3, "ü")]));
    assert_eq!(events(&database, 1, 2), []);
    drop(database);

    let (mut database, _) = Database::open(&path).expect("a sound file");
    assert_eq!(database.owed_to(), [("A".into(), 2), ("B".into(), 1)]);
    // One that is no more, and all others: ids are never used again.
    let settled = Write { settled: vec![7, 1, 3], ..Write::default() };
    database.commit([&settled, &Write { owed: vec![owed("A", "4")], ..Write::default() }]).expect("a writable disk");
    assert_eq!(events(&database, 0, i64::MAX), expected(&[(4, "4")]));
    assert_eq!(database.keep_events_of(&["A".into()]).expect("a writable disk"), [("B".into(), 1)]);
    assert_eq!(database.owed_to(), [("A".into(), 1)]);
}

#[test]
fn beyond_the_limit_the_oldest_events_go_and_are_counted() {
    let (_directory, path) = sound();
    let (mut database, _) = Database::open(&path).expect("a sound file");
    let many = |count: usize| Write { owed: vec![owed("A", "x"); count], ..Write::default() };
    database.commit([&many(1), &many(OWED_MAX - 1)]).expect("a writable disk");
    let dispatched = database.commit([&many(1)]).expect("a writable disk");
    assert_eq!(dispatched.dropped, [("A".into(), OWED_MAX / 100)]);
    let first = database.owed("A", 0, i64::MAX, 1).expect("a sound file");
    assert_eq!(first[0].id, 101);
    assert_eq!(database.owed_to(), [("A".into(), OWED_MAX + 1 - OWED_MAX / 100)]);

    // The same for their bytes; the latest stays, however large.
    let large = owed("B", "x".repeat(40 << 20));
    database.commit([&Write { owed: vec![large.clone()], ..Write::default() }]).expect("a writable disk");
    let dispatched = database.commit([&Write { owed: vec![large], ..Write::default() }]).expect("a writable disk");
    assert_eq!(dispatched.dropped, [("B".into(), 1)]);
    assert_eq!(database.owed_to()[1], ("B".into(), 1));
}
