//! Proxies: which one a request goes through, and asking it for the way to the target.

use super::error::{ClientError, Phase};
use super::home::Credentials;
use super::socket::Flagged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use url::{Host, Url};

/// Largest answer of a proxy to CONNECT.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// A proxy, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub kind: ProxyKind,
    /// A name or an address, this one without brackets.
    pub host: String,
    pub port: u16,
    pub credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// Requests for http pages are sent to it; for https it is asked for a tunnel (CONNECT).
    Http,
    /// RFC 1928; the proxy resolves names.
    Socks5,
}

/// Which requests go through which proxy. The default is: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<Proxy>,
    pub https: Option<Proxy>,
    pub except: NoProxy,
}

/// Hosts that are connected to directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Exception>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    All,
    /// The host of this name and those below it.
    Domain(String),
    /// The addresses that begin with these bits.
    Network(IpAddr, u32),
}

impl Proxy {
    /// Reads `host`, `host:port` or a URL such as `http://user:password@host:port` or `socks5://host`.
    pub fn parse(text: &str) -> Option<Proxy> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&text).ok()?;
        let (kind, port_default) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" | "socks" => (ProxyKind::Socks5, 1080),
            _ => return None,
        };
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let decoded = |text: &str| String::from_utf8(percent_decoded(text)).ok();
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(Credentials {
                user: decoded(user)?,
                password: super::Secret::new(decoded(password.unwrap_or_default())?),
            }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Proxy { kind, host, port: url.port().unwrap_or(port_default), credentials })
    }

    /// How messages name it.
    fn label(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn basic(&self) -> Option<String> {
        let Credentials { user, password } = self.credentials.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
    }

    /// Asks the connected proxy for a way to `host`, an address in brackets if it is of IPv6.
    pub(super) fn tunnel(&self, tcp: &mut Flagged, host: &str, port: u16) -> Result<(), ClientError> {
        match self.kind {
            ProxyKind::Http => self.connect(tcp, host, port),
            ProxyKind::Socks5 => self.socks5(tcp, host, port),
        }
    }

    /// RFC 9110 9.3.6.
    fn connect(&self, tcp: &mut Flagged, host: &str, port: u16) -> Result<(), ClientError> {
        let authorization = self.basic().map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n"));
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
        send(tcp, request.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            // Byte by byte: what follows belongs to the target.
            let mut byte = [0];
            self.receive(tcp, &mut byte)?;
            answer.push(byte[0]);
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(self.refused("its answer to CONNECT has no end", false));
            }
        }
        let status =
            answer.strip_prefix(b"HTTP/1.").and_then(|rest| str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
        match status {
            Some(200..=299_u16) => Ok(()),
            Some(407) => Err(self.refused("it wants ProxyUsername and ProxyPassword, or others (407)", false)),
            Some(status) => {
                let is_transient = matches!(status, 408 | 429 | 500 | 502 | 503 | 504);
                Err(self.refused(&format!("it answers CONNECT with status {status}"), is_transient))
            }
            None => Err(self.refused("it does not speak HTTP", false)),
        }
    }

    /// RFC 1928, and RFC 1929 for the password.
    fn socks5(&self, tcp: &mut Flagged, host: &str, port: u16) -> Result<(), ClientError> {
        let methods: &[u8] = if self.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        send(tcp, methods)?;
        let mut chosen = [0; 2];
        self.receive(tcp, &mut chosen)?;
        match (chosen, &self.credentials) {
            ([5, 0], _) => {}
            ([5, 2], Some(Credentials { user, password })) => {
                let mut message = vec![1];
                for text in [user, password.reveal()] {
                    let length = u8::try_from(text.len());
                    message
                        .push(length.map_err(|_| self.refused("its user name or password has over 255 bytes", false))?);
                    message.extend_from_slice(text.as_bytes());
                }
                send(tcp, &message)?;
                let mut verdict = [0; 2];
                self.receive(tcp, &mut verdict)?;
                if verdict[1] != 0 {
                    return Err(self.refused("it does not accept ProxyUsername and ProxyPassword", false));
                }
            }
            ([5, _], _) => return Err(self.refused("it wants ProxyUsername and ProxyPassword", false)),
            _ => return Err(self.refused("it does not speak SOCKS5", false)),
        }
        let mut request = vec![5, 1, 0];
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(IpAddr::V4(address)) => request.extend([1].iter().chain(&address.octets())),
            Ok(IpAddr::V6(address)) => request.extend([4].iter().chain(&address.octets())),
            Err(_) => {
                let length = u8::try_from(bare.len()).map_err(|_| self.refused("the host name is too long", false))?;
                request.extend([3, length].iter().chain(bare.as_bytes()));
            }
        }
        request.extend(port.to_be_bytes());
        send(tcp, &request)?;
        let mut reply = [0; 4];
        self.receive(tcp, &mut reply)?;
        if reply[1] != 0 {
            let (why, is_transient) = match reply[1] {
                1 => ("it failed", true),
                2 => ("its rules do not allow it", false),
                3 => ("the network is unreachable", true),
                4 => ("the host is unreachable", true),
                5 => ("the host refuses the connection", true),
                6 => ("the connection timed out", true),
                _ => ("it cannot do what is asked", false),
            };
            return Err(self.refused(why, is_transient));
        }
        // The address that it connects from, which nobody needs, and its port.
        let address_bytes = match reply[3] {
            1 => 4,
            4 => 16,
            3 => {
                let mut length = [0];
                self.receive(tcp, &mut length)?;
                usize::from(length[0])
            }
            _ => return Err(self.refused("it does not speak SOCKS5", false)),
        };
        self.receive(tcp, &mut vec![0; address_bytes + 2])
    }

    fn refused(&self, why: &str, is_transient: bool) -> ClientError {
        ClientError::Proxy { proxy: self.label(), why: why.to_owned(), is_transient }
    }

    /// Fills `bytes` with what it answers. A connection that ends is its way of saying no.
    fn receive(&self, tcp: &mut Flagged, bytes: &mut [u8]) -> Result<(), ClientError> {
        tcp.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                return self.refused("it closed the connection", true);
            }
            match ClientError::of_io(error, Phase::Connect) {
                ClientError::Broken { source, .. } => self.refused(&source.to_string(), true),
                other => other,
            }
        })
    }
}

fn send(tcp: &mut Flagged, bytes: &[u8]) -> Result<(), ClientError> {
    tcp.write_all(bytes).map_err(|error| ClientError::of_io(error, Phase::Connect))
}

impl Proxies {
    /// Those that the environment names, as curl reads it: `http_proxy` (in capitals it could be a CGI request's
    /// header), `https_proxy`, `all_proxy`, `no_proxy`.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Proxies {
        let any_case = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
        let proxy = |text: Option<String>| {
            let text = text.or_else(|| any_case("all_proxy")).filter(|text| !text.is_empty())?;
            let proxy = Proxy::parse(&text);
            if proxy.is_none() {
                log::warn!("a proxy of the environment is not used: it is neither of http:// nor of socks5://");
            }
            proxy
        };
        let except = any_case("no_proxy").map_or(NoProxy::default(), |list| NoProxy::parse(list.split([',', ' '])));
        Proxies { http: proxy(variable("http_proxy")), https: proxy(any_case("https_proxy")), except }
    }

    /// The proxy for a URL of this scheme and host, an address without brackets.
    pub(super) fn of(&self, is_https: bool, host: &str) -> Option<&Proxy> {
        let proxy = if is_https { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.except.includes(host))
    }

    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

impl NoProxy {
    /// Reads items such as `example.com`, `.example.com`, `*.example.com`, `10.0.0.0/8`, `::1` and `*`. What is none of
    /// these is a name that no host has.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> NoProxy {
        let read = |item: &str| {
            let item = item.trim();
            if item == "*" {
                return Exception::All;
            }
            let (address, bits) = item.split_once('/').map_or((item, None), |(address, bits)| (address, Some(bits)));
            let address = address.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = address.parse::<IpAddr>() {
                let bits_max = if address.is_ipv4() { 32 } else { 128 };
                return Exception::Network(
                    address,
                    bits.and_then(|bits| bits.parse().ok()).unwrap_or(bits_max).min(bits_max),
                );
            }
            let domain = item.trim_start_matches('*').trim_start_matches('.');
            Exception::Domain(Host::parse(domain).map_or(domain.to_ascii_lowercase(), |host| host.to_string()))
        };
        NoProxy(items.into_iter().filter(|item| !item.trim().is_empty()).map(read).collect())
    }

    fn includes(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        self.0.iter().any(|exception| match exception {
            Exception::All => true,
            Exception::Domain(domain) => {
                address.is_none()
                    && host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Exception::Network(network, bits) => match (network, address) {
                (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
                    (u32::from(*network) ^ u32::from(address)).leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
                    (u128::from(*network) ^ u128::from(address)).leading_zeros() >= *bits
                }
                _ => false,
            },
        })
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| crate::url::decode_hex(bytes.get(at + 1..at + 3)?)).flatten();
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_from_a_host_or_a_url() {
        let proxy = |kind, host: &str, port| Proxy { kind, host: host.to_owned(), port, credentials: None };
        for (text, expected) in [
            ("proxy", Some(proxy(ProxyKind::Http, "proxy", 80))),
            ("proxy:3128", Some(proxy(ProxyKind::Http, "proxy", 3128))),
            ("http://10.0.0.1:8080/", Some(proxy(ProxyKind::Http, "10.0.0.1", 8080))),
            ("socks5://[::1]", Some(proxy(ProxyKind::Socks5, "::1", 1080))),
            ("https://proxy", None),
            ("socks4://proxy", None),
            ("http://", None),
            ("", None),
        ] {
            assert_eq!(Proxy::parse(text), expected, "{text}");
        }
        let proxy = Proxy::parse("http://joe:p%40ss@proxy:1").expect("a proxy");
        assert_eq!(proxy.basic(), Some(format!("Basic {}", STANDARD.encode("joe:p@ss"))));
        assert!(!format!("{proxy:?}").contains("p@ss"));
    }

    #[test]
    fn hosts_that_need_no_proxy_are_told_from_those_that_do() {
        let list = NoProxy::parse([
            "example.com",
            " .intra ",
            "*.Bücher.example",
            "10.0.0.0/8",
            "192.168.1.1",
            "fd00::/8",
            "",
        ]);
        for (host, is_excepted) in [
            ("example.com", true),
            ("www.example.com", true),
            ("notexample.com", false),
            ("example.com.evil", false),
            ("wiki.intra", true),
            ("www.xn--bcher-kva.example", true),
            ("10.200.3.4", true),
            ("11.0.0.1", false),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(list.includes(host), is_excepted, "{host}");
        }
        assert!(NoProxy::parse(["*"]).includes("anything"));
    }

    #[test]
    fn the_environment_names_proxies_as_for_curl() {
        let environment = |values: &'static [(&str, &str)]| {
            Proxies::of_environment(move |name| {
                values.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let proxies =
            environment(&[("http_proxy", "one:1"), ("HTTPS_PROXY", "two:2"), ("NO_PROXY", "a.example,b.example")]);
        let host = |proxies: &Proxies, is_https, host: &str| proxies.of(is_https, host).map(|proxy| proxy.host.clone());
        assert_eq!(host(&proxies, false, "c.example").as_deref(), Some("one"));
        assert_eq!(host(&proxies, true, "c.example").as_deref(), Some("two"));
        assert_eq!(host(&proxies, true, "b.example"), None);
        // A CGI request's header becomes this variable.
        assert!(environment(&[("HTTP_PROXY", "evil:1")]).is_empty());
        let all = environment(&[("all_proxy", "socks5://s"), ("https_proxy", "ftp://x")]);
        assert_eq!((host(&all, false, "x").as_deref(), all.https), (Some("s"), None));
    }
}
