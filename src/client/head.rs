//! The head of a response (RFC 9112 4 and 5), read as browsers read what servers send: lines may end in LF alone and go on
//! in the next one, and one that is no field is passed over. Pure.

use super::error::ClientError;
use super::response::Headers;
use httparse::{ParserConfig, Status};
use memchr::memchr;
use std::mem::MaybeUninit;

/// Most fields of a head.
const FIELDS_MAX: usize = 256;
/// What every response begins with.
const START: &[u8] = b"HTTP/1.";

/// What a head says of itself and of the body behind it.
#[derive(Debug)]
pub(super) struct Head {
    /// 100 to 999.
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) length: Length,
    /// The server takes another request over the connection.
    pub(super) keeps: bool,
}

/// How a body ends (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// After so many bytes: none where there is no body.
    Bytes(u64),
    Chunked,
    /// With the connection.
    Connection,
}

/// Where the head that begins `bytes` ends, behind its empty line; `None` if that has not come. Nothing before `seen`
/// ends it.
pub(super) fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    // The line end before the empty line may be among what was seen.
    let mut at = seen.saturating_sub(2);
    while let Some(found) = memchr(b'\n', &bytes[at..]) {
        at += found + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Whether `bytes` can become a response at all: a server of something else greets and waits.
pub(super) fn is_start(bytes: &[u8]) -> bool {
    let both = bytes.len().min(START.len());
    bytes[..both].eq_ignore_ascii_case(&START[..both])
}

/// Reads a whole head.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, ClientError> {
    let invalid = |why: String| ClientError::Protocol(why);
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    match parsed {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(invalid("the head has no end".to_owned())),
        Err(httparse::Error::TooManyHeaders) => return Err(invalid(format!("over {FIELDS_MAX} fields in a head"))),
        Err(error) => return Err(invalid(error.to_string())),
    }
    // Both are there in what is complete.
    let (status, version) = (response.code.unwrap_or_default(), response.version.unwrap_or_default());
    if status < 100 {
        return Err(invalid(format!("the status is {status:03}")));
    }
    if status == 101 {
        return Err(invalid("the server changes the protocol, which nobody asked for".to_owned()));
    }
    let mut headers = Headers::with_capacity(response.headers.len(), bytes.len());
    for field in response.headers.iter() {
        headers.add(field.name, field.value);
    }
    let length = length(status, &headers)?;
    let keeps = keeps(version, &headers);
    Ok(Head { status, headers, length, keeps })
}

impl Head {
    /// One of those before the response proper (RFC 9110 15.2).
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status)
    }
}

/// RFC 9112 6.3, of an answer to GET or POST.
fn length(status: u16, headers: &Headers) -> Result<Length, ClientError> {
    if matches!(status, 100..200 | 204 | 304) {
        return Ok(Length::Bytes(0));
    }
    let codings = headers.all("transfer-encoding").flat_map(|field| field.split(',')).map(str::trim);
    if let Some(last) = codings.filter(|coding| !coding.is_empty()).last() {
        return Ok(if last.eq_ignore_ascii_case("chunked") { Length::Chunked } else { Length::Connection });
    }
    let mut known = None;
    for text in headers.all("content-length").flat_map(|field| field.split(',')).map(str::trim) {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some(bytes) = is_number.then(|| text.parse().ok()).flatten() else {
            return Err(ClientError::Protocol(format!("Content-Length is {text:?}")));
        };
        if known.is_some_and(|known| known != bytes) {
            return Err(ClientError::Protocol("two lengths of one body in Content-Length".to_owned()));
        }
        known = Some(bytes);
    }
    Ok(known.map_or(Length::Connection, Length::Bytes))
}

/// RFC 9112 9.3.
fn keeps(version: u8, headers: &Headers) -> bool {
    let mut says_keep = version == 1;
    for option in headers.all("connection").flat_map(|field| field.split(',')).map(str::trim) {
        if option.eq_ignore_ascii_case("close") {
            return false;
        }
        says_keep |= option.eq_ignore_ascii_case("keep-alive");
    }
    says_keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_a_head_arrives() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", Some(25)),
            ("HTTP/1.1 200 OK\nA: b\n\nbody", Some(22)),
            ("HTTP/1.1 200 OK\nA: b\r\n\nbody", Some(23)),
            ("HTTP/1.1 200 OK\r\nA: b\n\r\nbody", Some(24)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r", None),
            ("HTTP/1.1 200 OK\r\n", None),
            ("", None),
        ] {
            let bytes = text.as_bytes();
            for seen in 0..=expected.map_or(bytes.len(), |end| end - 1) {
                assert_eq!(end(bytes, seen), expected, "{text:?} from {seen}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_seen_at_its_start() {
        for (text, can_be) in
            [("", true), ("H", true), ("http/1.0", true), ("HTTP/1.1 200", true), ("SSH-", false), ("HTTP/2", false)]
        {
            assert_eq!(is_start(text.as_bytes()), can_be, "{text:?}");
        }
    }

    #[test]
    fn heads_are_read_as_servers_write_them() {
        for (text, status, length, keeps) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Length::Bytes(5), true),
            ("HTTP/1.1 200\r\nContent-Length: 5, 5\r\ncontent-length: 5\r\n\r\n", 200, Length::Bytes(5), true),
            ("HTTP/1.1  200  OK\nContent-Length : 5\n\n", 200, Length::Bytes(5), true),
            ("HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 5\r\n\r\n", 200, Length::Bytes(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: Chunked\r\n\r\n", 200, Length::Chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n chunked\r\n\r\n", 200, Length::Connection, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n", 200, Length::Chunked, true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", 200, Length::Connection, false),
            ("HTTP/1.0 200 OK\r\n\r\n", 200, Length::Connection, false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, Length::Bytes(0), true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, Length::Bytes(0), true),
            ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", 204, Length::Bytes(0), true),
        ] {
            let head = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!((head.status, head.length, head.keeps), (status, length, keeps), "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 000 OK\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "\r\n\r\n",
            &many,
        ] {
            assert!(matches!(parse(text.as_bytes()), Err(ClientError::Protocol(_))), "{text:?}");
        }
    }

    #[test]
    fn interim_responses_are_told_from_final_ones() {
        for (status, is_interim) in [(100, true), (103, true), (200, false)] {
            let head = parse(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).expect("a head");
            assert_eq!(head.is_interim(), is_interim, "{status}");
        }
    }
}
