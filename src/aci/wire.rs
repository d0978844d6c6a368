//! A connection's bytes in the clear, whether they come as they are or through TLS (rustls).
//!
//! Every deadline is for the whole of what is read or written, in however small pieces it comes, and everything ends
//! when another thread shuts the socket down: that is how the door closes and how it sends away who stalls. Of TLS there
//! is at most one record in memory on the way in, [`BUFFER_BYTES`] on the way out, and while it begins what
//! [`HANDSHAKE_BYTES_MAX`] admits.

use crate::stop::StopFlag;
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

pub(super) struct Wire<'a> {
    socket: Socket<'a>,
    tls: Option<Box<ServerConnection>>,
}

/// Why a connection does not become one of TLS. The client has been told as far as TLS can tell it.
#[derive(Debug)]
pub(super) enum HandshakeError {
    Failed(rustls::Error),
    TooLong,
    /// It went, or its time is over.
    Gone,
}

impl<'a> Wire<'a> {
    /// The bytes as they are. Once `closing` is set nothing more is read.
    pub(super) fn new(stream: &'a TcpStream, closing: &'a StopFlag) -> Wire<'a> {
        Wire { socket: Socket { stream, closing, deadline: Instant::now() }, tls: None }
    }

    /// Whether the client's first byte, which is waited for until `deadline`, begins TLS.
    pub(super) fn begins_tls(&mut self, deadline: Instant) -> io::Result<bool> {
        self.socket.deadline = deadline;
        let mut first = [0];
        match self.socket.receive(|stream| stream.peek(&mut first))? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0] == HANDSHAKE_RECORD),
        }
    }

    /// Agrees on TLS, so that what is read and written from now on goes through it. Only at the beginning.
    pub(super) fn secure(&mut self, config: &Arc<ServerConfig>, deadline: Instant) -> Result<(), HandshakeError> {
        self.socket.deadline = deadline;
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(HandshakeError::Failed)?;
        tls.set_buffer_limit(Some(BUFFER_BYTES));
        let mut received = 0;
        while tls.is_handshaking() {
            match tls.read_tls(&mut self.socket) {
                Ok(0) | Err(_) => return Err(HandshakeError::Gone),
                Ok(count) => received += count,
            }
            let processed = tls.process_new_packets();
            // Also where it failed: the alert says why.
            let flushed = flush(&mut tls, &mut self.socket);
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

    /// Reads what is there, waiting for it until `deadline` (`TimedOut`). 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.socket.deadline = deadline;
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // At the end of the connection nothing comes, and the reader above says so.
            tls.read_tls(&mut self.socket)?;
            let processed = tls.process_new_packets();
            // Answers to what is no data, such as a change of keys.
            flush(tls, &mut self.socket)?;
            processed.map_err(io::Error::other)?;
        }
    }

    /// Writes all of `bytes` until `deadline` (`TimedOut`).
    pub(super) fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        self.socket.deadline = deadline;
        let Some(tls) = &mut self.tls else { return self.socket.write_all(bytes) };
        while !bytes.is_empty() {
            // There is room, as the buffer was flushed.
            let taken = tls.writer().write(bytes)?;
            bytes = &bytes[taken..];
            flush(tls, &mut self.socket)?;
        }
        Ok(())
    }

    /// Says that nothing more comes, and reads what the client still sends until it closes or `deadline` passes.
    pub(super) fn finish(&mut self, deadline: Instant) -> io::Result<()> {
        self.socket.deadline = deadline;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, &mut self.socket)?;
        }
        self.socket.stream.shutdown(Shutdown::Write)?;
        // Nobody needs it, so it is not decrypted either.
        let mut ignored = [0; 4 * 1024];
        while self.socket.read(&mut ignored)? > 0 {}
        Ok(())
    }
}

fn flush(tls: &mut ServerConnection, socket: &mut Socket<'_>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

/// The socket with the deadline of what is going on.
struct Socket<'a> {
    stream: &'a TcpStream,
    closing: &'a StopFlag,
    deadline: Instant,
}

impl Socket<'_> {
    fn receive(&self, mut read: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            // The door wakes a reader that waits; one that never has to wait sees the flag here.
            if self.closing.is_set() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            self.stream.set_read_timeout(Some(self.time_left()?))?;
            match read(self.stream) {
                Err(error) if is_retried(error.kind()) => {}
                read => return read,
            }
        }
    }

    /// A timeout of zero would mean none at all.
    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
    }
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(|mut stream| stream.read(buffer))
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(Some(self.time_left()?))?;
            let mut stream = self.stream;
            match stream.write(bytes) {
                Err(error) if is_retried(error.kind()) => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A time that ran out is seen at the next turn.
fn is_retried(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
