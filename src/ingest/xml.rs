//! Escaping for the XML that this crate's ingest side writes: identifiers and `adds`.

/// Whether XML 1.0 can hold `found` in some form (section 2.2): not control characters, U+FFFE and U+FFFF.
pub(super) fn can_hold(found: char) -> bool {
    !matches!(found, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// Appends `text` so that it can stand in an element or in an attribute value in double quotes, and is read back the
/// same. Characters that XML 1.0 cannot hold are left out.
pub(super) fn escape(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, found) in text.char_indices() {
        let replacement = match found {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            // A reader turns bare ones in an attribute into spaces (section 3.3.3).
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            _ if !can_hold(found) => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(replacement);
        plain_from = at + found.len_utf8();
    }
    out.push_str(&text[plain_from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_left_out() {
        let cases = [
            ("plain ü", "plain ü"),
            ("a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"),
            ("1\r\n\t2", "1&#13;&#10;&#9;2"),
            ("\0a\u{1f}b\u{fffe}c\u{ffff}", "abc"),
        ];
        for (text, expected) in cases {
            let mut out = String::new();
            escape(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
