//! `action=Fetch`.

use super::{Answers, results};
use crate::aci::{Caller, Element, ErrorCode, Failure, FetchAction, FetchRequest, Outcome, Reply};
use crate::action::{Params, Status};
use crate::fetchaction::{FetchActions, PlanError};
use crate::queue::{Snapshot, Submission, SubmitError, Watch};

/// An action that can be performed, and what the log calls it.
struct Planned {
    submission: Submission,
    what: String,
}

impl Answers {
    pub(super) fn fetch(&self, request: FetchRequest, caller: &Caller) -> Outcome {
        let FetchRequest { fetch_action, is_sync, params } = request;
        if !matches!(fetch_action, FetchAction::Synchronize | FetchAction::Collect | FetchAction::Identifiers) {
            return Reply::error("Fetch", unsupported(fetch_action)).into();
        }
        if is_sync {
            return Reply::new("Fetch", self.submit_and_wait(params, caller)).into();
        }
        self.submit("Fetch", params, caller)
    }

    /// Queues the purge of a task's datastore.
    pub(super) fn purge(&self, section: &str, caller: &Caller) -> Outcome {
        self.submit("PurgeDatastore", FetchActions::purge_params(section), caller)
    }

    /// Has the action queued; the reply waits for the disk.
    fn submit(&self, action: &'static str, params: Params, caller: &Caller) -> Outcome {
        let begun = self.planned(params).and_then(|Planned { submission, what }| {
            let submitting = self.queue.begin_submit(&submission).map_err(|error| submit_failure(&error))?;
            Ok((submitting, what))
        });
        let (submitting, what) = match begun {
            Ok(begun) => begun,
            Err(failure) => return Reply::error(action, failure).into(),
        };
        let peer = caller.peer;
        Outcome::Awaited(Box::new(move || {
            let token = submitting.finish().map_err(|error| submit_failure(&error));
            Reply::new(
                action,
                token.map(|token| {
                    log::info!(target: "action", "{what} queued by {peer} [{token}]");
                    vec![Element::value("token", token)]
                }),
            )
        }))
    }

    /// Queues the action like any other, and answers its result when it has ended. It is as durable, and as much
    /// everybody's, as one whose token was answered: a client that goes away does not stop it.
    fn submit_and_wait(&self, params: Params, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let Planned { submission, what } = self.planned(params)?;
        let Some(_waiting) = self.waits.begin_long() else {
            let instead = "send the action without Sync and ask QueueInfo how it stands, or set more Threads";
            return Err(Failure::new(ErrorCode::Refused, format!("{}; {instead}", self.waits)));
        };
        let watch = self.queue.submit_watched(&submission).map_err(|error| submit_failure(&error))?;
        log::info!(target: "action", "{what} queued by {}, who waits for its end [{}]", caller.peer, watch.token);
        match watch.wait(&caller.stop_flag()) {
            Some(ended) => result(&ended),
            None if self.closing.is_set() => Err(shutting_down(&watch)),
            None => Err(cancelled(&watch)),
        }
    }

    fn planned(&self, params: Params) -> Result<Planned, Failure> {
        let plan = self.fetch.plan(&params).map_err(plan_failure)?;
        let priority = params.optional::<i64>("Priority")?.unwrap_or(0);
        let claims = plan.claims();
        let what = format!("{} for {}", plan.fetch_action().to_ascii_uppercase(), claims.join(", "));
        Ok(Planned { submission: Submission { params, priority, claims, series: None }, what })
    }
}

/// What `QueueInfo` prints of an action that has ended, or why it has not come to its own end.
fn result(ended: &Snapshot) -> Result<Vec<Element>, Failure> {
    let Snapshot { token, status, error, report, .. } = ended;
    if *status == Status::Finished {
        return Ok(results::elements(report));
    }
    let why = error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    Err(Failure::new(ErrorCode::ActionFailed, format!("the action {token} ended with the status {status}{why}")))
}

fn cancelled(watch: &Watch) -> Failure {
    let token = &watch.token;
    let description = format!(
        "the request was cancelled (CancelACIAction) before the action has ended; the action goes on: ask QueueInfo for \
         the token {token}"
    );
    Failure::new(ErrorCode::Refused, description)
}

fn shutting_down(watch: &Watch) -> Failure {
    let token = &watch.token;
    let description = format!(
        "the server is shutting down before the action has ended; it is kept and goes on at the next start: ask QueueInfo \
         for the token {token}"
    );
    Failure::new(ErrorCode::Refused, description)
}

fn unsupported(fetch_action: FetchAction) -> Failure {
    let why = match fetch_action {
        FetchAction::View => "it is an action of its own, action=View",
        _ => "a web site is read-only and has no such thing",
    };
    let name = fetch_action.as_str();
    let description = format!("FetchAction={name} is not supported: {why}; Synchronize, Collect and Identifiers are");
    Failure::new(ErrorCode::ParamInvalid, description)
}

pub(super) fn plan_failure(error: PlanError) -> Failure {
    match error {
        PlanError::Param(bad) => bad.into(),
        PlanError::NoTask => Failure::new(ErrorCode::ParamMissing, error.to_string()),
        error => Failure::new(ErrorCode::ParamInvalid, error.to_string()),
    }
}

pub(super) fn submit_failure(error: &SubmitError) -> Failure {
    let code = match error {
        SubmitError::Store(_) => ErrorCode::Internal,
        _ => ErrorCode::Refused,
    };
    Failure::new(code, error.to_string())
}
