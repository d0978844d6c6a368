//! What each request is answered: one function per action, from a typed [`Request`] to a [`Reply`].

use crate::aci::{
    Caller, Element, ErrorCode, Failure, FetchAction, FetchRequest, QueueAction, Reply, Request, ServiceRequest,
};
use crate::action::{BadParam, Counts, QueueName, Report, Status, Token};
use crate::fetchaction::{FetchActions, PlanError};
use crate::queue::{CommandError, Queue, Snapshot, Submission, SubmitError};
use crate::time::Moment;
use crossbeam_channel::Sender;
use std::path::PathBuf;
use std::sync::Arc;

/// What `GetVersion` and `GetStatus` call this product.
const PRODUCT: &str = "Web Connector";
/// Management tools know a connector by this (aci.md 5.1).
const PRODUCT_TYPE: &str = "WEBCONNECTOR";

/// Answers every request of both ports.
pub(super) struct Answers {
    pub(super) queue: Arc<Queue>,
    pub(super) fetch: Arc<FetchActions>,
    /// Told when a client asks the service port to stop the connector.
    pub(super) stop: Sender<()>,
    pub(super) folder: PathBuf,
    pub(super) config_path: Option<PathBuf>,
    pub(super) dispatchers: usize,
    pub(super) started: Moment,
    pub(super) aci_port: u16,
    pub(super) service_port: u16,
}

impl Answers {
    pub(super) fn answer(&self, request: Request, caller: &Caller) -> Reply {
        match request {
            Request::Fetch(fetch) => Reply::new("Fetch", self.fetch(fetch, caller)),
            Request::QueueInfo { queue, action } => Reply::new("QueueInfo", self.queue_info(&queue, action)),
            Request::GetVersion => Reply::success("GetVersion", self.version()),
            Request::GetStatus => Reply::success("GetStatus", self.status()),
            Request::GetPid => Reply::success("GetPid", vec![Element::value("autn:pid", std::process::id())]),
            Request::TaskList { match_name, match_action } => {
                Reply::success("TaskList", self.task_list(match_name.as_deref(), match_action.as_deref()))
            }
            Request::Service(ServiceRequest::GetStatus) => Reply::state("GetStatus", "Running"),
            Request::Service(ServiceRequest::Stop) => {
                log::warn!(target: "application", "asked to stop by {}", caller.peer);
                // Full means that somebody has asked before.
                let _ = self.stop.try_send(());
                Reply::success("Stop", Vec::new())
            }
        }
    }

    fn fetch(&self, request: FetchRequest, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let FetchRequest { fetch_action, params } = request;
        if fetch_action != FetchAction::Synchronize {
            return Err(unsupported(fetch_action));
        }
        let plan = self.fetch.plan(&params).map_err(plan_failure)?;
        let priority = params.optional::<i64>("Priority")?.unwrap_or(0);
        let claims = plan.claims();
        let tasks = claims.join(", ");
        let token =
            self.queue.submit(&Submission { params, priority, claims }).map_err(|error| submit_failure(&error))?;
        log::info!(target: "action", "SYNCHRONIZE for {tasks} queued by {} [{token}]", caller.peer);
        Ok(vec![Element::value("token", token)])
    }

    fn queue_info(&self, queue: &QueueName, action: QueueAction) -> Result<Vec<Element>, Failure> {
        if *queue != QueueName::fetch() {
            return Err(
                BadParam::unreadable("QueueName", queue.as_str(), "Fetch, the only queue of a web connector").into()
            );
        }
        let now = Moment::now();
        let actions = match action {
            QueueAction::GetStatus(None) => self.queue.list().iter().map(|snapshot| status_of(snapshot, now)).collect(),
            QueueAction::GetStatus(Some(token)) => {
                let snapshot = self.queue.get(&token).ok_or_else(|| unknown_token(&token))?;
                vec![status_of(&snapshot, now)]
            }
            QueueAction::Cancel(token) => {
                let snapshot = self.queue.cancel(&token).map_err(command_failure)?;
                vec![touched(&snapshot)]
            }
            QueueAction::Stop(token) => {
                let stopped = self.queue.stop(token.as_ref()).map_err(command_failure)?;
                stopped.iter().map(touched).collect()
            }
        };
        Ok(vec![Element::parent("actions", actions)])
    }

    /// The elements and their order are those of aci.md 5.1.
    fn version(&self) -> Vec<Element> {
        let now = Moment::now();
        let uptime = now.seconds_since(self.started);
        let version = env!("CARGO_PKG_VERSION");
        let config_path = self.config_path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        vec![
            Element::text("autn:version", version),
            Element::text("autn:aciversion", version),
            Element::text("autn:productname", PRODUCT),
            Element::text("autn:commonname", PRODUCT),
            Element::text("autn:producttypecsv", PRODUCT_TYPE),
            Element::text("autn:build", version),
            Element::value("autn:wordsize", usize::BITS),
            Element::text("autn:operatingsystem", std::env::consts::OS),
            Element::value("autn:directory", self.folder.display()),
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
    fn status(&self) -> Vec<Element> {
        let version = env!("CARGO_PKG_VERSION");
        vec![
            Element::text("product", PRODUCT),
            Element::text("version", version),
            Element::text("build", version),
            Element::value("aciport", self.aci_port),
            Element::value("serviceport", self.service_port),
            Element::value("directory", self.folder.display()),
            Element::value("acithreads", self.dispatchers),
            Element::parent(
                "actions",
                vec![
                    Element::empty("action")
                        .attribute("action", "FETCH")
                        .attribute("fetchaction", FetchAction::Synchronize.as_str().to_ascii_uppercase()),
                ],
            ),
        ]
    }

    /// web-connector.md 1.1. A filter names its task or action whole, with `*` for any characters.
    fn task_list(&self, match_name: Option<&str>, match_action: Option<&str>) -> Vec<Element> {
        let matches = |pattern: Option<&str>, text: &str| pattern.is_none_or(|pattern| wildcard(pattern, text));
        let action = "SYNCHRONIZE";
        let tasks = self.fetch.tasks().into_iter();
        let tasks = tasks.filter(|task| matches(match_name, &task.name) && matches(match_action, action));
        let element = |task: crate::fetchaction::TaskInfo| {
            let mut children = vec![
                Element::text("name", task.name),
                Element::text("action", action),
                Element::value("calls", task.calls),
            ];
            children.extend(task.datastore.map(|path| Element::value("datastore", path.display())));
            children.extend(task.last_start.map(|at| Element::value("lastStartTime", at.queue_date())));
            children.extend(task.last_finish.map(|at| Element::value("lastFinishTime", at.queue_date())));
            Element::parent("task", children)
        };
        tasks.map(element).collect()
    }
}

/// One action as `GetStatus` prints it: elements, order and formats of aci.md 3.5.
fn status_of(snapshot: &Snapshot, now: Moment) -> Element {
    let Snapshot { token, status, queued_at, started_at, ended_at, priority, error, report } = snapshot;
    let left_queue_at = started_at.or(*ended_at).unwrap_or(now);
    let mut children = vec![
        Element::text("status", status.as_str()),
        Element::value("queued_time", queued_at.queue_date()),
        Element::value("time_in_queue", left_queue_at.seconds_since(*queued_at)),
    ];
    if let Some(started_at) = started_at {
        children.push(Element::value("process_start_time", started_at.queue_date()));
        children.push(Element::value("time_processing", ended_at.unwrap_or(now).seconds_since(*started_at)));
    }
    children.extend(ended_at.map(|at| Element::value("process_end_time", at.queue_date())));
    children.extend(error.as_ref().map(|error| Element::text("error", error.clone())));
    let Report { fetch_action, tasks } = report;
    if !tasks.is_empty() {
        children.push(Element::parent("documentcounts", tasks.iter().map(document_count).collect()));
    }
    if !fetch_action.is_empty() {
        children.push(Element::text("fetchaction", fetch_action.clone()));
    }
    if *status == Status::Queued {
        children.push(Element::value("priority", *priority));
    }
    children.push(Element::value("token", token));
    Element::parent("action", children)
}

/// Every counter that a crawl has, zeros too, in alphabetical order with the task's name among them: readers of the
/// old form look for each, and the new form allows it.
fn document_count(counts: &Counts) -> Element {
    let before = counts.values.iter().filter(|(name, _)| *name < "task");
    let after = counts.values.iter().filter(|(name, _)| *name > "task");
    let element = before
        .fold(Element::empty("documentcount"), |element, (name, value)| element.attribute(*name, value.to_string()));
    let element = element.attribute("task", counts.task.clone());
    after.fold(element, |element, (name, value)| element.attribute(*name, value.to_string()))
}

/// What a command answers of each action that it touched.
fn touched(snapshot: &Snapshot) -> Element {
    Element::parent(
        "action",
        vec![Element::text("status", snapshot.status.as_str()), Element::value("token", &snapshot.token)],
    )
}

fn unsupported(fetch_action: FetchAction) -> Failure {
    let why = match fetch_action {
        FetchAction::Collect | FetchAction::Identifiers | FetchAction::View => "this version does not have it yet",
        _ => "a web site is read-only and has no such thing",
    };
    let name = fetch_action.as_str();
    let description = format!("FetchAction={name} is not supported: {why}; Synchronize is");
    Failure::new(ErrorCode::ParamInvalid, description)
}

fn unknown_token(token: &Token) -> Failure {
    let expected = "the token of an action that this queue has or still remembers";
    BadParam::unreadable("Token", token.as_str(), expected).into()
}

fn plan_failure(error: PlanError) -> Failure {
    match error {
        PlanError::Param(bad) => bad.into(),
        PlanError::NoTask => Failure::new(ErrorCode::ParamMissing, error.to_string()),
        error => Failure::new(ErrorCode::ParamInvalid, error.to_string()),
    }
}

fn submit_failure(error: &SubmitError) -> Failure {
    let code = match error {
        SubmitError::Store(_) => ErrorCode::Internal,
        _ => ErrorCode::Refused,
    };
    Failure::new(code, error.to_string())
}

fn command_failure(error: CommandError) -> Failure {
    let code = match error {
        CommandError::UnknownToken(token) => return unknown_token(&token),
        CommandError::Store(_) => ErrorCode::Internal,
        _ => ErrorCode::ParamInvalid,
    };
    Failure::new(code, error.to_string())
}

/// `2 days, 19 hours, 25 mins, 27 secs`.
fn in_words(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days} days, {hours} hours, {minutes} mins, {} secs", seconds % 60)
}

/// Whether `text` is `pattern`, in which `*` stands for any characters; in any case.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_any_characters() {
        let cases = [
            ("docs", "DOCS", true),
            ("doc", "DOCS", false),
            ("*", "", true),
            ("d*s", "DOCS", true),
            ("d*x", "DOCS", false),
            ("*o*c*", "DOCS", true),
            ("*cs*s", "DOCS", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_name_of_the_task_stands_among_its_counters_by_the_alphabet() {
        let counts = crate::action::TaskCounts::new("docs").snapshot();
        let element = format!("{:?}", document_count(&counts));
        let (seen, task, unchanged) = (element.find("seen"), element.find("task"), element.find("unchanged"));
        assert!(seen < task && task < unchanged, "{element}");
    }

    #[test]
    fn time_is_told_in_words() {
        assert_eq!(in_words(2 * 86_400 + 19 * 3600 + 25 * 60 + 27), "2 days, 19 hours, 25 mins, 27 secs");
    }
}
