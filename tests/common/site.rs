//! A web site on loopback that behaves well or badly exactly as it is told, and remembers who asked for what.
//!
//! Owns its listener, one thread per open connection, and the log of requests. Everything is joined when it is
//! dropped, whatever a client is waiting for. Nothing but std, so that rustc alone can build it. It never decides anything by time except where a test asks for a drip.

mod folder;
mod serve;

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a test waits for an event that must come. Reaching it is a failure, so it is generous.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// The target under which the answer to everything else is kept; no request can have it.
const ANYTHING: &str = "*";

/// The running site. Pages are keyed by request target, such as `/a?x=1`; a target with a query that has no page of its
/// own is answered by the page of its path.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When its head had been read.
    pub at: Instant,
}

struct Shared {
    state: Mutex<State>,
    /// Told of every change of the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    held: HashSet<String>,
    conditional: bool,
    guards: Vec<Guard>,
    requests: Vec<Request>,
    /// How often a page was set: the age of validators without a clock.
    revision: u32,
    connections: HashMap<u64, TcpStream>,
    connections_ever: u64,
    threads: Vec<JoinHandle<()>>,
    closing: bool,
}

/// Requests for `target` without `part` in their `header` are answered by the page `otherwise`.
struct Guard {
    target: String,
    header: String,
    part: String,
    otherwise: String,
}

#[derive(Clone)]
struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    /// The site's revision at which it was set.
    revision: u32,
}

#[derive(Clone)]
enum Body {
    Whole(Arc<[u8]>),
    /// Half of what Content-Length promises, then the connection ends.
    Cut(Arc<[u8]>),
    /// Piece by piece with a pause before each.
    Drip {
        bytes: Arc<[u8]>,
        piece_bytes: usize,
        pause: Duration,
    },
    /// These bytes and no head of the site's own, then the end of the connection; or `again` for ever.
    Raw {
        start: Arc<[u8]>,
        again: Option<Arc<[u8]>>,
        pause: Duration,
    },
    /// No end, with a pause between pieces.
    Endless {
        pause: Duration,
    },
}

impl Site {
    /// A site without pages on a free port: everything is 404, robots.txt too.
    pub fn new() -> Site {
        Site::bind(0).expect("a free port on loopback can be bound")
    }

    /// As [`Site::new`], at the loopback address of IPv6. `None` on a machine without.
    pub fn of_ipv6() -> Option<Site> {
        Site::at(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).ok()
    }

    /// As [`Site::new`], on a port of the caller's choice; 0 is a free one.
    pub fn bind(port: u16) -> std::io::Result<Site> {
        Site::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    fn at(address: SocketAddr) -> std::io::Result<Site> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let acceptor = thread::Builder::new().name("site".into()).spawn({
            let shared = Arc::clone(&shared);
            move || serve::accept(&listener, &shared)
        })?;
        Ok(Site { address, shared, acceptor: Some(acceptor) })
    }

    /// The absolute URL of `target`, which begins with a slash.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    // What the site has: each of these returns the site, to be chained at its birth.

    /// An HTML page in UTF-8.
    pub fn page(self, target: &str, html: &str) -> Site {
        self.set(target, html);
        self
    }

    pub fn file(self, target: &str, content_type: &str, bytes: impl AsRef<[u8]>) -> Site {
        self.put(target, Page::new(200, content_type, Body::Whole(bytes.as_ref().into())));
        self
    }

    /// What is answered to every request that nothing else is told for: a server of another kind.
    pub fn anything(self, content_type: &str, text: &str) -> Site {
        self.file(ANYTHING, content_type, text)
    }

    /// A file whose `bytes` the caller has compressed as `coding` (`gzip`, `br`) says.
    pub fn encoded(self, target: &str, content_type: &str, coding: &str, bytes: &[u8]) -> Site {
        self.file(target, content_type, bytes).header(target, "Content-Encoding", coding)
    }

    pub fn status(self, target: &str, status: u16) -> Site {
        self.set_status(target, status);
        self
    }

    /// A permanent redirect; `to` may be relative.
    pub fn redirect(self, from: &str, to: &str) -> Site {
        self.status(from, 301).header(from, "Location", to)
    }

    /// A header beside the usual ones, or in their place.
    pub fn header(self, target: &str, name: &str, value: &str) -> Site {
        self.edit(|state| {
            let page = state.pages.get_mut(target).expect("a header is given to a page that has been set");
            page.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        });
        self.header_again(target, name, value)
    }

    /// One more header, also if there is one of this name.
    pub fn header_again(self, target: &str, name: &str, value: &str) -> Site {
        self.edit(|state| {
            let page = state.pages.get_mut(target).expect("a header is given to a page that has been set");
            page.headers.push((name.to_owned(), value.to_owned()));
        });
        self
    }

    /// Requests for `target` are accepted and then met with silence until [`Site::release`].
    pub fn held(self, target: &str) -> Site {
        self.hold(target);
        self
    }

    /// A page that promises twice the bytes that it sends.
    pub fn cut(self, target: &str, html: &str) -> Site {
        self.put(target, Page::html(Body::Cut(html.as_bytes().into())));
        self
    }

    pub fn drip(self, target: &str, html: &str, piece_bytes: usize, pause: Duration) -> Site {
        let bytes = html.as_bytes().into();
        self.put(target, Page::html(Body::Drip { bytes, piece_bytes: piece_bytes.max(1), pause }));
        self
    }

    /// A response that is `start` as it is, after which the connection ends; or goes on with `again` for ever, with a pause
    /// before each.
    pub fn raw(self, target: &str, start: &[u8], again: Option<&[u8]>, pause: Duration) -> Site {
        let body = Body::Raw { start: start.into(), again: again.map(Into::into), pause };
        self.put(target, Page::html(body));
        self
    }

    /// A page that goes on for ever: as fast as it is read, or a line per `pause`.
    pub fn endless(self, target: &str, pause: Duration) -> Site {
        self.put(target, Page::html(Body::Endless { pause }));
        self
    }

    /// Pages have an `ETag` and a `Last-Modified`, and a client that shows them gets 304.
    pub fn conditional(self) -> Site {
        self.edit(|state| state.conditional = true);
        self
    }

    /// Answers requests for `target` whose `header` lacks `part` by the page `otherwise`. The last word counts.
    pub fn guarded(self, target: &str, header: &str, part: &str, otherwise: &str) -> Site {
        self.guard(target, header, part, otherwise);
        self
    }

    // What happens to it while it runs.

    pub fn guard(&self, target: &str, header: &str, part: &str, otherwise: &str) {
        let [target, header, part, otherwise] = [target, header, part, otherwise].map(str::to_owned);
        self.edit(|state| {
            state.guards.retain(|guard| guard.target != target);
            state.guards.push(Guard { target, header, part, otherwise });
        });
    }

    pub fn set(&self, target: &str, html: &str) {
        self.put(target, Page::html(Body::Whole(html.as_bytes().into())));
    }

    pub fn set_status(&self, target: &str, status: u16) {
        let text = format!("<title>{status}</title>");
        self.put(target, Page::new(status, "text/html; charset=utf-8", Body::Whole(text.as_bytes().into())));
    }

    pub fn remove(&self, target: &str) {
        self.edit(|state| drop(state.pages.remove(target)));
    }

    pub fn hold(&self, target: &str) {
        self.edit(|state| {
            state.held.insert(target.to_owned());
        });
    }

    pub fn release(&self, target: &str) {
        self.edit(|state| {
            state.held.remove(target);
        });
    }

    // What it has seen.

    /// Every request so far, in the order in which their heads were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    pub fn hits(&self, target: &str) -> usize {
        self.shared.lock().hits(target)
    }

    /// Waits until `target` has been asked for.
    pub fn wait_for_hit(&self, target: &str) {
        self.wait_for_hits(target, 1);
    }

    /// Waits until `target` has been asked for `count` times in all.
    pub fn wait_for_hits(&self, target: &str, count: usize) {
        let what = format!("{count} requests for {target}");
        self.wait_for(&what, |state| state.hits(target) >= count);
    }

    fn wait_for(&self, what: &str, mut is_so: impl FnMut(&State) -> bool) {
        let state = self.shared.lock();
        let (state, wait) = self
            .shared
            .changed
            .wait_timeout_while(state, EVENT_WAIT_MAX, |state| !is_so(state))
            .unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<_> = state.requests.iter().map(|request| request.target.clone()).collect();
        // The panic must not poison a lock that the site's threads need to end.
        drop(state);
        assert!(!wait.timed_out(), "waited {EVENT_WAIT_MAX:?} for {what}; the site was asked for {seen:?}");
    }

    fn put(&self, target: &str, mut page: Page) {
        self.edit(|state| {
            state.revision += 1;
            page.revision = state.revision;
            state.pages.insert(target.to_owned(), page);
        });
    }

    fn edit(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let connections = {
            let mut state = self.shared.lock();
            state.closing = true;
            std::mem::take(&mut state.connections)
        };
        self.shared.changed.notify_all();
        for connection in connections.values() {
            // Closed by its client already, perhaps; then its thread is not waiting.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        // The acceptor sees `closing` when it has accepted something.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Request {
    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has left whole values: every edit is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hits(&self, target: &str) -> usize {
        self.requests.iter().filter(|request| request.target == target).count()
    }

    /// The target whose page answers the request.
    fn answering<'a>(&'a self, request: &'a Request) -> &'a str {
        let lacks = |guard: &Guard| !request.header(&guard.header).is_some_and(|value| value.contains(&guard.part));
        let guard = self.guards.iter().find(|guard| guard.target == request.target && lacks(guard));
        guard.map_or(&request.target, |guard| &guard.otherwise)
    }

    fn page(&self, target: &str) -> Option<&Page> {
        let path = target.split('?').next().unwrap_or_default();
        self.pages.get(target).or_else(|| self.pages.get(path)).or_else(|| self.pages.get(ANYTHING))
    }
}

impl Page {
    fn new(status: u16, content_type: &str, body: Body) -> Page {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Page { status, headers, body, revision: 0 }
    }

    fn html(body: Body) -> Page {
        Page::new(200, "text/html; charset=utf-8", body)
    }
}
