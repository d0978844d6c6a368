//! What tells whether a file is still the one that was read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a file must have been at rest when it was read. File systems count in steps of up to two seconds: what was
/// changed a moment before it was read may be changed once more and look the same.
const AT_REST: Duration = Duration::from_secs(3);

/// A file as it was when it was read.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    trace: Trace,
    was_at_rest: bool,
}

/// What a change leaves behind. The times are seconds and nanoseconds; that of the last change of the file's state (`ctime`)
/// is none that a program can set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    device: u64,
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    /// The mark of a file that is about to be read.
    pub(super) fn of(file: &File, now: SystemTime) -> io::Result<Mark> {
        let trace = Trace::of(&file.metadata()?);
        let seconds = u64::try_from(trace.changed.0.max(trace.written.0)).unwrap_or(u64::MAX);
        let latest = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let rested = latest.and_then(|latest| now.duration_since(latest).ok());
        Ok(Mark { trace, was_at_rest: rested.is_some_and(|rested| rested > AT_REST) })
    }

    /// Whether the file at `path` is sure to hold what was read. It is opened: only then a network's file system asks its
    /// server, and only so it is known that it can still be read.
    pub(super) fn is_still(&self, path: &Path) -> bool {
        // Opening a pipe would wait for its other end.
        let is_file = || path.metadata().is_ok_and(|metadata| metadata.is_file());
        let trace = || Some(Trace::of(&File::open(path).ok()?.metadata().ok()?));
        self.was_at_rest && is_file() && trace().is_some_and(|trace| trace == self.trace)
    }
}

impl Trace {
    fn of(metadata: &Metadata) -> Trace {
        Trace {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn a_file_is_the_same_only_if_it_was_at_rest_and_has_no_trace_of_a_change() -> io::Result<()> {
        let folder = TempDir::new()?;
        let path = folder.path().join("a.cfg");
        fs::write(&path, "one")?;
        let mark = |after: Duration| Mark::of(&File::open(&path)?, SystemTime::now() + after);
        let (early, late) = (mark(Duration::ZERO)?, mark(Duration::from_secs(10))?);
        assert_eq!((early.is_still(&path), late.is_still(&path)), (false, true));
        // As long as before, and with the date of before.
        let date = fs::metadata(&path)?.modified()?;
        let other = folder.path().join("b.cfg");
        fs::write(&other, "two")?;
        File::options().append(true).open(&other)?.set_modified(date)?;
        fs::rename(&other, &path)?;
        assert!(!late.is_still(&path));
        let late = mark(Duration::from_secs(10))?;
        assert!(late.is_still(&path));
        fs::remove_file(&path)?;
        assert!(!late.is_still(&path));
        fs::create_dir(&path)?;
        assert!(!late.is_still(&path));
        Ok(())
    }
}
