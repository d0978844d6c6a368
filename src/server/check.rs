//! A configuration file judged as a whole, without starting anything.

use super::fetch_settings;
use crate::config::{BadSetting, Config, IniError, Notice};
use crate::fetchaction::Findings;
use std::path::Path;

/// What is wrong with a configuration file, and what else an administrator should know of it.
#[derive(Debug)]
pub struct Checked {
    pub problems: Vec<BadSetting>,
    pub notices: Vec<Notice>,
}

/// Judges the file at `path`: the server's sections and those of tasks. The error is that of a file that cannot be read
/// as a configuration at all.
pub fn check(path: &Path) -> Result<Checked, IniError> {
    let (config, mut problems) = Config::examine(path)?;
    let Findings { problems: of_tasks, notices } = fetch_settings(&config).check();
    for problem in of_tasks {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    Ok(Checked { problems, notices: config.notices.into_iter().chain(notices).collect() })
}
