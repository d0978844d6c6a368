//! Texts with wildcards, as configurations and requests write them.

/// Whether `text` is what `pattern` says, ignoring the case of ASCII letters: `*` is any text, `?` any one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().map(|c| c.to_ascii_lowercase()).collect();
    let text: Vec<char> = text.chars().map(|c| c.to_ascii_lowercase()).collect();
    let (mut p, mut t) = (0, 0);
    // The last star, and how much of the text it was given: the only point worth going back to.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, given)) = star else { return false };
                star = Some((at, given + 1));
                p = at + 1;
                t = given + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_shells_do() {
        let cases =
            [("*", "", true), ("ssl*", "SSLMethod", true), ("*method", "SSLMethod", true), ("s?l", "ssl", true)];
        for (pattern, text, is_match) in cases {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("ssl", "ssl1"), ("a*b*c", "a-c-b"), ("*x", "y")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        // Not exponential in its stars.
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
    }
}
