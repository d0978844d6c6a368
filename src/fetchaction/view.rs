//! `action=View`: fetches one page live, for somebody who waits for it (web-connector.md 1.1).
//!
//! Only pages of a task are shown: those that its section of the configuration file admits, and those that its
//! datastore knows. Otherwise the connector would be a proxy into every network that it can reach; a configuration that
//! comes along with the request can say how a page is fetched, and not which.

use super::task::{self, PlanError, Sources};
use super::{Settings, named};
use crate::action::Params;
use crate::crawl::{self, DatastoreError, Reader, SingleError};
use crate::stop::StopFlag;
use std::time::Duration;

/// Whatever `PageTimeout` is: a client waits, and so does one of the few threads that answer.
const TIME_MAX: Duration = Duration::from_secs(20);

/// A page as its server sent it.
#[derive(Debug)]
pub struct Viewed {
    pub url: String,
    /// As its server named it, with parameters.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Why there is nothing to view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The page is none of the task's.
    #[error("{0}")]
    NotAdmitted(String),
    #[error("the datastore cannot be read: {0}")]
    Datastore(#[from] DatastoreError),
    #[error("{url} cannot be viewed: {source}")]
    Page { url: String, source: SingleError },
}

pub(super) fn view(settings: &Settings, params: &Params, stop: &StopFlag) -> Result<Viewed, ViewError> {
    let text: String = params.required("Identifier").map_err(PlanError::from)?;
    let (identifier, _, url) = named::locate("Identifier", &text)?;
    let of_config: Params = params.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Config")).collect();
    let manner = task::of_section(settings, &Sources::read(settings, &of_config, &[])?, identifier.section())?;
    let of_file = Sources::read(settings, &Params::default(), &[])?;
    let is_configured = of_file.section(identifier.section()).is_some();
    let task = task::of_section(settings, &of_file, identifier.section())?;
    let known = Reader::open(&task.datastore)?;
    let admits = |url: &url::Url| named::admits(&task, is_configured, known.as_ref(), url);
    admits(&url).map_err(|why| ViewError::NotAdmitted(format!("{url} is not shown: {why}")))?;

    let crawl::Settings { client, redirects_max, .. } = &manner.crawl;
    let time_max = client.page_timeout.min(TIME_MAX);
    let fetched = crawl::fetch_now(client, *redirects_max, &url, &admits, time_max, stop)
        .map_err(|source| ViewError::Page { url: url.to_string(), source })?;
    let content_type = fetched.response.headers.get("content-type").unwrap_or("application/octet-stream").to_owned();
    Ok(Viewed { url: url.to_string(), content_type, bytes: fetched.response.body })
}
