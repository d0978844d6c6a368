//! Which URLs a crawl visits and which of them it ingests (web-connector.md 2.1).
//!
//! Pure: knows the task's starts and regular expressions. Knows no depth, no page and no `robots.txt`.

use super::trap;
use crate::url::{host_key, same_site_by_host};
use fancy_regex::{Regex, RegexBuilder};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use url::Url;

/// What `UrlCantHaveRegex` is if nobody says otherwise: style sheets and scripts are visited but no documents.
pub const INGEST_CANT_DEFAULT: &str = r".*\.(css|js)([?,].*)?";

/// Steps that a regular expression may take on one URL, a few milliseconds' worth. One that needs more is taken not to
/// match: a pattern that runs away must not hold the crawl.
const BACKTRACKS_MAX: usize = 100_000;
/// Size of a compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Compiled patterns that are kept. A task has a few.
const KEPT_MAX: usize = 16;
/// A longer pattern is compiled each time.
const KEPT_PATTERN_BYTES_MAX: usize = 1024;

/// The parameters that make a scope. The regular expressions are Perl's and match a URL as a whole.
#[derive(Debug, Clone, Hash)]
pub struct Settings {
    pub starts: Vec<Url>,
    pub stay_on_site: bool,
    /// `MaxUrlLength`, in bytes.
    pub url_bytes_max: usize,
    /// `MaxPathRepeats`: how often a part of a path may stand in a row; 0 is no limit.
    pub path_repeats_max: usize,
    /// `SpiderUrlMustHaveRegex`: only what matches is visited.
    pub spider_must: Option<String>,
    /// `SpiderUrlCantHaveRegex`: what matches is not visited.
    pub spider_cant: Option<String>,
    /// `UrlMustHaveRegex`: only what matches is ingested.
    pub ingest_must: Option<String>,
    /// `UrlCantHaveRegex`: what matches is not ingested.
    pub ingest_cant: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            starts: Vec::new(),
            stay_on_site: true,
            url_bytes_max: trap::URL_BYTES_DEFAULT,
            path_repeats_max: trap::REPEATS_DEFAULT,
            spider_must: None,
            spider_cant: None,
            ingest_must: None,
            ingest_cant: Some(INGEST_CANT_DEFAULT.to_owned()),
        }
    }
}

/// A parameter's value is no regular expression, or too large a one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={pattern} is not a regular expression: {why}")]
pub struct BadRegex {
    pub parameter: &'static str,
    pub pattern: String,
    pub why: String,
}

/// Why a URL is not visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    #[error("on another site than every start")]
    OtherSite,
    #[error("longer than MaxUrlLength")]
    TooLong,
    #[error("its path goes in circles (MaxPathRepeats)")]
    Circular,
    #[error("its path has more than {} segments", trap::SEGMENTS_MAX)]
    TooDeep,
    #[error("does not match SpiderUrlMustHaveRegex")]
    SpiderMust,
    #[error("matches SpiderUrlCantHaveRegex")]
    SpiderCant,
}

/// Decides about URLs for one crawl.
#[derive(Debug)]
pub struct Scope {
    starts: Vec<Url>,
    stay_on_site: bool,
    url_bytes_max: usize,
    path_repeats_max: usize,
    spider_must: Option<Filter>,
    spider_cant: Option<Filter>,
    ingest_must: Option<Filter>,
    ingest_cant: Option<Filter>,
}

impl Scope {
    pub fn new(settings: Settings) -> Result<Scope, BadRegex> {
        Ok(Scope {
            spider_must: Filter::new("SpiderUrlMustHaveRegex", settings.spider_must)?,
            spider_cant: Filter::new("SpiderUrlCantHaveRegex", settings.spider_cant)?,
            ingest_must: Filter::new("UrlMustHaveRegex", settings.ingest_must)?,
            ingest_cant: Filter::new("UrlCantHaveRegex", settings.ingest_cant)?,
            starts: settings.starts,
            stay_on_site: settings.stay_on_site,
            url_bytes_max: settings.url_bytes_max,
            path_repeats_max: settings.path_repeats_max,
        })
    }

    /// Whether a URL is visited, if it is not too deep. Starts are asked about as well: one that the patterns exclude is
    /// not visited.
    pub fn visits(&self, url: &Url) -> Result<(), OutOfScope> {
        if self.visits_site(host_key(url)) {
            self.visits_path(url.as_str(), url.path())
        } else {
            Err(OutOfScope::OtherSite)
        }
    }

    /// Whether any page of a host, given as [`host_key`] does, may be visited.
    pub fn visits_site(&self, host: &str) -> bool {
        !self.stay_on_site || self.starts.iter().any(|start| same_site_by_host(host_key(start), host))
    }

    /// The same of a URL, and its path, on a site that is visited. Asked for every link, so that the cheap questions come
    /// first.
    pub fn visits_path(&self, url: &str, path: &str) -> Result<(), OutOfScope> {
        if url.len() > self.url_bytes_max {
            return Err(OutOfScope::TooLong);
        }
        if trap::is_circular(path, self.path_repeats_max) {
            return Err(OutOfScope::Circular);
        }
        if trap::is_too_deep(path) {
            return Err(OutOfScope::TooDeep);
        }
        if self.spider_must.as_ref().is_some_and(|must| !must.matches(url)) {
            return Err(OutOfScope::SpiderMust);
        }
        if self.spider_cant.as_ref().is_some_and(|cant| cant.matches(url)) {
            return Err(OutOfScope::SpiderCant);
        }
        Ok(())
    }

    /// Whether a visited URL becomes a document. Its links are followed either way.
    pub fn ingests(&self, url: &Url) -> bool {
        self.ingest_must.as_ref().is_none_or(|must| must.matches(url.as_str()))
            && !self.ingest_cant.as_ref().is_some_and(|cant| cant.matches(url.as_str()))
    }
}

/// A regular expression for whole URLs or for parts of a text, which cannot run away.
pub struct Filter {
    parameter: &'static str,
    regex: Regex,
    /// It ran away once: the log has it.
    reported: AtomicBool,
}

impl Filter {
    /// `None` and an empty pattern are no filter.
    pub fn new(parameter: &'static str, pattern: Option<String>) -> Result<Option<Filter>, BadRegex> {
        let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
            return Ok(None);
        };
        // First as it stands: "a)(b" would be one inside the parentheses below. Then with a line's end as well, without
        // which a comment, as (?x) allows it, would swallow the closing one.
        let regex = compile(&pattern).and_then(|_| {
            compile(&format!(r"\A(?:{pattern})\z")).or_else(|error| {
                let commented = compile(&format!("\\A(?:{pattern}\n)\\z"));
                commented.map_err(|_| error)
            })
        });
        match regex {
            Ok(regex) => Ok(Some(Filter { parameter, regex, reported: AtomicBool::new(false) })),
            Err(error) => Err(BadRegex { parameter, pattern, why: error.to_string() }),
        }
    }

    /// As [`Filter::new`], but the pattern may be found anywhere in a text of many lines.
    pub fn anywhere(parameter: &'static str, pattern: Option<String>) -> Result<Option<Filter>, BadRegex> {
        let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
            return Ok(None);
        };
        match compile(&format!("(?s){pattern}")) {
            Ok(regex) => Ok(Some(Filter { parameter, regex, reported: AtomicBool::new(false) })),
            Err(error) => Err(BadRegex { parameter, pattern, why: error.to_string() }),
        }
    }

    /// Whether the whole URL matches. A pattern that runs away does not, which is logged once.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or_else(|error| {
            if !self.reported.swap(true, Ordering::Relaxed) {
                let text: String = text.chars().take(200).collect();
                log::warn!(
                    "{} is taken not to match {text} and whatever else it runs away on: {error}",
                    self.parameter
                );
            }
            false
        })
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.parameter, self.regex)
    }
}

/// The patterns that were compiled last, the latest first. Every submission plans its task, and compiling the default
/// of `UrlCantHaveRegex` alone took four times what the rest of an answer takes.
///
/// Never matched with: a clone has working memory of its own, which goes with it.
static KEPT: Mutex<VecDeque<(Box<str>, Regex)>> = Mutex::new(VecDeque::new());

fn compile(pattern: &str) -> Result<Regex, Box<fancy_regex::Error>> {
    let kept = {
        let mut kept = KEPT.lock();
        let place = kept.iter().position(|(text, _)| **text == *pattern);
        place.and_then(|place| {
            let entry = kept.remove(place)?;
            let regex = entry.1.clone();
            kept.push_front(entry);
            Some(regex)
        })
    };
    if let Some(regex) = kept {
        return Ok(regex);
    }
    let regex = RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(Box::new)?;
    if pattern.len() <= KEPT_PATTERN_BYTES_MAX {
        let entry = (pattern.into(), regex.clone());
        let mut kept = KEPT.lock();
        kept.push_front(entry);
        kept.truncate(KEPT_MAX);
    }
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        crate::url::parse(text).expect("the tables hold URLs")
    }

    fn settings() -> Settings {
        Settings { starts: vec![url("http://site/")], ..Settings::default() }
    }

    #[test]
    fn a_crawl_stays_on_the_sites_of_its_starts() -> Result<(), BadRegex> {
        let starts = vec![url("http://site/"), url("https://www.other:8443/x")];
        let stays = Scope::new(Settings { starts: starts.clone(), ..settings() })?;
        let anywhere = Scope::new(Settings { starts, stay_on_site: false, ..settings() })?;
        for (link, on_site) in [
            ("http://site/a", true),
            ("https://www.site/", true),
            ("http://other:8443/", true),
            ("http://other/", false),
            ("http://sub.site/", false),
        ] {
            let expected = if on_site { Ok(()) } else { Err(OutOfScope::OtherSite) };
            assert_eq!(stays.visits(&url(link)), expected, "{link}");
            assert_eq!(anywhere.visits(&url(link)), Ok(()), "{link}");
        }
        Ok(())
    }

    /// web-connector.md 8, cases 6 to 9.
    #[test]
    fn what_is_kept_of_patterns_has_a_limit_and_is_what_was_asked_for() -> Result<(), BadRegex> {
        for number in 0..3 * KEPT_MAX {
            for _ in 0..2 {
                let scope = Scope::new(Settings { ingest_cant: Some(format!(".*/{number}")), ..settings() })?;
                assert!(!scope.ingests(&url(&format!("http://site/{number}"))));
                assert!(scope.ingests(&url(&format!("http://site/x{number}"))));
            }
        }
        assert!(KEPT.lock().len() <= KEPT_MAX);
        Ok(())
    }

    #[test]
    fn patterns_match_whole_urls() -> Result<(), BadRegex> {
        let a = url("http://site/a.html");
        let b = url("http://site/b.html");
        let scope = Scope::new(Settings { spider_cant: Some(r".*a\.html".to_owned()), ..settings() })?;
        assert_eq!(scope.visits(&a), Err(OutOfScope::SpiderCant));
        assert_eq!(scope.visits(&b), Ok(()));

        let scope = Scope::new(Settings { ingest_cant: Some(r".*a\.html".to_owned()), ..settings() })?;
        assert_eq!((scope.visits(&a), scope.ingests(&a), scope.ingests(&b)), (Ok(()), false, true));

        let scope = Scope::new(Settings { ingest_cant: Some(r"a\.html".to_owned()), ..settings() })?;
        assert!(scope.ingests(&a));

        let scope = Scope::new(Settings { spider_must: Some(r".*/(a|c)\.html".to_owned()), ..settings() })?;
        assert_eq!(scope.visits(&url("http://site/")), Err(OutOfScope::SpiderMust));
        assert_eq!((scope.visits(&a), scope.visits(&b)), (Ok(()), Err(OutOfScope::SpiderMust)));

        let scope = Scope::new(Settings { ingest_must: Some(r".*a\.html".to_owned()), ..settings() })?;
        assert_eq!((scope.ingests(&a), scope.ingests(&b)), (true, false));
        Ok(())
    }

    #[test]
    fn patterns_are_perls() -> Result<(), BadRegex> {
        for (pattern, link, matches) in [
            (".*", "http://site/", true),
            // An alternative that matches a part does not hide one that matches all.
            ("http://site/|http://site/a", "http://site/a", true),
            (r"a\.html|.*b\.html", "http://site/b.html", true),
            (r"http://site/(?!private/).*", "http://site/private/a", false),
            (r"http://site/(?!private/).*", "http://site/public/a", true),
            (r".*/([a-z]+)/\1/.*", "http://site/ab/ab/c", true),
            (r".*/([a-z]+)/\1/.*", "http://site/ab/ba/c", false),
            ("(?i).*/A", "http://site/a", true),
            (".*/A", "http://site/a", false),
            ("^http://site/a$", "http://site/a", true),
            ("(?x) http://site/ a # a remark", "http://site/a", true),
        ] {
            let scope =
                Scope::new(Settings { ingest_must: Some(pattern.to_owned()), ingest_cant: None, ..settings() })?;
            assert_eq!(scope.ingests(&url(link)), matches, "{pattern} {link}");
        }
        Ok(())
    }

    #[test]
    fn a_pattern_that_runs_away_matches_nothing_and_is_reported() -> Result<(), BadRegex> {
        let pattern = r"http://site/((a|aa)+)+\1!".to_owned();
        let scope = Scope::new(Settings { spider_cant: Some(pattern), ..settings() })?;
        let reported = || scope.spider_cant.as_ref().map(|filter| filter.reported.load(Ordering::Relaxed));
        assert_eq!(scope.visits(&url("http://site/b")), Ok(()));
        assert_eq!(reported(), Some(false));
        assert_eq!(scope.visits(&url(&format!("http://site/{}", "a".repeat(60)))), Ok(()));
        assert_eq!(reported(), Some(true));
        Ok(())
    }

    #[test]
    fn style_sheets_and_scripts_are_no_documents_by_default() -> Result<(), BadRegex> {
        let scope = Scope::new(settings())?;
        for (link, ingests) in [
            ("http://site/a.css", false),
            ("http://site/a.js?v=1", false),
            ("http://site/a.js,b.js", false),
            ("http://site/a.json", true),
            ("http://site/css", true),
            ("http://site/a.css/b", true),
            ("http://site/", true),
        ] {
            assert_eq!(scope.ingests(&url(link)), ingests, "{link}");
            assert_eq!(scope.visits(&url(link)), Ok(()));
        }
        let scope = Scope::new(Settings { ingest_cant: Some(String::new()), ..settings() })?;
        assert!(scope.ingests(&url("http://site/a.css")), "an empty value is no filter");
        Ok(())
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for pattern in ["(", "a)(b", r"a\", "[", "(?P<", "(a{1000}){1000}"] {
            let error = Scope::new(Settings { spider_must: Some(pattern.to_owned()), ..settings() }).err();
            let named = error.map(|error| (error.parameter, error.pattern));
            assert_eq!(named, Some(("SpiderUrlMustHaveRegex", pattern.to_owned())), "{pattern}");
        }
    }
}
