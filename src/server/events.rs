//! What handlers of events are told, and how: the function values that the queue delivers by.
//!
//! An event looks like the answer of `QueueInfo&QueueAction=GetStatus` about its action, so that who reads the one reads
//! the other; its name, id and time stand before the action.

use super::answer::status_of;
use crate::aci::{Element, Reply};
use crate::action::ErrorSummary;
use crate::client::{self, Client, ExtraHeader, Home, Proxies};
use crate::config::{self, HttpHandler, Library};
use crate::queue::{Deliver, Events, Handler, Notification, Occasion, Subject};
use crate::stop::StopFlag;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
/// What a receiver says is not looked at.
const REPLY_BYTES_MAX: u64 = 64 << 10;

/// Who is told of what, as the queue takes it.
pub(super) fn events(config: &config::Events) -> Events {
    let config::Events { on_start, on_finish, on_error, on_error_report, on_queue_event, .. } = config;
    let occasions = [
        (Occasion::Start, on_start),
        (Occasion::Finish, on_finish),
        (Occasion::Error, on_error),
        (Occasion::ErrorReport, on_error_report),
        (Occasion::QueueEvent, on_queue_event),
    ];
    let told = occasions.into_iter().filter_map(|(occasion, name)| Some((occasion, name.as_deref()?.into())));
    Events {
        handlers: config.handlers.iter().map(handler).collect(),
        told: told.collect(),
        filling_above: config.filling_above,
        emptying_below: config.emptying_below,
        report_every: config.report_every,
        render: Arc::new(render),
    }
}

/// The event as XML, on one line.
fn render(notification: &Notification<'_>) -> String {
    let Notification { id, at, occasion, subject } = notification;
    let mut told = vec![
        Element::text("event", occasion.as_str()),
        Element::value("eventid", id),
        Element::value("eventtime", at.queue_date()),
    ];
    match subject {
        Subject::Action(action, errors) => {
            told.extend(errors.iter().map(error_report));
            told.push(Element::parent("actions", vec![status_of(action, *at)]));
        }
        Subject::Queue { event, size, size_max } => {
            told.push(Element::text("queueEventType", event.as_str()));
            told.push(Element::value("maxQueueSize", size_max));
            // None in QueueEmpty, as in the reference.
            if *size > 0 {
                told.push(Element::value("queueSize", size));
            }
        }
    }
    // Texts may have lines; a file has a line for each event, and XML has a name for the end of one.
    Reply::success("QueueInfo", told).to_xml().replace('\n', "&#10;")
}

fn error_report(summary: &ErrorSummary) -> Element {
    let ErrorSummary { task, count, first } = summary;
    let errors = first.iter().map(|error| Element::text("error", error.clone())).collect();
    Element::parent("errorreport", errors).attribute("errors", count.to_string()).attribute("task", task.clone())
}

fn handler(config: &config::Handler) -> Handler {
    let library = config.library.clone();
    Handler {
        name: config.name.as_str().into(),
        open: Arc::new(move |stop| match library.clone() {
            Library::TextFile { path } => {
                Box::new(move |event| append(&path, event).map_err(|error| format!("{}: {error}", path.display())))
            }
            Library::Http(http) => post_to(*http, stop),
        }),
        retries: config.retries,
        retry_interval: config.retry_interval,
    }
}

/// Posts each event over a connection of its own: kept ones have gone stale by the time of the next event.
fn post_to(http: HttpHandler, stop: &StopFlag) -> Deliver {
    let HttpHandler { url, credentials, proxy, tls } = http;
    // Unasked: a receiver that is there for this one purpose has no reason to ask.
    let authorization = credentials.and_then(|credentials| {
        let basic = STANDARD.encode(format!("{}:{}", credentials.user, credentials.password.reveal()));
        ExtraHeader::parse(&format!("Authorization: Basic {basic}")).ok()
    });
    let settings = client::Settings {
        body_bytes_max: REPLY_BYTES_MAX,
        idle_connections_max: 0,
        tls,
        proxies: Proxies { http: proxy.clone(), https: proxy, ..Proxies::default() },
        home: Home::of(std::slice::from_ref(&url)),
        headers: authorization.into_iter().collect(),
        cookies: None,
        ..client::Settings::default()
    };
    let client = Client::new(&settings, stop);
    // The rest of the URL may be a key: receivers of this kind often have no other.
    let receiver = url.origin().ascii_serialization();
    Box::new(move |event| match client.post(&url, CONTENT_TYPE, event.as_bytes()) {
        Ok(response) if (200..300).contains(&response.status) => Ok(()),
        Ok(response) => Err(format!("{receiver} answered with the status {}, not one of 200 to 299", response.status)),
        Err(error) => Err(format!("{receiver}: {error}")),
    })
}

/// Appends a line and has it on the disk when it returns.
fn append(path: &Path, line: &str) -> io::Result<()> {
    // Opening a pipe would wait for its other end.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is no regular file"));
    }
    // Opened anew each time: whoever rotates the file has only to move it away.
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut text = String::with_capacity(line.len() + 2);
    if file.seek(SeekFrom::End(0))? > 0 {
        // A full disk or a kill has cut the last line short: it stays alone.
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(line);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn each_event_is_a_line_also_after_one_that_was_cut_short() -> io::Result<()> {
        let folder = TempDir::new()?;
        let path = folder.path().join("events.txt");
        append(&path, "<one/>")?;
        append(&path, "<two/>")?;
        let whole = std::fs::read_to_string(&path)?;
        assert_eq!(whole, "<one/>\n<two/>\n");
        std::fs::write(&path, "<one/>\n<tw")?;
        append(&path, "<two/>")?;
        assert_eq!(std::fs::read_to_string(&path)?, "<one/>\n<tw\n<two/>\n");
        assert!(append(folder.path(), "<one/>").is_err());
        Ok(())
    }
}
