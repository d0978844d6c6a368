//! Which actions a reader is told, and in which order. Pure: works on references, so that a page out of a long queue
//! costs no more than looking at it.

use super::record::{Record, View};
use crate::action::{Filter, Query, SortBy, SortOrder};
use crate::time::Moment;

impl Record {
    pub(super) fn matches(&self, filter: &Filter) -> bool {
        filter.states.as_ref().is_none_or(|states| states.0.contains(&self.status))
            && filter.queued.holds(Some(self.queued_at))
            && filter.started.holds(self.started_at)
            && filter.ended.holds(self.ended_at)
            && filter.priority_min.is_none_or(|lowest| lowest <= self.priority)
            && filter.priority_max.is_none_or(|highest| self.priority <= highest)
    }
}

/// The part of `views` that `query` asks for: filtered, then sorted, then cut.
pub(super) fn arrange(mut views: Vec<View>, query: &Query) -> Vec<View> {
    views.retain(|view| view.record.matches(&query.filter));
    views.sort_unstable_by_key(|view| place(&view.record, query.sort_by, query.sort_order));
    views.into_iter().skip(query.skipped).take(query.told_max.unwrap_or(usize::MAX)).collect()
}

/// What has no value comes last in either order; the id tells apart what is alike.
fn place(record: &Record, sort_by: SortBy, sort_order: SortOrder) -> (bool, i64, u64) {
    let value = match sort_by {
        SortBy::QueueTime => Some(record.queued_at.epoch_ms()),
        SortBy::StartTime => record.started_at.map(Moment::epoch_ms),
        SortBy::FinishTime => record.ended_at.map(Moment::epoch_ms),
        SortBy::Priority => Some(record.priority),
        SortBy::Status => Some(record.status as i64),
    };
    let (is_unset, value) = (value.is_none(), value.unwrap_or(0));
    match sort_order {
        SortOrder::Ascending => (is_unset, value, record.id),
        // Turning every bit turns the order, also that of the outermost numbers.
        SortOrder::Descending => (is_unset, !value, !record.id),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use crate::action::{Span, States, Status};
    use std::sync::Arc;

    fn at(seconds: i64) -> Moment {
        Moment::from_epoch_ms(seconds * 1_000)
    }

    /// (id, status, priority, queued, started, ended), times in seconds.
    type Made = (u64, Status, i64, i64, Option<i64>, Option<i64>);

    fn told(made: &[Made], query: &Query) -> Vec<u64> {
        let view = |&(id, status, priority, queued, started, ended): &Made| View {
            record: Arc::new(Record {
                status,
                queued_at: at(queued),
                started_at: started.map(at),
                ended_at: ended.map(at),
                ..record(id, priority, &[])
            }),
            live: None,
        };
        arrange(made.iter().map(view).collect(), query).iter().map(|view| view.record.id).collect()
    }

    const MADE: [Made; 5] = [
        (1, Status::Finished, 5, 10, Some(12), Some(30)),
        (2, Status::Error, i64::MIN, 10, Some(20), Some(25)),
        (3, Status::Processing, 5, 11, Some(21), None),
        (4, Status::Queued, i64::MAX, 11, None, None),
        (5, Status::Cancelled, 0, 9, None, Some(26)),
    ];

    #[test]
    fn actions_are_sorted_with_unset_times_last_and_like_ones_by_submission() {
        use SortOrder::{Ascending, Descending};
        let cases = [
            (SortBy::QueueTime, Descending, [4, 3, 2, 1, 5]),
            (SortBy::QueueTime, Ascending, [5, 1, 2, 3, 4]),
            (SortBy::StartTime, Descending, [3, 2, 1, 5, 4]),
            (SortBy::StartTime, Ascending, [1, 2, 3, 4, 5]),
            (SortBy::FinishTime, Descending, [1, 5, 2, 4, 3]),
            (SortBy::FinishTime, Ascending, [2, 5, 1, 3, 4]),
            (SortBy::Priority, Descending, [4, 3, 1, 5, 2]),
            (SortBy::Priority, Ascending, [2, 5, 1, 3, 4]),
            (SortBy::Status, Descending, [5, 2, 1, 3, 4]),
            (SortBy::Status, Ascending, [4, 3, 1, 2, 5]),
        ];
        for (sort_by, sort_order, expected) in cases {
            let query = Query { sort_by, sort_order, ..Query::default() };
            assert_eq!(told(&MADE, &query), expected, "{sort_by:?} {sort_order:?}");
        }
    }

    #[test]
    fn filters_hold_together() {
        let all = Filter::default;
        let span = |after: Option<i64>, before: Option<i64>| Span { after: after.map(at), before: before.map(at) };
        let states = |states: &[Status]| Some(States(states.to_vec()));
        let cases: [(Filter, &[u64]); 10] = [
            (all(), &[4, 3, 2, 1, 5]),
            (Filter { states: states(&[Status::Finished, Status::Error]), ..all() }, &[2, 1]),
            (Filter { states: states(&[Status::Paused]), ..all() }, &[]),
            (Filter { queued: span(Some(10), Some(10)), ..all() }, &[2, 1]),
            (Filter { started: span(Some(20), None), ..all() }, &[3, 2]),
            (Filter { started: span(None, Some(20)), ..all() }, &[2, 1]),
            (Filter { ended: span(Some(26), Some(30)), ..all() }, &[1, 5]),
            (Filter { priority_min: Some(5), priority_max: Some(5), ..all() }, &[3, 1]),
            (Filter { priority_max: Some(i64::MIN), ..all() }, &[2]),
            (Filter { states: states(&[Status::Finished]), priority_min: Some(6), ..all() }, &[]),
        ];
        for (filter, expected) in cases {
            let query = Query { filter: filter.clone(), ..Query::default() };
            assert_eq!(told(&MADE, &query), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_page_is_cut_from_what_was_filtered_and_sorted() {
        let cases: [(usize, Option<usize>, &[u64]); 6] = [
            (0, Some(2), &[4, 3]),
            (2, Some(2), &[2, 1]),
            (4, Some(2), &[5]),
            (5, Some(2), &[]),
            (3, None, &[1, 5]),
            (0, Some(0), &[]),
        ];
        for (skipped, told_max, expected) in cases {
            let query = Query { skipped, told_max, ..Query::default() };
            assert_eq!(told(&MADE, &query), expected, "{skipped} {told_max:?}");
        }
    }
}
