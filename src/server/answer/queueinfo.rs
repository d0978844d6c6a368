//! `action=QueueInfo`.

use super::fetch::submit_failure;
use super::progress::progress_of;
use super::{Answers, results};
use crate::aci::{Element, ErrorCode, Failure, QueueAction, QueueCommand, Which};
use crate::action::{BadParam, Filter, Params, Query, QueueName, States, Status, Token};
use crate::queue::{CommandError, DuplicateError, Queue, Snapshot, State};
use crate::server::shown;
use crate::time::Moment;

impl Answers {
    pub(super) fn queue_info(&self, queue: &QueueName, action: QueueAction) -> Result<Vec<Element>, Failure> {
        if *queue != QueueName::fetch() {
            return Err(
                BadParam::unreadable("QueueName", queue.as_str(), "Fetch, the only queue of a web connector").into()
            );
        }
        let now = Moment::now();
        let told = match action {
            QueueAction::GetStatus { token, query } => {
                let found = self.find(token.as_ref(), &query)?;
                found.iter().map(|snapshot| status_of(snapshot, now)).collect()
            }
            QueueAction::Progress { token, depth_max, all_stages } => {
                let query = if token.is_some() { Query::default() } else { running() };
                let found = self.find(token.as_ref(), &query)?;
                found.iter().map(|snapshot| progress_of(snapshot, depth_max, all_stages, now)).collect()
            }
            QueueAction::GetActionParameters(token) => self.parameters(token)?,
            QueueAction::QueueStatus => return Ok(vec![queue_of(queue, self.queue.state())]),
            QueueAction::Duplicate(token) => {
                let copy = self.queue.duplicate(&token).map_err(duplicate_failure)?;
                return Ok(vec![Element::value("token", copy)]);
            }
            QueueAction::Command(command) => self.command(command)?.iter().map(touched).collect(),
        };
        Ok(vec![Element::parent("actions", told)])
    }

    fn find(&self, token: Option<&Token>, query: &Query) -> Result<Vec<Snapshot>, Failure> {
        match token {
            Some(token) => self.queue.find_one(token, query).map_err(command_failure),
            None => Ok(self.queue.find(query)),
        }
    }

    /// Parameters are stored as they came, and a client can send many megabytes. An answer about those takes time and
    /// memory, so that only one is made at once, and none of more than any single action can have.
    fn parameters(&self, token: Option<Token>) -> Result<Vec<Element>, Failure> {
        const SMALL_BYTES: usize = 256 << 10;
        const ALL_BYTES_MAX: usize = 16 << 20;
        let bytes = self.queue.parameters_bytes(token.as_ref()).map_err(command_failure)?;
        if token.is_none() && bytes > ALL_BYTES_MAX {
            let why = format!("all actions together have {bytes} bytes of parameters; ask for one action by its Token");
            return Err(Failure::new(ErrorCode::Refused, why));
        }
        let turn = if bytes > SMALL_BYTES { self.large_parameters.try_lock().map(Some) } else { Some(None) };
        let Some(_turn) = turn else {
            let why = format!("other parameters of more than {SMALL_BYTES} bytes are being told; try again");
            return Err(Failure::new(ErrorCode::Refused, why));
        };
        let submitted = match token {
            Some(token) => {
                let params = self.queue.parameters(&token).map_err(command_failure)?;
                vec![(token, params)]
            }
            None => self.queue.all_parameters(),
        };
        Ok(submitted.iter().map(|(token, params)| parameters_of(token, params)).collect())
    }

    /// `action=StopFetch`. The token is answered, as the reference does, for asking about its end.
    pub(super) fn stop_fetch(&self, token: &Token) -> Result<Vec<Element>, Failure> {
        let is_queued = self.queue.get(token).is_some_and(|action| action.status == Status::Queued);
        let cancelled = if is_queued { self.queue.cancel(token).map(Some) } else { Ok(None) };
        let told = match cancelled {
            // It runs, or has begun to since it was looked at.
            Ok(None) | Err(CommandError::Running(_)) => self.queue.stop(Some(token)).map(|mut asked| asked.pop()),
            cancelled => cancelled,
        };
        let told = told.map_err(command_failure)?.ok_or_else(|| unknown_token(token))?;
        Ok(vec![Element::text("status", told.status.as_str()), Element::value("token", told.token)])
    }

    fn command(&self, command: QueueCommand) -> Result<Vec<Snapshot>, Failure> {
        let queue = &self.queue;
        let told = match command {
            QueueCommand::Cancel(Which::One(token)) => queue.cancel(&token).map(|action| vec![action]),
            QueueCommand::Cancel(Which::Matching(filter)) => queue.cancel_matching(&filter),
            QueueCommand::Stop(None) => queue.stop(None),
            QueueCommand::Stop(Some(Which::One(token))) => queue.stop(Some(&token)),
            QueueCommand::Stop(Some(Which::Matching(filter))) => queue.stop_matching(&filter),
            QueueCommand::Delete(Which::One(token)) => queue.delete(&token).map(|action| vec![action]),
            QueueCommand::Delete(Which::Matching(filter)) => queue.delete_matching(&filter),
            QueueCommand::Pause(token) => queue.pause(token.as_ref()),
            QueueCommand::Resume(token) => queue.resume(token.as_ref()),
            QueueCommand::ChangePriority { token, priority } => {
                queue.change_priority(&token, priority).map(|action| vec![action])
            }
        };
        told.map_err(command_failure)
    }
}

/// Every action that holds a thread.
fn running() -> Query {
    let states = Some(States(vec![Status::Processing, Status::Paused]));
    Query { filter: Filter { states, ..Filter::default() }, ..Query::default() }
}

/// The latest actions, at most `count`, as `GetStatus` prints them.
pub(super) fn latest(queue: &Queue, count: usize) -> Vec<Element> {
    let found = queue.find(&Query { told_max: Some(count), ..Query::default() });
    let now = Moment::now();
    vec![Element::parent("actions", found.iter().map(|snapshot| status_of(snapshot, now)).collect())]
}

/// How the queue stands; the names are ours (aci.md 10).
pub(super) fn queue_of(name: &QueueName, state: State) -> Element {
    let State { is_paused, queued, running, ended } = state;
    Element::parent(
        "queue",
        vec![
            Element::value("name", name),
            Element::value("paused", is_paused),
            Element::value("pending", queued),
            Element::value("running", running),
            Element::value("completed", ended),
        ],
    )
}

/// What was submitted, in its order. Anybody who may ask about the queue is told, so secrets are masked.
fn parameters_of(token: &Token, params: &Params) -> Element {
    let params = params.masked(shown::is_known);
    let parameters = params
        .iter()
        .map(|(name, value)| Element::text("parameter", value.to_owned()).attribute("name", name.to_owned()))
        .collect();
    Element::parent("action", vec![Element::value("token", token), Element::parent("parameters", parameters)])
}

/// One action as `GetStatus` prints it: elements, order and formats of aci.md 3.5.
pub(in crate::server) fn status_of(snapshot: &Snapshot, now: Moment) -> Element {
    let Snapshot { token, status, queued_at, started_at, ended_at, priority, error, report, .. } = snapshot;
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
    children.extend(results::elements(report));
    if *status == Status::Queued {
        children.push(Element::value("priority", *priority));
    }
    children.push(Element::value("token", token));
    Element::parent("action", children)
}

/// What a command answers of each action that it touched.
fn touched(snapshot: &Snapshot) -> Element {
    Element::parent(
        "action",
        vec![Element::text("status", snapshot.status.as_str()), Element::value("token", &snapshot.token)],
    )
}

fn unknown_token(token: &Token) -> Failure {
    let expected = "the token of an action that this queue has or still remembers";
    BadParam::unreadable("Token", token.as_str(), expected).into()
}

fn command_failure(error: CommandError) -> Failure {
    let code = match error {
        CommandError::UnknownToken(token) => return unknown_token(&token),
        CommandError::Store(_) => ErrorCode::Internal,
        CommandError::Busy => ErrorCode::Refused,
        _ => ErrorCode::ParamInvalid,
    };
    Failure::new(code, error.to_string())
}

fn duplicate_failure(error: DuplicateError) -> Failure {
    match error {
        DuplicateError::Command(error) => command_failure(error),
        DuplicateError::Submit(error) => submit_failure(&error),
    }
}
