//! Submitting: an action goes to the disk, is shown, and may start.

use super::record::{Record, claims_of};
use super::series::Series;
use super::store::Commit;
use super::table::{Refusal, Reservation, Table};
use super::{Queue, Settings, Shared, StoreError, Submission, SubmitError, WAITING_BYTES_MAX, Write};
use crate::action::{Report, Status, Token};
use crate::time::Moment;
use log::error;
use std::sync::Arc;
use uuid::Uuid;

/// An action on its way to the disk. Dropping it waits as well: what has become durable is to run.
#[must_use = "the action is neither shown nor started before this is finished"]
pub struct Submitting {
    shared: Arc<Shared>,
    reservation: Reservation,
    record: Arc<Record>,
    series: Option<Series>,
    /// `None` once it has been waited for.
    commit: Option<Commit>,
}

impl Queue {
    /// Queues an action. When this returns a token, the action survives the death of the process and of the machine,
    /// and can be seen.
    pub fn submit(&self, submission: &Submission) -> Result<Token, SubmitError> {
        self.begin_submit(submission)?.finish()
    }

    /// Sends an action on its way to the disk and does not wait: submissions that are under way at the same time share
    /// a commit. Actions arrive in the order of these calls.
    pub fn begin_submit(&self, submission: &Submission) -> Result<Submitting, SubmitError> {
        let params: Arc<str> = submission.params.to_form().into();
        let (reservation, token, queued_at) = self.reserve(params.len())?;
        let record = Arc::new(Record {
            id: reservation.id,
            token: token.clone(),
            status: Status::Queued,
            priority: submission.priority,
            claims: claims_of(&submission.claims),
            params,
            attempts: 0,
            queued_at,
            started_at: None,
            ended_at: None,
            error: None,
            report: Report::default(),
        });
        let series = submission.series.clone().map(|series| Series { last: Some(token), ..series });
        let write = Write { series: series.iter().cloned().collect(), ..Write::put(&record) };
        let commit = Some(self.shared.store.begin_commit(write));
        Ok(Submitting { shared: Arc::clone(&self.shared), reservation, record, series, commit })
    }

    fn reserve(&self, bytes: usize) -> Result<(Reservation, Token, Moment), SubmitError> {
        let Settings { queue, token_host, waiting_max, .. } = &self.shared.settings;
        loop {
            let queued_at = Moment::now();
            let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
            let token = Token::mint(*token_host, queue, queued_at, i32::from_be_bytes([a, b, c, d]));
            let reserved = self.shared.table.lock().reserve(&token, bytes);
            match reserved {
                Ok(reservation) => return Ok((reservation, token, queued_at)),
                Err(Refusal::TokenTaken) => {}
                Err(Refusal::Closing) => return Err(SubmitError::ShuttingDown),
                Err(Refusal::TooManyActions) => {
                    return Err(SubmitError::Full { queue: queue.clone(), actions_max: *waiting_max });
                }
                Err(Refusal::TooManyBytes) => {
                    return Err(SubmitError::FullOfParameters { queue: queue.clone(), bytes_max: WAITING_BYTES_MAX });
                }
            }
        }
    }
}

impl Submitting {
    /// As [`Queue::submit`]: waits until the action is durable, or is known not to be.
    pub fn finish(self) -> Result<Token, SubmitError> {
        self.finish_with(|_, _| ()).map(|(token, ())| token)
    }

    /// As [`Submitting::finish`], and has `admitted` note the action's id in the moment in which it can first be seen.
    pub(super) fn finish_with<T>(
        mut self,
        admitted: impl FnOnce(&mut Table, u64) -> T,
    ) -> Result<(Token, T), SubmitError> {
        let commit = self.commit.take().expect("only this takes it, once, and the drop after");
        let noted = self.settle(commit, admitted)?;
        Ok((self.record.token.clone(), noted))
    }

    fn settle<T>(&self, commit: Commit, admitted: impl FnOnce(&mut Table, u64) -> T) -> Result<T, SubmitError> {
        let Submitting { shared, reservation, record, series, .. } = self;
        if let Err(failure) = commit.wait() {
            shared.table.lock().release(reservation);
            return Err(match failure {
                StoreError::Closed => SubmitError::ShuttingDown,
                StoreError::Write(_) => {
                    error!(target: "action", "Action not queued: {failure}");
                    SubmitError::Store(failure)
                }
            });
        }
        let (noted, may_start) = {
            let mut table = shared.table.lock();
            table.admit(reservation, record);
            (admitted(&mut table, record.id), table.may_start())
        };
        shared.show(series.clone());
        // What keeps it waiting wakes a worker when it is over.
        if may_start {
            shared.wake();
        }
        Ok(noted)
    }
}

impl Drop for Submitting {
    fn drop(&mut self) {
        if let Some(commit) = self.commit.take() {
            // Nobody is left to be told of a failure but the log, which has been.
            let _ = self.settle(commit, |_, _| ());
        }
    }
}
