//! One log file of bounded size.

use super::File as Settings;
use super::archive::{self, Expire};
use crate::time::Moment;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Logs tell who asked for what: they are for the connector's user and its group.
pub(super) const FILE_MODE: u32 = 0o640;

/// Appends lines to a file. A full one is renamed into the folder of full files, and a new one is begun. While that folder
/// cannot take it, it grows on, up to [`GROWS_MAX`] times its size, so that no line is lost.
pub(super) struct LogFile {
    settings: Settings,
    state: State,
    /// When the full file could not be renamed, and why.
    stuck: Option<(Instant, io::Error)>,
}

enum State {
    /// Before the first line.
    Fresh,
    Open {
        file: File,
        bytes: u64,
        /// When its last line was written.
        last: Moment,
    },
    /// It could not be opened or written then; not tried again for a while, so that a full disk costs nothing.
    Failed(Instant),
}

/// What came of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// What to tell the operator if the file is no longer written or renamed, or is again; a line with its end.
    pub(super) change: Option<String>,
    /// A full file lies in the folder of full files.
    pub(super) renamed: bool,
}

const RETRY_AFTER: Duration = Duration::from_secs(10);
const GROWS_MAX: u64 = 10;

impl LogFile {
    pub(super) fn new(settings: Settings) -> LogFile {
        LogFile { settings, state: State::Fresh, stuck: None }
    }

    /// Appends `line`, which ends with a newline, in one write, or drops it. `now` and `tick` are the same moment on
    /// the clock that people read and on the one that only goes forward.
    pub(super) fn append(&mut self, line: &str, now: Moment, tick: Instant) -> Written {
        let failed_before = match self.state {
            State::Failed(at) if tick.saturating_duration_since(at) < RETRY_AFTER => return Written::default(),
            State::Failed(_) => true,
            State::Fresh | State::Open { .. } => false,
        };
        let stuck_before = self.stuck.is_some();
        let outcome = self.try_append(line, now, tick, failed_before);
        let (path, archive) = (self.settings.path.display(), self.settings.archive.display());
        match outcome {
            Ok(renamed) => {
                let change = match &self.stuck {
                    _ if failed_before => Some(format!("{path} is written again\n")),
                    Some((_, error)) if !stuck_before => {
                        Some(format!("{archive} cannot take the full {path}: {error}; it grows on until that can\n"))
                    }
                    None if stuck_before => Some(format!("{archive} takes the full {path} again\n")),
                    _ => None,
                };
                Written { change, renamed }
            }
            Err(error) => {
                let change = (!failed_before)
                    .then(|| format!("{path} cannot be written: {error}; lines are lost until it can\n"));
                self.state = State::Failed(tick);
                Written { change, renamed: false }
            }
        }
    }

    /// Whether a full file was renamed.
    fn try_append(&mut self, line: &str, now: Moment, tick: Instant, failed_before: bool) -> io::Result<bool> {
        let line_bytes = line.len() as u64;
        let has_room = self.has_room(line_bytes, now, tick);
        let renamed = if has_room { false } else { self.reopen(line_bytes, now, tick)? };
        let State::Open { file, bytes, last } = &mut self.state else {
            return Err(io::Error::other("the file is not open"));
        };
        if failed_before && *bytes > 0 {
            // What failed may have left half a line.
            file.write_all(b"\n")?;
            *bytes += 1;
        }
        file.write_all(line.as_bytes())?;
        *bytes += line_bytes;
        *last = now;
        Ok(renamed)
    }

    fn has_room(&self, line_bytes: u64, now: Moment, tick: Instant) -> bool {
        match &self.state {
            // Not looked at for each line: whatever keeps it from being renamed takes time to go away.
            State::Open { bytes, .. } if self.was_stuck_lately(tick) => bytes + line_bytes <= self.grown_max(),
            State::Open { bytes, last, .. } => {
                bytes + line_bytes <= self.settings.bytes_max && !self.is_of_another_day(*last, now)
            }
            State::Fresh | State::Failed(_) => false,
        }
    }

    fn was_stuck_lately(&self, tick: Instant) -> bool {
        self.stuck.as_ref().is_some_and(|(at, _)| tick.saturating_duration_since(*at) < RETRY_AFTER)
    }

    fn grown_max(&self) -> u64 {
        self.settings.bytes_max.saturating_mul(GROWS_MAX)
    }

    fn is_of_another_day(&self, last: Moment, now: Moment) -> bool {
        self.settings.expire == Expire::Day && archive::day(last) != archive::day(now)
    }

    /// Opens the file so that a line fits, moving a full one aside, and tells whether there was one. The real size is
    /// asked: others may have cut the file (`logrotate`), or taken it away.
    fn reopen(&mut self, line_bytes: u64, now: Moment, tick: Instant) -> io::Result<bool> {
        let path = &self.settings.path;
        if let Some(directory) = path.parent() {
            create_directory(directory)?;
        }
        let (mut file, mut bytes, changed) = open(path, now)?;
        let last = if let State::Open { last, .. } = &self.state { *last } else { changed };
        // A single line that is larger than the limit has a file of its own.
        let is_full = bytes + line_bytes > self.settings.bytes_max || self.is_of_another_day(last, now);
        let mut renamed = false;
        if bytes > 0 && is_full {
            let named_after = if self.settings.expire == Expire::Day { last } else { now };
            match self.move_aside(named_after) {
                Ok(()) => {
                    (file, bytes, _) = open(path, now)?;
                    (renamed, self.stuck) = (true, None);
                }
                Err(error) if bytes + line_bytes <= self.grown_max() => self.stuck = Some((tick, error)),
                Err(error) => {
                    let folder = self.settings.archive.display();
                    return Err(io::Error::other(format!("it is full, and {folder} cannot take it: {error}")));
                }
            }
        }
        self.state = State::Open { file, bytes, last: now };
        Ok(renamed)
    }

    /// Renames the file into the folder of full ones.
    fn move_aside(&self, named_after: Moment) -> io::Result<()> {
        create_directory(&self.settings.archive)?;
        fs::rename(&self.settings.path, archive::place(&self.settings, named_after)?)
    }
}

/// Makes `directory` and those above it, for those who may read its files.
fn create_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// The file with its size and the moment of its last change, which is `now` if it is empty.
fn open(path: &Path, now: Moment) -> io::Result<(File, u64, Moment)> {
    let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
    let metadata = file.metadata()?;
    let changed = if metadata.len() == 0 { now } else { Moment::of(metadata.modified()?) };
    Ok((file, metadata.len(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const NOON: Moment = Moment::from_epoch_ms(1_795_262_400_000);

    fn settings(folder: &TempDir, expire: Expire) -> Settings {
        let path = folder.path().join("a/b/action.log");
        Settings { path, bytes_max: 20, expire, archive: folder.path().join("old"), archived_max: 3 }
    }

    #[test]
    fn a_full_file_is_moved_and_a_line_may_be_larger_than_the_limit() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(&folder, Expire::Previous);
        let previous = folder.path().join("old/action.log.previous");
        let mut log = LogFile::new(settings.clone());
        let renamed: Vec<bool> = (0..7)
            .map(|number| log.append(&format!("line {number}\n"), NOON, Instant::now()))
            .map(|written| written.renamed)
            .collect();
        assert_eq!(renamed, [false, false, true, false, true, false, true]);
        assert_eq!(fs::read_to_string(&settings.path)?, "line 6\n");
        assert_eq!(fs::read_to_string(&previous)?, "line 4\nline 5\n");

        // A new process goes on in the same file.
        let mut log = LogFile::new(settings);
        assert_eq!(log.append("line 7\n", NOON, Instant::now()), Written::default());
        assert!(log.append(&format!("{}\n", "x".repeat(50)), NOON, Instant::now()).renamed);
        assert_eq!(fs::read_to_string(&previous)?, "line 6\nline 7\n");
        Ok(())
    }

    #[test]
    fn each_day_has_its_file() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = Settings { bytes_max: 1000, ..settings(&folder, Expire::Day) };
        let mut log = LogFile::new(settings.clone());
        let next_day = Moment::from_epoch_ms(NOON.epoch_ms() + 86_400_000);
        assert!(!log.append("first\n", NOON, Instant::now()).renamed);
        assert!(!log.append("second\n", NOON, Instant::now()).renamed);
        assert!(log.append("third\n", next_day, Instant::now()).renamed);
        assert_eq!(fs::read_to_string(&settings.path)?, "third\n");
        let archived = settings.archive.join(format!("action_{}.log", archive::day(NOON)));
        assert_eq!(fs::read_to_string(archived)?, "first\nsecond\n");
        Ok(())
    }

    #[test]
    fn a_full_file_grows_on_while_the_folder_of_full_ones_is_lost() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(&folder, Expire::Previous);
        fs::write(&settings.archive, "in the way")?;
        let mut log = LogFile::new(settings.clone());
        let start = Instant::now();
        let mut append = |tick| log.append("0123456789\n", NOON, tick);
        assert_eq!(append(start), Written::default());
        let told = append(start).change.unwrap_or_default();
        let expected = format!("{} cannot take the full {}", settings.archive.display(), settings.path.display());
        assert!(told.starts_with(&expected), "{told}");
        assert_eq!(append(start + RETRY_AFTER), Written::default(), "said once");

        // As far as it may: then it is the file that fails, because of the folder.
        let told: Vec<String> = (0..20).filter_map(|_| append(start + RETRY_AFTER).change).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = format!("it is full, and {} cannot take it", settings.archive.display());
        assert!(told[0].contains("lines are lost") && told[0].contains(&expected), "{told:?}");
        let bytes = fs::metadata(&settings.path)?.len();
        assert!(bytes <= GROWS_MAX * settings.bytes_max && bytes + 11 > GROWS_MAX * settings.bytes_max, "{bytes}");

        fs::remove_file(&settings.archive)?;
        let written = append(start + 3 * RETRY_AFTER);
        assert!(written.renamed && written.change.is_some_and(|text| text.contains("written again")));
        assert_eq!(fs::metadata(settings.archive.join("action.log.previous"))?.len(), bytes);
        Ok(())
    }

    #[test]
    fn a_full_file_is_moved_once_the_folder_of_full_ones_is_back() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(&folder, Expire::Previous);
        fs::write(&settings.archive, "in the way")?;
        let mut log = LogFile::new(settings.clone());
        let start = Instant::now();
        (0..3).for_each(|_| drop(log.append("0123456789\n", NOON, start)));
        fs::remove_file(&settings.archive)?;
        let written = log.append("last\n", NOON, start + RETRY_AFTER);
        assert!(written.renamed && written.change.is_some_and(|text| text.contains(" takes the full ")));
        assert_eq!(fs::read_to_string(settings.archive.join("action.log.previous"))?, "0123456789\n".repeat(3));
        assert_eq!(fs::read_to_string(&settings.path)?, "last\n");
        Ok(())
    }

    #[test]
    fn a_file_that_fails_is_tried_again_later_and_says_when_it_works() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(&folder, Expire::Previous);
        fs::write(folder.path().join("a"), "in the way")?;
        let mut log = LogFile::new(settings.clone());
        let start = Instant::now();
        let mut append = |line, tick| log.append(line, NOON, tick).change;
        assert!(append("a\n", start).is_some_and(|text| text.contains("cannot be written")));
        assert_eq!(append("b\n", start + RETRY_AFTER), None, "said once");

        fs::remove_file(folder.path().join("a"))?;
        assert_eq!(append("c\n", start + RETRY_AFTER), None, "too soon after the second failure");
        assert!(append("d\n", start + 3 * RETRY_AFTER).is_some_and(|text| text.contains("written again")));
        assert_eq!(fs::read_to_string(&settings.path)?, "d\n");
        Ok(())
    }
}
