//! Headers that a task's configuration adds to its requests.

use super::home::Secret;
use super::request::{is_name, is_value};

/// A field of the configuration: `Accept-Language: de`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    /// As it was written.
    pub(super) name: String,
    /// It may be a key to something: nothing prints it.
    pub(super) value: Secret,
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
const TAKEN: [(&str, &str); 13] = [
    ("Host", "it follows from the URL"),
    ("Content-Length", "it follows from the body"),
    ("Transfer-Encoding", "it follows from the body"),
    ("Connection", "connections are kept"),
    ("Upgrade", "connections stay what they are"),
    ("TE", "connections stay what they are"),
    ("Expect", "it follows from the body"),
    ("Accept-Encoding", "all codings that can be undone are accepted"),
    ("User-Agent", "use UserAgent"),
    ("Cookie", "use Cookie0"),
    ("Proxy-Authorization", "use ProxyUsername and ProxyPassword"),
    ("If-None-Match", "the datastore knows what is new"),
    ("If-Modified-Since", "the datastore knows what is new"),
];

impl ExtraHeader {
    pub fn parse(text: &str) -> Result<ExtraHeader, BadHeader> {
        let (name, value) = text.split_once(':').ok_or(BadHeader::NoField)?;
        let (name, value) = (name.trim(), value.trim());
        if !is_name(name) {
            return Err(BadHeader::Name);
        }
        if let Some((taken, why)) = TAKEN.iter().find(|(taken, _)| taken.eq_ignore_ascii_case(name)) {
            return Err(BadHeader::Taken(taken, why));
        }
        if !is_value(value) {
            return Err(BadHeader::Value);
        }
        Ok(ExtraHeader { name: name.to_owned(), value: Secret::new(value) })
    }

    /// Whether every server may see it. Anything may be a key, except for what says which form of a page is wanted.
    pub fn is_public(&self) -> bool {
        self.name.get(.."accept".len()).is_some_and(|start| start.eq_ignore_ascii_case("accept"))
    }

    /// Of a public one: what it says.
    pub fn public_text(&self) -> Option<String> {
        self.is_public().then(|| format!("{}: {}", self.name.to_ascii_lowercase(), self.value.reveal()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_or_refused_without_its_value() {
        for (text, expected) in [
            ("Accept-Language: de", Ok(true)),
            ("X-Api-Key:hunter2", Ok(false)),
            ("Authorization: Bearer a:b", Ok(false)),
            ("X-Empty:", Ok(false)),
            ("no field", Err(BadHeader::NoField)),
            ("two words: x", Err(BadHeader::Name)),
            (": x", Err(BadHeader::Name)),
            ("X: a\r\nY: b", Err(BadHeader::Value)),
            ("host: x", Err(BadHeader::Taken("Host", "it follows from the URL"))),
            ("Cookie: hunter2=1", Err(BadHeader::Taken("Cookie", "use Cookie0"))),
        ] {
            let header = ExtraHeader::parse(text);
            assert_eq!(header.as_ref().map(ExtraHeader::is_public), expected.as_ref().copied(), "{text:?}");
            assert!(!format!("{header:?}").contains("hunter2"), "{header:?}");
        }
        let public = ExtraHeader::parse("ACCEPT: text/html").ok().and_then(|header| header.public_text());
        assert_eq!(public.as_deref(), Some("accept: text/html"));
    }
}
