//! What `action=fetch` does: which tasks an action names, how they are set up, and performing them one by one.
//!
//! An action is *planned* twice from the same parameters: when it is submitted, so that a mistake is answered before a
//! token exists, and when it is performed, which may be after a restart.

mod shaping;
mod synchronize;
mod task;
mod tasklist;

pub use self::synchronize::FIELDS;
pub use self::task::{PARAMETERS, PlanError, Task, TaskParameter};
pub use self::tasklist::{TaskInfo, TaskList};

use crate::action::{Live, Params, Token};
use crate::config::Ini;
use crate::ingest;
use crate::stop::StopFlag;
use std::path::PathBuf;
use std::sync::Arc;

/// What fetch actions need of the configuration.
pub struct Settings {
    /// `[FetchTasks]`, `[Default]` and the task sections are read from here.
    pub ini: Arc<Ini>,
    /// The tasks that `[FetchTasks]` lists.
    pub tasks: Vec<String>,
    /// The folder of the datastores, and from which relative `DatastoreFile`s count.
    pub folder: PathBuf,
    /// Where documents go: each of these targets gets all of them. None sends them nowhere (`EnableIngestion=FALSE`).
    pub ingest: Vec<ingest::Settings>,
    /// The value of `AUTN_GROUP` on each document.
    pub connector_group: String,
}

/// Performs fetch actions; shared by all workers.
pub struct FetchActions {
    settings: Settings,
    tasks: TaskList,
}

/// What an action is going to do.
pub struct Plan {
    pub tasks: Vec<Task>,
}

/// Whose action is performed, and how it is watched and stopped.
pub struct Performance<'a> {
    pub token: &'a Token,
    pub stop: &'a StopFlag,
    pub live: &'a Live,
}

/// Why an action did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("stopped")]
    Stopped,
    /// The task cannot be set up any more as it was when the action was submitted.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// One line for each task that failed; the others were performed.
    #[error("{0}")]
    Tasks(String),
}

impl Plan {
    /// The names of the tasks' datastores: no two actions that share one run at the same time.
    pub fn claims(&self) -> Vec<String> {
        self.tasks.iter().map(|task| task.name.to_uppercase()).collect()
    }
}

impl FetchActions {
    pub fn new(settings: Settings) -> FetchActions {
        let tasks = TaskList::new(settings.tasks.clone());
        FetchActions { settings, tasks }
    }

    /// The tasks known: those of the configuration and those that actions brought.
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.tasks.list(&self.settings.folder)
    }

    /// What `fetchaction=synchronize` with these parameters would do.
    pub fn plan(&self, params: &Params) -> Result<Plan, PlanError> {
        task::plan(&self.settings, params)
    }

    /// Performs `fetchaction=synchronize`. A task that fails does not keep the others from being performed.
    pub fn synchronize(&self, params: &Params, performance: &Performance<'_>) -> Result<(), FetchError> {
        performance.live.set_fetch_action("Synchronize");
        let plan = self.plan(params)?;
        let mut failures = Vec::new();
        for task in plan.tasks {
            performance.stop.check().map_err(|_| FetchError::Stopped)?;
            self.tasks.started(&task.name, &task.datastore);
            let performed = synchronize::synchronize(&self.settings, &task, performance);
            self.tasks.finished(&task.name);
            match performed {
                Ok(()) => {}
                Err(synchronize::TaskError::Stopped) => return Err(FetchError::Stopped),
                Err(error) => failures.push(format!("{}: {error}", task.name)),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(FetchError::Tasks(failures.join("; "))) }
    }
}
