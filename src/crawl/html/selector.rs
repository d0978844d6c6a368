//! CSS selectors: read, and asked about an element and those around it.
//!
//! What is supported is what a stack of open elements can answer: names, `*`, `#id`, `.class`, `[attribute]` with every
//! operator, the descendant and the child combinator, and lists. Anything that asks for siblings or positions is refused
//! when it is parsed.

use std::borrow::Cow;
use std::slice;

/// What selectors ask an element for.
pub trait Element {
    /// In any case.
    fn is_named(&self, name: &str) -> bool;
    /// The value of the attribute of this name, which is in lower case; its references decoded.
    fn attribute(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// A list of selectors: what matches one of them matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Complex>);

/// Why a text is no selector that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSelector {
    #[error("it is empty")]
    Empty,
    #[error("\"{0}\" is not supported: names, #id, .class, [attribute] and the combinators space and > are")]
    Unsupported(String),
    #[error("it ends where {0} is expected")]
    Unfinished(&'static str),
    #[error("it has to be about one element, not about what is around it, and no list")]
    Surroundings,
}

/// Compounds from left to right; of the first, the combinator means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Complex(Vec<(Combinator, Compound)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combinator {
    Descendant,
    Child,
}

/// All of these hold for one element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Compound {
    /// In lower case; `None` is any.
    name: Option<String>,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Test {
    attribute: String,
    operator: Operator,
    value: String,
    ignores_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exists,
    Equals,
    /// One of the words, as `.class` and `~=` ask.
    Word,
    Begins,
    Ends,
    Contains,
    /// The value, or the value and a `-` after it.
    Language,
}

impl Selector {
    pub fn parse(text: &str) -> Result<Selector, BadSelector> {
        let mut parser = Parser { rest: text.trim() };
        let mut list = Vec::new();
        loop {
            list.push(parser.complex()?);
            if parser.rest.is_empty() {
                return Ok(Selector(list));
            }
            if !parser.take(',') {
                return Err(BadSelector::Unsupported(parser.next_word()));
            }
        }
    }

    /// Of a selector that is to name an element by itself: an error if it asks for what is around it.
    pub fn parse_compound(text: &str) -> Result<Selector, BadSelector> {
        let selector = Selector::parse(text)?;
        match &selector.0[..] {
            [Complex(compounds)] if compounds.len() == 1 => Ok(selector),
            _ => Err(BadSelector::Surroundings),
        }
    }

    /// Whether an element matches of which nothing around is known.
    pub fn matches_alone(&self, element: &impl Element) -> bool {
        self.matches(slice::from_ref(element))
    }

    /// Whether the last of `open` matches, each of which is within the one before.
    pub fn matches(&self, open: &[impl Element]) -> bool {
        self.0.iter().any(|complex| complex.matches(open))
    }
}

impl Complex {
    /// Whether the last of `open` matches.
    fn matches(&self, open: &[impl Element]) -> bool {
        let Some(((combinator, compound), before)) = self.0.split_last() else {
            return false;
        };
        let Some((element, around)) = open.split_last() else {
            return false;
        };
        compound.matches(element) && matches_around(before, *combinator, around)
    }
}

/// Whether the compounds `before` match elements of `around`, the last of which stands in the relation `combinator` to an
/// element below.
fn matches_around(before: &[(Combinator, Compound)], combinator: Combinator, around: &[impl Element]) -> bool {
    let Some(((next, compound), before)) = before.split_last() else {
        return true;
    };
    match combinator {
        Combinator::Child => around
            .split_last()
            .is_some_and(|(parent, around)| compound.matches(parent) && matches_around(before, *next, around)),
        // The nearest one that matches is enough unless a child combinator comes before it.
        Combinator::Descendant => (0..around.len())
            .rev()
            .any(|at| compound.matches(&around[at]) && matches_around(before, *next, &around[..at])),
    }
}

impl Compound {
    fn matches(&self, element: &impl Element) -> bool {
        self.name.as_ref().is_none_or(|name| element.is_named(name))
            && self.tests.iter().all(|test| test.matches(element))
    }
}

impl Test {
    fn matches(&self, element: &impl Element) -> bool {
        let Some(given) = element.attribute(&self.attribute) else {
            return false;
        };
        if self.operator == Operator::Exists {
            return true;
        }
        let (given, value) = if self.ignores_case {
            (given.to_ascii_lowercase(), self.value.to_ascii_lowercase())
        } else {
            (given.into_owned(), self.value.clone())
        };
        match self.operator {
            Operator::Exists => true,
            Operator::Equals => given == value,
            Operator::Word => given.split_ascii_whitespace().any(|word| word == value),
            Operator::Begins => !value.is_empty() && given.starts_with(&value),
            Operator::Ends => !value.is_empty() && given.ends_with(&value),
            Operator::Contains => !value.is_empty() && given.contains(&value),
            Operator::Language => {
                given.strip_prefix(&value).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }
        }
    }
}

struct Parser<'s> {
    rest: &'s str,
}

impl Parser<'_> {
    /// One selector of the list, up to a comma or the end.
    fn complex(&mut self) -> Result<Complex, BadSelector> {
        let mut parts = Vec::new();
        let mut combinator = Combinator::Descendant;
        loop {
            self.skip_space();
            parts.push((combinator, self.compound(parts.is_empty())?));
            let is_apart = self.skip_space();
            if self.rest.is_empty() || self.rest.starts_with(',') {
                return Ok(Complex(parts));
            }
            combinator = if self.take('>') {
                Combinator::Child
            } else if is_apart {
                Combinator::Descendant
            } else {
                return Err(BadSelector::Unsupported(self.next_word()));
            };
        }
    }

    fn compound(&mut self, is_first: bool) -> Result<Compound, BadSelector> {
        let mut compound = Compound::default();
        let mut is_any = self.take('*');
        if !is_any && self.rest.starts_with(|c| is_name(c) || c == '\\') {
            compound.name = Some(self.name("a name")?.to_ascii_lowercase());
        }
        loop {
            let test = if self.take('#') {
                Test::of("id", Operator::Equals, self.name("an id")?)
            } else if self.take('.') {
                Test::of("class", Operator::Word, self.name("a class")?)
            } else if self.take('[') {
                self.attribute()?
            } else {
                is_any |= compound.name.is_some() || !compound.tests.is_empty();
                return match (is_any, self.rest.is_empty(), is_first) {
                    (true, ..) => Ok(compound),
                    (false, true, true) => Err(BadSelector::Empty),
                    (false, true, false) => Err(BadSelector::Unfinished("an element")),
                    (false, false, _) => Err(BadSelector::Unsupported(self.next_word())),
                };
            };
            compound.tests.push(test);
        }
    }

    fn attribute(&mut self) -> Result<Test, BadSelector> {
        self.skip_space();
        let attribute = self.name("an attribute")?.to_ascii_lowercase();
        self.skip_space();
        if self.take(']') {
            return Ok(Test::of(&attribute, Operator::Exists, String::new()));
        }
        let operators = [
            ("=", Operator::Equals),
            ("~=", Operator::Word),
            ("^=", Operator::Begins),
            ("$=", Operator::Ends),
            ("*=", Operator::Contains),
            ("|=", Operator::Language),
        ];
        let found = operators.into_iter().find_map(|(text, operator)| Some((self.rest.strip_prefix(text)?, operator)));
        let Some((rest, operator)) = found else {
            return Err(BadSelector::Unsupported(self.next_word()));
        };
        self.rest = rest;
        self.skip_space();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = match quote {
            Some(quote) => {
                let (value, rest) = self.rest[1..].split_once(quote).ok_or(BadSelector::Unfinished("a quote"))?;
                self.rest = rest;
                value.to_owned()
            }
            None => self.name("a value")?,
        };
        self.skip_space();
        let asks_to_ignore_case = self.take('i') || self.take('I');
        self.skip_space();
        if !self.take(']') {
            return Err(BadSelector::Unfinished("]"));
        }
        let test = Test::of(&attribute, operator, value);
        Ok(Test { ignores_case: test.ignores_case || asks_to_ignore_case, ..test })
    }

    /// A `\\` takes the special meaning from the character behind it.
    fn name(&mut self, expected: &'static str) -> Result<String, BadSelector> {
        let mut name = String::new();
        loop {
            let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at(end);
            name.push_str(plain);
            self.rest = rest;
            let Some(escaped) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()) else { break };
            name.push(escaped);
            self.rest = &rest[1 + escaped.len_utf8()..];
        }
        if name.is_empty() { Err(BadSelector::Unfinished(expected)) } else { Ok(name) }
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) -> bool {
        let rest = self.rest.trim_start();
        let skipped = rest.len() < self.rest.len();
        self.rest = rest;
        skipped
    }

    fn next_word(&self) -> String {
        self.rest.split_whitespace().next().unwrap_or_default().chars().take(40).collect()
    }
}

impl Test {
    fn of(attribute: &str, operator: Operator, value: String) -> Test {
        // Types are words of the standard, whose case does not matter.
        let ignores_case = attribute == "type";
        Test { attribute: attribute.to_owned(), operator, value, ignores_case }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::html::{Control, ControlKind};

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
            ("[name|=x]", Some(false)),
            ("#", None),
        ] {
            assert_eq!(
                Selector::parse_compound(text).ok().map(|selector| selector.matches_alone(&control)),
                expected,
                "{text}"
            );
        }
    }
}
