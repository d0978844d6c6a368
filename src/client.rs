//! The HTTP client: one request, one whole response, under a [`StopFlag`], a deadline and a size.
//!
//! It owns its connections, the cookies that they brought, the threads that resolve names, and nothing else. It follows
//! no redirect and does not know what a page is. It answers a server that wants credentials, undoes content codings, and
//! goes through proxies. Once the flag is set, whatever a request is doing ends at once and its result is
//! [`ClientError::Stopped`].

mod auth;
mod body;
mod coding;
mod cookies;
mod error;
mod extra;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod home;
mod names;
mod proxy;
mod reach;
mod response;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

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
use cookies::Jar;
use error::Stale;
use socket::{FlaggedConnector, FlaggedResolver};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tls::TlsConnector;
use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::{self, HeaderMap, HeaderValue, Method, Request, header};

/// What a server is told that we take. Pages first: some servers choose by it.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// Room for reading, per connection; also more than a whole head may need.
const INPUT_BYTES: usize = 32 * 1024;
/// Room for writing, per connection. A request's longest line (its URL) must fit.
const OUTPUT_BYTES: usize = 16 * 1024;
/// Largest response head. Less than the room for reading, so that a longer one is seen to be so.
const HEAD_BYTES_MAX: usize = INPUT_BYTES - 1;
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
    agent: Agent,
    stop: StopFlag,
    /// Open, unless the client was made with another one.
    pause: PauseGate,
    /// Asked before every request that a caller did not ask for itself: without it, such ones leave at once.
    turns: Option<Arc<Turns>>,
    user_agent: HeaderValue,
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
        let mut fields = HeaderMap::new();
        let mut add = |name, value: &Option<String>| {
            if let Some(Ok(value)) = value.as_deref().map(|value| HeaderValue::from_bytes(value.as_bytes())) {
                fields.insert(name, value);
            }
        };
        add(header::IF_NONE_MATCH, &conditions.etag);
        add(header::IF_MODIFIED_SINCE, &conditions.modified_since);
        self.0.perform(&Method::GET, url, &fields, &[])
    }

    /// Sends `body`. Never sent twice: if the server closed a kept connection at that moment, the error is transient
    /// and the caller knows whether repeating does harm.
    pub fn post(&self, url: &Url, content_type: &str, body: &[u8]) -> Result<Response, ClientError> {
        let content_type = HeaderValue::from_str(content_type).map_err(|_| ClientError::Url {
            url: url.to_string(),
            why: format!("{content_type:?} cannot be a content type"),
        })?;
        let fields = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        self.0.perform(&Method::POST, url, &fields, body)
    }

    fn with_names(settings: &Settings, stop: &StopFlag, pause: &PauseGate, names: Arc<Names>) -> Client {
        let connect_timeout = settings.connect_timeout.min(TIMEOUT_MAX);
        let page_timeout = settings.page_timeout.min(TIMEOUT_MAX);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .accept(ACCEPT)
            .accept_encoding(AutoHeaderValue::Provided(Arc::new(coding::ACCEPTED.to_owned())))
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(OUTPUT_BYTES)
            .max_response_header_size(HEAD_BYTES_MAX)
            .max_idle_connections(settings.idle_connections_max)
            .max_idle_connections_per_host(settings.idle_connections_max)
            .timeout_global(Some(page_timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout))
            .build();
        let proxies = Arc::new(settings.proxies.clone());
        let connector = FlaggedConnector {
            stop: stop.clone(),
            proxies: Arc::clone(&proxies),
            reach: settings.reach,
            tls: TlsConnector::new(settings.tls.clone()),
        };
        let resolver = FlaggedResolver { names, asker: Asker::new(), proxies, stop: stop.clone() };
        let user_agent: String = settings.user_agent.chars().filter(|c| !c.is_control()).collect();
        Client(Arc::new(Inner {
            agent: Agent::with_parts(config, connector, resolver),
            stop: stop.clone(),
            pause: pause.clone(),
            turns: None,
            user_agent: HeaderValue::from_bytes(user_agent.as_bytes())
                .expect("any text without control characters can be a header's value"),
            page_timeout,
            body_bytes_max: settings.body_bytes_max,
            home: settings.home.clone(),
            headers: settings.headers.clone(),
            auth: Arc::new(Auth::new(settings.credentials.clone(), settings.home.clone())),
            jar: Arc::new(Jar::new(settings.cookies.clone())),
        }))
    }
}

impl Inner {
    fn perform(&self, method: &Method, url: &Url, fields: &HeaderMap, body: &[u8]) -> Result<Response, ClientError> {
        let stopped = |_| ClientError::Stopped;
        self.pause.pass(&self.stop).map_err(stopped)?;
        let result = self.exchange(method, url, fields, body);
        // Asked before anything is believed: a shut down socket ends like a server that has said all it had to say.
        self.stop.check().map_err(stopped)?;
        result
    }

    /// One request and its response, which is had with credentials where the server wants some and we have them.
    fn exchange(&self, method: &Method, url: &Url, fields: &HeaderMap, body: &[u8]) -> Result<Response, ClientError> {
        let mut deadline = Instant::now() + self.page_timeout;
        let mut sent = 0;
        loop {
            let said = self.auth.say(method.as_str(), url);
            let mut fields = fields.clone();
            self.add_fields(&mut fields, url, said.header.as_deref());
            let response = self.attempt(method, url, &fields, body, deadline)?;
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

    /// On a second connection if the first had been given up by the server meanwhile.
    fn attempt(
        &self,
        method: &Method,
        url: &Url,
        fields: &HeaderMap,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Response, ClientError> {
        let left = || Some(deadline.saturating_duration_since(Instant::now()));
        let first = self.agent.configure_request(self.request(method, url, fields)?);
        let head = match self.send(first.timeout_global(left()).build(), body) {
            Err(ureq::Error::Other(other)) if other.is::<Stale>() && method == Method::GET => {
                let again = self.agent.configure_request(self.request(method, url, fields)?);
                // An idle age of zero is no kept connection at all: the others are probably closed as well.
                self.send(again.timeout_global(left()).max_idle_age(Duration::ZERO).build(), body)
            }
            head => head,
        };
        body::receive(
            head.map_err(|error| ClientError::from_ureq(error, Phase::Head))?,
            self.body_bytes_max,
            &self.stop,
        )
    }

    fn add_fields(&self, fields: &mut HeaderMap, url: &Url, authorization: Option<&str>) {
        let is_home = self.home.includes(url);
        for extra in self.headers.iter().filter(|extra| is_home || extra.is_public()) {
            fields.append(extra.name.clone(), extra.value.clone());
        }
        let mut set_secret = |name, text: &str| {
            // Whatever no field can carry was left out before, or is the server's own invention.
            if let Ok(mut value) = HeaderValue::from_bytes(text.as_bytes()) {
                value.set_sensitive(true);
                fields.insert(name, value);
            }
        };
        if let Some(text) = self.jar.field(url, SystemTime::now()) {
            set_secret(header::COOKIE, &text);
        }
        if let Some(text) = authorization {
            set_secret(header::AUTHORIZATION, text);
        }
    }

    fn request(&self, method: &Method, url: &Url, fields: &HeaderMap) -> Result<Request<()>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::USER_AGENT, &self.user_agent)
            .body(())
            .map_err(|error| ClientError::Url { url: url.to_string(), why: error.to_string() })?;
        for (name, value) in fields {
            request.headers_mut().append(name, value.clone());
        }
        Ok(request)
    }

    fn send(&self, request: Request<()>, body: &[u8]) -> Result<http::Response<ureq::Body>, ureq::Error> {
        if request.method() == Method::GET { self.agent.run(request) } else { self.agent.run(request.map(|()| body)) }
    }
}
