//! Posts to a target on another host, again after a pause if it does not answer.
//!
//! Owns the transport, and remembers that a target is dead until the next flush: every batch after the first would
//! wait as long again.

use crate::stop::{StopFlag, Stopped};
use std::time::Duration;

/// Posts a body of a content type to a URL and returns the body of the answer, if its status is 200.
///
/// It has a deadline of its own, and ends as soon as the action that it belongs to is stopped.
pub type Transport = Box<dyn FnMut(&str, &str, &[u8]) -> Result<Vec<u8>, TransportError> + Send>;

/// Why there is no answer. Whether the target has seen the request is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error("stopped")]
    Stopped,
    #[error("HTTP status {0}")]
    Status(u16),
    /// It could not be reached, or the answer did not come; the text says which.
    #[error("{0}")]
    Failed(String),
}

/// Before each attempt. Sending the same twice does no harm: a document replaces the one of its reference.
pub(super) const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2)];

pub(super) struct Courier {
    transport: Transport,
    pub(super) pauses: [Duration; 3],
    given_up: Option<String>,
}

impl Courier {
    pub(super) fn new(transport: Transport) -> Courier {
        Courier { transport, pauses: PAUSES, given_up: None }
    }

    /// The reply, or why there is none.
    pub(super) fn post(
        &mut self,
        url: &str,
        content_type: &str,
        body: &[u8],
        stop: &StopFlag,
    ) -> Result<Vec<u8>, String> {
        if let Some(reason) = &self.given_up {
            return Err(reason.clone());
        }
        let mut cause = String::new();
        for pause in self.pauses {
            if let Err(Stopped) = stop.sleep(pause) {
                return Err(self.give_up("stopped before it was sent".to_owned()));
            }
            match (self.transport)(url, content_type, body) {
                Ok(reply) => return Ok(reply),
                Err(TransportError::Stopped) => {
                    return Err(self.give_up("stopped while it was being sent".to_owned()));
                }
                // It was understood and is not wanted; only a busy server may think better of it.
                Err(error @ TransportError::Status(400..=407 | 409..=428 | 430..=499)) => {
                    return Err(error.to_string());
                }
                Err(error) => cause = error.to_string(),
            }
        }
        Err(self.give_up(format!("no answer in {} attempts: {cause}", self.pauses.len())))
    }

    /// Hopes again.
    pub(super) fn try_again(&mut self) {
        self.given_up = None;
    }

    fn give_up(&mut self, reason: String) -> String {
        self.given_up = Some(reason.clone());
        reason
    }
}

/// `http://host:port`; an IPv6 address may come with or without brackets.
pub(super) fn origin(host: &str, port: u16) -> String {
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if is_bare_ipv6 { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
}
