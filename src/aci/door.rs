//! The public socket: accepts for as long as the door is open, whatever happens, counts who is in, watches everybody who
//! has to say something, and gives whoever has said it to a thread.
//!
//! One thread, the acceptor, owns all of this. What costs a stranger nothing, to connect, to be silent, to be slow, to go,
//! costs no thread either and little time, so that the kernel's queue of newcomers stays short and whoever asks is reached
//! soon. A thread has a connection until its reply is written, and gives it back.

use super::connection::{Connection, Errand, Shared, Sight};
use super::guests::{self, Guests};
use super::peer::Peer;
use super::pool::Pool;
use super::room::Room;
use super::watch::{Bell, Event, Watch};
use super::{ListenError, join_within};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long to wait after a failed accept, such as for want of descriptors, if no connection ends before.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When there are no descriptors left, connections give up as many as this: for newcomers, and for the files and sockets
/// of everything else in the process, which would fail as well.
const GIVEN_UP: usize = 24;

/// How long after a shortage of descriptors, and after each step, as many connections as were given up are allowed again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Newcomers that are let in before those who are in are looked at again.
const BATCH: usize = 64;

/// What is read at once.
const READ_BYTES: usize = 8 * 1024;

/// Looks at connections that have said much and not all of it, after each round of the others: who says little is heard
/// first, or floods of long heads would keep everybody waiting.
const TALKERS: usize = 8;

/// A connection's thread keeps its buffers on the heap.
const STACK_BYTES: usize = 128 * 1024;
/// Signatures and chains of certificates are computed on the stack.
const TLS_STACK_BYTES: usize = 256 * 1024;

/// Connections that are told why they are not served; beyond this many they are closed without a word.
const TURNED_AWAY_MAX: usize = 16;

/// Connections that were sent away and whose threads have not ended yet.
const LEAVING_MAX: usize = 32;

pub(super) struct Door {
    address: SocketAddr,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    acceptor: Option<JoinHandle<Remaining>>,
    /// Disconnected once every thread has ended.
    ended: Receiver<Infallible>,
}

/// What is left when no more is accepted.
struct Remaining {
    /// Whom a thread serves.
    served: Vec<Weak<Peer>>,
    threads: Vec<JoinHandle<()>>,
}

impl Door {
    /// Accepts on `listener` from now on.
    pub(super) fn open(listener: TcpListener, shared: Arc<Shared>) -> Result<Door, ListenError> {
        let address = listener.local_addr().map_err(ListenError::Thread)?;
        let (ending, ended) = bounded(0);
        let (acceptor, bell) = Acceptor::new(listener, Arc::clone(&shared), ending).map_err(ListenError::Thread)?;
        let name = format!("{}-door", shared.settings.name);
        let thread = thread::Builder::new().name(name).spawn(move || acceptor.run()).map_err(ListenError::Thread)?;
        Ok(Door { address, shared, bell, acceptor: Some(thread), ended })
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
        self.shared.journal.connections().open == 0
    }

    /// Takes no more connections and no more requests, lets replies go out for at most `grace`, and then calls
    /// `give_up`, which must end every wait for an answer. Joins every thread.
    pub(super) fn close(&mut self, grace: Duration, give_up: impl FnOnce()) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.closing.set();
        self.bell.ring();
        let Ok(Remaining { served, mut threads }) = acceptor.join() else { return give_up() };

        // A shutdown of the reading half wakes whoever waits for a request; one that writes is not disturbed.
        shut(&served, Shutdown::Read);
        let _ = self.ended.recv_timeout(grace);
        give_up();
        shut(&served, Shutdown::Both);
        join_within(&mut threads, &self.ended, Duration::from_millis(300));
    }
}

fn shut(peers: &[Weak<Peer>], how: Shutdown) {
    for peer in peers.iter().filter_map(Weak::upgrade) {
        // The client may have gone already.
        let _ = peer.stream.shutdown(how);
    }
}

/// How a connection counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among the guests.
    Guest,
    /// It is told why not, and gone soon.
    TurnedAway,
    /// It was a guest and its thread has not noticed yet that its place is another's.
    Leaving,
}

/// One that waits for its client.
struct Waiting {
    connection: Box<Connection>,
    place: Place,
}

/// One that a thread has.
struct Served {
    peer: Arc<Peer>,
    place: Place,
}

/// What a thread is given.
struct Job {
    connection: Box<Connection>,
    errand: Errand,
    back: Back,
}

/// The number of a connection that a thread is done with, and the connection, if there is something left to wait for.
type Done = (u64, Option<Box<Connection>>);

/// A thread's word to the acceptor that it is done with a connection, which is sent when it is dropped, also by a panic.
struct Back {
    number: u64,
    connection: Option<Box<Connection>>,
    sender: Sender<Done>,
    bell: Arc<Bell>,
}

impl Drop for Back {
    fn drop(&mut self) {
        // Nobody takes it once the door closes; the connection ends with it.
        let _ = self.sender.send((self.number, self.connection.take()));
        self.bell.ring();
    }
}

struct Acceptor {
    listener: TcpListener,
    shared: Arc<Shared>,
    watch: Watch,
    guests: Guests,
    /// Who waits for its client; every other connection is served. The numbers are those of connections, in the order in
    /// which they came.
    room: Room<Waiting>,
    served: HashMap<u64, Served>,
    next_number: u64,
    turned_away: usize,
    leaving: usize,
    pool: Pool<Job>,
    back: (Sender<Done>, Receiver<Done>),
    /// What is read at once.
    buffer: Box<[u8]>,
    /// Accepting has failed: when to try again.
    resumes_at: Option<Instant>,
    /// When more connections are allowed, while fewer are than were set.
    recovers_at: Option<Instant>,
}

impl Acceptor {
    fn new(
        listener: TcpListener,
        shared: Arc<Shared>,
        ending: Sender<Infallible>,
    ) -> io::Result<(Acceptor, Arc<Bell>)> {
        let settings = &shared.settings;
        listener.set_nonblocking(true)?;
        let watch = Watch::new(&listener)?;
        let bell = watch.bell();
        let guests =
            Guests::new(settings.connections_max, settings.reserved_for_loopback, settings.connections_per_address_max);
        let stack_bytes = if settings.tls.is_some() { TLS_STACK_BYTES } else { STACK_BYTES };
        let pool = {
            let shared = Arc::clone(&shared);
            Pool::new(format!("{}-client", settings.name), stack_bytes, ending, move |job: Job| {
                let Job { mut connection, errand, mut back } = job;
                if connection.serve(errand, &shared) {
                    back.connection = Some(connection);
                }
            })
        };
        let acceptor = Acceptor {
            listener,
            shared,
            watch,
            guests,
            room: Room::new(),
            served: HashMap::new(),
            next_number: 0,
            turned_away: 0,
            leaving: 0,
            pool,
            back: unbounded(),
            buffer: vec![0; READ_BYTES].into(),
            resumes_at: None,
            recovers_at: None,
        };
        Ok((acceptor, bell))
    }

    fn run(mut self) -> Remaining {
        let mut events = Vec::new();
        while !self.shared.closing.is_set() {
            if let Err(error) = self.watch.wait(&mut events, self.next_time()) {
                let name = self.shared.settings.name;
                log::error!(target: "application", "{name}: connections cannot be watched: {error}");
                // Or the log would be full of it. Closing is noticed.
                let _ = self.shared.closing.sleep(ACCEPT_PAUSE);
            }
            // Newcomers last: they take the places of others, which may have said everything by now.
            let mut is_asked_in = false;
            for event in events.drain(..) {
                match event {
                    Event::Newcomers => is_asked_in = true,
                    Event::Bell => self.take_back(),
                    Event::Readable(number) => self.look(number),
                }
            }
            let now = Instant::now();
            while let Some(number) = self.room.late(now) {
                self.settle(number, |connection, shared, _| connection.expire(shared, now));
            }
            if self.resumes_at.is_some_and(|at| at <= now) {
                self.resume();
            }
            if self.recovers_at.is_some_and(|at| at <= now) {
                self.recover(now);
            }
            if is_asked_in {
                self.accept();
            }
            for _ in 0..TALKERS {
                let Some(number) = self.room.take_talker() else { break };
                self.look(number);
            }
        }
        for Waiting { connection, .. } in self.room.clear() {
            drop(connection);
            self.shared.journal.connections.closed();
        }
        let served = self.served.values().map(|served| Arc::downgrade(&served.peer)).collect();
        for _ in &self.served {
            self.shared.journal.connections.closed();
        }
        Remaining { served, threads: self.pool.end() }
    }

    /// When there is something to do even if nothing happens.
    fn next_time(&self) -> Option<Instant> {
        if self.room.has_talkers() {
            return Some(Instant::now());
        }
        [self.room.next_deadline(), self.resumes_at, self.recovers_at].into_iter().flatten().min()
    }

    fn accept(&mut self) {
        for _ in 0..BATCH {
            match self.listener.accept() {
                Ok((stream, address)) => self.admit(stream, address.ip().to_canonical()),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    // The client gave up while it waited to be accepted.
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                    _ => return self.give_up_some(&error),
                },
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        let entered = match self.guests.enter(ip) {
            Err(full) if self.send_away(|network| full.is_helped_by(network, ip)) => self.guests.enter(ip),
            entered => entered,
        };
        let connections = &self.shared.journal.connections;
        let place = match entered {
            Ok(()) => Place::Guest,
            Err(_) if self.turned_away >= TURNED_AWAY_MAX => return connections.turned_away(),
            Err(_) => Place::TurnedAway,
        };
        connections.opened();
        let now = Instant::now();
        let mut connection = Box::new(Connection::new(Arc::new(Peer::new(stream, ip)), &self.shared, now));
        let sight = match entered {
            Ok(()) => {
                connections.accepted();
                // The request comes with the connection, most of the time.
                connection.look(&self.shared, &mut self.buffer, now)
            }
            Err(full) => {
                connections.turned_away();
                self.turned_away += 1;
                connection.turn_away(full, &self.shared, now)
            }
        };
        let number = self.next_number;
        self.next_number += 1;
        match sight {
            // What is there already is told of at once.
            Sight::Waits | Sight::Goes => self.let_wait(number, connection, place),
            Sight::Ready(errand) => self.let_serve(number, connection, place, errand),
            Sight::Gone => self.forget(place, ip),
        }
    }

    /// Bytes of it have come, or it has ended.
    fn look(&mut self, number: u64) {
        let now = Instant::now();
        self.settle(number, |connection, shared, buffer| connection.look(shared, buffer, now));
    }

    /// Does with a connection in the room what comes of `look`.
    fn settle(&mut self, number: u64, look: impl FnOnce(&mut Connection, &Shared, &mut [u8]) -> Sight) {
        // It may have left since the event.
        let Some(Waiting { connection, .. }) = self.room.get_mut(number) else { return };
        let sight = look(connection, &self.shared, &mut self.buffer);
        if let Sight::Waits | Sight::Goes = sight {
            let (deadline, peer) = (connection.deadline(), Arc::clone(connection.peer()));
            self.room.set_deadline(number, deadline);
            let talks = matches!(sight, Sight::Goes);
            if self.room.set_talks(number, talks) {
                self.watch.set_heard(&peer.stream, number, !talks);
            }
            return;
        }
        let Some(Waiting { connection, place }) = self.room.leave(number) else { return };
        match sight {
            Sight::Ready(errand) => {
                self.watch.forget(&connection.peer().stream);
                self.let_serve(number, connection, place, errand);
            }
            Sight::Gone | Sight::Waits | Sight::Goes => self.forget(place, connection.peer().ip),
        }
    }

    fn let_wait(&mut self, number: u64, mut connection: Box<Connection>, place: Place) {
        let peer = Arc::clone(connection.peer());
        if let Err(error) = self.watch.add(&peer.stream, number) {
            log::warn!(target: "application", "{} is not served, as it cannot be watched: {error}", peer.ip);
            return self.forget(place, peer.ip);
        }
        connection.rest();
        let since = peer.waits_since().filter(|_| place == Place::Guest);
        let deadline = connection.deadline();
        let order = since.map(|since| (guests::network(peer.ip), since));
        self.room.enter(number, Waiting { connection, place }, deadline, order);
    }

    fn let_serve(&mut self, number: u64, connection: Box<Connection>, place: Place, errand: Errand) {
        let peer = Arc::clone(connection.peer());
        let ip = peer.ip;
        if let Errand::Answer(_) = errand {
            // Before its thread says so: it is not sent away any more.
            peer.has_asked();
        }
        self.served.insert(number, Served { peer, place });
        let back = Back { number, connection: None, sender: self.back.0.clone(), bell: self.watch.bell() };
        // If no thread starts, the connection is given back as one that has ended.
        if let Err(error) = self.pool.give(Job { connection, errand, back }) {
            log::warn!(target: "application", "{ip} is not served, as no thread starts: {error}");
        }
    }

    /// Takes the connections that threads are done with.
    fn take_back(&mut self) {
        while let Ok((number, connection)) = self.back.1.try_recv() {
            let Some(Served { peer, place }) = self.served.remove(&number) else { continue };
            match connection {
                Some(connection) if place != Place::Leaving => self.let_wait(number, connection, place),
                _ => self.forget(place, peer.ip),
            }
        }
    }

    /// A connection is no more: its socket is closed when this returns, as nobody else has it.
    fn forget(&mut self, place: Place, ip: IpAddr) {
        match place {
            Place::Guest => self.guests.leave(ip),
            Place::TurnedAway => self.turned_away -= 1,
            Place::Leaving => self.leaving -= 1,
        }
        self.shared.journal.connections.closed();
    }

    /// Takes the place of a connection, or finds that one is free: idle and stalled connections, however many, keep nobody
    /// out. Of those for which `is_dispensable` holds of their network, it is the one that has waited for its client for
    /// longest among those of the network with the most connections: who floods pays for it.
    fn send_away(&mut self, is_dispensable: impl Fn(IpAddr) -> bool) -> bool {
        loop {
            // Enough threads have been told; until they end, only who has none is sent away.
            let may_leave = self.leaving < LEAVING_MAX;
            let served = self.served.iter().filter(|(_, served)| may_leave && served.place == Place::Guest);
            let served = served.filter_map(|(number, Served { peer, .. })| {
                Some((guests::network(peer.ip), peer.waits_since()?, *number))
            });
            let candidates = self.room.longest().chain(served).filter(|(network, ..)| is_dispensable(*network));
            let rank =
                |&(network, since, _): &(IpAddr, u64, u64)| (self.guests.of_network(network), std::cmp::Reverse(since));
            let Some((_, _, number)) = candidates.max_by_key(rank) else { return false };
            if let Some(served) = self.served.get_mut(&number) {
                served.place = Place::Leaving;
                self.leaving += 1;
                self.guests.leave(served.peer.ip);
                // Its thread notices.
                let _ = served.peer.stream.shutdown(Shutdown::Both);
                return true;
            }
            // What it has sent meanwhile is looked at first: nobody is sent away who has said everything.
            self.look(number);
            if let Some(Waiting { connection, place }) = self.room.leave(number) {
                self.forget(place, connection.peer().ip);
                return true;
            }
            // It was gone, or it is served now and the next one has to go. Each turn takes one out of the room.
            if !self.served.contains_key(&number) {
                return true;
            }
        }
    }

    /// Most of the time there is no descriptor left. From now on so many fewer connections are let in that some stay free;
    /// those who are too many now are sent away. While some that were sent away have not gone, nothing is changed: their
    /// descriptors are yet to come.
    fn give_up_some(&mut self, error: &io::Error) {
        if self.leaving == 0 {
            self.guests.shrink(GIVEN_UP);
            while self.guests.is_overfull() && self.send_away(|_| true) {}
        }
        let is_first = self.recovers_at.replace(Instant::now() + RECOVERY).is_none();
        if is_first {
            let (name, places) = (self.shared.settings.name, self.guests.places());
            log::warn!(
                target: "application",
                "{name}: no connection can be accepted: {error}. No more than {places} are kept for now; if there are too \
                 few descriptors, allow the process more (ulimit -n)"
            );
        }
        // Or the newcomers that wait would wake this at once.
        self.watch.pause(&self.listener);
        self.resumes_at = Some(Instant::now() + ACCEPT_PAUSE);
    }

    fn resume(&mut self) {
        self.resumes_at = None;
        self.watch.resume(&self.listener);
    }

    fn recover(&mut self, now: Instant) {
        let is_whole = self.guests.grow(GIVEN_UP);
        self.recovers_at = (!is_whole).then_some(now + RECOVERY);
        if is_whole {
            let (name, places) = (self.shared.settings.name, self.guests.places());
            log::info!(target: "application", "{name}: {places} connections are kept again");
        }
    }
}
