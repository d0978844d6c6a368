//! The loop of a crawl: what is visited next, and what a visit means for the index.

mod batch;
mod hosts;
mod meeting;
mod settling;
mod sitemaps;
mod turns;

use super::datastore::{Begun, Datastore, DatastoreError, Met, PageId};
use super::frontier::{Frontier, Manners, Next};
use super::pace::Pace;
use super::trap::Patterns;
use super::visitor::{self, Done, Errand};
use super::{Change, Deliver, Entries, Settings};
use crate::action::TaskCounts;
use crate::client::Client;
use crate::log::ActionIdScope;
use crate::pause::PauseGate;
use crate::stop::{StopFlag, Stopped};
use batch::{BATCH_PAGES, Batch};
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use meeting::Way;
use sitemaps::SitemapQueue;
use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;
use url::Url;

/// Hosts whose waits are told at the end of a run.
const WAITS_TOLD_MAX: usize = 20;
/// A visitor's deepest recursion is none of ours: regular expressions and TLS are what it has room for.
const VISITOR_STACK_BYTES: usize = 1 << 20;
const LOG: &str = "synchronize";

/// How a crawl came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every page was settled. `doubtful`: something may have been hidden, so nothing was deleted for its absence.
    Complete { doubtful: bool },
    /// `pages_max` was reached; the next action goes on from here.
    Limited,
}

/// Why a crawl ended before its time. What it had delivered is committed, and the next action goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Not one start page was had: the site is out of reach, or the task is not set up right.
    #[error("no start page could be had: {0}")]
    NoStart(String),
    #[error("datastore: {0}")]
    Datastore(#[from] DatastoreError),
    #[error("{0}")]
    Deliver(String),
    #[error("no thread for a visitor: {0}")]
    Thread(std::io::Error),
}

/// Crawls until nothing waits, a limit is reached, or `stop` is set.
///
/// While `pause` is closed no request leaves and no visit is begun. What was being fetched then is finished, delivered and
/// committed, so that a pause may last for days and a kill in it costs nothing.
///
/// `scope_key` stands for everything in `settings` that decides which pages a run reaches and what it reads from
/// them: an open run goes on only under the same key, and validators are only used under the same. However it ends,
/// all that was decided by then is delivered and committed, unless delivering or committing is what failed.
pub fn crawl(
    settings: &Settings,
    scope_key: i64,
    datastore: &mut Datastore,
    counts: &TaskCounts,
    deliver: &mut dyn Deliver,
    stop: &StopFlag,
    pause: &PauseGate,
) -> Result<Ended, CrawlError> {
    let begun = datastore.begin(scope_key, settings.depth_max)?;
    let ids = datastore.ids();
    thread::scope(|scope| {
        let visitors = settings.visitors.max(1);
        // One errand lies ready for each visitor, unless a delay wants requests to leave when they are decided.
        let in_flight_max = if settings.page_delay.is_zero() { visitors * 2 } else { visitors };
        // Both hold whatever is in flight, so neither end ever waits to send.
        let (errands, errands_in) = bounded(in_flight_max);
        let (done_out, done) = bounded(in_flight_max);
        let client =
            Client::paused_by(&settings.client, stop, pause).with_turns(visitor::turns(done_out.clone(), stop.clone()));
        let action_id = ActionIdScope::current();
        for number in 0..visitors {
            let (client, errands_in, done_out) = (client.clone(), errands_in.clone(), done_out.clone());
            let action_id = action_id.clone();
            thread::Builder::new()
                .name(format!("visit-{number}"))
                .stack_size(VISITOR_STACK_BYTES)
                .spawn_scoped(scope, move || {
                    let _scope = ActionIdScope::enter(action_id.as_deref());
                    visitor::visit_all(settings, &client, stop, ids, &errands_in, &done_out);
                })
                .map_err(CrawlError::Thread)?;
        }
        drop(done_out);
        let mut run = Run {
            settings,
            counts,
            stop,
            pause,
            datastore,
            deliver,
            frontier: Frontier::new(Manners {
                delay: settings.page_delay,
                connections_max: settings.host_connections_max,
                pause: settings.retry_delay,
                asks_robots: settings.follow_robots,
            }),
            starts: Starts::default(),
            sitemaps: SitemapQueue::default(),
            patterns: Patterns::new(settings.pattern_pages_max),
            circles: HashSet::new(),
            pace: Pace::new(settings.limits, Instant::now()),
            batch: Batch::new(Instant::now()),
            in_flight: 0,
            in_flight_max,
            errands,
            ready: errands_in,
            turns_wanted: Vec::new(),
            ingested: 0,
        };
        let ended = run.begin(begun).and_then(|()| run.walk(&done)).and_then(|ended| run.end(ended));
        for line in run.frontier.waits(WAITS_TOLD_MAX) {
            log::info!(target: LOG, "{}: {line}", counts.task);
        }
        if let Err(CrawlError::Datastore(_) | CrawlError::Deliver(_)) = ended {
            // What is not delivered or not committed is rolled back: it waits again.
            return ended;
        }
        if stop.is_set() {
            run.datastore.hurry()?;
        }
        run.commit()?;
        let ended = ended?;
        // A stop breaks off a delivery that waits, also the last one: then this is not the end that it seems to be.
        stop.check()?;
        Ok(ended)
    })
}

struct Run<'a> {
    settings: &'a Settings,
    counts: &'a TaskCounts,
    stop: &'a StopFlag,
    pause: &'a PauseGate,
    datastore: &'a mut Datastore,
    deliver: &'a mut dyn Deliver,
    frontier: Frontier,
    starts: Starts,
    sitemaps: SitemapQueue,
    patterns: Patterns,
    /// Sites of which it was told that paths go in circles there.
    circles: HashSet<String>,
    pace: Pace,
    batch: Batch,
    in_flight: usize,
    in_flight_max: usize,
    errands: Sender<Errand>,
    /// Those that no visitor has taken yet.
    ready: Receiver<Errand>,
    /// Visitors that wait for one request more, and for the host of which URL.
    turns_wanted: Vec<(Url, Sender<()>)>,
    /// Documents added or updated by this action.
    ingested: u64,
}

/// Whether the run got anywhere.
#[derive(Default)]
struct Starts {
    ids: HashSet<PageId>,
    reached: bool,
    failure: Option<String>,
}

/// Why the loop hands out no more.
enum Idle {
    /// Until this instant.
    Until(Instant),
    /// Until something in flight comes back.
    Busy,
    /// Nothing waits that may be visited.
    Over,
}

impl Run<'_> {
    fn begin(&mut self, begun: Begun) -> Result<(), CrawlError> {
        let now = Instant::now();
        self.count_patterns()?;
        if begun == Begun::Continued {
            let sites = self.datastore.waiting_sites()?;
            let waiting: u64 = sites.iter().map(|(_, waiting)| waiting).sum();
            self.counts.waiting.store(waiting, Relaxed);
            log::info!(target: LOG, "{}: goes on with the run before, {waiting} pages wait", self.counts.task);
            for (origin, _) in sites {
                let site = self.frontier.site(&origin, now);
                self.frontier.park(site);
            }
        }
        match &self.settings.entries {
            Entries::Starts(starts) => self.begin_at(starts),
            Entries::Listed(pages) => self.begin_with(pages),
            Entries::Sitemaps(sitemaps) => {
                for url in &sitemaps.urls {
                    self.sitemaps.push(url.clone(), 0);
                }
                Ok(())
            }
        }
    }

    fn begin_at(&mut self, starts: &[Url]) -> Result<(), CrawlError> {
        for start in starts {
            if let Err(why) = self.settings.scope.visits(start) {
                log::warn!(target: LOG, "{}: start page {start} is not visited: {why}", self.counts.task);
                self.starts.failure.get_or_insert_with(|| format!("{start}: {why}"));
                self.datastore.set_doubtful()?;
                continue;
            }
            let id = self.datastore.ids().of(start.as_str());
            self.starts.ids.insert(id);
            match self.datastore.meet(id, start.as_str(), 0, 0, None)? {
                Met::New | Met::Sooner => self.enqueue(id, start.as_str())?,
                Met::Known => self.starts.reached |= self.datastore.is_settled(id)?,
            }
        }
        Ok(())
    }

    /// Pages of a list are no starts: the list says which pages there are, and one that fails hides no other.
    fn begin_with(&mut self, pages: &[Url]) -> Result<(), CrawlError> {
        self.starts.reached = true;
        for page in pages {
            if self.settings.scope.visits(page).is_ok() {
                let id = self.datastore.ids().of(page.as_str());
                self.meet(Way { id, url: page.as_str(), depth: 0, hops: 0, from: None })?;
            }
        }
        Ok(())
    }

    fn walk(&mut self, done: &Receiver<Done>) -> Result<Ended, CrawlError> {
        loop {
            self.stop.check()?;
            let paused = self.pause.while_closed();
            // Paused, it only takes in what was on its way.
            let (turn_at, idle) = match paused {
                Some(_) => (None, Idle::Busy),
                None => (self.grant_turns(), self.dispatch()?),
            };
            let resumed = paused.unwrap_or_else(never);
            let wake_at = match idle {
                // Only this loop adds work, so that nothing waiting and nothing in flight is final.
                Idle::Over if self.in_flight == 0 => return self.ending(),
                Idle::Until(at) => Some(at),
                Idle::Busy | Idle::Over => None,
            };
            let ends_at = self.pace.ends_at().filter(|ends_at| *ends_at > Instant::now());
            let wake_at = wake_at.into_iter().chain(turn_at).chain(self.batch.due_at()).chain(ends_at).min();
            let wake = wake_at.map_or_else(never, |at| after(at.saturating_duration_since(Instant::now())));
            select! {
                recv(done) -> done => self.settle(done.expect("visitors outlive the loop"))?,
                recv(wake) -> _ => {}
                recv(resumed) -> _ => {}
                recv(self.stop.signal()) -> _ => return Err(Stopped.into()),
            }
            if self.batch.is_due(Instant::now()) {
                self.commit()?;
            }
        }
    }

    fn ending(&self) -> Result<Ended, CrawlError> {
        let is_more = !self.sitemaps.is_empty() || !self.datastore.waiting_sites()?.is_empty();
        let is_cut = self.pages_left() == 0 || self.pace.is_over(Instant::now());
        let limited = is_cut && is_more;
        if limited { Ok(Ended::Limited) } else { Ok(Ended::Complete { doubtful: self.datastore.is_doubtful()? }) }
    }

    fn pages_left(&self) -> u64 {
        self.settings.pages_max.map_or(u64::MAX, |pages_max| pages_max.saturating_sub(self.ingested))
    }

    /// Hands out what is due, until the visitors have enough.
    fn dispatch(&mut self) -> Result<Idle, CrawlError> {
        loop {
            // No visit is begun whose document could exceed the limit: none is thrown away.
            let left = usize::try_from(self.pages_left()).unwrap_or(usize::MAX);
            let now = Instant::now();
            if left == 0 || self.pace.is_over(now) {
                return Ok(Idle::Over);
            }
            if let Some(at) = self.pace.waits_until(now) {
                return Ok(Idle::Until(at));
            }
            if self.in_flight >= self.in_flight_max.min(left) {
                return Ok(Idle::Busy);
            }
            // A sitemap whose host is not due yet keeps no page waiting.
            let mut sitemap_at = self.sitemaps.wake(now);
            if let Some(url) = self.sitemaps.first() {
                match self.frontier.take_turn(url, now) {
                    Ok(host) => {
                        let errand = self.sitemaps.fetch(host).expect("it is the first of the queue");
                        self.errands.send(errand).expect("visitors outlive the loop");
                        self.in_flight += 1;
                        continue;
                    }
                    Err(due_at) => sitemap_at = sitemap_at.into_iter().chain(due_at).min(),
                }
            }
            self.refill()?;
            let errand = match self.frontier.next(Instant::now()) {
                Next::Visit(visit) => Errand::Page(visit),
                Next::AskRobots(site, url) => Errand::Robots(site, url),
                Next::Skip(visit, skip) => {
                    self.settle_skipped(&visit, &skip)?;
                    if self.batch.is_due(Instant::now()) {
                        self.commit()?;
                    }
                    self.stop.check()?;
                    continue;
                }
                Next::Wait(at) => return Ok(Idle::Until(sitemap_at.map_or(at, |sitemap_at| at.min(sitemap_at)))),
                Next::Empty => return Ok(sitemap_at.map_or(Idle::Over, Idle::Until)),
            };
            self.errands.send(errand).expect("visitors outlive the loop");
            self.in_flight += 1;
        }
    }

    fn refill(&mut self) -> Result<(), CrawlError> {
        while let Some((site, origin, after_seq, limit)) = self.frontier.hungry() {
            let pages = self.datastore.waiting(origin, after_seq, limit)?;
            self.frontier.refill(site, pages, limit);
        }
        Ok(())
    }

    /// Ends a run that is whole: what it has not met is gone.
    fn end(&mut self, ended: Ended) -> Result<Ended, CrawlError> {
        let Ended::Complete { doubtful } = ended else {
            return Ok(ended);
        };
        if !self.starts.reached {
            self.datastore.set_doubtful()?;
            self.datastore.end()?;
            let why = self.starts.failure.take().unwrap_or_else(|| "the task names none".to_owned());
            return Err(CrawlError::NoStart(why));
        }
        if !doubtful {
            self.delete_orphans()?;
        }
        self.datastore.end()?;
        Ok(ended)
    }

    fn delete_orphans(&mut self) -> Result<(), CrawlError> {
        let mut after = None;
        loop {
            self.pause.pass(self.stop)?;
            let orphans = self.datastore.orphans(after, BATCH_PAGES)?;
            let Some(last) = orphans.last() else {
                return Ok(());
            };
            after = Some(last.id);
            for orphan in orphans {
                self.datastore.set_delivered(orphan.id, false)?;
                self.add(orphan.id, Change::Delete { url: orphan.url })?;
            }
            self.commit()?;
        }
    }
}
