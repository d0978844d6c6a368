//! A change as one `DOCUMENT` element (web-connector.md 5.2), one a line.
//!
//! ```xml
//! <DOCUMENT change="add"><DREREFERENCE>URL</DREREFERENCE><DRETITLE>…</DRETITLE><NAME>value</NAME>…<DRECONTENT>…</DRECONTENT></DOCUMENT>
//! ```
//!
//! The file only grows, so that it has no root element: it is an external parsed entity (XML 1.0, 4.3.2), which a reader
//! includes in a document or puts a root around. A delete has the reference and the identifier and nothing else.

use super::{Change, Document, Identifier, xml};

pub(super) const RECORD_BEGINS: &str = "<DOCUMENT change=\"";
/// Stands nowhere else: text is escaped.
pub(super) const RECORD_ENDS: &str = "</DOCUMENT>\n";

/// Appends `change`. `file_path` is where the document's file was put, if it has one.
pub(super) fn write(out: &mut Vec<u8>, change: &Change, file_path: Option<&str>) {
    let mut line = String::new();
    match change {
        Change::Add(document) => write_document(&mut line, "add", document, file_path),
        Change::Update(document) => write_document(&mut line, "update", document, file_path),
        Change::Delete { reference, identifier } => write_names(&mut line, "delete", reference, identifier),
    }
    line.push_str(RECORD_ENDS);
    out.extend_from_slice(line.as_bytes());
}

fn write_document(out: &mut String, change: &str, document: &Document, file_path: Option<&str>) {
    write_names(out, change, &document.reference, &document.identifier);
    if let Some(title) = &document.title {
        write_element(out, "DRETITLE", title);
    }
    for (name, value) in document.plain_fields() {
        write_element(out, &element_name(name), value);
    }
    if let Some(path) = file_path {
        write_element(out, "DREFILENAME", path);
    }
    write_element(out, "DRECONTENT", &document.content);
}

fn write_names(out: &mut String, change: &str, reference: &str, identifier: &Identifier) {
    out.push_str(RECORD_BEGINS);
    out.push_str(change);
    out.push_str("\">");
    write_element(out, "DREREFERENCE", reference);
    write_element(out, "AUTN_IDENTIFIER", &identifier.encode());
}

fn write_element(out: &mut String, name: &str, text: &str) {
    for part in ["<", name, ">"] {
        out.push_str(part);
    }
    xml::escape(out, text);
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

/// What a name of an element cannot hold becomes `_`; one that it cannot begin with gets one before it.
fn element_name(field: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = field.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins_well { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delete, document, fields};
    use super::*;

    #[test]
    fn a_change_is_one_element_on_one_line() {
        let mut page = document("http://h/?a=1&b=2", "one\ntwo </DOCUMENT> \u{1}");
        page.title = Some("A < B".to_owned());
        page.fields = fields(&[("OG:TYPE", "x"), ("1ST", "y"), ("DREREFERENCE", "http://elsewhere/")]);
        let mut out = Vec::new();
        write(&mut out, &Change::Add(page.clone()), Some("news.files/1.pdf"));
        let identifier = page.identifier.encode();
        let expected = format!(
            "<DOCUMENT change=\"add\"><DREREFERENCE>http://h/?a=1&amp;b=2</DREREFERENCE>\
             <AUTN_IDENTIFIER>{identifier}</AUTN_IDENTIFIER><DRETITLE>A &lt; B</DRETITLE><OG_TYPE>x</OG_TYPE><_1ST>y</_1ST>\
             <DREFILENAME>news.files/1.pdf</DREFILENAME>\
             <DRECONTENT>one&#10;two &lt;/DOCUMENT&gt; </DRECONTENT></DOCUMENT>\n"
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_delete_has_names_only() {
        let mut out = Vec::new();
        write(&mut out, &delete("http://h/"), None);
        let text = String::from_utf8_lossy(&out);
        assert!(text.starts_with("<DOCUMENT change=\"delete\"><DREREFERENCE>http://h/</DREREFERENCE>"), "{text}");
        assert!(!text.contains("DRECONTENT"), "{text}");
    }
}
