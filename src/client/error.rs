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

/// A pooled connection turned out to be closed before a byte of the response came: the request was most likely
/// never seen and is worth another connection.
#[derive(Debug, thiserror::Error)]
#[error("the server closed the idle connection")]
pub(super) struct Stale;

/// The connection failed, in a phase that the socket does not know.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Reset(pub(super) io::Error);

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

    /// Hands the error through the HTTP library, which [`ClientError::from_ureq`] gets it back from.
    pub(super) fn into_ureq(self) -> ureq::Error {
        ureq::Error::Other(Box::new(self))
    }

    /// What went wrong in `phase`, unless the error itself knows its phase better.
    pub(super) fn from_ureq(error: ureq::Error, phase: Phase) -> ClientError {
        match error {
            ureq::Error::Other(other) => match other.downcast::<ClientError>() {
                Ok(own) => *own,
                Err(other) => match other.downcast::<Reset>() {
                    Ok(reset) => ClientError::Broken { phase, source: reset.0 },
                    Err(other) => ClientError::Broken { phase, source: io::Error::other(other) },
                },
            },
            ureq::Error::Timeout(_) => ClientError::Timeout { phase },
            ureq::Error::Io(source) => ClientError::Broken { phase, source },
            other => ClientError::Protocol(other.to_string()),
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
