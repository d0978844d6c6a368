//! `robots.txt`: which URLs of a host a crawler may visit (RFC 9309), read as leniently as Google's parser reads it.
//!
//! Knows the format, the matching, and what an answer for `/robots.txt` means. Asks no server, keeps no table of hosts, and
//! does not know the time.

#[cfg(test)]
mod tests;

use crate::url::{decode_hex, is_unreserved};
use std::time::Duration;
use url::{Position, Url};

/// How much of a file is read; RFC 9309 2.5 asks for at least this.
pub const ROBOTS_BYTES_MAX: usize = 500 * 1024;
/// A longer `Crawl-delay` counts as this one: a site must not be able to hold a crawl for days.
pub const CRAWL_DELAY_MAX: Duration = Duration::from_secs(30);
/// After this time a host whose `robots.txt` could not be had is asked again, not before.
pub const UNREACHABLE_FOR: Duration = Duration::from_mins(1);
/// Redirects to follow for a `robots.txt`, also to other hosts (RFC 9309 2.3.1.2).
pub const REDIRECTS_MAX: usize = 5;

/// Longest line that is read; the rest of a longer one is ignored, as in Google's parser (eight times the longest URL that
/// Internet Explorer took).
const LINE_BYTES_MAX: usize = 2083 * 8 - 1;
const SITEMAPS_MAX: usize = 1000;
/// Spellings that are common enough for Google to accept. A key may go on after them, as there.
const DISALLOW: [&str; 6] = ["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"];
const USER_AGENT: [&str; 3] = ["user-agent", "useragent", "user agent"];
const SITEMAP: [&str; 2] = ["sitemap", "site-map"];

/// The rules of one `robots.txt` for one user agent.
#[derive(Debug, Clone, Default)]
pub struct Robots {
    /// The strongest first: the first one that matches decides.
    rules: Vec<Rule>,
    crawl_delay: Option<Duration>,
    sitemaps: Vec<String>,
}

/// What an answer for `/robots.txt` means for its host.
#[derive(Debug, Clone)]
pub enum Verdict {
    Rules(Robots),
    AllowAll,
    /// Nothing of the host may be visited until the file can be had; ask again after [`UNREACHABLE_FOR`].
    Unreachable,
}

/// What to make of a `robots.txt` that cannot be had: the parameter `IgnoreRobotProtocolErrors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    Refuse,
    Allow,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    allows: bool,
}

/// A path pattern in normal form. A `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    /// It ended with `$`: it must match to the end of the path.
    anchored: bool,
}

impl Verdict {
    /// `status` is that of the last answer, after at most [`REDIRECTS_MAX`] redirects; `None` if there was no answer
    /// (no name, no connection, a timeout, a broken body).
    ///
    /// RFC 9309 2.3.1: 2xx brings rules, 4xx and too many redirects mean that there is no file, all else that the host
    /// is in trouble. 429 belongs to the last although it is a 4xx, as Google has it: it asks for less, not for more.
    pub fn of(status: Option<u16>, body: &[u8], agent: &str, on_error: OnError) -> Verdict {
        match (status, on_error) {
            (Some(200..=299), _) => Verdict::Rules(Robots::parse(body, agent)),
            (Some(429), OnError::Refuse) => Verdict::Unreachable,
            (Some(300..=499), _) | (_, OnError::Allow) => Verdict::AllowAll,
            (_, OnError::Refuse) => Verdict::Unreachable,
        }
    }

    pub fn allows(&self, url: &Url) -> bool {
        match self {
            Verdict::Rules(robots) => robots.allows(url),
            Verdict::AllowAll => true,
            Verdict::Unreachable => is_robots_txt(url),
        }
    }
}

impl Robots {
    /// Reads the first [`ROBOTS_BYTES_MAX`] bytes, up to the end of a line: half a rule would be another one. `agent` is a whole `User-Agent` or only its product name; the groups of
    /// that name count, all together, and without any those of `*` (RFC 9309 2.2.1). Anything at all can be read: what
    /// is no rule, an HTML page for one, rules nothing.
    pub fn parse(bytes: &[u8], agent: &str) -> Robots {
        let bytes = without_mark(start_of(bytes));
        let mut reader = Reader::new(product(agent));
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = &line[..line.len().min(LINE_BYTES_MAX)];
            if let Some((key, value)) = key_and_value(line) {
                reader.take(&key, value);
            }
        }
        reader.finish()
    }

    /// Whether the URL may be visited. The longest pattern that matches its path and query decides, and of two equally
    /// long ones the one that allows (RFC 9309 2.2.2). `/robots.txt` itself always may.
    pub fn allows(&self, url: &Url) -> bool {
        if self.rules.is_empty() || is_robots_txt(url) {
            return true;
        }
        let path = normal(url[Position::BeforePath..Position::AfterQuery].as_bytes(), Side::Url);
        self.rules.iter().find(|rule| rule.pattern.matches(&path)).is_none_or(|rule| rule.allows)
    }

    /// The least time between two visits; the longest one if several are given. At most [`CRAWL_DELAY_MAX`].
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// What `Sitemap` lines say, for all agents, as written: to be joined with the URL of the file.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// The same, which are not held any longer.
    pub fn take_sitemaps(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sitemaps)
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let texts = self.rules.iter().map(|rule| rule.pattern.text.len()).chain(self.sitemaps.iter().map(String::len));
        texts.sum::<usize>() + self.rules.len() * size_of::<Rule>()
    }
}

/// What has been read so far.
struct Reader<'a> {
    agent: &'a str,
    specific: Group,
    global: Group,
    sitemaps: Vec<String>,
    /// The last group's agents: do they name us, do they name everyone?
    names_agent: bool,
    names_all: bool,
    /// A rule came since: the next agent starts another group.
    in_rules: bool,
}

#[derive(Default)]
struct Group {
    seen: bool,
    rules: Vec<Rule>,
    crawl_delay: Option<Duration>,
}

impl<'a> Reader<'a> {
    fn new(agent: &'a str) -> Reader<'a> {
        Reader {
            agent,
            specific: Group::default(),
            global: Group::default(),
            sitemaps: Vec::new(),
            names_agent: false,
            names_all: false,
            in_rules: false,
        }
    }

    fn take(&mut self, key: &str, value: &[u8]) {
        let is_any = |names: &[&str]| names.iter().any(|name| key.starts_with(name));
        if is_any(&USER_AGENT) {
            self.take_agent(value);
        } else if is_any(&["allow"]) {
            self.take_rule(value, true);
        } else if is_any(&DISALLOW) {
            self.take_rule(value, false);
        } else if is_any(&["crawl-delay", "crawldelay"]) {
            self.take_delay(value);
        } else if is_any(&SITEMAP)
            && (1..=crate::url::URL_BYTES_MAX).contains(&value.len())
            && self.sitemaps.len() < SITEMAPS_MAX
        {
            self.sitemaps.push(String::from_utf8_lossy(value).into_owned());
        }
        // Anything else, also between an agent and its rules, is as if it were not there (RFC 9309 2.2.4).
    }

    fn take_agent(&mut self, value: &[u8]) {
        if std::mem::take(&mut self.in_rules) {
            (self.names_agent, self.names_all) = (false, false);
        }
        let value = String::from_utf8_lossy(value);
        // "*" may carry a remark, "* (everyone)", but "*bot" is nobody.
        if value == "*" || value.starts_with("* ") || value.starts_with("*\t") {
            self.names_all = true;
            self.global.seen = true;
        } else if product(&value).eq_ignore_ascii_case(self.agent) && !self.agent.is_empty() {
            self.names_agent = true;
            self.specific.seen = true;
        }
    }

    fn take_rule(&mut self, path: &[u8], allows: bool) {
        self.in_rules = true;
        // An empty path is no rule: "Disallow:" forbids nothing.
        if path.is_empty() {
            return;
        }
        for group in self.groups() {
            group.rules.push(Rule { pattern: Pattern::new(path), allows });
            // To allow the index page of a folder is to allow the folder's own URL, as in Google's parser.
            if allows
                && let Some(slash) = path.iter().rposition(|byte| *byte == b'/')
                && path[slash..].starts_with(b"/index.htm")
            {
                let folder = [&path[..=slash], b"$"].concat();
                group.rules.push(Rule { pattern: Pattern::new(&folder), allows });
            }
        }
    }

    /// A member of a group like a rule, although the RFC does not know it: it is honoured, so what follows it is another
    /// group, and "* waits ten seconds; BadBot may nothing" does not forbid everything to everyone.
    fn take_delay(&mut self, value: &[u8]) {
        self.in_rules = true;
        let seconds: Option<f64> = String::from_utf8_lossy(value).parse().ok();
        let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) else {
            return;
        };
        // No duration holds more seconds than there are: far beyond what counts.
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or(CRAWL_DELAY_MAX).min(CRAWL_DELAY_MAX);
        for group in self.groups() {
            group.crawl_delay = group.crawl_delay.max(Some(delay));
        }
    }

    fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        let specific = self.names_agent.then_some(&mut self.specific);
        specific.into_iter().chain(self.names_all.then_some(&mut self.global))
    }

    fn finish(self) -> Robots {
        let Group { mut rules, crawl_delay, .. } = if self.specific.seen { self.specific } else { self.global };
        rules.sort_by_key(|rule| (std::cmp::Reverse(rule.pattern.len()), !rule.allows));
        rules.dedup_by(|a, b| a.allows == b.allows && a.pattern == b.pattern);
        Robots { rules, crawl_delay, sitemaps: self.sitemaps }
    }
}

impl Pattern {
    fn new(path: &[u8]) -> Pattern {
        let (path, anchored) = path.strip_suffix(b"$").map_or((path, false), |path| (path, true));
        Pattern { text: normal(path, Side::Pattern), anchored }
    }

    /// What decides between two patterns that match.
    fn len(&self) -> usize {
        self.text.len() + usize::from(self.anchored)
    }

    /// Pieces are looked for from left to right, each where it first fits, the last one at the end if the pattern is
    /// anchored. An earlier place is never worse than a later one, so nothing is ever tried twice.
    fn matches(&self, path: &str) -> bool {
        let (first, mut pieces) = match self.text.split_once('*') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.text.as_str(), None),
        };
        let Some(mut left) = path.strip_prefix(first) else {
            return false;
        };
        while let Some(rest) = pieces {
            let (piece, next) = match rest.split_once('*') {
                Some((piece, next)) => (piece, Some(next)),
                None => (rest, None),
            };
            if next.is_none() && self.anchored {
                return left.ends_with(piece);
            }
            let Some(at) = memchr::memmem::find(left.as_bytes(), piece.as_bytes()) else {
                return false;
            };
            left = &left[at + piece.len()..];
            pieces = next;
        }
        !self.anchored || left.is_empty()
    }
}

fn start_of(bytes: &[u8]) -> &[u8] {
    let Some((start, _)) = bytes.split_at_checked(ROBOTS_BYTES_MAX).filter(|(_, rest)| !rest.is_empty()) else {
        return bytes;
    };
    let end = memchr::memrchr2(b'\n', b'\r', start).unwrap_or(0);
    &start[..end]
}

/// Without a byte order mark, or the start of one: Google's parser takes that for one as well.
fn without_mark(bytes: &[u8]) -> &[u8] {
    let mark = b"\xef\xbb\xbf";
    let marks = mark.iter().zip(bytes).take_while(|(mark, byte)| mark == byte).count();
    &bytes[marks..]
}

/// Splits a line at its `:`, or without one at its only blank, as Google's parser does; a comment is cut off. The key in
/// lower case. `None` for what says nothing.
fn key_and_value(line: &[u8]) -> Option<(String, &[u8])> {
    let line = memchr::memchr(b'#', line).map_or(line, |at| &line[..at]).trim_ascii();
    let (key, value) = if let Some(at) = memchr::memchr(b':', line) {
        (&line[..at], &line[at + 1..])
    } else {
        let at = line.iter().position(u8::is_ascii_whitespace)?;
        let value = line[at..].trim_ascii();
        if value.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        (&line[..at], value)
    };
    let key = key.trim_ascii();
    (!key.is_empty()).then(|| (String::from_utf8_lossy(key).to_ascii_lowercase(), value.trim_ascii()))
}

/// The product name that starts a user agent: letters, `_` and `-` (RFC 9309 2.2.1). An agent that says what browser it is
/// compatible with, `Mozilla/5.0 (compatible; Bot/1.0)`, names itself after that.
pub fn product(agent: &str) -> &str {
    let agent = agent.split_once("(compatible;").map_or(agent, |(_browser, own)| own).trim();
    let end = agent.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '_' | '-')));
    &agent[..end.unwrap_or(agent.len())]
}

fn is_robots_txt(url: &Url) -> bool {
    url.path() == "/robots.txt"
}

/// Which side of a comparison a path stands on: `*` and `$` have a meaning in a pattern only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Url,
    Pattern,
}

/// The form in which patterns and URLs are compared (RFC 9309 2.2.2): what needs no percent-encoding has none, all else
/// but the reserved characters has one, in upper case. A `*` or `$` that means itself is encoded on both sides.
fn normal(path: &[u8], side: Side) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut normal = String::with_capacity(path.len());
    let encode = |normal: &mut String, byte: u8| {
        normal.push('%');
        normal.push(char::from(HEX[usize::from(byte >> 4)]));
        normal.push(char::from(HEX[usize::from(byte & 15)]));
    };
    let mut at = 0;
    while at < path.len() {
        let byte = path[at];
        let encoded = (byte == b'%').then(|| path.get(at + 1..at + 3).and_then(decode_hex)).flatten();
        match encoded {
            Some(byte) if is_unreserved(byte) => normal.push(char::from(byte)),
            Some(byte) => encode(&mut normal, byte),
            None if byte == b'*' && side == Side::Pattern => normal.push('*'),
            None if is_unreserved(byte) || b":/?#[]@!&'()+,;=%".contains(&byte) => normal.push(char::from(byte)),
            None => encode(&mut normal, byte),
        }
        at += if encoded.is_some() { 3 } else { 1 };
    }
    normal
}
