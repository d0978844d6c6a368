//! The client's sockets. Each is registered with the [`StopFlag`] before it connects, so that Stop wakes whatever
//! waits on it: connecting, TLS, sending, the head, the body.

use super::error::{ClientError, NoTimeLeft, Phase};
use crate::stop::{Registration, StopFlag};
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How far a socket's timeout may lie behind the deadline before it is set anew: a system call per read is saved.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);

/// A TCP connection under the flag. Reads and writes wait until its deadline and then fail with [`NoTimeLeft`].
pub(super) struct Flagged {
    stream: TcpStream,
    deadline: Instant,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Forgets the socket when the connection is dropped.
    _registration: Registration,
}

impl Flagged {
    /// Connects within `timeout`.
    pub(super) fn connect(address: SocketAddr, timeout: Duration, stop: &StopFlag) -> Result<Flagged, ClientError> {
        let refused = |source| ClientError::Connect { address, source };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(refused)?;
        let registration = stop.register(socket.try_clone().map_err(refused)?).map_err(|_| ClientError::Stopped)?;
        let deadline = Instant::now() + timeout;
        // A shutdown wakes the wait inside. One that comes just before it is not lost either: a socket that was
        // shut down for both directions polls as hung up, whatever state it enters later.
        socket.connect_timeout(&address.into(), timeout).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => ClientError::Timeout { phase: Phase::Connect },
            _ => refused(source),
        })?;
        socket.set_tcp_nodelay(true).map_err(refused)?;
        Ok(Flagged {
            stream: socket.into(),
            deadline,
            read_timeout: None,
            write_timeout: None,
            _registration: registration,
        })
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Whether there is nothing to read, neither an end nor bytes that nobody asked for.
    pub(super) fn is_silent(&self) -> bool {
        let mut byte = [0_u8];
        let seen = recv(&self.stream, &mut byte[..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
        matches!(seen, Err(error) if error == rustix::io::Errno::WOULDBLOCK)
    }

    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // Zero would mean "no timeout" to a socket.
        if left.is_zero() { Err(NoTimeLeft::error()) } else { Ok(left) }
    }
}

impl Read for Flagged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.time_left()?;
            set_timeout(&mut self.read_timeout, left, |timeout| self.stream.set_read_timeout(timeout))?;
            match self.stream.read(buffer) {
                Err(error) if is_retryable(&error) => {}
                read => return read,
            }
        }
    }
}

impl Write for Flagged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let left = self.time_left()?;
            set_timeout(&mut self.write_timeout, left, |timeout| self.stream.set_write_timeout(timeout))?;
            match self.stream.write(bytes) {
                Err(error) if is_retryable(&error) => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Flagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flagged").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The socket's timeout has passed (the deadline is looked at again), or a signal came. Not `TimedOut`: that is TCP
/// giving the connection up, and the read after it would look like a proper end.
fn is_retryable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Sets a socket's timeout anew where the one that is `set` would wait past the deadline, or wake far too often before it.
fn set_timeout(
    set: &mut Option<Duration>,
    left: Duration,
    apply: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    if set.is_none_or(|set| set < left / 2 || set > left + TIMEOUT_SLACK) {
        apply(Some(left))?;
        *set = Some(left);
    }
    Ok(())
}
