//! One change as one line of JSON.
//!
//! ```json
//! {"change":"add","reference":URL,"identifier":BASE64,"title":TEXT,"content":TEXT,"fields":{"NAME":["value",...]}}
//! {"change":"delete","reference":URL,"identifier":BASE64}
//! ```
//!
//! `change` is `add`, `update` (the whole document again) or `delete`. `title` is empty if there is none: a reader finds a text in any case. Fields stand
//! in the order of their first value, the values of one name together. A body that is not text is a file of its own:
//! `"file":{"content_type":TEXT,"path":PATH}` with the path relative to the directory of this file.

use super::{Change, Document};
use std::collections::HashMap;

/// Appends the line of `change`. `file_path` is where the document's file was put, if it has one.
pub(super) fn write(out: &mut Vec<u8>, change: &Change, file_path: Option<&str>) {
    match change {
        Change::Add(document) => write_document(out, "add", document, file_path),
        Change::Update(document) => write_document(out, "update", document, file_path),
        Change::Delete { reference, identifier } => {
            write_names(out, "delete", reference, &identifier.encode());
            out.extend_from_slice(b"}\n");
        }
    }
}

/// How every line begins.
pub(super) const RECORD_BEGINS: &str = "{\"change\":\"";

fn write_document(out: &mut Vec<u8>, change: &str, document: &Document, file_path: Option<&str>) {
    write_names(out, change, &document.reference, &document.identifier.encode());
    out.extend_from_slice(b",\"title\":");
    write_text(out, document.title.as_deref().unwrap_or_default());
    out.extend_from_slice(b",\"content\":");
    write_text(out, &document.content);
    out.extend_from_slice(b",\"fields\":");
    write_fields(out, &document.fields);
    if let (Some(file), Some(path)) = (&document.file, file_path) {
        out.extend_from_slice(b",\"file\":{\"content_type\":");
        write_text(out, &file.content_type);
        out.extend_from_slice(b",\"path\":");
        write_text(out, path);
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
}

/// `{"NAME":["value",...]}`
pub(super) fn write_fields(out: &mut Vec<u8>, fields: &[(String, String)]) {
    out.push(b'{');
    for (at, (name, values)) in gathered(fields).into_iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        write_text(out, name);
        for (at, value) in values.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b":[" } else { b"," });
            write_text(out, value);
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn write_names(out: &mut Vec<u8>, change: &str, reference: &str, identifier: &str) {
    out.extend_from_slice(RECORD_BEGINS.as_bytes());
    out.extend_from_slice(change.as_bytes());
    out.extend_from_slice(b"\",\"reference\":");
    write_text(out, reference);
    out.extend_from_slice(b",\"identifier\":");
    write_text(out, identifier);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text has a form in JSON and a Vec takes every byte");
}

/// The values of each name, names in the order of their first value. A map finds the name, so that a page
/// with a hundred thousand fields costs no more than its length.
fn gathered(fields: &[(String, String)]) -> Vec<(&str, Vec<&str>)> {
    let mut gathered: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places = HashMap::with_capacity(fields.len());
    for (name, value) in fields {
        let place = *places.entry(name.as_str()).or_insert_with(|| {
            gathered.push((name, Vec::new()));
            gathered.len() - 1
        });
        gathered[place].1.push(value);
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delete, document, fields};
    use super::super::{File, Identifier};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn line_of(change: &Change, file_path: Option<&str>) -> String {
        let mut out = Vec::new();
        write(&mut out, change, file_path);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn a_line_is_as_documented() {
        let mut page = document("http://h/?a=1&b=2", "He said \"no\"\n\u{2028}");
        page.fields = fields(&[("b", "1"), ("a", "2"), ("b", "")]);
        let identifier = page.identifier.encode();
        assert_eq!(
            line_of(&Change::Add(page.clone()), None),
            format!(
                "{{\"change\":\"add\",\"reference\":\"http://h/?a=1&b=2\",\"identifier\":\"{identifier}\",\"title\":\"\",\
                 \"content\":\"He said \\\"no\\\"\\n\u{2028}\",\"fields\":{{\"b\":[\"1\",\"\"],\"a\":[\"2\"]}}}}\n"
            )
        );
        assert_eq!(
            line_of(&delete("http://h/?a=1&b=2"), None),
            format!("{{\"change\":\"delete\",\"reference\":\"http://h/?a=1&b=2\",\"identifier\":\"{identifier}\"}}\n")
        );
    }

    #[test]
    fn an_update_is_whole_and_names_its_file() {
        let mut page = document("http://h/a.pdf", "");
        page.title = Some("A".to_owned());
        page.file = Some(File { content_type: "application/pdf".to_owned(), bytes: vec![1] });
        let line: Value =
            serde_json::from_str(&line_of(&Change::Update(page), Some("News.files/1.pdf"))).unwrap_or_default();
        assert_eq!(
            line,
            json!({
                "change": "update", "reference": "http://h/a.pdf", "title": "A", "content": "", "fields": {},
                "identifier": Identifier::new("NEWS", "http://h/a.pdf").encode(),
                "file": {"content_type": "application/pdf", "path": "News.files/1.pdf"},
            })
        );
    }

    proptest! {
        #[test]
        fn any_document_is_one_line_that_reads_back(
            content in any::<String>(), title in any::<Option<String>>(),
            pairs in prop::collection::vec(("[a-c\"\\\\]{0,2}", any::<String>()), 0..8),
        ) {
            let mut page = document("http://h/", &content);
            page.title = title.clone();
            page.fields = pairs.clone();
            let line = line_of(&Change::Add(page), None);
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let line: Value = serde_json::from_str(&line).map_err(|bad| TestCaseError::fail(bad.to_string()))?;
            prop_assert_eq!(line["content"].as_str(), Some(content.as_str()));
            prop_assert_eq!(line["title"].as_str(), Some(title.as_deref().unwrap_or_default()));
            for (name, _) in &pairs {
                let same_name = pairs.iter().filter(|pair| &pair.0 == name);
                let expected: Vec<&str> = same_name.map(|pair| pair.1.as_str()).collect();
                prop_assert_eq!(&line["fields"][name], &json!(expected));
            }
        }
    }
}
