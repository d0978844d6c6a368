//! The token a client holds for an action.

use super::QueueName;
use super::params::FromParam;
use crate::time::Moment;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::net::IpAddr;

/// Standard base64 of `IP:ACIPORT:QUEUE:ID`, where ID is 13 digits of epoch milliseconds followed by a signed
/// 32-bit number padded with zeros to 11 characters (aci.md 3.2). Clients treat it as opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

/// The address that tokens name: what the host's name resolves to, and the ACI port.
#[derive(Debug, Clone, Copy)]
pub struct TokenHost {
    pub ip: IpAddr,
    pub port: u16,
}

impl Token {
    /// A new token. `random` tells apart the actions of one millisecond; the queue refuses a repeat.
    pub fn mint(host: TokenHost, queue: &QueueName, queued_at: Moment, random: i32) -> Token {
        let TokenHost { ip, port } = host;
        Token(STANDARD.encode(format!("{ip}:{port}:{queue}:{:013}{random:011}", queued_at.epoch_ms())))
    }

    /// Reads a token in the form of [`Token::mint`], also in the old form with a bare 32-bit ID, also with
    /// its `+` turned to spaces by URL decoding. `None` for anything else.
    pub fn parse(text: &str) -> Option<Token> {
        const TOKEN_BYTES_MAX: usize = 256;
        let text = text.trim_end_matches(['\r', '\n']).replace(' ', "+");
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let plain = String::from_utf8(STANDARD.decode(&text).ok()?).ok()?;
        // From the right: an IPv6 address has colons of its own.
        let mut parts = plain.rsplitn(4, ':');
        let (id, queue, port, ip) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let id_is_digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        (id_is_digits && !queue.is_empty() && port.parse::<u16>().is_ok() && !ip.is_empty()).then_some(Token(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromParam for Token {
    const EXPECTED: &'static str = "a token as action=fetch answered it";

    fn from_param(text: &str) -> Option<Token> {
        Token::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> TokenHost {
        TokenHost { ip: IpAddr::from([10, 15, 75, 239]), port: 7030 }
    }

    #[test]
    fn a_token_has_the_reference_form() {
        let queued_at = Moment::from_epoch_ms(1_667_557_418_363);
        let token = Token::mint(host(), &QueueName::fetch(), queued_at, -1_682_507_182);
        let plain = STANDARD.decode(token.as_str()).unwrap_or_default();
        assert_eq!(plain, b"10.15.75.239:7030:FETCH:1667557418363-1682507182");

        let token = Token::mint(host(), &QueueName::fetch(), Moment::from_epoch_ms(1_667_503_177_886), 1_896_224_071);
        let plain = STANDARD.decode(token.as_str()).unwrap_or_default();
        assert_eq!(plain, b"10.15.75.239:7030:FETCH:166750317788601896224071");
    }

    #[test]
    fn a_token_is_read_back_also_with_its_plus_signs_lost() {
        let token = Token(STANDARD.encode("10.2.105.34:1234:FETCH:1402957368"));
        assert_eq!(Token::parse(token.as_str()), Some(token.clone()));
        assert_eq!(Token::parse(&token.as_str().replace('+', " ")), Some(token));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "x", "aGVsbG8=", "10.0.0.1:7006:FETCH:1", &"A".repeat(1000)] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
