//! What pages say about themselves in `<meta>` and `<link>`.

/// A page's wish to be replaced: `<meta http-equiv=refresh content="5; url=next.html">`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// After so many seconds.
    pub delay_s: u32,
    /// By this page, to be joined to the base. Never empty: a page that only asks to be loaded again says nothing.
    pub href: String,
}

/// Reads a refresh by the "shared declarative refresh steps" of the HTML standard (4.2.5.3). `None` if it is none,
/// or names no page.
pub(super) fn refresh(content: &str) -> Option<Refresh> {
    let is_space = |character: char| matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0c');
    let text = content.trim_start_matches(is_space);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 && !text.starts_with('.') {
        return None;
    }
    // More digits than fit are still a long time.
    let delay_s = if digits == 0 { 0 } else { text[..digits].parse().unwrap_or(u32::MAX) };
    let text = text[digits..].trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
    if !text.starts_with(|character| is_space(character) || matches!(character, ';' | ',')) {
        return None;
    }
    let text = text.trim_start_matches(is_space);
    let text = text.strip_prefix([';', ',']).unwrap_or(text).trim_start_matches(is_space);
    let text = after_url_is(text, is_space).unwrap_or(text);
    let href = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].split(quote).next().unwrap_or_default(),
        _ => text,
    };
    let href = super::links::trim(href);
    (!href.is_empty()).then(|| Refresh { delay_s, href: href.to_owned() })
}

/// What is behind `url=`, if that is there.
fn after_url_is(text: &str, is_space: impl Fn(char) -> bool) -> Option<&str> {
    let (name, rest) = text.split_at_checked("url".len())?;
    let rest = rest.trim_start_matches(&is_space).strip_prefix('=')?;
    name.eq_ignore_ascii_case("url").then(|| rest.trim_start_matches(&is_space))
}

/// Whether a `rel` names one of these relations, given in lower case.
pub(super) fn is_related(rel: &str, relations: &[&str]) -> bool {
    rel.split_ascii_whitespace().any(|given| relations.iter().any(|relation| given.eq_ignore_ascii_case(relation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_are_read_as_the_standard_does() {
        for (content, expected) in [
            ("0;url=a", Some((0, "a"))),
            ("5; URL = 'a b' x", Some((5, "a b"))),
            ("5,a", Some((5, "a"))),
            ("5 a", Some((5, "a"))),
            ("1.5;url=\"a", Some((1, "a"))),
            (".5;a", Some((0, "a"))),
            (" 0 ; ur", Some((0, "ur"))),
            ("0;urlx", Some((0, "urlx"))),
            ("0;url=url=x", Some((0, "url=x"))),
            ("99999999999;a", Some((u32::MAX, "a"))),
            ("5", None),
            ("5;", None),
            ("5;url=", None),
            ("5a", None),
            ("", None),
            ("url=a", None),
            ("-1;url=a", None),
            ("0;é", Some((0, "é"))),
        ] {
            let expected = expected.map(|(delay_s, href)| Refresh { delay_s, href: href.to_owned() });
            assert_eq!(refresh(content), expected, "{content:?}");
        }
    }

    #[test]
    fn relations_are_words_in_any_case() {
        assert!(is_related(" external  NoFollow", &["nofollow"]));
        assert!(is_related("x Next", &["prev", "next"]));
        assert!(!is_related("nofollowing", &["nofollow"]));
    }
}
