//! Where log records go: one file for each stream below the log directory, and stderr if asked.
//!
//! Owns the files, their form and their size. A record's target is its stream: `log::info!(target: "synchronize", …)`;
//! everything else is of the stream `application`. A log that cannot be written never stops the server: it says so
//! once on stderr, tries again now and then, and says when it works again.
//!
//! A line (aci.md 3.10) is `DD/MM/YYYY HH:MM:SS [thread] 30-Normal: message`. The reference shows the numbers of
//! Always (00), Normal (30) and Error (70); the others are chosen to lie between them in the order of gravity. A line
//! that belongs to a request with an `ActionID`, or to its action, ends in ` {ActionID}`.

mod file;
mod scope;

pub use scope::ActionIdScope;

use crate::action::FromParam;
use crate::time::Moment;
use file::LogFile;
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Made if it does not exist. `None` writes no files.
    pub directory: Option<PathBuf>,
    /// The least grave level that is logged.
    pub level: Level,
    /// Whether every line is also written to stderr.
    pub echo: bool,
    /// How large one file may get. Then it becomes `<stream>.log.1`, and the one of that name before it is gone.
    pub file_bytes_max: u64,
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

/// The log was set up before. That one stays in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log is set up already")]
pub struct InitError;

/// The streams that have a file each; the first takes what names none of them.
const STREAMS: [&str; 4] = ["application", "action", "synchronize", "collect"];

/// A longer message is cut: it is of a remote server's making, and explains nothing after so much.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

static SINK: OnceLock<Sink> = OnceLock::new();

/// Sets up the log of the whole process; what is logged before is lost. A directory that cannot be made or written
/// is no error: see the module.
pub fn init(settings: &Settings) -> Result<(), InitError> {
    let mut fresh = false;
    let sink = SINK.get_or_init(|| {
        fresh = true;
        Sink::new(settings, Box::new(io::stderr()))
    });
    if !fresh {
        return Err(InitError);
    }
    log::set_logger(sink).map_err(|_| InitError)?;
    log::set_max_level(settings.level.filter());
    Ok(())
}

/// Logs to `stream` whatever the level is. For the start and the end of the server and of each action, which
/// `00-Always` marks in the reference too.
pub fn always(stream: &str, message: fmt::Arguments<'_>) {
    // Whoever watches a program start and end needs no line that says so.
    if let Some(sink) = SINK.get()
        && (!sink.files.is_empty() || sink.level >= Level::Normal)
    {
        sink.write(stream, Level::Always, message);
    }
}

impl Settings {
    /// Only on stderr: for a program that runs while someone looks, such as a single crawl.
    pub fn stderr_only(level: Level) -> Settings {
        Settings { directory: None, level, echo: true, file_bytes_max: 0 }
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
/// that file is waited for under it, and stderr is written after it is released.
struct Sink {
    level: Level,
    echo: bool,
    /// One for each of [`STREAMS`]; empty if no files are written.
    files: Vec<Mutex<LogFile>>,
    stderr: Mutex<Box<dyn Write + Send>>,
}

impl Sink {
    fn new(settings: &Settings, stderr: Box<dyn Write + Send>) -> Sink {
        let files = settings.directory.iter().flat_map(|directory| {
            STREAMS.map(|stream| {
                let path = directory.join(format!("{stream}.log"));
                Mutex::new(LogFile::new(path, settings.file_bytes_max))
            })
        });
        Sink { level: settings.level, echo: settings.echo, files: files.collect(), stderr: Mutex::new(stderr) }
    }

    fn write(&self, stream: &str, level: Level, message: fmt::Arguments<'_>) {
        let line = line(Moment::now(), thread::current().name().unwrap_or("?"), level, message);
        let place = STREAMS.iter().position(|name| *name == stream).unwrap_or(0);
        let change = self.files.get(place).and_then(|file| file.lock().append(&line, Instant::now()));
        if let Some(change) = change {
            self.complain(&change);
        }
        if self.echo {
            self.complain(&line);
        }
    }

    /// Writes to stderr. If that fails as well there is nobody left to tell.
    fn complain(&self, line: &str) {
        let _ = self.stderr.lock().write_all(line.as_bytes());
    }
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(metadata.level());
        // What packages tell in detail is about their insides, at times with passwords in it.
        let is_ours = STREAMS.contains(&metadata.target()) || metadata.target().starts_with("webconnector");
        level <= self.level && (is_ours || level <= Level::Warning)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.write(record.target(), Level::of(record.level()), *record.args());
        }
    }

    /// Nothing is held back: a line is written when it is logged, so that a crash loses none.
    fn flush(&self) {}
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
mod tests {
    use super::*;
    use std::sync::Arc;
    use tempfile::TempDir;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A stderr that can be read back.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock()).into_owned()
        }
    }

    fn settings(folder: &TempDir) -> Settings {
        let directory = Some(folder.path().join("logs"));
        Settings { directory, level: Level::Normal, echo: false, file_bytes_max: 1 << 20 }
    }

    fn log(sink: &Sink, target: &str, level: log::Level, message: &str) {
        sink.log(&Record::builder().target(target).level(level).args(format_args!("{message}")).build());
    }

    /// The lines of a stream without their dates, which are checked to be dates.
    fn lines(folder: &TempDir, name: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let text = std::fs::read_to_string(folder.path().join("logs").join(name))?;
        let cut = |line: &str| {
            let (date, rest) = line.split_at_checked(20)?;
            let form: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            (form == "99/99/9999 99:99:99 ").then(|| rest.to_owned())
        };
        text.lines().map(|line| cut(line).ok_or_else(|| format!("no date: {line}").into())).collect()
    }

    #[test]
    fn a_record_is_a_line_in_the_file_of_its_stream() -> Outcome {
        let folder = TempDir::new()?;
        let sink = Sink::new(&settings(&folder), Box::new(io::sink()));
        thread::scope(|scope| {
            let body = || {
                log(&sink, "synchronize", log::Level::Info, "docs: visit https://h/ü");
                log(&sink, "action", log::Level::Error, "[T] Failed: no");
                log(&sink, "webconnector::server", log::Level::Warn, "low on memory");
                sink.write("synchronize", Level::Always, format_args!("Finished"));
            };
            thread::Builder::new().name("fetch-1".into()).spawn_scoped(scope, body).map(|_| ())
        })?;
        assert_eq!(
            lines(&folder, "synchronize.log")?,
            ["[fetch-1] 30-Normal: docs: visit https://h/ü", "[fetch-1] 00-Always: Finished"]
        );
        assert_eq!(lines(&folder, "action.log")?, ["[fetch-1] 70-Error: [T] Failed: no"]);
        assert_eq!(lines(&folder, "application.log")?, ["[fetch-1] 60-Warning: low on memory"]);
        Ok(())
    }

    #[test]
    fn the_level_and_the_source_decide_what_is_logged() {
        let seen = |level, target, record| {
            let screen = Screen::default();
            log(&Sink::new(&Settings::stderr_only(level), Box::new(screen.clone())), target, record, "x");
            !screen.text().is_empty()
        };
        assert!(seen(Level::Normal, "action", log::Level::Info));
        assert!(!seen(Level::Normal, "action", log::Level::Debug));
        assert!(seen(Level::Debug, "action", log::Level::Trace));
        assert!(!seen(Level::Always, "action", log::Level::Error));
        assert!(seen(Level::Debug, "webconnector::crawl", log::Level::Debug));
        assert!(!seen(Level::Debug, "ureq::run", log::Level::Debug));
        assert!(seen(Level::Debug, "ureq::run", log::Level::Warn));
    }

    #[test]
    fn no_message_looks_like_another_line_or_has_no_end() {
        let print = |message: &str| {
            let text = line(Moment::from_epoch_ms(0), "main", Level::Normal, format_args!("{message}"));
            text.split_once("Normal: ").map_or(String::new(), |(_, text)| text.to_owned())
        };
        assert_eq!(
            print("a\r\nb\tc\u{1b}[2Jd\u{85}e\u{2028}f\u{202e}g"),
            "a\\r\\nb\\tc\\u{1b}[2Jd\\u{85}e\\u{2028}f\\u{202e}g\n"
        );
        assert_eq!(print("Zoë's \"x\" \\ 日本"), "Zoë's \"x\" \\ 日本\n");
        let cut = print(&"é".repeat(1 << 20));
        assert_eq!(cut.len(), MESSAGE_BYTES_MAX + " ...\n".len());
        assert!(cut.ends_with("é ...\n"));
    }

    #[test]
    fn a_log_that_cannot_be_written_says_so_once_and_the_server_goes_on() -> Outcome {
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("logs"), "a file where the folder should be")?;
        let screen = Screen::default();
        let sink = Sink::new(&settings(&folder), Box::new(screen.clone()));
        for _ in 0..3 {
            log(&sink, "action", log::Level::Info, "x");
        }
        let text = screen.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("action.log cannot be written"), "{text}");
        Ok(())
    }

    #[test]
    fn levels_are_read_in_any_case() {
        for level in Level::ALL {
            assert_eq!(Level::from_param(&level.as_str().to_uppercase()), Some(level));
        }
        assert_eq!(Level::from_param("loud"), None);
    }
}
