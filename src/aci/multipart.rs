//! `multipart/form-data` bodies (RFC 7578), as curl's `-F` and some client libraries send parameters. Pure.

use encoding_rs::{Encoding, UTF_8};
use memchr::{memchr, memmem};

/// Headers of one part; clients send two or three.
const HEADERS_MAX: usize = 16;

/// The value of `boundary` in a content type, without its quotes. `None` if it is absent or not 1 to 70 characters
/// (RFC 2046 5.1.1).
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let boundary = parameter(content_type, "boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The name and the value of each part, a file's content being its value. A part is in the charset that its type names,
/// or that a part called `_charset_` before it names (RFC 7578 4.6), or in UTF-8; what is none of it is replaced.
/// Yields `Err` once, with what is wrong, where the body does not follow the form.
pub(super) fn parts(body: &[u8], boundary: &str) -> impl Iterator<Item = Result<(String, String), &'static str>> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it, unless there is a preamble.
    let opening = delimiter.trim_start().as_bytes();
    let mut rest = if body.starts_with(opening) {
        body.get(opening.len()..)
    } else {
        memmem::find(body, delimiter.as_bytes()).map(|at| &body[at + delimiter.len()..])
    };
    let (mut is_over, mut default_charset) = (false, UTF_8);
    std::iter::from_fn(move || {
        loop {
            if is_over || rest.is_some_and(|rest| rest.starts_with(b"--")) {
                return None;
            }
            let part = rest.ok_or("a boundary is missing").and_then(|after| {
                let end = memmem::find(after, delimiter.as_bytes()).ok_or("the closing boundary is missing")?;
                rest = Some(&after[end + delimiter.len()..]);
                part(&after[..end], default_charset)
            });
            match part {
                Ok((name, label)) if name == "_charset_" => {
                    default_charset = Encoding::for_label(label.trim().as_bytes()).unwrap_or(default_charset);
                }
                part => {
                    is_over = part.is_err();
                    return Some(part);
                }
            }
        }
    })
}

/// Reads one part from behind its delimiter: white space and a line end, headers, an empty line, the content.
fn part(bytes: &[u8], default_charset: &'static Encoding) -> Result<(String, String), &'static str> {
    let line_end = memchr(b'\n', bytes).filter(|end| bytes[..*end].trim_ascii().is_empty());
    let bytes = line_end.map(|end| &bytes[end + 1..]).ok_or("a boundary does not end its line")?;
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let Ok(httparse::Status::Complete((content_at, headers))) = httparse::parse_headers(bytes, &mut headers) else {
        return Err("the headers of a part are malformed");
    };
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value))
    };
    let name = value("Content-Disposition").and_then(|value| parameter(&value, "name")).ok_or("a part has no name")?;
    // No client that sends over HTTP has a reason for the others (RFC 7578 4.7).
    let encoding = value("Content-Transfer-Encoding").unwrap_or_default();
    if !["", "7bit", "8bit", "binary"].contains(&encoding.trim().to_ascii_lowercase().as_str()) {
        return Err("a part has a Content-Transfer-Encoding other than 7bit, 8bit or binary");
    }
    let charset = match value("Content-Type").and_then(|value| parameter(&value, "charset")) {
        Some(label) => Encoding::for_label(label.as_bytes()).ok_or("a part has an unknown charset")?,
        None => default_charset,
    };
    let (text, _) = charset.decode_without_bom_handling(&bytes[content_at..]);
    Ok((name, text.into_owned()))
}

/// The parameter `name` of a header value such as `form-data; name="a;b"; filename=c`, unquoted.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (given, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (text, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim_end().to_owned(), &after[end..])
        };
        if given.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = after.split_once(';')?.1;
    }
}

/// The text of a quoted string behind its opening quote, and what follows the closing one.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            _ => text.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<Vec<(String, String)>, &'static str> {
        parts(body.as_bytes(), "xyz").collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parts_become_names_and_values() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n\
                    --xyz \r\ncontent-disposition: form-data; filename=\"x;name=y\"; name=\"b \\\"c\\\"\"\r\n\
                    Content-Type: text/plain; charset=UTF-8\r\n\r\n--xy\r\n\
                    --xyz\r\nContent-Disposition: form-data; name=ü\r\n\r\n\r\n--xyz--\r\nepilogue";
        let expected = owned(&[("a", "1\r\n2"), ("b \"c\"", "--xy"), ("ü", "")]);
        assert_eq!(read(body), Ok(expected.clone()));
        assert_eq!(read(&format!("preamble\r\n{body}")), Ok(expected));
        assert_eq!(read("--xyz--\r\n"), Ok(Vec::new()));
    }

    #[test]
    fn each_part_is_read_in_its_own_charset() {
        let part = |name: &str, kind: &str, content: &[u8]| {
            let head = format!("--xyz\r\nContent-Disposition: form-data; name={name}\r\n{kind}\r\n");
            [head.as_bytes(), content, b"\r\n"].concat()
        };
        let latin = "Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n";
        let body = [
            part("a", latin, b"f\xFCr"),
            part("b", "Content-Type: text/plain; charset=\"UTF-16LE\"\r\n", b"\xFC\0"),
            part("c", "", "für".as_bytes()),
            part("_charset_", "", b"windows-1252"),
            part("d", "Content-Type: text/plain\r\n", b"\x80"),
            part("e", "Content-Type: application/octet-stream; charset=utf-8\r\n", b"\xFF"),
            b"--xyz--".to_vec(),
        ];
        let read: Result<Vec<_>, _> = parts(&body.concat(), "xyz").collect();
        let expected = [("a", "für"), ("b", "ü"), ("c", "für"), ("d", "€"), ("e", "\u{FFFD}")];
        assert_eq!(read, Ok(owned(&expected)));
        for kind in ["Content-Type: text/plain; charset=klingon\r\n", "Content-Transfer-Encoding: base64\r\n"] {
            let body = [part("a", kind, b"x"), b"--xyz--".to_vec()].concat();
            assert!(parts(&body, "xyz").any(|part| part.is_err()), "{kind}");
        }
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        for body in [
            "",
            "a=b",
            "--xyz",
            "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            "--xyzContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--",
            "--xyz\r\n\r\n1\r\n--xyz--",
            "--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--xyz--",
            "--xyz\r\nContent-Disposition\r\n\r\n1\r\n--xyz--",
        ] {
            assert!(read(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn the_boundary_is_found_in_its_content_type() {
        let table = [
            ("multipart/form-data; boundary=xyz", Some("xyz")),
            ("multipart/form-data;charset=utf-8;Boundary=\"x;y\"", Some("x;y")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/form-data; charset=\"boundary=x", None),
        ];
        for (content_type, expected) in table {
            assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop_oneof![
            Just("--xyz".to_owned()), Just("\r\n".to_owned()), Just("--".to_owned()),
            Just("Content-Disposition: form-data; name=\"a\"".to_owned()), ".*"], 0..12)) {
            let body = pieces.concat();
            // However the body is, it ends, and no part is made of nothing.
            prop_assert!(parts(body.as_bytes(), "xyz").count() <= body.len() + 1);
            let _ = boundary(&body);
        }
    }
}
