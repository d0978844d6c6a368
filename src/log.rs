//! Where log records go: the files of the streams, and stderr if asked.
//!
//! Owns the files, their form and their size. A record's target is its type: `log::info!(target: "synchronize", …)`;
//! what names none of [`TYPES`] is of the type `application`. Each stream writes the records of its types to one file
//! (aci.md 6.2). A log that cannot be written never stops the server: it says so once on stderr, tries again now and
//! then, and says when it works again.
//!
//! A line (aci.md 3.10) is `DD/MM/YYYY HH:MM:SS [thread] 30-Normal: message`. The reference shows the numbers of
//! Always (00), Normal (30) and Error (70); the others are chosen to lie between them in the order of gravity. A line
//! that belongs to a request with an `ActionID`, or to its action, ends in ` {ActionID}`.

mod archive;
mod file;
mod scope;
mod tail;

pub use archive::Expire;
pub use scope::ActionIdScope;
pub use tail::{Tail, tail};

use crate::action::FromParam;
use crate::time::Moment;
use archive::Archiver;
use crossbeam_channel::Sender;
use file::LogFile;
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::{Mutex, RwLock};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// No two of them have the same file.
    pub streams: Vec<Stream>,
    /// What is written to stderr besides, however little the streams take: `None` for what they echo themselves.
    pub stderr: Option<Level>,
}

/// One file, and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    pub name: String,
    /// Of [`TYPES`]: whose records it takes.
    pub types: Vec<&'static str>,
    /// The least grave level that it takes.
    pub level: Level,
    /// Whether every line is also written to stderr.
    pub echo: bool,
    pub file: File,
}

/// A log file, and what becomes of it when it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its folder is made if it does not exist.
    pub path: PathBuf,
    pub bytes_max: u64,
    pub expire: Expire,
    /// The folder of full files, made if it does not exist.
    pub archive: PathBuf,
    /// How many full files are kept, the latest ones.
    pub archived_max: usize,
}

/// The levels of the reference, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What is never left out: starts and ends. See [`always`].
    Always,
    /// The server cannot go on.
    Critical,
    /// `log::error!`: something asked for was not done.
    Error,
    /// `log::warn!`: it was done, and someone should look.
    Warning,
    /// `log::info!`
    Normal,
    /// `log::debug!`
    Full,
    /// `log::trace!`
    Debug,
}

/// The log was set up before, or the thread that archives full files cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The first one stays in use.
    #[error("the log is set up already")]
    Again,
    /// Nothing is logged.
    #[error("a thread for the log cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// The types of records, as the reference's connectors have them (aci.md 6.2). The first takes what names none.
pub const TYPES: [&str; 11] = [
    "application",
    "action",
    "synchronize",
    "synchronizegroups",
    "collect",
    "delete",
    "insert",
    "update",
    "view",
    "identifiers",
    "hold",
];

/// A longer message is cut: it is of a remote server's making, and explains nothing after so much.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// What is in use; replaced as a whole.
static SINK: RwLock<Option<Arc<Sink>>> = RwLock::new(None);

/// Passes everything on to the sink in use.
struct Current;

fn sink() -> Option<Arc<Sink>> {
    SINK.read().clone()
}

/// Keeps full log files in order while it lives. What is logged later is still written.
pub struct Logging {
    archiver: Option<Archiver>,
}

/// Sets up the log of the whole process; what is logged before is lost. A directory that cannot be made or written
/// is no error: see the module.
pub fn init(settings: &Settings) -> Result<Logging, InitError> {
    if SINK.read().is_some() {
        return Err(InitError::Again);
    }
    let mut logging = Logging { archiver: None };
    logging.replace(settings)?;
    log::set_logger(&Current).map_err(|_| InitError::Again)?;
    Ok(logging)
}

impl Logging {
    /// Logs by other settings from now on. On an error, by those of before.
    pub fn replace(&mut self, settings: &Settings) -> Result<(), InitError> {
        let mut archiver = None;
        if !settings.streams.is_empty() {
            let files = settings.streams.iter().map(|stream| stream.file.clone()).collect();
            archiver = Some(Archiver::start(files).map_err(InitError::Thread)?);
        }
        let wake = archiver.as_ref().map(Archiver::wake);
        let sink = Sink::new(settings, wake, Box::new(io::stderr()));
        log::set_max_level(sink.level().filter());
        let before = SINK.write().replace(Arc::new(sink));
        // Files are closed and a thread joined with no lock held.
        drop(before);
        self.archiver = archiver;
        Ok(())
    }
}

/// Logs to the streams of `kind`, one of [`TYPES`], whatever their level is. For the start and the end of the server
/// and of each action, which `00-Always` marks in the reference too.
pub fn always(kind: &str, message: fmt::Arguments<'_>) {
    // Whoever watches a program start and end needs no line that says so.
    if let Some(sink) = sink()
        && (!sink.streams.is_empty() || sink.stderr >= Some(Level::Normal))
    {
        sink.write(kind, Level::Always, message);
    }
}

impl Settings {
    /// Only on stderr: for a program that runs while someone looks, such as a single crawl.
    pub fn stderr_only(level: Level) -> Settings {
        Settings { streams: Vec::new(), stderr: Some(level) }
    }
}

impl Level {
    const ALL: [Level; 7] =
        [Level::Always, Level::Critical, Level::Error, Level::Warning, Level::Normal, Level::Full, Level::Debug];

    /// The name that `LogLevel` has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Always => "Always",
            Level::Critical => "Critical",
            Level::Error => "Error",
            Level::Warning => "Warning",
            Level::Normal => "Normal",
            Level::Full => "Full",
            Level::Debug => "Debug",
        }
    }

    fn number(self) -> u8 {
        match self {
            Level::Always => 0,
            Level::Debug => 10,
            Level::Full => 20,
            Level::Normal => 30,
            Level::Warning => 60,
            Level::Error => 70,
            Level::Critical => 80,
        }
    }

    fn of(level: log::Level) -> Level {
        match level {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warning,
            log::Level::Info => Level::Normal,
            log::Level::Debug => Level::Full,
            log::Level::Trace => Level::Debug,
        }
    }

    fn filter(self) -> LevelFilter {
        match self {
            // `always` does not pass through the filter, and nothing logs Critical through the `log` crate.
            Level::Always | Level::Critical => LevelFilter::Off,
            Level::Error => LevelFilter::Error,
            Level::Warning => LevelFilter::Warn,
            Level::Normal => LevelFilter::Info,
            Level::Full => LevelFilter::Debug,
            Level::Debug => LevelFilter::Trace,
        }
    }
}

impl FromParam for Level {
    const EXPECTED: &'static str = "Always, Critical, Error, Warning, Normal, Full or Debug";

    fn from_param(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// Writes records to the files and to stderr.
///
/// Each file has a lock that is held while a line is written to it, although locks cover assignments only elsewhere:
/// the size, the renaming and the order of lines need it, and a line is one short write to the page cache. Nothing but
/// that file is waited for under it: what is done with a full file after it was renamed is the archiver's, and stderr
/// is written after the lock is released.
struct Sink {
    streams: Vec<Open>,
    /// Beside what the streams echo.
    stderr: Option<Level>,
    /// Tells the archiver that a file has been renamed.
    wake: Option<Sender<()>>,
    screen: Mutex<Box<dyn Write + Send>>,
}

struct Open {
    types: Vec<&'static str>,
    level: Level,
    echo: bool,
    file: Mutex<LogFile>,
}

impl Sink {
    fn new(settings: &Settings, wake: Option<Sender<()>>, screen: Box<dyn Write + Send>) -> Sink {
        let open = |stream: &Stream| Open {
            types: stream.types.clone(),
            level: stream.level,
            echo: stream.echo,
            file: Mutex::new(LogFile::new(stream.file.clone())),
        };
        let streams = settings.streams.iter().map(open).collect();
        Sink { streams, stderr: settings.stderr, wake, screen: Mutex::new(screen) }
    }

    /// The least grave level that anything takes.
    fn level(&self) -> Level {
        let levels = self.streams.iter().map(|stream| stream.level);
        levels.chain(self.stderr).max().unwrap_or(Level::Always)
    }

    /// Whether anything takes a record of this type and level.
    fn takes(&self, kind: &str, level: Level) -> bool {
        let of_streams = self.streams.iter().any(|stream| stream.takes(kind, level));
        of_streams || self.stderr.is_some_and(|least| level <= least)
    }

    fn write(&self, kind: &str, level: Level, message: fmt::Arguments<'_>) {
        let now = Moment::now();
        let line = line(now, thread::current().name().unwrap_or("?"), level, message);
        let mut echo = self.stderr.is_some_and(|least| level <= least);
        for stream in self.streams.iter().filter(|stream| stream.takes(kind, level)) {
            let written = stream.file.lock().append(&line, now, Instant::now());
            if let Some(change) = written.change {
                self.complain(&change);
            }
            if written.renamed
                && let Some(wake) = &self.wake
            {
                // Full: it is told already.
                let _ = wake.try_send(());
            }
            echo |= stream.echo;
        }
        if echo {
            self.complain(&line);
        }
    }

    /// Writes to stderr. If that fails as well there is nobody left to tell.
    fn complain(&self, line: &str) {
        let _ = self.screen.lock().write_all(line.as_bytes());
    }
}

impl Open {
    fn takes(&self, kind: &str, level: Level) -> bool {
        level <= self.level && self.types.contains(&kind)
    }
}

impl Log for Current {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        sink().is_some_and(|sink| sink.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(sink) = sink() {
            sink.log(record);
        }
    }

    /// Nothing is held back: a line is written when it is logged, so that a crash loses none.
    fn flush(&self) {}
}

impl Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(metadata.level());
        // What packages tell in detail is about their insides, at times with passwords in it.
        let is_ours = TYPES.contains(&metadata.target()) || metadata.target().starts_with("webconnector");
        (is_ours || level <= Level::Warning) && self.takes(kind(metadata.target()), level)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.write(kind(record.target()), Level::of(record.level()), *record.args());
        }
    }
}

/// The type of a record with this target.
fn kind(target: &str) -> &str {
    if TYPES.contains(&target) { target } else { TYPES[0] }
}

/// One line with its end.
fn line(now: Moment, thread: &str, level: Level, message: fmt::Arguments<'_>) -> String {
    let mut text = format!("{} [{thread}] {:02}-{}: ", now.log_date(), level.number(), level.as_str());
    let mut safe = Safe { bytes_left: MESSAGE_BYTES_MAX, text: &mut text };
    // An error is the message's end at its greatest length, or of a value that cannot print itself.
    if safe.write_fmt(message).is_err() {
        text.push_str(" ...");
    }
    if let Some(action_id) = ActionIdScope::current() {
        text.push_str(" {");
        // It is short, and a client's: the limit is not met, and control characters are escaped.
        let _ = Safe { bytes_left: MESSAGE_BYTES_MAX, text: &mut text }.write_str(&action_id);
        text.push('}');
    }
    text.push('\n');
    text
}

/// Takes text with its control characters escaped: a message quotes what strangers sent, and none of it may look like
/// the start of another line or like a command to the terminal that shows the log.
struct Safe<'a> {
    text: &'a mut String,
    bytes_left: usize,
}

impl fmt::Write for Safe<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            self.bytes_left = self.bytes_left.checked_sub(c.len_utf8()).ok_or(fmt::Error)?;
            // U+2028 and U+2029 end lines too; the bidirectional controls reorder what is seen.
            match c {
                '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                    self.text.extend(c.escape_unicode());
                }
                c if c.is_control() => self.text.extend(c.escape_default()),
                c => self.text.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
