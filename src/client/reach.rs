//! Which addresses may be connected to: a connector that lets others submit URLs must not be their way into the
//! network it stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Asked about every address right before it is connected to, after its name was resolved, so that neither a redirect
/// nor a name server that changes its mind gets around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Everywhere,
    /// Only what is reachable from the whole Internet.
    PublicOnly,
}

impl Reach {
    pub(super) fn includes(self, address: IpAddr) -> bool {
        match (self, address) {
            (Reach::Everywhere, _) => true,
            (Reach::PublicOnly, IpAddr::V4(address)) => is_public_v4(address),
            (Reach::PublicOnly, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// By the IANA IPv4 Special-Purpose Address Registry; multicast is no place for a web server either.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // Carrier-grade NAT (RFC 6598).
        || a == 100 && b & 0xc0 == 64
        // Protocol assignments, and the 6to4 relays.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        // Benchmarks (RFC 2544).
        || a == 198 && b & 0xfe == 18
        // Multicast, reserved, broadcast.
        || a >= 224)
}

/// Public is what is global unicast and carries no IPv4 address that is not.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4_of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        // IPv4-mapped (RFC 4291 2.5.5.2).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        // NAT64 (RFC 6052).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => is_public_v4(v4_of(high, low)),
        // Protocol assignments, Teredo among them; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Everything else outside of 2000::/3 is local, multicast, unspecified, NAT64 for local use, or not assigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for (text, is_public) in [
            ("93.184.216.34", true),
            ("8.8.8.8", true),
            ("172.32.0.1", true),
            ("100.128.0.1", true),
            ("198.20.0.1", true),
            ("127.0.0.1", false),
            ("127.255.255.255", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:2800:220:1::1", true),
            ("2001:4860:4860::8888", true),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.1.2.3", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::a00:1", false),
            ("2002:7f00:1::", false),
            ("2002:808:808::", true),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("ff02::1", false),
        ] {
            let address: IpAddr = text.parse().expect("the table holds addresses");
            assert_eq!(Reach::PublicOnly.includes(address), is_public, "{text}");
            assert!(Reach::Everywhere.includes(address));
        }
    }
}
