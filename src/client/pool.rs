//! Connections that are kept between requests.

use super::connection::Connection;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Servers close what is idle, most of them later than this.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Idle connections of all hosts, the one that was used last at the end.
pub(super) struct Pool {
    connections_max: usize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    origin: Box<str>,
    since: Instant,
    connection: Connection,
}

impl Pool {
    pub(super) fn new(connections_max: usize) -> Pool {
        Pool { connections_max, idle: Mutex::default() }
    }

    /// The connection to `origin` that was used last, if it can carry another request.
    pub(super) fn take(&self, origin: &str) -> Option<Connection> {
        loop {
            let found = {
                let mut idle = self.idle.lock();
                let place = idle.iter().rposition(|one| *one.origin == *origin)?;
                idle.remove(place)
            };
            if found.since.elapsed() < IDLE_MAX && found.connection.is_silent() {
                return Some(found.connection);
            }
        }
    }

    /// Keeps the connection, in the place of the one that was used longest ago if there are enough.
    pub(super) fn put(&self, origin: &str, connection: Connection) {
        if self.connections_max == 0 {
            return;
        }
        let put = Idle { origin: origin.into(), since: Instant::now(), connection };
        let replaced = {
            let mut idle = self.idle.lock();
            let oldest = (idle.len() >= self.connections_max).then(|| idle.remove(0));
            idle.push(put);
            oldest
        };
        // Closed outside of the lock.
        drop(replaced);
    }
}
