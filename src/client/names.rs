//! Name resolution that can be given up: `getaddrinfo` runs on a few threads of its own, and whoever asks waits for
//! the answer, a deadline or a stop, whichever comes first.
//!
//! There is one [`Names`] for the process, so that however many actions run, a dead name server holds at most
//! [`THREADS_MAX`] threads. A thread inside `getaddrinfo` cannot be woken; it comes back when the system's own resolver
//! gives up (seconds, `resolv.conf`). So these threads are the exception to "whoever starts a thread joins it":
//! they hold a name and nothing else, end when idle, and shutdown does not wait for them.
//!
//! A site can link to any number of names whose servers are silent. So each [`Asker`] gets at most half of the threads and of
//! the places before them that others leave it, and one in any case: half of all, then a quarter, and so on. Names of others
//! are still found while one action waits for its own.

use crate::stop::StopFlag;
use crossbeam_channel::{Sender, bounded, select};
use parking_lot::{Condvar, Mutex};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

const THREADS_MAX: usize = 16;
/// Names that may wait for a thread; more are refused at once.
const QUEUE_MAX: usize = 256;
/// Askers that may wait for one name.
const WAITERS_MAX: usize = 1024;
/// Remembered answers.
const KNOWN_MAX: usize = 1024;
/// How long an answer is believed. Every connection asks, so without this the name server would see every page of a site
/// that keeps none. Failures are not remembered.
const KNOWN_FOR: Duration = Duration::from_mins(1);
const THREAD_IDLE_MAX: Duration = Duration::from_secs(10);

pub(crate) type Addresses = Arc<[IpAddr]>;
type Answer = Result<Addresses, Arc<io::Error>>;
pub(super) type Lookup = Box<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// On whose behalf a name is looked up: one action, mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Asker(u64);

impl Asker {
    /// One that nobody else is.
    pub(crate) fn new() -> Asker {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Asker(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamesError {
    #[error("stopped")]
    Stopped,
    /// No answer within the time given.
    #[error("no name server answers")]
    Timeout,
    /// The resolver's answer, or too many names wait already.
    #[error("{0}")]
    Failed(io::Error),
}

/// The threads and what they know.
pub(crate) struct Names {
    lookup: Lookup,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    hosts: HashMap<Arc<str>, Host>,
    /// Each is `Asked` in `hosts`, first on behalf of this one.
    queue: VecDeque<(Arc<str>, Asker)>,
    /// Names that a thread is looking up, of each asker that has any.
    running: HashMap<Asker, usize>,
    threads: usize,
    idle: usize,
}

enum Host {
    Asked(Vec<Sender<Answer>>),
    Known { addresses: Addresses, until: Instant },
}

static SYSTEM: LazyLock<Arc<Names>> = LazyLock::new(|| Names::new(Box::new(system_lookup)));

impl Names {
    /// The process's resolver.
    pub(crate) fn system() -> Arc<Names> {
        Arc::clone(&SYSTEM)
    }

    pub(super) fn new(lookup: Lookup) -> Arc<Names> {
        Arc::new(Names { lookup, state: Mutex::default(), work: Condvar::new() })
    }

    /// The addresses of `host`, at least one, in the system's order of preference. An address is its own answer.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        host: &str,
        timeout: Duration,
        stop: &StopFlag,
        asker: Asker,
    ) -> Result<Addresses, NamesError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::from([address]));
        }
        let (sender, answer) = bounded(1);
        let start_thread = {
            let mut state = self.state.lock();
            match state.hosts.get_mut(host) {
                Some(Host::Known { addresses, until }) if Instant::now() < *until => return Ok(Arc::clone(addresses)),
                Some(Host::Asked(waiters)) if waiters.len() < WAITERS_MAX => {
                    waiters.push(sender);
                    false
                }
                Some(Host::Asked(_)) => return Err(busy()),
                Some(Host::Known { .. }) | None => state.enqueue(Arc::from(host), sender, asker)?,
            }
        };
        self.work.notify_one();
        if start_thread {
            self.start_thread();
        }
        select! {
            recv(answer) -> answer => match answer {
                Ok(Ok(addresses)) => Ok(addresses),
                Ok(Err(error)) => Err(NamesError::Failed(io::Error::new(error.kind(), error.to_string()))),
                Err(_) => Err(NamesError::Failed(io::Error::other("no thread could be started to resolve it"))),
            },
            recv(stop.signal()) -> _ => Err(NamesError::Stopped),
            default(timeout) => Err(if stop.is_set() { NamesError::Stopped } else { NamesError::Timeout }),
        }
    }

    fn start_thread(self: &Arc<Self>) {
        let names = Arc::clone(self);
        let started = thread::Builder::new().name("names".into()).spawn(move || names.run());
        if started.is_err() {
            let abandoned = {
                let mut state = self.state.lock();
                state.threads -= 1;
                // Nobody else would ever take what waits; the askers see their senders go.
                if state.threads == 0 { state.abandon_queue() } else { Vec::new() }
            };
            drop(abandoned);
        }
    }

    /// Answers names until none has come for [`THREAD_IDLE_MAX`].
    fn run(&self) {
        while let Some((host, asker)) = self.next_host() {
            let answer = match (self.lookup)(&host) {
                Ok(addresses) if addresses.is_empty() => Err(Arc::new(io::Error::other("the name has no address"))),
                Ok(addresses) => Ok(Addresses::from(addresses)),
                Err(error) => Err(Arc::new(error)),
            };
            let waiters = self.state.lock().settle(&host, asker, &answer, Instant::now());
            // This thread takes one of those that this leaves room for. There may be two.
            self.work.notify_one();
            for waiter in waiters {
                // Whoever was stopped or lost patience is not there any more.
                let _ = waiter.try_send(answer.clone());
            }
        }
    }

    fn next_host(&self) -> Option<(Arc<str>, Asker)> {
        let mut state = self.state.lock();
        loop {
            if let Some(next) = state.take() {
                return Some(next);
            }
            state.idle += 1;
            let timed_out = self.work.wait_for(&mut state, THREAD_IDLE_MAX).timed_out();
            state.idle -= 1;
            // Under one lock with the look at the queue, so no name is left behind by the last thread. A name whose asker has
            // its share waits for one of that asker's, whose thread takes it.
            if timed_out && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

impl State {
    /// Has `host` asked for, and says whether a thread is to be started for it.
    fn enqueue(&mut self, host: Arc<str>, waiter: Sender<Answer>, asker: Asker) -> Result<bool, NamesError> {
        let own = self.queue.iter().filter(|(_, of)| *of == asker).count();
        if self.queue.len() >= QUEUE_MAX || !has_share(own, self.queue.len(), QUEUE_MAX) {
            return Err(busy());
        }
        self.hosts.insert(Arc::clone(&host), Host::Asked(vec![waiter]));
        self.queue.push_back((host, asker));
        let start_thread = self.queue.len() > self.idle && self.threads < THREADS_MAX;
        self.threads += usize::from(start_thread);
        Ok(start_thread)
    }

    /// The first name whose asker may have one more thread.
    fn take(&mut self) -> Option<(Arc<str>, Asker)> {
        let all = self.running.values().sum();
        let own = |asker| self.running.get(asker).copied().unwrap_or(0);
        let place = self.queue.iter().position(|(_, asker)| has_share(own(asker), all, THREADS_MAX))?;
        let next = self.queue.remove(place)?;
        *self.running.entry(next.1).or_default() += 1;
        Some(next)
    }

    /// Remembers the answer if it is one, and hands out whoever waits for it.
    fn settle(&mut self, host: &Arc<str>, asker: Asker, answer: &Answer, now: Instant) -> Vec<Sender<Answer>> {
        if let Entry::Occupied(mut running) = self.running.entry(asker) {
            *running.get_mut() -= 1;
            if *running.get() == 0 {
                running.remove();
            }
        }
        let before = self.hosts.remove(host);
        if let Ok(addresses) = answer {
            if self.hosts.len() >= KNOWN_MAX {
                self.hosts.retain(|_, host| matches!(host, Host::Asked(_)));
            }
            let known = Host::Known { addresses: Arc::clone(addresses), until: now + KNOWN_FOR };
            self.hosts.insert(Arc::clone(host), known);
        }
        match before {
            Some(Host::Asked(waiters)) => waiters,
            Some(Host::Known { .. }) | None => Vec::new(),
        }
    }

    fn abandon_queue(&mut self) -> Vec<Host> {
        let queue = std::mem::take(&mut self.queue);
        queue.iter().filter_map(|(host, _)| self.hosts.remove(host)).collect()
    }
}

/// Whether somebody who has `own` of `all` that are taken may take one more: half of what others leave, at least one.
fn has_share(own: usize, all: usize, most: usize) -> bool {
    own == 0 || own < (most + own).saturating_sub(all) / 2
}

fn busy() -> NamesError {
    NamesError::Failed(io::Error::other("too many names wait for the name server"))
}

fn system_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::AtomicUsize;

    const LONG: Duration = Duration::from_secs(30);
    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn an_answer_is_asked_for_once_and_a_failure_again() {
        let lookups = Arc::new(AtomicUsize::new(0));
        let names = Names::new(Box::new({
            let lookups = Arc::clone(&lookups);
            move |host| {
                lookups.fetch_add(1, Ordering::SeqCst);
                if host == "known" { Ok(vec![ADDRESS]) } else { Err(io::Error::other("no such name")) }
            }
        }));
        let (stop, asker) = (StopFlag::new(), Asker::new());
        for _ in 0..3 {
            assert_eq!(names.resolve("known", LONG, &stop, asker).ok().as_deref(), Some(&[ADDRESS][..]));
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
        for _ in 0..2 {
            let answer = names.resolve("unknown", LONG, &stop, asker);
            assert!(matches!(answer, Err(NamesError::Failed(error)) if error.to_string() == "no such name"));
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 3);
        assert_eq!(names.resolve("::1", LONG, &stop, asker).ok().map(|found| found.len()), Some(1));
        assert_eq!(lookups.load(Ordering::SeqCst), 3, "an address is not looked up");
    }

    #[test]
    fn a_stuck_lookup_holds_nobody_who_is_stopped_or_out_of_time() {
        let (entered, entries) = bounded(1);
        let (release, gate) = bounded::<()>(0);
        let names = Names::new(Box::new(move |_| {
            let _ = entered.try_send(());
            let _ = gate.recv();
            Ok(vec![ADDRESS])
        }));
        let stop = StopFlag::new();
        let asker = thread::spawn({
            let (names, stop) = (Arc::clone(&names), stop.clone());
            move || names.resolve("stuck", LONG, &stop, Asker::new())
        });
        assert!(entries.recv().is_ok());
        let hurried = names.resolve("stuck", Duration::from_millis(1), &StopFlag::new(), Asker::new());
        assert!(matches!(hurried, Err(NamesError::Timeout)));
        stop.set();
        assert!(matches!(asker.join(), Ok(Err(NamesError::Stopped))));
        drop(release);
    }

    #[test]
    fn names_beyond_the_queue_are_refused() {
        let (release, gate) = bounded::<()>(0);
        let names = Names::new(Box::new(move |_| {
            let _ = gate.recv();
            Ok(vec![ADDRESS])
        }));
        let refused = (0..=QUEUE_MAX + THREADS_MAX)
            .map(|n| names.resolve(&format!("host{n}"), Duration::ZERO, &StopFlag::new(), Asker::new()))
            .filter(|answer| matches!(answer, Err(NamesError::Failed(_))))
            .count();
        assert!(refused >= 1);
        assert!(names.state.lock().threads <= THREADS_MAX);
        drop(release);
    }

    #[test]
    fn whoever_asks_for_many_leaves_room_for_others() {
        let (release, gate) = bounded::<()>(0);
        let (entered, entries) = bounded(QUEUE_MAX);
        let names = Names::new(Box::new(move |host| {
            if host.starts_with("silent") {
                let _ = entered.try_send(());
                let _ = gate.recv();
            }
            Ok(vec![ADDRESS])
        }));
        let (greedy, stop) = (Asker::new(), StopFlag::new());
        let answers = (0..QUEUE_MAX).map(|n| names.resolve(&format!("silent{n}"), Duration::ZERO, &stop, greedy));
        assert!(answers.filter(|answer| matches!(answer, Err(NamesError::Failed(_)))).count() >= QUEUE_MAX / 4);
        for n in 0..10 {
            let found = names.resolve(&format!("h{n}"), LONG, &stop, Asker::new());
            assert_eq!(found.ok().as_deref(), Some(&[ADDRESS][..]));
        }
        assert_eq!(entries.iter().take(THREADS_MAX / 2).count(), THREADS_MAX / 2);
        assert_eq!(names.state.lock().running.get(&greedy), Some(&(THREADS_MAX / 2)));
        drop(release);
        // And everything that waits has its turn in the end.
        let last = names.resolve("silent100", LONG, &stop, greedy);
        assert_eq!(last.ok().as_deref(), Some(&[ADDRESS][..]));
    }

    #[test]
    fn a_share_is_half_of_what_others_leave() {
        for (own, all, may) in [
            (0, 16, true),
            (7, 7, true),
            (8, 8, false),
            (3, 11, true),
            (4, 12, false),
            (1, 13, true),
            (1, 14, false),
            (1, 99, false),
        ] {
            assert_eq!(has_share(own, all, 16), may, "{own} of {all}");
        }
    }
}
