//! The client's sockets. Each is registered with the [`StopFlag`] before it connects, so that Stop wakes whatever
//! waits on it: connecting, TLS, sending, the head, the body.
//!
//! The traits are those of the HTTP library's module without a stability promise; its version is pinned.

use super::error::{ClientError, Phase, Reset, Stale};
use super::names::{Asker, Names, NamesError};
use super::proxy::{Proxies, Proxy, ProxyKind};
use super::reach::Reach;
use super::tls::{TlsConnector, TlsTransport};
use crate::stop::{Registration, StopFlag};
use socket2::{Domain, Protocol, Socket, Type};
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
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

/// The library keeps room for this many addresses of a host.
const ADDRESSES_MAX: usize = 16;
/// How far a socket's timeout may lie behind the deadline before it is set anew: a system call per read is saved.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);

/// Where a URL leads, as the resolver and the connector see it.
struct Target<'a> {
    /// An address of IPv6 without its brackets.
    host: &'a str,
    port: u16,
    is_https: bool,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Result<Target<'a>, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Ok(Target { host, port, is_https })
    }
}

/// Answers from [`Names`], under the flag: the addresses of the proxy where there is one, and of the host otherwise.
pub(super) struct FlaggedResolver {
    pub(super) names: Arc<Names>,
    pub(super) asker: Asker,
    pub(super) proxies: Arc<Proxies>,
    pub(super) stop: StopFlag,
}

impl Resolver for FlaggedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let target = Target::of(uri)?;
        let proxy = self.proxies.of(target.is_https, target.host);
        let (host, port) = proxy.map_or((target.host, target.port), |proxy| (proxy.host.as_str(), proxy.port));
        let addresses = self.names.resolve(host, *timeout.after, &self.stop, self.asker).map_err(|error| {
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

/// Opens sockets under the flag, to the host or to its proxy, and, for https, agrees on TLS over them.
pub(super) struct FlaggedConnector {
    pub(super) stop: StopFlag,
    pub(super) proxies: Arc<Proxies>,
    pub(super) reach: Reach,
    pub(super) tls: TlsConnector,
}

impl Connector<()> for FlaggedConnector {
    type Out = Either<Flagged, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let target = Target::of(details.uri)?;
        self.connect_target(&target, details).map(Some).map_err(ClientError::into_ureq)
    }
}

impl FlaggedConnector {
    fn connect_target(
        &self,
        target: &Target<'_>,
        details: &ConnectionDetails,
    ) -> Result<Either<Flagged, TlsTransport>, ClientError> {
        let deadline = deadline(*details.timeout.after);
        let mut tcp = self.connect_any(target, details, deadline)?;
        match self.proxies.of(target.is_https, target.host) {
            Some(proxy) if target.is_https || proxy.kind == ProxyKind::Socks5 => {
                let host = details.uri.host().unwrap_or(target.host);
                let opened = proxy.tunnel(&mut tcp, host, target.port, deadline);
                // A handshake that Stop broke off looks like a refusal.
                self.stop.check().map_err(|_| ClientError::Stopped)?;
                opened?;
            }
            Some(proxy) => tcp.forward = Some(Forward::new(details.uri, proxy)),
            None => {}
        }
        if !target.is_https {
            return Ok(Either::A(tcp));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.tls.connect(target.host, tcp, details, left).map(Either::B)
    }

    /// Tries the addresses in turn. Each gets an even share of the time that is left, so that one which swallows packets
    /// does not keep the others from being tried.
    fn connect_any(
        &self,
        target: &Target<'_>,
        details: &ConnectionDetails,
        deadline: Instant,
    ) -> Result<Flagged, ClientError> {
        let mut result = Err(ClientError::Timeout { phase: Phase::Connect });
        for (tried, &address) in details.addrs.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if !self.reach.includes(address.ip()) {
                result = Err(ClientError::Private { host: target.host.to_owned(), address: address.ip() });
                continue;
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

/// What a proxy that takes requests itself wants in their heads (RFC 9112 3.2.2): the library writes those for a server.
struct Forward {
    /// Stands before the path: `http://host:port`.
    origin: String,
    authorization: Option<String>,
}

impl Forward {
    fn new(uri: &Uri, proxy: &Proxy) -> Forward {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        Forward { origin: format!("http://{authority}"), authorization: proxy.basic() }
    }

    /// The start of a request that begins with `GET /path HTTP/1.1`.
    fn rewrite(&self, head: &[u8]) -> Vec<u8> {
        let path = memchr::memchr(b' ', head).map_or(0, |space| space + 1);
        let line_end = memchr::memmem::find(head, b"\r\n").map_or(head.len(), |end| end + 2);
        let mut rewritten = Vec::with_capacity(head.len() + 256);
        rewritten.extend_from_slice(&head[..path]);
        rewritten.extend_from_slice(self.origin.as_bytes());
        rewritten.extend_from_slice(&head[path..line_end]);
        if let Some(value) = &self.authorization {
            rewritten.extend_from_slice(format!("Proxy-Authorization: {value}\r\n").as_bytes());
        }
        rewritten.extend_from_slice(&head[line_end..]);
        rewritten
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
    /// The proxy takes requests itself.
    forward: Option<Forward>,
    /// What is sent next begins a request.
    at_head: bool,
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
            forward: None,
            at_head: true,
            _registration: registration,
        })
    }

    /// Sends bytes of a handshake with a proxy.
    pub(super) fn send_whole(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        write_all(&mut self.stream, &mut self.write_timeout, bytes, deadline)
            .map_err(|error| handshake_error(error, deadline))
    }

    /// Fills `bytes` with what a proxy answers in a handshake, and takes nothing beyond.
    pub(super) fn receive_exactly(&mut self, bytes: &mut [u8], deadline: Instant) -> Result<(), ClientError> {
        let mut filled = 0;
        while filled < bytes.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let read = if left.is_zero() {
                Err(io::ErrorKind::TimedOut.into())
            } else {
                set_timeout(&mut self.read_timeout, left, |timeout| self.stream.set_read_timeout(timeout))
                    .and_then(|()| self.stream.read(&mut bytes[filled..]))
            };
            match read {
                Ok(0) => return Err(handshake_error(io::Error::other("it closed the connection"), deadline)),
                Ok(read) => filled += read,
                Err(error) if is_retryable(&error) => {}
                Err(error) => return Err(handshake_error(error, deadline)),
            }
        }
        Ok(())
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
            set_timeout(&mut self.read_timeout, left, |timeout| self.stream.set_read_timeout(timeout))?;
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
        let begins = std::mem::take(&mut self.at_head);
        let rewritten = self.forward.as_ref().filter(|_| begins).map(|forward| {
            let head = &self.buffers.output()[..amount];
            forward.rewrite(head)
        });
        let output = rewritten.as_deref().unwrap_or_else(|| &self.buffers.output()[..amount]);
        let sent = write_all(&mut self.stream, &mut self.write_timeout, output, deadline);
        match sent {
            Ok(()) => Ok(()),
            // The phase is known here only.
            Err(error) if error.kind() == io::ErrorKind::TimedOut && Instant::now() >= deadline => {
                Err(ClientError::Timeout { phase: Phase::Send }.into_ureq())
            }
            Err(error) => Err(self.broken(error)),
        }
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
        self.at_head = true;
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

/// Sends all bytes, or fails with `TimedOut` at the deadline.
fn write_all(
    stream: &mut TcpStream,
    write_timeout: &mut Option<Duration>,
    bytes: &[u8],
    deadline: Instant,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        set_timeout(write_timeout, left, |timeout| stream.set_write_timeout(timeout))?;
        match stream.write(&bytes[sent..]) {
            Ok(written) => sent += written,
            Err(error) if is_retryable(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn handshake_error(error: io::Error, deadline: Instant) -> ClientError {
    if Instant::now() >= deadline {
        return ClientError::Timeout { phase: Phase::Connect };
    }
    ClientError::Broken { phase: Phase::Connect, source: error }
}

/// Sets a socket's timeout anew where the one that is `set` is too short, or too long by much.
fn set_timeout(
    set: &mut Option<Duration>,
    left: Duration,
    apply: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    if set.is_none_or(|set| set < left || set > left + TIMEOUT_SLACK) {
        apply(Some(left))?;
        *set = Some(left);
    }
    Ok(())
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
