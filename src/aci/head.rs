//! The head of an HTTP/1.x request (RFC 9112): where it ends and what it says. Pure, and strict wherever two readers
//! could disagree about where a request ends; lenient only about what clients of the protocol really send.

use super::refusal::Refusal;
use memchr::memchr;
use std::fmt::Write as _;
use std::ops::Range;

/// More than any client of the protocol sends, and than a browser does.
const HEADERS_MAX: usize = 64;

/// What the door needs to know of a request's head. Everything else in it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    /// In origin form, printable ASCII without spaces.
    pub(super) target: String,
    pub(super) version: Version,
    /// Whether the client wants to send another request over this connection.
    pub(super) keep_alive: bool,
    pub(super) body: BodyLength,
    /// Printable ASCII.
    pub(super) content_type: Option<String>,
    /// `Expect: 100-continue`: the client waits for a word before it sends the body.
    pub(super) expects_continue: bool,
    /// `Origin`: the page in whose name a browser sends this. Printable ASCII, as are the next two.
    pub(super) origin: Option<String>,
    /// `Access-Control-Request-Method` and `-Headers`: what the page wants to send.
    pub(super) asked_method: Option<String>,
    pub(super) asked_headers: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    /// Answered by the door itself.
    Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// 0 if the request has no body. A length that no machine could hold reads as `u64::MAX`.
    Known(u64),
    Chunked,
}

/// Finds the end of a head in bytes that arrive bit by bit, looking at each once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the request line begins: an empty line before it is allowed, as old clients end a body with one
    /// (RFC 9112 2.2).
    start: usize,
    line_start: usize,
    /// Up to here there is no further line end.
    searched: usize,
    request_line_seen: bool,
}

impl Scan {
    /// Where the head lies in `bytes`, the last empty line included, or `None` if it is not all there. `bytes` is
    /// what it was at the last call, and more.
    ///
    /// Refuses as soon as a line shows that no whole head will come, so that a client of another protocol is told at
    /// once instead of when its time is up.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<Range<usize>>, Refusal> {
        if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic() && *first != b'\r') {
            // A TLS client hello, most of the time.
            return Err(Refusal::Malformed("this is not HTTP; the port speaks HTTP/1.1 without TLS"));
        }
        while let Some(at) = memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + at;
            let Some(line) = bytes[self.line_start..end].strip_suffix(b"\r") else {
                return Err(Refusal::Malformed("a line ends without CR"));
            };
            (self.line_start, self.searched) = (end + 1, end + 1);
            match (self.request_line_seen, line.is_empty()) {
                (false, true) if self.start == 0 => self.start = self.line_start,
                (false, _) => {
                    request_line(line)?;
                    self.request_line_seen = true;
                }
                (true, true) => return Ok(Some(self.start..self.line_start)),
                (true, false) => {}
            }
        }
        self.searched = bytes.len();
        Ok(None)
    }
}

/// Reads a head as [`Scan`] found it.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let line_end = memchr(b'\n', bytes).ok_or(Refusal::Malformed("there is no request line"))?;
    let (line, rest) = bytes.split_at(line_end + 1);
    let RequestLine { method, target, version } = request_line(line.trim_ascii_end())?;
    let method = match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"OPTIONS" => Method::Options,
        _ => return Err(Refusal::Method),
    };
    let target = origin_form(target)?;

    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let headers = match httparse::parse_headers(rest, &mut headers) {
        Ok(httparse::Status::Complete((used, headers))) if used == rest.len() => headers,
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders { headers_max: HEADERS_MAX }),
        Ok(_) | Err(_) => return Err(Refusal::Malformed("a header is not of the form \"name: value\"")),
    };

    let (mut length, mut is_chunked, mut host_seen) = (None, false, false);
    let (mut close, mut keep_alive) = (false, false);
    let (mut content_type, mut expects_continue) = (None, false);
    let (mut origin, mut asked_method, mut asked_headers) = (None, None, None);
    for header in headers {
        let value = header.value.trim_ascii();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_some() => return Err(Refusal::Malformed("there are two Content-Length")),
            "content-length" => length = Some(content_length(value)?),
            "transfer-encoding" if is_chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(Refusal::Malformed("a Transfer-Encoding other than chunked is not supported"));
            }
            "transfer-encoding" => is_chunked = true,
            "host" if host_seen => return Err(Refusal::Malformed("there are two Host")),
            "host" => host_seen = true,
            "connection" => {
                for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            "content-type" => content_type = Some(printable(value)?),
            "origin" => origin = Some(printable(value)?),
            "access-control-request-method" => asked_method = Some(printable(value)?),
            "access-control-request-headers" => asked_headers = Some(printable(value)?),
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => return Err(Refusal::Expectation),
            "expect" => expects_continue = true,
            _ => {}
        }
    }
    let body = match (length, is_chunked, version) {
        (Some(_), true, _) => {
            return Err(Refusal::Malformed("Content-Length and Transfer-Encoding exclude each other"));
        }
        (None, true, Version::Http10) => return Err(Refusal::Malformed("HTTP/1.0 knows no Transfer-Encoding")),
        (None, true, Version::Http11) => BodyLength::Chunked,
        (length, false, _) => BodyLength::Known(length.unwrap_or(0)),
    };
    Ok(Head {
        method,
        target,
        version,
        keep_alive: !close && (version == Version::Http11 || keep_alive),
        body,
        content_type,
        // A client of HTTP/1.0 would take the interim answer for the final one.
        expects_continue: expects_continue && version == Version::Http11,
        origin,
        asked_method,
        asked_headers,
    })
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: Version,
}

/// Splits a request line at its first and last space: old manuals of the protocol print URLs with spaces in a value
/// and some clients send them so (aci.md 1.1).
fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    if line.iter().any(u8::is_ascii_control) {
        return Err(Refusal::Malformed("there is a control character in the request line"));
    }
    let split = || {
        let first = memchr(b' ', line)?;
        let last = memchr::memrchr(b' ', line)?;
        (first < last).then(|| (&line[..first], &line[first + 1..last], &line[last + 1..]))
    };
    let Some((method, target, version)) = split() else {
        return Err(Refusal::Malformed("the request line is not \"METHOD target HTTP/1.1\""));
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(Refusal::Malformed("the method is not a word"));
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(Refusal::Malformed("the version is not HTTP/1.1 or HTTP/1.0")),
    };
    Ok(RequestLine { method, target, version })
}

/// `tchar` of RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The path and query of a target, also of one in absolute form, with spaces and bytes beyond ASCII percent-encoded.
fn origin_form(target: &[u8]) -> Result<String, Refusal> {
    let is_absolute = target.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http://"));
    let target = if is_absolute {
        let authority_end = target[7..].iter().position(|byte| matches!(byte, b'/' | b'?'));
        authority_end.map_or(&b"/"[..], |end| &target[7 + end..])
    } else {
        target
    };
    let mut encoded = String::with_capacity(target.len() + 16);
    match target.first() {
        Some(b'/') => {}
        Some(b'?') if is_absolute => encoded.push('/'),
        _ => return Err(Refusal::Malformed("the target does not begin with a slash")),
    }
    for byte in target {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(*byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    Ok(encoded)
}

/// 1*DIGIT, nothing else: no sign, no list, no hexadecimal.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed("Content-Length is not a number"));
    }
    let digits = std::str::from_utf8(value).expect("digits are ASCII");
    // Only an overflow fails here. It is too large for every limit, and refused as such.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn printable(value: &[u8]) -> Result<String, Refusal> {
    if !value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return Err(Refusal::Malformed("a header that is looked at is not printable ASCII"));
    }
    Ok(value.iter().copied().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a connection does: scans bytes that come one at a time, then parses.
    fn read(bytes: &[u8]) -> Result<Option<Head>, Refusal> {
        let mut scan = Scan::default();
        for end in 1..=bytes.len() {
            if let Some(range) = scan.advance(&bytes[..end])? {
                return parse(&bytes[range]).map(Some);
            }
        }
        Ok(None)
    }

    fn good(text: &str) -> Head {
        read(text.as_bytes()).expect("the head is good").expect("the head is whole")
    }

    #[test]
    fn a_plain_head_is_read() {
        let head = good("POST /a=X HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\ncontent-type: Text/Plain\r\n\r\nabc");
        let expected = Head {
            method: Method::Post,
            target: "/a=X".to_owned(),
            version: Version::Http11,
            keep_alive: true,
            body: BodyLength::Known(3),
            content_type: Some("Text/Plain".to_owned()),
            expects_continue: false,
            origin: None,
            asked_method: None,
            asked_headers: None,
        };
        assert_eq!(head, expected);
        assert_eq!(good("POST / HTTP/1.1\r\nTransfer-Encoding:  Chunked \r\n\r\n").body, BodyLength::Chunked);
        assert_eq!(good("\r\nGET / HTTP/1.1\r\n\r\n").target, "/");
    }

    #[test]
    fn targets_are_brought_to_one_form() {
        let table = [
            ("/action=X&a=b c d", "/action=X&a=b%20c%20d"),
            ("/?a=Grüße", "/?a=Gr%C3%BC%C3%9Fe"),
            ("/a=\"<>[]{}|\\^`#%zz", "/a=\"<>[]{}|\\^`#%zz"),
            ("http://host:7006/a=X", "/a=X"),
            ("HTTP://host?a=X", "/?a=X"),
            ("http://host", "/"),
            ("//", "//"),
        ];
        for (sent, read) in table {
            assert_eq!(good(&format!("GET {sent} HTTP/1.1\r\n\r\n")).target, read);
        }
    }

    #[test]
    fn who_keeps_the_connection_depends_on_the_version() {
        let table = [
            ("HTTP/1.1\r\n", true),
            ("HTTP/1.1\r\nConnection: close\r\n", false),
            ("HTTP/1.1\r\nConnection: TE, Close\r\n", false),
            ("HTTP/1.0\r\n", false),
            ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", true),
            ("HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n", false),
        ];
        for (rest, keep_alive) in table {
            assert_eq!(good(&format!("GET / {rest}\r\n")).keep_alive, keep_alive, "{rest}");
        }
        assert!(good("POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
        assert!(!good("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let heads = [
            // Lines
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\n A: b\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            // The request line
            "GET /\r\n",
            "GET / HTTP/0.9\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/1.2\r\n",
            "GET / http/1.1\r\n",
            "GET HTTP/1.1\r\n",
            "G\u{e9}T / HTTP/1.1\r\n",
            "G(T / HTTP/1.1\r\n",
            "GET\t/ HTTP/1.1\r\n",
            "GET /\0 HTTP/1.1\r\n",
            "GET /\rx HTTP/1.1\r\n",
            "GET a=X HTTP/1.1\r\n\r\n",
            "GET * HTTP/1.1\r\n\r\n",
            "GET https://h/ HTTP/1.1\r\n\r\n",
            "\u{16}\u{3}\u{1}",
            " GET / HTTP/1.1\r\n\r\n",
            // Headers
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA\r\n\r\n",
            "GET / HTTP/1.1\r\nA: \0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Type: a\u{e9}\r\n\r\n",
            // Lengths
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for head in heads {
            let read = read(head.as_bytes());
            assert!(matches!(read, Err(Refusal::Malformed(_))), "{head:?}: {read:?}");
        }
    }

    #[test]
    fn other_limits_have_their_own_answers() {
        for method in ["DELETE", "CONNECT", "get", "X"] {
            assert_eq!(read(format!("{method} / HTTP/1.1\r\n\r\n").as_bytes()), Err(Refusal::Method), "{method}");
        }
        assert_eq!(read(b"POST / HTTP/1.1\r\nExpect: a-miracle\r\n\r\n"), Err(Refusal::Expectation));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(read(many.as_bytes()), Err(Refusal::TooManyHeaders { headers_max: HEADERS_MAX }));
        let huge = good("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n");
        assert_eq!(huge.body, BodyLength::Known(u64::MAX));
    }

    #[test]
    fn a_head_that_is_not_whole_is_waited_for() {
        for part in
            ["", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r", "\r\n"]
        {
            assert_eq!(read(part.as_bytes()), Ok(None), "{part:?}");
        }
    }

    const PIECES: &[&[u8]] = &[
        b"GET ",
        b"POST ",
        b"/a=X",
        b" HTTP/1.1",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\0",
        b"\xff",
        b":",
        b"A: b",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
    ];

    proptest! {
        /// Whatever comes, a head that is accepted has a target that cannot be read in two ways.
        #[test]
        fn what_is_accepted_is_unambiguous(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..16)) {
            if let Ok(Some(head)) = read(&pieces.concat()) {
                prop_assert!(head.target.starts_with('/') && head.target.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = parse(&bytes);
        }
    }
}
