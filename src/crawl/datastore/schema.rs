//! The tables of a datastore: made, recognised, and brought up to date.

use super::DatastoreError;
use rusqlite::{Connection, params};

/// "WCds": tells a datastore from any other SQLite file.
const APPLICATION_ID: i64 = 0x5743_6473;
pub(super) const SCHEMA: i64 = 2;

const CREATE: &str = "
    CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE page(
        id INTEGER PRIMARY KEY,              -- keyed hash of url
        url TEXT NOT NULL,
        site TEXT NOT NULL,                  -- its origin: what the frontier queues by
        seq INTEGER NOT NULL,                -- order of meeting
        depth INTEGER NOT NULL,
        hops INTEGER NOT NULL,
        met INTEGER NOT NULL,                -- the last run that met it
        settled INTEGER NOT NULL DEFAULT 0,  -- the last run that settled it
        delivered INTEGER NOT NULL DEFAULT 0,
        cut INTEGER NOT NULL DEFAULT 0,      -- its links were out of depth
        failures INTEGER NOT NULL DEFAULT 0,
        read_at INTEGER NOT NULL DEFAULT 0,  -- when it was last read or found unchanged, in epoch ms
        scope INTEGER NOT NULL DEFAULT 0,    -- the scope under which it was last read
        etag TEXT, modified TEXT, hash BLOB, links BLOB,
        referrer INTEGER,                    -- the page that led here when it was last met
        expires_at INTEGER                   -- when it is to lose its document, in epoch ms
    );
    CREATE INDEX waiting ON page(site, seq) WHERE settled < met;
";

/// What each schema has more than the one before it, from the second on.
const STEPS: [&str; 1] =
    ["ALTER TABLE page ADD COLUMN referrer INTEGER; ALTER TABLE page ADD COLUMN expires_at INTEGER;"];

/// What a file is.
pub(super) enum Kind {
    Empty,
    /// A datastore of this schema, which is this version's or an earlier one.
    Datastore(i64),
}

pub(super) fn kind_of(db: &Connection) -> Result<Kind, DatastoreError> {
    let number = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    match (number("PRAGMA application_id")?, number("PRAGMA user_version")?) {
        (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(Kind::Empty),
        (APPLICATION_ID, schema @ 1..=SCHEMA) => Ok(Kind::Datastore(schema)),
        (APPLICATION_ID, found) if found > SCHEMA => Err(DatastoreError::Newer { found }),
        _ => Err(DatastoreError::Foreign),
    }
}

/// Makes or migrates the tables inside the transaction that is open: a crash leaves the file as it was.
pub(super) fn bring_up_to_date(db: &Connection) -> Result<(), DatastoreError> {
    match kind_of(db)? {
        Kind::Empty => create(db)?,
        Kind::Datastore(SCHEMA) => {}
        Kind::Datastore(schema) => {
            for step in STEPS.iter().skip(usize::try_from(schema - 1).unwrap_or(0)) {
                db.execute_batch(step)?;
            }
            db.execute_batch(&format!("PRAGMA user_version={SCHEMA}"))?;
        }
    }
    Ok(())
}

/// With a hash key of its own.
fn create(db: &Connection) -> Result<(), rusqlite::Error> {
    db.execute_batch(CREATE)?;
    db.execute_batch(&format!("PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA};"))?;
    let (key0, key1) = uuid::Uuid::new_v4().as_u64_pair();
    let values = [("key0", key0.cast_signed()), ("key1", key1.cast_signed()), ("run", 0), ("open", 0)];
    let zero = [("scope", 0), ("depth", 0), ("doubtful", 0)];
    for (name, value) in values.into_iter().chain(zero) {
        db.execute("INSERT INTO meta(name, value) VALUES(?1, ?2)", params![name, value])?;
    }
    Ok(())
}
