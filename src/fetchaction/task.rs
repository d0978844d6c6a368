//! A task: which section of the configuration it is, and its parameters read into the settings of a crawl.

use super::Settings;
use super::dates::{self, date_filter};
use super::documentaction::{self, Meta};
use super::http::{FILE_ONLY, Http, Starts};
use super::parameters::{OF_THE_ACTION, PARAMETERS, is_parameter};
use super::shaping::{self, shaping};
use crate::action::{BadParam, Params};
use crate::client;
use crate::config::{BadSetting, ConfigError, Ini, IniError, Layers, Section, csv};
use crate::crawl::html::Follows;
use crate::crawl::robots::OnError;
use crate::crawl::scope::BadRegex;
use crate::crawl::{self, Admission, Entries, Filter, Limits, LinkGuard, Scope, Sitemaps, scope, trap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use siphasher::sip::SipHasher13;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One task, ready to be performed.
pub struct Task {
    /// The section's name as it was first spelled.
    pub name: String,
    pub datastore: PathBuf,
    pub crawl: crawl::Settings,
    /// Of everything that decides which pages a run reaches and what it reads from them.
    pub scope_key: i64,
    /// What is done to each document before it is ingested.
    pub(super) ingest_actions: Vec<Meta>,
}

/// Why an action cannot be performed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Param(#[from] BadParam),
    #[error("{0}")]
    Setting(BadSetting),
    #[error("the configuration that came with the action cannot be used: {0}")]
    Config(#[from] IniError),
    /// It has changed since the server started, and is broken now.
    #[error("the configuration file cannot be used as it is now: {0}")]
    File(#[from] ConfigError),
    #[error("there is no task section [{name}]; {}", known(.tasks))]
    NoSuchTask { name: String, tasks: Vec<String> },
    /// The action names no task and no start page, and the configuration has no task.
    #[error(
        "there is nothing to fetch: give Url=, or TaskSections= with a task of the configuration, which lists none"
    )]
    NoTask,
    /// What the action is to do cannot be done.
    #[error("{0}")]
    Impossible(String),
    #[error("{name} is set in the configuration file only")]
    FileOnly { name: String },
    #[error("{name} is no parameter of a fetch action{}", .nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
    Unknown { name: String, nearest: Option<&'static str> },
}

impl From<BadSetting> for PlanError {
    fn from(bad: BadSetting) -> PlanError {
        PlanError::Setting(bad)
    }
}

/// Parameters under which a page that has not changed may yield another document, or none.
const DECIDES_ABOUT_A_PAGE: [&str; 11] = [
    "PageMustHaveRegex",
    "PageCantHaveRegex",
    "ContentTypeMustHaveRegex",
    "ContentTypeCantHaveRegex",
    "MinPageSize",
    "MaxLinksPerPage",
    "MaxLinkPercentagePerPage",
    "FollowEmbedded",
    "FoldCanonicals",
    "HeaderFields",
    "LinkFields",
];

const START_PAGES: &str = "a list of start pages such as https://www.example.com/";

/// Changes when pages are read differently, so that all are read anew.
const READER_VERSION: u32 = 2;

/// The tasks that a configuration brought by an action lists: `0=`, `1=` and so on, up to `Number` if it is there.
fn listed(ini: &Ini) -> Vec<String> {
    let Some(section) = ini.section("FetchTasks") else {
        return Vec::new();
    };
    let number = section.get("Number").and_then(|entry| entry.value.trim().parse::<u32>().ok());
    let listed = section.numbered("").into_iter().filter(|(place, _)| number.is_none_or(|number| *place < number));
    listed.map(|(_, entry)| entry.value.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether a file of this name is a datastore.
pub fn is_datastore_name(name: &str) -> bool {
    name.strip_prefix("connector_").is_some_and(|rest| rest.len() > 13 && rest.ends_with("_datastore.db"))
}

pub(super) fn datastore_name(task: &str) -> String {
    format!("connector_{}_datastore.db", file_name(&task.to_uppercase()))
}

/// A section's name as part of a file's name: what a file system could take for more is replaced.
fn file_name(task: &str) -> String {
    task.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// Where the parameters of an action's tasks are looked up.
pub(super) struct Sources {
    overrides: Ini,
    brought: Option<Ini>,
    file: Arc<Ini>,
}

impl Sources {
    /// Reads the overrides of `params` and the configuration that came with them. `own` are parameters of the action
    /// beside those that every fetch action has; any other that is no task parameter is refused.
    pub(super) fn read(settings: &Settings, params: &Params, own: &[&'static str]) -> Result<Sources, PlanError> {
        let is_own = |name: &str| OF_THE_ACTION.iter().chain(own).any(|of| of.eq_ignore_ascii_case(name));
        let overrides: Vec<(&str, &str)> = params.iter().filter(|(name, _)| !is_own(name)).collect();
        for (name, _) in &overrides {
            check_known(name, own)?;
        }
        let brought = brought_config(params)?;
        Ok(Sources { overrides: Ini::overrides(overrides)?, brought, file: Arc::clone(&settings.ini) })
    }

    fn iter(&self) -> impl Iterator<Item = &Ini> {
        std::iter::once(&self.overrides).chain(&self.brought).chain(std::iter::once(&*self.file))
    }

    /// The section of this name that comes first.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.iter().find_map(|ini| ini.section(name))
    }

    fn layers(&self, task: &str) -> Layers<'_> {
        Layers::of_task(task, self.iter())
    }

    /// Only the file says which files are read and written: whoever sends an action may not have ones of its choice used.
    fn of_file(&self, task: &str) -> Layers<'_> {
        Layers::of_task(task, [&*self.file])
    }
}

pub(super) fn plan(settings: &Settings, params: &Params) -> Result<Vec<Task>, PlanError> {
    let sources = Sources::read(settings, params, &[])?;
    let brought_tasks = sources.brought.as_ref().map(listed).unwrap_or_default();
    let known: Vec<String> = brought_tasks.iter().chain(&settings.tasks).cloned().collect();

    let mut names = sections(params);
    for name in &names {
        if !known.iter().any(|task| task.eq_ignore_ascii_case(name)) && sources.section(name).is_none() {
            return Err(PlanError::NoSuchTask { name: name.clone(), tasks: known });
        }
    }
    if names.is_empty() {
        let own = Layers::of_task("", [&sources.overrides]);
        let starts = [own.list("Url"), own.list("SitemapUrl")].concat();
        if !starts.is_empty() {
            names = vec![ad_hoc_name(&starts)];
        } else if !brought_tasks.is_empty() {
            names = brought_tasks;
        } else {
            names = known;
        }
    }
    if names.is_empty() {
        return Err(PlanError::NoTask);
    }
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    let tasks = names.into_iter().map(|name| {
        let layers = sources.layers(&name);
        let entries = entries(settings, &layers, &sources.of_file(&name))?;
        let entries = entries.ok_or_else(|| layers.bad("Url", START_PAGES))?;
        task(settings, name, &sources, entries)
    });
    tasks.collect()
}

/// The task sections that the action names, in whichever way; none if it means all.
pub(super) fn sections(params: &Params) -> Vec<String> {
    let mut names = csv(params.get("TaskSections").or_else(|| params.get("ConfigSection")).unwrap_or(""));
    names.retain(|name| !name.is_empty());
    names
}

/// The task of a section that an identifier names: with the parameters of its section, or with defaults if there is none,
/// as with a section that came with an earlier action. Without start pages its scope admits nothing.
pub(super) fn of_section(settings: &Settings, sources: &Sources, name: &str) -> Result<Task, PlanError> {
    let listed = settings.tasks.iter().find(|task| task.eq_ignore_ascii_case(name));
    let spelled = listed.map(String::as_str).or_else(|| sources.section(name).map(Section::name));
    let spelled = spelled.unwrap_or(name).to_owned();
    let entries = entries(settings, &sources.layers(&spelled), &sources.of_file(&spelled))?;
    task(settings, spelled, sources, entries.unwrap_or(Entries::Starts(Vec::new())))
}

/// The configuration that came with the action, in base64.
fn brought_config(params: &Params) -> Result<Option<Ini>, PlanError> {
    let Some(text) = params.get("Config").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let bad = || PlanError::Param(BadParam::unreadable("Config", text, "the base64 of a configuration file in UTF-8"));
    // Its plus signs are lost if the client did not percent-encode them.
    let text: String =
        text.chars().filter(|c| !matches!(c, '\r' | '\n')).map(|c| if c == ' ' { '+' } else { c }).collect();
    let bytes = STANDARD.decode(text.trim_end_matches('+')).map_err(|_| bad())?;
    let plain = String::from_utf8(bytes).map_err(|_| bad())?;
    Ok(Some(Ini::parse(&plain, "Config")?))
}

/// Whether `name`, without its `[Section]`, is a task parameter.
fn check_known(name: &str, own: &[&'static str]) -> Result<(), PlanError> {
    let bare = name.rsplit_once(']').map_or(name, |(_, bare)| bare).trim();
    if FILE_ONLY.iter().any(|only| only.eq_ignore_ascii_case(bare)) {
        return Err(PlanError::FileOnly { name: name.to_owned() });
    }
    if is_parameter(bare) {
        return Ok(());
    }
    let names = PARAMETERS.iter().map(|parameter| parameter.name).chain(OF_THE_ACTION).chain(own.iter().copied());
    Err(PlanError::Unknown { name: name.to_owned(), nearest: crate::config::nearest(bare, names) })
}

/// `ADHOC_` and a hash of the start pages, so that a second action with the same ones is incremental.
fn ad_hoc_name(starts: &[String]) -> String {
    let mut hasher = SipHasher13::new();
    starts.hash(&mut hasher);
    format!("ADHOC_{:016X}", hasher.finish())
}

fn task(settings: &Settings, name: String, sources: &Sources, entries: Entries) -> Result<Task, PlanError> {
    let (layers, of_file) = (&sources.layers(&name), sources.of_file(&name));
    // A list says itself which pages there are; on which hosts they are does not matter then.
    let (starts, stay_on_site) = match &entries {
        Entries::Starts(urls) => (urls.clone(), layers.boolean("StayOnSite")?.unwrap_or(true)),
        Entries::Listed(_) => (Vec::new(), false),
        Entries::Sitemaps(sitemaps) => (sitemaps.urls.clone(), false),
    };
    let number =
        |name, least, most, default| Ok::<_, BadSetting>(layers.number(name, least..=most)?.unwrap_or(default));
    let duration = |name, default| Ok::<_, BadSetting>(layers.duration(name)?.unwrap_or(default));
    let flag = |name, default| Ok::<_, BadSetting>(layers.boolean(name)?.unwrap_or(default));

    let unlimited = |number: i64| u64::try_from(number).ok();
    let depth_max =
        unlimited(number("Depth", -1, i64::from(u32::MAX), -1)?).and_then(|depth| u32::try_from(depth).ok());
    let follow_robots = flag("FollowRobotProtocol", true)?;
    let scope_settings = scope::Settings {
        starts,
        stay_on_site,
        url_bytes_max: layers
            .number("MaxUrlLength", 64..=crate::url::URL_BYTES_MAX)?
            .unwrap_or(trap::URL_BYTES_DEFAULT),
        path_repeats_max: layers.number("MaxPathRepeats", 0..=1000)?.unwrap_or(trap::REPEATS_DEFAULT),
        spider_must: layers.text("SpiderUrlMustHaveRegex"),
        spider_cant: layers.text("SpiderUrlCantHaveRegex"),
        ingest_must: layers.text("UrlMustHaveRegex"),
        // Set to nothing, it filters nothing.
        ingest_cant: match layers.get("UrlCantHaveRegex") {
            Some(_) => layers.text("UrlCantHaveRegex"),
            None => Some(scope::INGEST_CANT_DEFAULT.to_owned()),
        },
    };
    let page_bytes_max = number("MaxPageSize", 1, 1 << 30, 10 << 20)?.unsigned_abs();
    let user_agent = layers.text("UserAgent").unwrap_or_else(|| client::Settings::default().user_agent);

    // Which of them are trusted depends on where the secrets stand.
    let entries_of_file = self::entries(settings, &of_file, &of_file).ok().flatten();
    let pages_of_file = entries_of_file.as_ref().map_or(&[][..], first_pages);
    let http = Http::read(settings, Starts { all: first_pages(&entries), of_file: pages_of_file }, layers, &of_file)?;

    let mut hasher = SipHasher13::new();
    (READER_VERSION, &scope_settings, follow_robots, page_bytes_max).hash(&mut hasher);
    for name in DECIDES_ABOUT_A_PAGE.iter().chain(&shaping::DECIDES).chain(&dates::DECIDES) {
        (layers.text(name), layers.numbered(name)).hash(&mut hasher);
    }
    http.hash_into(&mut hasher);
    let scope_key = hasher.finish().cast_signed();

    let visitors = usize::try_from(number("SynchronizeThreads", 1, 256, 5)?).unwrap_or(1);
    let crawl = crawl::Settings {
        depth_max: if matches!(entries, Entries::Starts(_)) { depth_max } else { Some(0) },
        robots_sitemaps: flag("SitemapsFromRobots", false)?,
        entries,
        scope: Scope::new(scope_settings)
            .map_err(|bad| layers.bad(bad.parameter, &format!("a Perl-compatible regular expression ({})", bad.why)))?,
        visitors,
        page_delay: duration("PageDelay", Duration::ZERO)?,
        host_connections_max: layers.number("MaxConnectionsPerHost", 1..=256)?.filter(|most: &usize| *most < visitors),
        limits: limits(layers)?,
        admission: admission(layers)?,
        follows: if flag("FollowEmbedded", false)? { Follows::Embedded } else { Follows::Pages },
        link_guard: LinkGuard {
            links_max: layers.number("MaxLinkChanges", 0..)?,
            percentage_max: percentage(layers, "MaxLinkChangePercentage")?.filter(|percentage| *percentage > 0.0),
        },
        dates: date_filter(layers)?,
        shaping: shaping(layers)?,
        header_fields: layers.list("HeaderFields"),
        link_fields: flag("LinkFields", false)?,
        pattern_pages_max: unlimited(number("MaxPagesPerPattern", -1, i64::from(u32::MAX), -1)?)
            .and_then(|most| u32::try_from(most).ok())
            .filter(|most| *most > 0),
        pages_max: unlimited(number("MaxPages", -1, i64::MAX, -1)?),
        follow_robots,
        on_robots_error: if flag("IgnoreRobotProtocolErrors", false)? { OnError::Allow } else { OnError::Refuse },
        retries_max: u32::try_from(number("MaxRetries", 0, 20, 3)?).unwrap_or(0),
        retry_delay: duration("RetryDelay", Duration::from_secs(1))?,
        redirects_max: u32::try_from(number("MaxRedirects", 0, 100, 10)?).unwrap_or(0),
        client: client::Settings {
            user_agent,
            connect_timeout: duration("ConnectTimeout", Duration::from_secs(10))?,
            page_timeout: duration("PageTimeout", Duration::from_secs(30))?,
            body_bytes_max: page_bytes_max,
            idle_connections_max: visitors,
            tls: http.tls,
            proxies: http.proxies,
            reach: http.reach,
            home: http.home,
            credentials: http.credentials,
            headers: http.headers,
            cookies: http.cookies,
        },
        login: http.login,
    };
    let datastore = settings.folder.join(of_file.text("DatastoreFile").unwrap_or_else(|| datastore_name(&name)));
    let with_ingestion = sources.layers(&name).then(sources.iter().filter_map(|ini| ini.section("Ingestion")));
    let ingest_actions = documentaction::ingest_actions(&with_ingestion)?;
    Ok(Task { name, datastore, crawl, scope_key, ingest_actions })
}

/// As [`of_section`], for a task that must be known: by a section, or by the datastore of an earlier action.
pub(super) fn of_known_section(settings: &Settings, sources: &Sources, name: &str) -> Result<Task, PlanError> {
    let is_listed = settings.tasks.iter().any(|task| task.eq_ignore_ascii_case(name));
    let task = of_section(settings, sources, name)?;
    if is_listed || sources.section(name).is_some() || task.datastore.exists() {
        return Ok(task);
    }
    Err(PlanError::NoSuchTask { name: name.to_owned(), tasks: settings.tasks.clone() })
}

fn limits(layers: &Layers<'_>) -> Result<Limits, BadSetting> {
    let kbytes: Option<u64> = layers.number("MaxKBytesPerSec", 1..=u64::MAX >> 10)?;
    Ok(Limits {
        duration_max: layers.duration("MaxTaskDuration")?,
        bytes_per_second_max: kbytes.map(|kbytes| kbytes << 10),
    })
}

fn percentage(layers: &Layers<'_>, name: &str) -> Result<Option<f64>, BadSetting> {
    let read =
        |text: &str| text.trim_end_matches('%').trim().parse().ok().filter(|given| (0.0..=100.0).contains(given));
    layers.read_with(name, "a percentage from 0.0 to 100.0", read)
}

fn admission(layers: &Layers<'_>) -> Result<Admission, BadSetting> {
    let bad = |bad: BadRegex| layers.bad(bad.parameter, &format!("a Perl-compatible regular expression ({})", bad.why));
    let source = |name| Filter::anywhere(name, layers.text(name)).map_err(bad);
    let media_type = |name| Filter::new(name, layers.text(name)).map_err(bad);
    Ok(Admission {
        source_must: source("PageMustHaveRegex")?,
        source_cant: source("PageCantHaveRegex")?,
        type_must: media_type("ContentTypeMustHaveRegex")?,
        type_cant: media_type("ContentTypeCantHaveRegex")?,
        bytes_min: layers.number("MinPageSize", 0..)?.unwrap_or(0),
        links_max: layers.number("MaxLinksPerPage", 0..)?,
        link_percentage_max: percentage(layers, "MaxLinkPercentagePerPage")?,
        folds_canonicals: layers.boolean("FoldCanonicals")?.unwrap_or(false),
    })
}

/// Where the crawl begins: `SitemapUrl`, or else `SitemapFile`, or else `Url`; `None` if there is none of them.
fn entries(settings: &Settings, layers: &Layers<'_>, of_file: &Layers<'_>) -> Result<Option<Entries>, BadSetting> {
    let sitemaps = urls(layers, "SitemapUrl", "a list of sitemaps such as https://www.example.com/sitemap.xml")?;
    if !sitemaps.is_empty() {
        let filter = |name| {
            let expected = |why| format!("a Perl-compatible regular expression ({why})");
            Filter::new(name, layers.text(name)).map_err(|bad| layers.bad(name, &expected(bad.why)))
        };
        return Ok(Some(Entries::Sitemaps(Box::new(Sitemaps {
            urls: sitemaps,
            index_must: filter("SitemapIndexUrlMustHaveRegex")?,
            index_cant: filter("SitemapIndexUrlCantHaveRegex")?,
            ignore_scope: layers.boolean("IgnoreSitemapScopeErrors")?.unwrap_or(false),
        }))));
    }
    if let Some(file) = of_file.text("SitemapFile") {
        let path = settings.folder.join(file);
        let bad = |why: String| of_file.bad("SitemapFile", &format!("a text file with one URL a line ({why})"));
        let text = std::fs::read_to_string(&path).map_err(|error| bad(format!("{}: {error}", path.display())))?;
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line| crate::url::parse_start(line).map_err(|why| bad(why.to_string()));
        let listed: Vec<Url> = lines.map(parse).collect::<Result<_, _>>()?;
        // Emptied by mistake, it would empty the index.
        return if listed.is_empty() {
            Err(bad("it lists none".to_owned()))
        } else {
            Ok(Some(Entries::Listed(listed)))
        };
    }
    let starts = urls(layers, "Url", START_PAGES)?;
    Ok((!starts.is_empty()).then_some(Entries::Starts(starts)))
}

/// The pages that a task names itself.
fn first_pages(entries: &Entries) -> &[Url] {
    match entries {
        Entries::Starts(urls) | Entries::Listed(urls) => urls,
        Entries::Sitemaps(sitemaps) => &sitemaps.urls,
    }
}

fn urls(layers: &Layers<'_>, name: &str, expected: &str) -> Result<Vec<Url>, BadSetting> {
    let listed = layers.list(name);
    let parse =
        |text: &String| crate::url::parse_start(text).map_err(|why| layers.bad(name, &format!("{expected} ({why})")));
    listed.iter().map(parse).collect()
}

fn known(tasks: &[String]) -> String {
    if tasks.is_empty() {
        return "the configuration lists no task".to_owned();
    }
    let mut text = "the tasks are ".to_owned();
    for (number, task) in tasks.iter().take(20).enumerate() {
        let _ = write!(text, "{}{task}", if number > 0 { ", " } else { "" });
    }
    if tasks.len() > 20 {
        text.push_str(", …");
    }
    text
}
