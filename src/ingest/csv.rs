//! A change as one record of a CSV file (RFC 4180), with the names of the columns in the first.
//!
//! Every value is in quotes. Records end with CR LF, and line ends within a value are LF alone, so that a record's end
//! stands nowhere else. The last column holds all fields as a JSON object of lists, as in JSON lines: documents differ
//! in their fields, and columns cannot come later.

use super::{Change, Document, jsonl};

/// The first record.
pub(super) const HEADER: &str = "\"change\",\"reference\",\"identifier\",\"title\",\"content\",\"file\",\"fields\"\r\n";
pub(super) const RECORD_ENDS: &str = "\r\n";

/// Appends `change`. `file_path` is where the document's file was put, if it has one.
pub(super) fn write(out: &mut Vec<u8>, change: &Change, file_path: Option<&str>) {
    let (name, reference, identifier) = match change {
        Change::Add(document) => ("add", &document.reference, &document.identifier),
        Change::Update(document) => ("update", &document.reference, &document.identifier),
        Change::Delete { reference, identifier } => ("delete", reference, identifier),
    };
    let (title, content, fields) = match change {
        Change::Add(document) | Change::Update(document) => {
            (document.title.as_deref().unwrap_or_default(), document.content.as_str(), fields_of(document))
        }
        Change::Delete { .. } => ("", "", String::new()),
    };
    let values = [name, reference, &identifier.encode(), title, content, file_path.unwrap_or_default(), &fields];
    for (number, value) in values.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_value(out, value);
    }
    out.extend_from_slice(RECORD_ENDS.as_bytes());
}

fn fields_of(document: &Document) -> String {
    let mut fields = Vec::new();
    jsonl::write_fields(&mut fields, &document.fields);
    String::from_utf8(fields).expect("JSON is UTF-8")
}

fn write_value(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut last = '\0';
    for c in value.chars() {
        match c {
            '"' => out.extend_from_slice(b"\"\""),
            '\r' => out.push(b'\n'),
            '\n' if last == '\r' => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        last = c;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delete, document, fields};
    use super::*;

    #[test]
    fn a_change_is_one_record() {
        let mut page = document("http://h/?a,b", "say \"hi\"\r\nand\rbye\n");
        page.fields = fields(&[("A", "1"), ("B", "2"), ("A", "3")]);
        let mut out = Vec::new();
        write(&mut out, &Change::Update(page.clone()), None);
        write(&mut out, &delete("http://h/"), None);
        let text = String::from_utf8_lossy(&out);
        let records: Vec<&str> = text.split_terminator("\r\n").collect();
        let identifier = page.identifier.encode();
        let expected = format!(
            "\"update\",\"http://h/?a,b\",\"{identifier}\",\"\",\"say \"\"hi\"\"\nand\nbye\n\",\"\",\
             \"{{\"\"A\"\":[\"\"1\"\",\"\"3\"\"],\"\"B\"\":[\"\"2\"\"]}}\""
        );
        assert_eq!(records[0], expected);
        assert!(
            records[1].starts_with("\"delete\",\"http://h/\",") && records[1].ends_with(",\"\",\"\",\"\",\"\""),
            "{}",
            records[1]
        );
    }
}
