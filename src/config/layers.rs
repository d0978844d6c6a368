//! Settings that are looked up in several sections, the most specific one first.

use super::ini::{Entry, Ini, Origin, Section};
use super::value;
use crate::action::FromParam;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;
use std::time::Duration;

/// Sections in the order in which they are asked. The first that has a name decides about it, also with an empty
/// value: that is how a task takes back what `[FetchTasks]` or `[Default]` sets, and reads as "not set".
#[derive(Debug, Clone, Default)]
pub struct Layers<'a>(Vec<&'a Section>);

/// A setting that cannot be used: where it stands, what it says, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSetting {
    /// Where the value stands or, if it is missing, the heading of the section that lacks it.
    pub origin: Origin,
    pub section: String,
    pub name: String,
    /// `None` if it is missing.
    pub value: Option<String>,
    /// Finishes the sentence "expected is …".
    pub expected: String,
}

impl<'a> Layers<'a> {
    /// The most specific section first.
    pub fn new(sections: impl IntoIterator<Item = &'a Section>) -> Layers<'a> {
        Layers(sections.into_iter().collect())
    }

    /// The settings of a task. `sources` are the action's overrides, its `Config` text and the file, as far as there
    /// are any, in this order; each is asked for its parameters without a section, `[task]`, `[FetchTasks]` and
    /// `[Default]` before the next: whoever sends an action decides over what the file says, however specific that is.
    pub fn of_task(task: &str, sources: impl IntoIterator<Item = &'a Ini>) -> Layers<'a> {
        let of_source = |source: &'a Ini| [task, "", "FetchTasks", "Default"].map(|name| source.section(name));
        Layers(sources.into_iter().flat_map(of_source).flatten().collect())
    }

    /// These, and then `sections`.
    #[must_use]
    pub fn then(mut self, sections: impl IntoIterator<Item = &'a Section>) -> Layers<'a> {
        self.0.extend(sections);
        self
    }

    /// The entry that decides about `name`, also if its value is empty.
    pub fn get(&self, name: &str) -> Option<&'a Entry> {
        self.find(name).map(|(_, entry)| entry)
    }

    /// The value without the quotes around it; `None` if it is absent or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        self.filled(name).map(|(_, entry)| value::unquoted(&entry.value))
    }

    /// The value as whatever an action's parameter can be read as.
    pub fn read<T: FromParam>(&self, name: &str) -> Result<Option<T>, BadSetting> {
        self.read_with(name, T::EXPECTED, T::from_param)
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, BadSetting> {
        self.read(name)
    }

    /// A number in `range`, such as `1..=64` or `0..`.
    pub fn number<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        name: &str,
        range: impl RangeBounds<T>,
    ) -> Result<Option<T>, BadSetting> {
        let expected = match (range.start_bound(), range.end_bound()) {
            (Bound::Included(start), Bound::Included(end)) => format!("a whole number from {start} to {end}"),
            (Bound::Included(start), Bound::Unbounded) => format!("a whole number, {start} or more"),
            (Bound::Included(start), Bound::Excluded(end)) => format!("a whole number from {start}, below {end}"),
            (Bound::Unbounded, Bound::Included(end)) => format!("a whole number, {end} or less"),
            _ => "a whole number".to_owned(),
        };
        self.read_with(name, &expected, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    pub fn duration(&self, name: &str) -> Result<Option<Duration>, BadSetting> {
        self.read_with(name, value::DURATION_EXPECTED, value::duration)
    }

    /// Reads a value as `read` does. `expected` finishes the sentence "expected is …".
    pub fn read_with<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadSetting> {
        let Some((section, entry)) = self.filled(name) else {
            return Ok(None);
        };
        read(&value::unquoted(&entry.value)).map(Some).ok_or_else(|| BadSetting::unusable(section, entry, expected))
    }

    /// The items of `Name=a,b` followed by those of `Name0=c`, `Name1=d`, … in the order of their numbers. A numbered
    /// item is one item, commas or not. All are from one section: the first that has any of these.
    pub fn list(&self, name: &str) -> Vec<String> {
        for section in &self.0 {
            let (entry, numbered) = (section.get(name), section.numbered(name));
            if entry.is_some() || !numbered.is_empty() {
                let mut items = entry.map_or(Vec::new(), |entry| value::csv(&entry.value));
                items.extend(numbered.iter().map(|(_, entry)| value::unquoted(&entry.value)));
                items.retain(|item| !item.is_empty());
                return items;
            }
        }
        Vec::new()
    }

    /// `Name0`, `Name1`, … by their numbers, for lists that belong together (`MetadataSelector0` and
    /// `MetadataFieldName0`). `Name` alone is number 0 if there is no `Name0`.
    pub fn numbered(&self, name: &str) -> Vec<(u32, String)> {
        for section in &self.0 {
            let mut items: Vec<(u32, &Entry)> = section.numbered(name);
            if let Some(entry) = section.get(name).filter(|_| items.first().is_none_or(|(number, _)| *number > 0)) {
                items.insert(0, (0, entry));
            }
            if !items.is_empty() {
                return items.iter().map(|(number, entry)| (*number, value::unquoted(&entry.value))).collect();
            }
        }
        Vec::new()
    }

    /// The complaint about `name` for a caller who finds out later that its value cannot be used, or that it is
    /// missing. Of a list, it names the first item's line.
    pub fn bad(&self, name: &str, expected: &str) -> BadSetting {
        let of_list = || self.0.iter().find_map(|section| Some((*section, section.numbered(name).first()?.1)));
        match self.filled(name).or_else(of_list) {
            Some((section, entry)) => BadSetting::unusable(section, entry, expected),
            None => BadSetting {
                origin: self.0.first().map_or(Origin::Action, |section| section.origin().clone()),
                section: self.0.first().map_or(String::new(), |section| section.name().to_owned()),
                name: name.to_owned(),
                value: None,
                expected: expected.to_owned(),
            },
        }
    }

    fn find(&self, name: &str) -> Option<(&'a Section, &'a Entry)> {
        self.0.iter().find_map(|section| Some((*section, section.get(name)?)))
    }

    fn filled(&self, name: &str) -> Option<(&'a Section, &'a Entry)> {
        self.find(name).filter(|(_, entry)| !entry.value.is_empty())
    }
}

impl BadSetting {
    /// The complaint about the value of `entry`.
    pub fn unusable(section: &Section, entry: &Entry, expected: &str) -> BadSetting {
        const QUOTED_CHARS_MAX: usize = 100;
        // Whoever complains about it knows its name.
        let shown = crate::action::masked(&entry.name, &entry.value, |_| true);
        BadSetting {
            origin: entry.origin.clone(),
            section: section.name().to_owned(),
            name: entry.name.clone(),
            // A reply and a log line quote it.
            value: Some(shown.chars().take(QUOTED_CHARS_MAX).collect()),
            expected: expected.to_owned(),
        }
    }
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        // An override that names no section is in one without a name.
        if !self.section.is_empty() {
            write!(f, "[{}] ", self.section)?;
        }
        match &self.value {
            Some(value) => write!(f, "{} is \"{value}\"; expected is {}", self.name, self.expected),
            None => write!(f, "{} is missing; expected is {}", self.name, self.expected),
        }
    }
}

impl std::error::Error for BadSetting {}

#[cfg(test)]
mod tests {
    use super::super::ini::IniError;
    use super::*;

    fn file() -> Result<Ini, IniError> {
        Ini::parse(
            "[Default]\nDepth=9\nUserAgent=\"a, b\"\n[FetchTasks]\nPageDelay=1minute 3seconds\nMaxPages=7\n\
             [Docs]\nDepth=deep\nStayOnSite=off\nMaxPages=\nUrl1=http://b/?x,y\nUrl0=http://a/\nUrl=http://c/,http://d/\n\
             [News]\n",
            "webconnector.cfg",
        )
    }

    #[test]
    fn the_most_specific_section_wins() -> Result<(), Box<dyn std::error::Error>> {
        let (file, sent) = (file()?, Ini::parse("[FetchTasks]\nDepth=4\nMaxPages=5", "Config")?);
        let overrides = Ini::overrides([("Depth", "1"), ("[News]Depth", "2"), ("[Other]Depth", "3")])?;
        let depth = |task: &str, sources: &[&'static str]| {
            let all = [("overrides", &overrides), ("sent", &sent), ("file", &file)];
            let sources = all.into_iter().filter(|(name, _)| sources.contains(name)).map(|(_, ini)| ini);
            Layers::of_task(task, sources).number("Depth", -1..)
        };

        assert_eq!(depth("News", &["file"])?, Some(9));
        assert_eq!(depth("News", &["sent", "file"])?, Some(4));
        assert_eq!(depth("News", &["overrides", "sent", "file"])?, Some(2));
        assert_eq!(depth("docs", &["overrides", "sent", "file"])?, Some(1));
        assert!(depth("docs", &["file"]).is_err());
        Ok(())
    }

    #[test]
    fn values_are_read_as_what_they_are() -> Result<(), Box<dyn std::error::Error>> {
        let file = file()?;
        let docs = Layers::of_task("Docs", [&file]);
        assert_eq!(docs.boolean("stayonsite")?, Some(false));
        assert_eq!(docs.duration("PageDelay")?, Some(Duration::from_secs(63)));
        assert_eq!(docs.text("UserAgent"), Some("a, b".to_owned()));
        assert_eq!(docs.number("MaxPages", 0_u64..)?, None, "an empty value takes back [FetchTasks] MaxPages");
        assert_eq!(docs.get("MaxPages").map(|entry| entry.value.as_str()), Some(""));
        assert_eq!(docs.list("Url"), ["http://c/", "http://d/", "http://a/", "http://b/?x,y"]);
        assert_eq!(docs.list("SitemapUrl"), [""; 0]);
        let numbered = Ini::parse("[T]\nSelector=h1\nSelector2=\"h2,h3\"", "t")?;
        let numbered = Layers::of_task("T", [&numbered]).numbered("Selector");
        assert_eq!(numbered, [(0, "h1".to_owned()), (2, "h2,h3".to_owned())]);
        Ok(())
    }

    #[test]
    fn a_complaint_says_where_what_and_what_would_be_right() -> Result<(), Box<dyn std::error::Error>> {
        let file = file()?;
        let docs = Layers::of_task("docs", [&file]);
        let complaint = |bad: Result<Option<i64>, BadSetting>| bad.map_err(|bad| bad.to_string());
        let number = |text: &str| text.parse().ok();
        assert_eq!(
            complaint(docs.read_with("depth", "a whole number, or -1 for no limit", number)),
            Err("webconnector.cfg:8: [Docs] Depth is \"deep\"; expected is a whole number, or -1 for no limit".into())
        );
        assert_eq!(
            docs.bad("Cookie", "a cookie").to_string(),
            "webconnector.cfg:7: [Docs] Cookie is missing; expected is a cookie"
        );
        assert_eq!(
            docs.bad("Url", "a URL").to_string(),
            "webconnector.cfg:13: [Docs] Url is \"http://c/,http://d/\"; expected is a URL"
        );

        let overrides = Ini::overrides([("Depth", "x")])?;
        let layers = Layers::of_task("docs", [&overrides, &file]);
        assert_eq!(
            complaint(layers.number("Depth", 1..=5)),
            Err("the action's parameters: Depth is \"x\"; expected is a whole number from 1 to 5".into())
        );
        Ok(())
    }
}
