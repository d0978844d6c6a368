//! `action=GetConfig` and `action=ValidateConfig`.

use super::Answers;
use super::logstreams::in_form;
use crate::aci::{Element, Form, Reply};
use crate::action::masked;
use crate::config::{BadSetting, Config, Section, Tasks, is_own_section};
use crate::server::{Checked, check, shown};
use std::fmt::Write as _;

impl Answers {
    pub(super) fn config(&self, form: Form) -> Reply {
        in_form("GetConfig", form, "config", config_text(&self.config))
    }

    /// The shape is that of a sibling's answer (aci.md 5.2); `warning` and `note` are a name of our own.
    pub(super) fn validation(&self) -> Vec<Element> {
        let Some(path) = &self.config.path else {
            return vec![
                Element::text("processable", "true"),
                Element::text("note", "there is no configuration file: the defaults hold"),
            ];
        };
        match check(path) {
            Err(error) => {
                let section = vec![Element::text("autn:sectionname", ""), Element::value("autn:comment", error)];
                let errors = Element::parent("errors", vec![Element::parent("autn:section", section)]);
                vec![Element::text("processable", "false"), errors]
            }
            Ok(Checked { problems, notices }) => {
                let mut told = vec![Element::value("processable", problems.is_empty())];
                told.push(Element::parent("errors", sections(&problems)));
                told.extend(notices.into_iter().map(|notice| {
                    let name = if notice.level <= log::Level::Warn { "warning" } else { "note" };
                    Element::text(name, notice.text)
                }));
                told
            }
        }
    }
}

/// The problems of each section, in the order in which the sections first have one.
fn sections(problems: &[BadSetting]) -> Vec<Element> {
    let mut names: Vec<&str> = Vec::new();
    for problem in problems {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&problem.section)) {
            names.push(&problem.section);
        }
    }
    let section = |name: &str| {
        let of_it = problems.iter().filter(|problem| problem.section.eq_ignore_ascii_case(name));
        let mut children = vec![Element::text("autn:sectionname", name.to_owned())];
        children.extend(of_it.map(key));
        Element::parent("autn:section", children)
    };
    names.into_iter().map(section).collect()
}

fn key(problem: &BadSetting) -> Element {
    let BadSetting { name, value, .. } = problem;
    let shown = masked(name, value.as_deref().unwrap_or_default(), shown::is_known);
    let children = vec![
        Element::text("autn:keyname", name.clone()),
        Element::text("autn:keyvalue", shown),
        Element::value("autn:comment", problem),
    ];
    Element::parent("autn:key", children)
}

/// The configuration in use, as a file without includes: the server's own sections as they were at the start, those of
/// tasks as they are now, which is how actions read them.
pub(super) fn config_text(config: &Config) -> String {
    let mut text = format!("// webconnector {}: the configuration in use", env!("CARGO_PKG_VERSION"));
    let Some(path) = &config.path else {
        text.push_str("; without a file, the defaults hold\n");
        return text;
    };
    // To memory, which cannot fail.
    let _ = writeln!(text, ", from {} and what it includes; secrets are masked", path.display());
    let is_of_server = |section: &&Section| {
        let name = section.name();
        let is_of_tasks = ["FetchTasks", "Default"].iter().any(|other| other.eq_ignore_ascii_case(name));
        let is_stream = config.logging.streams.iter().any(|stream| stream.name.eq_ignore_ascii_case(name));
        is_stream || is_own_section(name) && !is_of_tasks
    };
    for section in config.ini.sections().filter(is_of_server) {
        write_section(&mut text, section);
    }
    match Tasks::read(path) {
        Ok(Tasks { ini, .. }) => {
            for section in ini.sections().filter(|section| !is_of_server(section)) {
                write_section(&mut text, section);
            }
        }
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            let _ = writeln!(text, "\n// The tasks cannot be read at present, and actions are refused: {error}");
        }
    }
    text
}

fn write_section(text: &mut String, section: &Section) {
    let _ = writeln!(text, "\n[{}]", section.name());
    for entry in section.entries() {
        let _ = writeln!(text, "{}={}", entry.name, masked(&entry.name, &entry.value, shown::is_known));
    }
}
