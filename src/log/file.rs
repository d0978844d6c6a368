//! One log file of bounded size.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Appends lines to a file; at its greatest size the file becomes `<name>.1` and a new one is begun.
pub(super) struct LogFile {
    path: PathBuf,
    bytes_max: u64,
    state: State,
}

enum State {
    /// Before the first line.
    Fresh,
    Open {
        file: File,
        bytes: u64,
    },
    /// It could not be opened or written then; not tried again for a while, so that a full disk costs nothing.
    Failed(Instant),
}

const RETRY_AFTER: Duration = Duration::from_secs(10);

impl LogFile {
    pub(super) fn new(path: PathBuf, bytes_max: u64) -> LogFile {
        LogFile { path, bytes_max, state: State::Fresh }
    }

    /// Appends `line`, which ends with a newline, in one write, or drops it. Returns what to tell the operator if
    /// the file is no longer written, or is written again; a line with its end.
    pub(super) fn append(&mut self, line: &str, now: Instant) -> Option<String> {
        let failed_before = match self.state {
            State::Failed(at) if now.saturating_duration_since(at) < RETRY_AFTER => return None,
            State::Failed(_) => true,
            State::Fresh | State::Open { .. } => false,
        };
        match self.try_append(line, failed_before) {
            Ok(()) => failed_before.then(|| format!("{} is written again\n", self.path.display())),
            Err(error) => {
                self.state = State::Failed(now);
                (!failed_before).then(|| {
                    let path = self.path.display();
                    format!("{path} cannot be written: {error}; lines are lost until it can\n")
                })
            }
        }
    }

    fn try_append(&mut self, line: &str, failed_before: bool) -> io::Result<()> {
        let line_bytes = line.len() as u64;
        if !matches!(&self.state, State::Open { bytes, .. } if bytes + line_bytes <= self.bytes_max) {
            self.reopen(line_bytes)?;
        }
        let State::Open { file, bytes } = &mut self.state else {
            return Err(io::Error::other("the file is not open"));
        };
        if failed_before && *bytes > 0 {
            // What failed may have left half a line.
            file.write_all(b"\n")?;
            *bytes += 1;
        }
        file.write_all(line.as_bytes())?;
        *bytes += line_bytes;
        Ok(())
    }

    /// Opens the file so that a line fits, moving a full one aside. The real size is asked: others may have cut the
    /// file (`logrotate`), or taken it away.
    fn reopen(&mut self, line_bytes: u64) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let (mut file, mut bytes) = open(&self.path)?;
        // A single line that is larger than the limit has a file of its own.
        if bytes > 0 && bytes + line_bytes > self.bytes_max {
            fs::rename(&self.path, previous(&self.path))?;
            (file, bytes) = open(&self.path)?;
        }
        self.state = State::Open { file, bytes };
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn previous(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_full_file_is_kept_once_and_nothing_grows_further() -> io::Result<()> {
        let folder = TempDir::new()?;
        let path = folder.path().join("a/b/action.log");
        let mut log = LogFile::new(path.clone(), 20);
        for number in 0..7 {
            assert_eq!(log.append(&format!("line {number}\n"), Instant::now()), None);
        }
        assert_eq!(fs::read_to_string(&path)?, "line 6\n");
        assert_eq!(fs::read_to_string(previous(&path))?, "line 4\nline 5\n");
        let files = fs::read_dir(path.parent().unwrap_or(folder.path()))?.count();
        assert_eq!(files, 2);

        // A new process goes on in the same file, and a line may be larger than the limit.
        let mut log = LogFile::new(path.clone(), 20);
        assert_eq!(log.append("line 7\n", Instant::now()), None);
        assert_eq!(log.append(&format!("{}\n", "x".repeat(50)), Instant::now()), None);
        assert_eq!(fs::read_to_string(previous(&path))?, "line 6\nline 7\n");
        Ok(())
    }

    #[test]
    fn a_file_that_fails_is_tried_again_later_and_says_when_it_works() -> io::Result<()> {
        let folder = TempDir::new()?;
        let path = folder.path().join("logs/action.log");
        fs::write(folder.path().join("logs"), "in the way")?;
        let mut log = LogFile::new(path.clone(), 1000);
        let start = Instant::now();
        assert!(log.append("a\n", start).is_some_and(|text| text.contains("cannot be written")));
        assert_eq!(log.append("b\n", start + RETRY_AFTER), None, "said once");

        fs::remove_file(folder.path().join("logs"))?;
        assert_eq!(log.append("c\n", start + RETRY_AFTER), None, "too soon after the second failure");
        assert!(log.append("d\n", start + 3 * RETRY_AFTER).is_some_and(|text| text.contains("written again")));
        assert_eq!(fs::read_to_string(&path)?, "d\n");
        Ok(())
    }
}
