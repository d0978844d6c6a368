//! What is to be said about the task sections of a configuration before anybody runs them.

use super::Settings;
use super::parameters::{PARAMETERS, is_parameter, list_of};
use super::schedule::{self, Schedule};
use super::task::{self, PlanError};
use crate::action::Params;
use crate::config::{BadSetting, Entry, Ini, Layers, Notice, Section, nearest};
use std::collections::HashSet;

/// What is wrong with task sections, and what else an administrator should know of them.
#[derive(Debug, Default)]
pub struct Findings {
    /// Each keeps its task from being performed.
    pub problems: Vec<BadSetting>,
    pub notices: Vec<Notice>,
}

/// The parameters of the reference's tasks that have no effect here, by what is not done.
const UNUSED: &[(&str, &[&str])] = &[
    ("an encrypted key cannot be read; SSLPrivateKey takes one that is not", &["SSLPrivateKeyPassword"]),
    (
        "fields come from MetadataSelector and MetadataFieldName only",
        &["MetadataFieldSections", "ChildMetadataFieldSections"],
    ),
    (
        "a page is one document",
        &[
            "ChildDocumentSection",
            "ChildDocumentSections",
            "ChildDocumentUrlRegex",
            "ChildDocumentSelector",
            "ChildReferenceSelector",
            "ChildMetadataSelector",
            "ChildMetadataFieldName",
        ],
    ),
    ("documents are delivered as they are", &["IngestPriority", "IngestSourceConnectorFields", "IngestSharedPath"]),
];

/// Judges `[FetchTasks]`, `[Default]`, the sections of `settings.tasks` and those that only an action can name, which are
/// known by their start page.
pub(super) fn check(settings: &Settings, is_own_section: impl Fn(&str) -> bool) -> Findings {
    let ini = &*settings.ini;
    let mut findings = Findings::default();
    let is_listed = |name: &str| settings.tasks.iter().any(|task| task.eq_ignore_ascii_case(name));
    let is_start =
        |name: &str| matches!(list_of(name), Some("Url" | "SitemapUrl")) || name.eq_ignore_ascii_case("SitemapFile");
    let has_start = |section: &Section| section.entries().any(|entry| is_start(&entry.name));
    let is_task =
        |section: &&Section| is_listed(section.name()) || !is_own_section(section.name()) && has_start(section);
    let tasks: Vec<&Section> = ini.sections().filter(is_task).collect();
    for section in
        ["FetchTasks", "Default"].into_iter().filter_map(|name| ini.section(name)).chain(tasks.iter().copied())
    {
        findings.notices.extend(section.entries().filter_map(|entry| notice(section, entry)));
    }
    let mut seen = HashSet::new();
    for section in tasks {
        // A line of [Default] is wrong for each task that it is for.
        let problems = problems(settings, section.name()).into_iter();
        findings.problems.extend(problems.filter(|bad| seen.insert((bad.origin.to_string(), bad.name.clone()))));
    }
    for task in &settings.tasks {
        let problems = Schedule::problems(&Layers::of_task(task, [ini])).into_iter();
        findings.problems.extend(problems.filter(|bad| seen.insert((bad.origin.to_string(), bad.name.clone()))));
    }
    findings.notices.extend(idle_schedules(ini, is_listed));
    findings
}

/// Schedules by which nothing runs.
fn idle_schedules(ini: &Ini, is_listed: impl Fn(&str) -> bool) -> Vec<Notice> {
    let connector = Layers::new(ini.section("Connector"));
    let are_off = connector.boolean("EnableScheduledTasks") == Ok(Some(false));
    let of_schedule = |section: &Section| schedule::PARAMETERS.iter().find_map(|name| section.get(name).cloned());
    let told = ini.sections().filter_map(|section| {
        let Entry { name, origin, .. } = of_schedule(section)?;
        let title = section.name();
        let is_shared = ["FetchTasks", "Default"].iter().any(|shared| shared.eq_ignore_ascii_case(title));
        if are_off {
            let why = "[Connector] EnableScheduledTasks is off";
            Some(Notice::info(format!("{origin}: [{title}] {name} has no effect: {why}")))
        } else if is_shared || is_listed(title) {
            None
        } else {
            let why = "only tasks that [FetchTasks] lists run by themselves";
            Some(Notice::warning(format!("{origin}: [{title}] {name} has no effect: {why}")))
        }
    });
    told.collect()
}

fn notice(section: &Section, entry: &Entry) -> Option<Notice> {
    let Entry { name, origin, .. } = entry;
    let is_of_list = section.name().eq_ignore_ascii_case("FetchTasks")
        && (name.eq_ignore_ascii_case("Number") || name.bytes().all(|byte| byte.is_ascii_digit()));
    if is_parameter(name) || is_of_list {
        return None;
    }
    let title = section.name();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_this = |unused: &&str| unused.eq_ignore_ascii_case(name) || unused.eq_ignore_ascii_case(stem);
    if let Some((effect, _)) = UNUSED.iter().find(|(_, names)| names.iter().any(is_this)) {
        return Some(Notice::warning(format!("{origin}: [{title}] {name} has no effect: {effect}")));
    }
    let unused = UNUSED.iter().flat_map(|(_, names)| names.iter().copied());
    let meant = nearest(stem, PARAMETERS.iter().map(|parameter| parameter.name).chain(unused));
    let hint = meant.map_or(String::new(), |meant| format!("; is {meant} meant?"));
    Some(Notice::warning(format!("{origin}: [{title}] {name} is not known and has no effect{hint}")))
}

/// Every setting for which `task` cannot be planned. Planning tells the first: it is taken back as an action would
/// take it back, and the task is planned again.
fn problems(settings: &Settings, task: &str) -> Vec<BadSetting> {
    let mut params = Params::default();
    params.push("TaskSections", format!("\"{task}\""));
    let mut problems: Vec<BadSetting> = Vec::new();
    // Each round names another parameter, or is the last.
    for _ in PARAMETERS {
        let Err(PlanError::Setting(bad)) = task::plan(settings, &params) else { break };
        // A task needs a start, and an action cannot take back the one that only the file can name.
        let is_file = bad.name.eq_ignore_ascii_case("SitemapFile");
        if problems.iter().any(|known| known.name == bad.name) {
            break;
        }
        let list = list_of(&bad.name).or(is_file.then_some("SitemapUrl"));
        match list {
            Some(start @ ("Url" | "SitemapUrl")) => params.push(start, "http://localhost/"),
            Some(_) => {
                // Items of two lists belong together: with one taken back, the other would be wrong as well.
                problems.push(bad);
                break;
            }
            None => params.push(bad.name.as_str(), ""),
        }
        problems.push(bad);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn check_text(text: &str, tasks: &[&str]) -> Result<(Vec<String>, Vec<String>), crate::config::IniError> {
        let settings = Settings {
            ini: Arc::new(Ini::parse(text, "t.cfg")?),
            tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
            file: None,
            folder: "/srv".into(),
            destinations: Vec::new(),
            ingest: Vec::new(),
            connector_group: String::new(),
        };
        let findings = check(&settings, |name| name.eq_ignore_ascii_case("FetchTasks") || name == "Default");
        let problems = findings.problems.iter().map(ToString::to_string).collect();
        Ok((problems, findings.notices.into_iter().map(|notice| notice.text).collect()))
    }

    #[test]
    fn every_problem_of_every_task_is_told_once() -> Result<(), crate::config::IniError> {
        let text = "[FetchTasks]\nNumber=2\n0=Docs\n1=News\nMaxRetries=99\n[Docs]\nUrl0=ftp://x/\nDepth=deep\n\
                    StayOnSite=perhaps\nSpiderUrlMustHaveRegex=(\n[News]\nSitemapFile=/gone\n[Unlisted]\nUrl=http://h/\n\
                    PageDelay=long\n[Other]\nDepth=deep\n";
        let (problems, notices) = check_text(text, &["Docs", "News"])?;
        let mut starts: Vec<&str> = problems.iter().filter_map(|text| text.split(" is \"").next()).collect();
        starts.sort_unstable();
        assert_eq!(
            starts,
            [
                "t.cfg:10: [Docs] SpiderUrlMustHaveRegex",
                "t.cfg:12: [News] SitemapFile",
                "t.cfg:15: [Unlisted] PageDelay",
                "t.cfg:5: [FetchTasks] MaxRetries",
                "t.cfg:7: [Docs] Url0",
                "t.cfg:8: [Docs] Depth",
                "t.cfg:9: [Docs] StayOnSite",
            ]
        );
        assert!(notices.is_empty(), "{notices:?}");
        Ok(())
    }

    #[test]
    fn names_without_effect_are_told_with_the_reason_or_the_nearest_name() -> Result<(), crate::config::IniError> {
        let text = "[Default]\nDepht=3\n[FetchTasks]\n0=Docs\n[Docs]\nUrl7=http://h/\nChildDocumentSelector3=h1\nFrobnicate=1\n";
        let (problems, notices) = check_text(text, &["Docs"])?;
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            notices,
            [
                "t.cfg:2: [Default] Depht is not known and has no effect; is Depth meant?",
                "t.cfg:7: [Docs] ChildDocumentSelector3 has no effect: a page is one document",
                "t.cfg:8: [Docs] Frobnicate is not known and has no effect",
            ]
        );
        Ok(())
    }

    #[test]
    fn schedules_are_judged_and_those_without_effect_are_told() -> Result<(), crate::config::IniError> {
        let text = "[FetchTasks]\n0=Docs\n1=News\nScheduleRepeatSecs=often\n[Docs]\nUrl=http://h/\n[News]\nUrl=http://h/\n\
                    ScheduleRepeatSecs=0\nScheduleStartTime=soon\nScheduleCycles=few\n[Unlisted]\nUrl=http://h/\n\
                    ScheduleStartTime=now\n";
        let (problems, notices) = check_text(text, &["Docs", "News"])?;
        let starts: Vec<&str> = problems.iter().filter_map(|text| text.split(';').next()).collect();
        assert_eq!(
            starts,
            [
                "t.cfg:4: [FetchTasks] ScheduleRepeatSecs is \"often\"",
                "t.cfg:10: [News] ScheduleStartTime is \"soon\"",
                "t.cfg:9: [News] ScheduleRepeatSecs is \"0\"",
                "t.cfg:11: [News] ScheduleCycles is \"few\"",
            ]
        );
        let unlisted = "t.cfg:14: [Unlisted] ScheduleStartTime has no effect: only tasks that [FetchTasks] lists run by \
                        themselves";
        assert_eq!(notices, [unlisted]);

        let off = "[Connector]\nEnableScheduledTasks=FALSE\n[FetchTasks]\n0=Docs\n[Docs]\nUrl=http://h/\nScheduleStartTime=now\n";
        let (problems, notices) = check_text(off, &["Docs"])?;
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            notices,
            ["t.cfg:7: [Docs] ScheduleStartTime has no effect: [Connector] EnableScheduledTasks is off"]
        );
        Ok(())
    }

    #[test]
    fn no_parameter_has_an_effect_and_none() {
        for name in UNUSED.iter().flat_map(|(_, names)| *names) {
            assert!(!is_parameter(name), "{name}");
        }
    }
}
