//! The envelope as XML.

use super::Envelope;
use crate::aci::reply::{Content, Element};
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use std::borrow::Cow;
use std::io;

/// The declaration and the root share a line and have single quotes, as the reference prints them (aci.md 1.4):
/// some clients match the prefix literally.
const OPENING: &str =
    "<?xml version='1.0' encoding='UTF-8' ?><autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'>";

pub(super) fn render(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut writer = Writer::new(OPENING.as_bytes().to_vec());
    write_envelope(&mut writer, envelope).expect("writing to memory cannot fail");
    writer.into_inner()
}

fn write_envelope(writer: &mut Writer<Vec<u8>>, envelope: &Envelope<'_>) -> io::Result<()> {
    let names = &envelope.names;
    write_text(writer, names.action, envelope.action)?;
    write_text(writer, names.response, envelope.response)?;
    writer.write_event(Event::Start(BytesStart::new(names.responsedata)))?;
    for element in envelope.responsedata {
        write_element(writer, element)?;
    }
    writer.write_event(Event::End(BytesEnd::new(names.responsedata)))?;
    writer.write_event(Event::End(BytesEnd::new("autnresponse")))
}

fn write_text(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    writer.write_event(Event::Start(BytesStart::new(name)))?;
    writer.write_event(escaped(text))?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// As deep as the tree is, which answers build by hand: a handful of levels.
fn write_element(writer: &mut Writer<Vec<u8>>, element: &Element) -> io::Result<()> {
    let mut start = BytesStart::new(&*element.name);
    for (name, value) in &element.attributes {
        start.push_attribute((&**name, &*carried(value)));
    }
    match &element.content {
        Content::Text(text) if text.is_empty() => return writer.write_event(Event::Empty(start)),
        Content::Elements(children) if children.is_empty() => return writer.write_event(Event::Empty(start)),
        Content::Text(text) => {
            writer.write_event(Event::Start(start))?;
            writer.write_event(escaped(text))?;
        }
        Content::Elements(children) => {
            writer.write_event(Event::Start(start))?;
            for child in children {
                write_element(writer, child)?;
            }
        }
    }
    writer.write_event(Event::End(BytesEnd::new(&*element.name)))
}

/// Quotes stay as they are: in text they need no escape, and descriptions are read by people.
fn escaped(text: &str) -> Event<'_> {
    let text = match carried(text) {
        Cow::Borrowed(text) => quick_xml::escape::partial_escape(text),
        Cow::Owned(text) => Cow::Owned(quick_xml::escape::partial_escape(text).into_owned()),
    };
    Event::Text(BytesText::from_escaped(text))
}

/// `text` with the characters that XML 1.0 cannot carry, escaped or not (section 2.2), replaced by U+FFFD: one of them
/// in a page's title would make the whole answer unreadable.
fn carried(text: &str) -> Cow<'_, str> {
    let is_carried =
        |c: char| !matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
    if text.chars().all(is_carried) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_carried(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}
