//! The service port: how the connector is doing as a process, and its end.

use super::Answers;
use super::about::in_words;
use super::queueinfo::queue_of;
use crate::aci::{
    Answering, Caller, CancelError, ConnectionCounts, Count, DispatcherState, Element, ErrorCode, Failure, Journal,
    Reply, ServiceRequest, Thread,
};
use crate::action::{BadParam, QueueName};
use crate::queue::OwedTo;
use crate::server::{Asked, restart};
use crate::time::Moment;
use std::sync::Arc;
use std::time::Duration;

impl Answers {
    pub(super) fn service(&self, request: ServiceRequest, caller: &Caller) -> Reply {
        match request {
            ServiceRequest::GetStatus => Reply::state("GetStatus", self.state()),
            ServiceRequest::GetStatusInfo => Reply::success("GetStatusInfo", self.status_info()),
            ServiceRequest::GetStatistics => Reply::success("GetStatistics", self.statistics()),
            ServiceRequest::AciThreadStatus => Reply::success("ACIThreadStatus", self.threads()),
            ServiceRequest::CancelAciAction(thread) => Reply::new("CancelACIAction", self.cancel(&thread, caller)),
            ServiceRequest::GetConfig(form) => self.config(form),
            ServiceRequest::ValidateConfig => Reply::success("ValidateConfig", self.validation()),
            ServiceRequest::GetLogStreamNames => Reply::success("GetLogStreamNames", self.log_streams()),
            ServiceRequest::GetLogStream { name, lines_max, form } => self.log_stream(&name, lines_max, form),
            ServiceRequest::Diagnostic => self.diagnostic(),
            ServiceRequest::ShowPermissions { ip } => {
                Reply::success("ShowPermissions", self.permissions(ip.as_deref(), caller, &self.service_origins))
            }
            ServiceRequest::Stop => {
                log::warn!(target: "application", "asked to stop by {}", caller.peer);
                self.ask(Asked::Stop);
                Reply::success("Stop", Vec::new())
            }
            ServiceRequest::Restart => Reply::new("Restart", self.restart(caller)),
        }
    }

    /// As the reference words it (aci.md 5.2).
    fn state(&self) -> &'static str {
        if self.closing.is_set() {
            "Stopping"
        } else if self.queue.state().is_paused {
            "Paused"
        } else {
            "Running"
        }
    }

    pub(super) fn status_info(&self) -> Vec<Element> {
        let config_path = self.config.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        let mut told = vec![Element::text("state", self.state())];
        told.extend(self.product());
        told.extend([
            Element::text("configpath", config_path),
            Element::value("pid", std::process::id()),
            Element::value("starttime", self.started.error_date()),
            Element::text("uptime", in_words(Moment::now().seconds_since(self.started))),
        ]);
        told
    }

    pub(super) fn statistics(&self) -> Vec<Element> {
        let mut told = vec![Element::value("uptime", Moment::now().seconds_since(self.started))];
        told.extend(self.journals.iter().map(port));
        told.push(queue_of(&QueueName::fetch(), self.queue.state()));
        told.extend(handlers(&self.queue.owed()));
        told.extend(memory());
        told
    }

    pub(super) fn threads(&self) -> Vec<Element> {
        let now = Moment::now();
        let states = self.journals.iter().flat_map(|journal| journal.dispatchers());
        states.map(|state| thread(state, now)).collect()
    }

    fn cancel(&self, thread: &Thread, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let journal = self.journals.iter().find(|journal| journal.name() == thread.port);
        let journal: &Arc<Journal> = journal.expect("a thread is of one of the two ports");
        let cancelled = journal.cancel(thread.number);
        let Answering { action, client, .. } = cancelled.map_err(|error| match &error {
            CancelError::NoSuchThread(_) => {
                let given = format!("{}-{}", thread.port, thread.number);
                BadParam::unreadable("Thread", &given, format!("another one: {error}")).into()
            }
            CancelError::Idle(_) | CancelError::WaitsForNothing { .. } => {
                Failure::new(ErrorCode::Refused, error.to_string())
            }
        })?;
        // Who waits for the end of an action is not woken by the flag alone.
        self.queue.wake_waiting();
        let name = format!("{}-{}", thread.port, thread.number);
        log::warn!(target: "application", "the {action} of {client} on {name} was cancelled by {}", caller.peer);
        let children = vec![
            Element::text("name", name),
            Element::text("answering", action.to_ascii_uppercase()),
            Element::value("client", client),
        ];
        Ok(vec![Element::parent("thread", children)])
    }

    fn restart(&self, caller: &Caller) -> Result<Vec<Element>, Failure> {
        restart::check(&self.config, self.ports)
            .map_err(|why| Failure::new(ErrorCode::Refused, format!("nothing was stopped: {why}")))?;
        log::warn!(target: "application", "asked to restart by {}", caller.peer);
        self.ask(Asked::Restart);
        Ok(Vec::new())
    }

    /// Has the server stop or restart, once.
    pub(super) fn ask(&self, asked: Asked) {
        // Status says so from now on; what is asked for until the ports close is answered.
        self.closing.set();
        // Full means that somebody has asked before.
        let _ = self.asked.try_send(asked);
    }
}

fn port(journal: &Arc<Journal>) -> Element {
    let ConnectionCounts { open, accepted, turned_away, refused } = journal.connections();
    let connections = vec![
        Element::value("open", open),
        Element::value("accepted", accepted),
        Element::value("turnedaway", turned_away),
        Element::value("refused", refused),
    ];
    let requests = journal.counts().into_iter().map(|count| {
        let Count { action, requests, errors, time, longest } = count;
        let mean = time.checked_div(u32::try_from(requests).unwrap_or(u32::MAX)).unwrap_or_default();
        let children = vec![
            Element::text("name", action.to_ascii_uppercase()),
            Element::value("count", requests),
            Element::value("errors", errors),
            Element::text("meanduration", milliseconds(mean)),
            Element::text("maxduration", milliseconds(longest)),
        ];
        Element::parent("request", children)
    });
    let children = vec![Element::parent("connections", connections), Element::parent("requests", requests.collect())];
    Element::parent(journal.name(), children)
}

/// Who is told of events, and how much is still to be told; nothing if nobody is.
fn handlers(owed: &OwedTo) -> Option<Element> {
    let handler = |(name, count): &(Arc<str>, usize)| {
        Element::parent("handler", vec![Element::value("name", name), Element::value("undelivered", count)])
    };
    (!owed.is_empty()).then(|| Element::parent("events", owed.iter().map(handler).collect()))
}

fn thread(state: DispatcherState, now: Moment) -> Element {
    let DispatcherState { name, since, answering, .. } = state;
    let mut children = vec![
        Element::text("name", name),
        Element::text("status", if answering.is_some() { "Processing" } else { "Idle" }),
        Element::value("since", since.queue_date()),
        Element::value("seconds", now.seconds_since(since)),
    ];
    if let Some(Answering { action, client, is_cancellable }) = answering {
        children.extend([
            Element::text("answering", action.to_ascii_uppercase()),
            Element::value("client", client),
            Element::value("cancellable", is_cancellable),
        ]);
    }
    Element::parent("thread", children)
}

/// `0.42 ms`
pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// What the process holds and has held at most, in bytes; nothing where the system has no `/proc`.
fn memory() -> Option<Element> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    };
    let children = vec![Element::value("resident", bytes("VmRSS:")?), Element::value("residentpeak", bytes("VmHWM:")?)];
    Some(Element::parent("memory", children))
}
