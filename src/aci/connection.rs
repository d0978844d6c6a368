//! One client's connection: whole requests are read within their limits and deadlines, each is answered, and the reply
//! written, for as long as the client keeps the connection.
//!
//! It is always in one of two hands. The door has all connections whose clients have to say something, and looks at each
//! when bytes have come ([`Connection::look`]), which never waits. A thread has it from when a whole request has come until
//! the reply is written and the next request does not follow at once ([`Connection::serve`]). So a thread is never kept by
//! who is silent, and seldom by who is slow: only one that agrees on TLS or does not take its reply does that.
//!
//! Holds no dispatcher while it reads or writes.

use super::Settings;
use super::budget::Budget;
use super::guests::Full;
use super::head::{BodyLength, Head, Method, Version};
use super::incoming::{Arrived, CONTINUE, Incoming, Step};
use super::journal::Journal;
use super::lines::{Answer, Lines, Whole};
use super::peer::Peer;
use super::refusal::Refusal;
use super::wire::{HandshakeError, Until, Wire};
use super::{certificate, forwarded};
use crate::stop::StopFlag;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client that was refused may go on sending before the connection is cut under it. Without this it would
/// often see a reset instead of the reason.
const LINGER: Duration = Duration::from_secs(1);

/// How long a thread waits for the next request before the door does. Clients that poll without a pause are served by one
/// thread each, as fast as threads can be; any others cost a thread this much.
const STAYS: Duration = Duration::from_millis(50);

/// What a thread reads at once.
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

pub(super) struct Connection {
    wire: Wire,
    /// What the client's certificate says, as [`forwarded`] writes it.
    names: String,
    incoming: Incoming,
    stage: Stage,
}

enum Stage {
    /// Nothing has come on a port that speaks TLS.
    Hello,
    Requests,
    /// The client has been told that nothing more comes. Closing over unread bytes would reset the connection and could
    /// take the reply with it, so they are read, until it closes or this moment has come.
    Lingering(Instant),
}

/// What a thread has to do for a connection.
pub(super) enum Errand {
    /// Agree on TLS, then serve.
    Secure,
    /// Agree on TLS, then say why it is not served.
    TurnAway(Full),
    Answer(Box<Arrived>),
}

/// What a look at a connection has shown.
pub(super) enum Sight {
    /// The client has to say more until [`Connection::deadline`].
    Waits,
    /// The same, and there may be more to take already.
    Goes,
    Ready(Errand),
    Gone,
}

/// What came of one.
enum Looked {
    /// A part of a request, or nothing. A buffer that is full was not enough.
    Part {
        is_full: bool,
    },
    Ready(Errand),
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
    /// All is said, and the client has not closed yet.
    Lingers,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

/// What the door does.
impl Connection {
    pub(super) fn new(peer: Arc<Peer>, shared: &Shared, now: Instant) -> Connection {
        Connection {
            wire: Wire::new(peer, shared.closing.clone()),
            names: String::new(),
            incoming: Incoming::new(now + shared.settings.head_deadline),
            stage: if shared.settings.tls.is_some() { Stage::Hello } else { Stage::Requests },
        }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        self.wire.peer()
    }

    /// Until when the client has to say more.
    pub(super) fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Hello | Stage::Requests => self.incoming.deadline(),
            Stage::Lingering(deadline) => deadline,
        }
    }

    /// Takes some of what has come, without waiting. `buffer` is only to save the making of one.
    pub(super) fn look(&mut self, shared: &Shared, buffer: &mut [u8], now: Instant) -> Sight {
        match self.try_look(shared, buffer, now) {
            Ok(Looked::Ready(errand)) => Sight::Ready(errand),
            Ok(Looked::Part { is_full: true }) => Sight::Goes,
            Ok(Looked::Part { is_full: false }) | Err(End::Lingers) => Sight::Waits,
            Err(End::Gone) => Sight::Gone,
            Err(End::Refused(refusal)) => {
                shared.journal.connections.refused();
                self.refuse(&refusal, now)
            }
        }
    }

    fn try_look(&mut self, shared: &Shared, buffer: &mut [u8], now: Instant) -> Result<Looked, End> {
        match self.stage {
            Stage::Hello => match self.wire.begins_tls(Until::Now) {
                Ok(true) => Ok(Looked::Ready(Errand::Secure)),
                Ok(false) => Err(Refusal::NotTls.into()),
                Err(error) => waits(&error),
            },
            Stage::Requests => loop {
                let count = match self.wire.read(buffer, Until::Now) {
                    Ok(0) => return Err(End::Gone),
                    Ok(count) => count,
                    Err(error) => return waits(&error),
                };
                match self.advance(&buffer[..count], shared, now, Until::Now)? {
                    Some(arrived) => return Ok(Looked::Ready(Errand::Answer(arrived))),
                    // What TLS has read ahead shows on no socket.
                    None if self.wire.has_read_ahead() => {}
                    None => return Ok(Looked::Part { is_full: count == buffer.len() }),
                }
            },
            Stage::Lingering(_) => match self.wire.discard(Until::Now) {
                Ok(0) => Err(End::Gone),
                Ok(_) => Ok(Looked::Part { is_full: false }),
                Err(error) => waits(&error),
            },
        }
    }

    /// Its deadline has passed.
    pub(super) fn expire(&mut self, shared: &Shared, now: Instant) -> Sight {
        match (&self.stage, self.incoming.lateness()) {
            (Stage::Requests, Some(refusal)) => {
                shared.journal.connections.refused();
                self.refuse(&refusal, now)
            }
            _ => Sight::Gone,
        }
    }

    /// There is no place for it.
    pub(super) fn turn_away(&mut self, full: Full, shared: &Shared, now: Instant) -> Sight {
        match self.stage {
            Stage::Hello => Sight::Ready(Errand::TurnAway(full)),
            Stage::Requests | Stage::Lingering(_) => self.refuse(&full.refusal(&shared.settings), now),
        }
    }

    /// Says why, which finds room in a socket to which nothing has been written, and waits for the client to close.
    fn refuse(&mut self, refusal: &Refusal, now: Instant) -> Sight {
        self.note(refusal);
        self.stage = Stage::Lingering(now + LINGER);
        let told = self.wire.write(&refusal.response(), Until::Now);
        match told.and_then(|()| self.wire.finish(Until::Now)) {
            Ok(()) => Sight::Waits,
            Err(_) => Sight::Gone,
        }
    }

    /// The door has it back: it may be silent for long.
    pub(super) fn rest(&mut self) {
        self.incoming.rest();
    }
}

/// What a thread does.
impl Connection {
    /// Does `errand`, and whatever else the client asks for at once. Whether there is anything left to wait for.
    pub(super) fn serve(&mut self, errand: Errand, shared: &Shared) -> bool {
        let end = match self.perform(errand, shared) {
            Err(End::Refused(refusal)) => {
                shared.journal.connections.refused();
                Err(self.tell(&refusal))
            }
            other => other,
        };
        !matches!(end, Err(End::Gone))
    }

    fn perform(&mut self, errand: Errand, shared: &Shared) -> Result<(), End> {
        let first = match errand {
            Errand::Answer(arrived) => Some(arrived),
            Errand::Secure => {
                self.secure(shared, shared.settings.head_deadline)?;
                self.next(shared)?
            }
            Errand::TurnAway(full) => {
                self.secure(shared, LINGER)?;
                // Counted already, as one that was turned away.
                return Err(self.tell(&full.refusal(&shared.settings)));
            }
        };
        self.answer_all(first, shared)
    }

    fn answer_all(&mut self, first: Option<Box<Arrived>>, shared: &Shared) -> Result<(), End> {
        let mut next = first;
        while let Some(arrived) = next {
            next = match self.answer(*arrived, shared)? {
                After::Another => {
                    self.incoming.expect_next(Instant::now() + shared.settings.idle_deadline);
                    self.next(shared)?
                }
                After::Close => return Err(self.close()),
            };
        }
        Ok(())
    }

    /// The next request, if it is whole soon enough for a thread to wait for it.
    fn next(&mut self, shared: &Shared) -> Result<Option<Box<Arrived>>, End> {
        let stays = Instant::now() + STAYS;
        let mut buffer = [0; READ_BYTES];
        let mut count = 0;
        loop {
            let now = Instant::now();
            let writes = Until::Deadline(now + shared.settings.write_deadline);
            if let Some(arrived) = self.advance(&buffer[..count], shared, now, writes)? {
                return Ok(Some(arrived));
            }
            count = match self.wire.read(&mut buffer, Until::Deadline(stays.min(self.incoming.deadline()))) {
                Ok(0) => return Err(End::Gone),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
                Err(_) => return Err(End::Gone),
            };
        }
    }

    /// Agrees on TLS within `patience`.
    fn secure(&mut self, shared: &Shared, patience: Duration) -> Result<(), End> {
        let Some(tls) = &shared.settings.tls else { return Ok(()) };
        let deadline = Instant::now() + patience;
        // One that is turned away may have said nothing yet.
        if !self.wire.begins_tls(Until::Deadline(deadline)).map_err(|_| End::Gone)? {
            return Err(Refusal::NotTls.into());
        }
        if let Err(error) = self.wire.secure(tls, deadline) {
            self.note_failed_handshake(&error, shared);
            // Or the alert that says why would often be lost.
            return Err(if matches!(error, HandshakeError::Gone) { End::Gone } else { self.close() });
        }
        self.names = self.wire.certificate().map_or(String::new(), |der| forwarded::write(&certificate::names(der)));
        self.stage = Stage::Requests;
        Ok(())
    }

    /// A certificate that either side does not accept is somebody's mistake and is told to the administrator;
    /// everything else is strangers' noise.
    fn note_failed_handshake(&self, error: &HandshakeError, shared: &Shared) {
        let (name, ip) = (shared.settings.name, self.peer().ip);
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

    fn answer(&mut self, arrived: Arrived, shared: &Shared) -> Result<After, End> {
        let Arrived { head, body, memory } = arrived;
        if head.method == Method::Options {
            return self.answer_options(&head, shared);
        }
        let peer = Arc::clone(self.peer());
        peer.has_asked();
        let request = Whole { head: &head, body: &body, peer: peer.ip, names: &self.names };
        let answer = shared.lines.pass(&request, shared.settings.answer_deadline, &shared.budget);
        peer.has_answer();
        let answer = answer?;
        drop((body, memory));
        self.write_answer(answer, &head, shared)
    }

    /// A browser's question whether a page may send something; nobody else has a use for OPTIONS here.
    fn answer_options(&mut self, head: &Head, shared: &Shared) -> Result<After, End> {
        let is_whole = head.body == BodyLength::Known(0);
        let allowed = shared.settings.origins.preflight(head).filter(|_| is_whole).ok_or(Refusal::Method)?;
        let answer = Answer { head: allowed.into_bytes(), body: Vec::new(), memory: shared.budget.hold() };
        self.write_answer(answer, head, shared)
    }

    fn write_answer(&mut self, answer: Answer, head: &Head, shared: &Shared) -> Result<After, End> {
        const SMALL_BYTES: usize = 16 * 1024;
        let after = if head.keep_alive && !shared.closing.is_set() { After::Another } else { After::Close };
        let Answer { head: mut start, body, memory: _memory } = answer;
        match (&after, head.version) {
            (After::Close, _) => start.extend_from_slice(b"Connection: close\r\n"),
            (After::Another, Version::Http10) => start.extend_from_slice(b"Connection: keep-alive\r\n"),
            (After::Another, Version::Http11) => {}
        }
        start.extend_from_slice(shared.settings.origins.headers(head).as_bytes());
        start.extend_from_slice(b"\r\n");
        let until = Until::Deadline(Instant::now() + write_time(&shared.settings, body.len()));
        match head.method {
            Method::Head | Method::Options => self.write(&start, until)?,
            Method::Get | Method::Post if body.len() <= SMALL_BYTES => {
                start.extend_from_slice(&body);
                self.write(&start, until)?;
            }
            Method::Get | Method::Post => {
                self.write(&start, until)?;
                self.write(&body, until)?;
            }
        }
        Ok(after)
    }

    fn tell(&mut self, refusal: &Refusal) -> End {
        self.note(refusal);
        match self.write(&refusal.response(), Until::Deadline(Instant::now() + LINGER)) {
            Ok(()) => self.close(),
            Err(end) => end,
        }
    }

    /// Says that nothing more comes. Most clients close then, at once.
    fn close(&mut self) -> End {
        let now = Instant::now();
        self.stage = Stage::Lingering(now + LINGER);
        let until = Until::Deadline(now + STAYS);
        if self.wire.finish(until).is_err() {
            return End::Gone;
        }
        loop {
            match self.wire.discard(until) {
                Ok(0) => return End::Gone,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => return End::Lingers,
                Err(_) => return End::Gone,
            }
        }
    }
}

/// What both do.
impl Connection {
    /// Adds what was read. A client that waits to be told to go on is told so.
    fn advance(
        &mut self,
        bytes: &[u8],
        shared: &Shared,
        now: Instant,
        until: Until,
    ) -> Result<Option<Box<Arrived>>, End> {
        match self.incoming.advance(bytes, now, &shared.settings, &shared.budget)? {
            Step::More => Ok(None),
            Step::Continue => self.write(CONTINUE, until).map(|()| None),
            Step::Whole(arrived) => Ok(Some(Box::new(arrived))),
        }
    }

    fn write(&mut self, bytes: &[u8], until: Until) -> Result<(), End> {
        self.wire.write(bytes, until).map_err(|_| End::Gone)
    }

    fn note(&self, refusal: &Refusal) {
        log::debug!(target: "application", "a request from {} was refused: {refusal}", self.peer().ip);
    }
}

/// An error that only says that nothing has come is none.
fn waits(error: &io::Error) -> Result<Looked, End> {
    if error.kind() == ErrorKind::WouldBlock { Ok(Looked::Part { is_full: false }) } else { Err(End::Gone) }
}

fn write_time(settings: &Settings, bytes: usize) -> Duration {
    let seconds = bytes / settings.write_bytes_per_second_min.max(1);
    settings.write_deadline + Duration::from_secs(seconds as u64)
}
