//! What a visitor thread does: fetch one page or one robots.txt, and read it into what the loop decides about.
//!
//! Visitors share nothing but read-only settings and the client's connections. They decide nothing that needs the
//! datastore, and end when the loop drops its end of the channel.

use super::datastore::{PageId, PageIds};
use super::datefilter::Judgement;
use super::frontier::{HostId, SiteId, Visit};
use super::linked::Linked;
use super::login::Denied;
use super::page::{self, Page};
use super::robots::{self, Robots};
use super::sitemap::{self, SITEMAP_BYTES_MAX, Sitemap};
use super::{Settings, scope};
use crate::client::{Client, ClientError, Conditions, Response, Turns};
use crate::stop::{StopFlag, Stopped};
use crate::time::Moment;
use crate::url::Base;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use url::Url;

/// A `Retry-After` longer than this is cut to it: a run has to end.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// What the loop asks of a visitor.
pub(super) enum Errand {
    Page(Box<Visit>),
    /// The robots.txt of a site, and where it is.
    Robots(SiteId, String),
    Sitemap(Wanted, HostId),
}

/// A sitemap, how many indexes led to it, how many redirects, and how often it could not be had.
pub(super) struct Wanted {
    pub(super) url: Url,
    pub(super) level: u32,
    pub(super) hops: usize,
    pub(super) tries: u32,
}

/// What a visitor brings back.
pub(super) enum Done {
    Page(Box<Visit>, Outcome),
    Robots(SiteId, RobotsAnswer),
    Sitemap(Wanted, HostId, Result<Sitemap, SitemapFailure>),
    /// Nothing yet: what it was sent for needs one request more, to the host of this URL. It waits for a word on the channel.
    WantsTurn(Url, Sender<()>),
}

/// What came of a request for a robots.txt.
pub(super) enum RobotsAnswer {
    Rules(Robots),
    /// There are none, or they are not to be had and that does not matter.
    AllowAll,
    Moved(Url),
    Failed(Failure),
}

/// Why a sitemap could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SitemapFailure {
    #[error("stopped")]
    Stopped,
    #[error("HTTP status {0}")]
    Gone(u16),
    #[error("it is at {0}")]
    Moved(Url),
    #[error("{}", .0.why)]
    Failed(Failure),
}

/// What came of a visit.
pub(super) enum Outcome {
    Read(Box<Reading>),
    NotModified,
    Moved(Moved),
    /// It redirects to itself with a cookie: so servers find out whether cookies come back.
    CookieCheck,
    /// 404 or 410.
    Gone(u16),
    Failed(Failure),
    Stopped,
}

/// A page that is elsewhere.
pub(super) struct Moved {
    /// The reason if that place is out of scope.
    pub(super) to: Result<(PageId, String), String>,
    /// The server says that it is so for good (301, 308).
    pub(super) permanent: bool,
}

/// A page that was read.
pub(super) struct Reading {
    /// Without its links.
    pub(super) page: Page,
    pub(super) linked: Linked,
    pub(super) conditions: Conditions,
    /// Whether it becomes a document, as far as URL and robots meta say.
    pub(super) ingests: bool,
    pub(super) file: Option<Vec<u8>>,
    pub(super) modified: Option<String>,
    pub(super) asked_at: Moment,
    pub(super) body_bytes: usize,
}

/// Why a page could not be had.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    /// It may pass by itself, so that a visit soon after is worth while.
    pub(super) transient: bool,
    /// The server asks to be left alone for this long.
    pub(super) retry_after: Option<Duration>,
    /// What it says about the whole server, if it does.
    pub(super) trouble: Option<Trouble>,
    /// Whoever brings it to the loop waits until this is dropped, if the server wants a pause: the errand that it would take
    /// next may be to the same one, and the loop can take that back.
    pub(super) heard: Option<Sender<Infallible>>,
}

/// Why a server may fail to answer other requests, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No answer came at all.
    Unreachable,
    /// 429: too many requests.
    TooMany,
    /// 502, 503, 504.
    Unavailable,
}

/// One visitor's life. `ids` belong to the datastore of the loop.
pub(super) fn visit_all(
    settings: &Settings,
    client: &Client,
    stop: &StopFlag,
    ids: PageIds,
    errands: &Receiver<Errand>,
    done: &Sender<Done>,
) {
    for errand in errands {
        let mut answer = match errand {
            Errand::Page(visit) => {
                // A page that makes the reader panic ends its own visit and no more.
                let outcome = catch_unwind(AssertUnwindSafe(|| visit_page(settings, client, stop, ids, &visit)));
                let outcome = outcome.unwrap_or_else(|_| {
                    Outcome::Failed(Failure::lasting("internal error: the page could not be read"))
                });
                Done::Page(visit, outcome)
            }
            Errand::Robots(site, url) => {
                let answer = catch_unwind(AssertUnwindSafe(|| ask_robots(settings, client, &url)));
                let panicked = |_| RobotsAnswer::Failed(Failure::lasting("internal error"));
                Done::Robots(site, answer.unwrap_or_else(panicked))
            }
            Errand::Sitemap(wanted, host) => {
                let sitemap = catch_unwind(AssertUnwindSafe(|| ask_sitemap(client, &wanted.url)));
                let panicked = |_| Err(SitemapFailure::Failed(Failure::lasting("internal error")));
                Done::Sitemap(wanted, host, sitemap.unwrap_or_else(panicked))
            }
        };
        let heard = answer.failure().filter(|failure| failure.wants_pause()).map(|failure| {
            let (heard, until_heard) = bounded(0);
            failure.heard = Some(heard);
            until_heard
        });
        if done.send(answer).is_err() {
            return;
        }
        if let Some(until_heard) = heard {
            let _ = until_heard.recv();
        }
    }
}

impl Done {
    fn failure(&mut self) -> Option<&mut Failure> {
        match self {
            Done::Page(_, Outcome::Failed(failure))
            | Done::Robots(_, RobotsAnswer::Failed(failure))
            | Done::Sitemap(_, _, Err(SitemapFailure::Failed(failure))) => Some(failure),
            _ => None,
        }
    }
}

/// Has the loop say when a request may leave beyond the one that an errand is for.
pub(super) fn turns(done: Sender<Done>, stop: StopFlag) -> Arc<Turns> {
    Arc::new(move |url| {
        let (grant, granted) = bounded(1);
        // There is room: whoever asks has not brought back its errand, and waits.
        done.send(Done::WantsTurn(url.clone(), grant)).map_err(|_| Stopped)?;
        select! {
            recv(granted) -> granted => granted.map_err(|_| Stopped),
            recv(stop.signal()) -> _ => Err(Stopped),
        }
    })
}

fn visit_page(settings: &Settings, client: &Client, stop: &StopFlag, ids: PageIds, visit: &Visit) -> Outcome {
    let asked_at = Moment::now();
    let response = match fetch(settings, client, stop, &visit.url, &visit.page.conditions) {
        Ok(response) => response,
        Err(Denied::Client(ClientError::Stopped)) => return Outcome::Stopped,
        Err(Denied::Client(error)) => return Outcome::Failed(Failure::from(&error)),
        Err(Denied::Login(why)) => return Outcome::Failed(Failure::lasting(&why)),
    };
    match response.status {
        200..=299 => match read(settings, stop, ids, &visit.url, &response, asked_at) {
            Ok(mut reading) => {
                if reading.page.kind == page::Kind::Other {
                    reading.file = Some(response.body);
                }
                Outcome::Read(Box::new(reading))
            }
            Err(Stopped) => Outcome::Stopped,
        },
        304 if visit.page.conditions != Conditions::default() => Outcome::NotModified,
        301..=308 if !visit.is_cookie_check && is_cookie_check(&visit.url, &response) => Outcome::CookieCheck,
        status @ (301 | 302 | 303 | 307 | 308) => Outcome::Moved(Moved {
            to: redirect(settings, ids, visit, &response),
            permanent: matches!(status, 301 | 308),
        }),
        404 | 410 => Outcome::Gone(response.status),
        _ => Outcome::Failed(refused(&response)),
    }
}

/// Asks for a page, from behind the login form if there is one.
pub(super) fn fetch(
    settings: &Settings,
    client: &Client,
    stop: &StopFlag,
    url: &Url,
    conditions: &Conditions,
) -> Result<Response, Denied> {
    match &settings.login {
        Some(login) => login.get(client, stop, url, conditions),
        None => Ok(client.get(url, conditions)?),
    }
}

/// Whether a page sets a cookie and redirects to itself. It is to be asked for once more, with the cookie.
pub(super) fn is_cookie_check(url: &Url, response: &Response) -> bool {
    let sets_cookie = (300..400).contains(&response.status) && response.headers.get("set-cookie").is_some();
    let to = response.headers.get("location").filter(|_| sets_cookie);
    to.and_then(|to| crate::url::join(url, to)).is_some_and(|to| to == *url)
}

/// What a status that brings no page means.
pub(super) fn refused(response: &Response) -> Failure {
    let retry_after = response.headers.get("retry-after").and_then(retry_after);
    Failure {
        why: format!("HTTP status {}", response.status),
        transient: is_transient(response.status),
        retry_after,
        trouble: match response.status {
            429 => Some(Trouble::TooMany),
            502..=504 => Some(Trouble::Unavailable),
            // What it says of itself, whatever the status.
            _ => retry_after.map(|_| Trouble::Unavailable),
        },
        heard: None,
    }
}

/// Reads a page at `url`. The file of one that is no text is its body, which is for the caller to add.
pub(super) fn read(
    settings: &Settings,
    stop: &StopFlag,
    ids: PageIds,
    url: &Url,
    response: &Response,
    asked_at: Moment,
) -> Result<Reading, Stopped> {
    let robots_headers: Vec<&str> = response.headers.all("x-robots-tag").collect();
    let sent = page::Sent {
        body: &response.body,
        content_type: response.headers.get("content-type"),
        robots_headers: &robots_headers,
    };
    let how = page::How {
        agent: &settings.client.user_agent,
        asked_at,
        obeys_robots: settings.follow_robots,
        follows: settings.follows,
        shaping: &settings.shaping,
    };
    let mut page = page::read(sent, how, stop)?;
    let date = settings.dates.find(url, page.date_text.as_deref(), |name| response.headers.get(name));
    let judgement = settings.dates.judge(date, asked_at);
    let is_followed = matches!(judgement, Judgement::Admitted { .. }) || settings.dates.follows;
    page.dated_at = date.map(|date| date.at);
    if let Judgement::Admitted { until: Some(until) } = judgement {
        page.expires_at = Some(page.expires_at.map_or(until, |expires_at| expires_at.min(until)));
    }
    let base = page.base.as_deref().map_or_else(|| url.clone(), |base| crate::url::base(url, base));
    // One elsewhere says nothing about this site.
    let canonical = page.canonical.as_deref().and_then(|canonical| crate::url::join(&base, canonical));
    let canonical = canonical.filter(|canonical| settings.scope.visits(canonical).is_ok());
    let admitted = settings.admission.admits(url, &response.body, &page, canonical.as_ref());
    let mut linked = Linked::new(Base::new(base), std::mem::take(&mut page.links));
    if is_followed && !page.nofollow {
        linked.gather(settings, stop, ids, url)?;
    }
    add_fields(settings, &mut page, response, canonical.as_ref(), &mut linked);
    if let Err(why) = admitted {
        log::debug!(target: "synchronize", "{url} is not ingested: {why}");
    }
    let modified = response.headers.get("last-modified").map(str::to_owned);
    let mut conditions = Conditions {
        etag: response.headers.get("etag").map(str::to_owned),
        // A second back: a change in the second of the request is newer than this.
        modified_since: modified.clone().or_else(|| Some(asked_at.minus_seconds(1).http_date().to_string())),
    };
    if judgement == Judgement::TooNew {
        // "Not modified" is not what is to be said once it is old enough.
        conditions = Conditions::default();
    }
    let is_dated_well = matches!(judgement, Judgement::Admitted { .. });
    let ingests = !page.noindex && is_dated_well && admitted.is_ok() && settings.scope.ingests(url);
    let body_bytes = response.body.len();
    let file = page.markup.take().map(String::into_bytes);
    Ok(Reading { page, linked, conditions, ingests, file, modified, asked_at, body_bytes })
}

/// The fields that need the response or the page's URL. They are no part of what is compared between two visits.
fn add_fields(settings: &Settings, page: &mut Page, response: &Response, canonical: Option<&Url>, linked: &mut Linked) {
    if let Some(canonical) = canonical {
        page.fields.push(("CANONICAL".to_owned(), canonical.to_string()));
    }
    for name in &settings.header_fields {
        let field = format!("HTTP_{}", name.to_ascii_uppercase());
        page.fields.extend(response.headers.all(name).map(|value| (field.clone(), value.to_owned())));
    }
    if settings.link_fields {
        let urls = (0..linked.ids().len()).filter_map(|number| linked.url(number));
        page.fields.extend(urls.map(|url| ("LINK".to_owned(), url)));
    }
}

fn redirect(settings: &Settings, ids: PageIds, visit: &Visit, response: &Response) -> Result<(PageId, String), String> {
    let location = response.headers.get("location").ok_or("redirect without a Location")?;
    let target = crate::url::join(&visit.url, location)
        .ok_or_else(|| format!("redirect to \"{location}\", which is no web address"))?;
    settings.scope.visits(&target).map_err(|why: scope::OutOfScope| format!("redirect to {target}: {why}"))?;
    Ok((ids.of(target.as_str()), target.into()))
}

/// Asks once for a robots.txt.
pub(super) fn ask_robots(settings: &Settings, client: &Client, url: &str) -> RobotsAnswer {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return RobotsAnswer::Failed(Failure::lasting(&error.to_string())),
    };
    // One byte more tells a file that is cut from a whole one.
    let client = client.with_body_bytes_max(robots::ROBOTS_BYTES_MAX as u64 + 1);
    let answer = client.get(&url, &Conditions::default());
    let moved_to = answer.as_ref().ok().and_then(|response| moved_to(&url, response));
    if let Some(target) = moved_to {
        return RobotsAnswer::Moved(target);
    }
    let (status, body) = answer.as_ref().map_or((None, &[][..]), |answer| (Some(answer.status), &answer.body));
    match robots::Verdict::of(status, body, &settings.client.user_agent, settings.on_robots_error) {
        robots::Verdict::Rules(rules) => RobotsAnswer::Rules(rules),
        robots::Verdict::AllowAll => RobotsAnswer::AllowAll,
        robots::Verdict::Unreachable => RobotsAnswer::Failed(match &answer {
            // Whatever it says, it may say something else soon.
            Ok(response) => Failure { transient: true, ..refused(response) },
            // What is refused for good, as an address that is not public, is not asked for again.
            Err(error) => Failure::from(error),
        }),
    }
}

/// Asks once for a sitemap. It may be larger than any page.
fn ask_sitemap(client: &Client, url: &Url) -> Result<Sitemap, SitemapFailure> {
    let lasting = |why: &dyn std::fmt::Display| SitemapFailure::Failed(Failure::lasting(&why.to_string()));
    let response = match client.with_body_bytes_max(SITEMAP_BYTES_MAX as u64).get(url, &Conditions::default()) {
        Ok(response) => response,
        Err(ClientError::Stopped) => return Err(SitemapFailure::Stopped),
        Err(error) => return Err(SitemapFailure::Failed(Failure::from(&error))),
    };
    if let Some(target) = moved_to(url, &response) {
        return Err(SitemapFailure::Moved(target));
    }
    match response.status {
        200..=299 if response.truncated => Err(lasting(&sitemap::NotASitemap::TooLarge)),
        200..=299 => sitemap::read(&response.body).map_err(|why| lasting(&why)),
        status @ (404 | 410) => Err(SitemapFailure::Gone(status)),
        _ => Err(SitemapFailure::Failed(refused(&response))),
    }
}

/// Where a redirect leads.
fn moved_to(url: &Url, response: &Response) -> Option<Url> {
    let location = response.headers.get("location").filter(|_| (300..400).contains(&response.status))?;
    crate::url::join(url, location)
}

fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After` in either form (RFC 9110, 10.2.3).
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

impl Failure {
    fn lasting(why: &str) -> Failure {
        Failure { why: why.to_owned(), transient: false, retry_after: None, trouble: None, heard: None }
    }

    /// The server asks to be left alone.
    fn wants_pause(&self) -> bool {
        self.retry_after.is_some() || self.trouble == Some(Trouble::TooMany)
    }
}

impl From<&ClientError> for Failure {
    fn from(error: &ClientError) -> Failure {
        let transient = error.is_transient();
        let trouble = transient.then_some(Trouble::Unreachable);
        Failure { why: error.to_string(), transient, retry_after: None, trouble, heard: None }
    }
}
