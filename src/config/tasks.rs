//! `[FetchTasks]`: which tasks there are. What they say is read where tasks are planned.

use super::{BadSetting, ConfigError, Ini, Layers, Reader, encrypted, is_own_section, unquoted, usable};
use std::collections::HashSet;
use std::path::Path;

/// The tasks as the file has them at one moment.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// All of the file's sections.
    pub ini: Ini,
    /// The tasks that `[FetchTasks]` lists, in its order and spelling, each once.
    pub names: Vec<String>,
}

impl Tasks {
    /// Reads the file at `path` for its tasks only: what it says about the server counts at the next start, right or
    /// wrong.
    pub fn read(path: &Path) -> Result<Tasks, ConfigError> {
        let ini = Ini::read(path)?;
        let mut reader = Reader { ini: &ini, base: Path::new(""), problems: Vec::new(), notices: Vec::new() };
        let names = reader.tasks();
        let Reader { mut problems, mut notices, .. } = reader;
        encrypted::check(&ini, &mut problems, &mut notices);
        usable((Tasks { ini, names }, problems))
    }
}

impl Reader<'_> {
    /// The names that `[FetchTasks]` lists: the first `Number` of them, or all.
    pub(super) fn tasks(&mut self) -> Vec<String> {
        const NAME: &str = "a name of at most 100 letters, digits and other signs that a file's name can have";
        let Some(section) = self.ini.section("FetchTasks") else {
            return Vec::new();
        };
        let listed = section.numbered("");
        let count: usize = self.or(Layers::new([section]).number("Number", 0..), listed.len());
        if count > listed.len() {
            let origin = section.get("Number").map_or(section.origin(), |entry| &entry.origin);
            self.warn(format!("{origin}: Number is {count}, and {} tasks are listed", listed.len()));
        }
        let mut tasks: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for (place, (_, entry)) in listed.into_iter().enumerate() {
            let name = unquoted(&entry.value);
            let origin = &entry.origin;
            if place >= count {
                self.warn(format!("{origin}: the task {name} is beyond Number={count} and does not count"));
            } else if !is_task_name(&name) {
                self.problems.push(BadSetting::unusable(section, entry, NAME));
            } else if is_own_section(&name) {
                let expected = "a name that is not the one of a section of the server";
                self.problems.push(BadSetting::unusable(section, entry, expected));
            } else if !known.insert(name.to_ascii_lowercase()) {
                self.warn(format!("{origin}: the task {name} is listed before; it runs once"));
            } else {
                if self.ini.section(&name).is_none() {
                    self.warn(format!("{origin}: there is no section [{name}] for this task"));
                }
                tasks.push(name);
            }
        }
        tasks
    }
}

/// A task's name becomes part of the names of its files.
fn is_task_name(name: &str) -> bool {
    let is_safe = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    !name.is_empty() && name.len() <= 100 && name.chars().all(is_safe) && !name.starts_with('.')
}
