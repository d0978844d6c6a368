//! A configuration file as sections of named values, each of which knows the file and line that it comes from.
//!
//! Knows no section and no parameter by name. How the text becomes sections is in `read` and `line`.

use super::mark::Mark;
use super::read::{FILE_BYTES_MAX, INCLUDE_DEPTH_MAX, READINGS_MAX, Reader, TOTAL_BYTES_MAX};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most sections and values together: each takes far more memory than the few bytes that an action's text
/// needs for it.
pub(super) const ITEMS_MAX: usize = 100_000;
const WARNINGS_MAX: usize = 100;

/// So many names are compared sooner than one is hashed. To plan an action takes hundreds of looks into sections that mostly
/// have fewer.
const FEW: usize = 16;

/// A configuration: its sections in the order in which they first appear. Names ignore case.
#[derive(Debug, Clone, Default)]
pub struct Ini {
    sections: Vec<Section>,
    /// Lower-case name to place in `sections`.
    places: HashMap<String, usize>,
    /// How many sections and values there are.
    items: usize,
    warnings: Vec<Warning>,
    /// The file and all that it includes; none of a text.
    files: Vec<PathBuf>,
    /// What each of them was when it was read.
    marks: Vec<Mark>,
}

/// A section. If its heading appears twice, its entries are one list.
#[derive(Debug, Clone)]
pub struct Section {
    name: String,
    origin: Origin,
    entries: Vec<Entry>,
    /// Lower-case name to place in `entries`.
    places: HashMap<String, usize>,
}

/// `Name=Value`, with the spelling of the file. The value is as it stands there, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub value: String,
    pub origin: Origin,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file or of another text, counted from 1.
    Line { file: Arc<str>, line: usize },
    /// A parameter of the action itself.
    Action,
}

/// What is probably not meant as it is written; it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub origin: Origin,
    pub text: String,
}

/// Why a configuration cannot be used. `at` is the line to look at.
#[derive(Debug, thiserror::Error)]
pub enum IniError {
    #[error("{file} cannot be read: {source}")]
    Unreadable { file: String, source: io::Error },
    #[error("{at}: the included file {file} cannot be read: {source}")]
    IncludeUnreadable { at: Origin, file: String, source: io::Error },
    #[error("{file} has more than {FILE_BYTES_MAX} bytes, which no configuration has")]
    TooLarge { file: String },
    #[error("{at}: the includes are more than {READINGS_MAX} files or {TOTAL_BYTES_MAX} bytes together")]
    TooMuch { at: Origin },
    #[error("{at}: there are more than {ITEMS_MAX} sections and values, which no configuration has")]
    TooMany { at: Origin },
    #[error("{at}: the text is not UTF-8; save the file as UTF-8")]
    NotUtf8 { at: Origin },
    #[error("{at}: {problem}")]
    BadLine { at: Origin, problem: &'static str },
    #[error("{at}: {name} stands before the first section heading; a [Section] is expected above it")]
    NoHeading { at: Origin, name: String },
    #[error("{at}: {file} includes itself, directly or through others")]
    Circular { at: Origin, file: String },
    #[error("{at}: includes may nest {INCLUDE_DEPTH_MAX} deep and no deeper")]
    TooDeep { at: Origin },
    #[error("{at}: {file} has no section [{section}]")]
    NoSuchSection { at: Origin, file: String, section: String },
    #[error("{at}: [{section}] of {file} has no {parameter}; add it there, or a default here: {parameter}=Default")]
    NoSuchParameter { at: Origin, file: String, section: String, parameter: String },
    #[error("{at}: a configuration that comes with an action cannot include files")]
    IncludeRefused { at: Origin },
}

impl Ini {
    /// Reads a file and everything that it includes. Relative includes count from the folder of `path`.
    pub fn read(path: &Path) -> Result<Ini, IniError> {
        Reader::read_file(path)
    }

    /// Reads a text that came from elsewhere, such as an action's `Config` parameter. `name` stands in for
    /// the file's name in messages. Includes are refused: whoever sends an action may not read this machine's files.
    pub fn parse(text: &str, name: &str) -> Result<Ini, IniError> {
        Reader::read_text(name, text)
    }

    /// An action's overrides: `Name` and `[Section]Name` with their values. The former are in a section without a
    /// name. What starts like a heading and is none is refused as [`IniError::BadLine`].
    pub fn overrides<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Ini, IniError> {
        let mut ini = Ini::default();
        for (given, value) in pairs {
            let (section, name) = match given.trim().strip_prefix('[') {
                Some(inner) => inner.split_once(']').ok_or(IniError::BadLine {
                    at: Origin::Action,
                    problem: "a parameter's section is not closed: [Section]Name=Value is expected",
                })?,
                None => ("", given),
            };
            let place = ini.open(section.trim(), &Origin::Action);
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            ini.set(place, Entry { name, value, origin: Origin::Action });
            ini.check_items(&Origin::Action)?;
        }
        Ok(ini)
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        if self.sections.len() <= FEW {
            return self.sections.iter().find(|section| section.name.eq_ignore_ascii_case(name));
        }
        self.places.get(&name.to_ascii_lowercase()).map(|place| &self.sections[*place])
    }

    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// The files that it was read from, the main one first, the others as often as they are included.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) fn set_files(&mut self, read: Vec<(PathBuf, Mark)>) {
        (self.files, self.marks) = read.into_iter().unzip();
    }

    /// Whether reading the files again is sure to yield the same. A file that was written just before it was read may have
    /// changed without a trace.
    pub fn is_unchanged(&self) -> bool {
        self.files.iter().zip(&self.marks).all(|(path, mark)| mark.is_still(path))
    }

    /// At most 100.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(super) fn name_of(&self, place: usize) -> &str {
        &self.sections[place].name
    }

    /// The place of the section, which is made if it is new.
    pub(super) fn open(&mut self, name: &str, origin: &Origin) -> usize {
        let (sections, items) = (&mut self.sections, &mut self.items);
        *self.places.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            *items += 1;
            sections.push(Section::new(name, origin.clone()));
            sections.len() - 1
        })
    }

    /// Sets a value in the section at `place`; returns the one that it replaces.
    pub(super) fn set(&mut self, place: usize, entry: Entry) -> Option<Entry> {
        let replaced = self.sections[place].set(entry);
        self.items += usize::from(replaced.is_none());
        replaced
    }

    pub(super) fn check_items(&self, at: &Origin) -> Result<(), IniError> {
        if self.items > ITEMS_MAX { Err(IniError::TooMany { at: at.clone() }) } else { Ok(()) }
    }

    pub(super) fn warn(&mut self, origin: &Origin, text: impl Into<String>) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning { origin: origin.clone(), text: text.into() });
        }
    }
}

impl Section {
    fn new(name: &str, origin: Origin) -> Section {
        Section { name: name.to_owned(), origin, entries: Vec::new(), places: HashMap::new() }
    }

    /// The name as its first heading spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first heading.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        if self.entries.len() <= FEW {
            return self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
        }
        self.places.get(&name.to_ascii_lowercase()).map(|place| &self.entries[*place])
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entries `Name0`, `Name1`, … by their numbers; with an empty `name` those called `0`, `1`, …
    pub fn numbered(&self, name: &str) -> Vec<(u32, &Entry)> {
        let mut found: Vec<(u32, &Entry)> =
            self.entries.iter().filter_map(|entry| Some((number_after(name, &entry.name)?, entry))).collect();
        found.sort_by_key(|(number, _)| *number);
        found
    }

    /// Sets a value; returns the one that it replaces. The later one wins, so that the lines below an include
    /// override what it brought.
    fn set(&mut self, entry: Entry) -> Option<Entry> {
        let key = entry.name.to_ascii_lowercase();
        if let Some(place) = self.places.get(&key) {
            return Some(std::mem::replace(&mut self.entries[*place], entry));
        }
        self.places.insert(key, self.entries.len());
        self.entries.push(entry);
        None
    }
}

/// 7 for `Url7` after `url`.
fn number_after(name: &str, numbered: &str) -> Option<u32> {
    let (start, digits) = numbered.split_at_checked(name.len())?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if start.eq_ignore_ascii_case(name) && is_number { digits.parse().ok() } else { None }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line { file, line } => write!(f, "{file}:{line}"),
            Origin::Action => f.write_str("the action's parameters"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
