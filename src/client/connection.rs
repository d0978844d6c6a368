//! One connection to a server, and what goes over it: requests, heads, bodies (RFC 9112).

use super::error::{ClientError, Malformed, Phase};
use super::head::{self, Head, Length};
use super::request::{Forward, Request};
use super::socket::Flagged;
use super::transfer::Transfer;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::time::Instant;

/// Bytes of a connection that may wait to be taken: those of a usual head, and much of what is behind it.
const BUFFER_BYTES: usize = 16 * 1024;
/// Largest response head.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024 - 1;
/// Interim responses before the one that counts.
const INTERIM_MAX: usize = 16;
/// Of a body, what goes out with the head in one piece.
const BODY_BESIDE_HEAD_BYTES_MAX: usize = 16 * 1024;

pub(super) type TlsStream = StreamOwned<ClientConnection, Flagged>;

/// Carries one request after the other.
pub(super) struct Connection {
    stream: Stream,
    /// The connection ends at a proxy that takes requests itself.
    forward: Option<Forward>,
    buffer: Vec<u8>,
    /// Where in `buffer` is what has come and was not taken.
    waiting: Range<usize>,
    /// It has carried a request before this one...
    used: bool,
    /// ...and has brought something since.
    answered: bool,
}

enum Stream {
    Plain(Flagged),
    Tls(Box<TlsStream>),
    /// What a server would say.
    #[cfg(any(test, feature = "fuzzing"))]
    Said(io::Cursor<Vec<u8>>),
}

impl Connection {
    pub(super) fn plain(tcp: Flagged, forward: Option<Forward>) -> Connection {
        Connection::new(Stream::Plain(tcp), forward)
    }

    pub(super) fn over_tls(stream: TlsStream) -> Connection {
        Connection::new(Stream::Tls(Box::new(stream)), None)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of_bytes(bytes: &[u8]) -> Connection {
        Connection::new(Stream::Said(io::Cursor::new(bytes.to_vec())), None)
    }

    fn new(stream: Stream, forward: Option<Forward>) -> Connection {
        Connection { stream, forward, buffer: Vec::new(), waiting: 0..0, used: false, answered: false }
    }

    /// From now on every wait ends then.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.set_deadline(deadline),
            Stream::Tls(stream) => stream.sock.set_deadline(deadline),
            #[cfg(any(test, feature = "fuzzing"))]
            Stream::Said(_) => {}
        }
    }

    /// Whether nothing has come since the last response: neither an end nor bytes that nobody asked for.
    pub(super) fn is_silent(&self) -> bool {
        let is_silent = match &self.stream {
            Stream::Plain(tcp) => tcp.is_silent(),
            Stream::Tls(stream) => stream.sock.is_silent(),
            #[cfg(any(test, feature = "fuzzing"))]
            Stream::Said(_) => false,
        };
        self.waiting.is_empty() && is_silent
    }

    /// Whether it was closed before a byte of the response came, having been idle: the request was most likely never seen.
    pub(super) fn is_stale(&self) -> bool {
        self.used && !self.answered
    }

    /// Sends the request and returns the head of the response, behind which a [`Transfer`] brings the body.
    pub(super) fn exchange(&mut self, request: &Request<'_>) -> Result<Head, ClientError> {
        self.answered = false;
        let head = self.send(request).and_then(|()| self.receive_head());
        self.used = true;
        head
    }

    /// The body of the response whose head was last.
    pub(super) fn body(&mut self, length: Length) -> Transfer<'_> {
        Transfer::new(self, length)
    }

    fn send(&mut self, request: &Request<'_>) -> Result<(), ClientError> {
        let mut head = request.head(self.forward.as_ref());
        let mut body = request.body.unwrap_or_default();
        if body.len() <= BODY_BESIDE_HEAD_BYTES_MAX {
            head.extend_from_slice(std::mem::take(&mut body));
        }
        let stream = &mut self.stream;
        let sent = stream.write_all(&head).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
        sent.map_err(|error| ClientError::of_io(error, Phase::Send))
    }

    fn receive_head(&mut self) -> Result<Head, ClientError> {
        for _ in 0..=INTERIM_MAX {
            let length = self.await_head()?;
            let head = head::parse(&self.buffer[self.waiting.start..self.waiting.start + length])?;
            self.waiting.start += length;
            if !head.is_interim() {
                return Ok(head);
            }
        }
        Err(ClientError::Protocol(format!("over {INTERIM_MAX} interim responses")))
    }

    /// Waits for a whole head and returns its length.
    fn await_head(&mut self) -> Result<usize, ClientError> {
        let mut seen = 0;
        loop {
            let waiting = &self.buffer[self.waiting.clone()];
            if !head::is_start(waiting) {
                return Err(ClientError::Protocol("what came does not begin with HTTP/1".to_owned()));
            }
            if let Some(end) = head::end(waiting, seen).filter(|end| *end <= HEAD_BYTES_MAX) {
                return Ok(end);
            }
            seen = waiting.len();
            if seen >= HEAD_BYTES_MAX {
                return Err(ClientError::Protocol(format!("the head is longer than {HEAD_BYTES_MAX} bytes")));
            }
            match self.fill().map_err(|error| ClientError::of_io(error, Phase::Head))? {
                0 => return Err(ClientError::of_io(io::ErrorKind::UnexpectedEof.into(), Phase::Head)),
                _ => self.answered = true,
            }
        }
    }

    /// Reads more behind what waits; 0 at the end of the connection. There must be less waiting than [`HEAD_BYTES_MAX`].
    fn fill(&mut self) -> io::Result<usize> {
        if self.waiting.is_empty() {
            self.waiting = 0..0;
        }
        if self.waiting.end == self.buffer.len() {
            self.buffer.copy_within(self.waiting.clone(), 0);
            self.waiting = 0..self.waiting.len();
            let wanted = if self.waiting.end < BUFFER_BYTES { BUFFER_BYTES } else { HEAD_BYTES_MAX };
            self.buffer.resize(wanted.max(self.buffer.len()), 0);
        }
        let read = self.stream.read(&mut self.buffer[self.waiting.end..])?;
        self.waiting.end += read;
        Ok(read)
    }

    /// Takes what is next: what waits first, and then straight from the socket.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.waiting.is_empty() {
            if buffer.len() >= BUFFER_BYTES / 4 {
                return self.stream.read(buffer);
            }
            if !buffer.is_empty() && self.fill()? == 0 {
                return Ok(0);
            }
        }
        let taken = self.waiting.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.buffer[self.waiting.start..self.waiting.start + taken]);
        self.waiting.start += taken;
        Ok(taken)
    }

    /// Takes the next line, of at most so many bytes with its end, which may be LF alone; returns it without that.
    pub(super) fn line(&mut self, bytes_max: usize) -> io::Result<&[u8]> {
        debug_assert!(bytes_max < HEAD_BYTES_MAX);
        let mut seen = 0;
        let length = loop {
            let waiting = &self.buffer[self.waiting.clone()];
            let found = memchr::memchr(b'\n', &waiting[seen..]).map(|at| seen + at);
            seen = waiting.len();
            if found.map_or(seen, |end| end + 1) > bytes_max {
                return Err(Malformed::error("a line of a chunked body is too long"));
            }
            if let Some(end) = found {
                break end;
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let start = self.waiting.start;
        self.waiting.start += length + 1;
        let line = &self.buffer[start..start + length];
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
            #[cfg(any(test, feature = "fuzzing"))]
            Stream::Said(bytes) => bytes.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
            #[cfg(any(test, feature = "fuzzing"))]
            Stream::Said(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(stream) => stream.flush(),
            #[cfg(any(test, feature = "fuzzing"))]
            Stream::Said(_) => Ok(()),
        }
    }
}
