//! What a person types: argv to a typed [`Command`], the help texts, the exit codes, and where the configuration file is
//! looked for; and the running of each command in the foreground.

mod checkconfig;
mod help;
mod oneshot;
mod serve;
#[cfg(test)]
mod tests;

use crate::action::FromParam;
use crate::config::{Config, Format, nearest};
use crate::fetchaction::Findings;
use crate::log;
use crate::server::fetch_settings;
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Take actions until stopped. `config` is the file given with `--config`; see [`find_config`].
    Serve { config: Option<PathBuf> },
    /// Crawl one site and end.
    Fetch(Fetch),
    /// Say what is wrong with a configuration file and end; which file is as for [`Command::Serve`].
    CheckConfig { config: Option<PathBuf> },
    /// Print [`Topic::text`].
    Help(Topic),
    /// Print [`version`].
    Version,
}

/// `webconnector fetch URL`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// As typed, and not empty.
    pub url: String,
    /// How many links away from the start page pages are visited; `None` for no limit.
    pub depth: Option<u32>,
    /// The folder that documents are written to; made if it does not exist.
    pub output: PathBuf,
    pub format: Format,
}

/// What a help text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Program,
    Fetch,
    CheckConfig,
}

/// How the program ends; the numbers are in every help text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    /// Something failed while it ran.
    Failed = 1,
    /// The command line could not be understood; nothing was done.
    Usage = 2,
    /// The configuration cannot be used; nothing was done.
    Configuration = 3,
}

/// Why a command line cannot be understood. Ends the program with [`Exit::Usage`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    #[error("there is no option {given}{}", hint(*nearest))]
    UnknownOption { given: String, nearest: Option<&'static str> },
    #[error("there is no command {given}{}", hint(*nearest))]
    UnknownCommand { given: String, nearest: Option<&'static str> },
    #[error("{given} is one too many: {after} is all that is expected")]
    TooMany { given: String, after: &'static str },
    #[error("{option} needs a value: {option} {value}")]
    NoValue { option: &'static str, value: &'static str },
    #[error("{option} is \"{given}\"; expected is {expected}")]
    BadValue { option: &'static str, given: String, expected: &'static str },
    #[error("{option} takes no value")]
    UnexpectedValue { option: String },
    #[error("{option} belongs to {place}")]
    Misplaced { option: &'static str, place: &'static str },
    #[error("fetch needs the URL to start at: webconnector fetch https://example.com/")]
    NoUrl,
}

const COMMANDS: [(&str, Topic); 2] = [("fetch", Topic::Fetch), ("check-config", Topic::CheckConfig)];
const CONFIG_NAME: &str = "webconnector.cfg";
const FETCH_DEPTH: &str = "a whole number from 0, or -1 for no limit";

/// Options, whom they belong to, and what their value is.
const OPTIONS: [OptionSpec; 6] = [
    OptionSpec { name: "--config", short: Some('c'), owner: Some(Topic::Program), value: Some("FILE") },
    OptionSpec { name: "--depth", short: None, owner: Some(Topic::Fetch), value: Some("N") },
    OptionSpec { name: "--output", short: Some('o'), owner: Some(Topic::Fetch), value: Some("DIR") },
    OptionSpec { name: "--format", short: None, owner: Some(Topic::Fetch), value: Some("jsonl|idx|xml|csv") },
    OptionSpec { name: "--help", short: Some('h'), owner: None, value: None },
    OptionSpec { name: "--version", short: Some('V'), owner: None, value: None },
];

struct OptionSpec {
    name: &'static str,
    short: Option<char>,
    /// `None` belongs to every command.
    owner: Option<Topic>,
    value: Option<&'static str>,
}

impl Command {
    /// Reads the arguments that follow the program's name. Of a repeated option the last wins; `--help` and `--version`
    /// win over everything that stands before them, and over what is missing.
    pub fn parse<I>(args: I) -> Result<Command, UsageError>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let mut parser = Parser::from_args(args);
        let mut typed = Typed::default();
        loop {
            let option = match parser.next().map_err(|error| unexpected(&error))? {
                None => return typed.command(),
                Some(Arg::Value(word)) => {
                    typed.word(lossy(word))?;
                    continue;
                }
                Some(Arg::Long(name)) => find(&format!("--{name}"), |option| option.name == format!("--{name}"))?,
                Some(Arg::Short(letter)) => find(&format!("-{letter}"), |option| option.short == Some(letter))?,
            };
            match option.name {
                "--help" => return Ok(Command::Help(typed.topic())),
                "--version" => return Ok(Command::Version),
                _ => typed.option(option, &mut parser)?,
            }
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Typed {
    /// The command's, once it has been read.
    topic: Option<Topic>,
    url: Option<String>,
    /// Of `--config`.
    config: Option<PathBuf>,
    /// Of `check-config FILE`.
    checked: Option<PathBuf>,
    /// -1 for no limit.
    depth: Option<i64>,
    output: Option<PathBuf>,
    format: Option<Format>,
}

impl Typed {
    fn topic(&self) -> Topic {
        self.topic.unwrap_or(Topic::Program)
    }

    fn word(&mut self, word: String) -> Result<(), UsageError> {
        match self.topic() {
            Topic::Program => {
                self.topic = COMMANDS.into_iter().find(|(name, _)| *name == word).map(|(_, topic)| topic);
                let nearest = nearest(&word, COMMANDS.map(|(name, _)| name));
                if self.topic.is_some() { Ok(()) } else { Err(UsageError::UnknownCommand { given: word, nearest }) }
            }
            Topic::Fetch if self.url.is_some() => Err(UsageError::TooMany { given: word, after: "one URL" }),
            Topic::Fetch => {
                self.url = Some(word).filter(|url| !url.trim().is_empty());
                Ok(())
            }
            Topic::CheckConfig if self.checked.is_some() => Err(UsageError::TooMany { given: word, after: "one file" }),
            Topic::CheckConfig => {
                self.checked = Some(word.into());
                Ok(())
            }
        }
    }

    fn option(&mut self, option: &'static OptionSpec, parser: &mut Parser) -> Result<(), UsageError> {
        let name = option.name;
        let missing = UsageError::NoValue { option: name, value: option.value.unwrap_or("VALUE") };
        let value = parser.value().map_err(|_| missing.clone())?;
        if value.is_empty() {
            return Err(missing);
        }
        let bad = |given: OsString, expected| UsageError::BadValue { option: name, given: lossy(given), expected };
        match name {
            "--config" => self.config = Some(value.into()),
            "--output" => self.output = Some(value.into()),
            "--depth" => {
                let depth = value.to_str().and_then(|text| text.parse().ok());
                let depth = depth.filter(|depth| (-1..=i64::from(u32::MAX)).contains(depth));
                self.depth = Some(depth.ok_or_else(|| bad(value, FETCH_DEPTH))?);
            }
            _ => {
                let format = value.to_str().and_then(Format::from_param);
                self.format = Some(format.ok_or_else(|| bad(value, Format::EXPECTED))?);
            }
        }
        Ok(())
    }

    fn command(self) -> Result<Command, UsageError> {
        let misplaced = OPTIONS
            .iter()
            .find(|option| option.owner.is_some_and(|owner| owner != self.topic()) && self.has(option.name));
        if let Some(option) = misplaced {
            let is_of_server = option.owner == Some(Topic::Program);
            let place = if is_of_server { "the server: webconnector --config FILE" } else { "webconnector fetch URL" };
            return Err(UsageError::Misplaced { option: option.name, place });
        }
        match self.topic() {
            Topic::Program => return Ok(Command::Serve { config: self.config }),
            Topic::CheckConfig => return Ok(Command::CheckConfig { config: self.checked }),
            Topic::Fetch => {}
        }
        Ok(Command::Fetch(Fetch {
            url: self.url.ok_or(UsageError::NoUrl)?,
            depth: self.depth.and_then(|depth| u32::try_from(depth).ok()),
            output: self.output.unwrap_or_else(|| "output".into()),
            format: self.format.unwrap_or_default(),
        }))
    }

    fn has(&self, option: &str) -> bool {
        match option {
            "--config" => self.config.is_some(),
            "--depth" => self.depth.is_some(),
            "--output" => self.output.is_some(),
            "--format" => self.format.is_some(),
            _ => false,
        }
    }
}

impl Topic {
    /// The help text, with its last newline.
    pub fn text(self) -> &'static str {
        match self {
            Topic::Program => help::PROGRAM,
            Topic::Fetch => help::FETCH,
            Topic::CheckConfig => help::CHECK_CONFIG,
        }
    }
}

/// Does what `args`, which follow the program's name, ask for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    match Command::parse(args) {
        Ok(Command::Serve { config }) => serve_with(config.as_deref()),
        Ok(Command::Fetch(fetch)) => {
            // One process, one sink: nobody has set another.
            let _logging = log::init(&log::Settings::stderr_only(log::Level::Warning));
            oneshot::fetch(&fetch)
        }
        Ok(Command::CheckConfig { config }) => match look_for_config(config.as_deref()) {
            Ok(Some(path)) => checkconfig::check_config(&path),
            Ok(None) => {
                complain(&format!("there is no {CONFIG_NAME} beside the program or here; name the file to check"))
            }
            Err(why) => complain(&why),
        },
        Ok(Command::Help(topic)) => {
            print!("{}", topic.text());
            Exit::Ok
        }
        Ok(Command::Version) => {
            println!("{}", version());
            Exit::Ok
        }
        Err(error) => {
            eprintln!("webconnector: {error}\nTry webconnector --help.");
            Exit::Usage
        }
    }
}

fn serve_with(asked_for: Option<&Path>) -> Exit {
    // Before anything is read: a restore brings another configuration.
    let restored = match serve::put_restored_in_place(asked_for) {
        Ok(restored) => restored,
        Err(why) => {
            eprintln!("webconnector: {why}");
            return Exit::Failed;
        }
    };
    let path = match look_for_config(asked_for) {
        Ok(path) => path,
        Err(why) => return complain(&why),
    };
    let config = match path {
        Some(path) => match Config::load(&path) {
            Ok(config) => config,
            Err(error) => return complain(&error.to_string()),
        },
        None => match std::env::current_dir() {
            Ok(folder) => Config::default_in(&folder),
            Err(error) => return complain(&format!("the working directory cannot be read: {error}")),
        },
    };
    let mut logging = match log::init(&config.logging) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("webconnector: {error}");
            return Exit::Failed;
        }
    };
    for notice in &restored {
        ::log::log!(target: "application", notice.level, "{}", notice.text);
    }
    tell_notices(&config);
    serve::serve(config, &mut logging)
}

/// What an administrator should know of a configuration that is put to use.
fn tell_notices(config: &Config) {
    for notice in &config.notices {
        ::log::log!(target: "application", notice.level, "{}", notice.text);
    }
    // These keep no other task from being performed, and may be mended while the server runs.
    let Findings { problems, notices } = fetch_settings(config).check();
    for problem in problems {
        ::log::error!(target: "application", "{problem}");
    }
    for notice in notices {
        ::log::log!(target: "application", notice.level, "{}", notice.text);
    }
}

fn complain(why: &str) -> Exit {
    eprintln!("webconnector: {why}");
    Exit::Configuration
}

/// The configuration file, if there is one: absolute, so that answers and the log name a file that can be found.
fn look_for_config(asked_for: Option<&Path>) -> Result<Option<PathBuf>, String> {
    let working_folder =
        std::env::current_dir().map_err(|error| format!("the working directory cannot be read: {error}"))?;
    let program = std::env::current_exe().ok();
    let path = find_config(asked_for, program.as_deref().and_then(Path::parent), &working_folder);
    Ok(path.map(|path| working_folder.join(path)))
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// `webconnector 0.1.0`
pub fn version() -> &'static str {
    concat!("webconnector ", env!("CARGO_PKG_VERSION"))
}

/// The configuration file: the one that was asked for, else `webconnector.cfg` beside the program (as the reference
/// has it), else in the working directory. `None` if neither exists: then the defaults hold. Whether a file can be
/// read is not asked: one that cannot is an error that says so, not a reason to go on without it.
pub fn find_config(asked_for: Option<&Path>, program_folder: Option<&Path>, working_folder: &Path) -> Option<PathBuf> {
    if let Some(path) = asked_for {
        return Some(path.to_owned());
    }
    let folders = program_folder.into_iter().chain([working_folder]);
    folders.map(|folder| folder.join(CONFIG_NAME)).find(|path| path.symlink_metadata().is_ok())
}

fn find(given: &str, is_it: impl Fn(&OptionSpec) -> bool) -> Result<&'static OptionSpec, UsageError> {
    const ALL: &[OptionSpec] = &OPTIONS;
    ALL.iter().find(|option| is_it(option)).ok_or_else(|| UsageError::UnknownOption {
        nearest: nearest(given, ALL.iter().map(|option| option.name)),
        given: given.to_owned(),
    })
}

/// The only thing the parser itself complains about between two arguments: `--help=x`.
fn unexpected(error: &lexopt::Error) -> UsageError {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => UsageError::UnexpectedValue { option: option.clone() },
        other => UsageError::UnknownOption { given: other.to_string(), nearest: None },
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |name| format!("; is {name} meant?"))
}

fn lossy(text: OsString) -> String {
    text.into_string().unwrap_or_else(|text| text.to_string_lossy().into_owned())
}
