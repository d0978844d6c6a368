//! Events that handlers are still owed: rows that are written with the change that causes them, and deleted once told.
//!
//! Bounded for each handler, in number and bytes: beyond it the oldest go, some at a time, so that a handler that is
//! dead for days costs no more than one line in the log for each of these times.

use super::{Connection, Write};
use rusqlite::{Transaction, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Events that one handler may be owed.
pub(in crate::queue) const OWED_MAX: usize = 10_000;
/// Their bytes together. The latest event is kept whatever its size.
const OWED_BYTES_MAX: usize = 64 << 20;
/// How many go at once.
const DROPPED_AT_ONCE: usize = OWED_MAX / 100;

pub(super) const EVENTS: &str = "
CREATE TABLE events ( -- of which a handler has not been told
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they came about; never used again
    handler TEXT    NOT NULL,                  -- the name of its section, in capitals
    name    TEXT    NOT NULL,                  -- what the log calls it
    payload TEXT    NOT NULL                   -- what it is told
) STRICT;
CREATE INDEX events_of_handler ON events (handler);
ALTER TABLE queue ADD COLUMN told TEXT NOT NULL DEFAULT 'QueueEmpty'; -- the last queue event
";

/// An event that a handler is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::queue) struct Owed {
    /// In capitals.
    pub(in crate::queue) handler: Arc<str>,
    /// What the log calls it.
    pub(in crate::queue) name: Arc<str>,
    pub(in crate::queue) payload: Arc<str>,
}

/// One of these in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::queue) struct Kept {
    pub(in crate::queue) id: i64,
    pub(in crate::queue) name: String,
    pub(in crate::queue) payload: String,
}

/// What a commit has done to the handlers' events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct Dispatched {
    /// The handlers that are owed more.
    pub(in crate::queue) handlers: Vec<Arc<str>>,
    /// Of which handlers how many events were dropped.
    pub(in crate::queue) dropped: Vec<(Arc<str>, usize)>,
}

/// How much each handler is owed, so that a bound costs no count.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox(BTreeMap<Arc<str>, Held>);

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    events: usize,
    bytes: usize,
}

impl Outbox {
    pub(super) fn read(connection: &Connection) -> Result<Outbox, rusqlite::Error> {
        let mut select =
            connection.prepare("SELECT handler, count(*), sum(octet_length(payload)) FROM events GROUP BY handler")?;
        let held = select.query_map([], |row| {
            let held = Held { events: unsigned(row.get(1)?), bytes: unsigned(row.get(2)?) };
            Ok((row.get::<_, String>(0)?.into(), held))
        })?;
        Ok(Outbox(held.collect::<Result<_, _>>()?))
    }

    /// Handlers with the number of events that each is owed.
    pub(super) fn handlers(&self) -> Vec<(Arc<str>, usize)> {
        self.0.iter().filter(|(_, held)| held.events > 0).map(|(name, held)| (Arc::clone(name), held.events)).collect()
    }

    /// Carries out what `write` says of events. `self` is right only if the transaction is committed.
    pub(super) fn write(
        &mut self,
        transaction: &Transaction<'_>,
        write: &Write,
        dispatched: &mut Dispatched,
    ) -> Result<(), rusqlite::Error> {
        for id in &write.settled {
            let deleted = "DELETE FROM events WHERE id = ?1 RETURNING handler, octet_length(payload)";
            self.delete(transaction, deleted, params![id])?;
        }
        for owed in &write.owed {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events (handler, name, payload) VALUES (?1, ?2, ?3)")?;
            insert.execute(params![&*owed.handler, &*owed.name, &*owed.payload])?;
            let held = self.0.entry(Arc::clone(&owed.handler)).or_default();
            held.events += 1;
            held.bytes += owed.payload.len();
            if !dispatched.handlers.contains(&owed.handler) {
                dispatched.handlers.push(Arc::clone(&owed.handler));
            }
            let mut dropped = 0;
            while self.is_too_much(&owed.handler) {
                // Never the last one, which has just come.
                let oldest = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE handler = ?1 \
                              AND id <> last_insert_rowid() ORDER BY id LIMIT ?2) \
                              RETURNING handler, octet_length(payload)";
                dropped += self.delete(transaction, oldest, params![&*owed.handler, signed(DROPPED_AT_ONCE)])?;
            }
            if dropped > 0 {
                dispatched.dropped.push((Arc::clone(&owed.handler), dropped));
            }
        }
        Ok(())
    }

    /// Drops what is owed to handlers other than `known`: whose, and how many.
    pub(super) fn keep_only(
        &mut self,
        transaction: &Transaction<'_>,
        known: &[Arc<str>],
    ) -> Result<Vec<(Arc<str>, usize)>, rusqlite::Error> {
        let strangers: Vec<_> = self.handlers().into_iter().filter(|(name, _)| !known.contains(name)).collect();
        for (name, _) in &strangers {
            let all = "DELETE FROM events WHERE handler = ?1 RETURNING handler, octet_length(payload)";
            self.delete(transaction, all, params![&**name])?;
        }
        Ok(strangers)
    }

    fn is_too_much(&self, handler: &str) -> bool {
        self.0.get(handler).is_some_and(|held| held.events > OWED_MAX || held.bytes > OWED_BYTES_MAX && held.events > 1)
    }

    /// Runs a deletion that returns the handler and the bytes of each row; how many there were.
    fn delete(
        &mut self,
        transaction: &Transaction<'_>,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<usize, rusqlite::Error> {
        let mut delete = transaction.prepare_cached(sql)?;
        let mut rows = delete.query(params)?;
        let mut deleted = 0;
        while let Some(row) = rows.next()? {
            let (handler, bytes): (String, usize) = (row.get(0)?, unsigned(row.get(1)?));
            if let Some(held) = self.0.get_mut(handler.as_str()) {
                held.events = held.events.saturating_sub(1);
                held.bytes = held.bytes.saturating_sub(bytes);
            }
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// The first events of `handler` after `after` and up to `until`, at most `count`.
pub(super) fn owed(
    connection: &Connection,
    handler: &str,
    after: i64,
    until: i64,
    count: usize,
) -> Result<Vec<Kept>, rusqlite::Error> {
    let mut select = connection.prepare_cached(
        "SELECT id, name, payload FROM events WHERE handler = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4",
    )?;
    let kept = select.query_map(params![handler, after, until, signed(count)], |row| {
        Ok(Kept { id: row.get(0)?, name: row.get(1)?, payload: row.get(2)? })
    })?;
    kept.collect()
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
