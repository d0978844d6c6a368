//! `IdentifiersXML`: documents with metadata that the action adds to them (web-connector.md 1.5). Pure.
//!
//! ```xml
//! <identifiersXML>
//!   <identifier value="BASE64" destination="FOLDER" filename="NAME">
//!     <metadata name="FIELD" value="VALUE"/>
//!     <xmlmetadata><PRICE CURRENCY="EUR"><AMOUNT>5</AMOUNT></PRICE></xmlmetadata>
//!   </identifier>
//! </identifiersXML>
//! ```
//!
//! A document's fields have no structure, so what is nested is named by its path, as IDOL itself names it in IDX:
//! `PRICE/_ATTR_CURRENCY`, `PRICE/AMOUNT`.

use quick_xml::XmlVersion;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// How deep metadata may be nested.
const DEPTH_MAX: usize = 20;
/// Fields of one document.
const FIELDS_MAX: usize = 1_000;

/// One `identifier`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) destination: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) fields: Vec<(String, String)>,
}

/// Where the reading is.
enum Place {
    Outside,
    List,
    Identifier,
    /// Within `metadata`, which is empty.
    Metadata,
    /// Within `xmlmetadata`: the open elements, and the text of the innermost one.
    Structured {
        path: Vec<String>,
        text: String,
    },
}

/// Reads the whole list. The error says what is wrong.
pub(super) fn parse(xml: &str) -> Result<Vec<Entry>, String> {
    let mut reader = Reader::from_str(xml);
    // An empty element is then a start and an end: one way for both.
    reader.config_mut().expand_empty_elements = true;
    let mut place = Place::Outside;
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_read = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) => place = begin(place, &element, &mut entries, is_read)?,
            Event::End(_) => {
                place = match place {
                    Place::Metadata => Place::Identifier,
                    Place::Identifier => Place::List,
                    Place::List => {
                        is_read = true;
                        Place::Outside
                    }
                    Place::Structured { path, text } => end(path, &text, &mut entries)?,
                    Place::Outside => return Err("an element ends that has not begun".to_owned()),
                }
            }
            Event::Text(found) => say(&mut place, &found)?,
            Event::CData(found) => say(&mut place, &found)?,
            Event::GeneralRef(name) => {
                let name: &str = &name;
                let reference = format!("&{name};");
                let text = unescape(&reference).map_err(|error| error.to_string())?;
                say(&mut place, &text)?;
            }
            Event::Eof if matches!(place, Place::Outside) && is_read => return Ok(entries),
            Event::Eof => return Err("it ends before identifiersXML does".to_owned()),
            _ => {}
        }
    }
}

fn begin(place: Place, element: &BytesStart<'_>, entries: &mut Vec<Entry>, is_read: bool) -> Result<Place, String> {
    let name = element.name().as_ref().to_owned();
    let is = |expected: &str| name.eq_ignore_ascii_case(expected);
    match place {
        Place::Outside if is("identifiersXML") && !is_read => Ok(Place::List),
        Place::List if is("identifier") => {
            let value = attribute(element, "value")?.ok_or("an identifier has no attribute value")?;
            let (destination, file_name) = (attribute(element, "destination")?, attribute(element, "filename")?);
            entries.push(Entry { value, destination, file_name, fields: Vec::new() });
            Ok(Place::Identifier)
        }
        Place::Identifier if is("metadata") => {
            let name = attribute(element, "name")?.filter(|name| !name.is_empty());
            let name = name.ok_or("a metadata element has no attribute name")?;
            let value = attribute(element, "value")?.ok_or("a metadata element has no attribute value")?;
            add(entries, name, value)?;
            Ok(Place::Metadata)
        }
        Place::Identifier if is("xmlmetadata") => Ok(Place::Structured { path: Vec::new(), text: String::new() }),
        Place::Structured { mut path, .. } => {
            if path.len() == DEPTH_MAX {
                return Err(format!("metadata is nested more than {DEPTH_MAX} deep"));
            }
            path.push(name);
            for attribute in element.attributes() {
                let attribute = attribute.map_err(|error| error.to_string())?;
                let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| error.to_string())?;
                let field = format!("{}/_ATTR_{}", path.join("/"), attribute.key.as_ref());
                add(entries, field, value.into_owned())?;
            }
            Ok(Place::Structured { path, text: String::new() })
        }
        _ => Err(format!("the element {name} has no place there")),
    }
}

/// Leaves the innermost element of structured metadata, or the metadata itself.
fn end(mut path: Vec<String>, text: &str, entries: &mut [Entry]) -> Result<Place, String> {
    if path.is_empty() {
        return Ok(Place::Identifier);
    }
    let text = text.trim();
    if !text.is_empty() {
        add(entries, path.join("/"), text.to_owned())?;
    }
    path.pop();
    Ok(Place::Structured { path, text: String::new() })
}

fn say(place: &mut Place, found: &str) -> Result<(), String> {
    match place {
        Place::Structured { text, .. } => text.push_str(found),
        _ if found.trim().is_empty() => {}
        _ => return Err(format!("the text \"{}\" has no place there", found.trim())),
    }
    Ok(())
}

fn add(entries: &mut [Entry], name: String, value: String) -> Result<(), String> {
    let entry = entries.last_mut().ok_or("there is metadata without an identifier")?;
    if entry.fields.len() == FIELDS_MAX {
        return Err(format!("an identifier has more than {FIELDS_MAX} fields"));
    }
    entry.fields.push((name, value));
    Ok(())
}

fn attribute(element: &BytesStart<'_>, wanted: &str) -> Result<Option<String>, String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.as_ref().eq_ignore_ascii_case(wanted) {
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| error.to_string())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everything_of_the_form_is_read() {
        let xml = "<?xml version='1.0'?>\n<identifiersXML>\n <identifier value=\"A&amp;=\" destination='in/x' filename='f'>\n\
                   <metadata name='M' value='1 &lt; 2'/><xmlmetadata><PRICE CURRENCY='EUR'><AMOUNT>5 &amp; 6</AMOUNT><NOTE/>\
                   </PRICE></xmlmetadata></identifier><identifier value='B'/></identifiersXML>";
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let first = Entry {
            value: "A&=".to_owned(),
            destination: Some("in/x".to_owned()),
            file_name: Some("f".to_owned()),
            fields: vec![field("M", "1 < 2"), field("PRICE/_ATTR_CURRENCY", "EUR"), field("PRICE/AMOUNT", "5 & 6")],
        };
        assert_eq!(parse(xml), Ok(vec![first, Entry { value: "B".to_owned(), ..Entry::default() }]));
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let deep = format!("{}{}", "<a>".repeat(21), "</a>".repeat(21));
        let deep = format!(
            "<identifiersXML><identifier value='A'><xmlmetadata>{deep}</xmlmetadata></identifier></identifiersXML>"
        );
        let cases = [
            ("", "ends before"),
            ("<identifiersXML>", "ends before"),
            ("<other/>", "the element other has no place"),
            ("<identifiersXML><identifier/></identifiersXML>", "no attribute value"),
            ("<identifiersXML>text</identifiersXML>", "has no place there"),
            ("<identifiersXML/><identifiersXML/>", "has no place there"),
            (
                "<identifiersXML><identifier value='A'><metadata value='x'/></identifier></identifiersXML>",
                "attribute name",
            ),
            (deep.as_str(), "nested more than 20 deep"),
        ];
        for (xml, reason) in cases {
            assert!(parse(xml).is_err_and(|why| why.contains(reason)), "{xml}: {:?}", parse(xml));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(<identifiersXML>|<identifier value='a'>|</|>|<xmlmetadata>|[a-z<&;/'=]){0,12}") {
            let _ = parse(&text);
        }
    }
}
