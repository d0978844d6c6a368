//! The client's sockets. Each is registered with the [`StopFlag`] before it connects, so that Stop wakes whatever
//! waits on it: connecting, TLS, sending, the head, the body.
//!
//! The traits are those of the HTTP library's module without a stability promise; its version is pinned.

use super::error::{ClientError, Phase, Reset, Stale};
use super::names::{Names, NamesError};
use crate::stop::{Registration, StopFlag};
use socket2::{Domain, Protocol, Socket, Type};
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

/// The library keeps room for this many addresses of a host.
const ADDRESSES_MAX: usize = 16;
/// How far a socket's timeout may lie behind the deadline before it is set anew: a system call per read is saved.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);

/// Answers from [`Names`], under the flag.
pub(super) struct FlaggedResolver {
    pub(super) names: Arc<Names>,
    pub(super) stop: StopFlag,
}

impl Resolver for FlaggedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let addresses = self.names.resolve(host, *timeout.after, &self.stop).map_err(|error| {
            match error {
                NamesError::Stopped => ClientError::Stopped,
                NamesError::Timeout => ClientError::Timeout { phase: Phase::Resolve },
                NamesError::Failed(source) => ClientError::Resolve { host: host.to_owned(), source },
            }
            .into_ureq()
        })?;
        let mut resolved = self.empty();
        for address in addresses.iter().take(ADDRESSES_MAX) {
            resolved.push(SocketAddr::new(*address, port));
        }
        Ok(resolved)
    }
}

impl fmt::Debug for FlaggedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlaggedResolver")
    }
}

/// Opens sockets under the flag and, for https, agrees on TLS over them.
pub(super) struct FlaggedConnector {
    pub(super) stop: StopFlag,
    pub(super) tls: RustlsConnector,
}

impl Connector<()> for FlaggedConnector {
    type Out = Either<Flagged, <RustlsConnector as Connector<Flagged>>::Out>;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let tcp = self.connect_any(details).map_err(ClientError::into_ureq)?;
        if !details.needs_tls() {
            return Ok(Some(Either::A(tcp)));
        }
        let tls = self.tls.connect(details, Some(tcp)).map_err(|error| tls_error(error, details.uri).into_ureq())?;
        Ok(tls.map(Either::B))
    }
}

impl FlaggedConnector {
    /// Tries the addresses in turn. Each gets an even share of the time that is left, so that one which swallows packets
    /// does not keep the others from being tried.
    fn connect_any(&self, details: &ConnectionDetails) -> Result<Flagged, ClientError> {
        let deadline = deadline(*details.timeout.after);
        let mut result = Err(ClientError::Timeout { phase: Phase::Connect });
        for (tried, &address) in details.addrs.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let shares = u32::try_from(details.addrs.len() - tried).unwrap_or(u32::MAX);
            let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
            result = Flagged::connect(address, left / shares, &self.stop, buffers);
            // An attempt that Stop broke off looks like a refusal.
            if result.is_ok() || self.stop.is_set() {
                break;
            }
        }
        self.stop.check().map_err(|_| ClientError::Stopped)?;
        result
    }
}

impl fmt::Debug for FlaggedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlaggedConnector")
    }
}

/// Sorts what the handshake can come to. A refused certificate arrives wrapped in an I/O error.
fn tls_error(error: ureq::Error, uri: &Uri) -> ClientError {
    let host = || uri.host().unwrap_or_default().to_owned();
    match error {
        ureq::Error::Rustls(source) => ClientError::Tls { host: host(), source: Box::new(source) },
        ureq::Error::Tls(why) => ClientError::Tls { host: host(), source: why.into() },
        ureq::Error::Io(source) if source.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) => {
            ClientError::Tls { host: host(), source: Box::new(source) }
        }
        other => match ClientError::from_ureq(other, Phase::Tls) {
            ClientError::Timeout { .. } => ClientError::Timeout { phase: Phase::Tls },
            ClientError::Broken { source, .. } => ClientError::Broken { phase: Phase::Tls, source },
            other => other,
        },
    }
}

/// A TCP connection under the flag.
pub(super) struct Flagged {
    stream: TcpStream,
    buffers: LazyBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// It lay in the pool before this request...
    pooled: bool,
    /// ...and has brought something since.
    answered: bool,
    /// Forgets the socket when the connection is dropped.
    _registration: Registration,
}

impl Flagged {
    fn connect(
        address: SocketAddr,
        timeout: Duration,
        stop: &StopFlag,
        buffers: LazyBuffers,
    ) -> Result<Flagged, ClientError> {
        let refused = |source| ClientError::Connect { address, source };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(refused)?;
        let registration = stop.register(socket.try_clone().map_err(refused)?).map_err(|_| ClientError::Stopped)?;
        // A shutdown wakes the wait inside. One that comes just before it is not lost either: a socket that was
        // shut down for both directions polls as hung up, whatever state it enters later.
        socket.connect_timeout(&address.into(), timeout).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => ClientError::Timeout { phase: Phase::Connect },
            _ => refused(source),
        })?;
        socket.set_tcp_nodelay(true).map_err(refused)?;
        Ok(Flagged {
            stream: socket.into(),
            buffers,
            read_timeout: None,
            write_timeout: None,
            pooled: false,
            answered: false,
            _registration: registration,
        })
    }

    /// What to report when the connection fails.
    fn broken(&self, source: io::Error) -> ureq::Error {
        if self.pooled && !self.answered {
            return ureq::Error::Other(Box::new(Stale));
        }
        // Not as `Error::Io`: the library takes a reset for the end of a body that ends with the connection.
        ureq::Error::Other(Box::new(Reset(source)))
    }

    fn read_some(&mut self, deadline: Instant, timeout: NextTimeout) -> Result<usize, ureq::Error> {
        loop {
            let left = time_left(deadline, timeout)?;
            if needs_setting(self.read_timeout, left) {
                self.stream.set_read_timeout(Some(left))?;
                self.read_timeout = Some(left);
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(read) => return Ok(read),
                Err(error) if is_retryable(&error) => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }
}

impl Transport for Flagged {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let deadline = deadline(*timeout.after);
        let mut sent = 0;
        while sent < amount {
            let left = time_left(deadline, timeout).map_err(|_| {
                // The phase is known here only.
                ClientError::Timeout { phase: Phase::Send }.into_ureq()
            })?;
            if needs_setting(self.write_timeout, left) {
                self.stream.set_write_timeout(Some(left))?;
                self.write_timeout = Some(left);
            }
            match self.stream.write(&self.buffers.output()[sent..amount]) {
                Ok(written) => sent += written,
                Err(error) if is_retryable(&error) => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let read = self.read_some(deadline(*timeout.after), timeout)?;
        if read == 0 && self.pooled && !self.answered {
            return Err(ureq::Error::Other(Box::new(Stale)));
        }
        self.answered |= read > 0;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Asked when a connection goes into the pool and when it is taken out: there must be nothing to read, neither an end
    /// nor bytes that nobody asked for.
    fn is_open(&mut self) -> bool {
        self.pooled = true;
        self.answered = false;
        let silent = |mut stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let read = stream.read(&mut [0]);
            stream.set_nonblocking(false)?;
            io::Result::Ok(matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock))
        };
        silent(&self.stream).unwrap_or(false)
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

fn needs_setting(set: Option<Duration>, left: Duration) -> bool {
    set.is_none_or(|set| set < left || set > left + TIMEOUT_SLACK)
}

fn time_left(deadline: Instant, timeout: NextTimeout) -> Result<Duration, ureq::Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    // Zero would mean "no timeout" to a socket.
    if left.is_zero() { Err(ureq::Error::Timeout(timeout.reason)) } else { Ok(left) }
}

fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    // The library writes "never" as a duration that no clock can hold.
    now.checked_add(after).unwrap_or(now + Duration::from_hours(24))
}
