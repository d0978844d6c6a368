//! Why a request brought no answer.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why a request brought no response that can be believed. An HTTP status is never an error.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The flag was set before the response was complete. Nothing that arrived is believed.
    #[error("stopped")]
    Stopped,
    #[error("{url} cannot be requested: {why}")]
    Url { url: String, why: String },
    /// Not told apart from a name server that does not answer: the system's resolver says both in prose only.
    #[error("the host name {host} cannot be resolved: {source}")]
    Resolve { host: String, source: io::Error },
    /// Every address of the host was tried; this is the last one's accident.
    #[error("no connection to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    /// Every address of the host is one that `AllowPrivateAddresses=FALSE` keeps from being connected to.
    #[error("{host} has the address {address}, which is not public, and AllowPrivateAddresses is FALSE")]
    Private { host: String, address: IpAddr },
    /// The proxy does not open the way to the host.
    #[error("the proxy {proxy} does not connect: {why}")]
    Proxy { proxy: String, why: String, is_transient: bool },
    /// The server's certificate or its side of the handshake is refused.
    #[error("no TLS connection to {host}: {source}")]
    Tls { host: String, source: Box<dyn Error + Send + Sync> },
    #[error("timed out while {phase}")]
    Timeout { phase: Phase },
    /// The connection was closed or reset in the middle; also a body shorter than declared.
    #[error("the connection broke while {phase}: {source}")]
    Broken { phase: Phase, source: io::Error },
    /// What came is no HTTP/1 response, or its head is beyond the limits.
    #[error("no valid HTTP response: {0}")]
    Protocol(String),
    #[error("the body cannot be decoded: {0}")]
    Coding(String),
}

/// What a request was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Resolve,
    Connect,
    Tls,
    Send,
    Head,
    Body,
}

/// What an [`io::Error`] of kind `TimedOut` carries if it was our deadline, and not TCP, that ended the wait.
#[derive(Debug, thiserror::Error)]
#[error("no time is left")]
pub(super) struct NoTimeLeft;

/// What an [`io::Error`] of kind `InvalidData` carries if the server does not keep to HTTP.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

impl NoTimeLeft {
    pub(super) fn error() -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, NoTimeLeft)
    }
}

impl Malformed {
    pub(super) fn error(why: &'static str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Malformed(why))
    }
}

impl ClientError {
    /// Whether the same request may well succeed a little later. What is not transient is wrong on one of both sides
    /// and stays wrong until somebody mends it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Proxy { is_transient, .. } => *is_transient,
            Self::Stopped
            | Self::Url { .. }
            | Self::Private { .. }
            | Self::Tls { .. }
            | Self::Protocol(_)
            | Self::Coding(_) => false,
        }
    }

    /// What went wrong in `phase`.
    pub(super) fn of_io(error: io::Error, phase: Phase) -> ClientError {
        match error.get_ref() {
            Some(inner) if inner.is::<NoTimeLeft>() => ClientError::Timeout { phase },
            Some(inner) if inner.is::<Malformed>() => ClientError::Protocol(inner.to_string()),
            _ => ClientError::Broken { phase, source: error },
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Resolve => "resolving the host name",
            Phase::Connect => "connecting",
            Phase::Tls => "agreeing on TLS",
            Phase::Send => "sending the request",
            Phase::Head => "waiting for the response",
            Phase::Body => "reading the body",
        })
    }
}
