//! The public socket: accepts for as long as the door is open, whatever happens, counts who is in, and gives each
//! connection a thread of its own with a small stack.
//!
//! Owns the acceptor and every connection's thread. Reads no byte itself.

use super::connection::{self, Peer, Shared};
use super::guests::{Full, Guests};
use super::{ListenError, join_within};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long to wait after a failed accept, such as for want of descriptors, if no connection ends before.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When there are no descriptors left, connections give up as many as this: for newcomers, and for the files and sockets
/// of everything else in the process, which would fail as well.
const GIVEN_UP: usize = 24;

/// A connection's thread keeps its buffers on the heap.
const STACK_BYTES: usize = 128 * 1024;
/// Signatures and chains of certificates are computed on the stack.
const TLS_STACK_BYTES: usize = 256 * 1024;

pub(super) struct Door {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
    inside: Arc<Mutex<Inside>>,
    /// Yields the threads of the connections that are still open when it ends.
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
    /// Disconnected once the acceptor and every connection's thread have ended.
    ended: Receiver<Infallible>,
}

/// Connections that are told why they are not served; beyond this many they are closed without a word.
const TURNED_AWAY_MAX: usize = 16;

/// Connections that were sent away and whose threads have not ended yet.
const LEAVING_MAX: usize = 32;

/// Who is in.
struct Inside {
    guests: Guests,
    /// By number, in the order in which they came.
    peers: BTreeMap<u64, (Arc<Peer>, Place)>,
    next_number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Counted among the guests.
    Served,
    /// Told why not, and gone soon.
    TurnedAway(Full),
    /// Was served; its place is another's.
    Leaving,
}

/// A connection that was let in.
struct Entered {
    number: u64,
    place: Place,
    /// Whom it replaces; its stream has to be shut down.
    sent_away: Option<Arc<Peer>>,
}

impl Inside {
    /// Gives `peer` a place, or `None` if there is not even one to be told why not.
    ///
    /// If all places are taken, the connection that has waited for its client for longest is sent away: idle and
    /// stalled connections, however many, keep nobody out.
    fn enter(&mut self, peer: &Arc<Peer>) -> Option<Entered> {
        let mut sent_away = None;
        let mut entered = self.guests.enter(peer.ip);
        if let Err(full) = entered {
            sent_away = self.send_away(|inside| full.is_helped_by(inside.ip, peer.ip));
            if sent_away.is_some() {
                entered = self.guests.enter(peer.ip);
            }
        }
        let place = match entered {
            Ok(()) => Place::Served,
            Err(_) if self.count(|place| matches!(place, Place::TurnedAway(_))) >= TURNED_AWAY_MAX => return None,
            Err(full) => Place::TurnedAway(full),
        };
        let number = self.next_number;
        self.next_number += 1;
        self.peers.insert(number, (Arc::clone(peer), place));
        Some(Entered { number, place, sent_away })
    }

    /// Takes the place of the connection that has waited for its client for longest. Its stream has to be shut down.
    fn send_away(&mut self, is_dispensable: impl Fn(&Peer) -> bool) -> Option<Arc<Peer>> {
        if self.count(|place| place == Place::Leaving) >= LEAVING_MAX {
            return None;
        }
        let served = self.peers.values_mut().filter(|(_, place)| *place == Place::Served);
        let dispensable = served.filter(|(peer, _)| is_dispensable(peer));
        let waiting = dispensable.filter_map(|entry| Some((entry.0.waits_since()?, entry)));
        let (_, (longest, place)) = waiting.min_by_key(|(since, _)| *since)?;
        *place = Place::Leaving;
        self.guests.leave(longest.ip);
        Some(Arc::clone(longest))
    }

    /// There are fewer descriptors than connections are allowed. From now on so many fewer are let in that some stay free;
    /// those who are too many now are sent away. Their streams have to be shut down. While some that were sent away have
    /// not gone, nothing is changed: their descriptors are yet to come.
    fn shrink(&mut self) -> Vec<Arc<Peer>> {
        if self.count(|place| place == Place::Leaving) > 0 {
            return Vec::new();
        }
        self.guests.shrink(GIVEN_UP);
        std::iter::from_fn(|| self.guests.is_overfull().then(|| self.send_away(|_| true))?).collect()
    }

    fn count(&self, is_counted: impl Fn(Place) -> bool) -> usize {
        self.peers.values().filter(|(_, place)| is_counted(*place)).count()
    }

    fn leave(&mut self, number: u64) -> Option<Arc<Peer>> {
        let (peer, place) = self.peers.remove(&number)?;
        if place == Place::Served {
            self.guests.leave(peer.ip);
        }
        Some(peer)
    }
}

impl Door {
    /// Accepts on `listener` from now on.
    pub(super) fn open(listener: TcpListener, shared: Arc<Shared>) -> Result<Door, ListenError> {
        let address = listener.local_addr().map_err(ListenError::Thread)?;
        let settings = &shared.settings;
        let guests =
            Guests::new(settings.connections_max, settings.reserved_for_loopback, settings.connections_per_address_max);
        let inside = Arc::new(Mutex::new(Inside { guests, peers: BTreeMap::new(), next_number: 0 }));
        let (listener, (ending, ended), (leaving, left)) = (Arc::new(listener), bounded(0), bounded(1));
        let acceptor = Acceptor {
            listener: Arc::clone(&listener),
            shared: Arc::clone(&shared),
            inside: Arc::clone(&inside),
            ending,
            threads: Vec::new(),
            leaving,
            left,
        };
        let name = format!("{}-door", settings.name);
        let thread = thread::Builder::new().name(name).spawn(move || acceptor.run()).map_err(ListenError::Thread)?;
        Ok(Door { address, listener, shared, inside, acceptor: Some(thread), ended })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Set when the door begins to close.
    #[cfg(test)]
    pub(super) fn closing(&self) -> crate::stop::StopFlag {
        self.shared.closing.clone()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.inside.lock().peers.is_empty()
    }

    /// Takes no more connections and no more requests, lets replies go out for at most `grace`, and then calls
    /// `give_up`, which must end every wait for an answer. Joins every thread.
    pub(super) fn close(&mut self, grace: Duration, give_up: impl FnOnce()) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.closing.set();
        self.wake_acceptor();
        let mut threads = acceptor.join().unwrap_or_default();

        // A shutdown of the reading half wakes whoever waits for a request; one that writes is not disturbed.
        self.shut_streams(Shutdown::Read);
        let _ = self.ended.recv_timeout(grace);
        give_up();
        self.shut_streams(Shutdown::Both);
        join_within(&mut threads, &self.ended, Duration::from_millis(300));
    }

    /// A shutdown ends `accept` on Linux; elsewhere a connection does.
    fn wake_acceptor(&self) {
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_millis(100));
    }

    fn shut_streams(&self, how: Shutdown) {
        let peers: Vec<_> = self.inside.lock().peers.values().map(|(peer, _)| Arc::clone(peer)).collect();
        for peer in peers {
            // It may have gone already.
            let _ = peer.stream.shutdown(how);
        }
    }
}

struct Acceptor {
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
    inside: Arc<Mutex<Inside>>,
    /// Every thread holds a clone; nothing is ever sent.
    ending: Sender<Infallible>,
    threads: Vec<JoinHandle<()>>,
    /// Has room for one word, which says that a connection has ended since the last one was taken.
    leaving: Sender<()>,
    left: Receiver<()>,
}

impl Acceptor {
    fn run(mut self) -> Vec<JoinHandle<()>> {
        let mut is_failing = false;
        while !self.shared.closing.is_set() {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.admit(stream, peer.ip().to_canonical());
                }
                // The client gave up while it waited to be accepted.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    // Most of the time there is no descriptor left.
                    let (sent_away, places) = {
                        let mut inside = self.inside.lock();
                        (inside.shrink(), inside.guests.places())
                    };
                    // Once for a row of failures: they come twenty times a second.
                    if !std::mem::replace(&mut is_failing, true) && !self.shared.closing.is_set() {
                        let name = self.shared.settings.name;
                        log::warn!(
                            target: "application",
                            "{name}: no connection can be accepted: {error}. No more than {places} are kept from now on; \
                             if there are too few descriptors, allow the process more (ulimit -n)"
                        );
                    }
                    for peer in sent_away {
                        let _ = peer.stream.shutdown(Shutdown::Both);
                    }
                    // A descriptor is free when a connection's thread has ended.
                    select! {
                        recv(self.left) -> _ => {}
                        recv(self.shared.closing.signal()) -> _ => {}
                        default(ACCEPT_PAUSE) => {}
                    }
                }
            }
            self.join_ended();
        }
        self.threads
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        // Replies go out in one or two writes: there is nothing to gather.
        let _ = stream.set_nodelay(true);
        let peer = Arc::new(Peer::new(stream, ip));
        let entered = self.inside.lock().enter(&peer);
        let connections = &self.shared.journal.connections;
        let Some(Entered { number, place, sent_away }) = entered else { return connections.turned_away() };
        if let Some(sent_away) = sent_away {
            let _ = sent_away.stream.shutdown(Shutdown::Both);
        }
        match place {
            Place::TurnedAway(_) => connections.turned_away(),
            Place::Served | Place::Leaving => connections.accepted(),
        }
        let guest = Guest::new(&self.inside, number, &self.shared, &self.leaving);
        let (shared, ending) = (Arc::clone(&self.shared), self.ending.clone());
        let serve = move || {
            match place {
                Place::TurnedAway(full) => connection::turn_away(&peer, &shared, full),
                Place::Served | Place::Leaving => connection::serve(&peer, &shared),
            }
            // In this order: the guest closes the stream, which the peer would keep open, and says that it has.
            drop(peer);
            drop((guest, shared, ending));
        };
        let name = format!("{}-client", self.shared.settings.name);
        let stack_bytes = if self.shared.settings.tls.is_some() { TLS_STACK_BYTES } else { STACK_BYTES };
        match thread::Builder::new().name(name).stack_size(stack_bytes).spawn(serve) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => log::warn!(target: "application", "{ip} is not served, as no thread starts: {error}"),
        }
    }

    /// The handles are as many as connections may be open, and those that ended since the last accept.
    fn join_ended(&mut self) {
        for thread in self.threads.extract_if(.., |thread| thread.is_finished()) {
            // A panic has been printed by then, and ended this one connection.
            let _ = thread.join();
        }
    }
}

/// A connection's place among those inside; dropping it, also by a panic, gives it back.
struct Guest {
    inside: Arc<Mutex<Inside>>,
    number: u64,
    shared: Arc<Shared>,
    leaving: Sender<()>,
}

impl Guest {
    fn new(inside: &Arc<Mutex<Inside>>, number: u64, shared: &Arc<Shared>, leaving: &Sender<()>) -> Guest {
        shared.journal.connections.opened();
        Guest { inside: Arc::clone(inside), number, shared: Arc::clone(shared), leaving: leaving.clone() }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Taken out under the lock, closed after it.
        let peer = self.inside.lock().leave(self.number);
        drop(peer);
        self.shared.journal.connections.closed();
        // Full means that it is known already.
        let _ = self.leaving.try_send(());
    }
}
