//! What the many links of one page are relative to: most of them are joined without a URL parser.
//!
//! A reference of plain characters keeps them all in canonical form, so that joining it is copying it behind a part of the
//! base. Which characters are plain is what the parser and the percent-normalisation leave alone; everything
//! else goes to [`super::join`], and a test holds the two against each other.

use super::{Position, URL_BYTES_MAX, Url, decode_hex, is_unreserved};
use std::ops::Range;

/// A URL as [`super::base()`] makes it, and room for what is joined to it.
#[derive(Debug, Clone)]
pub struct Base {
    url: Url,
    /// Where the path begins: at its first slash.
    path_at: usize,
    /// Where the last segment of the path begins: behind its last slash.
    segment_at: usize,
    /// Nothing is plain that is relative to another one.
    is_web: bool,
    joined: String,
}

/// Where a reference leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<'b> {
    /// To the base's own origin: the whole URL, canonical, and its path.
    Near { url: &'b str, path: &'b str },
    /// To a site that it names, whose [`super::host_key`] is `host`.
    Named { url: &'b str, host: &'b str, path: &'b str },
    /// Anywhere.
    Far(Url),
}

impl Joined<'_> {
    pub fn as_str(&self) -> &str {
        match self {
            Joined::Near { url, .. } | Joined::Named { url, .. } => url,
            Joined::Far(url) => url.as_str(),
        }
    }
}

impl Base {
    /// `url` is canonical, as [`super::parse`] and [`super::join`] make it, or none of the web.
    pub fn new(url: Url) -> Base {
        let path_at = url[..Position::BeforePath].len();
        let path_end = url[..Position::AfterPath].len();
        let segment_at =
            memchr::memrchr(b'/', &url.as_str().as_bytes()[..path_end]).map_or(path_end, |slash| slash + 1);
        let is_web = super::is_web(url.scheme());
        Base { url, path_at, segment_at, is_web, joined: String::new() }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// As [`super::join`]; without an allocation where the reference is of plain characters.
    pub fn join(&mut self, href: &str) -> Option<Joined<'_>> {
        if self.is_web
            && let Some(path_end) = self.join_plain(href)
        {
            let url = self.joined.as_str();
            return Some(Joined::Near { url, path: &url[self.path_at..path_end] });
        }
        if let Some((host, path)) = self.join_named(href) {
            let url = self.joined.as_str();
            return Some(Joined::Named { url, host: &url[host], path: &url[path] });
        }
        super::join(&self.url, href).map(Joined::Far)
    }

    /// Writes the URL to `joined` and returns where its path ends; `None` if the reference is not as plain as that.
    fn join_plain(&mut self, href: &str) -> Option<usize> {
        let (kept, rest) = self.split(href)?;
        // A colon may end a scheme, unless something was in front of it.
        let path_bytes = plain_path_bytes(rest, rest.len() < href.len())?;
        self.joined.clear();
        self.joined.push_str(&self.url.as_str()[..kept]);
        self.joined.push_str(without_empty_query(rest, path_bytes));
        (self.joined.len() <= URL_BYTES_MAX).then_some(kept + path_bytes)
    }

    /// The same for a reference that names a scheme and a host: where its host and its path are.
    fn join_named(&mut self, href: &str) -> Option<(Range<usize>, Range<usize>)> {
        let authority = href.strip_prefix("https://").or_else(|| href.strip_prefix("http://"))?;
        let host_at = href.len() - authority.len();
        let path_at = host_at + plain_host_bytes(authority)?;
        let (start, rest) = href.split_at(path_at);
        let rest = if rest.is_empty() { "/" } else { rest };
        let path_bytes = rest.starts_with('/').then(|| plain_path_bytes(rest, true))??;
        self.joined.clear();
        self.joined.push_str(start);
        self.joined.push_str(without_empty_query(rest, path_bytes));
        (self.joined.len() <= URL_BYTES_MAX).then_some((host_at..path_at, path_at..path_at + path_bytes))
    }

    /// How much of the base is kept, and what of the reference comes behind it: dot segments at its start are gone.
    fn split<'h>(&self, href: &'h str) -> Option<(usize, &'h str)> {
        if let Some(rest) = href.strip_prefix('/') {
            // A second slash would begin a host.
            return (!rest.starts_with('/')).then_some((self.path_at + 1, rest));
        }
        let (mut kept, mut rest) = (self.segment_at, href);
        loop {
            if let Some(behind) = rest.strip_prefix("../") {
                let parent = &self.url.as_str().as_bytes()[self.path_at..kept - 1];
                // Above the root is the root.
                kept =
                    memchr::memrchr(b'/', parent).map_or(kept.min(self.path_at + 1), |slash| self.path_at + slash + 1);
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix("./") {
                rest = behind;
            } else {
                // Nothing, or a query alone, keeps the last segment of the base.
                let keeps_segment = href.is_empty() || href.starts_with('?');
                return (!keeps_segment).then_some((kept, rest));
            }
        }
    }
}

/// Path and query, as they are in canonical form: without a query there is no question mark.
fn without_empty_query(reference: &str, path_bytes: usize) -> &str {
    if reference.len() == path_bytes + 1 { &reference[..path_bytes] } else { reference }
}

/// How long the host is that begins `authority`, if it is one of plain names: no address, nothing to be encoded or decoded, and
/// no port.
fn plain_host_bytes(authority: &str) -> Option<usize> {
    let is_of_host = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let bytes = authority.bytes().take_while(is_of_host).count();
    let host = &authority.as_bytes()[..bytes];
    let is_name = |label: &[u8]| label.first().is_some_and(u8::is_ascii_lowercase);
    let is_plain = host.first().is_some_and(u8::is_ascii_alphanumeric)
        && host.last().is_some_and(u8::is_ascii_alphanumeric)
        // A last label of digits makes an address, and "xn--" an encoded name.
        && host.rsplit(|byte| *byte == b'.').next().is_some_and(is_name)
        && host.windows(2).all(|pair| pair.iter().any(u8::is_ascii_alphanumeric));
    is_plain.then_some(bytes)
}

/// How long the path is that a plain reference begins with; `None` if it is not plain, or has segments that begin with a dot.
fn plain_path_bytes(reference: &str, has_colons: bool) -> Option<usize> {
    let bytes = reference.as_bytes();
    let mut begins_segment = true;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'?' => return is_plain_query(&bytes[at + 1..]).then_some(at),
            b'.' if begins_segment => return None,
            b':' if !has_colons => return None,
            b'%' if is_plain_escape(&bytes[at..]) => at += 2,
            _ if PLAIN[usize::from(*byte)] => {}
            _ => return None,
        }
        begins_segment = *byte == b'/';
        at += 1;
    }
    Some(at)
}

fn is_plain_query(query: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = query.get(at) {
        match byte {
            b'%' if is_plain_escape(&query[at..]) => at += 2,
            // Which the parser encodes in a query, and in a query only.
            b'\'' => return false,
            b'?' => {}
            _ if PLAIN[usize::from(*byte)] => {}
            _ => return false,
        }
        at += 1;
    }
    true
}

/// Whether an encoding in canonical form begins `bytes`: in upper case, and of what needs it.
fn is_plain_escape(bytes: &[u8]) -> bool {
    let digits = bytes.get(1..3).filter(|digits| !digits.iter().any(u8::is_ascii_lowercase));
    digits.and_then(decode_hex).is_some_and(|byte| !is_unreserved(byte))
}

/// RFC 3986: unreserved characters, those that may delimit something within a path, and the slash.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";
    let mut at = 0;
    while at < plain.len() {
        table[plain[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::super::{host_key, join, parse};
    use super::*;
    use proptest::prelude::*;

    /// Both ways to the same place; whether a short one was taken.
    fn is_plain(base: &str, href: &str) -> bool {
        let base = parse(base).expect("the tables hold URLs");
        let expected = join(&base, href);
        let mut prepared = Base::new(base);
        match prepared.join(href) {
            Some(Joined::Near { url, path }) => {
                let expected = expected.unwrap_or_else(|| panic!("{href:?} leads nowhere"));
                assert_eq!((url, path), (expected.as_str(), expected.path()), "{href:?}");
                true
            }
            Some(Joined::Named { url, host, path }) => {
                let expected = expected.unwrap_or_else(|| panic!("{href:?} leads nowhere"));
                assert_eq!((url, host, path), (expected.as_str(), host_key(&expected), expected.path()), "{href:?}");
                true
            }
            Some(Joined::Far(url)) => {
                assert_eq!(Some(url), expected, "{href:?}");
                false
            }
            None => {
                assert_eq!(expected, None, "{href:?}");
                false
            }
        }
    }

    #[test]
    fn plain_references_take_the_short_way() {
        for base in
            ["http://h/a/b/c;d?q=/x/y", "http://h/", "http://h:8080/a/", "https://h/a//b", "http://h/%C3%BC/x?y"]
        {
            for href in [
                "x",
                "x/",
                "x.html",
                "./x",
                "../x",
                "../../x",
                "../../../../x",
                "../",
                "./",
                "../../",
                "/",
                "/x",
                "/x/y.html?a=1&b=%2F?:@",
                "a//b",
                "x?",
                "x?y",
                "../?y",
                "./a:b",
                "/a:b",
                "%C3%BC",
                "a'b",
                "x?%27",
                "/?y",
                "..//x",
                ".//",
            ] {
                assert!(is_plain(base, href), "{base} {href}");
            }
            for href in [
                "",
                "?",
                "?y",
                "..",
                ".",
                "x/..",
                "x/../y",
                ".x",
                "/..",
                "/.",
                "//x/y",
                "a:b",
                "http:x",
                "x y",
                " x",
                "%c3",
                "%41",
                "%2E%2E/x",
                "%",
                "%2",
                "100%",
                "x?a'b",
                "ü",
                "a\\b",
                "x#y",
                "\tx",
                "[",
                "/x/.y",
                "javascript:x",
            ] {
                assert!(!is_plain(base, href), "{base} {href}");
            }
            assert!(!is_plain(base, &"x".repeat(URL_BYTES_MAX)));
        }
    }

    proptest! {
        #[test]
        fn the_short_way_leads_where_the_parser_goes(
            base in "http://h(:81)?(/(a|b%20|\\.x|;|)){0,4}(\\?[a/.]{0,4})?",
            href in "(/|\\./|\\.\\./|\\?|:|#|%2F|%2f|%2E|%41|%|'|[a-c]|\\.| |\\\\|http|//|ü|&|=|\\||\\^|`|\\{|@){0,8}",
        ) {
            is_plain(&base, &href);
        }

        #[test]
        fn a_plain_host_is_what_the_parser_makes_of_it(
            authority in "([a-c1-2]|\\.|-|xn--|0x|A|:|80|@|ü|%){1,8}", path in "(/[a.]{0,2}){0,2}(\\?[a=]{0,2})?",
        ) {
            is_plain("http://h/a/b", &format!("http://{authority}{path}"));
        }
    }
}
