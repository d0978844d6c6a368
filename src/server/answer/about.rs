//! What the connector tells about itself: `GetVersion`, `GetStatus`, `TaskList`.

use super::Answers;
use crate::aci::{ACI_ACTIONS, ActionSpec, Element, FetchAction};
use crate::fetchaction::TaskInfo;
use crate::time::Moment;
use crate::wildcard;

/// What `GetVersion` and `GetStatus` call this product.
const PRODUCT: &str = "Web Connector";
/// Management tools know a connector by this (aci.md 5.1).
const PRODUCT_TYPE: &str = "WEBCONNECTOR";

impl Answers {
    /// The elements and their order are those of aci.md 5.1.
    pub(super) fn version(&self) -> Vec<Element> {
        let now = Moment::now();
        let uptime = now.seconds_since(self.started);
        let version = env!("CARGO_PKG_VERSION");
        let config_path = self.config.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        vec![
            Element::text("autn:version", version),
            Element::text("autn:aciversion", version),
            Element::text("autn:productname", PRODUCT),
            Element::text("autn:commonname", PRODUCT),
            Element::text("autn:producttypecsv", PRODUCT_TYPE),
            Element::text("autn:build", version),
            Element::value("autn:wordsize", usize::BITS),
            Element::text("autn:operatingsystem", std::env::consts::OS),
            Element::value("autn:directory", self.config.base.display()),
            Element::text("autn:configpath", config_path),
            Element::parent(
                "autn:servertime",
                vec![
                    Element::value("autn:epoch", now.epoch_ms() / 1000),
                    Element::value("autn:string", now.error_date()),
                ],
            ),
            Element::parent(
                "autn:uptime",
                vec![
                    Element::text("autn:uptime", in_words(uptime)),
                    Element::value("autn:seconds", uptime),
                    Element::value("autn:starttime", self.started.error_date()),
                ],
            ),
        ]
    }

    /// The product, and the fetch actions that it performs (aci.md 5.1).
    pub(super) fn status(&self) -> Vec<Element> {
        let actions = [FetchAction::Synchronize, FetchAction::Collect, FetchAction::Identifiers].map(|kind| {
            let action = Element::empty("action").attribute("action", "FETCH");
            action.attribute("fetchaction", kind.as_str().to_ascii_uppercase())
        });
        let mut told = self.product();
        told.push(Element::parent("actions", actions.to_vec()));
        told
    }

    /// What it is and where.
    pub(super) fn product(&self) -> Vec<Element> {
        let version = env!("CARGO_PKG_VERSION");
        vec![
            Element::text("product", PRODUCT),
            Element::text("version", version),
            Element::text("build", version),
            Element::value("aciport", self.ports.aci.port()),
            Element::value("serviceport", self.ports.service.port()),
            Element::value("directory", self.config.base.display()),
            Element::value("acithreads", self.config.server.threads),
        ]
    }

    /// web-connector.md 1.1. A filter names its task or action whole, with `*` for any characters and `?` for one.
    pub(super) fn task_list(&self, match_name: Option<&str>, match_action: Option<&str>) -> Vec<Element> {
        let matches =
            |pattern: Option<&str>, text: &str| pattern.is_none_or(|pattern| wildcard::matches(pattern, text));
        let action = "SYNCHRONIZE";
        let tasks = self.fetch.tasks().into_iter();
        let tasks = tasks.filter(|task| matches(match_name, &task.name) && matches(match_action, action));
        let (now, scheduler) = (Moment::now(), self.scheduler.as_ref());
        let element = |task: TaskInfo| {
            let next = scheduler.and_then(|scheduler| scheduler.next(&task, now));
            let mut children = vec![
                Element::text("name", task.name),
                Element::text("action", action),
                Element::value("calls", task.calls),
            ];
            children.extend(task.datastore.map(|path| Element::value("datastore", path.display())));
            children.extend(task.last_start.map(|at| Element::value("lastStartTime", at.queue_date())));
            children.extend(task.last_finish.map(|at| Element::value("lastFinishTime", at.queue_date())));
            // A name of ours: the reference does not tell.
            children.extend(next.map(|at| Element::value("nextStartTime", at.queue_date())));
            Element::parent("task", children)
        };
        let list = tasks.map(element).collect();
        // Whoever has changed a schedule asks for it here.
        if let Some(scheduler) = scheduler {
            scheduler.look();
        }
        list
    }
}

/// In the shape of aci.md 5.1: each action of the ACI port is licensed.
pub(super) fn licence() -> Vec<Element> {
    let action = |spec: &ActionSpec| {
        let children = vec![Element::text("autn:name", spec.name), Element::text("autn:licensed", "true")];
        Element::parent("autn:action", children)
    };
    let mut section = vec![Element::text("autn:name", PRODUCT)];
    section.extend(ACI_ACTIONS.iter().map(action));
    vec![
        Element::parent(
            "autn:license",
            vec![Element::text("autn:validlicense", "true"), Element::text("autn:comment", "no licence is needed")],
        ),
        Element::parent("autn:actions", vec![Element::parent("autn:section", section)]),
    ]
}

/// `2 days, 19 hours, 25 mins, 27 secs`.
pub(super) fn in_words(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days} days, {hours} hours, {minutes} mins, {} secs", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_words() {
        assert_eq!(in_words(2 * 86_400 + 19 * 3600 + 25 * 60 + 27), "2 days, 19 hours, 25 mins, 27 secs");
    }
}
