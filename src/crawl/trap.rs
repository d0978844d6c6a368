//! Link spaces without an end: paths that go in circles, and patterns such as a calendar's of which there is always one
//! URL more. Pure.

use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher as _;
use url::{Position, Url};

/// Segments of a path at most; no site has use for more.
pub const SEGMENTS_MAX: usize = 64;
/// Bytes of a URL if nobody says otherwise: longer ones are traps far more often than pages, and no sitemap may list them.
pub const URL_BYTES_DEFAULT: usize = 2048;
/// How often a part of a path may stand in a row if nobody says otherwise.
pub const REPEATS_DEFAULT: usize = 3;
/// Patterns that are counted; pages of further ones are not.
const PATTERNS_MAX: usize = 50_000;
/// A pattern with so many pages is told, whether or not there is a limit.
const MANY: u32 = 10_000;
/// Longest pattern that is told, in characters.
const PATTERN_CHARS_MAX: usize = 200;

/// Whether a part of a URL's path stands there more than `repeats_max` times in a row: `/a/b/a/b/a/b/a/b/` for 3. For 0 none does.
pub fn is_circular(path: &str, repeats_max: usize) -> bool {
    // That many segments are needed: nearly all paths have fewer.
    if repeats_max == 0 || memchr::memchr_iter(b'/', path.as_bytes()).count() <= repeats_max {
        return false;
    }
    let segments: Vec<&str> = path.split('/').skip(1).take(SEGMENTS_MAX + 1).collect();
    (1..=segments.len() / (repeats_max + 1)).any(|period| {
        // As long as each segment is the one a period before, the part goes on.
        let mut alike = 0;
        (period..segments.len()).any(|at| {
            alike = if segments[at] == segments[at - period] { alike + 1 } else { 0 };
            alike == period * repeats_max
        })
    })
}

/// Whether a URL's path has more segments than [`SEGMENTS_MAX`].
pub fn is_too_deep(path: &str) -> bool {
    // Nearly all paths have fewer bytes than that.
    path.len() > SEGMENTS_MAX && memchr::memchr_iter(b'/', path.as_bytes()).count() > SEGMENTS_MAX
}

/// The form of a URL, in which `#` stands for any digits and `*` for any value of the query. `None` if it has neither.
fn pattern(url: &Url) -> Option<String> {
    let (path, query) = (url.path(), url.query());
    if query.is_none() && !path.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut pattern = String::with_capacity(url.as_str().len());
    pattern.push_str(&url[..Position::BeforePath]);
    for character in path.chars() {
        match character {
            '0'..='9' if pattern.ends_with('#') => {}
            '0'..='9' => pattern.push('#'),
            _ => pattern.push(character),
        }
    }
    for (number, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        pattern.push(if number == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) => pattern.extend([name, "=*"]),
            // Without a name it is a value by itself: "?2026-11".
            None => pattern.push('*'),
        }
    }
    Some(pattern)
}

/// Counts the pages of a run by the pattern of their URLs.
#[derive(Debug)]
pub struct Patterns {
    pages_max: Option<u32>,
    /// By a hash of the pattern.
    pages: HashMap<u64, u32>,
    /// One has more pages than there may be: only then there is something to look up.
    is_any_full: bool,
}

/// What is to be told about a pattern, once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Told {
    #[error(
        "{MANY} pages with URLs like {0} were met; if they are a calendar without an end or one page under many names, \
         MaxPagesPerPattern or SpiderUrlCantHaveRegex leaves them out"
    )]
    Many(String),
    #[error("MaxPagesPerPattern is reached: further pages with URLs like {0} are passed over")]
    Full(String),
}

impl Patterns {
    /// `pages_max` is `MaxPagesPerPattern`; `None` is no limit.
    pub fn new(pages_max: Option<u32>) -> Patterns {
        Patterns { pages_max, pages: HashMap::new(), is_any_full: false }
    }

    /// Whether one page more of this pattern may be met.
    pub fn admits(&self, url: &str) -> bool {
        if !self.is_any_full {
            return true;
        }
        let count = Url::parse(url).ok().and_then(|url| self.pages.get(&key(&pattern(&url)?)));
        count.zip(self.pages_max).is_none_or(|(count, pages_max)| *count < pages_max)
    }

    /// Counts a page that was met.
    pub fn count(&mut self, url: &str) -> Option<Told> {
        let pattern = pattern(&Url::parse(url).ok()?)?;
        let room = self.pages.len() < PATTERNS_MAX;
        let key = key(&pattern);
        let count = if room { self.pages.entry(key).or_default() } else { self.pages.get_mut(&key)? };
        *count += 1;
        let told = |pattern: String| pattern.chars().take(PATTERN_CHARS_MAX).collect();
        if self.pages_max == Some(*count) {
            self.is_any_full = true;
            return Some(Told::Full(told(pattern)));
        }
        (*count == MANY && self.pages_max.is_none()).then(|| Told::Many(told(pattern)))
    }
}

fn key(pattern: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(pattern.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        crate::url::parse(text).expect("the tables hold URLs")
    }

    #[test]
    fn a_part_that_stands_too_often_in_a_row_makes_a_path_circular() {
        for (path, repeats_max, circular) in [
            ("/a/b/a/b/a/b/a/b", 3, true),
            ("/a/b/a/b/a/b/a", 3, false),
            ("/x/y/a/b/a/b/a/b/a/b/z", 3, true),
            ("/a/b/c/a/b/c/a/b/c/a/b/c/", 3, true),
            ("/a/a/a/a", 3, true),
            ("/a/a/a", 3, false),
            ("/a/a/a/", 2, true),
            ("/a////b", 3, false),
            ("/a/////b", 3, true),
            // A tile of a map, the eleventh of November, a class of that name.
            ("/tiles/0/0/0.png", 3, false),
            ("/2011/11/11/11", 3, false),
            ("/foo/foo/foo.html", 3, false),
            ("/a/b/a/c/a/d/a/e", 3, false),
            ("/a/a/a/a/a/a/a/a", 0, false),
            ("/", 1, false),
            ("/a/a", 1, true),
        ] {
            assert_eq!(
                is_circular(url(&format!("http://h{path}")).path(), repeats_max),
                circular,
                "{path} {repeats_max}"
            );
        }
        assert!(is_too_deep(&"/a".repeat(SEGMENTS_MAX + 1)));
        assert!(!is_too_deep(&"/a".repeat(SEGMENTS_MAX)));
    }

    #[test]
    fn the_pattern_of_a_url_is_without_its_numbers_and_values() {
        for (text, expected) in [
            ("http://h1/2026/11/a-7.html", Some("http://h1/#/#/a-#.html")),
            ("http://h/cal?month=11&view=week&2026", Some("http://h/cal?month=*&view=*&*")),
            ("http://h:8080/a?b", Some("http://h:8080/a?*")),
            ("http://h:8080/about", None),
        ] {
            assert_eq!(pattern(&url(text)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn pages_of_one_pattern_are_limited_and_told_once() {
        let mut patterns = Patterns::new(Some(2));
        assert_eq!(patterns.count("http://h/cal?m=1"), None);
        assert!(patterns.admits("http://h/cal?m=2"));
        assert_eq!(patterns.count("http://h/cal?m=2"), Some(Told::Full("http://h/cal?m=*".to_owned())));
        assert!(!patterns.admits("http://h/cal?m=3"));
        assert!(patterns.admits("http://h/news?m=3") && patterns.admits("http://h/"));
        assert_eq!(patterns.count("http://h/cal?m=3"), None, "it was known before, and is met all the same");

        let mut patterns = Patterns::new(None);
        let told: Vec<Told> = (0..2 * MANY).filter_map(|day| patterns.count(&format!("http://h/{day}"))).collect();
        assert_eq!(told, [Told::Many("http://h/#".to_owned())]);
        assert!(patterns.admits("http://h/1"));
    }

    #[test]
    fn patterns_without_number_are_counted_up_to_a_limit() {
        let mut patterns = Patterns::new(Some(1));
        for number in 0..=PATTERNS_MAX {
            let word: String = number.to_string().bytes().map(|digit| char::from(digit + b'a' - b'0')).collect();
            patterns.count(&format!("http://h/{word}?a=1"));
        }
        assert_eq!(patterns.pages.len(), PATTERNS_MAX);
    }

    proptest! {
        /// The straightforward way to ask the same.
        #[test]
        fn circles_are_those_of_a_regex(path in "(/[ab]?){0,14}") {
            let regex = fancy_regex::Regex::new(r"^(?:/[^/]*)*?((?:/[^/]*)+)\1{2}(?:/[^/]*)*$").expect("a regex");
            let url = Url::parse(&format!("http://h{path}")).expect("a URL");
            prop_assert_eq!(is_circular(url.path(), 2), regex.is_match(url.path()).expect("it ends"));
        }
    }
}
