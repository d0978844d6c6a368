//! The configuration: what the file says, as values that cannot be wrong, with a default for all that it does not say.
//!
//! Owns the file's grammar and the server's own sections. Never logs, since the log is not set up before it: what an
//! operator should know is kept as [`Config::notices`]. Of tasks it knows the names; their parameters are
//! looked up through [`Layers`] by whoever runs them.

mod access;
mod effect;
mod encrypted;
mod events;
mod folders;
mod ingestion;
mod ini;
mod layers;
mod line;
mod logging;
mod mark;
mod nearest;
mod outgoing;
mod parameters;
mod read;
mod tasks;
mod value;

pub use effect::is_own_section;
pub use events::{Events, Handler, HttpHandler, Library, is_handler_section};
pub use ingestion::{Format, Ingestion, Target};
pub use ini::{Entry, Ini, IniError, Origin, Section, Warning};
pub use layers::{BadSetting, Layers};
pub use nearest::nearest;
pub use outgoing::{proxy, tls};
pub use parameters::{HANDLER_PARAMETERS, PARAMETERS, ParameterSpec, is_parameter};
pub use tasks::Tasks;
pub use value::{csv, duration, unquoted};

use crate::log;
use crate::roles::Roles;
use crate::tls::PortFiles;
use ::log::Level;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// The folder from which relative paths count: the file's, as an absolute path.
    pub base: PathBuf,
    pub server: Server,
    pub service: Service,
    /// Who may ask for what.
    pub roles: Roles,
    pub actions: Actions,
    /// Of actions and of the queue.
    pub events: Events,
    pub logging: log::Settings,
    pub ingestion: Ingestion,
    /// Whether tasks run by themselves if they have a schedule (`EnableScheduledTasks`).
    pub schedules: bool,
    /// The tasks that `[FetchTasks]` lists, in its order and spelling, each once.
    pub tasks: Vec<String>,
    /// What should be logged once the log is set up.
    pub notices: Vec<Notice>,
    /// The file's sections, for the parameters of tasks.
    pub ini: Ini,
}

/// `[Server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// An address or a host's name. With a file all interfaces, since that is where the clients of the reference look
    /// for it. Without one only this machine: nobody has decided yet that others may come.
    pub host: String,
    /// 0 for a free one.
    pub port: u16,
    pub threads: usize,
    pub request_line_bytes_max: usize,
    /// The folders in which replies may be written to files; absolute if [`Config::base`] is.
    pub output_folders: Vec<PathBuf>,
    /// The folders in which backups are made and found; absolute if [`Config::base`] is.
    pub backup_folders: Vec<PathBuf>,
    pub body_bytes_max: usize,
    /// Of each port.
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    /// Whether each request has a line in the log.
    pub log_timing: bool,
    pub door: Door,
}

/// `[Service]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Only this machine by default: the reference lets nobody else stop the server either.
    pub host: String,
    /// 0 for a free one.
    pub port: u16,
    pub door: Door,
}

/// How a port is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    /// The files of its TLS, which can be used; plain HTTP without.
    pub tls: Option<PortFiles>,
    /// Whose pages may read answers, as browsers write origins, or `*`.
    pub origins: Vec<String>,
}

/// `[Actions]`, overridden by `[Fetch]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    /// How many run at once.
    pub threads: usize,
    /// How many may wait.
    pub waiting_max: usize,
    /// How many ended ones are remembered, and for how long.
    pub ended_max: usize,
    pub ended_age_max: Duration,
    /// How often one is begun before it counts as the cause of the crashes.
    pub attempts_max: u32,
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub level: Level,
    pub text: String,
}

/// Why the server cannot start with this configuration. Nothing has been done. Each problem is one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Ini(#[from] IniError),
    /// Every setting that cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<BadSetting>),
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        usable(Config::examine(path)?)
    }

    /// Reads the file at `path` with everything that is wrong with it. Where a setting cannot be used, the
    /// configuration has the default.
    pub fn examine(path: &Path) -> Result<(Config, Vec<BadSetting>), IniError> {
        let ini = Ini::read(path)?;
        // Absolute, so that it stays right whatever the working directory becomes, and is never the empty path.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Config::build(ini, Some(path.to_owned()), base, Ipv4Addr::UNSPECIFIED))
    }

    /// The configuration without a file: every default, on this machine only, with its files in `directory`.
    pub fn default_in(directory: &Path) -> Config {
        Config::build(Ini::default(), None, directory.to_owned(), Ipv4Addr::LOCALHOST).0
    }

    fn build(ini: Ini, path: Option<PathBuf>, base: PathBuf, host: Ipv4Addr) -> (Config, Vec<BadSetting>) {
        let mut reader = Reader { ini: &ini, base: &base, problems: Vec::new(), notices: Vec::new() };
        reader.notices.extend(ini.warnings().iter().map(|warning| Notice::warning(warning.to_string())));
        let server = reader.server(host);
        let service = reader.service();
        let roles = reader.roles();
        reader.note_unchecked_identities(&roles, [&server.door, &service.door]);
        let actions = reader.actions();
        let events = reader.events(actions.waiting_max);
        let logging = reader.logging();
        let ingestion = reader.ingestion();
        reader.note_mixed_folders(&server, &ingestion);
        let schedules = reader.schedules();
        let tasks = reader.tasks();
        reader.note_what_has_no_effect(&tasks);
        let Reader { mut problems, mut notices, .. } = reader;
        encrypted::check(&ini, &mut problems, &mut notices);
        let config = Config {
            path,
            base,
            server,
            service,
            roles,
            actions,
            events,
            logging,
            ingestion,
            schedules,
            tasks,
            notices,
            ini,
        };
        (config, problems)
    }
}

fn usable<T>((read, problems): (T, Vec<BadSetting>)) -> Result<T, ConfigError> {
    if problems.is_empty() { Ok(read) } else { Err(ConfigError::Settings(problems)) }
}

impl Notice {
    /// Something that someone should look at.
    pub fn warning(text: String) -> Notice {
        Notice { level: Level::Warn, text }
    }

    /// Something that is only worth knowing.
    pub fn info(text: String) -> Notice {
        Notice { level: Level::Info, text }
    }
}

/// Reads section after section and goes on after a problem, so that an administrator sees all of them at once.
struct Reader<'a> {
    ini: &'a Ini,
    base: &'a Path,
    problems: Vec<BadSetting>,
    notices: Vec<Notice>,
}

impl<'a> Reader<'a> {
    fn server(&mut self, host: Ipv4Addr) -> Server {
        let section = self.layers(&["Server"]);
        Server {
            host: self.host(&section, "Host", &host.to_string()),
            port: self.port(&section, "Port", 7006),
            threads: self.or(section.number("Threads", 1..=256), 4),
            request_line_bytes_max: self.or(section.number("MaxInputString", 1024..=16 << 20), 128 << 10),
            output_folders: self.output_folders(&section),
            backup_folders: self.backup_folders(&section),
            body_bytes_max: self.or(section.number("MaxFileUploadSize", 1024..=1 << 30), 10 << 20),
            connections_max: self.or(section.number("MaxConnections", 1..=10_000), 512),
            connections_per_address_max: self.or(section.number("MaxConnectionsPerAddress", 1..=10_000), 256),
            log_timing: self.or(section.boolean("LogRequestTiming"), false),
            door: self.door(&section),
        }
    }

    fn service(&mut self) -> Service {
        let section = self.layers(&["Service"]);
        Service {
            host: self.host(&section, "Host", &Ipv4Addr::LOCALHOST.to_string()),
            port: self.port(&section, "ServicePort", 7007),
            door: self.door(&section),
        }
    }

    fn actions(&mut self) -> Actions {
        let section = self.layers(&["Fetch", "Actions"]);
        let threads: i64 = self.or(section.number("MaximumThreads", ..=64), 2);
        Actions {
            threads: usize::try_from(threads.max(1)).expect("from 1 to 64"),
            waiting_max: self.or(section.number("MaxQueueSize", 1..=1_000_000), 10_000),
            ended_max: self.or(section.number("MaxEndedActions", 0..=1_000_000), 10_000),
            ended_age_max: self.or(section.duration("MaxEndedActionAge"), Duration::from_hours(720)),
            attempts_max: self.or(section.number("MaxAttempts", 1..=100), 3),
        }
    }

    fn schedules(&mut self) -> bool {
        let connector = self.layers(&["Connector"]);
        self.or(connector.boolean("EnableScheduledTasks"), true)
    }

    fn warn(&mut self, text: String) {
        self.notices.push(Notice::warning(text));
    }

    fn layers(&self, names: &[&str]) -> Layers<'a> {
        Layers::new(names.iter().filter_map(|name| self.ini.section(name)))
    }

    /// The value, or `default` if there is none; also, for the time being, if it is a problem.
    fn or<T>(&mut self, read: Result<Option<T>, BadSetting>, default: T) -> T {
        match read {
            Ok(value) => value.unwrap_or(default),
            Err(problem) => {
                // One line of [Logging] may be read for each stream.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                default
            }
        }
    }

    fn host(&mut self, section: &Layers<'_>, name: &str, default: &str) -> String {
        let expected = "an IP address or a host's name, without a port";
        self.or(section.read_with(name, expected, host), default.to_owned())
    }

    fn port(&mut self, section: &Layers<'_>, name: &str, default: u16) -> u16 {
        self.or(section.number(name, 0..=u16::MAX), default)
    }

    fn path(&self, section: &Layers<'_>, name: &str, default: &str) -> PathBuf {
        self.base.join(section.text(name).as_deref().unwrap_or(default))
    }
}

/// An address, in brackets or not, or what can be a host's name.
fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    let is_name = bare.len() <= 253
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && bare.bytes().any(|byte| byte.is_ascii_alphanumeric());
    (is_address || is_name).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests;
