//! One connection of a [`Site`](super::Site): requests in, answers out, until either side ends it.

use super::{Body, Page, Request, Shared, State};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The site is closing, or its client has gone.
struct Over;

/// Accepts until the site closes. Joining what it started is left to the site's drop.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let second = connection.as_ref().ok().and_then(|connection| connection.try_clone().ok());
        let id = {
            let mut state = shared.lock();
            // Asked and registered under one lock: a connection is either shut down by the drop or never served.
            if state.closing {
                return;
            }
            let Some(second) = second else { continue };
            state.connections_ever += 1;
            let id = state.connections_ever;
            state.connections.insert(id, second);
            state.threads.retain(|thread| !thread.is_finished());
            id
        };
        let Ok(connection) = connection else { continue };
        let started = thread::Builder::new().name(format!("site-{id}")).spawn({
            let shared = Arc::clone(shared);
            move || {
                // An error is the client's going away, which is its right.
                let _ = converse(connection, &shared);
                let registered = shared.lock().connections.remove(&id);
                drop(registered);
            }
        });
        shared.lock().threads.extend(started);
    }
}

fn converse(connection: TcpStream, shared: &Shared) -> Result<(), Over> {
    connection.set_nodelay(true)?;
    let mut output = connection.try_clone()?;
    let mut input = BufReader::new(connection);
    while let Some(request) = read_request(&mut input)? {
        let page = log_and_find(shared, &request)?;
        let wants_close = request.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        answer(&mut output, shared, &request, page)?;
        if wants_close {
            break;
        }
    }
    Ok(())
}

/// `None` if the client closed the connection between two requests.
fn read_request(input: &mut BufReader<TcpStream>) -> Result<Option<Request>, Over> {
    let mut lines = Vec::new();
    let mut head = input.by_ref().take(HEAD_BYTES_MAX);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let at = Instant::now();
    let mut words = lines.first().ok_or(Over)?.split(' ');
    let (method, target) = (words.next().ok_or(Over)?.to_owned(), words.next().ok_or(Over)?.to_owned());
    let fields = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut request = Request { method, target, headers, body: Vec::new(), at };
    let body_bytes = request.header("Content-Length").and_then(|value| value.parse().ok()).unwrap_or(0_u64);
    input.by_ref().take(body_bytes.min(BODY_BYTES_MAX)).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

/// Counts the request, then waits while its target is held, then looks at what the page is by now.
fn log_and_find(shared: &Shared, request: &Request) -> Result<Option<Page>, Over> {
    let mut state = shared.lock();
    state.requests.push(request.clone());
    shared.changed.notify_all();
    let state = shared
        .changed
        .wait_while(state, |state| state.held.contains(&request.target) && !state.closing)
        .unwrap_or_else(PoisonError::into_inner);
    if state.closing {
        return Err(Over);
    }
    Ok(with_validators(&state, state.answering(request)))
}

/// The page of `target`, with the headers that name its version if the site has them.
fn with_validators(state: &State, target: &str) -> Option<Page> {
    let mut page = state.page(target)?.clone();
    if let (true, Body::Whole(bytes)) = (state.conditional && page.status == 200, &page.body) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        page.headers.push(("ETag".to_owned(), format!("\"{:016x}\"", hasher.finish())));
        page.headers.push(("Last-Modified".to_owned(), last_modified(page.revision)));
    }
    Some(page)
}

/// A date that is a second later for each revision, on a day of its own: no clock is read, none is compared.
fn last_modified(revision: u32) -> String {
    let (hours, minutes, seconds) = (revision / 3600 % 24, revision / 60 % 60, revision % 60);
    format!("Fri, 14 Jul 2017 {hours:02}:{minutes:02}:{seconds:02} GMT")
}

fn answer(output: &mut TcpStream, shared: &Shared, request: &Request, page: Option<Page>) -> Result<(), Over> {
    let Some(page) = page else {
        let text = b"<title>Not found</title><p>There is no such page.";
        return write_whole(output, request, 404, &[("Content-Type".into(), "text/html".into())], text);
    };
    if is_unchanged(request, &page) {
        let validators: Vec<_> = page.headers.into_iter().filter(|(name, _)| name != "Content-Type").collect();
        output.write_all(head(304, &validators).as_bytes())?;
        return Ok(());
    }
    match &page.body {
        Body::Whole(bytes) => write_whole(output, request, page.status, &page.headers, bytes),
        Body::Cut(bytes) => {
            let length = ("Content-Length".to_owned(), (2 * bytes.len()).to_string());
            output.write_all(head(page.status, &with(&page, length)).as_bytes())?;
            output.write_all(bytes)?;
            Err(Over)
        }
        Body::Drip { bytes, piece_bytes, pause } => {
            let length = ("Content-Length".to_owned(), bytes.len().to_string());
            output.write_all(head(page.status, &with(&page, length)).as_bytes())?;
            for piece in bytes.chunks(*piece_bytes) {
                wait(shared, *pause)?;
                output.write_all(piece)?;
            }
            Ok(())
        }
        Body::Raw { start, again, pause } => {
            output.write_all(start)?;
            while let Some(again) = again {
                wait(shared, *pause)?;
                output.write_all(again)?;
            }
            Err(Over)
        }
        Body::Endless { pause } => {
            let chunked = ("Transfer-Encoding".to_owned(), "chunked".to_owned());
            output.write_all(head(page.status, &with(&page, chunked)).as_bytes())?;
            loop {
                wait(shared, *pause)?;
                output.write_all(b"10\r\nfor ever so on, \r\n")?;
            }
        }
    }
}

fn write_whole(
    output: &mut TcpStream,
    request: &Request,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(), Over> {
    let head = head(status, &[headers, &[("Content-Length".to_owned(), body.len().to_string())]].concat());
    // A body of arbitrary bytes follows in the same write, so that small pages are one packet.
    let mut bytes = head.into_bytes();
    if request.method != "HEAD" {
        bytes.extend_from_slice(body);
    }
    output.write_all(&bytes)?;
    Ok(())
}

fn with(page: &Page, header: (String, String)) -> Vec<(String, String)> {
    let mut headers = page.headers.clone();
    headers.push(header);
    headers
}

fn head(status: u16, headers: &[(String, String)]) -> String {
    use std::fmt::Write as _;
    let mut head = format!("HTTP/1.1 {status} As told\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head
}

/// RFC 9110 13.2.2: an If-None-Match decides; only without one does If-Modified-Since.
fn is_unchanged(request: &Request, page: &Page) -> bool {
    let own = |name: &str| page.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    match (request.header("If-None-Match"), request.header("If-Modified-Since")) {
        (Some(shown), _) => {
            own("ETag").is_some_and(|tag| shown.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
        }
        (None, Some(since)) => own("Last-Modified").is_some_and(|modified| modified == since),
        (None, None) => false,
    }
}

/// Lets `pause` pass, or ends as soon as the site closes.
fn wait(shared: &Shared, pause: Duration) -> Result<(), Over> {
    let (state, _) = shared
        .changed
        .wait_timeout_while(shared.lock(), pause, |state| !state.closing)
        .unwrap_or_else(PoisonError::into_inner);
    if state.closing { Err(Over) } else { Ok(()) }
}

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Over {
        Over
    }
}
