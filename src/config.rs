//! The configuration: what the file says, as values that cannot be wrong, with a default for all that it does not say.
//!
//! Owns the file's grammar and the server's own sections. Never logs, since the log is not set up before it: what an
//! operator should know is kept as [`Config::notices`]. Of tasks it knows the names; their parameters are
//! looked up through [`Layers`] by whoever runs them.

mod access;
mod encrypted;
mod events;
mod folders;
mod ini;
mod layers;
mod line;
mod logging;
mod mark;
mod nearest;
mod outgoing;
mod parameters;
mod read;
mod value;

pub use events::{Events, Handler, HttpHandler, Library, is_handler_section};
pub use ini::{Entry, Ini, IniError, Origin, Section, Warning};
pub use layers::{BadSetting, Layers};
pub use nearest::nearest;
pub use outgoing::{proxy, tls};
pub use parameters::{HANDLER_PARAMETERS, PARAMETERS, ParameterSpec, is_parameter};
pub use value::{csv, duration, unquoted};

use crate::action::FromParam;
use crate::log;
use crate::roles::Roles;
use crate::tls::PortFiles;
use ::log::Level;
use parameters::{PORT_TLS, ROLE, UNUSED, UNUSED_SECTIONS, Weight};
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

/// `[Connector]` and `[Ingestion]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingestion {
    /// Where documents go; nowhere if it is empty (`EnableIngestion=FALSE`).
    pub targets: Vec<Target>,
    /// The folders below which documents may be collected; absolute if [`Config::base`] is.
    pub destinations: Vec<PathBuf>,
    /// The value of `AUTN_GROUP`.
    pub group: String,
}

/// Somewhere that documents go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Connector Framework Server.
    Cfs { host: String, port: u16 },
    /// The index port of a Content server.
    Content { host: String, port: u16 },
    /// Files below `directory`, which is absolute if [`Config::base`] is.
    Files { format: Format, directory: PathBuf },
}

/// The form of the files that documents are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object per change.
    #[default]
    Jsonl,
    /// IDOL's own.
    Idx,
    /// One element per change.
    Xml,
    /// One record per change.
    Csv,
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

/// The tasks as the file has them at one moment.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// All of the file's sections.
    pub ini: Ini,
    /// The tasks that `[FetchTasks]` lists, in its order and spelling, each once.
    pub names: Vec<String>,
}

impl Tasks {
    /// Reads the file at `path` for its tasks only: what it says about the server counts at the next start, right or
    /// wrong.
    pub fn read(path: &Path) -> Result<Tasks, ConfigError> {
        let ini = Ini::read(path)?;
        let mut reader = Reader { ini: &ini, base: Path::new(""), problems: Vec::new(), notices: Vec::new() };
        let names = reader.tasks();
        let Reader { mut problems, mut notices, .. } = reader;
        encrypted::check(&ini, &mut problems, &mut notices);
        usable((Tasks { ini, names }, problems))
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

impl FromParam for Format {
    const EXPECTED: &'static str = "jsonl, idx, xml or csv";

    fn from_param(text: &str) -> Option<Format> {
        match text.trim().to_ascii_lowercase().as_str() {
            "jsonl" => Some(Format::Jsonl),
            "idx" => Some(Format::Idx),
            "xml" => Some(Format::Xml),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// Reads section after section and goes on after a problem, so that an administrator sees all of them at once.
struct Reader<'a> {
    ini: &'a Ini,
    base: &'a Path,
    problems: Vec<BadSetting>,
    notices: Vec<Notice>,
}

/// What `IngesterType` may list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ingester {
    Cfs,
    Content,
    Files,
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

    fn ingestion(&mut self) -> Ingestion {
        let connector = self.layers(&["Connector"]);
        let is_enabled = self.or(connector.boolean("EnableIngestion"), true);
        let mut destinations = connector.list("AllowedDestinationDirectoryCSVs");
        if connector.get("AllowedDestinationDirectoryCSVs").is_none() && destinations.is_empty() {
            destinations.push("collected".to_owned());
        }
        let destinations = destinations.iter().map(|folder| self.base.join(folder)).collect();
        let group = connector.text("ConnectorGroup").unwrap_or_else(|| "Connector".to_owned());

        let section = self.layers(&["Ingestion"]);
        let default = if section.text("IngestHost").is_some() { Ingester::Cfs } else { Ingester::Files };
        let ingesters = self.or(ingesters(&section), vec![default]);
        let cfs = Target::Cfs {
            host: self.host(&section, "IngestHost", "localhost"),
            port: self.or(section.number("IngestPort", 1..=u16::MAX), 7000),
        };
        let content = Target::Content {
            host: self.host(&section, "IndexHost", "localhost"),
            port: self.or(section.number("IndexPort", 1..=u16::MAX), 9101),
        };
        let files = Target::Files {
            format: self.or(section.read("OutputFormat"), Format::default()),
            directory: self.path(&section, "OutputDirectory", "output"),
        };
        let unused = [
            (Ingester::Cfs, "CFS", ["IngestHost", "IngestPort"]),
            (Ingester::Content, "Content", ["IndexHost", "IndexPort"]),
            (Ingester::Files, "Files", ["OutputFormat", "OutputDirectory"]),
        ];
        for (ingester, name, parameters) in unused {
            for entry in parameters.into_iter().filter_map(|parameter| section.get(parameter)) {
                if is_enabled && !ingesters.contains(&ingester) {
                    let Entry { name: parameter, origin, .. } = entry;
                    self.warn(format!("{origin}: {parameter} has no effect: {name} is not in IngesterType"));
                }
            }
        }
        let target = |ingester: &Ingester| match ingester {
            Ingester::Cfs => cfs.clone(),
            Ingester::Content => content.clone(),
            Ingester::Files => files.clone(),
        };
        let targets = if is_enabled { ingesters.iter().map(target).collect() } else { Vec::new() };
        Ingestion { targets, destinations, group }
    }

    fn schedules(&mut self) -> bool {
        let connector = self.layers(&["Connector"]);
        self.or(connector.boolean("EnableScheduledTasks"), true)
    }

    /// The names that `[FetchTasks]` lists: the first `Number` of them, or all.
    fn tasks(&mut self) -> Vec<String> {
        const NAME: &str = "a name of at most 100 letters, digits and other signs that a file's name can have";
        let Some(section) = self.ini.section("FetchTasks") else {
            return Vec::new();
        };
        let listed = section.numbered("");
        let count: usize = self.or(Layers::new([section]).number("Number", 0..), listed.len());
        if count > listed.len() {
            let origin = section.get("Number").map_or(section.origin(), |entry| &entry.origin);
            self.warn(format!("{origin}: Number is {count}, and {} tasks are listed", listed.len()));
        }
        let mut tasks: Vec<String> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (place, (_, entry)) in listed.into_iter().enumerate() {
            let name = unquoted(&entry.value);
            let origin = &entry.origin;
            if place >= count {
                self.warn(format!("{origin}: the task {name} is beyond Number={count} and does not count"));
            } else if !is_task_name(&name) {
                self.problems.push(BadSetting::unusable(section, entry, NAME));
            } else if is_own_section(&name) {
                let expected = "a name that is not the one of a section of the server";
                self.problems.push(BadSetting::unusable(section, entry, expected));
            } else if !known.insert(name.to_ascii_lowercase()) {
                self.warn(format!("{origin}: the task {name} is listed before; it runs once"));
            } else {
                if self.ini.section(&name).is_none() {
                    self.warn(format!("{origin}: there is no section [{name}] for this task"));
                }
                tasks.push(name);
            }
        }
        tasks
    }

    /// Nothing that someone wrote is passed over in silence.
    fn note_what_has_no_effect(&mut self, tasks: &[String]) {
        let sections = || PARAMETERS.iter().map(|spec| spec.section).chain(["Fetch", "Default"]);
        for section in self.ini.sections() {
            let (title, origin) = (section.name(), section.origin());
            let is_unused = |(name, ..): &&(&str, Weight, &str)| name.eq_ignore_ascii_case(title);
            if let Some((_, weight, effect)) = UNUSED_SECTIONS.iter().find(is_unused) {
                self.note(*weight, format!("{origin}: [{title}] has no effect: {effect}"));
                continue;
            }
            // A section that nobody knows may be one that an action names; a mistyped one is not.
            let is_task = tasks.iter().any(|task| task.eq_ignore_ascii_case(title));
            let is_named = is_handler_section(self.ini, title)
                || self.is_listed("AuthorizationRoles", title)
                || self.is_port_tls(title);
            let is_known = is_task || is_own_section(title) || is_named;
            if let Some(meant) = nearest(title, sections()).filter(|_| !is_known) {
                self.warn(format!("{origin}: [{title}] is not known; is [{meant}] meant?"));
            }
            // [Fetch] is [Actions] for one queue, a stream's section is [Logging] for one stream; the
            // sections of roles and of TLS have names too.
            let declared = match title {
                _ if title.eq_ignore_ascii_case("Fetch") => "Actions",
                _ if self.is_listed("Logging", title) => "Logging",
                _ if self.is_listed("AuthorizationRoles", title) => ROLE,
                _ if self.is_port_tls(title) => PORT_TLS,
                _ => title,
            };
            // Where tasks have parameters, names are judged by whoever declares those.
            if has_parameters(declared) && !declared.eq_ignore_ascii_case("FetchTasks") {
                for entry in section.entries() {
                    self.note_entry(declared, title, entry);
                }
            }
        }
    }

    /// Whether `section` lists one called `title`: a log stream, a role.
    fn is_listed(&self, section: &str, title: &str) -> bool {
        let listed = self.ini.section(section).map_or(Vec::new(), |section| section.numbered(""));
        listed.iter().any(|(_, entry)| unquoted(&entry.value).eq_ignore_ascii_case(title))
    }

    fn note_entry(&mut self, declared: &str, title: &str, entry: &Entry) {
        let Entry { name, origin, .. } = entry;
        let mut known = PARAMETERS.iter().filter(|spec| spec.section.eq_ignore_ascii_case(declared));
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        // 0 stands for the whole list.
        if known.clone().any(|spec| spec.name.eq_ignore_ascii_case(name) || spec.name == "0" && is_number) {
            return;
        }
        let mut unused = UNUSED.iter().filter(|unused| unused.section.eq_ignore_ascii_case(declared));
        if let Some(unused) = unused.find(|unused| unused.name.eq_ignore_ascii_case(name)) {
            self.note(unused.weight, format!("{origin}: [{title}] {name} has no effect: {}", unused.effect));
            return;
        }
        let meant = nearest(name, known.by_ref().map(|spec| spec.name));
        let hint = meant.map_or(String::new(), |meant| format!("; is {meant} meant?"));
        self.warn(format!("{origin}: [{title}] {name} is not known and has no effect{hint}"));
    }

    fn note(&mut self, weight: Weight, text: String) {
        match weight {
            Weight::Light => self.notices.push(Notice::info(text)),
            Weight::Heavy => self.warn(text),
        }
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

fn ingesters(section: &Layers<'_>) -> Result<Option<Vec<Ingester>>, BadSetting> {
    let mut ingesters = Vec::new();
    for name in section.list("IngesterType") {
        let ingester = match name.to_ascii_lowercase().as_str() {
            "cfs" => Ingester::Cfs,
            "content" => Ingester::Content,
            "files" => Ingester::Files,
            _ => {
                return Err(
                    section.bad("IngesterType", "one or several of CFS, Content and Files, with a comma between")
                );
            }
        };
        if !ingesters.contains(&ingester) {
            ingesters.push(ingester);
        }
    }
    Ok(Some(ingesters).filter(|ingesters| !ingesters.is_empty()))
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

/// A task's name becomes part of the names of its files.
fn is_task_name(name: &str) -> bool {
    let is_safe = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    !name.is_empty() && name.len() <= 100 && name.chars().all(is_safe) && !name.starts_with('.')
}

fn has_parameters(section: &str) -> bool {
    PARAMETERS.iter().any(|spec| spec.section.eq_ignore_ascii_case(section))
}

/// Whether a section of this name is the server's, so that no task can have it.
pub fn is_own_section(name: &str) -> bool {
    // The sections of roles and of TLS have other names than those that stand in for them.
    has_parameters(name) && ![ROLE, PORT_TLS].contains(&name)
        || name.eq_ignore_ascii_case("Fetch")
        || name.eq_ignore_ascii_case("Default")
        || UNUSED_SECTIONS.iter().any(|(section, ..)| section.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
