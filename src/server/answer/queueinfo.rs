//! `action=QueueInfo`.

use super::{Answers, results};
use crate::aci::{Element, ErrorCode, Failure, QueueAction};
use crate::action::{BadParam, QueueName, Status, Token};
use crate::queue::{CommandError, Snapshot};
use crate::time::Moment;

impl Answers {
    pub(super) fn queue_info(&self, queue: &QueueName, action: QueueAction) -> Result<Vec<Element>, Failure> {
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
        _ => ErrorCode::ParamInvalid,
    };
    Failure::new(code, error.to_string())
}
