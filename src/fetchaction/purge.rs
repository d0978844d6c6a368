//! `action=PurgeDatastore`: forgets what one task knows, so that its next synchronize sends everything as new and deletes
//! nothing (web-connector.md 1.1).
//!
//! It goes through the queue as an action of its own that claims the task. So it is durable once it is answered, it
//! waits for a crawl of the task that runs, and every action that is submitted after it finds the task purged.

use super::task::{self, PlanError, Sources, Task};
use super::{FetchError, Performance, Settings};
use crate::action::Params;
use crate::crawl::{Datastore, DatastoreError};
use crate::log;

/// The parameter that names the task.
pub(super) const SECTION: &str = "Section";

/// The kind of action that it is in the queue.
pub(super) const KIND: &str = "PurgeDatastore";

/// What a purge of a section is queued as.
pub(super) fn params(section: &str) -> Params {
    [("FetchAction", KIND), (SECTION, section)].into_iter().collect()
}

pub(super) fn plan(settings: &Settings, params: &Params) -> Result<Task, PlanError> {
    let section: String = params.required(SECTION)?;
    let sources = Sources::read(settings, params, &[SECTION])?;
    task::of_known_section(settings, &sources, section.trim())
}

pub(super) fn purge(task: &Task, performance: &Performance<'_>) -> Result<(), FetchError> {
    let path = &task.datastore;
    // A task that never ran has nothing to forget.
    if path.exists() {
        let failed = |error: DatastoreError| {
            FetchError::Tasks(format!("{}: the datastore {} cannot be purged: {error}", task.name, path.display()))
        };
        Datastore::open(path).map_err(failed)?.purge().map_err(failed)?;
    }
    log::always("action", format_args!("Purged the datastore of task '{}' [{}]", task.name, performance.token));
    Ok(())
}
