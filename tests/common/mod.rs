//! What the transcripts are written with: a site that misbehaves on purpose, the real connector, and its answers.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "every transcript is a crate of its own and uses a part of this"
)]

mod answer;
mod archive;
mod connector;
mod documents;
mod names;
mod site;

pub use answer::{AciError, Response, Xml};
pub use archive::parts;
pub use connector::{Connector, FetchTask, Setup, encode, run, spawn};
pub use documents::{Change, brief};
pub use names::NameServer;
pub use site::Site;

use std::time::{Duration, Instant};

/// The whole of `site` from its start page, without a second try for what fails.
pub fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

/// What one crawl of `task`, whose name is docs, adds.
pub fn crawl(task: FetchTask) -> Vec<String> {
    let mut connector = Connector::with(task);
    connector.run("docs");
    connector.new_changes("docs")
}

/// How long anything that must happen may take before it is taken for a failure.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Asks `question` until it answers, for things that can only be polled: another process's state.
///
/// Panics after [`DEADLINE`], naming what was waited for.
pub fn poll<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    // Nothing is ever sent: a wait with an end, short enough that a poll costs a test next to nothing.
    let nothing = crossbeam_channel::never::<()>();
    let started = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        let _ = nothing.recv_timeout(Duration::from_millis(5));
    }
}
