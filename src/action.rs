//! The values of an asynchronous action that every layer names: its token, status, parameters and counts.
//!
//! Knows no subsystem: `aci` prints these, `queue` keeps them, `fetchaction` fills them.

mod counts;
mod errors;
mod filter;
mod params;
mod results;
mod secrets;
mod status;
mod token;

pub use counts::{Counts, Live, Report, Stage, TaskCounts};
pub use errors::ErrorSummary;
pub use filter::{Filter, Query, SortBy, SortOrder, Span, States};
pub use params::{BadParam, FromParam, Params, Problem};
pub use results::{DocumentResult, Listed, Listing, Results, Subject, Warning};
pub use secrets::{IsKnown, MASK, bare, is_secret, masked, without_password};
pub use status::{Event, Status};
pub use token::{Token, TokenHost};

/// The name of a queue, as it stands in tokens: upper case. Compared ignoring case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// Folds `name` to the upper case in which tokens and answers print it.
    pub fn new(name: &str) -> QueueName {
        QueueName(name.trim().to_ascii_uppercase())
    }

    /// The only queue of a web connector: every fetch action goes through it.
    pub fn fetch() -> QueueName {
        QueueName::new("FETCH")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for QueueName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
