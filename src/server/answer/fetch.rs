//! `action=Fetch`.

use super::Answers;
use crate::aci::{Caller, Element, ErrorCode, Failure, FetchAction, FetchRequest};
use crate::fetchaction::PlanError;
use crate::queue::{Submission, SubmitError};

impl Answers {
    pub(super) fn fetch(&self, request: FetchRequest, caller: &Caller) -> Result<Vec<Element>, Failure> {
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
