//! A client, as whoever serves it and the door see it.

use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) ip: IpAddr,
    /// Since when the connection has waited for the client to send or to take something, counted by a clock that
    /// only orders; 0 while it waits for an answer.
    waits_since: AtomicU64,
}

impl Peer {
    /// Waits for the client from now on.
    pub(super) fn new(stream: TcpStream, ip: IpAddr) -> Peer {
        Peer { stream, ip, waits_since: AtomicU64::new(tick()) }
    }

    /// Smaller is longer. `None` while an answer to the client is being made.
    pub(super) fn waits_since(&self) -> Option<u64> {
        Some(self.waits_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// The client has said everything, and waits itself.
    pub(super) fn has_asked(&self) {
        self.waits_since.store(0, Ordering::Relaxed);
    }

    /// There is an answer, which the client has to take.
    pub(super) fn has_answer(&self) {
        self.waits_since.store(tick(), Ordering::Relaxed);
    }
}

/// Counts up, from 1.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}
