//! One action as the store keeps it: a value that is replaced by the next one, never changed.
//!
//! A change of an action is the [`Record`] that it will become. Whoever wants the change computes that record,
//! commits it, and publishes it in the table; so what is durable and what is shown are one value.

use super::Snapshot;
use crate::action::{Event, Live, Report, Status, Token};
use crate::time::Moment;
use std::sync::Arc;

/// The names that an action holds while it runs, in upper case, sorted, each once.
///
/// Two sets are equal exactly if they exclude the same actions, which is what groups waiting actions.
pub(super) type Claims = Arc<[String]>;

pub(super) fn claims_of(names: &[String]) -> Claims {
    let mut claims: Vec<String> = names.iter().map(|name| name.trim().to_ascii_uppercase()).collect();
    claims.sort_unstable();
    claims.dedup();
    claims.into()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The order of arrival, and the key in the store. Never shown.
    pub(super) id: u64,
    pub(super) token: Token,
    pub(super) status: Status,
    pub(super) priority: i64,
    /// Empty once the action has ended.
    pub(super) claims: Claims,
    /// The parameters as a form. Empty once the action has ended: no operation asks for them then (aci.md 3.4), and
    /// they may hold passwords.
    pub(super) params: Arc<str>,
    /// How often the action was started without its start being taken back by an orderly shutdown.
    pub(super) attempts: u32,
    pub(super) queued_at: Moment,
    pub(super) started_at: Option<Moment>,
    pub(super) ended_at: Option<Moment>,
    pub(super) error: Option<String>,
    /// Empty until the end; what a running action reports is in its [`Live`].
    pub(super) report: Report,
}

impl Record {
    /// The record that `event` leads to, or `None` if it cannot happen now. An ended record has no error text and
    /// no report yet.
    pub(super) fn after(&self, event: Event, now: Moment) -> Option<Record> {
        let mut next = Record { status: self.status.after(event)?, ..self.clone() };
        match next.status {
            Status::Queued => next.started_at = None,
            Status::Processing if self.status == Status::Queued => {
                next.attempts += 1;
                next.started_at = Some(now);
            }
            Status::Processing | Status::Paused => {}
            Status::Finished | Status::Error | Status::Cancelled | Status::Stopped => {
                next.ended_at = Some(now);
                next.params = Arc::default();
                next.claims = Arc::default();
            }
        }
        Some(next)
    }

    /// As [`Record::after`] with [`Event::Restart`], and an attempt that is to be made again does not count: the action
    /// was not at fault. A paused action stays in its attempt.
    pub(super) fn put_back(&self, now: Moment) -> Option<Record> {
        let next = self.after(Event::Restart, now)?;
        let again = u32::from(next.status == Status::Queued);
        Some(Record { attempts: next.attempts.saturating_sub(again), ..next })
    }

    /// What a new process makes of a record that the last one left: `None` if it stands as it is.
    ///
    /// An action that was running when the process died is queued again in its old place, unless it has
    /// been started `attempts_max` times: it may be what the process dies of. One that was paused was not: it stays so.
    pub(super) fn revived(&self, attempts_max: u32, now: Moment) -> Option<Record> {
        if self.status == Status::Paused {
            return None;
        }
        if self.attempts < attempts_max {
            return self.after(Event::Restart, now);
        }
        let text = format!("the process ended {} times while it performed this action", self.attempts);
        // Status::after lets only a running action fail, so one that never ran is not touched.
        self.after(Event::Fail, now).map(|next| Record { error: Some(text), ..next })
    }
}

/// What a reader is shown: a record and, while it runs, the counters of the moment.
pub(super) struct View {
    pub(super) record: Arc<Record>,
    pub(super) live: Option<Arc<Live>>,
}

impl View {
    /// Copies; call it with no lock held.
    pub(super) fn snapshot(&self) -> Snapshot {
        let record = &*self.record;
        Snapshot {
            token: record.token.clone(),
            status: record.status,
            queued_at: record.queued_at,
            started_at: record.started_at,
            ended_at: record.ended_at,
            priority: record.priority,
            error: record.error.clone().or_else(|| self.live.as_ref()?.refusals()),
            report: self.live.as_ref().map_or_else(|| record.report.clone(), |live| live.report()),
            stages: self.live.as_ref().map_or_else(Vec::new, |live| live.stages()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::action::{QueueName, TokenHost};

    /// A queued action that arrived as number `id`, at `id` milliseconds.
    pub(in crate::queue) fn record(id: u64, priority: i64, claims: &[&str]) -> Record {
        let random = i32::try_from(id).expect("tests use small ids");
        let queued_at = Moment::from_epoch_ms(i64::from(random));
        let host = TokenHost { ip: [127, 0, 0, 1].into(), port: 7006 };
        let claims: Vec<String> = claims.iter().map(|&name| name.to_owned()).collect();
        Record {
            id,
            token: Token::mint(host, &QueueName::fetch(), queued_at, random),
            status: Status::Queued,
            priority,
            claims: claims_of(&claims),
            params: "a=1".into(),
            attempts: 0,
            queued_at,
            started_at: None,
            ended_at: None,
            error: None,
            report: Report::default(),
        }
    }

    #[test]
    fn claims_ignore_case_order_and_repetition() {
        let claims = |names: &[&str]| claims_of(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(claims(&["b", "A", "B "]), claims(&["a", "b"]));
        assert_ne!(claims(&["a"]), claims(&["a", "b"]));
    }

    #[test]
    fn each_event_leaves_its_marks_on_the_record() {
        let at = Moment::from_epoch_ms;
        let queued = record(1, 0, &["a"]);
        let running = queued.after(Event::Take, at(10)).expect("queued");
        assert_eq!((running.attempts, running.started_at, running.ended_at), (1, Some(at(10)), None));
        assert_eq!(running.params, queued.params);

        let ended = running.after(Event::Finish, at(20)).expect("running");
        assert_eq!((ended.started_at, ended.ended_at), (Some(at(10)), Some(at(20))));
        assert_eq!((&*ended.params, ended.claims.len()), ("", 0));
        assert_eq!(ended.after(Event::Take, at(30)), None);

        assert_eq!(running.put_back(at(20)), Some(queued.clone()));
        let paused = running.after(Event::Pause, at(15)).expect("running");
        assert_eq!((paused.status, paused.started_at, paused.attempts), (Status::Paused, Some(at(10)), 1));
        assert_eq!((paused.put_back(at(20)), paused.revived(1, at(20))), (Some(paused.clone()), None));
        assert_eq!(paused.after(Event::Resume, at(20)), Some(running.clone()));
        assert_eq!(
            paused.after(Event::Requeue, at(20)).map(|next| (next.status, next.started_at)),
            Some((Status::Queued, None))
        );
        let cancelled = queued.after(Event::Cancel, at(20)).expect("queued");
        assert_eq!((cancelled.started_at, cancelled.ended_at), (None, Some(at(20))));
    }

    #[test]
    fn a_crash_queues_a_running_action_again_until_its_attempts_are_used_up() {
        let now = Moment::from_epoch_ms(99);
        let queued = record(1, 0, &[]);
        assert_eq!(queued.revived(3, now), None);
        // Configured down to nothing, it still only ends what was running.
        assert_eq!(queued.revived(0, now), None);

        let mut record = queued;
        for attempt in 1..=2 {
            record = record.after(Event::Take, now).expect("queued");
            record = record.revived(3, now).expect("it was running");
            assert_eq!((record.status, record.attempts, record.started_at), (Status::Queued, attempt, None));
        }
        record = record.after(Event::Take, now).expect("queued").revived(3, now).expect("it was running");
        assert_eq!((record.status, record.attempts), (Status::Error, 3));
        assert!(record.error.is_some_and(|text| text.contains("ended 3 times")));
    }
}
