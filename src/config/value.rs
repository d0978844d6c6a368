//! What the text of a value can be read as: quoted texts, comma-separated lists and durations. Pure.

use std::time::Duration;

/// What a duration looks like, to finish the sentence "expected is …".
pub(super) const DURATION_EXPECTED: &str = "a duration such as 30, 90s, 5 minutes or 1week 2days";

/// A value without the double quotes around it, if it has them; `\"` in quotes is a quote (aci.md 6.1).
pub fn unquoted(value: &str) -> String {
    let value = value.trim();
    match quoted_item(value) {
        Some((item, "")) => item,
        _ => value.to_owned(),
    }
}

/// The items of a comma-separated value (aci.md 6.1): an item with a comma in it is in double quotes, or the comma is
/// written `\,`; a quote in quotes is `\"`. Spaces around an item and items without any text do not count; `""` is
/// an empty item. A backslash before anything else is itself, since paths and patterns are full of them.
pub fn csv(value: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let quoted = quoted_item(rest);
        let is_quoted = quoted.is_some();
        let (item, after) = quoted.unwrap_or_else(|| plain_item(rest));
        if is_quoted || !item.is_empty() {
            items.push(item);
        }
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    items
}

/// A duration as task parameters write it (web-connector.md 2): `1years 2months 3weeks 4days 5hours 6minutes
/// 7.8seconds`, any part missing, units also as one letter (**m is months, n is minutes**), a bare number is seconds.
/// A month counts 30 days and a year 365. `None` for anything else, and beyond 1000 years.
pub fn duration(text: &str) -> Option<Duration> {
    const SECONDS_MAX: f64 = 1000.0 * 365.0 * 86_400.0;
    let text = text.trim();
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        // A number without a unit is seconds only if it is all there is: in `1h 30` the 30 may be meant as minutes.
        let scale = if unit.is_empty() && number == text { 1.0 } else { unit_seconds(unit)? };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = after.trim_start();
    }
    if text.is_empty() || seconds > SECONDS_MAX {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    const DAY: f64 = 86_400.0;
    match unit.to_ascii_lowercase().as_str() {
        "y" | "year" | "years" => Some(365.0 * DAY),
        "m" | "month" | "months" => Some(30.0 * DAY),
        "w" | "week" | "weeks" => Some(7.0 * DAY),
        "d" | "day" | "days" => Some(DAY),
        "h" | "hour" | "hours" => Some(3600.0),
        "n" | "minute" | "minutes" => Some(60.0),
        "s" | "second" | "seconds" => Some(1.0),
        _ => None,
    }
}

/// A quoted item and what follows it, which is a comma or nothing. `None` if the text does not start with such an
/// item: then its quotes are part of it.
fn quoted_item(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut item = String::new();
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some((_, '"'))) => {
                item.push('"');
                chars.next();
            }
            '"' => {
                let rest = inner[at + 1..].trim_start();
                return (rest.is_empty() || rest.starts_with(',')).then_some((item, rest));
            }
            c => item.push(c),
        }
    }
    None
}

/// The text up to the next comma without a backslash, and what follows from that comma on.
fn plain_item(text: &str) -> (String, &str) {
    let mut item = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some((_, ',' | '"'))) => {
                item.extend(chars.next().map(|(_, escaped)| escaped));
            }
            ',' => return (item.trim_end().to_owned(), &text[at..]),
            c => item.push(c),
        }
    }
    (item.trim_end().to_owned(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_that_are_not_escaped() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (" a , b ,", &["a", "b"]),
            ("a b,c", &["a b", "c"]),
            (r#""a,b",c"#, &["a,b", "c"]),
            (r#"c, "a,b" "#, &["c", "a,b"]),
            (r"a\,b,c", &["a,b", "c"]),
            (r#""say \"hi\", then go""#, &[r#"say "hi", then go"#]),
            (r#"say \"hi\",x"#, &[r#"say "hi""#, "x"]),
            (r#""",a"#, &["", "a"]),
            // No escape, so untouched.
            (r"C:\docs\new,\d+", &[r"C:\docs\new", r"\d+"]),
            (r#"a "quoted" word,b"#, &[r#"a "quoted" word"#, "b"]),
            // A quote that is not closed quotes nothing.
            (r#""a,b"#, &[r#""a"#, "b"]),
            (r#""a"b,c"#, &[r#""a"b"#, "c"]),
            ("http://h/?a=1,https://é.example/", &["http://h/?a=1", "https://é.example/"]),
            (r"a\", &[r"a\"]),
        ];
        for (text, items) in cases {
            assert_eq!(csv(text), *items, "{text}");
        }
    }

    #[test]
    fn only_quotes_around_the_whole_value_are_removed() {
        let cases = [
            (r#""a, b""#, "a, b"),
            (r#" "a \"b\"" "#, r#"a "b""#),
            ("a, b", "a, b"),
            (r#""a", "b""#, r#""a", "b""#),
            (r#""a"#, r#""a"#),
            (r"\d+,\w", r"\d+,\w"),
            ("", ""),
        ];
        for (text, value) in cases {
            assert_eq!(unquoted(text), value, "{text}");
        }
    }

    #[test]
    fn durations_add_up() {
        let cases = [
            ("63", 63.0),
            ("63s", 63.0),
            ("1n 3s", 63.0),
            ("1minute 3seconds", 63.0),
            ("1n3s", 63.0),
            ("0", 0.0),
            ("1.5", 1.5),
            ("7.8seconds", 7.8),
            ("30 days", 30.0 * 86_400.0),
            ("2M", 60.0 * 86_400.0),
            (
                "1years 2months 3weeks 4days 5hours 6minutes 7.5seconds",
                (365.0 + 60.0 + 21.0 + 4.0) * 86_400.0 + 5.0 * 3600.0 + 6.0 * 60.0 + 7.5,
            ),
        ];
        for (text, seconds) in cases {
            assert_eq!(duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", " ", "-1", "s", "1x", "1.2.3", "1h 30", "soon", "1 minute ago", "9999 years", "1e3", "inf"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration(&"9".repeat(400)), None);
    }
}
