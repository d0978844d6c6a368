//! Headers that a task's configuration adds to its requests.

use ureq::http::{HeaderName, HeaderValue, header};

/// A field of the configuration: `Accept-Language: de`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// Why a text is no such field. The value, which may be a secret, is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("a name, a colon and a value, such as Accept-Language: de")]
    NoField,
    #[error("a name of letters, digits and hyphens before the colon")]
    Name,
    #[error("a value without control characters")]
    Value,
    /// It would contradict what the client says itself.
    #[error("another header: {0} is set by the connector ({1})")]
    Taken(&'static str, &'static str),
}

/// What the client has to say itself, and what to set in its place.
const TAKEN: [(HeaderName, &str, &str); 13] = [
    (header::HOST, "Host", "it follows from the URL"),
    (header::CONTENT_LENGTH, "Content-Length", "it follows from the body"),
    (header::TRANSFER_ENCODING, "Transfer-Encoding", "it follows from the body"),
    (header::CONNECTION, "Connection", "connections are kept"),
    (header::UPGRADE, "Upgrade", "connections stay what they are"),
    (header::TE, "TE", "connections stay what they are"),
    (header::EXPECT, "Expect", "it follows from the body"),
    (header::ACCEPT_ENCODING, "Accept-Encoding", "all codings that can be undone are accepted"),
    (header::USER_AGENT, "User-Agent", "use UserAgent"),
    (header::COOKIE, "Cookie", "use Cookie0"),
    (header::PROXY_AUTHORIZATION, "Proxy-Authorization", "use ProxyUsername and ProxyPassword"),
    (header::IF_NONE_MATCH, "If-None-Match", "the datastore knows what is new"),
    (header::IF_MODIFIED_SINCE, "If-Modified-Since", "the datastore knows what is new"),
];

impl ExtraHeader {
    pub fn parse(text: &str) -> Result<ExtraHeader, BadHeader> {
        let (name, value) = text.split_once(':').ok_or(BadHeader::NoField)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| BadHeader::Name)?;
        if let Some((_, taken, why)) = TAKEN.iter().find(|(taken, ..)| *taken == name) {
            return Err(BadHeader::Taken(taken, why));
        }
        let mut value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| BadHeader::Value)?;
        // The value may be a key to something: nothing prints it.
        value.set_sensitive(true);
        Ok(ExtraHeader { name, value })
    }

    /// Whether every server may see it. Anything may be a key, except for what says which form of a page is wanted.
    pub fn is_public(&self) -> bool {
        self.name.as_str().starts_with("accept")
    }

    /// Of a public one: what it says.
    pub fn public_text(&self) -> Option<String> {
        self.is_public().then(|| format!("{}: {}", self.name, String::from_utf8_lossy(self.value.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_or_refused_without_its_value() {
        for (text, expected) in [
            ("Accept-Language: de", Ok(true)),
            ("X-Api-Key:secret", Ok(false)),
            ("Authorization: Bearer a:b", Ok(false)),
            ("X-Empty:", Ok(false)),
            ("no field", Err(BadHeader::NoField)),
            ("two words: x", Err(BadHeader::Name)),
            (": x", Err(BadHeader::Name)),
            ("X: a\r\nY: b", Err(BadHeader::Value)),
            ("host: x", Err(BadHeader::Taken("Host", "it follows from the URL"))),
            ("Cookie: secret=1", Err(BadHeader::Taken("Cookie", "use Cookie0"))),
        ] {
            let header = ExtraHeader::parse(text);
            assert_eq!(header.as_ref().map(ExtraHeader::is_public), expected.as_ref().copied(), "{text:?}");
            assert!(!format!("{header:?}").contains("secret"), "{header:?}");
        }
        let public = ExtraHeader::parse("ACCEPT: text/html").ok().and_then(|header| header.public_text());
        assert_eq!(public.as_deref(), Some("accept: text/html"));
    }
}
