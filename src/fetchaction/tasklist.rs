//! The tasks that this connector knows: those of its configuration, and those that actions brought along.

use super::schedule::Schedule;
use crate::time::Moment;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tasks brought by actions are remembered up to this number; further ones are performed all the same.
const TASKS_MAX: usize = 10_000;

/// A line of `action=TaskList` (web-connector.md 1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskInfo {
    /// Upper case, as the reference prints it.
    pub name: String,
    /// Since the connector started.
    pub calls: u64,
    /// `None` while there is none.
    pub datastore: Option<PathBuf>,
    pub last_start: Option<Moment>,
    pub last_finish: Option<Moment>,
    /// `None` if only clients start it.
    pub schedule: Option<Schedule>,
}

/// The tasks by their upper-case names.
#[derive(Debug, Default)]
pub struct TaskList(Mutex<BTreeMap<String, TaskInfo>>);

impl TaskList {
    pub(super) fn new(configured: &[String]) -> TaskList {
        let list = TaskList::default();
        list.configure(configured);
        list
    }

    /// Notes that the configuration lists these tasks now. Others remain if they have run.
    pub(super) fn configure(&self, names: &[String]) {
        let names: BTreeSet<String> = names.iter().map(|name| name.to_uppercase()).collect();
        let mut tasks = self.0.lock();
        tasks.retain(|name, task| task.calls > 0 || names.contains(name));
        for name in names {
            tasks.entry(name.clone()).or_insert_with(|| TaskInfo { name, ..TaskInfo::default() });
        }
    }

    pub(super) fn started(&self, name: &str, datastore: &Path) {
        self.update(name, |task| {
            task.calls += 1;
            task.datastore = Some(datastore.to_owned());
            task.last_start = Some(Moment::now());
        });
    }

    pub(super) fn finished(&self, name: &str) {
        self.update(name, |task| task.last_finish = Some(Moment::now()));
    }

    pub(super) fn list(&self, folder: &Path) -> Vec<TaskInfo> {
        let mut tasks: Vec<TaskInfo> = self.0.lock().values().cloned().collect();
        for task in &mut tasks {
            if task.datastore.is_none() {
                let path = folder.join(super::task::datastore_name(&task.name));
                task.datastore = path.exists().then_some(path);
            }
        }
        tasks
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut TaskInfo)) {
        let name = name.to_uppercase();
        let mut tasks = self.0.lock();
        if tasks.len() < TASKS_MAX || tasks.contains_key(&name) {
            change(tasks.entry(name.clone()).or_insert_with(|| TaskInfo { name, ..TaskInfo::default() }));
        }
    }
}
