//! What names a document to the connector: the field `AUTN_IDENTIFIER`.

use super::xml;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::fmt;

/// A document of a task: standard base64 of `<id s="TASK" r="REFERENCE"/>` (web-connector.md 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// In upper case.
    section: String,
    reference: String,
}

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentifier {
    #[error("an identifier has at most {bytes_max} bytes; this has {bytes}")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("after the | of an identifier only numbers with dots between may follow, not \"{0}\"")]
    SubFile(String),
    #[error("it is not the base64 of a text in UTF-8")]
    NotBase64,
    #[error("its base64 does not hold the XML element id: {0}")]
    NotXml(String),
    #[error("its element id has no attribute {0}")]
    Missing(&'static str),
}

impl Identifier {
    /// `section` is the task's; its case does not matter.
    pub fn new(section: &str, reference: impl Into<String>) -> Identifier {
        Identifier { section: section.to_uppercase(), reference: reference.into() }
    }

    /// The task's section, in upper case.
    pub fn section(&self) -> &str {
        &self.section
    }

    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The form that clients and indexes hold. Characters that XML 1.0 cannot hold are left out; no URL has any.
    pub fn encode(&self) -> String {
        let mut plain = String::with_capacity(self.section.len() + self.reference.len() + 32);
        plain.push_str("<id s=\"");
        xml::escape(&mut plain, &self.section);
        plain.push_str("\" r=\"");
        xml::escape(&mut plain, &self.reference);
        plain.push_str("\"/>");
        STANDARD.encode(plain)
    }

    /// Reads an identifier in any of the forms seen: attributes `s` and `r`, or `section` and `reference`; with the
    /// item type and the properties that other connectors add; with `|1.0.2` behind it, which names a file within
    /// the document (pages have none, so the document is meant); with the `+` of its base64 turned into spaces, or
    /// its padding lost, on the way through a URL.
    pub fn decode(text: &str) -> Result<Identifier, BadIdentifier> {
        const BYTES_MAX: usize = 64 * 1024;
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &ALPHABET,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        if text.len() > BYTES_MAX {
            return Err(BadIdentifier::TooLong { bytes: text.len(), bytes_max: BYTES_MAX });
        }
        // A space at the end is not trimmed: it was a `+`, since the XML ends in `/>`.
        let text = text.trim_start().trim_end_matches(['\r', '\n']);
        let (encoded, sub_file) = text.split_once('|').unwrap_or((text, "0"));
        if !sub_file.split('.').all(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(BadIdentifier::SubFile(sub_file.chars().take(50).collect()));
        }
        let plain = LENIENT.decode(encoded.replace(' ', "+")).map_err(|_| BadIdentifier::NotBase64)?;
        let plain = String::from_utf8(plain).map_err(|_| BadIdentifier::NotBase64)?;
        parse(&plain)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

/// Reads the element `id` at the root; its children are the properties of other connectors and are passed over.
fn parse(plain: &str) -> Result<Identifier, BadIdentifier> {
    let mut reader = Reader::from_str(plain);
    let mut found = None;
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(not_xml)? {
            Event::Start(element) => {
                if depth == 0 {
                    found = Some(root(&element, found.as_ref())?);
                }
                depth += 1;
            }
            Event::Empty(element) if depth == 0 => found = Some(root(&element, found.as_ref())?),
            // The reader has checked that it closes what was opened.
            Event::End(_) => depth -= 1,
            Event::Eof if depth == 0 => {
                return found.ok_or_else(|| BadIdentifier::NotXml("there is no element".to_owned()));
            }
            Event::Eof => return Err(BadIdentifier::NotXml("it ends within an element".to_owned())),
            _ => {}
        }
    }
}

fn root(element: &BytesStart, earlier: Option<&Identifier>) -> Result<Identifier, BadIdentifier> {
    if earlier.is_some() || element.name().as_ref() != "id" {
        let name: String = element.name().as_ref().chars().take(50).collect();
        return Err(BadIdentifier::NotXml(format!("found the element {name} where one id should be alone")));
    }
    let section = attribute(element, ["s", "section"])?;
    let reference = attribute(element, ["r", "reference"])?;
    Ok(Identifier::new(&section, reference))
}

fn attribute(element: &BytesStart, names: [&'static str; 2]) -> Result<String, BadIdentifier> {
    for name in names {
        if let Some(attribute) = element.try_get_attribute(name).map_err(not_xml)? {
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(not_xml)?;
            return match value.chars().find(|found| !xml::can_hold(*found)) {
                Some(found) => Err(not_xml(format!("it has {found:?}, which no XML can hold"))),
                None => Ok(value.into_owned()),
            };
        }
    }
    Err(BadIdentifier::Missing(names[0]))
}

fn not_xml(cause: impl fmt::Display) -> BadIdentifier {
    BadIdentifier::NotXml(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_identifier_has_the_reference_form() {
        let identifier = Identifier::new("News", "http://h/?a=1&b=2");
        let plain = STANDARD.decode(identifier.encode()).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&plain), r#"<id s="NEWS" r="http://h/?a=1&amp;b=2"/>"#);
    }

    #[test]
    fn every_form_seen_is_read() {
        let expected = Identifier::new("MYTASK1", "dbid:1:/doc.pdf?a&b");
        let forms = [
            r#"<id s="MYTASK1" r="dbid:1:/doc.pdf?a&amp;b"/>"#,
            r#"<id t="File" s="mytask1" r="dbid:1:/doc.pdf?a&#38;b"><p n="PATH" v="/doc.pdf"/><p n="UID" v="x"></p></id>"#,
            r#"<id section="MyTask1" reference='dbid:1:/doc.pdf?a&amp;b'><param name="s" value="other"/></id>"#,
            "<?xml version=\"1.0\"?>\n<id r=\"dbid:1:/doc.pdf?a&amp;b\"\n s=\"MYTASK1\"></id>\n",
        ];
        for form in forms {
            let encoded = STANDARD.encode(form);
            let lost_on_the_way = encoded.replace('+', " ");
            let unpadded = encoded.trim_end_matches('=').to_owned();
            for text in
                [encoded.clone(), lost_on_the_way, unpadded, format!("{encoded}|1.0.2"), format!(" {encoded}\n")]
            {
                assert_eq!(Identifier::decode(&text), Ok(expected.clone()), "{form}");
            }
        }
    }

    #[test]
    fn what_is_no_identifier_is_refused_with_the_reason() {
        let of = |plain: &str| Identifier::decode(&STANDARD.encode(plain));
        assert_eq!(Identifier::decode("http://h/"), Err(BadIdentifier::NotBase64));
        assert_eq!(Identifier::decode(&STANDARD.encode([0xff, 0xfe])), Err(BadIdentifier::NotBase64));
        let long = "A".repeat(100_000);
        assert_eq!(Identifier::decode(&long), Err(BadIdentifier::TooLong { bytes: 100_000, bytes_max: 65_536 }));
        let bad_sub_file = format!("{}|1.x", Identifier::new("A", "b").encode());
        assert_eq!(Identifier::decode(&bad_sub_file), Err(BadIdentifier::SubFile("1.x".to_owned())));
        assert_eq!(of(r#"<id s="A"/>"#), Err(BadIdentifier::Missing("r")));
        assert_eq!(of(r#"<id r="A"/>"#), Err(BadIdentifier::Missing("s")));
        let malformed = [
            "",
            "text",
            "<id s='A' r='b'>",
            "<x s='A' r='b'/>",
            "<id s='A' r='b'/><id s='A' r='c'/>",
            "<id s='&x;' r='b'/>",
            // What would be left out when it is written again, and then be the name of another document.
            "<id s='A' r='b\u{c}'/>",
            "<id s='A\u{ffff}' r='b'/>",
            "<id s='A' r='b&#x1f;'/>",
        ];
        for plain in malformed {
            assert!(matches!(of(plain), Err(BadIdentifier::NotXml(_))), "{plain}: {:?}", of(plain));
        }
    }

    proptest! {
        #[test]
        fn an_identifier_is_read_back(section in "[A-Z0-9 _<>&\"'é\t\n\r]{0,20}", reference in any::<String>()) {
            // What XML cannot hold is left out, as documented; URLs have none of it.
            let reference: String = reference.chars().filter(|c| xml::can_hold(*c)).collect();
            let identifier = Identifier::new(&section, reference);
            prop_assert_eq!(Identifier::decode(&identifier.encode()), Ok(identifier));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), plain in "[<>/id srp=\"'&;a-z!?\\[\\]-]{0,60}") {
            let _ = Identifier::decode(&text);
            let _ = Identifier::decode(&STANDARD.encode(plain));
        }
    }
}
