//! URLs in one canonical form, so that a page has one name however it is linked.
//!
//! Canonical is what the WHATWG URL Standard makes of a reference (crate `url`: case, default port, dot segments,
//! backslashes, tabs, IDN) and beyond it: no fragment, no user name or password, no `?` without a query, and percent-encoding
//! as RFC 3986 6.2.2 normalises it. An empty query goes although RFC 3986 6.2.3 leaves that to whoever knows the
//! site: servers hand programs an empty query string either way, and `href="?"` would name many a page twice.
//!
//! Only http and https URLs exist here. Pure: no I/O, no clock.

mod base;

pub use ::url::Url;
pub use base::{Base, Joined};

use crate::action::without_password;
use ::url::{ParseError, Position};

/// Longest URL that is looked at, in bytes, given or canonical: what servers take. Apache refuses a request line of more than
/// 8,190 bytes (LimitRequestLine), nginx one of more than 8 KiB (large_client_header_buffers).
pub const URL_BYTES_MAX: usize = 8192;

/// Why a text that a person gave cannot be a start URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadStart {
    #[error("the URL is empty")]
    Empty,
    #[error("the URL has {0} bytes, more than the {URL_BYTES_MAX} that are allowed")]
    TooLong(usize),
    #[error("{0}: only http and https URLs can be crawled")]
    Scheme(String),
    #[error("{text} is not a URL: {why}")]
    Unreadable { text: String, why: ParseError },
}

/// Reads an absolute URL. `None` if it is none, is neither http nor https, or is too long.
pub fn parse(text: &str) -> Option<Url> {
    let text = without_fragment(text);
    if text.len() > URL_BYTES_MAX {
        return None;
    }
    canonical(Url::parse(text).ok()?)
}

/// Reads what a person typed: as [`parse`], but `example.com/a` and `localhost:8080` mean `http://`.
pub fn parse_start(text: &str) -> Result<Url, BadStart> {
    let text = without_fragment(text.trim());
    if text.is_empty() {
        return Err(BadStart::Empty);
    }
    if text.len() > URL_BYTES_MAX {
        return Err(BadStart::TooLong(text.len()));
    }
    let whole = match scheme(text) {
        Some("http" | "https") => text.to_owned(),
        Some(scheme) if is_web(scheme) => text.to_owned(),
        // What looks like a scheme is a host if a port follows.
        Some(host) if text[host.len() + 1..].starts_with(|c: char| c.is_ascii_digit()) => format!("http://{text}"),
        Some(_) => return Err(BadStart::Scheme(without_password(text))),
        None => format!("http://{}", text.trim_start_matches('/')),
    };
    let url = Url::parse(&whole).map_err(|why| BadStart::Unreadable { text: without_password(text), why })?;
    canonical(url).ok_or(BadStart::TooLong(whole.len()))
}

/// What relative URLs of a page are relative to that names a `base` for them (HTML standard 4.2.3). It need not be of the web;
/// relative URLs then are none.
pub fn base(page: &Url, base: &str) -> Url {
    let joined = Some(base).filter(|base| base.len() <= URL_BYTES_MAX).and_then(|base| page.join(base).ok());
    let base = joined.and_then(|joined| match joined.scheme() {
        scheme if is_web(scheme) => canonical(joined),
        "data" | "javascript" => None,
        _ => Some(joined),
    });
    base.unwrap_or_else(|| page.clone())
}

/// What a link `href` on the page `base` leads to. `None` if that is no http or https URL, or is too long.
///
/// `base` is what [`base()`] answers; the answer is canonical. Called for every link of every page.
pub fn join(base: &Url, href: &str) -> Option<Url> {
    let href = without_fragment(href);
    if href.len() > URL_BYTES_MAX || scheme(href).is_some_and(|scheme| !is_web(scheme)) {
        return None;
    }
    canonical(base.join(href).ok()?)
}

/// `host` or `host:port`: whom politeness spares. One host under http and https is one.
pub fn host_key(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `http://host:port`: what a `robots.txt` rules over (RFC 9309 2.3).
pub fn origin(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

/// The [`origin`] of a URL in canonical form that is a text.
pub fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = memchr::memchr(b'/', &url.as_bytes()[authority..]);
    path.map_or(url, |at| &url[..authority + at])
}

/// Whether two URLs are of one site: the same host and port, where a leading `www.` and the scheme do not matter.
pub fn same_site(a: &Url, b: &Url) -> bool {
    same_site_by_host(host_key(a), host_key(b))
}

/// As [`same_site`], of what [`host_key`] says of each.
pub fn same_site_by_host(a: &str, b: &str) -> bool {
    // The port is absent where it is its scheme's default.
    a.strip_prefix("www.").unwrap_or(a) == b.strip_prefix("www.").unwrap_or(b)
}

fn without_fragment(text: &str) -> &str {
    // The first `#` of any reference starts its fragment.
    memchr::memchr(b'#', text.as_bytes()).map_or(text, |at| &text[..at])
}

/// What stands before the first `:`, if it can be a scheme (RFC 3986 3.1).
fn scheme(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|c: char| c <= ' ');
    let end = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))?;
    let name = &text[..end];
    (text.as_bytes()[end] == b':' && name.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(name)
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Takes away what does not belong to a page's name. Nothing is allocated for a URL that is canonical already.
fn canonical(mut url: Url) -> Option<Url> {
    if !is_web(url.scheme()) {
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        // They cannot fail where there is a host, and http has one always.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
    }
    if url.query() == Some("") {
        url.set_query(None);
    }
    let path = &url[Position::BeforePath..];
    if let Some(path) = normal_percents(path) {
        url = Url::parse(&[&url[..Position::BeforePath], &path].concat()).ok()?;
    }
    (url.as_str().len() <= URL_BYTES_MAX).then_some(url)
}

/// Upper-case hex, and no encoding of what needs none (RFC 3986 2.3: letters, digits, `-._~`). `None` if nothing changes.
///
/// Dot segments are gone before, also encoded ones. A `%` that starts no encoding stays, and is not made the start of
/// one by decoding what follows it, so that twice is the same as once.
fn normal_percents(path: &str) -> Option<String> {
    let mut at = memchr::memchr(b'%', path.as_bytes())?;
    let mut normal = String::new();
    let mut copied = 0;
    // Where `normal` holds a `%` that starts no encoding.
    let mut stray = None;
    loop {
        let escape = path.as_bytes().get(at + 1..at + 3).and_then(decode_hex);
        if let Some(byte) = escape {
            normal.push_str(&path[copied..at]);
            let joins_stray = stray.is_some_and(|stray| normal.len() - stray <= 2) && byte.is_ascii_hexdigit();
            if is_unreserved(byte) && !joins_stray {
                normal.push(char::from(byte));
            } else {
                normal.push_str(&path[at..at + 3].to_ascii_uppercase());
            }
            copied = at + 3;
        } else {
            stray = Some(normal.len() + at - copied);
        }
        let next = copied.max(at + 1);
        match memchr::memchr(b'%', &path.as_bytes()[next..]) {
            Some(found) => at = next + found,
            None => break,
        }
    }
    normal.push_str(&path[copied..]);
    (normal != path).then_some(normal)
}

/// The byte that two hex digits mean.
pub(crate) fn decode_hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match digits {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

/// RFC 3986 2.3.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("the tables hold URLs")
    }

    #[test]
    fn one_page_has_one_name() {
        for (text, canonical) in [
            ("http://example.com", Some("http://example.com/")),
            ("  HTTP://EXAMPLE.com:80/ \n", Some("http://example.com/")),
            ("https://example.com:443/a", Some("https://example.com/a")),
            ("http://example.com:443/", Some("http://example.com:443/")),
            ("http://user:secret@example.com/", Some("http://example.com/")),
            ("http://:@example.com/", Some("http://example.com/")),
            ("http://example.com/#top", Some("http://example.com/")),
            ("http://example.com/a?#top", Some("http://example.com/a")),
            ("http://example.com/a?", Some("http://example.com/a")),
            ("http://example.com/a??", Some("http://example.com/a??")),
            ("http://example.com/a?b#c?d", Some("http://example.com/a?b")),
            ("http://example.com/a/./b/../c", Some("http://example.com/a/c")),
            ("http://example.com/a/%2E%2e/c", Some("http://example.com/c")),
            ("http://example.com/%7Ejoe/%2f%e4?q=%7e%2F", Some("http://example.com/~joe/%2F%E4?q=~%2F")),
            ("http://example.com/100%", Some("http://example.com/100%")),
            ("http://example.com/100%zz%41", Some("http://example.com/100%zzA")),
            ("http://example.com/%2%35%41", Some("http://example.com/%2%35A")),
            ("http://example.com/%%32%35", Some("http://example.com/%%325")),
            ("http://example.com/a b\tc\nd", Some("http://example.com/a%20bcd")),
            ("http:\\\\example.com\\a", Some("http://example.com/a")),
            ("http://example.com/ü?ü", Some("http://example.com/%C3%BC?%C3%BC")),
            ("http://Bücher.example/", Some("http://xn--bcher-kva.example/")),
            ("http://[2001:DB8::0:1]:8080/", Some("http://[2001:db8::1]:8080/")),
            ("http://0x7f.1/", Some("http://127.0.0.1/")),
            ("ftp://example.com/", None),
            ("mailto:a@example.com", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("http://", None),
            ("http:///", None),
            ("http://exa mple.com/", None),
            ("http://example.com:99999/", None),
            ("/relative", None),
            ("", None),
        ] {
            assert_eq!(parse(text).as_ref().map(Url::as_str), canonical, "{text:?}");
        }
    }

    /// RFC 3986 5.4, with the differences of the WHATWG standard: `http:g` is relative, and only http counts.
    #[test]
    fn references_resolve_as_in_the_rfc() {
        let base = url("http://a/b/c/d;p?q");
        for (href, target) in [
            ("g:h", None),
            ("g", Some("http://a/b/c/g")),
            ("./g", Some("http://a/b/c/g")),
            ("g/", Some("http://a/b/c/g/")),
            ("/g", Some("http://a/g")),
            ("//g", Some("http://g/")),
            ("?y", Some("http://a/b/c/d;p?y")),
            ("g?y", Some("http://a/b/c/g?y")),
            ("#s", Some("http://a/b/c/d;p?q")),
            ("g#s", Some("http://a/b/c/g")),
            ("g?y#s", Some("http://a/b/c/g?y")),
            (";x", Some("http://a/b/c/;x")),
            ("g;x", Some("http://a/b/c/g;x")),
            ("g;x?y#s", Some("http://a/b/c/g;x?y")),
            ("", Some("http://a/b/c/d;p?q")),
            (".", Some("http://a/b/c/")),
            ("./", Some("http://a/b/c/")),
            ("..", Some("http://a/b/")),
            ("../", Some("http://a/b/")),
            ("../g", Some("http://a/b/g")),
            ("../..", Some("http://a/")),
            ("../../g", Some("http://a/g")),
            ("../../../g", Some("http://a/g")),
            ("/./g", Some("http://a/g")),
            ("/../g", Some("http://a/g")),
            ("g.", Some("http://a/b/c/g.")),
            (".g", Some("http://a/b/c/.g")),
            ("g..", Some("http://a/b/c/g..")),
            ("..g", Some("http://a/b/c/..g")),
            ("./../g", Some("http://a/b/g")),
            ("./g/.", Some("http://a/b/c/g/")),
            ("g/./h", Some("http://a/b/c/g/h")),
            ("g/../h", Some("http://a/b/c/h")),
            ("g;x=1/../y", Some("http://a/b/c/y")),
            ("g?y/../x", Some("http://a/b/c/g?y/../x")),
            ("http:g", Some("http://a/b/c/g")),
            // Beyond the RFC's table.
            ("?", Some("http://a/b/c/d;p")),
            ("  g \n", Some("http://a/b/c/g")),
            ("..\\g", Some("http://a/b/g")),
            ("g%41", Some("http://a/b/c/gA")),
            ("HTTPS://X/", Some("https://x/")),
            ("java\nscript:alert(1)", None),
            (" JavaScript:alert(1)", None),
            ("tel:123", None),
            ("1:2", Some("http://a/b/c/1:2")),
            ("a/b:c", Some("http://a/b/c/a/b:c")),
            ("//user@g/", Some("http://g/")),
            ("//", None),
        ] {
            assert_eq!(join(&base, href).as_ref().map(Url::as_str), target, "{href:?}");
        }
    }

    #[test]
    fn a_base_need_not_be_of_the_web() {
        let page = url("http://a/b/c");
        for (given, link, target) in [
            ("d/", "g", Some("http://a/b/d/g")),
            ("//d", "g", Some("http://d/g")),
            ("http://", "g", Some("http://a/b/g")),
            ("data:text/html,x", "g", Some("http://a/b/g")),
            ("javascript:x", "/g", Some("http://a/g")),
            ("file:///x/y", "g", None),
            ("about:blank", "g", None),
            ("ftp://x/", "http://d/g", Some("http://d/g")),
            ("ftp://x/", "//d/g", None),
        ] {
            let base = base(&page, given);
            assert_eq!(join(&base, link).as_ref().map(Url::as_str), target, "{given} {link}");
            let joined = Base::new(base).join(link).map(|joined| joined.as_str().to_owned());
            assert_eq!(joined.as_deref(), target, "{given} {link}");
        }
    }

    #[test]
    fn long_urls_are_none() {
        let fitting = format!("http://a/{}", "x".repeat(URL_BYTES_MAX - 9));
        assert_eq!(parse(&fitting).map(|url| url.as_str().len()), Some(URL_BYTES_MAX));
        assert_eq!(parse(&format!("{fitting}#{fitting}")), parse(&fitting));
        assert_eq!(parse(&format!("{fitting}x")), None);
        assert_eq!(join(&url("http://a/"), &"x".repeat(URL_BYTES_MAX)), None);
        assert_eq!(parse_start(&format!("{fitting}x")), Err(BadStart::TooLong(URL_BYTES_MAX + 1)));
        // Encoding makes it longer than it was given.
        assert_eq!(join(&url("http://a/"), &"ü".repeat(URL_BYTES_MAX / 4)), None);
    }

    #[test]
    fn what_a_person_types_needs_no_scheme() {
        for (text, start) in [
            ("example.com", Ok("http://example.com/")),
            (" https://example.com/a#b ", Ok("https://example.com/a")),
            ("HTTP://example.com", Ok("http://example.com/")),
            ("example.com:8080/a", Ok("http://example.com:8080/a")),
            ("localhost:8080", Ok("http://localhost:8080/")),
            ("//example.com/a:b", Ok("http://example.com/a:b")),
            ("[::1]:8080", Ok("http://[::1]:8080/")),
            ("10.0.0.1/a", Ok("http://10.0.0.1/a")),
            ("", Err(BadStart::Empty)),
            (" #top", Err(BadStart::Empty)),
            ("ftp://example.com/", Err(BadStart::Scheme("ftp://example.com/".to_owned()))),
            ("mailto:a@example.com", Err(BadStart::Scheme("mailto:a@example.com".to_owned()))),
            ("http://", Err(BadStart::Unreadable { text: "http://".to_owned(), why: ParseError::EmptyHost })),
        ] {
            assert_eq!(parse_start(text).as_ref().map(Url::as_str), start.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn a_site_is_a_host_whatever_the_scheme_and_the_www() {
        for (a, b, same) in [
            ("http://example.com/", "https://www.example.com/x", true),
            ("http://www.example.com/", "http://example.com/", true),
            ("http://example.com/", "http://docs.example.com/", false),
            ("http://example.com/", "http://example.com:8080/", false),
            ("http://example.com:8080/", "https://example.com:8080/", true),
            ("http://example.com/", "http://example.org/", false),
            ("http://www.www.example.com/", "http://example.com/", false),
            ("http://127.0.0.1/", "http://127.0.0.1/a", true),
        ] {
            assert_eq!(same_site(&url(a), &url(b)), same, "{a} {b}");
        }
        let page = url("https://example.com:8443/a?b");
        assert_eq!((host_key(&page), origin(&page)), ("example.com:8443", "https://example.com:8443"));
        let page = url("http://[::1]/");
        assert_eq!((host_key(&page), origin(&page)), ("[::1]", "http://[::1]"));
    }

    proptest! {
        #[test]
        fn canonical_twice_is_canonical_once(href in "[a-fA-F0-9%./?&=~;:@ü +|{}\\\\-]{0,40}") {
            let base = url("http://example.com/a/b");
            if let Some(once) = join(&base, &href) {
                prop_assert_eq!(parse(once.as_str()), Some(once.clone()));
                prop_assert_eq!(join(&base, once.as_str()), Some(once));
            }
        }
    }
}
