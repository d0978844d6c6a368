//! A configuration file as sections of named values, each of which knows the file and line that it comes from.
//!
//! Owns the grammar (aci.md 6.1) and the includes. Knows no section and no parameter by name.

use super::line::{Include, Line, Part};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of one file.
pub(super) const FILE_BYTES_MAX: u64 = 10 << 20;
/// The most bytes of a file and everything that it includes, counted each time it is included.
pub(super) const TOTAL_BYTES_MAX: u64 = 64 << 20;
/// How deep includes may nest.
pub(super) const INCLUDE_DEPTH_MAX: usize = 16;
/// The most files that are read, counted each time; few files that include each other twice are many readings.
const READINGS_MAX: usize = 1000;
const WARNINGS_MAX: usize = 100;

/// A configuration: its sections in the order in which they first appear. Names ignore case.
#[derive(Debug, Clone, Default)]
pub struct Ini {
    sections: Vec<Section>,
    /// Lower-case name to place in `sections`.
    places: HashMap<String, usize>,
    warnings: Vec<Warning>,
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
        let bytes = read_bytes(path).map_err(|source| IniError::Unreadable { file: display(path), source })?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut reader = Reader { base: Some(base), open: vec![canonical(path)], readings: 1, bytes: 0 };
        reader.read_all(&display(path), &bytes)
    }

    /// Reads a text that came from elsewhere, such as an action's `Config` parameter. `name` stands in for
    /// the file's name in messages. Includes are refused: whoever sends an action may not read this machine's files.
    pub fn parse(text: &str, name: &str) -> Result<Ini, IniError> {
        Reader { base: None, open: Vec::new(), readings: 1, bytes: 0 }.read_all(name, text.as_bytes())
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
            ini.sections[place].set(Entry { name, value, origin: Origin::Action });
        }
        Ok(ini)
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.places.get(&name.to_ascii_lowercase()).map(|place| &self.sections[*place])
    }

    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// At most 100.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The place of the section, which is made if it is new.
    fn open(&mut self, name: &str, origin: &Origin) -> usize {
        let sections = &mut self.sections;
        *self.places.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            sections.push(Section::new(name, origin.clone()));
            sections.len() - 1
        })
    }

    fn warn(&mut self, origin: &Origin, text: impl Into<String>) {
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

/// Follows includes: what is open above, and how much has been read.
struct Reader {
    /// The folder of the main file; `None` refuses includes.
    base: Option<PathBuf>,
    /// The main file and the includes that lead here, to notice a circle.
    open: Vec<PathBuf>,
    readings: usize,
    bytes: u64,
}

/// Where the lines of a text go. An included file without a heading goes on with the section it is included in,
/// and the lines after an include go on with its last section, just as if its text stood there.
struct Target {
    ini: Ini,
    section: Option<usize>,
    /// Whether the open section's heading came from an include.
    from_include: bool,
}

impl Reader {
    fn read_all(&mut self, name: &str, bytes: &[u8]) -> Result<Ini, IniError> {
        let mut target = Target { ini: Ini::default(), section: None, from_include: false };
        self.read_text(name, bytes, &mut target)?;
        Ok(target.ini)
    }

    fn read_text(&mut self, name: &str, bytes: &[u8], target: &mut Target) -> Result<(), IniError> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(IniError::TooLarge { file: name.to_owned() });
        }
        let file: Arc<str> = name.into();
        let text = utf8(&file, bytes)?;
        for (index, line) in text.lines().enumerate() {
            let at = Origin::Line { file: Arc::clone(&file), line: index + 1 };
            let line = Line::parse(line).map_err(|problem| IniError::BadLine { at: at.clone(), problem })?;
            self.take(line, at, target)?;
        }
        Ok(())
    }

    fn take(&mut self, line: Line<'_>, at: Origin, target: &mut Target) -> Result<(), IniError> {
        match line {
            Line::Blank | Line::Comment => Ok(()),
            Line::ForeignComment => {
                target.ini.warn(&at, "taken for a comment; the comments of this file start with //");
                Ok(())
            }
            Line::Heading { name, merge } => {
                target.section = Some(target.ini.open(name, &at));
                target.from_include = false;
                match merge {
                    Some(Include { file, part }) => self.include(file, &part, &at, target, Merge::Entries),
                    None => Ok(()),
                }
            }
            Line::Include(Include { file, part }) => self.include(file, &part, &at, target, Merge::Section),
            Line::Parameter { name, value } => target.set(name, value, at),
        }
    }

    fn include(
        &mut self,
        file: &str,
        part: &Part<'_>,
        at: &Origin,
        target: &mut Target,
        merge: Merge,
    ) -> Result<(), IniError> {
        let Some(base) = &self.base else {
            return Err(IniError::IncludeRefused { at: at.clone() });
        };
        let path = base.join(file);
        let bytes = self.enter(&path, at)?;
        let name = display(&path);
        match part {
            Part::Whole => {
                let before = target.section;
                self.read_text(&name, &bytes, target)?;
                target.from_include |= target.section != before;
            }
            Part::Section(section) => {
                let included = self.read_all(&name, &bytes)?;
                target.take_section(&included, section, merge).ok_or_else(|| IniError::NoSuchSection {
                    at: at.clone(),
                    file: name,
                    section: (*section).to_owned(),
                })?;
            }
            Part::Parameter { section, parameter, default } => {
                let included = self.read_all(&name, &bytes)?;
                let found: Vec<Entry> = included.section(section).map_or(Vec::new(), |section| {
                    section.entries().filter(|entry| matches(parameter, &entry.name)).cloned().collect()
                });
                target.warn_all(&included);
                match (found.is_empty(), default) {
                    (true, Some(default)) => target.set(parameter, default, at.clone())?,
                    (true, None) if parameter.contains(['*', '?']) => {
                        target.ini.warn(at, format!("nothing in [{section}] of {name} is called {parameter}"));
                    }
                    (true, None) => {
                        let (section, parameter) = ((*section).to_owned(), (*parameter).to_owned());
                        return Err(IniError::NoSuchParameter { at: at.clone(), file: name, section, parameter });
                    }
                    (false, _) => {
                        for Entry { name, value, origin } in found {
                            target.set(&name, &value, origin)?;
                        }
                    }
                }
            }
        }
        self.open.pop();
        Ok(())
    }

    /// Opens an included file: it is on the stack until its part is taken.
    fn enter(&mut self, path: &Path, at: &Origin) -> Result<Vec<u8>, IniError> {
        if self.open.len() > INCLUDE_DEPTH_MAX {
            return Err(IniError::TooDeep { at: at.clone() });
        }
        let key = canonical(path);
        if self.open.contains(&key) {
            return Err(IniError::Circular { at: at.clone(), file: display(path) });
        }
        let bytes = read_bytes(path).map_err(|source| IniError::IncludeUnreadable {
            at: at.clone(),
            file: display(path),
            source,
        })?;
        self.readings += 1;
        self.bytes += bytes.len() as u64;
        if self.readings > READINGS_MAX || self.bytes > TOTAL_BYTES_MAX {
            return Err(IniError::TooMuch { at: at.clone() });
        }
        self.open.push(key);
        Ok(bytes)
    }
}

/// What an included section becomes.
#[derive(Clone, Copy)]
enum Merge {
    /// A section of its own, with its heading.
    Section,
    /// Entries of the section that is open.
    Entries,
}

impl Target {
    fn set(&mut self, name: &str, value: &str, at: Origin) -> Result<(), IniError> {
        let Some(place) = self.section else {
            return Err(IniError::NoHeading { at, name: name.to_owned() });
        };
        let section = &mut self.ini.sections[place];
        let title = section.name.clone();
        let replaced = section.set(Entry { name: name.to_owned(), value: value.to_owned(), origin: at.clone() });
        if std::mem::take(&mut self.from_include) {
            // Once is enough: what follows is in the same place.
            self.ini.warn(
                &at,
                format!(
                    "{name} belongs to [{title}], the section that the include above ended with; give it a heading"
                ),
            );
        }
        if let Some(replaced) = replaced.filter(|replaced| same_file(&replaced.origin, &at)) {
            self.ini
                .warn(&at, format!("[{title}] {name} was set before ({}); the later value counts", replaced.origin));
        }
        Ok(())
    }

    fn take_section(&mut self, included: &Ini, name: &str, merge: Merge) -> Option<()> {
        let section = included.section(name)?;
        self.warn_all(included);
        let place = match merge {
            Merge::Section => self.ini.open(section.name(), section.origin()),
            Merge::Entries => self.section?,
        };
        for entry in section.entries() {
            self.ini.sections[place].set(entry.clone());
        }
        self.section = Some(place);
        self.from_include = matches!(merge, Merge::Section);
        Some(())
    }

    fn warn_all(&mut self, included: &Ini) {
        for warning in &included.warnings {
            self.ini.warn(&warning.origin, warning.text.as_str());
        }
    }
}

fn same_file(one: &Origin, other: &Origin) -> bool {
    matches!((one, other), (Origin::Line { file: one, .. }, Origin::Line { file: other, .. }) if one == other)
}

/// Whether `name` is what `pattern` says, ignoring case: `*` is any text, `?` any one character.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().map(|c| c.to_ascii_lowercase()).collect();
    let name: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
    let (mut p, mut n) = (0, 0);
    // The last star, and how much of the name it was given: the only point worth going back to.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, given)) = star else { return false };
                star = Some((at, given + 1));
                p = at + 1;
                n = given + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// At most one byte more than [`FILE_BYTES_MAX`], so that too large a file shows.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before opening: opening a pipe would wait for its other end.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn utf8<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, IniError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        IniError::NotUtf8 { at: Origin::Line { file: Arc::clone(file), line } }
    })
}

/// What tells two names of one file apart from two files; a file that cannot be resolved cannot be opened either.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
