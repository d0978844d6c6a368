//! `QueueAction=Progress`: how far an action is, and each of its task sections.

use crate::aci::Element;
use crate::action::{Stage, Status};
use crate::queue::Snapshot;
use crate::time::Moment;

/// Thousandths of a percent: integers, so that what is done is exactly 100.
const WHOLE: u64 = 100_000;

/// The elements are those of aci.md 3.7; `stages` and what is in it are ours. No estimate of the time that remains: pages
/// that nobody has seen yet cannot be counted.
pub(super) fn progress_of(action: &Snapshot, depth_max: Option<u64>, all_stages: bool, now: Moment) -> Element {
    let Snapshot { token, status, started_at, ended_at, stages, .. } = action;
    let mut progress = Vec::new();
    progress.extend(done(*status, stages).map(|done| Element::text("percent", percent(done))));
    if let Some(started_at) = started_at {
        let seconds = ended_at.unwrap_or(now).seconds_since(*started_at);
        progress.push(Element::value("time_processing", seconds));
    }
    if depth_max != Some(0) && !stages.is_empty() {
        progress.push(Element::parent("stages", stages_of(*status, stages, all_stages)));
    }
    let status = Element::text("status", status.as_str());
    Element::parent("action", vec![Element::value("token", token), status, Element::parent("progress", progress)])
}

/// How much of an action is done: its sections count alike, since of one to come nobody knows how many pages it has.
/// `None` if it has ended before its time: what it had done then is not kept.
fn done(status: Status, stages: &[Stage]) -> Option<u64> {
    match status {
        Status::Queued => Some(0),
        Status::Finished => Some(WHOLE),
        Status::Error | Status::Cancelled | Status::Stopped => None,
        Status::Processing | Status::Paused => {
            let sum: u64 = stages.iter().map(done_of).sum();
            Some(sum / (stages.len() as u64).max(1))
        }
    }
}

fn done_of(stage: &Stage) -> u64 {
    match stage {
        Stage::Pending(_) => 0,
        Stage::Running { seen, waiting, .. } => {
            seen.saturating_mul(WHOLE).checked_div(seen.saturating_add(*waiting)).unwrap_or(0)
        }
        Stage::Ended(_) => WHOLE,
    }
}

/// As few digits as say it: `26.407`, `50`.
fn percent(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Unless all are asked for, sections that have ended are told as one, and those to come not at all.
fn stages_of(status: Status, stages: &[Stage], all_stages: bool) -> Vec<Element> {
    let ended: Vec<&str> = stages.iter().filter_map(ended_task).collect();
    let mut elements = Vec::new();
    if !all_stages && !ended.is_empty() {
        elements.push(stage(&ended.join(","), "Ended", WHOLE));
    }
    for each in stages {
        match each {
            Stage::Running { task, .. } => elements.push(stage(task, status.as_str(), done_of(each))),
            Stage::Ended(task) if all_stages => elements.push(stage(task, "Ended", WHOLE)),
            Stage::Pending(task) if all_stages => elements.push(stage(task, "Pending", 0)),
            Stage::Ended(_) | Stage::Pending(_) => {}
        }
    }
    elements
}

fn ended_task(stage: &Stage) -> Option<&str> {
    match stage {
        Stage::Ended(task) => Some(task),
        Stage::Running { .. } | Stage::Pending(_) => None,
    }
}

fn stage(name: &str, status: &'static str, done: u64) -> Element {
    let children = vec![
        Element::text("name", name.to_owned()),
        Element::text("status", status),
        Element::text("percent", percent(done)),
    ];
    Element::parent("stage", children)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(seen: u64, waiting: u64) -> Stage {
        Stage::Running { task: "R".to_owned(), seen, waiting }
    }

    fn ended(task: &str) -> Stage {
        Stage::Ended(task.to_owned())
    }

    #[test]
    fn what_is_done_is_the_settled_part_of_the_known_pages_of_every_section() {
        let pending = || Stage::Pending("P".to_owned());
        let cases = [
            (Status::Queued, vec![], Some("0")),
            (Status::Processing, vec![], Some("0")),
            (Status::Processing, vec![running(0, 0)], Some("0")),
            (Status::Processing, vec![running(1, 3)], Some("25")),
            (Status::Paused, vec![running(1, 2)], Some("33.333")),
            (Status::Processing, vec![running(7, 0)], Some("100")),
            (Status::Processing, vec![ended("E"), running(1, 1), pending()], Some("50")),
            (Status::Processing, vec![running(1, 99_999)], Some("0.001")),
            (Status::Finished, vec![], Some("100")),
            (Status::Stopped, vec![], None),
        ];
        for (status, stages, expected) in cases {
            assert_eq!(done(status, &stages).map(percent).as_deref(), expected, "{status} {stages:?}");
        }
    }

    #[test]
    fn ended_sections_are_merged_and_those_to_come_left_out_unless_all_are_asked_for() {
        let stages = [ended("A"), ended("B"), running(1, 1), Stage::Pending("P".to_owned())];
        let merged = [stage("A,B", "Ended", WHOLE), stage("R", "Paused", WHOLE / 2)];
        assert_eq!(stages_of(Status::Paused, &stages, false), merged);
        let all = [
            stage("A", "Ended", WHOLE),
            stage("B", "Ended", WHOLE),
            stage("R", "Processing", WHOLE / 2),
            stage("P", "Pending", 0),
        ];
        assert_eq!(stages_of(Status::Processing, &stages, true), all);
    }
}
