//! The links of a page, in the order of the document, each once.

use super::text::decode_value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The links of a page, in one allocation for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    hrefs: String,
    /// Of each link, where its part of `hrefs` ends.
    ends: Vec<(usize, bool)>,
}

/// One link, to be joined to the page's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// As URL parsers take it: references decoded, no white space around it, no line breaks or tabs in it, without its
    /// fragment. Never empty.
    pub href: &'a str,
    /// Whether every occurrence asks crawlers not to follow it (`rel=nofollow`).
    pub nofollow: bool,
}

/// Servers refuse longer ones: 8 KiB is the usual limit of a request line.
const HREF_BYTES_MAX: usize = 8 * 1024;

impl Links {
    pub fn iter(&self) -> impl Iterator<Item = Link<'_>> {
        (0..self.ends.len()).filter_map(|place| self.get(place))
    }

    /// The link at this place of [`Links::iter`].
    pub fn get(&self, place: usize) -> Option<Link<'_>> {
        let (end, nofollow) = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].0);
        Some(Link { href: &self.hrefs[start..end], nofollow })
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a link, if it can lead to a page, and returns its index.
    fn push(&mut self, href: &str, nofollow: bool) -> Option<usize> {
        let href = trim(href);
        // A fragment names a place within a page and is not sent.
        let href = memchr::memchr(b'#', href.as_bytes()).map_or(href, |at| &href[..at]);
        if href.is_empty() || href.len() > HREF_BYTES_MAX || !may_lead_to_page(href) {
            return None;
        }
        match memchr::memchr3(b'\t', b'\n', b'\r', href.as_bytes()) {
            // URL parsers strip these wherever they are.
            Some(_) => self.hrefs.extend(href.split(['\t', '\n', '\r'])),
            None => self.hrefs.push_str(href),
        }
        self.ends.push((self.hrefs.len(), nofollow));
        Some(self.ends.len() - 1)
    }
}

/// Gathers links; repeats are found by their source, before anything is decoded or joined.
pub(super) struct Gatherer<'a> {
    links: Links,
    /// Hashed with a seed of its own, but faster than std does: a page says most of its links several times.
    seen: HashMap<&'a str, usize, foldhash::fast::RandomState>,
}

impl Default for Gatherer<'_> {
    /// With room for what most pages have, a few kilobytes: to grow is dearer than most links.
    fn default() -> Self {
        const LINKS: usize = 100;
        let links = Links { hrefs: String::with_capacity(40 * LINKS), ends: Vec::with_capacity(LINKS) };
        Gatherer { links, seen: HashMap::with_capacity_and_hasher(LINKS, foldhash::fast::RandomState::default()) }
    }
}

impl<'a> Gatherer<'a> {
    /// Adds the link that an attribute's source makes, if it can lead to a page.
    pub(super) fn add(&mut self, source: &'a str, nofollow: bool) {
        let source = trim(source);
        let key = match memchr::memchr2(b'#', b'&', source.as_bytes()) {
            // After a reference `#` may be part of one; then it is cut once all are decoded.
            Some(at) if source.as_bytes()[at] == b'#' => &source[..at],
            _ => source,
        };
        if key.is_empty() || key.len() > HREF_BYTES_MAX {
            return;
        }
        let links = &mut self.links;
        match self.seen.entry(key) {
            // One occurrence that may be followed is enough.
            Entry::Occupied(seen) => links.ends[*seen.get()].1 &= nofollow,
            Entry::Vacant(vacant) => {
                if let Some(index) = links.push(&decode_value(key), nofollow) {
                    vacant.insert(index);
                }
            }
        }
    }

    /// Adds a link whose references are decoded, also if it is a repeat.
    pub(super) fn add_decoded(&mut self, href: &str, nofollow: bool) {
        self.links.push(href, nofollow);
    }

    pub(super) fn finish(self) -> Links {
        self.links
    }
}

/// The URLs of a `srcset`, as the standard splits it: they may have commas inside, but not at their ends; descriptors may
/// have some within parentheses.
pub(super) fn of_srcset(set: &str) -> impl Iterator<Item = &str> {
    let mut rest = set;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        rest = after;
        let bare = url.trim_end_matches(',');
        if bare.len() == url.len() {
            let mut depth = 0_usize;
            let comma = rest.find(|c: char| {
                depth = match c {
                    '(' => depth + 1,
                    ')' => depth.saturating_sub(1),
                    _ => depth,
                };
                c == ',' && depth == 0
            });
            rest = comma.map_or("", |comma| &rest[comma..]);
        }
        (!bare.is_empty()).then_some(bare)
    })
}

/// Without what URL parsers strip from both ends. They would strip NULs, but never see any: tokenizers replace them.
pub(super) fn trim(href: &str) -> &str {
    href.trim_matches(|character| matches!(character, '\x01'..=' '))
}

/// Whether an href is relative or of the web: not `javascript:`, `mailto:`, `data:` and the like.
fn may_lead_to_page(href: &str) -> bool {
    let first = href.bytes().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'));
    match first {
        Some(colon) if href.as_bytes()[colon] == b':' && href.as_bytes()[0].is_ascii_alphabetic() => {
            let scheme = &href[..colon];
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(sources: &[&str]) -> Vec<String> {
        let mut gatherer = Gatherer::default();
        for source in sources {
            gatherer.add(source, false);
        }
        gatherer.finish().iter().map(|link| link.href.to_owned()).collect()
    }

    #[test]
    fn only_what_may_lead_to_a_page_is_a_link() {
        for (source, href) in [
            ("a.html", Some("a.html")),
            (" \n/a b\r\n?x#y ", Some("/a b?x")),
            // The fragment is cut after decoding too.
            ("?a=1&amp;b=2#f", Some("?a=1&b=2")),
            ("a&#35;b", Some("a")),
            ("HTTP://h/", Some("HTTP://h/")),
            ("//h/x", Some("//h/x")),
            ("a/b:c", Some("a/b:c")),
            ("1:2", Some("1:2")),
            ("", None),
            ("#top", None),
            ("&#35;top", None),
            ("javascript:void(0)", None),
            ("JavaScript&colon;void(0)", None),
            ("mailto:a@b", None),
            ("data:text/html,<a>", None),
            ("tel:1", None),
        ] {
            let expected: Vec<&str> = href.into_iter().collect();
            assert_eq!(gathered(&[source]), expected, "{source:?}");
        }
        assert!(gathered(&[&"a".repeat(HREF_BYTES_MAX + 1)]).is_empty());
    }

    #[test]
    fn a_srcset_is_split_as_the_standard_does() {
        for (set, expected) in [
            ("a.png", &["a.png"][..]),
            (" a.png 1x , b.png 2x,c.png", &["a.png", "b.png", "c.png"]),
            ("a.png, b.png", &["a.png", "b.png"]),
            ("a,b.png 1x", &["a,b.png"]),
            ("a.png calc(1px, 2px), b.png", &["a.png", "b.png"]),
            (",,a.png,,", &["a.png"]),
            (" , ", &[]),
            ("", &[]),
        ] {
            assert_eq!(of_srcset(set).collect::<Vec<_>>(), expected, "{set:?}");
        }
    }

    #[test]
    fn repeats_are_dropped_and_one_followed_occurrence_is_enough() {
        assert_eq!(gathered(&["b", "a", "b#x", " b ", "a#"]), ["b", "a"]);

        let mut gatherer = Gatherer::default();
        for (source, nofollow) in [("a", true), ("b", true), ("a", false)] {
            gatherer.add(source, nofollow);
        }
        let links = gatherer.finish();
        let nofollow: Vec<bool> = links.iter().map(|link| link.nofollow).collect();
        assert_eq!((links.len(), nofollow), (2, vec![false, true]));
    }
}
