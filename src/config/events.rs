//! The handlers of events (aci.md 4.3): parameters of `[Actions]` and `[Fetch]` name their sections.

use super::outgoing::{self, TLS_PARAMETERS};
use super::parameters::HANDLER_PARAMETERS;
use super::{BadSetting, Entry, Ini, Layers, Notice, Reader, Section, is_own_section, nearest, unquoted};
use crate::action::FromParam;
use crate::client::{Credentials, Proxy, Secret, Tls};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The parameters that name handlers.
const OCCASIONS: [&str; 5] = ["OnStart", "OnFinish", "OnError", "OnErrorReport", "OnQueueEvent"];

/// Who is told of what.
#[derive(Debug, Clone)]
pub struct Events {
    /// Each once, by the names of their sections in capitals.
    pub handlers: Vec<Handler>,
    /// Names of `handlers`.
    pub on_start: Option<String>,
    pub on_finish: Option<String>,
    pub on_error: Option<String>,
    pub on_error_report: Option<String>,
    pub on_queue_event: Option<String>,
    /// Waiting actions beyond which the queue is filling, and below which it is emptying.
    pub filling_above: usize,
    pub emptying_below: usize,
    /// Least time between two reports of one action.
    pub report_every: Duration,
}

/// Somebody who is told of events.
#[derive(Debug, Clone)]
pub struct Handler {
    pub name: String,
    pub library: Library,
    /// Attempts after the first, and the time between them.
    pub retries: u32,
    pub retry_interval: Duration,
}

/// How a handler is told.
#[derive(Debug, Clone)]
pub enum Library {
    /// A line at the end of a file; absolute if [`super::Config::base`] is.
    TextFile { path: PathBuf },
    /// A request.
    Http(Box<HttpHandler>),
}

#[derive(Debug, Clone)]
pub struct HttpHandler {
    pub url: Url,
    pub credentials: Option<Credentials>,
    pub proxy: Option<Proxy>,
    pub tls: Tls,
}

/// The sections that parameters for events name.
fn named(ini: &Ini) -> impl Iterator<Item = String> {
    let sections = ["Fetch", "Actions"].into_iter().filter_map(|name| ini.section(name));
    sections
        .flat_map(|section| OCCASIONS.iter().filter_map(|name| section.get(name)))
        .map(|entry| unquoted(&entry.value))
}

/// Whether a section of this name is the one of a handler, so that no task can have it.
pub fn is_handler_section(ini: &Ini, name: &str) -> bool {
    named(ini).any(|named| named.eq_ignore_ascii_case(name))
}

impl<'a> Reader<'a> {
    /// `waiting_max` is the size of the queue.
    pub(super) fn events(&mut self, waiting_max: usize) -> Events {
        let section = self.layers(&["Fetch", "Actions"]);
        let filling = self.or(fraction(&section, "QueueFillingThreshold"), 0.75);
        let emptying = self.or(fraction(&section, "QueueEmptyingThreshold"), 0.5);
        if emptying >= filling {
            // Whichever is set is wrong; it may be less than the default of the other.
            let (name, expected) = if section.text("QueueEmptyingThreshold").is_some() {
                ("QueueEmptyingThreshold", format!("less than QueueFillingThreshold, which is {filling}"))
            } else {
                ("QueueFillingThreshold", format!("more than QueueEmptyingThreshold, which is {emptying}"))
            };
            self.problems.push(section.bad(name, &expected));
        }
        let mut handlers = Vec::new();
        let [on_start, on_finish, on_error, on_error_report, on_queue_event] =
            OCCASIONS.map(|name| self.handler(&section, name, &mut handlers));
        Events {
            handlers,
            on_start,
            on_finish,
            on_error,
            on_error_report,
            on_queue_event,
            filling_above: share(waiting_max, filling, f64::floor),
            emptying_below: share(waiting_max, emptying, f64::ceil),
            report_every: self.or(section.duration("ErrorReportInterval"), Duration::from_secs(10)),
        }
    }

    /// The handler that `occasion` names, which is read when it is named first.
    fn handler(&mut self, section: &Layers<'a>, occasion: &str, handlers: &mut Vec<Handler>) -> Option<String> {
        let title = section.text(occasion)?;
        let name = title.to_uppercase();
        if handlers.iter().any(|handler| handler.name == name) {
            return Some(name);
        }
        let of_handler = self.ini.section(&title).filter(|_| !is_own_section(&title));
        let Some(of_handler) = of_handler else {
            let expected = "the name of a section of its own, with LibraryName=HttpHandler or TextFileHandler";
            self.problems.push(section.bad(occasion, expected));
            return None;
        };
        let settings = Layers::new([of_handler]);
        let library = match self.library(&settings) {
            Ok(library) => library,
            Err(problem) => {
                // Named by two parameters, it has one mistake.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                return None;
            }
        };
        self.note_handler(of_handler, &library);
        let retries = self.or(settings.number("Retries", 0..=1_000), 3);
        let retry_interval = self.or(settings.duration("RetryInterval"), Duration::from_secs(5));
        handlers.push(Handler { name: name.clone(), library, retries, retry_interval });
        Some(name)
    }

    fn library(&self, settings: &Layers<'a>) -> Result<Library, BadSetting> {
        const EXPECTED: &str = "HttpHandler or TextFileHandler; scripts of LuaHandler are not run here";
        match settings.text("LibraryName").map(|name| name.to_ascii_lowercase()).as_deref() {
            Some("textfilehandler") => {
                let path = settings.text("FilePath");
                let path = path.ok_or_else(|| settings.bad("FilePath", "the file that gets a line for each event"))?;
                Ok(Library::TextFile { path: self.base.join(path) })
            }
            Some("httphandler") => Ok(Library::Http(Box::new(self.http(settings)?))),
            _ => Err(settings.bad("LibraryName", EXPECTED)),
        }
    }

    fn http(&self, settings: &Layers<'a>) -> Result<HttpHandler, BadSetting> {
        const URL: &str = "an http or https URL; a name and a password stand in BasicUser and BasicPassword";
        const NO_NTLM: &str = "absent: NTLM is not spoken here; a receiver can ask for BasicUser and BasicPassword";
        if let Some(name) = ["NTLMUser", "NTLMPassword"].into_iter().find(|name| settings.text(name).is_some()) {
            return Err(BadSetting { value: Some("…".to_owned()), ..settings.bad(name, NO_NTLM) });
        }
        for name in ["UseNTLMAuthentication", "UseNTLMv2"] {
            if settings.boolean(name)? == Some(true) {
                return Err(settings.bad(name, "FALSE: NTLM is not spoken here; a receiver can ask for BasicUser"));
            }
        }
        let url = settings.text("URL").and_then(|text| Url::parse(&text).ok());
        let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let has_user = |url: &Url| !url.username().is_empty() || url.password().is_some();
        let url = match url.filter(is_usable) {
            Some(url) if has_user(&url) => {
                return Err(BadSetting { value: Some("…".to_owned()), ..settings.bad("URL", URL) });
            }
            Some(url) => url,
            None => return Err(settings.bad("URL", URL)),
        };
        let password = || Secret::new(settings.text("BasicPassword").unwrap_or_default());
        let credentials = match settings.text("BasicUser") {
            Some(user) if user.contains(':') => {
                return Err(settings.bad("BasicUser", "a name without a colon, which ends it"));
            }
            user => user.map(|user| Credentials { user, password: password() }),
        };
        let tls = match settings.text("SSLConfig") {
            None => Tls::default(),
            Some(title) => {
                let section = self.ini.section(&title);
                let missing = || settings.bad("SSLConfig", "the name of a section with SSL parameters");
                let section = Layers::new([section.ok_or_else(missing)?]);
                outgoing::tls(self.base, &section, &section)?
            }
        };
        Ok(HttpHandler { url, credentials, proxy: outgoing::proxy(settings)?, tls })
    }

    /// What of the handler's section has no effect.
    fn note_handler(&mut self, section: &Section, library: &Library) {
        let library = match library {
            Library::TextFile { .. } => "TextFileHandler",
            Library::Http(_) => "HttpHandler",
        };
        let known = HANDLER_PARAMETERS.iter().filter(|spec| spec.section == library || spec.section.is_empty());
        let known: Vec<&str> = known.map(|spec| spec.name).collect();
        self.note_unknown(section, &known);
        if let Some(ssl) = section.get("SSLConfig").and_then(|entry| self.ini.section(&unquoted(&entry.value))) {
            self.note_unknown(ssl, &TLS_PARAMETERS);
        }
    }

    fn note_unknown(&mut self, section: &Section, known: &[&str]) {
        // With another value they have been refused.
        let is_off = |entry: &Entry| {
            let name = entry.name.to_ascii_lowercase();
            name.contains("ntlm") && (entry.value.is_empty() || bool::from_param(&entry.value) == Some(false))
        };
        for entry in section.entries().filter(|entry| !is_off(entry)) {
            let Entry { name, origin, .. } = entry;
            if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                let hint =
                    nearest(name, known.iter().copied()).map_or(String::new(), |meant| format!("; is {meant} meant?"));
                let title = section.name();
                let text = format!("{origin}: [{title}] {name} is not known and has no effect{hint}");
                self.notices.push(Notice::warning(text));
            }
        }
    }
}

fn fraction(section: &Layers<'_>, name: &str) -> Result<Option<f64>, BadSetting> {
    let read = |text: &str| text.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    section.read_with(name, "a fraction of MaxQueueSize from 0 to 1, such as 0.75", read)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a queue has at most a million places"
)]
fn share(of: usize, fraction: f64, round: fn(f64) -> f64) -> usize {
    // Rounded before, since 0.7 is a little less than 0.7.
    let exact = (of as f64 * fraction * 1e6).round() / 1e6;
    round(exact) as usize
}

#[cfg(test)]
mod tests;
