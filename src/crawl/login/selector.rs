//! Selectors that name one control of a form: `input#user.wide[name=login]`.

use crate::crawl::html::Control;

/// An element's name, id, classes and attributes, each if it matters (CSS Selectors 3, compound selectors).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    element: Option<String>,
    attributes: Vec<(String, Test)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Equals(String),
    /// One of the words between white space: a class.
    Word(String),
    Starts(String),
    Ends(String),
    Contains(String),
}

impl Selector {
    /// `None` if the text is anything beyond a compound selector, as a list or a descendant is.
    pub fn parse(text: &str) -> Option<Selector> {
        let mut rest = text.trim();
        let mut selector = Selector::default();
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
        } else if let Some((name, after)) = identifier(rest) {
            selector.element = Some(name.to_ascii_lowercase());
            rest = after;
        }
        while !rest.is_empty() {
            let (attribute, after) = match rest.as_bytes()[0] {
                b'#' => identifier(&rest[1..]).map(|(id, after)| (("id".to_owned(), Test::Equals(id)), after))?,
                b'.' => {
                    identifier(&rest[1..]).map(|(class, after)| (("class".to_owned(), Test::Word(class)), after))?
                }
                b'[' => attribute(&rest[1..])?,
                _ => return None,
            };
            selector.attributes.push(attribute);
            rest = after;
        }
        (!text.trim().is_empty()).then_some(selector)
    }

    pub fn matches(&self, control: &Control) -> bool {
        self.element.as_ref().is_none_or(|element| element == control.element)
            && self.attributes.iter().all(|(name, test)| {
                let Some(value) = control.attribute(name) else { return false };
                match test {
                    Test::Present => true,
                    // Types are words of the standard, whose case does not matter.
                    Test::Equals(expected) if name == "type" => value.eq_ignore_ascii_case(expected),
                    Test::Equals(expected) => value == expected,
                    Test::Word(word) => value.split_ascii_whitespace().any(|each| each == word),
                    Test::Starts(start) => !start.is_empty() && value.starts_with(start),
                    Test::Ends(end) => !end.is_empty() && value.ends_with(end),
                    Test::Contains(part) => !part.is_empty() && value.contains(part),
                }
            })
    }
}

/// A name and what follows it; `\` takes the special meaning from the character behind it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    let mut end = 0;
    while let Some((at, each)) = chars.next() {
        end = at + each.len_utf8();
        match each {
            '\\' => {
                let (at, escaped) = chars.next()?;
                name.push(escaped);
                end = at + escaped.len_utf8();
            }
            '-' | '_' => name.push(each),
            each if each.is_alphanumeric() => name.push(each),
            _ => {
                end = at;
                break;
            }
        }
    }
    (!name.is_empty()).then(|| (name, &text[end..]))
}

/// What is between brackets, from behind the first: `name=value]`, `name="value"]`, `name^=value]`, `name]`.
fn attribute(text: &str) -> Option<((String, Test), &str)> {
    let (name, rest) = identifier(text.trim_start())?;
    let name = name.to_ascii_lowercase();
    let rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix(']') {
        return Some(((name, Test::Present), after));
    }
    let (kind, rest) = rest.split_once('=')?;
    let rest = rest.trim_start();
    let (value, rest) = match rest.chars().next()? {
        quote @ ('"' | '\'') => {
            let (value, rest) = rest[1..].split_once(quote)?;
            (value.to_owned(), rest)
        }
        _ => identifier(rest)?,
    };
    let asked = match kind.trim() {
        "" => Test::Equals(value),
        "~" => Test::Word(value),
        "^" => Test::Starts(value),
        "$" => Test::Ends(value),
        "*" => Test::Contains(value),
        _ => return None,
    };
    Some(((name, asked), rest.trim_start().strip_prefix(']')?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::html::ControlKind;

    #[test]
    fn a_compound_selector_is_matched_part_by_part() {
        let attributes = [("id", "user"), ("class", "wide  red"), ("name", "login[user]"), ("type", "TEXT")];
        let control = Control {
            kind: ControlKind::Plain,
            element: "input",
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            value: String::new(),
        };
        for (text, expected) in [
            ("input", Some(true)),
            ("INPUT", Some(true)),
            ("*", Some(true)),
            ("button", Some(false)),
            ("#user", Some(true)),
            ("#use", Some(false)),
            ("input#user.wide.red[type=text]", Some(true)),
            (".re", Some(false)),
            ("[name='login[user]']", Some(true)),
            ("[ name = \"login[user]\" ]", Some(true)),
            ("[name=login\\[user\\]]", Some(true)),
            ("[name^=login]", Some(true)),
            ("[name$=']']", Some(true)),
            ("[name*=user]", Some(true)),
            ("[class~=red]", Some(true)),
            ("[class=red]", Some(false)),
            ("[value]", Some(false)),
            ("[id]", Some(true)),
            ("", None),
            ("form input", None),
            ("input, button", None),
            ("input:first-child", None),
            ("[name=login", None),
            ("[name|=x]", None),
            ("#", None),
        ] {
            assert_eq!(Selector::parse(text).map(|selector| selector.matches(&control)), expected, "{text}");
        }
    }
}
