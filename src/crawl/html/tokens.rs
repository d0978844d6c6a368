//! The tokenizer: text, start tags and end tags, by the HTML standard's rules (13.2.5).
//!
//! It owns the places where the standard's tree builder talks back to its tokenizer: elements whose content is raw
//! text, and foreign content. Comments, doctypes and processing instructions are consumed and not told. Tokens
//! borrow from the document; character references in them are not decoded yet.
//!
//! Every byte is looked at once: the standard never goes back, and what is not terminated runs to the end of the
//! document. Searches are memchr's.

use super::Syntax;
use super::foreign::{Foreign, Namespace};
use super::name::Name;
use memchr::{memchr, memmem};

#[derive(Debug)]
pub(super) enum Token<'t, 'a> {
    Text(Text<'a>),
    Start(Tag<'t, 'a>),
    /// With the namespace in which it stands.
    End(Name, Namespace),
}

/// A piece of text; a text may come in several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) source: &'a str,
    /// Whether `&` begins a character reference in it.
    pub(super) has_references: bool,
}

#[derive(Debug)]
pub(super) struct Tag<'t, 'a> {
    pub(super) name: Name,
    pub(super) namespace: Namespace,
    /// In the order of the source. A repeated one is there again: the first counts.
    pub(super) attributes: &'t [Attribute<'a>],
    /// Whether no end tag belongs to it: a void element, or `<x/>` where that means something.
    pub(super) is_empty: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// As in the source.
    pub(super) value: &'a str,
}

pub(super) struct Tokens<'a> {
    source: &'a str,
    syntax: Syntax,
    at: usize,
    tag_at: usize,
    /// The element whose raw text is next.
    raw: Option<Raw<'a>>,
    foreign: Foreign,
    attributes: Vec<Attribute<'a>>,
    /// Bytes that searches have passed, so that a test can hold them against the document's length.
    #[cfg(test)]
    pub(super) bytes_searched: usize,
}

/// An element whose content has no tags but its own end tag.
#[derive(Debug, Clone, Copy)]
struct Raw<'a> {
    name: &'a str,
    kind: RawKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RawKind {
    /// With character references: title and textarea.
    Escapable,
    Plain,
    Script,
    /// Without an end: plaintext.
    Endless,
}

/// Attributes of one tag that are kept; those after them are read over.
const ATTRIBUTES_MAX: usize = 128;

impl Tag<'_, '_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.is(name))
    }
}

impl<'a> Tag<'_, 'a> {
    /// The source of an attribute's value; of repeated ones, the first's.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|attribute| attribute.is(name)).map(|attribute| attribute.value)
    }
}

impl Attribute<'_> {
    /// Whether it has this name, given in lower case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str, syntax: Syntax) -> Tokens<'a> {
        Tokens {
            source,
            syntax,
            at: 0,
            tag_at: 0,
            raw: None,
            foreign: Foreign::default(),
            attributes: Vec::new(),
            #[cfg(test)]
            bytes_searched: 0,
        }
    }

    /// Where the reading goes on: after the last token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Where the last tag begins.
    pub(super) fn tag_at(&self) -> usize {
        self.tag_at
    }

    pub(super) fn next(&mut self) -> Option<Token<'_, 'a>> {
        loop {
            if let Some(raw) = self.raw.take() {
                let end = self.raw_end(raw);
                if end > self.at {
                    return Some(Token::Text(self.text(end, raw.kind == RawKind::Escapable)));
                }
            }
            if self.at == self.source.len() {
                return None;
            }
            let markup = self.next_markup();
            if markup > self.at {
                return Some(Token::Text(self.text(markup, true)));
            }
            let (second, third) = (self.byte(self.at + 1), self.byte(self.at + 2));
            match (second, third) {
                (Some(b'/'), Some(letter)) if letter.is_ascii_alphabetic() => {
                    return self.end_tag().map(|(name, namespace)| Token::End(name, namespace));
                }
                // `</1>` and `<?x>` are comments.
                (Some(b'/' | b'?'), _) => self.at = self.after_byte(b'>', self.at + 2),
                (Some(b'!'), _) => {
                    if let Some(section) = self.declaration() {
                        return Some(Token::Text(section));
                    }
                }
                _ => return self.start_tag(),
            }
        }
    }

    /// The text up to `end`, where the reading goes on.
    fn text(&mut self, end: usize, has_references: bool) -> Text<'a> {
        let source = &self.source[self.at..end];
        self.at = end;
        Text { source, has_references }
    }

    /// Where the next tag, comment or declaration begins, or the end.
    fn next_markup(&mut self) -> usize {
        let mut from = self.at;
        loop {
            let Some(open) = self.find(b'<', from) else {
                return self.source.len();
            };
            match self.byte(open + 1) {
                Some(b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z') => return open,
                Some(b'/') if open + 2 < self.source.len() => return open,
                _ => from = open + 1,
            }
        }
    }

    fn start_tag(&mut self) -> Option<Token<'_, 'a>> {
        self.tag_at = self.at;
        let (name, raw_name) = self.name(self.at + 1);
        let Some((end, self_closing)) = self.attributes(self.at + 1 + raw_name.len()) else {
            self.at = self.source.len();
            return None;
        };
        self.at = end;
        let namespace = match self.syntax {
            Syntax::Html => self.foreign.start(name, raw_name, &self.attributes, self_closing),
            Syntax::Xhtml => Namespace::Html,
        };
        let may_close = namespace != Namespace::Html || self.syntax == Syntax::Xhtml;
        let is_empty = self_closing && may_close || namespace == Namespace::Html && name.is_void();
        if !may_close {
            self.raw = raw_kind(name).map(|kind| Raw { name: raw_name, kind });
        }
        Some(Token::Start(Tag { name, namespace, attributes: &self.attributes, is_empty }))
    }

    fn end_tag(&mut self) -> Option<(Name, Namespace)> {
        self.tag_at = self.at;
        let (name, raw_name) = self.name(self.at + 2);
        let Some((end, _)) = self.attributes(self.at + 2 + raw_name.len()) else {
            self.at = self.source.len();
            return None;
        };
        self.at = end;
        let namespace = self.foreign.namespace();
        if self.syntax == Syntax::Html {
            self.foreign.end(name, raw_name);
        }
        Some((name, namespace))
    }

    fn name(&self, start: usize) -> (Name, &'a str) {
        let (name, length) = Name::read(&self.source.as_bytes()[start..]);
        (name, &self.source[start..start + length])
    }

    /// Reads attributes from `at`. Where the tag ends and whether by `/>`; `None` if it does not end, and is no tag.
    fn attributes(&mut self, mut at: usize) -> Option<(usize, bool)> {
        self.attributes.clear();
        loop {
            match self.byte(at)? {
                b'>' => return Some((at + 1, false)),
                b'/' if self.byte(at + 1)? == b'>' => return Some((at + 2, true)),
                b'/' | b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let name_start = at;
            // Whatever the first byte is, also `=`, it is part of the name.
            at += 1;
            while ENDS[usize::from(self.byte(at)?)] & ATTRIBUTE_NAME == 0 {
                at += 1;
            }
            let name = &self.source[name_start..at];
            at = self.skip_space(at);
            let mut value = "";
            if self.byte(at)? == b'=' {
                at = self.skip_space(at + 1);
                (value, at) = self.attribute_value(at)?;
            }
            if self.attributes.len() < ATTRIBUTES_MAX {
                self.attributes.push(Attribute { name, value });
            }
        }
    }

    /// The value at `at` and what is behind it.
    fn attribute_value(&mut self, at: usize) -> Option<(&'a str, usize)> {
        if let quote @ (b'"' | b'\'') = self.byte(at)? {
            let end = self.find(quote, at + 1)?;
            return Some((&self.source[at + 1..end], end + 1));
        }
        let mut end = at;
        while ENDS[usize::from(self.byte(end)?)] & VALUE == 0 {
            end += 1;
        }
        Some((&self.source[at..end], end))
    }

    /// Reads over what begins with `<!`. A CDATA section is text.
    fn declaration(&mut self) -> Option<Text<'a>> {
        let start = self.at + 2;
        let rest = &self.source.as_bytes()[start..];
        if rest.starts_with(b"--") {
            self.at = self.after_comment(start + 2);
            return None;
        }
        let has_sections = self.syntax == Syntax::Xhtml || self.foreign.namespace() != Namespace::Html;
        if has_sections && rest.starts_with(b"[CDATA[") {
            let start = start + "[CDATA[".len();
            let end = self.find_all(b"]]>", start).unwrap_or(self.source.len());
            self.at = (end + "]]>".len()).min(self.source.len());
            return Some(Text { source: &self.source[start..end], has_references: false });
        }
        self.at = self.after_byte(b'>', start);
        None
    }

    /// What is behind the comment whose content begins at `start`.
    fn after_comment(&mut self, start: usize) -> usize {
        let mut from = start;
        while let Some(close) = self.find(b'>', from) {
            let content = &self.source.as_bytes()[start..close];
            // `<!-->` and `<!--->` are whole comments: the dashes that open also close.
            if content.is_empty() || content == b"-" || content.ends_with(b"--") || content.ends_with(b"--!") {
                return close + 1;
            }
            from = close + 1;
        }
        self.source.len()
    }

    /// Where the end tag of a raw text element begins, or the end of the document.
    fn raw_end(&mut self, raw: Raw<'_>) -> usize {
        let end = match raw.kind {
            RawKind::Endless => None,
            RawKind::Escapable | RawKind::Plain => {
                let mut from = self.at;
                loop {
                    match self.find(b'<', from) {
                        Some(open) if self.is_tag(open, b"</", raw.name) => break Some(open),
                        Some(open) => from = open + 1,
                        None => break None,
                    }
                }
            }
            RawKind::Script => self.script_end(raw.name),
        };
        end.unwrap_or(self.source.len())
    }

    /// The end of a script: its end tag, unless in a comment in which another script has been opened.
    fn script_end(&mut self, name: &str) -> Option<usize> {
        let mut from = self.at;
        loop {
            let open = self.find(b'<', from)?;
            if self.is_tag(open, b"</", name) {
                return Some(open);
            }
            from = open + 1;
            if !self.source.as_bytes()[open..].starts_with(b"<!--") {
                continue;
            }
            // The dashes of `<!--` may be those of `-->`.
            let comment_end = self.find_all(b"-->", open + 2);
            let mut is_nested = false;
            while let Some(open) = self.find(b'<', from).filter(|open| comment_end.is_none_or(|end| *open < end)) {
                let closes = self.is_tag(open, b"</", name);
                if closes && !is_nested {
                    return Some(open);
                }
                is_nested = !closes && (is_nested || self.is_tag(open, b"<", name));
                from = open + 1;
            }
            from = comment_end? + "-->".len();
        }
    }

    /// Whether `open` and `name`, ignoring case, and what ends a name are at `at`.
    fn is_tag(&self, at: usize, open: &[u8], name: &str) -> bool {
        let rest = &self.source.as_bytes()[at..];
        rest.starts_with(open)
            && rest[open.len()..].split_at_checked(name.len()).is_some_and(|(found, behind)| {
                found.eq_ignore_ascii_case(name.as_bytes())
                    && behind.first().is_some_and(|byte| ENDS[usize::from(*byte)] & TAG_NAME != 0)
            })
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.source.as_bytes().get(at).copied()
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while self.byte(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')) {
            at += 1;
        }
        at
    }

    fn after_byte(&mut self, byte: u8, from: usize) -> usize {
        self.find(byte, from).map_or(self.source.len(), |at| at + 1)
    }

    #[inline]
    fn find(&mut self, byte: u8, from: usize) -> Option<usize> {
        let found = find_near(byte, &self.source.as_bytes()[from..]).map(|at| from + at);
        self.count_search(from, found);
        found
    }

    fn find_all(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let found = memmem::find(&self.source.as_bytes()[from..], bytes).map(|at| from + at);
        self.count_search(from, found);
        found
    }

    #[cfg(test)]
    fn count_search(&mut self, from: usize, found: Option<usize>) {
        self.bytes_searched += found.unwrap_or(self.source.len()) - from + 1;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the other form of it, for tests, counts")]
    fn count_search(&self, _from: usize, _found: Option<usize>) {}
}

/// How the content of an HTML element is read, if not as markup. A noscript's is markup: nothing here runs scripts.
fn raw_kind(name: Name) -> Option<RawKind> {
    match name {
        Name::Title | Name::Textarea => Some(RawKind::Escapable),
        Name::Style | Name::Xmp | Name::Iframe | Name::Noembed | Name::Noframes => Some(RawKind::Plain),
        Name::Script => Some(RawKind::Script),
        Name::Plaintext => Some(RawKind::Endless),
        _ => None,
    }
}

/// memchr, for what is mostly close by: between tags there are few bytes, and the call is dearer than looking at them.
#[inline]
fn find_near(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xFF;
    const NEAR_CHUNKS: usize = 3;
    let (chunks, _) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().take(NEAR_CHUNKS).enumerate() {
        // A zero byte borrows and so sets its highest bit; of several bits set, the lowest is right.
        let difference = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(byte));
        let zeros = difference.wrapping_sub(ONES) & !difference & (ONES << 7);
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let near = chunks.len().min(NEAR_CHUNKS) * 8;
    memchr(byte, &bytes[near..]).map(|at| near + at)
}

const TAG_NAME: u8 = 1;
const ATTRIBUTE_NAME: u8 = 2;
const VALUE: u8 = 4;

/// For each byte, what it ends: the name of a tag or of an attribute, or an unquoted value.
static ENDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    let space = b" \t\n\r\x0c";
    while at < space.len() {
        table[space[at] as usize] = TAG_NAME | ATTRIBUTE_NAME | VALUE;
        at += 1;
    }
    table[b'>' as usize] = TAG_NAME | ATTRIBUTE_NAME | VALUE;
    table[b'/' as usize] = TAG_NAME | ATTRIBUTE_NAME;
    table[b'=' as usize] = ATTRIBUTE_NAME;
    table
};
