//! `action=Fetch`.

use super::Answers;
use crate::aci::{Caller, Element, ErrorCode, Failure, FetchAction, FetchRequest};
use crate::action::Params;
use crate::fetchaction::{FetchActions, PlanError};
use crate::queue::{Submission, SubmitError};

impl Answers {
    pub(super) fn fetch(&self, request: FetchRequest, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let FetchRequest { fetch_action, params } = request;
        if !matches!(fetch_action, FetchAction::Synchronize | FetchAction::Collect | FetchAction::Identifiers) {
            return Err(unsupported(fetch_action));
        }
        self.submit(params, caller)
    }

    /// Queues the purge of a task's datastore.
    pub(super) fn purge(&self, section: &str, caller: &Caller) -> Result<Vec<Element>, Failure> {
        self.submit(FetchActions::purge_params(section), caller)
    }

    fn submit(&self, params: Params, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let plan = self.fetch.plan(&params).map_err(plan_failure)?;
        let priority = params.optional::<i64>("Priority")?.unwrap_or(0);
        let (kind, claims) = (plan.fetch_action().to_ascii_uppercase(), plan.claims());
        let tasks = claims.join(", ");
        let token =
            self.queue.submit(&Submission { params, priority, claims }).map_err(|error| submit_failure(&error))?;
        log::info!(target: "action", "{kind} for {tasks} queued by {} [{token}]", caller.peer);
        Ok(vec![Element::value("token", token)])
    }
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
