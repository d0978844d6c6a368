//! Reading a configuration's text line by line, and the files that it includes (aci.md 6.1). Owns what bounds both.

use super::ini::{Entry, Ini, IniError, Origin};
use super::line::{Include, Line, Part};
use super::mark::Mark;
use crate::wildcard;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The most bytes of one file.
pub(super) const FILE_BYTES_MAX: u64 = 10 << 20;
/// The most bytes of a file and everything that it includes, counted each time it is included.
pub(super) const TOTAL_BYTES_MAX: u64 = 64 << 20;
/// How deep includes may nest.
pub(super) const INCLUDE_DEPTH_MAX: usize = 16;
/// The most files that are read, counted each time; few files that include each other twice are many readings.
pub(super) const READINGS_MAX: usize = 1000;

/// Follows includes: what is open above, and how much has been read.
pub(super) struct Reader {
    /// The folder of the main file; `None` refuses includes.
    base: Option<PathBuf>,
    /// The main file and the includes that lead here, to notice a circle.
    open: Vec<PathBuf>,
    /// Everything that was read, by the names under which it was found.
    files: Vec<(PathBuf, Mark)>,
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
    /// The file at `path` with everything that it includes.
    pub(super) fn read_file(path: &Path) -> Result<Ini, IniError> {
        let (bytes, mark) = read_bytes(path).map_err(|source| IniError::Unreadable { file: display(path), source })?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let files = vec![(path.to_owned(), mark)];
        let mut reader = Reader { base: Some(base), open: vec![canonical(path)], files, readings: 1, bytes: 0 };
        let mut ini = reader.read_all(&display(path), &bytes)?;
        ini.set_files(reader.files);
        Ok(ini)
    }

    /// A text that may include nothing; `name` stands in for a file's.
    pub(super) fn read_text(name: &str, text: &str) -> Result<Ini, IniError> {
        Reader { base: None, open: Vec::new(), files: Vec::new(), readings: 1, bytes: 0 }
            .read_all(name, text.as_bytes())
    }

    fn read_all(&mut self, name: &str, bytes: &[u8]) -> Result<Ini, IniError> {
        let mut target = Target { ini: Ini::default(), section: None, from_include: false };
        self.read_lines(name, bytes, &mut target)?;
        Ok(target.ini)
    }

    fn read_lines(&mut self, name: &str, bytes: &[u8], target: &mut Target) -> Result<(), IniError> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(IniError::TooLarge { file: name.to_owned() });
        }
        let file: Arc<str> = name.into();
        let text = utf8(&file, bytes)?;
        for (index, line) in text.lines().enumerate() {
            let at = Origin::Line { file: Arc::clone(&file), line: index + 1 };
            let line = Line::parse(line).map_err(|problem| IniError::BadLine { at: at.clone(), problem })?;
            self.take(line, at.clone(), target)?;
            target.ini.check_items(&at)?;
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
                self.read_lines(&name, &bytes, target)?;
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
                    section.entries().filter(|entry| wildcard::matches(parameter, &entry.name)).cloned().collect()
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
        let (bytes, mark) = read_bytes(path).map_err(|source| IniError::IncludeUnreadable {
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
        self.files.push((path.to_owned(), mark));
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
        let title = self.ini.name_of(place).to_owned();
        let replaced =
            self.ini.set(place, Entry { name: name.to_owned(), value: value.to_owned(), origin: at.clone() });
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
            self.ini.set(place, entry.clone());
        }
        self.section = Some(place);
        self.from_include = matches!(merge, Merge::Section);
        Some(())
    }

    fn warn_all(&mut self, included: &Ini) {
        for warning in included.warnings() {
            self.ini.warn(&warning.origin, warning.text.as_str());
        }
    }
}

fn same_file(one: &Origin, other: &Origin) -> bool {
    matches!((one, other), (Origin::Line { file: one, .. }, Origin::Line { file: other, .. }) if one == other)
}

/// At most one byte more than [`FILE_BYTES_MAX`], so that too large a file shows.
fn read_bytes(path: &Path) -> io::Result<(Vec<u8>, Mark)> {
    // Asked before opening: opening a pipe would wait for its other end.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let (mut bytes, file) = (Vec::new(), File::open(path)?);
    // Before the bytes: what is written meanwhile makes another mark.
    let mark = Mark::of(&file, SystemTime::now())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes, mark))
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
