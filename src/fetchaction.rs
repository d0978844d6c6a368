//! What `action=fetch` does: which tasks an action names, how they are set up, and performing them one by one.
//!
//! An action is *planned* twice from the same parameters: when it is submitted, so that a mistake is answered before a
//! token exists, and when it is performed, which may be after a restart.

mod check;
mod collect;
mod dates;
mod documentaction;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod identifiers;
mod identifiersxml;
mod named;
mod outlet;
mod parameters;
mod purge;
mod resend;
mod schedule;
mod shaping;
mod synchronize;
mod targets;
mod task;
mod tasklist;
mod view;

pub use self::check::Findings;
pub use self::parameters::{PARAMETERS, TaskParameter};
pub use self::schedule::{Progress, Schedule, Schedules};
pub use self::synchronize::FIELDS;
pub use self::task::{PlanError, Task, is_datastore_name};
pub use self::tasklist::{TaskInfo, TaskList};
pub use self::view::{ViewError, Viewed};

use self::collect::Collect;
use self::identifiers::Question;
use self::named::Group;
use self::synchronize::TaskError;
use crate::action::{Live, Params, Token};
use crate::config::{self, Ini};
use crate::ingest;
use crate::pause::PauseGate;
use crate::stop::StopFlag;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What fetch actions need of the configuration.
#[derive(Clone)]
pub struct Settings {
    /// `[FetchTasks]`, `[Default]` and the task sections are read from here.
    pub ini: Arc<Ini>,
    /// The tasks that `[FetchTasks]` lists.
    pub tasks: Vec<String>,
    /// The file that `ini` and `tasks` come from: they are read anew whenever an action is planned. `None` keeps them.
    pub file: Option<PathBuf>,
    /// The folder of the datastores, and from which relative `DatastoreFile`s count.
    pub folder: PathBuf,
    /// Where documents go: each of these targets gets all of them. None sends them nowhere (`EnableIngestion=FALSE`).
    pub ingest: Vec<ingest::Settings>,
    /// The folders below which documents may be collected, as absolute paths.
    pub destinations: Vec<PathBuf>,
    /// The value of `AUTN_GROUP` on each document.
    pub connector_group: String,
}

/// Performs fetch actions; shared by all workers.
pub struct FetchActions {
    settings: Arc<Settings>,
    /// With the task sections as they were read last.
    latest: Mutex<Arc<Settings>>,
    tasks: TaskList,
}

/// Whether a fetch action or a task has a parameter of this name, numbered or not.
pub fn is_parameter(name: &str) -> bool {
    let of_actions = parameters::OF_THE_ACTION.iter().chain(collect::PARAMS).chain(identifiers::PARAMS);
    parameters::is_parameter(name) || of_actions.into_iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What an action is going to do.
pub struct Plan(Work);

enum Work {
    Synchronize(Vec<Task>),
    /// `synchronize` with `Identifiers`.
    Resend(Vec<Group>),
    Collect(Collect),
    Identifiers(Box<Question>),
    Purge(Box<Task>),
}

/// Whose action is performed, and how it is watched, paused and stopped.
pub struct Performance<'a> {
    pub token: &'a Token,
    pub stop: &'a StopFlag,
    pub pause: &'a PauseGate,
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
    fn read(settings: &Settings, params: &Params) -> Result<Plan, PlanError> {
        let kind = params.get("FetchAction").unwrap_or("Synchronize").trim().to_ascii_lowercase();
        Ok(Plan(match kind.as_str() {
            "synchronize" if params.get("Identifiers").is_some() => Work::Resend(resend::plan(settings, params)?),
            "synchronize" => Work::Synchronize(task::plan(settings, params)?),
            "collect" => Work::Collect(Collect::read(settings, params)?),
            "identifiers" => Work::Identifiers(Box::new(Question::read(settings, params)?)),
            kind if kind.eq_ignore_ascii_case(purge::KIND) => Work::Purge(Box::new(purge::plan(settings, params)?)),
            _ => return Err(PlanError::Impossible(format!("FetchAction={kind} is nothing that can be performed"))),
        }))
    }

    /// What `QueueInfo` calls the action, as it is spelled in a request.
    pub fn fetch_action(&self) -> &'static str {
        match &self.0 {
            Work::Synchronize(_) | Work::Resend(_) => "Synchronize",
            Work::Collect(_) => "Collect",
            Work::Identifiers(_) => "Identifiers",
            Work::Purge(_) => purge::KIND,
        }
    }

    /// The names of the tasks whose datastores or documents it writes: no two actions that share one run at the same time.
    pub fn claims(&self) -> Vec<String> {
        match &self.0 {
            Work::Synchronize(tasks) => tasks.iter().map(|task| task.name.to_uppercase()).collect(),
            Work::Resend(groups) => groups.iter().map(|group| group.task.name.to_uppercase()).collect(),
            Work::Collect(collect) => collect.claims(),
            Work::Identifiers(_) => Vec::new(),
            Work::Purge(task) => vec![task.name.to_uppercase()],
        }
    }
}

impl Settings {
    /// What is to be said about the task sections. Nothing is run or opened.
    pub fn check(&self) -> Findings {
        check::check(self, |name| config::is_own_section(name) || config::is_handler_section(&self.ini, name))
    }
}

impl FetchActions {
    pub fn new(settings: Settings) -> FetchActions {
        let tasks = TaskList::new(&settings.tasks);
        let settings = Arc::new(settings);
        FetchActions { latest: Mutex::new(Arc::clone(&settings)), settings, tasks }
    }

    /// The tasks known: those of the configuration and those that actions brought.
    pub fn tasks(&self) -> Vec<TaskInfo> {
        // A file that is broken at the moment is told to whoever submits an action; the list needs none.
        let current = self.current().ok();
        let mut tasks = self.tasks.list(&self.settings.folder);
        for (name, read) in current.iter().flat_map(|settings| schedule::schedules(settings)) {
            // They are listed by their names.
            if let Ok(place) = tasks.binary_search_by(|task| task.name.cmp(&name.to_uppercase())) {
                tasks[place].schedule = read.ok();
            }
        }
        tasks
    }

    /// The tasks that are scheduled as the file has it now.
    pub fn schedules(&self) -> Result<Schedules, PlanError> {
        Ok(schedule::schedules(&*self.current()?))
    }

    /// The parameters of a synchronize of one task section.
    pub fn synchronize_params(section: &str) -> Params {
        // A name may have a comma in it, and no quote.
        [("FetchAction", "Synchronize".to_owned()), ("TaskSections", format!("\"{section}\""))].into_iter().collect()
    }

    /// The settings with the task sections as the file has them now.
    ///
    /// The file is looked at each time, and read unless it and all that it includes are sure to be as they were. Of a file
    /// that cannot be used nothing is used, not what it said before either: an action would do what nobody can read any more.
    fn current(&self) -> Result<Arc<Settings>, PlanError> {
        let Some(file) = &self.settings.file else {
            return Ok(Arc::clone(&self.settings));
        };
        let latest = Arc::clone(&self.latest.lock());
        if latest.ini.is_unchanged() {
            return Ok(latest);
        }
        let config::Tasks { ini, names } = config::Tasks::read(file)?;
        self.tasks.configure(&names);
        let read = Arc::new(Settings { ini: Arc::new(ini), tasks: names, ..Settings::clone(&self.settings) });
        *self.latest.lock() = Arc::clone(&read);
        Ok(read)
    }

    /// The datastores that there are: those in the folder, whoever brought their tasks, and those that tasks of the
    /// configuration have elsewhere.
    pub fn datastores(&self) -> std::io::Result<BTreeSet<PathBuf>> {
        let folder = &self.settings.folder;
        let mut found: BTreeSet<PathBuf> =
            self.tasks.list(folder).into_iter().filter_map(|task| task.datastore).collect();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_datastore_name) {
                found.insert(entry.path());
            }
        }
        // Of a file that is broken at the moment, the tasks as they were at the start.
        let settings = self.current().unwrap_or_else(|_| Arc::clone(&self.settings));
        for name in &settings.tasks {
            let sources = task::Sources::read(&settings, &Params::default(), &[]);
            let task = sources.and_then(|sources| task::of_section(&settings, &sources, name));
            found.extend(task.map(|task| task.datastore));
        }
        found.retain(|path| path.exists());
        Ok(found)
    }

    /// What an action with these parameters would do. Without `FetchAction` it is a synchronize.
    pub fn plan(&self, params: &Params) -> Result<Plan, PlanError> {
        Plan::read(&*self.current()?, params)
    }

    /// The parameters of the action that purges the datastore of a task section.
    pub fn purge_params(section: &str) -> Params {
        purge::params(section)
    }

    /// Fetches one page for a client that waits. Takes at most `PageTimeout`, or 20 seconds if that is less.
    pub fn view(&self, params: &Params, stop: &StopFlag) -> Result<Viewed, ViewError> {
        view::view(&*self.current()?, params, stop)
    }

    /// Performs an action.
    pub fn perform(&self, params: &Params, performance: &Performance<'_>) -> Result<(), FetchError> {
        let plan = self.plan(params)?;
        performance.live.set_fetch_action(plan.fetch_action());
        match plan.0 {
            Work::Synchronize(tasks) => {
                performance.live.plan(tasks.iter().map(|task| task.name.as_str()));
                let each =
                    tasks.iter().map(|task| (task, || synchronize::synchronize(&self.settings, task, performance)));
                self.each_task(each, performance)
            }
            Work::Resend(groups) => {
                performance.live.plan(groups.iter().map(|group| group.task.name.as_str()));
                let each =
                    groups.iter().map(|group| (&group.task, || resend::resend(&self.settings, group, performance)));
                self.each_task(each, performance)
            }
            Work::Collect(collect) => collect::collect(&self.settings, &collect, performance),
            Work::Identifiers(question) => identifiers::list(&question, performance),
            Work::Purge(task) => purge::purge(&task, performance),
        }
    }

    /// Performs task after task. One that fails does not keep the others from being performed.
    fn each_task<'t>(
        &self,
        tasks: impl Iterator<Item = (&'t Task, impl FnOnce() -> Result<(), TaskError>)>,
        performance: &Performance<'_>,
    ) -> Result<(), FetchError> {
        let mut failures = Vec::new();
        for (task, perform) in tasks {
            performance.pause.pass(performance.stop).map_err(|_| FetchError::Stopped)?;
            self.tasks.started(&task.name, &task.datastore);
            let performed = perform();
            self.tasks.finished(&task.name);
            match performed {
                Ok(()) => {}
                Err(TaskError::Stopped) => return Err(FetchError::Stopped),
                Err(error) => failures.push(format!("{}: {error}", task.name)),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(FetchError::Tasks(failures.join("; "))) }
    }
}
