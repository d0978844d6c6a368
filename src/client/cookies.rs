//! The cookies of one crawl (RFC 6265): those that servers set, in memory until the crawl ends, and those that the
//! configuration gives.

use super::response::Headers;
use httpdate::parse_http_date;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::{Host, Url};

/// Name and value together; longer ones are not kept.
const COOKIE_BYTES_MAX: usize = 4096;
const COOKIES_PER_DOMAIN_MAX: usize = 50;
const COOKIES_MAX: usize = 3000;
/// Of a request's `Cookie` field; what does not fit is left out.
const FIELD_BYTES_MAX: usize = 8192;
/// `Set-Cookie` fields of one response that are looked at.
const FIELDS_MAX: usize = 100;
/// Second-level names under which a country's registry sells third-level ones: no cookie is for all of `co.uk`.
const REGISTRY_NAMES: [&str; 14] =
    ["ac", "co", "com", "edu", "gob", "gov", "gouv", "go", "ltd", "mil", "ne", "net", "or", "org"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    value: String,
    /// In the form that a URL's host has.
    domain: String,
    /// Not for the hosts below the domain.
    host_only: bool,
    /// Begins with a slash.
    path: String,
    /// For https alone.
    secure: bool,
    /// `None`: until the crawl ends.
    expires: Option<SystemTime>,
}

/// The cookies of all visitors of a crawl.
pub(super) struct Jar(Option<Mutex<Vec<Cookie>>>);

impl Cookie {
    /// Reads `name=value`, which is for the host of `start` alone.
    pub fn of_setting(text: &str, start: &Url) -> Option<Cookie> {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if !is_sendable(name, value) {
            return None;
        }
        Some(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: start.host_str()?.to_owned(),
            host_only: true,
            path: "/".to_owned(),
            secure: start.scheme() == "https",
            expires: None,
        })
    }

    /// Reads a file in the form of Netscape's cookies.txt: lines of seven fields between tabs (domain, whether hosts below
    /// it count, path, whether for https only, expiry in seconds since 1970 or 0, name, value). Other lines starting with
    /// `#` are comments; `#HttpOnly_` before a domain is what curl writes. The error is the number of a line that is
    /// neither.
    pub fn of_file(text: &str) -> Result<Vec<Cookie>, usize> {
        let mut cookies = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let cookie = Cookie::of_line(line).ok_or(number + 1)?;
            if cookies.len() < COOKIES_MAX {
                cookies.push(cookie);
            }
        }
        Ok(cookies)
    }

    fn of_line(line: &str) -> Option<Cookie> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, below, path, secure, expires, name, value] = *fields else { return None };
        let flag = |text: &str| match text {
            "TRUE" => Some(true),
            "FALSE" => Some(false),
            _ => None,
        };
        let expires: u64 = expires.split('.').next()?.parse().ok()?;
        let domain = Host::parse(domain.trim_start_matches('.')).ok()?.to_string();
        if !is_sendable(name, value) {
            return None;
        }
        Some(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain,
            host_only: !flag(below)?,
            path: if path.starts_with('/') { path.to_owned() } else { "/".to_owned() },
            secure: flag(secure)?,
            // A second is less than a cookie lasts and more than a clock fails to hold.
            expires: (expires > 0).then(|| at_second(expires)),
        })
    }

    /// Reads a `Set-Cookie` field as RFC 6265 5.2 and 5.3 do. `None` if the server may not set it.
    fn of_field(field: &str, url: &Url, now: SystemTime) -> Option<Cookie> {
        let mut parts = field.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if !is_sendable(name, value) {
            return None;
        }
        let host = url.host_str()?;
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: default_path(url),
            secure: false,
            expires: None,
        };
        let mut max_age = None;
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "expires" => cookie.expires = date(value).or(cookie.expires),
                "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
                "domain" if !value.is_empty() => {
                    let domain = Host::parse(value.trim_start_matches('.')).ok()?.to_string();
                    // Its own name as a domain opens it to the hosts below, unless nothing can be below.
                    let is_address = !matches!(url.host(), Some(Host::Domain(_)));
                    cookie.host_only = is_address || is_shared(&domain);
                    if domain != host && (cookie.host_only || !is_below(host, &domain)) {
                        return None;
                    }
                    cookie.domain = domain;
                }
                "path" => cookie.path = if value.starts_with('/') { value.to_owned() } else { default_path(url) },
                "secure" => cookie.secure = true,
                _ => {}
            }
        }
        if let Some(seconds) = max_age {
            // An hour ago is long enough ago.
            let lasts = Duration::from_secs(seconds.unsigned_abs().min(1 << 32));
            cookie.expires = Some(if seconds > 0 { now + lasts } else { UNIX_EPOCH });
        }
        // Whoever listens on http must not be able to set what is for https.
        (!cookie.secure || url.scheme() == "https").then_some(cookie)
    }

    /// The name by which it is replaced.
    fn is_same(&self, other: &Cookie) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }

    fn is_for(&self, url: &Url, host: &str, now: SystemTime) -> bool {
        let is_host = self.domain == host || !self.host_only && is_below(host, &self.domain);
        is_host
            && (!self.secure || url.scheme() == "https")
            && self.expires.is_none_or(|expires| now < expires)
            && is_path_below(url.path(), &self.path)
    }
}

impl Jar {
    /// `None` keeps and sends nothing.
    pub(super) fn new(cookies: Option<Vec<Cookie>>) -> Jar {
        Jar(cookies.map(Mutex::new))
    }

    /// Keeps what a response to a request for `url` sets.
    pub(super) fn keep(&self, url: &Url, headers: &Headers, now: SystemTime) {
        let Some(jar) = &self.0 else { return };
        for field in headers.all("set-cookie").take(FIELDS_MAX) {
            let Some(cookie) = Cookie::of_field(field, url, now) else { continue };
            insert(&mut jar.lock(), cookie, now);
        }
    }

    /// The value of the `Cookie` field of a request for `url` (RFC 6265 5.4).
    pub(super) fn field(&self, url: &Url, now: SystemTime) -> Option<String> {
        let (jar, host) = (self.0.as_ref()?, url.host_str()?);
        let mut cookies: Vec<Cookie> = {
            let jar = jar.lock();
            jar.iter().filter(|cookie| cookie.is_for(url, host, now)).cloned().collect()
        };
        // The more exact path first, then the older; a stable sort keeps the order of the jar.
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut field = String::new();
        for Cookie { name, value, .. } in cookies {
            if field.len() + name.len() + value.len() + 3 <= FIELD_BYTES_MAX {
                let _ = write!(field, "{}{name}={value}", if field.is_empty() { "" } else { "; " });
            }
        }
        (!field.is_empty()).then_some(field)
    }
}

/// Puts a cookie in the place of the one it replaces, or at the end. One that has expired takes the old one away.
fn insert(jar: &mut Vec<Cookie>, cookie: Cookie, now: SystemTime) {
    let is_over = cookie.expires.is_some_and(|expires| expires <= now);
    match jar.iter().position(|known| known.is_same(&cookie)) {
        Some(place) if is_over => drop(jar.remove(place)),
        Some(place) => jar[place] = cookie,
        None if is_over => {}
        None => {
            let of_domain = jar.iter().filter(|known| known.domain == cookie.domain).count();
            let oldest = if of_domain >= COOKIES_PER_DOMAIN_MAX {
                jar.iter().position(|known| known.domain == cookie.domain)
            } else {
                (jar.len() >= COOKIES_MAX).then_some(0)
            };
            if let Some(oldest) = oldest {
                jar.remove(oldest);
            }
            jar.push(cookie);
        }
    }
}

/// Whether a `Cookie` field can carry it.
fn is_sendable(name: &str, value: &str) -> bool {
    let fits = !name.is_empty() && name.len() + value.len() <= COOKIE_BYTES_MAX;
    fits && !name.chars().chain(value.chars()).any(|each| each.is_control() || each == ';')
}

/// Whether strangers share the domain: all of `com`, all of `co.uk`. The list of all such domains is long and changes; a
/// jar that lasts for one crawl does without.
fn is_shared(domain: &str) -> bool {
    match domain.rsplit_once('.') {
        None => true,
        Some((second, country)) => country.len() == 2 && REGISTRY_NAMES.contains(&second),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// RFC 6265 5.1.4.
fn is_path_below(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}

/// The path up to its last slash, without that unless nothing is left.
fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => url.path()[..end].to_owned(),
    }
}

fn at_second(second: u64) -> SystemTime {
    // Until the year 9999: further ones are mistakes, or forever.
    UNIX_EPOCH + Duration::from_secs(second.min(253_402_300_799))
}

/// A date as cookies have it: those of HTTP, and what else RFC 6265 5.1.1 can be read as: words in any order.
fn date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Ok(date) = parse_http_date(text) {
        return Some(date);
    }
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter = |each: char| each.is_ascii() && !each.is_ascii_alphanumeric() && each != ':';
    for word in text.split(is_delimiter).filter(|word| !word.is_empty()) {
        let number = || word.parse::<i64>().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
        let mut clock = word.split(':').map(|part| part.parse::<i8>().ok());
        if let (None, Some(Some(hour)), Some(Some(minute)), Some(Some(second))) =
            (time, clock.next(), clock.next(), clock.next())
        {
            time = Some((hour, minute, second));
        } else if let (None, Some(number)) = (day, number().filter(|_| word.len() <= 2)) {
            day = i8::try_from(number).ok();
        } else if let (None, Some(found)) =
            (month, MONTHS.iter().position(|name| word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name))))
        {
            month = i8::try_from(found + 1).ok();
        } else if let (None, Some(number)) = (year, number()) {
            year = match (word.len(), number) {
                (2, 0..=69) => i16::try_from(2000 + number).ok(),
                (2, _) => i16::try_from(1900 + number).ok(),
                (4, 1601..) => i16::try_from(number).ok(),
                _ => return None,
            };
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, day?, month?, year?);
    let civil = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let moment = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("the tables hold URLs")
    }

    fn set(jar: &Jar, from: &str, fields: &[&str]) {
        let now = NOW + Duration::from_hours(24);
        let mut headers = Headers::default();
        for field in fields {
            headers.add("set-cookie", field.as_bytes());
        }
        jar.keep(&url(from), &headers, now);
    }

    fn sent(jar: &Jar, to: &str) -> String {
        jar.field(&url(to), NOW + Duration::from_hours(24)).unwrap_or_default()
    }

    #[test]
    fn a_cookie_goes_where_it_is_for() {
        for (from, field, to, is_sent) in [
            ("http://a.example.com/x/y", "n=v", "http://a.example.com/x/z", true),
            ("http://a.example.com/x/y", "n=v", "http://a.example.com/", false),
            ("http://a.example.com/x/y", "n=v; Path=/", "http://a.example.com/", true),
            ("http://a.example.com/", "n=v; path=/do", "http://a.example.com/docs", false),
            ("http://a.example.com/", "n=v; path=/do", "http://a.example.com/do/cs", true),
            ("http://a.example.com/", "n=v", "http://a.example.com:8080/", true),
            ("http://a.example.com/", "n=v", "http://b.a.example.com/", false),
            ("http://a.example.com/", "n=v; Domain=.Example.com", "http://b.example.com/", true),
            ("http://a.example.com/", "n=v; domain=example.com", "http://notexample.com/", false),
            ("http://a.example.com/", "n=v; domain=b.example.com", "http://b.example.com/", false),
            ("http://a.example.com/", "n=v; domain=com", "http://b.com/", false),
            ("http://a.co.uk/", "n=v; domain=co.uk", "http://b.co.uk/", false),
            ("http://localhost/", "n=v; domain=localhost", "http://localhost/", true),
            ("http://127.0.0.1/", "n=v; domain=0.0.1", "http://127.0.0.1/", false),
            ("http://127.0.0.1/", "n=v; domain=127.0.0.1", "http://127.0.0.1/", true),
            ("https://example.com/", "n=v; Secure", "http://example.com/", false),
            ("https://example.com/", "n=v; Secure; HttpOnly", "https://example.com/", true),
            ("http://example.com/", "n=v; Secure", "https://example.com/", false),
            ("http://example.com/", "n=v; Max-Age=10", "http://example.com/", true),
            ("http://example.com/", "n=v; Max-Age=0", "http://example.com/", false),
            (
                "http://example.com/",
                "n=v; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
                "http://example.com/",
                true,
            ),
            ("http://example.com/", "n=v; Expires=Thu, 01 Jan 1970 00:00:01 GMT", "http://example.com/", false),
            ("http://example.com/", "n=v; Expires=Fri, 31-Dec-2049 23:59:59 GMT", "http://example.com/", true),
            ("http://example.com/", "n=v; Expires=tomorrow", "http://example.com/", true),
            ("http://example.com/", "no pair", "http://example.com/", false),
            ("http://example.com/", "=v", "http://example.com/", false),
        ] {
            let jar = Jar::new(Some(Vec::new()));
            set(&jar, from, &[field]);
            assert_eq!(sent(&jar, to) == "n=v", is_sent, "{field} from {from} to {to}");
            let off = Jar::new(None);
            set(&off, from, &[field]);
            assert_eq!(sent(&off, to), "");
        }
    }

    #[test]
    fn a_cookie_is_replaced_and_taken_back() {
        let jar = Jar::new(Some(Vec::new()));
        let home = "http://example.com/a/b";
        set(&jar, home, &["one=1; path=/", "two=2", "three=3; path=/"]);
        assert_eq!(sent(&jar, home), "two=2; one=1; three=3");
        set(&jar, home, &["one=new; path=/", "three=; Max-Age=-1; path=/"]);
        assert_eq!(sent(&jar, home), "two=2; one=new");
    }

    #[test]
    fn no_server_fills_the_jar() {
        let jar = Jar::new(Some(Vec::new()));
        for number in 0..200 {
            set(&jar, "http://example.com/", &[&format!("n{number}=v")]);
        }
        let field = sent(&jar, "http://example.com/");
        assert!(field.starts_with("n150=v; ") && field.ends_with("n199=v"), "{field}");
        set(&jar, "http://example.com/", &[&format!("long={}", "x".repeat(COOKIE_BYTES_MAX))]);
        assert_eq!(sent(&jar, "http://example.com/"), field);
        for number in 0..4 {
            set(&jar, "http://big.example/", &[&format!("n{number}={}", "x".repeat(4000))]);
        }
        assert!(sent(&jar, "http://big.example/").len() <= FIELD_BYTES_MAX);
        for number in 0..COOKIES_MAX {
            set(&jar, &format!("http://host{number}.example/"), &["n=v"]);
        }
        assert_eq!(jar.0.map(|jar| jar.lock().len()), Some(COOKIES_MAX));
    }

    #[test]
    fn cookies_of_the_configuration_are_read() {
        let cookie = Cookie::of_setting("session = abc=1 ", &url("https://example.com/docs/")).expect("a cookie");
        let jar = Jar::new(Some(vec![cookie]));
        assert_eq!(sent(&jar, "https://example.com/"), "session=abc=1");
        assert_eq!(sent(&jar, "http://example.com/"), "");
        for text in ["", "name", "=v", "a=b;c", "a=b\r\nX: y"] {
            assert_eq!(Cookie::of_setting(text, &url("http://example.com/")), None, "{text:?}");
        }

        let file = "# Netscape HTTP Cookie File\n\n.example.com\tTRUE\t/\tFALSE\t0\tone\t1\r\n\
                    #HttpOnly_www.example.com\tFALSE\t/docs\tTRUE\t4102444800\ttwo\t2\n\
                    example.com\tFALSE\t/\tFALSE\t1\told\t3\n";
        let jar = Jar::new(Some(Cookie::of_file(file).expect("a cookies.txt")));
        assert_eq!(sent(&jar, "https://www.example.com/docs/"), "two=2; one=1");
        assert_eq!(sent(&jar, "http://example.com/"), "one=1");
        for (text, line) in [("a b c", 1), ("# x\na\tTRUE\t/\tFALSE\tsoon\tn\tv", 2), ("a\tYES\t/\tFALSE\t0\tn\tv", 1)]
        {
            assert_eq!(Cookie::of_file(text), Err(line), "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_all_the_ways_they_are_written() {
        let seconds = |text: &str| date(text)?.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "1994 November 6 8:49:37",
        ] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
        for text in
            ["", "soon", "Sun, 06 Nov 1994", "99 Nov 1994 08:49:37", "6 Nov 123 08:49:37", "6 Nov 1994 25:00:00"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
