//! Full log files: what they are called, how many are kept, and the thread that compresses and deletes them.
//!
//! A file is renamed by whoever logs; everything that takes longer is the thread's. It looks at the folder each time,
//! so what a crash left undone is done by the next process.

use super::File as Settings;
use super::file::FILE_MODE;
use crate::action::FromParam;
use crate::stop::StopFlag;
use crate::time::Moment;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// `LogExpireAction`: what a full `action.log` is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expire {
    /// As [`Expire::Datestamp`], and gzipped: `action_20261123T092215.log.gz`.
    Compress,
    /// `action.log.1`, `action.log.2` and so on; the highest is the latest.
    Consecutive,
    /// `action_20261123T092215.log`, local time.
    #[default]
    Datestamp,
    /// `action.log.previous`, which replaces the one before.
    Previous,
    /// A file for each day, `action_20261123.log`; more if one would be too large.
    Day,
}

impl FromParam for Expire {
    const EXPECTED: &'static str = "Compress, Consecutive, Datestamp, Previous or Day";

    fn from_param(text: &str) -> Option<Expire> {
        match text.trim().to_ascii_lowercase().as_str() {
            "compress" => Some(Expire::Compress),
            "consecutive" => Some(Expire::Consecutive),
            "datestamp" => Some(Expire::Datestamp),
            "previous" => Some(Expire::Previous),
            "day" => Some(Expire::Day),
            _ => None,
        }
    }
}

/// `20261123`, local time.
pub(super) fn day(moment: Moment) -> String {
    moment.stamp()[..8].to_owned()
}

/// Where the file goes that is full at `moment`. Only [`Expire::Previous`] names a file that may exist.
pub(super) fn place(settings: &Settings, moment: Moment) -> io::Result<PathBuf> {
    let Settings { path, expire, archive, .. } = settings;
    let (stem, extension) = stem_and_extension(path);
    let whole = format!("{stem}{extension}");
    Ok(archive.join(match expire {
        Expire::Previous => format!("{whole}.previous"),
        Expire::Consecutive => {
            let last = archived(settings)?.last().map_or(0, |archived| archived.key.number);
            format!("{whole}.{}", last + 1)
        }
        Expire::Compress | Expire::Datestamp | Expire::Day => {
            let stamp = if *expire == Expire::Day { day(moment) } else { moment.stamp() };
            let of_stamp = archived(settings)?.into_iter().filter(|archived| archived.key.stamp == stamp);
            match of_stamp.map(|archived| archived.key.number).max() {
                None => format!("{stem}_{stamp}{extension}"),
                Some(last) => format!("{stem}_{stamp}_{}{extension}", last + 1),
            }
        }
    }))
}

/// A full file, found again.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Archived {
    key: Key,
    path: PathBuf,
}

/// The order of full files, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Empty for [`Expire::Consecutive`].
    stamp: String,
    /// 1 if the name has none.
    number: u64,
}

/// The full files of a log file, the oldest first, compressed or not. Names of another form are of somebody else and
/// are left alone.
fn archived(settings: &Settings) -> io::Result<Vec<Archived>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&settings.archive)? {
        let path = entry?.path();
        let key = path.file_name().and_then(OsStr::to_str).and_then(|name| key_of(settings, name));
        found.extend(key.map(|key| Archived { key, path }));
    }
    found.sort_unstable();
    Ok(found)
}

fn key_of(settings: &Settings, name: &str) -> Option<Key> {
    let (stem, extension) = stem_and_extension(&settings.path);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| digits(text).then(|| text.parse::<u64>().ok()).flatten();
    let rest = name.strip_prefix(&stem)?;
    match settings.expire {
        Expire::Previous => None,
        Expire::Consecutive => {
            let number = number(rest.strip_prefix(&extension)?.strip_prefix('.')?)?;
            Some(Key { stamp: String::new(), number })
        }
        Expire::Compress | Expire::Datestamp | Expire::Day => {
            let rest = rest.strip_suffix(".gz").or_else(|| rest.strip_suffix(PARTIAL)).unwrap_or(rest);
            let rest = rest.strip_suffix(&extension)?.strip_prefix('_')?;
            let (stamp, number) = match rest.split_once('_') {
                Some((stamp, text)) => (stamp, number(text)?),
                None => (rest, 1),
            };
            let is_stamp = match stamp.split_once('T') {
                Some((day, time)) => digits(day) && day.len() == 8 && digits(time) && time.len() == 6,
                None => digits(stamp) && stamp.len() == 8,
            };
            is_stamp.then(|| Key { stamp: stamp.to_owned(), number })
        }
    }
}

/// `action` and `.log` of `logs/action.log`.
fn stem_and_extension(path: &Path) -> (String, String) {
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().map_or(String::new(), |extension| format!(".{}", text(Some(extension))));
    (text(path.file_stem()), extension)
}

/// What a file that is being compressed ends with.
const PARTIAL: &str = ".gz.part";

/// Deletes and compresses on a thread of its own, which ends when this is dropped.
pub(super) struct Archiver {
    wake: Sender<()>,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Archiver {
    /// Looks after the full files of `files`: once now, and whenever it is woken.
    pub(super) fn start(files: Vec<Settings>) -> io::Result<Archiver> {
        let (wake, woken) = bounded(1);
        // What the last process left undone.
        let _ = wake.try_send(());
        let stop = StopFlag::new();
        let seen = stop.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || tidy(&files, &woken, &seen))?;
        Ok(Archiver { wake, stop, thread: Some(thread) })
    }

    pub(super) fn wake(&self) -> Sender<()> {
        self.wake.clone()
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // A panic has been printed already; the log goes on without archives.
            let _ = thread.join();
        }
    }
}

fn tidy(files: &[Settings], woken: &Receiver<()>, stop: &StopFlag) {
    let mut complained = false;
    loop {
        select! {
            recv(woken) -> wake => if wake.is_err() { return },
            recv(stop.signal()) -> _ => return,
        }
        for file in files {
            match keep_in_order(file, stop) {
                // Said once: the next full file would only say it again.
                Err(error) if !complained && !stop.is_set() => {
                    complained = true;
                    log::error!(target: "application", "full log files in {}: {error}", file.archive.display());
                }
                Err(_) | Ok(()) => {}
            }
        }
    }
}

/// Deletes the oldest files beyond the limit, and compresses what should be compressed.
fn keep_in_order(settings: &Settings, stop: &StopFlag) -> io::Result<()> {
    let found = match archived(settings) {
        Ok(found) => found,
        // Nothing has been full yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut keys: Vec<&Key> = found.iter().map(|archived| &archived.key).collect();
    keys.dedup();
    let kept_from = keys.len().saturating_sub(settings.archived_max);
    for archived in found.iter().filter(|archived| keys[..kept_from].contains(&&archived.key)) {
        fs::remove_file(&archived.path)?;
    }
    if settings.expire == Expire::Compress {
        let is_plain = |archived: &&Archived| archived.path.extension().is_none_or(|end| end != "gz" && end != "part");
        for archived in found.iter().filter(|archived| keys[kept_from..].contains(&&archived.key)).filter(is_plain) {
            compress(&archived.path, stop)?;
        }
    }
    Ok(())
}

/// Replaces `path` by `path.gz`. Stopped or failed, the file is as it was.
fn compress(path: &Path, stop: &StopFlag) -> io::Result<()> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let partial = with(PARTIAL);
    let private = |path: &Path| OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
    let written = (|| {
        let mut plain = File::open(path)?;
        let mut packed = GzEncoder::new(private(&partial)?, Compression::default());
        let mut chunk = vec![0; 64 << 10];
        loop {
            stop.check().map_err(|_| io::Error::from(io::ErrorKind::Interrupted))?;
            match plain.read(&mut chunk)? {
                0 => break,
                count => packed.write_all(&chunk[..count])?,
            }
        }
        packed.finish()?.sync_all()?;
        fs::rename(&partial, with(".gz"))?;
        fs::remove_file(path)
    })();
    if written.is_err() {
        // Only space is lost if it stays, and only until the next try.
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn settings(folder: &Path, expire: Expire) -> Settings {
        let path = folder.join("action.log");
        Settings { path, bytes_max: 20, expire, archive: folder.to_owned(), archived_max: 2 }
    }

    fn names(folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Five full files within one second, looked after each time.
    fn filled(expire: Expire) -> io::Result<Vec<String>> {
        let folder = TempDir::new()?;
        let settings = settings(folder.path(), expire);
        let stop = StopFlag::new();
        fs::write(folder.path().join("action_mine.log"), "not one of these")?;
        for number in 0..5 {
            let place = place(&settings, Moment::from_epoch_ms(0))?;
            fs::write(place, format!("file {number}"))?;
            keep_in_order(&settings, &stop)?;
        }
        names(folder.path())
    }

    #[test]
    fn each_way_has_its_names_and_keeps_the_latest() -> io::Result<()> {
        let stamp = Moment::from_epoch_ms(0).stamp();
        let day = &stamp[..8];
        let expected =
            |names: &[String]| names.iter().cloned().chain(["action_mine.log".to_owned()]).collect::<Vec<_>>();
        let cases = [
            (Expire::Previous, vec!["action.log.previous".to_owned()]),
            (Expire::Consecutive, vec!["action.log.4".to_owned(), "action.log.5".to_owned()]),
            (Expire::Datestamp, vec![format!("action_{stamp}_4.log"), format!("action_{stamp}_5.log")]),
            (Expire::Day, vec![format!("action_{day}_4.log"), format!("action_{day}_5.log")]),
            (Expire::Compress, vec![format!("action_{stamp}_4.log.gz"), format!("action_{stamp}_5.log.gz")]),
        ];
        for (expire, names) in cases {
            assert_eq!(filled(expire)?, expected(&names), "{expire:?}");
        }
        Ok(())
    }

    #[test]
    fn numbers_count_as_numbers() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(folder.path(), Expire::Consecutive);
        for number in [9, 10, 11] {
            fs::write(folder.path().join(format!("action.log.{number}")), "")?;
        }
        assert_eq!(place(&settings, Moment::from_epoch_ms(0))?, folder.path().join("action.log.12"));
        keep_in_order(&settings, &StopFlag::new())?;
        assert_eq!(names(folder.path())?, ["action.log.10", "action.log.11"]);
        Ok(())
    }

    #[test]
    fn what_was_left_uncompressed_is_compressed_and_reads_the_same() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(folder.path(), Expire::Compress);
        fs::write(folder.path().join("action_20261123T092215.log"), "lines\n")?;
        fs::write(folder.path().join("action_20261123T092215.log.gz.part"), "half")?;
        keep_in_order(&settings, &StopFlag::new())?;
        assert_eq!(names(folder.path())?, ["action_20261123T092215.log.gz"]);
        let mut text = String::new();
        let packed = File::open(folder.path().join("action_20261123T092215.log.gz"))?;
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text)?;
        assert_eq!(text, "lines\n");
        Ok(())
    }

    #[test]
    fn stopped_in_the_middle_the_file_is_as_it_was() -> io::Result<()> {
        let folder = TempDir::new()?;
        let settings = settings(folder.path(), Expire::Compress);
        fs::write(folder.path().join("action_20261123T092215.log"), "lines\n")?;
        let stop = StopFlag::new();
        stop.set();
        assert!(keep_in_order(&settings, &stop).is_err());
        assert_eq!(names(folder.path())?, ["action_20261123T092215.log"]);
        Ok(())
    }
}
