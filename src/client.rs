//! The HTTP client: one request, one whole response, under a [`StopFlag`], a deadline and a size.
//!
//! It owns its connections, the cookies that they brought, the threads that resolve names, and nothing else. It follows
//! no redirect and does not know what a page is. It answers a server that wants credentials, undoes content codings, and
//! goes through proxies. Once the flag is set, whatever a request is doing ends at once and its result is
//! [`ClientError::Stopped`].

mod auth;
mod body;
mod coding;
mod connection;
mod connector;
mod cookies;
mod error;
mod extra;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod home;
mod names;
mod pool;
mod proxy;
mod reach;
mod request;
mod response;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;

pub use cookies::Cookie;
pub use error::{ClientError, Phase};
pub use extra::{BadHeader, ExtraHeader};
pub use home::{Credentials, Home, Secret};
pub(crate) use names::{Asker, Names, NamesError};
pub use proxy::{NoProxy, Proxies, Proxy, ProxyKind};
pub use reach::Reach;
pub use response::{Headers, Response};
pub use tls::{Check, Enabled, Identity, Tls, Trust};

use crate::pause::PauseGate;
use crate::stop::{StopFlag, Stopped};
use ::url::Url;
use auth::Auth;
use connection::Connection;
use connector::Connector;
use cookies::Jar;
use head::Head;
use pool::Pool;
use request::{Fields, Request, is_value};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tls::TlsConnector;

/// What a server is told that we take. Pages first: some servers choose by it.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const TIMEOUT_MAX: Duration = Duration::from_hours(24);
/// Times that one request is sent: without credentials, with them, and with those for a new nonce.
const SENT_MAX: usize = 3;

/// What all requests of a [`Client`] share.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Control characters, which no header can carry, are left out.
    pub user_agent: String,
    /// For resolving the name, and again for connecting with TLS. At most a day, as the next one: a clock holds no more
    /// than so many years.
    pub connect_timeout: Duration,
    /// From the start of the request to the end of the body.
    pub page_timeout: Duration,
    /// Of the decoded body; more is cut off.
    pub body_bytes_max: u64,
    /// Connections kept open between requests, of all hosts together.
    pub idle_connections_max: usize,
    pub tls: Tls,
    pub proxies: Proxies,
    pub reach: Reach,
    /// Where the credentials go, and those of the headers that are not for everyone.
    pub home: Home,
    pub credentials: Option<Credentials>,
    pub headers: Vec<ExtraHeader>,
    /// Those to begin with; `None` takes and sends none at all.
    pub cookies: Option<Vec<Cookie>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            user_agent: concat!("webconnector/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            page_timeout: Duration::from_secs(30),
            body_bytes_max: 10 * 1024 * 1024,
            idle_connections_max: 16,
            tls: Tls::default(),
            proxies: Proxies::default(),
            reach: Reach::default(),
            home: Home::default(),
            credentials: None,
            headers: Vec::new(),
            cookies: Some(Vec::new()),
        }
    }
}

/// Asks for a body only if it is another one than last time. A condition that no header can carry is left out, which
/// costs a transfer and no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The `ETag` of the copy at hand, as it came.
    pub etag: Option<String>,
    /// The `Last-Modified` of the copy at hand, as it came.
    pub modified_since: Option<String>,
}

/// Waits until one request more may leave for a URL's host, or for a stop.
pub type Turns = dyn Fn(&Url) -> Result<(), Stopped> + Send + Sync;

/// Sends requests over a pool of connections that all clones share. Made for one running action, whose flag it obeys.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    connector: Arc<Connector>,
    pool: Arc<Pool>,
    stop: StopFlag,
    /// Open, unless the client was made with another one.
    pause: PauseGate,
    /// Asked before every request that a caller did not ask for itself: without it, such ones leave at once.
    turns: Option<Arc<Turns>>,
    user_agent: String,
    page_timeout: Duration,
    body_bytes_max: u64,
    home: Home,
    headers: Vec<ExtraHeader>,
    auth: Arc<Auth>,
    jar: Arc<Jar>,
}

impl Client {
    pub fn new(settings: &Settings, stop: &StopFlag) -> Client {
        Client::with_names(settings, stop, &PauseGate::default(), Names::system())
    }

    /// A client whose requests wait while `pause` is closed. The time of a request begins when it may leave.
    pub fn paused_by(settings: &Settings, stop: &StopFlag, pause: &PauseGate) -> Client {
        Client::with_names(settings, stop, pause, Names::system())
    }

    /// The same client with another limit for bodies; it shares the connections and the cookies.
    #[must_use]
    pub fn with_body_bytes_max(&self, body_bytes_max: u64) -> Client {
        Client(Arc::new(Inner { body_bytes_max, ..(*self.0).clone() }))
    }

    /// The same client, which sends what a page needs beyond its first request (again with credentials, a login) only when
    /// `turns` lets it: the caller has spoken with the host's pace for one request alone.
    #[must_use]
    pub fn with_turns(&self, turns: Arc<Turns>) -> Client {
        Client(Arc::new(Inner { turns: Some(turns), ..(*self.0).clone() }))
    }

    /// Waits until one request more may leave for the host of `url`.
    pub fn wait_for_turn(&self, url: &Url) -> Result<(), ClientError> {
        self.0.wait_for_turn(url)
    }

    /// Asks for `url`. Any status is a response, redirects too.
    pub fn get(&self, url: &Url, conditions: &Conditions) -> Result<Response, ClientError> {
        let mut fields = Fields::default();
        if let Some(etag) = &conditions.etag {
            fields.add("If-None-Match", etag);
        }
        if let Some(date) = &conditions.modified_since {
            fields.add("If-Modified-Since", date);
        }
        self.0.perform(url, &fields, None)
    }

    /// Sends `body`. Never sent twice: if the server closed a kept connection at that moment, the error is transient
    /// and the caller knows whether repeating does harm.
    pub fn post(&self, url: &Url, content_type: &str, body: &[u8]) -> Result<Response, ClientError> {
        if !is_value(content_type) {
            let why = format!("{content_type:?} cannot be a content type");
            return Err(ClientError::Url { url: url.to_string(), why });
        }
        let mut fields = Fields::default();
        fields.add("Content-Type", content_type);
        self.0.perform(url, &fields, Some(body))
    }

    fn with_names(settings: &Settings, stop: &StopFlag, pause: &PauseGate, names: Arc<Names>) -> Client {
        let connector = Connector {
            stop: stop.clone(),
            names,
            asker: Asker::new(),
            proxies: settings.proxies.clone(),
            reach: settings.reach,
            tls: TlsConnector::new(settings.tls.clone()),
            timeout: settings.connect_timeout.min(TIMEOUT_MAX),
        };
        Client(Arc::new(Inner {
            connector: Arc::new(connector),
            pool: Arc::new(Pool::new(settings.idle_connections_max)),
            stop: stop.clone(),
            pause: pause.clone(),
            turns: None,
            user_agent: settings.user_agent.chars().filter(|c| !c.is_control()).collect(),
            page_timeout: settings.page_timeout.min(TIMEOUT_MAX),
            body_bytes_max: settings.body_bytes_max,
            home: settings.home.clone(),
            headers: settings.headers.clone(),
            auth: Arc::new(Auth::new(settings.credentials.clone(), settings.home.clone())),
            jar: Arc::new(Jar::new(settings.cookies.clone())),
        }))
    }
}

impl Inner {
    /// A POST where there is a body.
    fn perform(&self, url: &Url, fields: &Fields, body: Option<&[u8]>) -> Result<Response, ClientError> {
        let stopped = |_| ClientError::Stopped;
        self.pause.pass(&self.stop).map_err(stopped)?;
        let result = self.exchange(url, fields, body);
        // Asked before anything is believed: a shut down socket ends like a server that has said all it had to say.
        self.stop.check().map_err(stopped)?;
        result
    }

    /// One request and its response, which is had with credentials where the server wants some and we have them.
    fn exchange(&self, url: &Url, fields: &Fields, body: Option<&[u8]>) -> Result<Response, ClientError> {
        let mut deadline = Instant::now() + self.page_timeout;
        let mut sent = 0;
        loop {
            let mut request = Request { url, fields: fields.clone(), body };
            let said = self.auth.say(request.method(), url);
            self.add_fields(&mut request.fields, url, said.header.as_deref());
            let response = self.attempt(&request, deadline)?;
            self.jar.keep(url, &response.headers, SystemTime::now());
            sent += 1;
            if response.status != 401 || sent == SENT_MAX || !self.auth.refused(url, &response.headers, &said) {
                return Ok(response);
            }
            let waits_since = Instant::now();
            self.wait_for_turn(url)?;
            // What the host wants is not taken from the time that it has.
            deadline += waits_since.elapsed();
        }
    }

    fn wait_for_turn(&self, url: &Url) -> Result<(), ClientError> {
        let granted = self.turns.as_ref().map_or_else(|| self.stop.check(), |turns| turns(url));
        granted.map_err(|_| ClientError::Stopped)
    }

    /// On a new connection if the one that was kept had been given up by the server meanwhile.
    fn attempt(&self, request: &Request<'_>, deadline: Instant) -> Result<Response, ClientError> {
        if let Some(mut kept) = self.pool.take(crate::url::origin(request.url)) {
            kept.set_deadline(deadline);
            match kept.exchange(request) {
                Err(ClientError::Broken { .. }) if kept.is_stale() && request.body.is_none() => {}
                head => return self.receive(kept, head?, request.url),
            }
        }
        let mut connection = self.connector.open(request.url, deadline)?;
        let head = connection.exchange(request)?;
        self.receive(connection, head, request.url)
    }

    /// The response that begins with `head`. What can carry another is kept.
    fn receive(&self, mut connection: Connection, head: Head, url: &Url) -> Result<Response, ClientError> {
        let (response, is_free) = body::receive(&mut connection, head, self.body_bytes_max, &self.stop)?;
        if is_free {
            self.pool.put(crate::url::origin(url), connection);
        }
        Ok(response)
    }

    fn add_fields(&self, fields: &mut Fields, url: &Url, authorization: Option<&str>) {
        fields.add("User-Agent", &self.user_agent);
        if !self.headers.iter().any(|extra| extra.name.eq_ignore_ascii_case("accept")) {
            fields.add("Accept", ACCEPT);
        }
        fields.add("Accept-Encoding", coding::ACCEPTED);
        let is_home = self.home.includes(url);
        for extra in self.headers.iter().filter(|extra| is_home || extra.is_public()) {
            // What the server asked for is the better answer.
            if authorization.is_none() || !extra.name.eq_ignore_ascii_case("authorization") {
                fields.add(&extra.name, extra.value.reveal());
            }
        }
        if let Some(text) = self.jar.field(url, SystemTime::now()) {
            fields.add("Cookie", &text);
        }
        if let Some(text) = authorization {
            fields.add("Authorization", text);
        }
    }
}
