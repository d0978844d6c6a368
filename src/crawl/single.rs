//! Single pages that somebody names: fetched one after the other, without a frontier and without following links.
//!
//! As polite as a crawl: robots.txt is obeyed, requests to one host are a delay apart, what may pass is tried again.
//! Decides nothing about documents. Keeps what it has learnt of hosts as long as it lives, which is one action.

use super::datastore::PageIds;
use super::frontier::Rules;
use super::login::Denied;
use super::page::Page;
use super::visitor::{self, Failure, RobotsAnswer};
use super::{Settings, robots};
use crate::client::{self, Client, ClientError, Conditions, Response};
use crate::stop::{StopFlag, Stopped};
use crate::time::Moment;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Fetches single pages under the settings of one task.
pub struct Singles<'a> {
    settings: &'a Settings,
    client: Client,
    stop: &'a StopFlag,
    /// By origin; one entry for each that a named page is on.
    rules: HashMap<String, Rules>,
    turns: Arc<Turns>,
}

/// When the next request may leave for each host. One page at a time is fetched; the lock is for the client, which asks as
/// well, for what a page needs beyond its first request.
struct Turns {
    delay: Duration,
    stop: StopFlag,
    hosts: Mutex<HashMap<String, Pace>>,
}

#[derive(Clone, Copy)]
struct Pace {
    due_at: Instant,
    delay: Duration,
}

impl Turns {
    fn pace(&self, host: &str) -> Pace {
        let first = || Pace { due_at: Instant::now(), delay: self.delay };
        self.hosts.lock().get(host).copied().unwrap_or_else(first)
    }

    fn wait(&self, url: &Url) -> Result<(), Stopped> {
        let host = crate::url::host_key(url);
        let pace = self.pace(host);
        self.stop.sleep(pace.due_at.saturating_duration_since(Instant::now()))?;
        let due_at = Instant::now() + pace.delay;
        self.hosts.lock().insert(host.to_owned(), Pace { due_at, ..pace });
        Ok(())
    }

    /// The host wants so much time between two requests.
    fn slow_down(&self, host: &str, delay: Duration) {
        let mut pace = self.pace(host);
        pace.delay = pace.delay.max(delay);
        pace.due_at = pace.due_at.max(Instant::now() + pace.delay);
        self.hosts.lock().insert(host.to_owned(), pace);
    }
}

/// A page as it was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Where it was found, after redirects.
    pub url: Url,
    pub response: Response,
}

/// A page that was fetched and read.
#[derive(Debug)]
pub struct Single {
    pub page: Page,
    /// As it was sent.
    pub body: Vec<u8>,
    /// As the task shapes it, if it wants the markup of pages in the index.
    pub markup: Option<Vec<u8>>,
    /// The server's `Last-Modified`, as it said it.
    pub modified: Option<String>,
    /// Whether the task lets it become a document.
    pub ingests: bool,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SingleError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The server says that there is none (404 or 410).
    #[error("HTTP status {0}")]
    Gone(u16),
    #[error("{0}")]
    Failed(String),
}

/// Whether a redirect may be followed to a URL, or why not.
pub type Admits<'f> = dyn Fn(&Url) -> Result<(), String> + 'f;

impl<'a> Singles<'a> {
    pub fn new(settings: &'a Settings, stop: &'a StopFlag) -> Singles<'a> {
        let turns = Turns { delay: settings.page_delay, stop: stop.clone(), hosts: Mutex::default() };
        let turns = Arc::new(turns);
        let client = Client::new(&settings.client, stop).with_turns(Arc::new({
            let turns = Arc::clone(&turns);
            move |url| turns.wait(url)
        }));
        Singles { settings, client, stop, rules: HashMap::new(), turns }
    }

    /// Fetches a page, follows its redirects as far as `admits` lets it, and reads it.
    pub fn visit(&mut self, url: &Url, admits: &Admits<'_>) -> Result<Single, SingleError> {
        let asked_at = Moment::now();
        let fetched = follow(url, self.settings.redirects_max, admits, |at| self.get(at))?;
        let Fetched { url: at, response } = fetched;
        // The links become fields at most: no datastore is asked about them.
        let reading = visitor::read(self.settings, self.stop, PageIds::default(), &at, &response, asked_at)?;
        let visitor::Reading { page, file: markup, modified, ingests, .. } = reading;
        Ok(Single { page, body: response.body, markup, modified, ingests })
    }

    /// One request, and further ones if it failed for a passing reason.
    fn get(&mut self, url: &Url) -> Result<Response, SingleError> {
        self.ask_robots(url)?;
        let (mut tries, mut is_cookie_check) = (0, false);
        loop {
            self.turns.wait(url)?;
            let fetched = visitor::fetch(self.settings, &self.client, self.stop, url, &Conditions::default());
            let failure = match fetched {
                Ok(response) if !is_cookie_check && visitor::is_cookie_check(url, &response) => {
                    is_cookie_check = true;
                    continue;
                }
                Ok(response) => {
                    let failure = visitor::refused(&response);
                    if !failure.transient {
                        return Ok(response);
                    }
                    failure
                }
                Err(Denied::Client(ClientError::Stopped)) => return Err(Stopped.into()),
                Err(Denied::Client(error)) => Failure::from(&error),
                Err(Denied::Login(why)) => return Err(SingleError::Failed(why)),
            };
            if !failure.transient || tries >= self.settings.retries_max {
                return Err(SingleError::Failed(failure.why));
            }
            let pause = self.settings.retry_delay * 2_u32.pow(tries.min(10));
            self.stop.sleep(pause.max(failure.retry_after.unwrap_or_default()))?;
            tries += 1;
        }
    }

    fn ask_robots(&mut self, url: &Url) -> Result<(), SingleError> {
        let origin = crate::url::origin(url);
        if !self.rules.contains_key(origin) {
            let rules = if self.settings.follow_robots { self.find_rules(origin)? } else { Rules::None };
            if let Rules::Robots(robots) = &rules
                && let Some(delay) = robots.crawl_delay()
            {
                self.turns.slow_down(crate::url::host_key(url), delay.min(robots::CRAWL_DELAY_MAX));
            }
            self.rules.insert(origin.to_owned(), rules);
        }
        match self.rules.get(origin) {
            Some(Rules::Robots(rules)) if !rules.allows(url) => {
                Err(SingleError::Failed("disallowed by robots.txt".to_owned()))
            }
            Some(Rules::Unreachable(why)) => Err(SingleError::Failed(format!("robots.txt cannot be had: {why}"))),
            _ => Ok(()),
        }
    }

    /// The rules of `origin`, wherever its robots.txt is redirected to.
    fn find_rules(&mut self, origin: &str) -> Result<Rules, Stopped> {
        let mut url = format!("{origin}/robots.txt");
        let (mut hops, mut tries) = (0, 0);
        loop {
            if let Ok(url) = Url::parse(&url) {
                self.turns.wait(&url)?;
            }
            let answer = visitor::ask_robots(self.settings, &self.client, &url);
            self.stop.check()?;
            match answer {
                RobotsAnswer::Rules(rules) => return Ok(Rules::Robots(Arc::new(rules))),
                RobotsAnswer::Moved(target) if hops < robots::REDIRECTS_MAX => {
                    hops += 1;
                    url = target.into();
                }
                RobotsAnswer::AllowAll | RobotsAnswer::Moved(_) => return Ok(Rules::None),
                RobotsAnswer::Failed(failure) if failure.transient && tries < self.settings.retries_max => {
                    let pause = self.settings.retry_delay * 2_u32.pow(tries.min(10));
                    self.stop.sleep(pause.max(failure.retry_after.unwrap_or_default()))?;
                    tries += 1;
                }
                RobotsAnswer::Failed(failure) => return Ok(Rules::Unreachable(Arc::from(failure.why))),
            }
        }
    }
}

/// Fetches one page for somebody who waits for it: no robots.txt, since no robot asks; no second try; and whatever the
/// servers do, it is over after `time_max`.
pub fn fetch_now(
    settings: &client::Settings,
    redirects_max: u32,
    url: &Url,
    admits: &Admits<'_>,
    time_max: Duration,
    stop: &StopFlag,
) -> Result<Fetched, SingleError> {
    let ends_at = Instant::now() + time_max;
    follow(url, redirects_max, admits, |at| {
        let page_timeout = ends_at.saturating_duration_since(Instant::now());
        if page_timeout.is_zero() {
            return Err(SingleError::Failed(format!("there was no page after {} s", time_max.as_secs())));
        }
        let client = Client::new(&client::Settings { page_timeout, ..settings.clone() }, stop);
        client.get(at, &Conditions::default()).map_err(|error| match error {
            ClientError::Stopped => Stopped.into(),
            error => SingleError::Failed(error.to_string()),
        })
    })
}

/// Asks for `url`, and for where it is redirected to, until there is a whole page.
fn follow(
    url: &Url,
    redirects_max: u32,
    admits: &Admits<'_>,
    mut get: impl FnMut(&Url) -> Result<Response, SingleError>,
) -> Result<Fetched, SingleError> {
    let failed = |why: String| Err(SingleError::Failed(why));
    let mut at = url.clone();
    for _ in 0..=redirects_max {
        let response = get(&at)?;
        match response.status {
            200..=299 if response.truncated => {
                return failed("it is larger than MaxPageSize".to_owned());
            }
            200..=299 => return Ok(Fetched { url: at, response }),
            301 | 302 | 303 | 307 | 308 => {
                let Some(location) = response.headers.get("location") else {
                    return failed("redirect without a Location".to_owned());
                };
                let Some(target) = crate::url::join(&at, location) else {
                    return failed(format!("redirect to \"{location}\", which is no web address"));
                };
                if let Err(why) = admits(&target) {
                    return failed(format!("redirect to {target}: {why}"));
                }
                at = target;
            }
            status @ (404 | 410) => return Err(SingleError::Gone(status)),
            status => return failed(format!("HTTP status {status}")),
        }
    }
    failed("too many redirects one after the other".to_owned())
}
