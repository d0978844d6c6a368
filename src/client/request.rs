//! A request as it goes over the wire (RFC 9112 2 and 3).

use url::{Position, Url};

/// A GET, or a POST where there is a body.
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    pub(super) fields: Fields,
    pub(super) body: Option<&'a [u8]>,
}

/// Lines of a head, each with its end. Not printed: some are secrets.
#[derive(Clone, Default)]
pub(super) struct Fields(Vec<u8>);

/// How a proxy that takes requests itself is spoken to (RFC 9112 3.2.2).
pub(super) struct Forward {
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
}

impl Fields {
    /// Adds a field; one whose value no line can carry is left out.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if is_value(value) {
            for part in [name, ": ", value, "\r\n"] {
                self.0.extend_from_slice(part.as_bytes());
            }
        }
    }
}

impl Request<'_> {
    pub(super) fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }

    /// The head, all of it.
    pub(super) fn head(&self, forward: Option<&Forward>) -> Vec<u8> {
        let url = self.url;
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let (scheme, authority) = if forward.is_some() { ("http://", host) } else { ("", "") };
        let mut own = Fields(Vec::with_capacity(target.len() + 2 * host.len() + self.fields.0.len() + 128));
        for part in [self.method(), " ", scheme, authority, target, " HTTP/1.1\r\n"] {
            own.0.extend_from_slice(part.as_bytes());
        }
        own.add("Host", host);
        if let Some(Forward { authorization: Some(value) }) = forward {
            own.add("Proxy-Authorization", value);
        }
        if let Some(body) = self.body {
            own.add("Content-Length", &body.len().to_string());
        }
        own.0.extend_from_slice(&self.fields.0);
        own.0.extend_from_slice(b"\r\n");
        own.0
    }
}

/// Whether a field can carry it (RFC 9110 5.5): no control characters but the tab.
pub(super) fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || byte >= b' ' && byte != 0x7f)
}

/// Whether it can name a field (RFC 9110 5.1).
pub(super) fn is_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_is_wanted_of_whom() {
        let mut fields = Fields::default();
        fields.add("Accept", "*/*");
        fields.add("Cookie", "a=b\r\nX: y");
        let forward = Forward { authorization: Some("Basic x".to_owned()) };
        for (url, body, forward, expected) in [
            ("http://a.example/", None, None, "GET / HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n"),
            (
                "https://me:secret@a.example:444/b?c=[d]|#e",
                None,
                None,
                "GET /b?c=[d]| HTTP/1.1\r\nHost: a.example:444\r\nAccept: */*\r\n\r\n",
            ),
            (
                "http://[::1]:80/b",
                Some(&b"12"[..]),
                None,
                "POST /b HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 2\r\nAccept: */*\r\n\r\n",
            ),
            (
                "http://me:secret@a.example:81/b?c#d",
                None,
                Some(&forward),
                "GET http://a.example:81/b?c HTTP/1.1\r\nHost: a.example:81\r\n\
                 Proxy-Authorization: Basic x\r\nAccept: */*\r\n\r\n",
            ),
        ] {
            let url = Url::parse(url).expect("the table holds URLs");
            let request = Request { url: &url, fields: fields.clone(), body };
            assert_eq!(String::from_utf8(request.head(forward)).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn names_and_values_are_told_from_what_would_end_them() {
        for (text, name, value) in [
            ("X-Api_Key", true, true),
            ("", false, true),
            ("two words", false, true),
            ("a\tb", false, true),
            ("ü", false, true),
            ("a\r\nb", false, false),
            ("a\0", false, false),
            ("a\x7f", false, false),
        ] {
            assert_eq!((is_name(text), is_value(text)), (name, value), "{text:?}");
        }
    }
}
