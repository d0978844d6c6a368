//! Ways to a host: its name resolved, its addresses tried, a proxy asked, TLS agreed on.

use super::connection::Connection;
use super::error::{ClientError, Phase};
use super::names::{Asker, Names, NamesError};
use super::proxy::{Proxies, ProxyKind};
use super::reach::Reach;
use super::request::Forward;
use super::socket::Flagged;
use super::tls::TlsConnector;
use crate::stop::StopFlag;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 16;

/// Opens connections under the flag, to the host or to its proxy.
pub(super) struct Connector {
    pub(super) stop: StopFlag,
    pub(super) names: Arc<Names>,
    pub(super) asker: Asker,
    pub(super) proxies: Proxies,
    pub(super) reach: Reach,
    pub(super) tls: TlsConnector,
    /// For resolving the name, and again for everything until the connection can carry a request.
    pub(super) timeout: Duration,
}

impl Connector {
    /// A connection that can carry a request for `url` until `deadline`.
    pub(super) fn open(&self, url: &Url, deadline: Instant) -> Result<Connection, ClientError> {
        let bracketed = url
            .host_str()
            .ok_or_else(|| ClientError::Url { url: url.to_string(), why: "it names no host".to_owned() })?;
        let host = bracketed.trim_start_matches('[').trim_end_matches(']');
        let is_https = url.scheme() == "https";
        let port = url.port_or_known_default().unwrap_or(80);
        let proxy = self.proxies.of(is_https, host);
        let next = proxy.map_or((host, port), |proxy| (proxy.host.as_str(), proxy.port));
        let addresses = self.resolve(next.0, next.1, self.until(deadline))?;

        let until = self.until(deadline);
        let mut tcp = self.connect(next.0, &addresses, until)?;
        tcp.set_deadline(until);
        let mut forward = None;
        match proxy {
            Some(proxy) if is_https || proxy.kind == ProxyKind::Socks5 => {
                let opened = proxy.tunnel(&mut tcp, bracketed, port);
                // A handshake that Stop broke off looks like a refusal.
                self.stop.check().map_err(|_| ClientError::Stopped)?;
                opened?;
            }
            Some(proxy) => forward = Some(Forward { authorization: proxy.basic() }),
            None => {}
        }
        let mut connection =
            if is_https { Connection::over_tls(self.tls.connect(host, tcp)?) } else { Connection::plain(tcp, forward) };
        connection.set_deadline(deadline);
        Ok(connection)
    }

    fn until(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.timeout)
    }

    fn resolve(&self, host: &str, port: u16, until: Instant) -> Result<Vec<SocketAddr>, ClientError> {
        let left = until.saturating_duration_since(Instant::now());
        let addresses = self.names.resolve(host, left, &self.stop, self.asker).map_err(|error| match error {
            NamesError::Stopped => ClientError::Stopped,
            NamesError::Timeout => ClientError::Timeout { phase: Phase::Resolve },
            NamesError::Failed(source) => ClientError::Resolve { host: host.to_owned(), source },
        })?;
        Ok(addresses.iter().take(ADDRESSES_MAX).map(|address| SocketAddr::new(*address, port)).collect())
    }

    /// Tries the addresses in turn. Each gets an even share of the time that is left, so that one which swallows packets
    /// does not keep the others from being tried.
    fn connect(&self, host: &str, addresses: &[SocketAddr], until: Instant) -> Result<Flagged, ClientError> {
        let mut result = Err(ClientError::Timeout { phase: Phase::Connect });
        for (tried, &address) in addresses.iter().enumerate() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if !self.reach.includes(address.ip()) {
                result = Err(ClientError::Private { host: host.to_owned(), address: address.ip() });
                continue;
            }
            let shares = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            result = Flagged::connect(address, left / shares, &self.stop);
            // An attempt that Stop broke off looks like a refusal.
            if result.is_ok() || self.stop.is_set() {
                break;
            }
        }
        self.stop.check().map_err(|_| ClientError::Stopped)?;
        result
    }
}
