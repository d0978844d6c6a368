//! What a port is doing and has done: what each dispatcher is busy with, the latest requests, and counts of all.
//!
//! Written with every request, so it costs next to nothing: a dispatcher's own lock, which nobody else takes but who
//! asks for its state, and one around the latest requests, held for a few assignments. Texts are moved in as they came;
//! they are read, and their secrets masked, by whoever asks for them.

mod past;

pub(super) use past::Asked;

use crate::action::IsKnown;
use crate::stop::StopFlag;
use crate::time::Moment;
use parking_lot::Mutex;
use past::{Entry, Past};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The name under which requests are counted that are none of the port's actions.
const NO_ACTION: &str = "none";

/// The owner of what a port tells about its requests.
pub struct Journal {
    name: &'static str,
    logs_timing: bool,
    /// Whose values may be told.
    is_known: IsKnown,
    dispatchers: Vec<Arc<Dispatcher>>,
    past: Mutex<Past>,
    pub(super) connections: Connections,
}

/// One thread that answers.
pub(super) struct Dispatcher {
    work: Mutex<Work>,
}

struct Work {
    now: Doing,
    since: Moment,
    /// No request waits any longer.
    is_closed: bool,
}

/// A request that a dispatcher has left to be answered.
pub(super) struct Begun {
    action: &'static str,
    client: IpAddr,
    at: Moment,
    clock: Instant,
    /// The number of the dispatcher.
    thread: usize,
}

impl Begun {
    pub(super) fn client(&self) -> IpAddr {
        self.client
    }
}

enum Doing {
    Nothing,
    Answering { action: &'static str, client: IpAddr, begun: Instant, stop: Option<StopFlag> },
}

/// What a dispatcher is busy with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatcherState {
    /// From 1.
    pub number: usize,
    /// As logs name it: `aci-1`.
    pub name: String,
    /// Since when it answers this, or waits for a request.
    pub since: Moment,
    pub answering: Option<Answering>,
}

/// A request that is being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    pub action: &'static str,
    pub client: IpAddr,
    /// It waits for something, and can be made to stop waiting.
    pub is_cancellable: bool,
}

/// Why the request of a dispatcher was not cancelled. It goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    #[error("there is no such thread; the threads of this port are 1 to {0}")]
    NoSuchThread(usize),
    #[error("the thread {0} answers no request")]
    Idle(String),
    #[error("the {action} on the thread {name} waits for nothing and cannot be cancelled; it ends by itself")]
    WaitsForNothing { action: &'static str, name: String },
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// In upper case, as it was asked for.
    pub action: String,
    /// `action=NAME&…` with its secrets masked; a very long one is cut.
    pub request: String,
    pub client: IpAddr,
    /// When it reached the dispatcher.
    pub at: Moment,
    pub took: Duration,
    pub is_error: bool,
    /// The number of the dispatcher.
    pub thread: usize,
}

/// The requests for one action since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub action: &'static str,
    pub requests: u64,
    /// How many of them were answered with an error.
    pub errors: u64,
    /// Of all of them together.
    pub time: Duration,
    pub longest: Duration,
}

/// Counts of the connections to the port.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicUsize,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    refused: AtomicU64,
}

/// The numbers of connections at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCounts {
    pub open: usize,
    /// That were served, since the start, like the following.
    pub accepted: u64,
    /// That were not, for want of a place.
    pub turned_away: u64,
    /// Requests that were refused before they reached an action: malformed, too large or too slow.
    pub refused: u64,
}

impl Journal {
    /// Of a port with this name and as many dispatchers, at least one.
    pub(super) fn new(name: &'static str, dispatchers: usize) -> Journal {
        let idle = |_| Arc::new(Dispatcher::new(Moment::now()));
        Journal {
            name,
            logs_timing: false,
            is_known: |_| false,
            dispatchers: (0..dispatchers.max(1)).map(idle).collect(),
            past: Mutex::default(),
            connections: Connections::default(),
        }
    }

    /// Each request has a line in the log, or none has.
    #[must_use]
    pub(super) fn logging_timing(self, logs_timing: bool) -> Journal {
        Journal { logs_timing, ..self }
    }

    /// Values of parameters are told of which `is_known` says that they are ours; of no others.
    #[must_use]
    pub(super) fn telling(self, is_known: IsKnown) -> Journal {
        Journal { is_known, ..self }
    }

    pub(super) fn logs_timing(&self) -> bool {
        self.logs_timing
    }

    /// What the port is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The dispatcher of this number.
    pub(super) fn dispatcher(&self, number: usize) -> Arc<Dispatcher> {
        Arc::clone(&self.dispatchers[number - 1])
    }

    /// A dispatcher is done with the request that [`Dispatcher::begin`] had begun, which may not be answered yet.
    pub(super) fn leave(&self, thread: usize) -> Option<Begun> {
        self.dispatchers[thread - 1].leave(thread, Moment::now())
    }

    /// The request that `begun` is has been answered. Returns how long it took.
    pub(super) fn end(&self, begun: Option<&Begun>, asked: Asked, is_error: bool) -> Duration {
        let Some(&Begun { action, client, at, clock, thread }) = begun else { return Duration::ZERO };
        let took = clock.elapsed();
        let entry = Entry { asked, body_bytes: 0, client, at, took, is_error, thread }.cut(self.is_known);
        // Dropped after the lock is released.
        let _forgotten = self.past.lock().add(action, entry);
        took
    }

    /// What each dispatcher is busy with, by number.
    pub fn dispatchers(&self) -> Vec<DispatcherState> {
        let state =
            |(place, dispatcher): (usize, &Arc<Dispatcher>)| dispatcher.state(place + 1, self.thread(place + 1));
        self.dispatchers.iter().enumerate().map(state).collect()
    }

    /// Has the request of a dispatcher stop waiting for what it waits for. It is answered at once, with an error that
    /// says so.
    pub fn cancel(&self, number: usize) -> Result<Answering, CancelError> {
        let count = self.dispatchers.len();
        let place = number.checked_sub(1).filter(|place| *place < count).ok_or(CancelError::NoSuchThread(count))?;
        self.dispatchers[place].cancel(&self.thread(number))
    }

    /// Ends every wait of a request, now and from now on.
    pub fn end_waits(&self) {
        for dispatcher in &self.dispatchers {
            dispatcher.close();
        }
    }

    /// The latest requests that were answered, at most `count`, the latest last. A thousand are kept, in one MiB.
    pub fn latest(&self, count: usize) -> Vec<Answered> {
        // A thousand small copies; they are read after the lock is released.
        let entries: Vec<Entry> = {
            let past = self.past.lock();
            let skipped = past.entries.len().saturating_sub(count);
            past.entries.iter().skip(skipped).map(Entry::copy).collect()
        };
        entries.iter().map(|entry| entry.answered(self.is_known)).collect()
    }

    /// How often each action was asked for, those that were.
    pub fn counts(&self) -> Vec<Count> {
        self.past.lock().counts.clone()
    }

    /// The connections to the port.
    pub fn connections(&self) -> ConnectionCounts {
        let Connections { open, accepted, turned_away, refused } = &self.connections;
        ConnectionCounts {
            open: open.load(Ordering::Relaxed),
            accepted: accepted.load(Ordering::Relaxed),
            turned_away: turned_away.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }

    fn thread(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

impl Connections {
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Dispatcher {
    fn new(now: Moment) -> Dispatcher {
        Dispatcher { work: Mutex::new(Work { now: Doing::Nothing, since: now, is_closed: false }) }
    }

    /// It answers a request; one that is none of the port's actions has no name.
    pub(super) fn begin(&self, action: Option<&'static str>, client: IpAddr) {
        let (since, begun) = (Moment::now(), Instant::now());
        let mut work = self.work.lock();
        work.now = Doing::Answering { action: action.unwrap_or(NO_ACTION), client, begun, stop: None };
        work.since = since;
    }

    /// The flag of the request that it answers: set if the request is cancelled or the port closes.
    pub(super) fn stop_flag(&self) -> StopFlag {
        let mut work = self.work.lock();
        let is_closed = work.is_closed;
        let flag = match &mut work.now {
            Doing::Answering { stop, .. } => stop.get_or_insert_with(StopFlag::new).clone(),
            Doing::Nothing => StopFlag::new(),
        };
        drop(work);
        // Closed later than this was asked, the port has seen the flag.
        if is_closed {
            flag.set();
        }
        flag
    }

    fn leave(&self, thread: usize, now: Moment) -> Option<Begun> {
        let mut work = self.work.lock();
        let at = std::mem::replace(&mut work.since, now);
        let done = std::mem::replace(&mut work.now, Doing::Nothing);
        drop(work);
        match done {
            Doing::Answering { action, client, begun, .. } => Some(Begun { action, client, at, clock: begun, thread }),
            Doing::Nothing => None,
        }
    }

    fn state(&self, number: usize, name: String) -> DispatcherState {
        let work = self.work.lock();
        let answering = match &work.now {
            Doing::Answering { action, client, stop, .. } => {
                Some(Answering { action, client: *client, is_cancellable: stop.is_some() })
            }
            Doing::Nothing => None,
        };
        DispatcherState { number, name, since: work.since, answering }
    }

    fn cancel(&self, name: &str) -> Result<Answering, CancelError> {
        let (cancelled, flag) = match &self.work.lock().now {
            Doing::Nothing => return Err(CancelError::Idle(name.to_owned())),
            Doing::Answering { action, stop: None, .. } => {
                return Err(CancelError::WaitsForNothing { action, name: name.to_owned() });
            }
            Doing::Answering { action, client, stop: Some(flag), .. } => {
                (Answering { action, client: *client, is_cancellable: true }, flag.clone())
            }
        };
        // It is the flag of this one request: the next one on this thread has another.
        flag.set();
        Ok(cancelled)
    }

    fn close(&self) {
        let flag = {
            let mut work = self.work.lock();
            work.is_closed = true;
            match &work.now {
                Doing::Answering { stop, .. } => stop.clone(),
                Doing::Nothing => None,
            }
        };
        if let Some(flag) = flag {
            flag.set();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::past::{BYTES_MAX, ENTRIES_MAX, URL_BYTES_MAX};
    use super::*;
    use std::net::Ipv4Addr;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn asked(target: &str, body: &str) -> Asked {
        let content_type = (!body.is_empty()).then(|| "application/x-www-form-urlencoded".to_owned());
        Asked { target: target.to_owned(), content_type, body: body.into() }
    }

    fn request(journal: &Journal, thread: usize, action: Option<&'static str>, asked: Asked, is_error: bool) {
        journal.dispatcher(thread).begin(action, CLIENT);
        journal.end(journal.leave(thread).as_ref(), asked, is_error);
    }

    #[test]
    fn the_latest_requests_are_told_with_their_secrets_masked() {
        let journal =
            Journal::new("aci", 2).telling(|name| ["AuthPassword", "Token", "Url", "Cookie0"].contains(&name));
        request(&journal, 1, Some("Fetch"), asked("/action=fetch&AuthPassword=x&Token=ab%2B&Passwrod=x", ""), false);
        request(&journal, 2, Some("Fetch"), asked("/?a=Fetch", "Url=http://me:pw@h/&Cookie0=id=7"), false);
        request(&journal, 2, None, asked("/favicon.ico", ""), true);
        request(&journal, 1, Some("Fetch"), asked("/a=Fetch", &format!("Config={}", "x".repeat(5000))), true);
        let told = journal.latest(3);
        let lines: Vec<_> = told.iter().map(|each| (each.thread, each.is_error, each.request.as_str())).collect();
        assert_eq!(
            lines,
            [
                (2, false, "action=Fetch&Url=http%3A%2F%2Fme%3A****%40h%2F&Cookie0=****"),
                (2, true, "action=&favicon.ico="),
                (1, true, "action=Fetch (and a body of 5007 bytes)"),
            ]
        );
        assert_eq!(journal.latest(usize::MAX)[0].request, "action=fetch&AuthPassword=****&Token=ab%2B&Passwrod=****");
        assert_eq!((told[0].action.as_str(), told[0].client), ("FETCH", CLIENT));
        let counts: Vec<_> =
            journal.counts().iter().map(|count| (count.action, count.requests, count.errors)).collect();
        assert_eq!(counts, [("Fetch", 3, 1), (NO_ACTION, 1, 1)]);
    }

    #[test]
    fn what_is_kept_has_a_limit_in_number_and_in_bytes() {
        let journal = Journal::new("aci", 1).telling(|name| ["Url", "n"].contains(&name));
        let long = format!("/action=Fetch&Url=http://me:secret@{}", "h".repeat(100_000));
        request(&journal, 1, None, asked(&long, ""), false);
        let told = &journal.latest(1)[0].request;
        assert!(told.len() <= URL_BYTES_MAX + 100 && !told.contains("secret"), "{told}");
        assert!(told.starts_with("action=Fetch&Url=http%3A%2F%2Fme%3A****%40hhh"), "{told}");
        for number in 0..2 * ENTRIES_MAX {
            request(&journal, 1, Some("GetPid"), asked(&format!("/a=GetPid&n={number}"), ""), false);
        }
        let told = journal.latest(usize::MAX);
        assert_eq!((told.len(), told[0].request.as_str()), (ENTRIES_MAX, "action=GetPid&n=1000"));
        for _ in 0..ENTRIES_MAX {
            request(&journal, 1, Some("GetPid"), asked(&long[..URL_BYTES_MAX], ""), false);
        }
        let past = journal.past.lock();
        assert!(past.bytes <= BYTES_MAX && past.entries.len() < ENTRIES_MAX, "{} {}", past.bytes, past.entries.len());
        assert_eq!(past.bytes, past.entries.iter().map(Entry::bytes).sum::<usize>());
    }

    #[test]
    fn only_what_waits_is_cancelled_and_only_once() {
        let journal = Journal::new("aci", 2);
        let (first, second) = (journal.dispatcher(1), journal.dispatcher(2));
        assert_eq!(journal.cancel(3), Err(CancelError::NoSuchThread(2)));
        assert_eq!(journal.cancel(0), Err(CancelError::NoSuchThread(2)));
        assert_eq!(journal.cancel(1), Err(CancelError::Idle("aci-1".to_owned())));
        first.begin(Some("GetPid"), CLIENT);
        let name = "aci-1".to_owned();
        assert_eq!(journal.cancel(1), Err(CancelError::WaitsForNothing { action: "GetPid", name }));
        second.begin(Some("View"), CLIENT);
        let flag = second.stop_flag();
        assert_eq!(journal.cancel(2).map(|cancelled| cancelled.action), Ok("View"));
        assert!(flag.is_set() && !first.stop_flag().is_set());

        journal.end(journal.leave(2).as_ref(), asked("/a=View", ""), true);
        second.begin(Some("View"), CLIENT);
        let next = second.stop_flag();
        assert!(!next.is_set(), "the next request is another");
        journal.end_waits();
        assert!(next.is_set() && first.stop_flag().is_set(), "also what comes after");
    }

    #[test]
    fn a_dispatcher_tells_what_it_is_busy_with() {
        let journal = Journal::new("service", 1);
        let state = || journal.dispatchers().remove(0);
        assert_eq!((state().name.as_str(), state().answering), ("service-1", None));
        journal.dispatcher(1).begin(Some("Stop"), CLIENT);
        let answering = Answering { action: "Stop", client: CLIENT, is_cancellable: false };
        assert_eq!(state().answering, Some(answering));
        journal.end(journal.leave(1).as_ref(), asked("/a=Stop", ""), false);
        assert_eq!(state().answering, None);
    }
}
