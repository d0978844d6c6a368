//! From bytes to text: which character encoding a body is in, and the body decoded.
//!
//! The order is that of browsers: a byte order mark, the Content-Type header, what the document says of itself in its
//! first 1024 bytes. Where nothing is said, valid UTF-8 is UTF-8 (browsers do not go so far on the web, so that authors
//! declare it; a reader loses nothing). Then a later declaration is believed, for which browsers begin anew, and only then is
//! the encoding guessed.

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use std::borrow::Cow;

/// A decoded body. Malformed sequences are U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Borrowed if the body was UTF-8, or only ASCII, all along.
    pub text: Cow<'a, str>,
    /// The encoding's name in the Encoding standard, such as `UTF-8` or `windows-1252`.
    pub charset: &'static str,
}

/// How much of a document is searched for a declaration (HTML standard 13.2.3.2).
const PRESCAN_BYTES: usize = 1024;
/// How much is searched if nothing is found there and the rest does not look like UTF-8.
const LATE_BYTES: usize = 256 * 1024;
/// How much is looked at to guess: guessing is as slow as reading the page.
const GUESS_BYTES_MAX: usize = 16 * 1024;

/// Decodes a body; `content_type` is the header's value.
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(body) {
        return decode_as(encoding, &body[mark_bytes..]);
    }
    let declared = content_type.and_then(of_header).or_else(|| of_document(body, content_type));
    if let Some(encoding) = declared {
        return decode_as(encoding, body);
    }
    let utf8 = match std::str::from_utf8(body) {
        Ok(text) if !text.is_ascii() => return Decoded { text: Cow::Borrowed(text), charset: UTF_8.name() },
        utf8 => utf8,
    };
    let late = || of_meta(&body[..body.len().min(LATE_BYTES)]).map(as_read);
    match (Kind::of(content_type).filter(|kind| *kind == Kind::Html).and_then(|_| late()), utf8) {
        (Some(encoding), _) => decode_as(encoding, body),
        (None, Ok(text)) => Decoded { text: Cow::Borrowed(text), charset: UTF_8.name() },
        (None, Err(error)) => decode_as(guess(body, error.valid_up_to()), body),
    }
}

fn decode_as<'a>(encoding: &'static Encoding, body: &'a [u8]) -> Decoded<'a> {
    let (text, _) = encoding.decode_without_bom_handling(body);
    Decoded { text, charset: encoding.name() }
}

/// The `charset` parameter of a Content-Type header.
fn of_header(content_type: &str) -> Option<&'static Encoding> {
    let label = charset_parameter(content_type)?;
    Encoding::for_label(label.as_bytes())
}

/// The value of `charset` in a header or in a `<meta content>`, by the standard's "algorithm for extracting a character
/// encoding from a meta element", which also reads every well-formed header.
fn charset_parameter(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let is_space = |character: char| character.is_ascii_whitespace();
    let mut from = 0;
    loop {
        let at = from + bytes[from..].windows("charset".len()).position(|at| at.eq_ignore_ascii_case(b"charset"))?;
        from = at + "charset".len();
        let Some(value) = text[from..].trim_start_matches(is_space).strip_prefix('=') else {
            continue;
        };
        let value = value.trim_start_matches(is_space);
        return match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split_once(quote).map(|(quoted, _)| quoted),
            _ => {
                value.split(|character: char| character.is_ascii_whitespace() || matches!(character, ';' | ',')).next()
            }
        };
    }
}

/// A document that can declare its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Html,
    Xml,
}

impl Kind {
    /// Plain text declares nothing.
    fn of(content_type: Option<&str>) -> Option<Kind> {
        let media_type = content_type.and_then(|value| value.split(';').next()).map_or("", str::trim);
        match media_type.to_ascii_lowercase().as_str() {
            "" | "text/html" => Some(Kind::Html),
            xml if xml.ends_with("+xml") || xml.ends_with("/xml") => Some(Kind::Xml),
            _ => None,
        }
    }
}

/// What a document declares in its first bytes.
fn of_document(body: &[u8], content_type: Option<&str>) -> Option<&'static Encoding> {
    let kind = Kind::of(content_type)?;
    let head = &body[..body.len().min(PRESCAN_BYTES)];
    if head.starts_with(b"<\0?\0x\0") {
        return Some(UTF_16LE);
    }
    if head.starts_with(b"\0<\0?\0x") {
        return Some(UTF_16BE);
    }
    let found = match kind {
        Kind::Xml => of_xml(head).or_else(|| of_meta(head)),
        Kind::Html => of_meta(head).or_else(|| of_xml(head)),
    };
    found.map(as_read)
}

/// What a declaration means that could be read byte by byte: not UTF-16.
fn as_read(declared: &'static Encoding) -> &'static Encoding {
    match declared {
        encoding if encoding == UTF_16LE || encoding == UTF_16BE => UTF_8,
        encoding if encoding == X_USER_DEFINED => WINDOWS_1252,
        encoding => encoding,
    }
}

/// `<?xml version="1.0" encoding="…"?>` at the very start.
fn of_xml(head: &[u8]) -> Option<&'static Encoding> {
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'>', declaration)?;
    let declaration = &declaration[..end];
    let at = memchr::memmem::find(declaration, b"encoding")? + "encoding".len();
    let value = declaration[at..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    Encoding::for_label(value.split(|byte| byte == quote).next()?)
}

/// The first `<meta charset>` or `<meta http-equiv=content-type content="…; charset=…">`, by the standard's "prescan a
/// byte stream to determine its encoding".
fn of_meta(head: &[u8]) -> Option<&'static Encoding> {
    let mut rest = head;
    loop {
        rest = &rest[memchr::memchr(b'<', rest)?..];
        if rest.starts_with(b"<!--") {
            // The dashes that open may also close.
            let dashes = &rest["<!".len()..];
            rest = &dashes[memchr::memmem::find(dashes, b"-->")? + "-->".len()..];
            continue;
        }
        let is_end_tag = rest.get(1) == Some(&b'/');
        let name = &rest[1 + usize::from(is_end_tag)..];
        if name.first().is_some_and(u8::is_ascii_alphabetic) {
            let name_bytes = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'))?;
            let is_meta = !is_end_tag && name[..name_bytes].eq_ignore_ascii_case(b"meta");
            let mut attributes = Attributes(&name[name_bytes..]);
            let declared = if is_meta { of_attributes(&mut attributes) } else { None };
            while attributes.next().is_some() {}
            rest = attributes.0;
            // Without its end the tag, and perhaps the label, goes on behind what is searched.
            if declared.is_some() && rest.starts_with(b">") {
                return declared;
            }
        } else if matches!(rest.get(1), Some(b'!' | b'/' | b'?')) {
            rest = &rest[memchr::memchr(b'>', rest)?..];
        } else {
            rest = &rest[1..];
        }
    }
}

fn of_attributes(attributes: &mut Attributes<'_>) -> Option<&'static Encoding> {
    let (mut is_content_type, mut charset, mut content) = (false, None, None);
    for (name, value) in attributes {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if is(b"http-equiv") {
            is_content_type |= value.eq_ignore_ascii_case(b"content-type");
        } else if is(b"charset") {
            charset = charset.or(Some(value));
        } else if is(b"content") {
            content = content.or(Some(value));
        }
    }
    if let Some(label) = charset {
        return Encoding::for_label(label);
    }
    let content = String::from_utf8_lossy(content.filter(|_| is_content_type)?);
    Encoding::for_label(charset_parameter(&content)?.as_bytes())
}

/// The attributes of a tag, by the standard's "get an attribute". What remains begins at the tag's `>`.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let until = |bytes: &[u8], ends: &[u8]| {
            bytes.iter().position(|byte| byte.is_ascii_whitespace() || ends.contains(byte)).unwrap_or(bytes.len())
        };
        let start = self.0.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'/').unwrap_or(self.0.len());
        let rest = &self.0[start..];
        if rest.first().is_none_or(|byte| *byte == b'>') {
            self.0 = rest;
            return None;
        }
        // The first byte belongs to the name whatever it is.
        let (name, rest) = rest.split_at(1 + until(&rest[1..], b"=/>"));
        let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else {
            self.0 = rest;
            return Some((name, b""));
        };
        let value = value.trim_ascii_start();
        let (value, rest) = match value.first() {
            Some(quote @ (b'"' | b'\'')) => {
                let end = value[1..].iter().position(|byte| byte == quote);
                // A quote that is not closed within the prescan hides the rest.
                end.map_or((&b""[..], &b""[..]), |end| (&value[1..=end], &value[end + 2..]))
            }
            _ => value.split_at(until(value, b">")),
        };
        self.0 = rest;
        Some((name, value))
    }
}

/// A guess from the bytes around the first that is not valid UTF-8: before it, there may be kilobytes of markup that
/// say nothing.
fn guess(body: &[u8], valid_up_to: usize) -> &'static Encoding {
    const CONTEXT_BYTES: usize = 256;
    let sample = &body[valid_up_to.saturating_sub(CONTEXT_BYTES)..];
    let (sample, is_all) = match sample.split_at_checked(GUESS_BYTES_MAX) {
        Some((sample, _)) => (sample, false),
        None => (sample, true),
    };
    let mut detector = EncodingDetector::new();
    detector.feed(sample, is_all);
    detector.guess(None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(body: &[u8], content_type: Option<&str>) -> &'static str {
        decode(body, content_type).charset
    }

    #[test]
    fn the_first_to_speak_is_believed() {
        let latin = Some("text/html; charset=ISO-8859-1");
        for (body, content_type, expected) in [
            (&b"\xEF\xBB\xBF<meta charset=koi8-r>"[..], latin, "UTF-8"),
            (b"\xFF\xFEa\0", latin, "UTF-16LE"),
            (b"\xFE\xFF\0a", None, "UTF-16BE"),
            (b"<meta charset=koi8-r>\xC3\xA4", latin, "windows-1252"),
            (b"<meta charset=koi8-r>\xC3\xA4", Some("text/html; charset=\"Shift_JIS\"; x"), "Shift_JIS"),
            (b"<meta charset=koi8-r>", Some("text/html; charset=nonsense"), "KOI8-R"),
            (b"<meta charset=koi8-r>", Some("text/plain"), "UTF-8"),
            (b"<?xml version='1.0' encoding='koi8-r'?>", Some("application/rss+xml"), "KOI8-R"),
            (b"<?xml version='1.0' encoding='koi8-r'?><meta charset=big5>", Some("application/xhtml+xml"), "KOI8-R"),
            (b"<?xml version='1.0' encoding='koi8-r'?><meta charset=big5>", Some("text/html"), "Big5"),
            (b"<\0?\0x\0m\0l\0", None, "UTF-16LE"),
            (b"plain", None, "UTF-8"),
            (b"", None, "UTF-8"),
        ] {
            assert_eq!(charset(body, content_type), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn declarations_are_found_as_the_standard_finds_them() {
        for (body, expected) in [
            ("<META CHARSET = 'koi8-r' >", "KOI8-R"),
            ("<meta charset=koi8-r/>", "UTF-8"),
            ("<meta/charset=koi8-r>", "KOI8-R"),
            ("<meta name=a content='charset=koi8-r'>", "UTF-8"),
            ("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>", "KOI8-R"),
            ("<meta content='charset x; CHARSET = \"koi8-r\"' http-equiv=content-type>", "KOI8-R"),
            ("<meta charset=utf-16>", "UTF-8"),
            ("<meta charset=x-user-defined>", "windows-1252"),
            ("<!-- <meta charset=koi8-r> --><meta charset=big5>", "Big5"),
            ("<!--><meta charset=koi8-r>", "KOI8-R"),
            ("<!---><meta charset=koi8-r>", "KOI8-R"),
            ("<a title='<meta charset=big5>'><meta charset=koi8-r>", "KOI8-R"),
            ("</meta charset=big5><?x charset=big5?><!x charset=big5><meta charset=koi8-r>", "KOI8-R"),
            ("<metax charset=big5><1 <meta charset=koi8-r>", "KOI8-R"),
            ("<meta charset=nonsense><meta charset=koi8-r>", "KOI8-R"),
            ("<meta charset='koi8-r", "UTF-8"),
            ("<meta charset=", "UTF-8"),
            ("<meta charset=koi8-r", "UTF-8"),
            ("<meta charset='koi8-r' x", "UTF-8"),
            ("<meta", "UTF-8"),
            ("<", "UTF-8"),
        ] {
            assert_eq!(charset(body.as_bytes(), None), expected, "{body}");
        }
    }

    /// A comment or a script of some size before the declaration is no reason to guess.
    #[test]
    fn late_declarations_are_believed_unless_the_page_is_utf8() {
        let late = |text: &[u8]| [" ".repeat(PRESCAN_BYTES).as_bytes(), b"<meta charset=koi8-r>", text].concat();
        assert_eq!(charset(&late(b"\xC4\xC1"), None), "KOI8-R");
        assert_eq!(charset(&late(b"ascii"), Some("text/html")), "KOI8-R");
        assert_eq!(charset(&late("\u{434}\u{430}".as_bytes()), None), "UTF-8");
        assert_ne!(charset(&late(b"\xC4\xC1"), Some("text/plain")), "KOI8-R");
        // The label is not cut where the search ends at first.
        let cut =
            format!("{}<meta charset=iso-8859-15>\u{e4}", " ".repeat(PRESCAN_BYTES - "<meta charset=iso-8859-1".len()));
        let (cut, _, _) = WINDOWS_1252.encode(&cut);
        assert_eq!(charset(&cut, None), "ISO-8859-15");
    }

    #[test]
    fn utf8_and_ascii_are_borrowed() {
        for (body, content_type) in
            [("äöü", None), ("äöü", Some("text/html; charset=utf-8")), ("abc", Some("text/html; charset=latin1"))]
        {
            assert!(matches!(decode(body.as_bytes(), content_type).text, Cow::Borrowed(_)), "{body}");
        }
    }

    #[test]
    fn what_is_not_declared_and_not_utf8_is_guessed_also_far_into_the_page() {
        let mut body = b"<html>".repeat(10_000);
        let (russian, _, _) =
            encoding_rs::WINDOWS_1251.encode("Съешь же ещё этих мягких французских булок, да выпей чаю");
        body.extend_from_slice(&russian);
        let decoded = decode(&body, Some("text/html"));
        assert_eq!(decoded.charset, "windows-1251");
        assert!(decoded.text.ends_with("да выпей чаю"));
    }

    #[test]
    fn what_is_malformed_is_replaced() {
        assert_eq!(decode(b"a\xFFb", Some("text/html; charset=utf-8")).text, "a\u{FFFD}b");
    }
}
