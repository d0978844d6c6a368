//! A connection's bytes in the clear, whether they come as they are or through TLS (rustls).
//!
//! Every deadline is for the whole of what is read or written, in however small pieces it comes, and everything ends
//! when another thread shuts the socket down: that is how the door closes and how it sends away who stalls. Of TLS there
//! is at most one record in memory on the way in, [`BUFFER_BYTES`] on the way out, and while it begins what
//! [`HANDSHAKE_BYTES_MAX`] admits.

use super::peer::Peer;
use crate::stop::StopFlag;
use rustix::net::{RecvFlags, SendFlags};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What of a reply is encrypted before it is sent.
const BUFFER_BYTES: usize = 32 * 1024;
/// What a client may send before it has finished the handshake: its chain of certificates is the larger part.
const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;
/// The first byte of every connection that begins with TLS (RFC 8446 5.1).
const HANDSHAKE_RECORD: u8 = 22;

pub(super) struct Wire {
    peer: Arc<Peer>,
    /// Once it is set nothing more is read.
    closing: StopFlag,
    tls: Option<Box<ServerConnection>>,
}

/// How long reading or writing may wait for the client.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// Not at all (`WouldBlock`). Whatever was not written then cannot be written later.
    Now,
    /// `TimedOut` afterwards.
    Deadline(Instant),
}

/// Why a connection does not become one of TLS. The client has been told as far as TLS can tell it.
#[derive(Debug)]
pub(super) enum HandshakeError {
    Failed(rustls::Error),
    TooLong,
    /// It went, or its time is over.
    Gone,
}

impl Wire {
    /// The bytes as they are.
    pub(super) fn new(peer: Arc<Peer>, closing: StopFlag) -> Wire {
        Wire { peer, closing, tls: None }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether the client's first byte begins TLS.
    pub(super) fn begins_tls(&self, until: Until) -> io::Result<bool> {
        let mut first = [0];
        match self.socket(until).receive(&mut first, RecvFlags::PEEK)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0] == HANDSHAKE_RECORD),
        }
    }

    /// Agrees on TLS, so that what is read and written from now on goes through it. Only at the beginning.
    pub(super) fn secure(&mut self, config: &Arc<ServerConfig>, deadline: Instant) -> Result<(), HandshakeError> {
        let mut socket = self.socket(Until::Deadline(deadline));
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(HandshakeError::Failed)?;
        tls.set_buffer_limit(Some(BUFFER_BYTES));
        let mut received = 0;
        while tls.is_handshaking() {
            match tls.read_tls(&mut socket) {
                Ok(0) | Err(_) => return Err(HandshakeError::Gone),
                Ok(count) => received += count,
            }
            let processed = tls.process_new_packets();
            // Also where it failed: the alert says why.
            let flushed = flush(&mut tls, &mut socket);
            processed.map_err(HandshakeError::Failed)?;
            flushed.map_err(|_| HandshakeError::Gone)?;
            if received > HANDSHAKE_BYTES_MAX {
                return Err(HandshakeError::TooLong);
            }
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// The certificate that the client has shown and that was checked, in DER form.
    pub(super) fn certificate(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Reads what is there, waiting for it `until`. 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8], until: Until) -> io::Result<usize> {
        let mut socket = Socket { stream: &self.peer.stream, closing: &self.closing, until };
        let Some(tls) = &mut self.tls else { return socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // At the end of the connection nothing comes, and the reader above says so.
            tls.read_tls(&mut socket)?;
            let processed = tls.process_new_packets();
            // Answers to what is no data, such as a change of keys.
            flush(tls, &mut socket)?;
            processed.map_err(io::Error::other)?;
        }
    }

    /// Writes all of `bytes`.
    pub(super) fn write(&mut self, mut bytes: &[u8], until: Until) -> io::Result<()> {
        let mut socket = Socket { stream: &self.peer.stream, closing: &self.closing, until };
        let Some(tls) = &mut self.tls else { return socket.write_all(bytes) };
        while !bytes.is_empty() {
            // There is room, as the buffer was flushed.
            let taken = tls.writer().write(bytes)?;
            bytes = &bytes[taken..];
            flush(tls, &mut socket)?;
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub(super) fn finish(&mut self, until: Until) -> io::Result<()> {
        let mut socket = Socket { stream: &self.peer.stream, closing: &self.closing, until };
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, &mut socket)?;
        }
        self.peer.stream.shutdown(Shutdown::Write)
    }

    /// Whether [`Wire::read`] would return something that is on the socket no more.
    pub(super) fn has_read_ahead(&mut self) -> bool {
        let state = self.tls.as_mut().and_then(|tls| tls.process_new_packets().ok());
        state.is_some_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    /// Reads as [`Wire::read`] what nobody needs, so that it is not decrypted either.
    pub(super) fn discard(&mut self, until: Until) -> io::Result<usize> {
        self.socket(until).receive(&mut [0; 8 * 1024], RecvFlags::empty())
    }

    fn socket(&self, until: Until) -> Socket<'_> {
        Socket { stream: &self.peer.stream, closing: &self.closing, until }
    }
}

fn flush(tls: &mut ServerConnection, socket: &mut Socket<'_>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

/// The socket, and how long what is going on may wait.
struct Socket<'a> {
    stream: &'a TcpStream,
    closing: &'a StopFlag,
    until: Until,
}

impl Socket<'_> {
    fn receive(&self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        loop {
            // The door wakes a reader that waits; one that never has to wait sees the flag here.
            if self.closing.is_set() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            let how = match self.until {
                Until::Now => flags | RecvFlags::DONTWAIT,
                Until::Deadline(deadline) => {
                    self.stream.set_read_timeout(Some(time_left(deadline)?))?;
                    flags
                }
            };
            match rustix::net::recv(self.stream, &mut *buffer, how) {
                Ok((count, _)) => return Ok(count),
                Err(error) => self.retry(error.into())?,
            }
        }
    }

    /// A time that ran out is seen at the next turn.
    fn retry(&self, error: io::Error) -> io::Result<()> {
        match (error.kind(), self.until) {
            (ErrorKind::Interrupted, _) | (ErrorKind::WouldBlock | ErrorKind::TimedOut, Until::Deadline(_)) => Ok(()),
            _ => Err(error),
        }
    }
}

/// A timeout of zero would mean none at all.
fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer, RecvFlags::empty())
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let how = match self.until {
                Until::Now => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
                Until::Deadline(deadline) => {
                    self.stream.set_write_timeout(Some(time_left(deadline)?))?;
                    SendFlags::NOSIGNAL
                }
            };
            match rustix::net::send(self.stream, bytes, how) {
                Ok(count) => return Ok(count),
                Err(error) => self.retry(error.into())?,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
