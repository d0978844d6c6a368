//! Text as a reader sees it: character references decoded, white space folded, blocks on lines of their own.

use super::tokens::Text;
use std::borrow::Cow;

/// Collects text. White space and the borders of blocks become one separator between two words: the strongest that
/// was there. No separator is written before the first word or after the last, so nothing has to be trimmed.
#[derive(Debug, Default)]
pub(super) struct Folder {
    out: String,
    gap: Gap,
    /// Whether white space with a line break in it is a line break.
    pub(super) keeps_lines: bool,
}

/// What separates the next word from the one before, weakest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    #[default]
    None,
    Space,
    /// Between the cells of a table.
    Tab,
    Line,
}

impl Folder {
    pub(super) fn with_capacity(bytes: usize) -> Folder {
        Folder { out: String::with_capacity(bytes), ..Folder::default() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Makes the gap before the next word at least this one.
    pub(super) fn separate(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    pub(super) fn push(&mut self, text: Text<'_>) {
        let mut rest = text.source;
        loop {
            let reference = self.fold(rest, text.has_references);
            rest = &rest[reference..];
            if rest.is_empty() {
                return;
            }
            rest = self.reference(rest);
        }
    }

    /// Appends what the reference at the start of `rest` means, and returns what is behind it.
    fn reference<'a>(&mut self, rest: &'a str) -> &'a str {
        // The few references that nearly all are spare the look-up.
        let common = [("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&quot;", "\""), ("&nbsp;", " "), ("&#39;", "'")];
        if let Some((source, decoded)) = common.into_iter().find(|(source, _)| rest.starts_with(source)) {
            self.fold(decoded, false);
            return &rest[source.len()..];
        }
        // A reference says nothing beyond the next one's start.
        let end = memchr::memchr(b'&', &rest.as_bytes()[1..]).map_or(rest.len(), |next| next + 1);
        self.fold(&htmlize::unescape(&rest[..end]), false);
        &rest[end..]
    }

    /// Appends text up to its end or, if asked to, up to the first `&`, and returns where that is.
    fn fold(&mut self, text: &str, stops_at_reference: bool) -> usize {
        let bytes = text.as_bytes();
        let kind_at = |at: usize| bytes.get(at).map(|byte| KIND[usize::from(*byte)]);
        let mut at = 0;
        loop {
            // As much as can be copied as it is: words with single spaces between them.
            let start = at;
            let mut kind = kind_at(at);
            loop {
                // First, and not as one case of many: nearly all are.
                if kind == Some(Kind::Word) {
                    at += plain_bytes(&bytes[at..]);
                    kind = kind_at(at);
                    continue;
                }
                match kind {
                    // No tab or form feed, which would be copied as they are.
                    Some(Kind::Blank) if at > start && bytes[at] == b' ' && kind_at(at + 1) == Some(Kind::Word) => {
                        at += 2;
                    }
                    Some(Kind::Reference) if !stops_at_reference => at += 1,
                    // Latin-1 punctuation and signs share their first byte with the two that are treated below.
                    Some(Kind::Latin) if !matches!(bytes.get(at + 1), Some(0xA0 | 0xAD)) => at += 2,
                    _ => break,
                }
                kind = kind_at(at);
            }
            if at > start {
                self.word(&text[start..at]);
            }
            match kind {
                Some(Kind::Blank) => self.separate(Gap::Space),
                Some(Kind::Break) => self.separate(if self.keeps_lines { Gap::Line } else { Gap::Space }),
                Some(Kind::Latin) => {
                    // A no-break space separates words like any other; a soft hyphen is no part of one.
                    if bytes[at + 1] == 0xA0 {
                        self.separate(Gap::Space);
                    }
                    at += 1;
                }
                // Dropped, as browsers do.
                Some(Kind::Nul) => {}
                Some(Kind::Reference | Kind::Word) | None => return at,
            }
            at += 1;
        }
    }

    fn word(&mut self, word: &str) {
        if !self.out.is_empty() {
            match self.gap {
                Gap::None => {}
                Gap::Space => self.out.push(' '),
                Gap::Tab => self.out.push('\t'),
                Gap::Line => self.out.push('\n'),
            }
        }
        self.gap = Gap::None;
        self.out.push_str(word);
    }
}

/// How many of the first eight bytes may be copied as they are, at least the first, which is part of a word: up to one
/// that asks for a closer look, and without a space at the end, since what follows it is not known.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGHEST: u64 = ONES << 7;
    let Some(chunk) = bytes.first_chunk::<8>() else {
        return 1;
    };
    let number = u64::from_le_bytes(*chunk);
    // The highest bit of each byte that is below a bound or equals a value, and perhaps of ones behind such a byte: the
    // lowest bit set is right, and one that is not only costs a closer look.
    let below = |bound: u8| number.wrapping_sub(ONES * u64::from(bound)) & !number & HIGHEST;
    let equal = |value: u8| {
        let difference = number ^ (ONES * u64::from(value));
        difference.wrapping_sub(ONES) & !difference & HIGHEST
    };
    let spaces = equal(b' ');
    let special = below(b' ') | equal(b'&') | equal(0xC2) | (spaces & spaces >> 8);
    // Of no bit set, this is 8.
    let plain = special.trailing_zeros() as usize / 8;
    if plain > 1 && chunk[plain - 1] == b' ' { plain - 1 } else { plain.max(1) }
}

/// An attribute's value with its references decoded, by the rules for attributes.
pub(super) fn decode_value(source: &str) -> Cow<'_, str> {
    let value = match memchr::memchr(b'&', source.as_bytes()) {
        Some(_) => htmlize::unescape_attribute(source),
        None => Cow::Borrowed(source),
    };
    match memchr::memchr(0, value.as_bytes()) {
        Some(_) => Cow::Owned(value.replace('\0', "\u{FFFD}")),
        None => value,
    }
}

/// A value for people: decoded, white space folded, at most `bytes_max` long.
pub(super) fn fold_value(source: &str, bytes_max: usize) -> String {
    let mut folder = Folder::default();
    folder.fold(&decode_value(source), false);
    let mut value = folder.finish();
    cut(&mut value, bytes_max);
    value
}

/// Cuts a text off after so many bytes, or before the character that is there.
pub(super) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Blank,
    Break,
    Nul,
    /// `&`.
    Reference,
    /// The first byte of U+0080 to U+00BF.
    Latin,
}

static KIND: [Kind; 256] = {
    let mut table = [Kind::Word; 256];
    table[0] = Kind::Nul;
    table[b' ' as usize] = Kind::Blank;
    table[b'\t' as usize] = Kind::Blank;
    table[b'\x0c' as usize] = Kind::Blank;
    table[b'\n' as usize] = Kind::Break;
    table[b'\r' as usize] = Kind::Break;
    table[b'&' as usize] = Kind::Reference;
    table[0xC2] = Kind::Latin;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(source: &str, keeps_lines: bool) -> String {
        let mut folder = Folder { keeps_lines, ..Folder::default() };
        folder.push(Text { source, has_references: true });
        folder.finish()
    }

    #[test]
    fn white_space_is_folded_and_references_are_decoded() {
        for (source, text) in [
            ("", ""),
            (" \n\t ", ""),
            ("  a  b\r\n c ", "a b c"),
            ("a\tb\x0cc&gt;\td", "a b c> d"),
            ("a&nbsp;b\u{A0}c&#160;d", "a b c d"),
            ("a&#32;&#10;b", "a b"),
            ("co\u{AD}op&shy;erate", "cooperate"),
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
            ("&copy2 &notit; &unknown; &;&& &#; &#x;", "©2 ¬it; &unknown; &;&& &#; &#x;"),
            ("&#128;&#0;&#xD800;&#x110000;&#65", "€\u{FFFD}\u{FFFD}\u{FFFD}A"),
            ("&amp;lt;", "&lt;"),
            ("a\0b", "ab"),
            ("20 °C «é» 漢字 \u{1F600}", "20 °C «é» 漢字 \u{1F600}"),
        ] {
            assert_eq!(folded(source, false), text, "{source:?}");
        }
        assert_eq!(folded("a  b \n\n  c\r\nd", true), "a b\nc\nd");
    }

    /// The look at eight bytes at once against the look at each, at every offset.
    #[test]
    fn chunks_and_single_bytes_fold_alike() {
        for special in [
            "", " ", "  ", " !", "! ", "\t", "\x0c", "\n", " \n", "&amp;", " &amp; ", "\u{A0}", "\u{AD}", " \u{AB}",
            "\0", "\x7F",
        ] {
            for lead in 0..20 {
                let source = format!("{}{special}{}", "x".repeat(lead), "y z".repeat(5));
                let mut bytewise = Folder::default();
                for at in source.char_indices().map(|(at, _)| at) {
                    let character: String = source[at..].chars().take(1).collect();
                    bytewise.push(Text { source: &character, has_references: false });
                }
                let mut whole = Folder::default();
                whole.push(Text { source: &source, has_references: false });
                assert_eq!(whole.finish(), bytewise.finish(), "{source:?}");
            }
        }
    }

    #[test]
    fn the_strongest_separator_remains() {
        let mut folder = Folder::default();
        for (gap, word) in
            [(Gap::Line, "a"), (Gap::Space, " b"), (Gap::Tab, " c"), (Gap::Line, "\td"), (Gap::None, "e")]
        {
            folder.separate(gap);
            folder.push(Text { source: word, has_references: false });
        }
        folder.separate(Gap::Line);
        assert_eq!(folder.finish(), "a b\tc\nde");
    }

    #[test]
    fn values_follow_the_rules_for_attributes() {
        assert_eq!(decode_value("?a=1&copy=2&lt=3&amp;b&lt;"), "?a=1&copy=2&lt=3&b<");
        assert_eq!(decode_value("a\0b"), "a\u{FFFD}b");
        assert_eq!(fold_value(" a \n b&amp;äöü ", 6), "a b&ä");
    }
}
