//! CSS selectors over a document that is read once, without a tree: which elements match, and where they stand.
//!
//! Elements end where the standard's commonest rules end them: by their own end tag, by one of an element around them,
//! or by a start tag that cannot be within them (`p`, `li`, `dt`, `dd`, parts of tables, `option`).

use super::name::{Name, Role};
use super::selector::{Element, Selector};
use super::tokens::{Attribute, Tag, Token, Tokens};
use super::{Namespace, Syntax, TOKENS_BETWEEN_LOOKS, decode_value};
use crate::stop::{StopFlag, Stopped};
use std::borrow::Cow;
use std::ops::Range;

/// Open elements that are looked at; what is nested deeper belongs to the deepest of them. Browsers stop there too.
const DEPTH_MAX: usize = 512;
/// Elements of one page that match.
const MATCHES_MAX: usize = 100_000;

/// An element that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which of the selectors asked for.
    pub selector: usize,
    /// With its tags.
    pub outer: Range<usize>,
    /// Between its tags.
    pub inner: Range<usize>,
}

/// An element whose end has not come.
struct Open<'a> {
    raw_name: &'a str,
    name: Name,
    attributes: Vec<Attribute<'a>>,
    /// Places in the list of matches.
    matches: Vec<usize>,
}

/// Every element that matches one of `selectors`, in the order in which they begin.
pub fn select(source: &str, syntax: Syntax, selectors: &[&Selector], stop: &StopFlag) -> Result<Vec<Match>, Stopped> {
    let mut tokens = Tokens::new(source, syntax);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut matches: Vec<Match> = Vec::new();
    let mut count = 0;
    loop {
        count += 1;
        if count % TOKENS_BETWEEN_LOOKS == 0 {
            stop.check()?;
        }
        match tokens.next() {
            None => break,
            Some(Token::Text(_)) => {}
            Some(Token::Start(tag)) => {
                let (name, is_empty) = (tag.name, tag.is_empty);
                let element = Open::of(&tag);
                let (start, end) = (tokens.tag_at(), tokens.at());
                let place = implied(&open, name);
                close(&mut open, &mut matches, place, start, start);
                if open.len() >= DEPTH_MAX {
                    continue;
                }
                open.push(Open { raw_name: name_at(source, start + 1), ..element });
                for (selector, asked) in selectors.iter().enumerate() {
                    if matches.len() < MATCHES_MAX && asked.matches(&open) {
                        let place = matches.len();
                        // To the end of the document unless its end comes.
                        matches.push(Match { selector, outer: start..source.len(), inner: end..source.len() });
                        open.last_mut().expect("it was pushed above").matches.push(place);
                    }
                }
                if is_empty {
                    let place = open.len() - 1;
                    close(&mut open, &mut matches, place, end, end);
                }
            }
            Some(Token::End(name, namespace)) => {
                let (start, end) = (tokens.tag_at(), tokens.at());
                let raw_name = name_at(source, start + 2);
                if let Some(place) = ended(&open, name, namespace, raw_name) {
                    close(&mut open, &mut matches, place, start, end);
                }
            }
        }
    }
    Ok(matches)
}

impl Element for Open<'_> {
    fn is_named(&self, name: &str) -> bool {
        self.raw_name.eq_ignore_ascii_case(name)
    }

    fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        self.attributes.iter().find(|attribute| attribute.is(name)).map(|attribute| decode_value(attribute.value))
    }
}

impl<'a> Open<'a> {
    fn of(tag: &Tag<'_, 'a>) -> Open<'a> {
        Open { raw_name: "", name: tag.name, attributes: tag.attributes.to_vec(), matches: Vec::new() }
    }
}

fn name_at(source: &str, at: usize) -> &str {
    let (_, length) = Name::read(&source.as_bytes()[at..]);
    &source[at..at + length]
}

/// Ends the elements from `place` on: the first of them at `end`, with an end tag that begins at `inner_end`; those
/// within it where that begins.
fn close(open: &mut Vec<Open<'_>>, matches: &mut [Match], place: usize, inner_end: usize, end: usize) {
    for (at, element) in open.drain(place.min(open.len())..).enumerate() {
        for found in element.matches {
            matches[found].inner.end = inner_end.max(matches[found].inner.start);
            matches[found].outer.end = if at == 0 { end } else { inner_end }.max(matches[found].inner.end);
        }
    }
}

/// From which place on the start of `name` ends open elements.
fn implied(open: &[Open<'_>], name: Name) -> usize {
    const SECTIONS: [Name; 3] = [Name::Tbody, Name::Thead, Name::Tfoot];
    let (ends, bounds): (&[Name], &[Name]) = match name {
        Name::Li => (&[Name::Li], &[Name::Ul, Name::Ol, Name::Menu, Name::Dir, Name::Table]),
        Name::Dd | Name::Dt => (&[Name::Dd, Name::Dt], &[Name::Dl, Name::Table]),
        Name::Td | Name::Th => (&[Name::Td, Name::Th], &[Name::Table]),
        Name::Tr => (&[Name::Tr, Name::Td, Name::Th], &[Name::Table]),
        _ if SECTIONS.contains(&name) => {
            (&[Name::Tbody, Name::Thead, Name::Tfoot, Name::Tr, Name::Td, Name::Th], &[Name::Table])
        }
        Name::Option | Name::Optgroup => (&[Name::Option], &[Name::Select, Name::Datalist]),
        _ => (&[], &[]),
    };
    let mut place = open.len();
    for (at, element) in open.iter().enumerate().rev() {
        if bounds.contains(&element.name) {
            break;
        }
        if ends.contains(&element.name) {
            place = at;
        }
    }
    let is_block = name.html_role() == Role::Block && !matches!(name, Name::Br | Name::Text | Name::Legend);
    if is_block && place == open.len() {
        // A paragraph ends where a block begins, unless something with an inside of its own lies between.
        for (at, element) in open.iter().enumerate().rev() {
            if element.name == Name::P {
                return at;
            }
            let has_inside = matches!(
                element.name,
                Name::Button | Name::Object | Name::Template | Name::Marquee | Name::Td | Name::Th | Name::Caption
            );
            if has_inside {
                break;
            }
        }
    }
    place
}

/// Which open element an end tag belongs to, if to any.
fn ended(open: &[Open<'_>], name: Name, namespace: Namespace, raw_name: &str) -> Option<usize> {
    let place = open.iter().rposition(|element| element.raw_name.eq_ignore_ascii_case(raw_name))?;
    // The end tag of an inline element does not end the blocks within it.
    let is_inline = namespace == Namespace::Html && name.html_role() == Role::Inline;
    let holds_block =
        open[place + 1..].iter().any(|within| matches!(within.name.html_role(), Role::Block | Role::Cell));
    (!(is_inline && name != Name::Other && holds_block)).then_some(place)
}

/// What is left of a document: the elements that `keep` selects (everything without it), without those that `drop`
/// selects.
pub fn clip(
    source: &str,
    syntax: Syntax,
    keep: Option<&Selector>,
    drop: Option<&Selector>,
    stop: &StopFlag,
) -> Result<String, Stopped> {
    let asked: Vec<&Selector> = keep.into_iter().chain(drop).collect();
    let found = select(source, syntax, &asked, stop)?;
    let is_kept = |found: &&Match| keep.is_some() && found.selector == 0;
    let mut kept: Vec<Range<usize>> = found.iter().filter(is_kept).map(|found| found.outer.clone()).collect();
    if keep.is_none() {
        kept.push(0..source.len());
    }
    let dropped: Vec<Range<usize>> =
        found.iter().filter(|found| !is_kept(found)).map(|found| found.outer.clone()).collect();
    let mut clipped = String::new();
    let mut done = 0;
    let mut next_dropped = dropped.iter().peekable();
    for range in kept {
        let mut at = range.start.max(done);
        while at < range.end {
            // Both lists are in the order of the document; what is dropped within what is dropped is gone already.
            while next_dropped.next_if(|dropped| dropped.end <= at).is_some() {}
            let dropped = next_dropped.peek().filter(|dropped| dropped.start < range.end);
            let end = dropped.map_or(range.end, |dropped| dropped.start.max(at));
            clipped.push_str(&source[at..end]);
            at = dropped.map_or(range.end, |dropped| dropped.end.max(end));
        }
        // Between two pieces there was something: they are no one word.
        clipped.push('\n');
        done = done.max(at.min(range.end));
    }
    Ok(clipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).expect("the tables hold selectors");
        let found = select(source, Syntax::Html, &[&selector], &StopFlag::new()).expect("nobody sets the flag");
        found.into_iter().map(|found| source[found.inner].to_owned()).collect()
    }

    #[test]
    fn selectors_find_their_elements() {
        let page = "<div id=main class='a b'><p>one<p class=b>two</p><ul><li>x<li data-k=Vital>y</ul></div>\
                    <DIV><span>three</span><br><img src=i></DIV>";
        let cases: [(&str, &[&str]); 16] = [
            ("p", &["one", "two"]),
            ("P.b", &["two"]),
            (".b > p.b", &["two"]),
            ("#main li", &["x", "y"]),
            ("li[data-k]", &["y"]),
            ("[data-k=Vital]", &["y"]),
            ("[data-k=vital i]", &["y"]),
            ("[data-k^='Vi'][data-k$=al][data-k*=ta]", &["y"]),
            ("[class~=a] > ul > li", &["x", "y"]),
            ("div > li", &[]),
            ("span, li", &["x", "y", "three"]),
            ("div div", &[]),
            ("* > span", &["three"]),
            ("br", &[""]),
            ("#main.b[id]", &["<p>one<p class=b>two</p><ul><li>x<li data-k=Vital>y</ul>"]),
            ("custom-x", &[]),
        ];
        for (selector, expected) in cases {
            assert_eq!(found(page, selector), expected, "{selector}");
        }
    }

    #[test]
    fn elements_end_where_browsers_end_them() {
        let cases: [(&str, &str, &[&str]); 8] = [
            ("<p>a<div>b</div>c", "p", &["a"]),
            ("<table><tr><td>a<td>b<tr><td>c</table>d", "td", &["a", "b", "c"]),
            ("<dl><dt>a<dd>b<dt>c</dl>", "dt", &["a", "c"]),
            ("<div>a<b>b</div>c</b>d", "b", &["b"]),
            ("<div class=x>a", ".x", &["a"]),
            ("<x-y>a</x-y>b", "x-y", &["a"]),
            ("<div><script>'</div>'</script>a</div>b", "div", &["<script>'</div>'</script>a"]),
            ("<ul><li>a<ul><li>b</ul>c<li>d</ul>", "ul > li", &["a<ul><li>b</ul>c", "b", "d"]),
        ];
        for (source, selector, expected) in cases {
            assert_eq!(found(source, selector), expected, "{source}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for text in ["", "a:hover", "a + b", "a ~ b", "a >", "[x", "[x=", "#", ".", "a,", "[x!=y]", "::before"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        let error = Selector::parse("li:first-child").expect_err("positions are not supported");
        assert_eq!(error.to_string().split(" is not").next(), Some("\":first-child\""));
    }

    #[test]
    fn clipping_keeps_and_drops() {
        let page =
            "<nav>menu</nav><main>text <aside>ad<p>x</p></aside>more</main><footer>end</footer><main>again</main>";
        let clipped = |keep: Option<&str>, drop: Option<&str>| {
            let parse = |text: &str| Selector::parse(text).expect("it is a selector");
            let (keep, drop) = (keep.map(parse), drop.map(parse));
            clip(page, Syntax::Html, keep.as_ref(), drop.as_ref(), &StopFlag::new()).expect("nobody sets the flag")
        };
        assert_eq!(clipped(Some("main"), Some("aside, p")), "<main>text more</main>\n<main>again</main>\n");
        assert_eq!(clipped(None, Some("nav,footer,aside")), "<main>text more</main><main>again</main>\n");
        assert_eq!(
            clipped(Some("main, aside"), None),
            "<main>text <aside>ad<p>x</p></aside>more</main>\n\n<main>again</main>\n"
        );
        assert_eq!(clipped(Some("section"), None), "");
    }

    #[test]
    fn any_bytes_are_read_in_bounded_depth() {
        let deep = "<div>".repeat(10_000) + "<b>x</b>";
        assert!(found(&deep, "div").len() <= DEPTH_MAX);
        let pieces = ["<p", ">", "</p>", "<li class='", "'", "<!--", "-->", "<table><td>", "</", "&amp;", "ü"];
        let mut seed = 7_u64;
        for _ in 0..500 {
            let mut source = String::new();
            for _ in 0..30 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(seed >> 33).unwrap_or(0) % pieces.len();
                source.push_str(pieces[at]);
            }
            for inner in found(&source, "p, li, td") {
                assert!(source.contains(&inner));
            }
        }
    }
}
