//! A configuration file judged as a whole, without starting anything.

use super::fetch_settings;
use crate::aci::{ACI_ACTIONS, ActionSpec, SERVICE_ACTIONS};
use crate::config::{BadSetting, Config, IniError, Notice, nearest};
use crate::fetchaction::Findings;
use crate::roles::Roles;
use crate::wildcard;
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
    let of_roles = unknown_actions(&config.roles);
    Ok(Checked { problems, notices: config.notices.into_iter().chain(of_roles).chain(notices).collect() })
}

/// The actions that roles name and no port has: a mistyped one would keep out whoever it was meant for.
pub(super) fn unknown_actions(roles: &Roles) -> Vec<Notice> {
    let mut notices = Vec::new();
    for role in roles.iter() {
        let lists: [(_, _, _, &[ActionSpec]); 2] = [
            ("Actions", &role.actions, "ACI", ACI_ACTIONS),
            ("ServiceActions", &role.service_actions, "service", SERVICE_ACTIONS),
        ];
        for (list, named, port, table) in lists {
            let is_unknown = |pattern: &&String| !table.iter().any(|spec| wildcard::matches(pattern, spec.name));
            for pattern in named.iter().filter(is_unknown) {
                let meant = nearest(pattern, table.iter().map(|spec| spec.name));
                let hint = meant.map_or(String::new(), |meant| format!("; is {meant} meant?"));
                let role = &role.name;
                notices
                    .push(Notice::warning(format!("[{role}] {list}: the {port} port has no action {pattern}{hint}")));
            }
        }
    }
    notices
}
