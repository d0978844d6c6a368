//! What an action has done or found, as `QueueInfo` prints it after the counts (aci.md 3.5).

use crate::aci::Element;
use crate::action::{Counts, DocumentResult, Listed, Listing, Report, Subject, Warning};
use std::sync::Arc;

/// `documentcounts`, `fetchaction`, `tasks`, `warnings` (an extension) and `identifiers`, as far as there are any.
pub(super) fn elements(report: &Report) -> Vec<Element> {
    let Report { fetch_action, tasks, results } = report;
    let mut elements = Vec::new();
    if !tasks.is_empty() {
        let counts = tasks.iter().map(|counts| document_count(fetch_action, counts)).collect();
        elements.push(Element::parent("documentcounts", counts));
    }
    if !fetch_action.is_empty() {
        elements.push(Element::text("fetchaction", fetch_action.clone()));
    }
    if !results.documents.is_empty() {
        elements.push(Element::parent("tasks", results.documents.iter().map(|result| document(result)).collect()));
    }
    if !results.warnings.is_empty() {
        let warning = |warning: &Arc<Warning>| {
            Element::text("warning", warning.text.clone()).attribute("task", warning.task.clone())
        };
        elements.push(Element::parent("warnings", results.warnings.iter().map(warning).collect()));
    }
    elements.extend(results.listings.iter().map(|listing| identifiers(listing)));
    elements
}

/// The counters in alphabetical order, with the task's name among them. Of a crawl every counter that it has, zeros too:
/// readers of the old form look for each, and the new form allows it. Of other actions those that they have counted,
/// `errors`, and what they are about.
fn document_count(fetch_action: &str, counts: &Counts) -> Element {
    let is_shown = |(name, value): &&(&'static str, u64)| match (fetch_action, *name) {
        ("SYNCHRONIZE", "collected") => false,
        ("SYNCHRONIZE", _) | (_, "errors") | ("COLLECT", "collected") | ("IDENTIFIERS", "seen") => true,
        _ => *value > 0,
    };
    let count = |element: Element, (name, value): &(&'static str, u64)| element.attribute(*name, value.to_string());
    let shown = || counts.values.iter().filter(is_shown);
    let before = shown().filter(|(name, _)| *name < "task").fold(Element::empty("documentcount"), count);
    let task = before.attribute("task", counts.task.clone());
    shown().filter(|(name, _)| *name > "task").fold(task, count)
}

fn document(result: &DocumentResult) -> Element {
    let identifier = result.identifier.clone();
    match &result.failure {
        None => Element::text("success", identifier),
        Some(failure) => Element::text("failed", identifier).attribute("message", failure.clone()),
    }
}

fn identifiers(listing: &Listing) -> Element {
    let identifier = |entry: &Listed| {
        let shown = [("attributes", &entry.attributes), ("name", &entry.name), ("type", &entry.kind)].into_iter();
        let shown = shown.filter_map(|(name, value)| Some((name, value.clone()?)));
        let element = Element::text("identifier", entry.identifier.clone());
        shown.fold(element, |element, (name, value)| element.attribute(name, value))
    };
    let mut children: Vec<Element> = listing.entries.iter().map(identifier).collect();
    children.extend(listing.error.clone().map(|error| Element::text("error", error)));
    let (name, subject) = match &listing.subject {
        Subject::Parent(subject) => ("parent_identifier", subject),
        Subject::Itself(subject) => ("self", subject),
    };
    Element::parent("identifiers", children).attribute(name, subject.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::TaskCounts;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_name_of_the_task_stands_among_its_counters_by_the_alphabet() {
        let counts = TaskCounts::new("docs").snapshot();
        let element = format!("{:?}", document_count("SYNCHRONIZE", &counts));
        let (seen, task, unchanged) = (element.find("seen"), element.find("task"), element.find("unchanged"));
        assert!(seen < task && task < unchanged, "{element}");
        assert!(!element.contains("collected"), "{element}");
    }

    #[test]
    fn an_action_that_is_no_crawl_prints_what_it_has_counted() {
        let counts = TaskCounts::new("docs");
        counts.collected.store(2, Ordering::Relaxed);
        let expected = Element::empty("documentcount")
            .attribute("collected", "2")
            .attribute("errors", "0")
            .attribute("task", "DOCS");
        assert_eq!(document_count("COLLECT", &counts.snapshot()), expected);
    }
}
