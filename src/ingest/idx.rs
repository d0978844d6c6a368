//! One document in the IDX format (web-connector.md 5.1), for `DREADD` and `DREADDDATA`.
//!
//! A document is lines that begin with `#DRE`; its first names the reference, its last is `#DREENDDOC`. Whatever comes
//! from a page is written so that it can neither end the document nor begin another line of the format.

use super::Document;
use crate::time::Moment;

/// How every document begins.
pub(super) const RECORD_BEGINS: &str = "#DREREFERENCE ";
/// How every document ends, and nothing else can: the blank line comes after the last line.
pub(super) const RECORD_ENDS: &str = "\n#DREENDDOC\n\n";

/// Appends `document`. `file_path` is where its file was put, if it has one: the field `DREFILENAME`.
///
/// Fields named `DREDATE` and `DREDBNAME` become lines of their own, and so does `DRETITLE` if the document has no
/// title; of several values the first is taken, since a document has one of each.
pub(super) fn write(out: &mut Vec<u8>, document: &Document, file_path: Option<&str>) {
    write_line(out, "#DREREFERENCE", &document.reference);
    let first = |wanted: &str| {
        let mut fields = document.plain_fields();
        fields.find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.trim().is_empty()).map(|found| found.1)
    };
    if let Some(title) = document.title.as_deref().or_else(|| first("DRETITLE")) {
        write_line(out, "#DRETITLE", title);
    }
    write_field(out, "AUTN_IDENTIFIER", &document.identifier.encode());
    for (name, value) in document.plain_fields() {
        if !["DRETITLE", "DREDATE", "DREDBNAME"].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            write_field(out, name, value);
        }
    }
    if let Some(path) = file_path {
        write_field(out, "DREFILENAME", path);
    }
    if let Some(date) = first("DREDATE") {
        write_line(out, "#DREDATE", &idx_date(date));
    }
    if let Some(database) = first("DREDBNAME") {
        write_line(out, "#DREDBNAME", database);
    }
    if !document.content.is_empty() {
        out.extend_from_slice(b"#DRECONTENT\n");
        write_text(out, &document.content, |_| None);
        out.push(b'\n');
    }
    // The end begins with the line feed that is there already.
    out.extend_from_slice(&RECORD_ENDS.as_bytes()[1..]);
}

/// `YYYY/MM/DD` of epoch seconds, which is how documents carry their date; any other form as it is.
fn idx_date(value: &str) -> String {
    // Ten digits end in the year 2286; longer numbers are another format that the index has been told of.
    let seconds = value.trim().parse::<i64>().ok().filter(|seconds| (0..10_000_000_000).contains(seconds));
    // Eight digits are more likely a date such as 20230415 than a day in 1970.
    match seconds.filter(|_| value.trim().len() > 8) {
        Some(seconds) => Moment::from_epoch_ms(seconds * 1000).idx_date().to_string(),
        None => value.to_owned(),
    }
}

/// A line whose value must not span lines: runs of whitespace and control characters become one space.
fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    for word in value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
    }
    out.push(b'\n');
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"#DREFIELD ");
    write_field_name(out, name);
    out.extend_from_slice(b"=\"");
    write_quoted(out, value);
    out.extend_from_slice(b"\"\n");
}

/// IDOL strips what it does not allow in a name; here it becomes `_`, so that two names stay two names more often.
fn write_field_name(out: &mut Vec<u8>, name: &str) {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    out.extend(name.chars().map(|c| if allowed(&c) { c as u8 } else { b'_' }));
}

/// The inside of a quoted value. The vendor documents no escape. A quote is written `\"`; backslashes are not doubled,
/// as in the vendor's own files, so a value that ends in one gets a space, lest it escape the closing quote.
fn write_quoted(out: &mut Vec<u8>, value: &str) {
    write_text(out, value, |c| (c == '"').then_some("\\\""));
    if value.ends_with('\\') {
        out.push(b' ');
    }
}

/// Text that may span lines. A line that begins as a line of the format does gets a space before it; control characters
/// but tab and line feed are left out, and a carriage return counts as a line's end.
fn write_text(out: &mut Vec<u8>, text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push(b'\n');
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        for (number, part) in line.split('\r').enumerate() {
            if number > 0 {
                out.push(b'\n');
            }
            write_text_line(out, part, &escape);
        }
    }
}

fn write_text_line(out: &mut Vec<u8>, line: &str, escape: impl Fn(char) -> Option<&'static str>) {
    let line_at = out.len();
    let mut plain_from = 0;
    for (at, c) in line.char_indices() {
        let replacement = match escape(c) {
            Some(replacement) => replacement,
            None if c.is_control() && c != '\t' => "",
            None => continue,
        };
        out.extend_from_slice(&line.as_bytes()[plain_from..at]);
        out.extend_from_slice(replacement.as_bytes());
        plain_from = at + c.len_utf8();
    }
    out.extend_from_slice(&line.as_bytes()[plain_from..]);
    // Asked of what was written: a control character within "#DRE" would hide it from a look at the text. Whether
    // readers tell the case of the names is not known.
    let begins_line = line_at == 0 || out[line_at - 1] == b'\n';
    if begins_line && out[line_at..].get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"#DRE")) {
        out.insert(line_at, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{document, fields};
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 7] =
        ["#DREREFERENCE", "#DRETITLE", "#DREFIELD", "#DREDATE", "#DREDBNAME", "#DRECONTENT", "#DREENDDOC"];

    fn idx_of(document: &Document, file_path: Option<&str>) -> String {
        let mut out = Vec::new();
        write(&mut out, document, file_path);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn a_document_is_as_the_format_says() {
        let mut page = document("http://h/?a=1", "One\n#DREENDDOC\r\n two");
        page.title = Some(" A\n#DREDBNAME  Secret ".to_owned());
        page.fields = fields(&[
            ("author", "First"),
            ("DREDATE", "1681516800"),
            ("Größe x", "say \"hi\" in C:\\"),
            ("dredbname", "News"),
            ("DREDBNAME", "Other"),
            ("author", "Second\n#DREENDDOC\n"),
            ("DREREFERENCE", "http://elsewhere/"),
        ]);
        let identifier = page.identifier.encode();
        let expected = [
            "#DREREFERENCE http://h/?a=1",
            "#DRETITLE A #DREDBNAME Secret",
            &format!("#DREFIELD AUTN_IDENTIFIER=\"{identifier}\""),
            "#DREFIELD author=\"First\"",
            "#DREFIELD Gr__e_x=\"say \\\"hi\\\" in C:\\ \"",
            "#DREFIELD author=\"Second",
            " #DREENDDOC",
            "\"",
            "#DREFIELD DREFILENAME=\"/out/1.pdf\"",
            "#DREDATE 2023/04/15",
            "#DREDBNAME News",
            "#DRECONTENT",
            "One",
            " #DREENDDOC",
            " two",
            "#DREENDDOC",
            "",
            "",
        ];
        assert_eq!(idx_of(&page, Some("/out/1.pdf")), expected.join("\n"));
    }

    #[test]
    fn a_document_without_text_has_no_content_line_and_a_title_may_be_a_field() {
        let mut page = document("http://h/", "");
        page.fields = fields(&[("DRETITLE", "T")]);
        let identifier = page.identifier.encode();
        assert_eq!(
            idx_of(&page, None),
            format!("#DREREFERENCE http://h/\n#DRETITLE T\n#DREFIELD AUTN_IDENTIFIER=\"{identifier}\"\n#DREENDDOC\n\n")
        );
    }

    #[test]
    fn dates_of_other_forms_stay_as_they_are() {
        let cases = [
            ("1681516800", "2023/04/15"),
            ("999999999", "2001/09/09"),
            ("20230415", "20230415"),
            ("2023-04-15", "2023-04-15"),
            ("-1681516800", "-1681516800"),
            ("99999999999999999999", "99999999999999999999"),
        ];
        for (value, expected) in cases {
            assert_eq!(idx_date(value), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_page_ends_its_document_or_begins_a_line_of_the_format(
            reference in "[a#\n\r]{0,5}",
            text in "([a\\n\r\t\0\"\\\\ ]|#DRE|#dreEND|#\0DREENDDOC|\u{85}){0,12}",
        ) {
            let mut page = document(&reference, &format!("{text}."));
            page.title = Some(text.clone());
            page.fields = fields(&[("f", &text), ("DREDATE", &text), (&text, "v")]);
            let idx = idx_of(&page, Some(&text));
            prop_assert_eq!(idx.find(RECORD_ENDS), Some(idx.len() - RECORD_ENDS.len()));
            prop_assert!(idx.starts_with("#DREREFERENCE"));
            let lines: Vec<&str> = idx.lines().filter(|line| line.to_ascii_uppercase().starts_with("#DRE")).collect();
            for name in NAMES {
                let fields_max = if name == "#DREFIELD" { 4 } else { 1 };
                prop_assert!(lines.iter().filter(|line| line.starts_with(name)).count() <= fields_max);
            }
            prop_assert!(lines.iter().all(|line| NAMES.iter().any(|name| line.starts_with(name))));
        }
    }
}
