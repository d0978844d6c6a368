//! The parameters of a request: names in any case, the last of a repeated one wins.

use super::masked;
use std::fmt;
use url::form_urlencoded;

/// Parameters in the order in which they came. Names are compared ignoring case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// A parameter that cannot be used: which, and why. Nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadParam {
    pub name: String,
    pub problem: Problem,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is required and is not there, or is empty.
    Missing,
    /// Its value is none of those that it may have; `expected` says which.
    Unreadable { value: String, expected: String },
}

/// A value that a parameter's text can be read as.
pub trait FromParam: Sized {
    /// What the parameter may be, to finish the sentence "… is expected".
    const EXPECTED: &'static str;

    fn from_param(text: &str) -> Option<Self>;
}

impl Params {
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// The last value given for `name`, also if it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Takes every value of `name` out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    }

    /// The value of `name`, or [`Problem::Missing`] if it is absent or empty.
    pub fn required<T: FromParam>(&self, name: &str) -> Result<T, BadParam> {
        self.optional(name)?.ok_or_else(|| BadParam { name: name.to_owned(), problem: Problem::Missing })
    }

    /// The value of `name`; absent and empty are the same.
    pub fn optional<T: FromParam>(&self, name: &str) -> Result<Option<T>, BadParam> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        T::from_param(text).map(Some).ok_or_else(|| BadParam::unreadable(name, text, T::EXPECTED))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters as one `application/x-www-form-urlencoded` text: how the store keeps them.
    pub fn to_form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.0);
        form.finish()
    }

    /// Reads what [`Params::to_form`] wrote.
    pub fn from_form(text: &str) -> Params {
        Params(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Params {
        Params(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl BadParam {
    pub fn unreadable(name: &str, value: &str, expected: impl Into<String>) -> BadParam {
        // A reply and a log line quote it; what a client can send is far longer than what explains. Whoever complains about a
        // parameter knows its name.
        let value = masked(name, value, |_| true).chars().take(100).collect();
        BadParam { name: name.to_owned(), problem: Problem::Unreadable { value, expected: expected.into() } }
    }
}

impl fmt::Display for BadParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Missing => write!(f, "the parameter {} is required", self.name),
            Problem::Unreadable { value, expected } => {
                write!(f, "the parameter {} is \"{value}\"; expected is {expected}", self.name)
            }
        }
    }
}

impl std::error::Error for BadParam {}

impl FromParam for String {
    const EXPECTED: &'static str = "a text";

    fn from_param(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

impl FromParam for u64 {
    const EXPECTED: &'static str = "a whole number, 0 or more";

    fn from_param(text: &str) -> Option<u64> {
        text.trim().parse().ok()
    }
}

impl FromParam for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_param(text: &str) -> Option<i64> {
        text.trim().parse().ok()
    }
}

impl FromParam for bool {
    const EXPECTED: &'static str = "true or false";

    /// The spellings of the reference (aci.md 6.1), in any case.
    fn from_param(text: &str) -> Option<bool> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "y" | "1" => Some(true),
            "false" | "off" | "no" | "n" | "0" => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_the_last_value_wins() {
        let params: Params = [("Token", "a"), ("TOKEN", "b"), ("x", "")].into_iter().collect();
        assert_eq!(params.get("token"), Some("b"));
        assert_eq!(params.optional::<String>("X"), Ok(None));
        assert_eq!(params.required::<String>("x").map_err(|bad| bad.problem), Err(Problem::Missing));
    }

    #[test]
    fn a_bad_value_names_what_it_may_be() {
        let params: Params = [("Depth", "deep")].into_iter().collect();
        let bad = params.optional::<i64>("depth").map_err(|bad| bad.to_string());
        assert_eq!(bad, Err("the parameter depth is \"deep\"; expected is a whole number".to_owned()));
    }

    #[test]
    fn the_stored_form_is_read_back() {
        let params: Params =
            [("url", "http://h/?a=1&b=ü +%"), ("[News]Depth", "2"), ("empty", "")].into_iter().collect();
        assert_eq!(Params::from_form(&params.to_form()), params);
    }
}
