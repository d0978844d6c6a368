//! One client's connection: reads whole requests within their limits and deadlines, has each answered, writes the
//! reply, and starts over while the client keeps the connection.
//!
//! Holds no dispatcher while it reads or writes. Reads no further than one request and what came in the same packet,
//! so a client that sends ahead fills its own socket and nothing else.

use super::Settings;
use super::budget::{Budget, Held};
use super::chunked::{Chunked, Progress};
use super::guests::Full;
use super::head::{self, BodyLength, Head, Method, Scan, Version};
use super::journal::Journal;
use super::lines::{Answer, Lines, Whole};
use super::refusal::Refusal;
use super::wire::{HandshakeError, Wire};
use super::{certificate, forwarded};
use crate::stop::StopFlag;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a client that was refused may go on sending before the connection is cut under it. Without this it would
/// often see a reset instead of the reason.
const LINGER: Duration = Duration::from_secs(1);

/// What is read at once.
const READ_BYTES: usize = 8 * 1024;

/// What all connections of a door share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) lines: Lines,
    pub(super) budget: Arc<Budget>,
    pub(super) journal: Arc<Journal>,
    /// Set when the door closes: replies still go out, and no further request is read.
    pub(super) closing: StopFlag,
}

/// A client, as its own thread and the door see it.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) ip: IpAddr,
    /// Since when the connection has waited for the client to send or to take something, counted by a clock that
    /// only orders; 0 while it waits for an answer.
    waits_since: AtomicU64,
}

impl Peer {
    pub(super) fn new(stream: TcpStream, ip: IpAddr) -> Peer {
        Peer { stream, ip, waits_since: AtomicU64::new(tick()) }
    }

    /// Smaller is longer. `None` while an answer to the client is being made.
    pub(super) fn waits_since(&self) -> Option<u64> {
        Some(self.waits_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }
}

/// Counts up, from 1.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// Serves `peer` until either side ends the connection.
pub(super) fn serve(peer: &Peer, shared: &Shared) {
    let mut connection = Connection::new(peer, shared);
    if let Err(end) = connection.begin(shared.settings.head_deadline) {
        return connection.end(end);
    }
    let mut is_first = true;
    loop {
        match connection.exchange(is_first) {
            Ok(After::Another) => is_first = false,
            Ok(After::Close) => return connection.linger(),
            Err(end) => return connection.end(end),
        }
    }
}

/// Tells a client that it is not served at all, and why.
pub(super) fn turn_away(peer: &Peer, shared: &Shared, full: Full) {
    let Settings { connections_max, connections_per_address_max, .. } = shared.settings;
    let mut connection = Connection::new(peer, shared);
    let refusal = match (connection.begin(LINGER), full) {
        (Ok(()), Full::Door) => Refusal::Full { connections_max },
        (Ok(()), Full::Address) => Refusal::FullForAddress { connections_max: connections_per_address_max },
        (Err(End::Refused(refusal)), _) => refusal,
        (Err(End::Gone), _) => return,
    };
    connection.tell(&refusal);
}

struct Connection<'a> {
    peer: &'a Peer,
    shared: &'a Shared,
    wire: Wire<'a>,
    /// What the client's certificate says, as [`forwarded`] writes it.
    names: String,
    /// Read and not yet used.
    pending: Vec<u8>,
}

enum After {
    Another,
    Close,
}

/// Why a connection ends before an answer.
enum End {
    /// The client went, was idle for too long, or the door closes. Nobody waits for a word.
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

impl<'a> Connection<'a> {
    fn new(peer: &'a Peer, shared: &'a Shared) -> Connection<'a> {
        let wire = Wire::new(&peer.stream, &shared.closing);
        Connection { peer, shared, wire, names: String::new(), pending: Vec::new() }
    }

    /// Agrees on TLS where the port speaks it: the first byte has `patience`, and the handshake has it once more.
    fn begin(&mut self, patience: Duration) -> Result<(), End> {
        let Some(tls) = &self.shared.settings.tls else { return Ok(()) };
        // Silence is no offence: who has sent nothing is told nothing.
        if !self.wire.begins_tls(Instant::now() + patience).map_err(|_| End::Gone)? {
            return Err(Refusal::NotTls.into());
        }
        if let Err(error) = self.wire.secure(tls, Instant::now() + patience) {
            self.note_failed_handshake(&error);
            if !matches!(error, HandshakeError::Gone) {
                // Or the alert that says why would often be lost.
                self.linger();
            }
            return Err(End::Gone);
        }
        self.names = self.wire.certificate().map_or(String::new(), |der| forwarded::write(&certificate::names(der)));
        Ok(())
    }

    /// A certificate that either side does not accept is somebody's mistake and is told to the administrator;
    /// everything else is strangers' noise.
    fn note_failed_handshake(&self, error: &HandshakeError) {
        let (name, ip) = (self.shared.settings.name, self.peer.ip);
        match error {
            HandshakeError::Gone => {}
            HandshakeError::Failed(
                error @ (rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::AlertReceived(_)),
            ) => log::warn!(target: "application", "{name}: no TLS with {ip}: {error}"),
            HandshakeError::Failed(error) => log::debug!(target: "application", "{name}: no TLS with {ip}: {error}"),
            HandshakeError::TooLong => {
                log::debug!(target: "application", "{name}: no TLS with {ip}: too long a handshake");
            }
        }
    }

    fn exchange(&mut self, is_first: bool) -> Result<After, End> {
        let settings = &self.shared.settings;
        let head = self.read_head(is_first)?;
        if head.method == Method::Options {
            return self.answer_options(&head);
        }
        let mut memory = self.shared.budget.hold();
        let body = self.read_body(&head, &mut memory)?;
        self.peer.waits_since.store(0, Ordering::Relaxed);
        let request = Whole { head: &head, body: &body, peer: self.peer.ip, names: &self.names };
        let answer = self.shared.lines.pass(&request, settings.answer_deadline, &self.shared.budget);
        self.peer.waits_since.store(tick(), Ordering::Relaxed);
        let answer = answer?;
        drop((body, memory));
        let after = self.after(&head);
        self.write_answer(answer, &head, &after)?;
        Ok(after)
    }

    /// A browser's question whether a page may send something; nobody else has a use for OPTIONS here.
    fn answer_options(&mut self, head: &Head) -> Result<After, End> {
        let is_whole = head.body == BodyLength::Known(0);
        let allowed = self.shared.settings.origins.preflight(head).filter(|_| is_whole).ok_or(Refusal::Method)?;
        let answer = Answer { head: allowed.into_bytes(), body: Vec::new(), memory: self.shared.budget.hold() };
        let after = self.after(head);
        self.write_answer(answer, head, &after)?;
        Ok(after)
    }

    fn after(&self, head: &Head) -> After {
        if head.keep_alive && !self.shared.closing.is_set() { After::Another } else { After::Close }
    }

    fn read_head(&mut self, is_first: bool) -> Result<Head, End> {
        let settings = &self.shared.settings;
        if self.pending.is_empty() {
            // A large head leaves no memory behind while the connection is idle.
            self.pending.shrink_to(READ_BYTES);
            // Silence is no offence: who has sent nothing is told nothing.
            let patience = if is_first { settings.head_deadline } else { settings.idle_deadline };
            match self.fill(Instant::now() + patience, "request") {
                Err(End::Refused(Refusal::Slow(_))) => return Err(End::Gone),
                other => other?,
            }
        }
        let deadline = Instant::now() + settings.head_deadline;
        let mut scan = Scan::default();
        loop {
            // Looked at up to the limit only: what follows a short head may be a long body.
            let within = self.pending.len().min(settings.head_bytes_max);
            if let Some(range) = scan.advance(&self.pending[..within])? {
                let end = range.end;
                let head = head::parse(&self.pending[range])?;
                self.pending.drain(..end);
                return Ok(head);
            }
            if within < self.pending.len() {
                return Err(Refusal::HeadTooLarge { bytes_max: settings.head_bytes_max }.into());
            }
            self.fill(deadline, "whole head of the request")?;
        }
    }

    fn read_body(&mut self, head: &Head, memory: &mut Held) -> Result<Vec<u8>, End> {
        let settings = &self.shared.settings;
        let bytes_max = settings.body_bytes_max;
        let length = match head.body {
            BodyLength::Known(0) => return Ok(Vec::new()),
            BodyLength::Known(length) => match usize::try_from(length) {
                Ok(length) if length <= bytes_max => Some(length),
                _ => return Err(Refusal::BodyTooLarge { bytes_max }.into()),
            },
            BodyLength::Chunked => None,
        };
        let deadline = Instant::now() + settings.body_deadline;
        if head.expects_continue && self.pending.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n", deadline)?;
        }
        match length {
            Some(length) => self.read_known(length, deadline, memory),
            None => self.read_chunked(bytes_max, deadline, memory),
        }
    }

    fn read_known(&mut self, length: usize, deadline: Instant, memory: &mut Held) -> Result<Vec<u8>, End> {
        while self.pending.len() < length {
            self.fill(deadline, BODY)?;
            // What is reserved and not what has come: a buffer grows by doubling.
            hold(memory, self.pending.capacity())?;
        }
        let rest = self.pending.split_off(length);
        Ok(std::mem::replace(&mut self.pending, rest))
    }

    fn read_chunked(&mut self, bytes_max: usize, deadline: Instant, memory: &mut Held) -> Result<Vec<u8>, End> {
        let (mut chunked, mut body) = (Chunked::default(), Vec::new());
        loop {
            let (used, progress) = chunked.advance(&self.pending, &mut body, bytes_max)?;
            self.pending.drain(..used);
            if progress == Progress::End {
                return Ok(body);
            }
            hold(memory, body.capacity())?;
            self.fill(deadline, BODY)?;
        }
    }

    /// Reads once, whatever is there. `what` is named to a client that does not send it before `deadline`.
    fn fill(&mut self, deadline: Instant, what: &'static str) -> Result<(), End> {
        let mut chunk = [0; READ_BYTES];
        match self.wire.read(&mut chunk, deadline) {
            Ok(0) => Err(End::Gone),
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => Err(Refusal::Slow(what).into()),
            Err(_) => Err(End::Gone),
        }
    }

    fn write_answer(&mut self, answer: Answer, head: &Head, after: &After) -> Result<(), End> {
        const SMALL_BYTES: usize = 16 * 1024;
        let Answer { head: mut start, body, memory: _memory } = answer;
        match (after, head.version) {
            (After::Close, _) => start.extend_from_slice(b"Connection: close\r\n"),
            (After::Another, Version::Http10) => start.extend_from_slice(b"Connection: keep-alive\r\n"),
            (After::Another, Version::Http11) => {}
        }
        start.extend_from_slice(self.shared.settings.origins.headers(head).as_bytes());
        start.extend_from_slice(b"\r\n");
        let deadline = Instant::now() + self.write_time(body.len());
        match head.method {
            Method::Head | Method::Options => self.write(&start, deadline),
            Method::Get | Method::Post if body.len() <= SMALL_BYTES => {
                start.extend_from_slice(&body);
                self.write(&start, deadline)
            }
            Method::Get | Method::Post => {
                self.write(&start, deadline)?;
                self.write(&body, deadline)
            }
        }
    }

    fn write_time(&self, bytes: usize) -> Duration {
        let settings = &self.shared.settings;
        let seconds = bytes / settings.write_bytes_per_second_min.max(1);
        settings.write_deadline + Duration::from_secs(seconds as u64)
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), End> {
        self.wire.write(bytes, deadline).map_err(|_| End::Gone)
    }

    fn end(&mut self, end: End) {
        let End::Refused(refusal) = end else { return };
        self.shared.journal.connections.refused();
        self.tell(&refusal);
    }

    fn tell(&mut self, refusal: &Refusal) {
        log::debug!(target: "application", "a request from {} was refused: {refusal}", self.peer.ip);
        if self.write(&refusal.response(), Instant::now() + LINGER).is_ok() {
            self.linger();
        }
    }

    /// Reads what the client still sends until it closes: closing over unread bytes would reset the connection and
    /// could take the reply with it.
    fn linger(&mut self) {
        // Whatever goes wrong, the connection ends here.
        let _ = self.wire.finish(Instant::now() + LINGER);
    }
}

const BODY: &str = "whole body of the request";

fn hold(memory: &mut Held, bytes: usize) -> Result<(), Refusal> {
    memory.grow_to(bytes).map_err(|_| Refusal::Busy("other large requests are being read"))
}
