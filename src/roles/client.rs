//! Addresses of clients as a configuration writes them.

use crate::wildcard;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// The addresses of hosts by their names in lower case, as far as they are known.
pub type Hosts = HashMap<String, Vec<IpAddr>>;

/// An item of `Clients`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// `*`
    Everybody,
    /// `localhost`: whoever connects over a loopback address.
    ThisHost,
    /// `10.0.0.0/8`, or one address with all its bits.
    Network { address: IpAddr, bits: u32 },
    /// `187.*.*.*`: the address in its usual form is this text.
    Pattern(String),
    /// The name of a host, in lower case; it stands for the addresses that [`Hosts`] has of it.
    Host(String),
}

impl Client {
    /// Finishes the sentence "expected is …".
    pub const EXPECTED: &'static str = "addresses (10.1.2.3, 187.*.*.*, 10.0.0.0/8, fd00::/8), whole names of hosts, \
        localhost or *, with commas between";

    /// `None` if the text is none of these. A name with wildcards is none: to check it, every client's name would
    /// have to be asked for, of whoever answers for its address.
    pub fn parse(text: &str) -> Option<Client> {
        let text = text.trim();
        if text == "*" {
            return Some(Client::Everybody);
        }
        if text.eq_ignore_ascii_case("localhost") {
            return Some(Client::ThisHost);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address_of(address)?, bits.parse().ok()?);
            return (bits <= bits_of(address)).then_some(Client::Network { address, bits });
        }
        if let Some(address) = address_of(text) {
            return Some(Client::Network { address, bits: bits_of(address) });
        }
        let is_of = |extra: &[u8]| text.bytes().all(|byte| extra.contains(&byte) || b"*?".contains(&byte));
        if text.contains(['*', '?']) {
            let is_address = is_of(b"0123456789.") || text.contains(':') && is_of(b"0123456789abcdefABCDEF:");
            return is_address.then(|| Client::Pattern(text.to_ascii_lowercase()));
        }
        let is_name = text.len() <= 253
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            // Digits and dots alone are a mistyped address.
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then(|| Client::Host(text.to_ascii_lowercase()))
    }

    pub(super) fn includes(&self, ip: IpAddr, hosts: &Hosts) -> bool {
        match self {
            Client::Everybody => true,
            Client::ThisHost => ip.is_loopback(),
            Client::Network { address, bits } => match (address, ip) {
                (IpAddr::V4(network), IpAddr::V4(ip)) => (network.to_bits() ^ ip.to_bits()).leading_zeros() >= *bits,
                (IpAddr::V6(network), IpAddr::V6(ip)) => (network.to_bits() ^ ip.to_bits()).leading_zeros() >= *bits,
                _ => false,
            },
            Client::Pattern(pattern) => wildcard::matches(pattern, &ip.to_string()),
            Client::Host(name) => hosts.get(name).is_some_and(|addresses| addresses.contains(&ip)),
        }
    }

    pub(super) fn host_name(&self) -> Option<&str> {
        match self {
            Client::Host(name) => Some(name),
            _ => None,
        }
    }
}

/// IPv4 addresses in the clothes of IPv6 are IPv4: that is how the door sees them.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn bits_of(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// As a configuration would write it.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Everybody => f.write_str("*"),
            Client::ThisHost => f.write_str("localhost"),
            Client::Network { address, bits } if *bits == bits_of(*address) => write!(f, "{address}"),
            Client::Network { address, bits } => write!(f, "{address}/{bits}"),
            Client::Pattern(text) | Client::Host(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_from_others() {
        let hosts: Hosts = [("monitor.example.com".to_owned(), vec![IpAddr::from([192, 0, 2, 9])])].into();
        for (client, ip, is_included) in [
            ("*", "192.0.2.1", true),
            ("LocalHost", "127.0.0.53", true),
            ("localhost", "::1", true),
            ("localhost", "192.0.2.1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.10", false),
            ("[fd00::1]", "fd00::1", true),
            ("187.*.*.*", "187.1.2.3", true),
            ("187.*.*.*", "18.7.1.2", false),
            ("10.1.2.?", "10.1.2.33", false),
            ("2001:DB8:*", "2001:db8::7", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::a00:1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "fd00::1", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("Monitor.Example.com", "192.0.2.9", true),
            ("monitor.example.com", "192.0.2.8", false),
            ("unknown.example.com", "192.0.2.9", false),
        ] {
            let read = Client::parse(client).expect(client);
            let ip: IpAddr = ip.parse().expect("the table holds addresses");
            assert_eq!(read.includes(ip, &hosts), is_included, "{client} {ip}");
            assert_eq!(Client::parse(&read.to_string()), Some(read), "{client}");
        }
    }

    #[test]
    fn what_is_no_client_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/255.0.0.0",
            "/8",
            "10.0.0",
            "1.2.3.4.5",
            "*.example.com",
            "host:80",
            "http://host",
            "a b",
            "a/8",
            "fe80::1%eth0",
            "büro",
        ] {
            assert_eq!(Client::parse(text), None, "{text}");
        }
    }
}
