//! Which actions a client means, and in which order it wants to read about them: values, read from parameters by the
//! wire and applied by the queue.

use super::params::FromParam;
use super::status::Status;
use crate::time::Moment;

/// What an action has to be like. Everything that is set must hold; nothing set holds for every action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these.
    pub states: Option<States>,
    pub queued: Span,
    /// An action that has not started is in no span but the one without limits.
    pub started: Span,
    /// As with `started`.
    pub ended: Span,
    /// The lowest priority.
    pub priority_min: Option<i64>,
    /// The highest.
    pub priority_max: Option<i64>,
}

/// A list of statuses, read from `finished,Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States(pub Vec<Status>);

/// Times from `after` to `before`, both included, in whole seconds, as dates are printed: a client that gives a time that
/// it has read finds the action that it has read it of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub after: Option<Moment>,
    pub before: Option<Moment>,
}

/// What a client wants to read of a queue: these actions, in this order, this part of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub filter: Filter,
    pub sort_by: SortBy,
    pub sort_order: SortOrder,
    /// How many actions are passed over before the first that is told.
    pub skipped: usize,
    /// How many are told at most; `None` is no limit.
    pub told_max: Option<usize>,
}

/// What actions are sorted by; those that are alike stand by submission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    #[default]
    QueueTime,
    /// Actions that have not started come last in either order.
    StartTime,
    /// Actions that have not ended come last in either order.
    FinishTime,
    Priority,
    /// In the order of a life, see [`Status::ALL`].
    Status,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    Ascending,
    /// Newest, latest, highest first.
    #[default]
    Descending,
}

impl Span {
    /// Whether `at` is inside. What has no time yet is only inside a span without limits.
    pub fn holds(self, at: Option<Moment>) -> bool {
        let seconds = |moment: Moment| moment.epoch_ms().div_euclid(1000);
        let Some(at) = at.map(seconds) else {
            return self == Span::default();
        };
        self.after.is_none_or(|after| seconds(after) <= at) && self.before.is_none_or(|before| at <= seconds(before))
    }
}

impl FromParam for States {
    const EXPECTED: &'static str =
        "Queued, Processing, Paused, Finished, Error, Cancelled or Stopped, or several of them with commas between";

    fn from_param(text: &str) -> Option<States> {
        text.split(',').map(Status::parse).collect::<Option<_>>().map(States)
    }
}

impl FromParam for SortBy {
    const EXPECTED: &'static str = "queue-time, start-time, finish-time, priority or status";

    fn from_param(text: &str) -> Option<SortBy> {
        match text.trim().to_ascii_lowercase().as_str() {
            "queue-time" => Some(SortBy::QueueTime),
            "start-time" => Some(SortBy::StartTime),
            "finish-time" => Some(SortBy::FinishTime),
            "priority" => Some(SortBy::Priority),
            "status" => Some(SortBy::Status),
            _ => None,
        }
    }
}

impl FromParam for SortOrder {
    const EXPECTED: &'static str = "ascending or descending";

    fn from_param(text: &str) -> Option<SortOrder> {
        match text.trim().to_ascii_lowercase().as_str() {
            "ascending" => Some(SortOrder::Ascending),
            "descending" => Some(SortOrder::Descending),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_includes_both_ends_to_the_second() {
        let at = |ms| Some(Moment::from_epoch_ms(ms));
        let span = |after, before| Span { after, before };
        let cases = [
            (span(None, None), None, true),
            (span(None, None), at(5), true),
            (span(at(0), None), None, false),
            (span(None, at(9_000)), None, false),
            (span(at(2_000), at(3_000)), at(1_999), false),
            (span(at(2_000), at(3_000)), at(2_000), true),
            (span(at(2_900), at(3_000)), at(2_100), true),
            (span(at(2_000), at(3_000)), at(3_999), true),
            (span(at(2_000), at(3_000)), at(4_000), false),
            (span(None, at(-1_000)), at(-500), true),
            (span(None, at(-1_001)), at(-500), false),
        ];
        for (span, moment, expected) in cases {
            assert_eq!(span.holds(moment), expected, "{span:?} {moment:?}");
        }
    }

    #[test]
    fn states_are_a_list_in_any_case() {
        let read = |text| States::from_param(text).map(|states| states.0);
        assert_eq!(read("finished, ERROR"), Some(vec![Status::Finished, Status::Error]));
        assert_eq!(read("Paused"), Some(vec![Status::Paused]));
        for text in ["done", "finished,", "finished;error"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
