//! A file of records that only grows, and that ends with a whole record whatever happens.
//!
//! Owns one open file under an exclusive lock. Knows of its records only how each begins and ends.

use super::SinkError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Records are written through when this much of them waits. A record may be longer.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// How much of the file is read at a time in search of its last whole record.
const STEP_BYTES: u64 = 64 * 1024;
/// For the connector to write, and for the indexer that reads it to be let in by its group. Documents can come from
/// behind a login, so that they are not for everyone; the umask may take more away.
const MODE: u32 = 0o640;

/// The marks of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// How each begins; may be empty.
    pub(super) begins: &'static str,
    /// How each ends. Stands nowhere else in a record.
    pub(super) ends: &'static str,
}

/// The file and what waits to be written to it.
#[derive(Debug)]
pub(super) struct AppendFile {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Synced,
    Unsynced,
    /// A write or a sync failed. After a failed sync the system may report the next one as good although the data is
    /// gone, so that nothing can be promised any more.
    Broken,
}

impl AppendFile {
    /// Opens or creates the file. What follows its last whole record was cut by a crash while it was written, and was
    /// never acknowledged: it is removed.
    pub(super) fn open(path: &Path, record: Record) -> Result<AppendFile, SinkError> {
        let fail = |operation| move |source| SinkError::File { operation, path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path).map_err(fail("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SinkError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(fail("lock")(source)),
        }
        let bytes = file.metadata().map_err(fail("read"))?.len();
        let whole_bytes = match last_end(&mut file, bytes, record.ends).map_err(fail("read"))? {
            Some(whole_bytes) => whole_bytes,
            None if begins_with(&mut file, record.begins).map_err(fail("read"))? => 0,
            None => return Err(SinkError::Foreign { path: path.to_owned(), begins_with: record.begins }),
        };
        if whole_bytes < bytes {
            let cut_bytes = bytes - whole_bytes;
            log::warn!("{}: cut {cut_bytes} bytes of a record that a crash left unfinished", path.display());
            file.set_len(whole_bytes).map_err(fail("cut"))?;
        }
        Ok(AppendFile { file, path: path.to_owned(), buffer: Vec::new(), state: State::Unsynced })
    }

    /// Adds what `write` appends to the buffer: whole records.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), SinkError> {
        self.refuse_if_broken()?;
        write(&mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES_MAX { self.write_through() } else { Ok(()) }
    }

    /// Makes everything appended survive a loss of power.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.refuse_if_broken()?;
        self.write_through()?;
        if self.state == State::Unsynced {
            self.file.sync_data().map_err(|source| self.fail("sync", source))?;
            self.state = State::Synced;
        }
        Ok(())
    }

    /// Whether the file holds anything. What waits in the buffer does not count.
    pub(super) fn is_empty(&self) -> Result<bool, SinkError> {
        match self.file.metadata() {
            Ok(metadata) => Ok(metadata.len() == 0),
            Err(source) => Err(SinkError::File { operation: "read", path: self.path.clone(), source }),
        }
    }

    fn write_through(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // Asked each time: the file's reader may have emptied it since.
        let bytes_before = self.file.metadata().map_err(|source| self.fail("read", source))?.len();
        if let Err(source) = self.file.write_all(&self.buffer) {
            // The disk is full, most likely. If the cut fails as well, the next open makes it.
            let _ = self.file.set_len(bytes_before);
            return Err(self.fail("write", source));
        }
        self.state = State::Unsynced;
        self.buffer.clear();
        // One huge record must not keep its memory for the rest of the action.
        self.buffer.shrink_to(2 * BUFFER_BYTES_MAX);
        Ok(())
    }

    fn refuse_if_broken(&self) -> Result<(), SinkError> {
        match self.state {
            State::Broken => Err(SinkError::Broken { path: self.path.clone() }),
            State::Synced | State::Unsynced => Ok(()),
        }
    }

    fn fail(&mut self, operation: &'static str, source: io::Error) -> SinkError {
        self.state = State::Broken;
        self.buffer = Vec::new();
        SinkError::File { operation, path: self.path.clone(), source }
    }
}

impl Drop for AppendFile {
    fn drop(&mut self) {
        // Closing the file would do, were it not for processes started meanwhile: until they run their own program they
        // share the open file, and its lock.
        let _ = self.file.unlock();
    }
}

/// Makes the names in `directory` survive a loss of power: those created, renamed and removed.
pub(super) fn sync_directory(directory: &Path) -> Result<(), SinkError> {
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(|source| SinkError::File { operation: "sync", path: directory.to_owned(), source })
}

/// Where the last whole record ends, searched from the end of the file; `Some(0)` for an empty file, `None` if there is
/// no record.
fn last_end(file: &mut File, bytes: u64, ends: &str) -> io::Result<Option<u64>> {
    if bytes == 0 {
        return Ok(Some(0));
    }
    let finder = memchr::memmem::FinderRev::new(ends);
    let mut window = Vec::new();
    let mut to = bytes;
    while to > 0 {
        let from = to.saturating_sub(STEP_BYTES);
        // Windows overlap, since a mark may lie across two of them.
        let overlapped_to = bytes.min(to + ends.len() as u64 - 1);
        window.clear();
        file.seek(SeekFrom::Start(from))?;
        file.take(overlapped_to - from).read_to_end(&mut window)?;
        if let Some(at) = finder.rfind(&window) {
            return Ok(Some(from + (at + ends.len()) as u64));
        }
        to = from;
    }
    Ok(None)
}

/// Whether the file begins as a record does, as far as it goes.
fn begins_with(file: &mut File, begins: &str) -> io::Result<bool> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(begins.len() as u64).read_to_end(&mut head)?;
    Ok(begins.as_bytes().starts_with(&head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    const LINE: Record = Record { begins: "{", ends: "}\n" };

    #[test]
    fn an_unfinished_record_is_cut_when_the_file_is_opened() -> Result<(), Box<dyn std::error::Error>> {
        let long = "x".repeat(200_000);
        // The mark lies across the border of two windows in the last one.
        let across = format!("{{}}\n{}", "x".repeat(64 * 1024 - 1));
        let cases = [
            (String::new(), ""),
            ("{1}\n".to_owned(), "{1}\n"),
            ("{1}\n{2".to_owned(), "{1}\n"),
            ("{1}\n{2}".to_owned(), "{1}\n"),
            ("{1}\n\0\0\0".to_owned(), "{1}\n"),
            ("{1".to_owned(), ""),
            (format!("{{1}}\n{{{long}"), "{1}\n"),
            (across, "{}\n"),
        ];
        let directory = tempfile::tempdir()?;
        for (number, (before, after)) in cases.iter().enumerate() {
            let path = directory.path().join(number.to_string());
            fs::write(&path, before)?;
            let mut file = AppendFile::open(&path, LINE)?;
            file.append(|buffer| buffer.extend_from_slice(b"{new}\n"))?;
            file.flush()?;
            assert_eq!(fs::read_to_string(&path)?, format!("{after}{{new}}\n"), "case {number}");
        }
        Ok(())
    }

    #[test]
    fn a_file_of_someone_else_is_refused_and_left_alone() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("notes");
        fs::write(&path, "my notes")?;
        let refused = AppendFile::open(&path, LINE);
        assert!(matches!(refused, Err(SinkError::Foreign { begins_with: "{", .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(&path)?, "my notes");
        Ok(())
    }

    #[test]
    fn a_file_has_one_writer_and_no_other_readers_than_its_group() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        let first = AppendFile::open(&path, LINE)?;
        assert!(first.is_empty()?);
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o137, 0);
        assert!(matches!(AppendFile::open(&path, LINE), Err(SinkError::Locked { .. })));
        drop(first);
        AppendFile::open(&path, LINE)?;
        Ok(())
    }

    #[test]
    fn a_full_buffer_is_written_without_a_flush() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        let mut file = AppendFile::open(&path, LINE)?;
        let record = format!("{{{}}}\n", "x".repeat(BUFFER_BYTES_MAX / 2));
        file.append(|buffer| buffer.extend_from_slice(record.as_bytes()))?;
        assert!(file.is_empty()?);
        file.append(|buffer| buffer.extend_from_slice(record.as_bytes()))?;
        assert_eq!(fs::metadata(&path)?.len(), 2 * record.len() as u64);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_and_nothing_is_acknowledged_afterwards() -> Result<(), Box<dyn std::error::Error>> {
        let mut file = AppendFile::open(Path::new("/dev/full"), LINE)?;
        file.append(|buffer| buffer.extend_from_slice(b"{1}\n"))?;
        let failed = file.flush().map_err(|error| error.to_string());
        assert!(failed.as_ref().is_err_and(|text| text.starts_with("cannot write /dev/full: No space")), "{failed:?}");
        assert!(matches!(file.flush(), Err(SinkError::Broken { .. })));
        assert!(matches!(file.append(|_| ()), Err(SinkError::Broken { .. })));
        Ok(())
    }

    /// Runs the test below in a process whose files may have 1,024 to 2,048 bytes (shells differ in the unit), where a
    /// write beyond that fails after a part of it was written, as on a full disk.
    #[test]
    fn a_write_that_fails_half_way_leaves_whole_records() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("file");
        let child = "ingest::append::tests::writes_beyond_the_limit_of_its_process";
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" --exact \"$1\" --ignored --test-threads=1"])
            .arg(std::env::current_exe()?)
            .arg(child)
            .env("INGEST_TEST_PATH", &path)
            .output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(fs::read_to_string(&path)?, "{first}\n");
        Ok(())
    }

    #[test]
    #[ignore = "run by the test above in a process of its own"]
    fn writes_beyond_the_limit_of_its_process() -> Result<(), Box<dyn std::error::Error>> {
        let path = PathBuf::from(std::env::var("INGEST_TEST_PATH")?);
        let mut file = AppendFile::open(&path, LINE)?;
        file.append(|buffer| buffer.extend_from_slice(b"{first}\n"))?;
        file.flush()?;
        file.append(|buffer| buffer.extend_from_slice(format!("{{{}}}\n", "x".repeat(10_000)).as_bytes()))?;
        let failed = file.flush();
        assert!(matches!(failed, Err(SinkError::File { operation: "write", .. })), "{failed:?}");
        Ok(())
    }
}
