//! The wire: what a client sends over HTTP becomes a [`Request`], and the [`Reply`] to it goes back.
//!
//! Every port is a [`Port`], which is bound first and then listened on. Its parts, from the network inwards: `door`
//! accepts connections and watches those whose clients have to say something, `incoming` reads whole requests within
//! limits, and `connection` has each answered; `lines` pass them on to `listener`, the blocking tiny_http loop; `request`
//! gives them a type; a [`Handler`] answers; `render` prints the answer.
//!
//! What a client may rely on: a request that reaches an action is answered with HTTP 200, also if the answer is an
//! error; anything else is refused in plain text that says why. Whatever other clients do, a complete request waits
//! for nothing but a dispatcher.
//!
//! Knows no queue and performs no action.

mod access;
mod actions;
mod budget;
mod certificate;
mod chunked;
mod connection;
mod door;
mod form;
mod forwarded;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guests;
mod head;
mod help;
mod hosts;
mod incoming;
mod journal;
mod lines;
mod listener;
#[cfg(feature = "micro")]
#[doc(hidden)]
pub mod micro;
mod multipart;
mod origins;
mod output;
mod peer;
mod pool;
mod private;
mod queueaction;
mod refusal;
mod render;
mod reply;
mod request;
mod room;
#[cfg(test)]
mod tests;
mod watch;
mod wire;

pub use access::Access;
pub use actions::{
    ACI_ACTIONS, ActionSpec, Form, ParamSpec, SERVICE_ACTIONS, STANDARD_PARAMS, ServiceRequest, Thread, is_parameter,
};
pub use help::{Help, HelpForm, HelpPort};
pub use hosts::HostWatch;
pub use journal::{Answered, Answering, CancelError, ConnectionCounts, Count, DispatcherState, Journal};
pub use origins::Origins;
pub use queueaction::{QueueAction, QueueCommand, Which};
pub use reply::{Element, ErrorCode, Failure, Outcome, Raw, Reply};
pub use request::{FetchAction, FetchRequest, Request};

use crate::action::IsKnown;
use crate::roles::CertificateName;
use crate::stop::StopFlag;
use budget::Budget;
use connection::Shared;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use door::Door;
use journal::Dispatcher;
use lines::{Exchanges, Lines};
use listener::Listener;
use socket2::{Domain, Socket, Type};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers requests, on any of the dispatchers' threads. A panic in it ends the one request.
pub type Handler = Arc<dyn Fn(Request, &Caller) -> Outcome + Send + Sync>;

/// Who asks, and whether the answer is still wanted.
pub struct Caller {
    /// The address at the other end of the connection, which may be a proxy's.
    pub peer: IpAddr,
    /// What the client's certificate says, if it has shown one that was checked.
    pub names: Vec<CertificateName>,
    /// `ActionID`: what the client calls this request.
    pub action_id: Option<String>,
    dispatcher: Arc<Dispatcher>,
}

impl Caller {
    /// Set when the request is cancelled (`CancelACIAction`) or the port is told to end what waits. Whoever asks for it
    /// waits on it, and has to: only then can the request be cancelled, which the service port tells.
    pub fn stop_flag(&self) -> StopFlag {
        self.dispatcher.stop_flag()
    }
}

/// Where a port listens, whom it answers, and its limits. A deadline is for the whole of what it names, not for each packet of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the threads are named after: `aci` or `service`.
    pub name: &'static str,
    /// A name or an address; its first address that can be bound is.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// Who may ask for what.
    pub access: Arc<Access>,
    /// What the port shows and asks if it speaks TLS; it speaks plain HTTP without.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whose pages may read answers.
    pub origins: Origins,
    /// Requests answered at once, at least one.
    pub dispatchers: usize,
    /// Connections open at once.
    pub connections_max: usize,
    /// How many of these only clients on this host may use, so that an operator always gets in.
    pub reserved_for_loopback: usize,
    /// Connections open at once from one address other than this host.
    pub connections_per_address_max: usize,
    /// The request line and the headers.
    pub head_bytes_max: usize,
    /// The body of one request.
    pub body_bytes_max: usize,
    /// What all bodies and replies larger than 64 KiB may hold together.
    pub transit_bytes_max: usize,
    /// For the first byte of a connection, and from a head's first byte to its last.
    pub head_deadline: Duration,
    pub body_deadline: Duration,
    /// For a dispatcher to become free.
    pub answer_deadline: Duration,
    /// For a client to take a reply, beside the time that its length takes at the rate below.
    pub write_deadline: Duration,
    /// The slowest rate at which a client may take a long reply.
    pub write_bytes_per_second_min: usize,
    /// Between two requests of a connection.
    pub idle_deadline: Duration,
    /// The folders, as absolute paths, in which a reply may be written to a file.
    pub output_folders: Vec<PathBuf>,
    /// Whether each request has a line in the log.
    pub log_timing: bool,
    /// Parameters whose values the journal may tell, if they are no secrets.
    pub is_known: IsKnown,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "aci",
            host: "127.0.0.1".to_owned(),
            port: 7006,
            access: Arc::default(),
            tls: None,
            origins: Origins::default(),
            dispatchers: 4,
            connections_max: 512,
            reserved_for_loopback: 8,
            connections_per_address_max: 256,
            head_bytes_max: 128 * 1024,
            body_bytes_max: 10 * 1024 * 1024,
            transit_bytes_max: 64 * 1024 * 1024,
            head_deadline: Duration::from_secs(10),
            body_deadline: Duration::from_mins(1),
            answer_deadline: Duration::from_secs(30),
            write_deadline: Duration::from_secs(30),
            write_bytes_per_second_min: 64 * 1024,
            idle_deadline: Duration::from_mins(1),
            output_folders: Vec::new(),
            log_timing: false,
            is_known: is_parameter,
        }
    }
}

/// Why a port is not open. Nothing has been left behind.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("the host \"{host}\" has no address: {source}")]
    Host { host: String, source: io::Error },
    #[error("{host}:{port} cannot be listened on: {source}")]
    Bind { host: String, port: u16, source: io::Error },
    #[error("the inner socket at {} cannot be used; the directory for temporary files (TMPDIR) must be writable and its path short: {source}", path.display())]
    Inner { path: PathBuf, source: io::Error },
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// An open port. Dropping it closes it.
pub struct Listening {
    door: Door,
    listener: Listener,
    exchanges: Arc<Exchanges>,
}

/// A port that is bound and not yet answered: connections wait until [`Port::listen`].
pub struct Port {
    public: TcpListener,
    address: SocketAddr,
    settings: Settings,
    journal: Arc<Journal>,
}

/// Binds a port. Separate from listening because the port that was taken is part of what is answered.
pub fn bind(settings: Settings) -> Result<Port, ListenError> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let addresses = (host, port).to_socket_addrs();
    let addresses: Vec<SocketAddr> =
        addresses.map_err(|source| ListenError::Host { host: host.to_owned(), source })?.collect();
    let failed = |source| ListenError::Bind { host: host.to_owned(), port, source };
    let public = listen(&addresses).map_err(failed)?;
    let address = public.local_addr().map_err(failed)?;
    let journal = Journal::new(settings.name, settings.dispatchers);
    let journal = Arc::new(journal.logging_timing(settings.log_timing).telling(settings.is_known));
    Ok(Port { public, address, settings, journal })
}

/// Connections that wait to be accepted; the kernel may allow fewer. What finds no place is tried for again by its client
/// after a second, so that a wave of strangers must not fill it.
const BACKLOG: i32 = 4096;

/// As [`TcpListener::bind`], which has a backlog of 128.
fn listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let listen = |address: &SocketAddr| {
        let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
        // A port whose last connections have ended a moment ago can be had again.
        socket.set_reuse_address(true)?;
        // Inherited by every connection. Replies go out in one or two writes: there is nothing to gather.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&(*address).into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Port {
    /// The address that was bound, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the port is doing and has done; it outlives the port.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// Answers the actions of `table`. When this returns, connections are accepted.
    pub fn listen(self, table: &'static [ActionSpec], handler: &Handler) -> Result<Listening, ListenError> {
        let Port { public, settings, journal, .. } = self;
        let dispatchers = settings.dispatchers.max(1);
        let exchanges = Exchanges::new();
        let listener = Listener::start(&journal, &settings, &exchanges, table, handler)?;
        let lines = Lines::open(&listener.path(), (dispatchers / 2).max(1), Arc::clone(&exchanges))
            .map_err(|source| ListenError::Inner { path: listener.path(), source })?;
        let budget = Budget::new(settings.transit_bytes_max);
        let shared = Arc::new(Shared { settings, lines, budget, journal, closing: StopFlag::new() });
        let door = Door::open(public, shared)?;
        Ok(Listening { door, listener, exchanges })
    }
}

impl Listening {
    /// The address that was bound, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Stops accepting, lets the replies to requests that have arrived go out for at most half a second, then ends
    /// every connection and joins every thread. Takes at most about a second, unless a [`Handler`] does not return:
    /// its thread is then left to end with the process.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.door.close(Duration::from_millis(500), || self.exchanges.close());
        self.listener.close(Duration::from_millis(200));
    }
}

/// Joins `threads`, all of which hold a sender of `ended` while they run. Those that have not ended `within` this time
/// are given up, which the log says.
fn join_within(threads: &mut Vec<JoinHandle<()>>, ended: &Receiver<Infallible>, within: Duration) {
    let is_ended = matches!(ended.recv_timeout(within), Err(RecvTimeoutError::Disconnected));
    for thread in threads.drain(..) {
        if is_ended || thread.is_finished() {
            // A panic has been printed already, and there is nobody to pass it on to.
            let _ = thread.join();
        } else {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            log::error!(target: "application", "the thread {name} does not end and is left behind");
        }
    }
}
