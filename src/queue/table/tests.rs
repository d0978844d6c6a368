use super::super::record::tests::record;
use super::*;
use crate::action::{DocumentResult, Results};
use proptest::prelude::*;

fn table(waiting_max: usize, ended_max: usize) -> Table {
    let ended_age = Duration::from_secs(1);
    Table::new(Limits { waiting: waiting_max, waiting_bytes: 1_000, ended: ended_max, ended_age, ended_bytes: 1_000 })
}

fn at(ms: i64) -> Moment {
    Moment::from_epoch_ms(ms)
}

/// Queues `record` as a submission does.
fn submit(table: &mut Table, record: Record) -> Result<(), Refusal> {
    let reservation = table.reserve(&record.token, record.params.len())?;
    table.admit(&reservation, &Arc::new(Record { id: reservation.id, ..record }));
    Ok(())
}

/// Ends a running action.
fn settle(table: &mut Table, id: u64, outcome: Outcome, now: Moment) -> Status {
    let record = table.settled(id, outcome, Report::default(), now);
    let status = record.status;
    table.publish(&Arc::new(record), now);
    status
}

fn done() -> Outcome {
    Outcome::Returned(Ok(()))
}

fn status(table: &Table, token: &Token) -> Option<Status> {
    table.get(token).map(|view| view.record.status)
}

#[test]
fn how_an_action_ends_follows_from_what_it_returned_and_what_was_asked() {
    let stopped = || Outcome::Returned(Err(PerformError::Stopped));
    let failed = || Outcome::Returned(Err(PerformError::Failed("no route".to_owned())));
    let panicked = || Outcome::Panicked("index".to_owned());
    let unasked = Some("internal error: the action stopped and nobody had asked it to");
    let cases = [
        (done(), Asked::Nothing, Event::Finish, None),
        (done(), Asked::Stop, Event::Finish, None),
        (done(), Asked::ShutDown, Event::Finish, None),
        (stopped(), Asked::Nothing, Event::Fail, unasked),
        (stopped(), Asked::Stop, Event::Stop, None),
        (stopped(), Asked::ShutDown, Event::Restart, None),
        (failed(), Asked::Nothing, Event::Fail, Some("no route")),
        (failed(), Asked::Stop, Event::Stop, None),
        (failed(), Asked::ShutDown, Event::Restart, None),
        (panicked(), Asked::Nothing, Event::Fail, Some("internal error: index")),
        (panicked(), Asked::Stop, Event::Fail, Some("internal error: index")),
        (panicked(), Asked::ShutDown, Event::Fail, Some("internal error: index")),
    ];
    for (outcome, asked, event, text) in cases {
        let case = format!("{outcome:?} {asked:?}");
        assert_eq!(ending(outcome, asked), (event, text.map(str::to_owned)), "{case}");
    }
}

#[test]
fn a_stop_asked_before_the_shutdown_wins_over_it() {
    let mut table = table(9, 9);
    let record = record(1, 0, &[]);
    submit(&mut table, record.clone()).expect("there is room");
    table.take(at(1)).expect("it waits");
    assert!(matches!(table.stop(&record.token, at(2)), Ok(StopAsked::Running(..))));
    table.close();
    assert_eq!(settle(&mut table, 1, Outcome::Returned(Err(PerformError::Stopped)), at(3)), Status::Stopped);
}

#[test]
fn a_reservation_takes_its_place_and_shows_nothing() {
    let mut table = table(2, 9);
    let (first, second) = (record(1, 0, &[]), record(2, 0, &[]));
    let reservation = table.reserve(&first.token, 3).expect("there is room");
    assert!(table.get(&first.token).is_none() && table.list().is_empty());
    assert_eq!(table.reserve(&first.token, 3).err(), Some(Refusal::TokenTaken));
    assert_eq!(table.reserve(&second.token, 998).err(), Some(Refusal::TooManyBytes));
    submit(&mut table, second.clone()).expect("there is room for two");
    assert_eq!(submit(&mut table, record(3, 0, &[])), Err(Refusal::TooManyActions));

    // Given up, its place and its token are free again.
    table.release(&reservation);
    submit(&mut table, first).expect("there is room");
    assert_eq!(table.list().len(), 2);
    table.close();
    assert_eq!(submit(&mut table, record(4, 0, &[])), Err(Refusal::Closing));
    assert!(table.take(at(9)).is_none());
}

#[test]
fn an_action_that_is_leaving_looks_queued_and_is_neither_taken_nor_ended_twice() {
    let mut table = table(9, 9);
    let queued = record(1, 0, &[]);
    submit(&mut table, queued.clone()).expect("there is room");
    let cancelled = table.cancel(&queued.token, at(5)).expect("it waits");
    assert_eq!((cancelled.status, status(&table, &queued.token)), (Status::Cancelled, Some(Status::Queued)));
    assert!(table.take(at(6)).is_none());
    let again = table.stop(&queued.token, at(6)).err();
    assert!(matches!(again, Some(CommandError::Ending { status: Status::Cancelled, .. })));

    // The store refused: it waits again, in its place.
    table.abandon(1, vec![7]);
    assert_eq!(table.take_forgotten(), [7]);
    submit(&mut table, record(2, 0, &[])).expect("there is room");
    assert_eq!(table.take(at(7)).map(|taken| taken.record.id), Some(1));
}

#[test]
fn commands_name_what_stands_in_their_way() {
    let mut table = table(9, 9);
    let records = [record(1, 0, &[]), record(2, 0, &[])];
    let token = &records[0].token;
    assert!(matches!(table.cancel(token, at(1)), Err(CommandError::UnknownToken(_))));
    for record in &records {
        submit(&mut table, record.clone()).expect("there is room");
    }
    let first = table.take(at(2)).expect("two wait");
    assert!(matches!(table.cancel(token, at(3)), Err(CommandError::Running(_))));
    assert!(!first.stop.is_set());
    assert_eq!(table.stop_running().len(), 1);
    assert_eq!(settle(&mut table, 1, done(), at(4)), Status::Finished);
    assert!(matches!(table.stop(token, at(5)), Err(CommandError::Ended { status: Status::Finished, .. })));
    assert!(matches!(table.cancel(token, at(5)), Err(CommandError::Ended { status: Status::Finished, .. })));
}

#[test]
fn a_take_that_was_not_recorded_is_undone_unless_a_stop_was_asked() {
    let mut table = table(9, 9);
    let queued = record(1, 0, &["A"]);
    submit(&mut table, queued.clone()).expect("there is room");
    table.take(at(1)).expect("it waits");
    assert!(table.give_back(1, at(2)));
    assert_eq!(*table.get(&queued.token).expect("known").record, queued);

    table.take(at(3)).expect("it waits again and its claims are free");
    assert_eq!(table.stop_running().len(), 1);
    assert!(!table.give_back(1, at(4)));
    assert_eq!(settle(&mut table, 1, Outcome::Returned(Err(PerformError::Stopped)), at(5)), Status::Stopped);
}

#[test]
fn ended_actions_are_dropped_when_their_results_take_too_much_but_never_the_last() {
    let mut table = table(9, 9);
    let tokens: Vec<Token> = (1..=3).map(|id| record(id, 0, &[]).token).collect();
    let mut end = |id: u64, results: usize| {
        let result = Arc::new(DocumentResult::success("PGlk"));
        let results = Results { documents: vec![result; results], ..Results::default() };
        assert_eq!(submit(&mut table, record(id, 0, &[])), Ok(()));
        let taken = table.take(at(10)).expect("it waits");
        let report = Report { results, ..Report::default() };
        table.publish(&Arc::new(table.settled(taken.record.id, done(), report, at(10))), at(10));
        tokens.iter().filter(|token| status(&table, token).is_some()).count()
    };
    assert_eq!(end(1, 10), 1);
    assert_eq!(end(2, 1), 2);
    assert_eq!(end(3, 100), 1, "the two before make room, and the third is kept");
}

#[test]
fn ended_actions_are_dropped_by_number_and_age_the_oldest_first() {
    let mut table = table(9, 2);
    for id in 1..=3 {
        let record = record(id, 0, &[]);
        submit(&mut table, record.clone()).expect("there is room");
        table.take(at(0)).expect("it waits");
        settle(&mut table, id, done(), at(i64::try_from(id).expect("small") * 100));
    }
    assert_eq!(table.take_forgotten(), [1]);
    assert!(table.get(&record(1, 0, &[]).token).is_none());
    table.prune(at(1_200));
    assert_eq!(table.take_forgotten(), [] as [u64; 0]);
    table.prune(at(1_201));
    assert_eq!((table.take_forgotten(), table.list().len()), (vec![2], 1));
}

#[test]
fn a_store_that_repeats_a_token_is_noticed() {
    let mut table = table(9, 9);
    assert!(table.restore(record(1, 0, &[])));
    assert!(!table.restore(Record { id: 2, ..record(1, 0, &[]) }));
    // And what is submitted next comes after everything restored.
    assert!(table.restore(record(7, 0, &[])));
    assert_eq!(table.reserve(&record(8, 0, &[]).token, 0).ok().map(|reservation| reservation.id), Some(8));
}

#[derive(Debug, Clone)]
enum Step {
    Submit { priority: i64, claims: u8 },
    Take,
    Settle { which: usize },
    GiveBack { which: usize },
    Cancel { which: usize },
    Abandon { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..64_usize;
    let step = prop_oneof![
        4 => (-2..3_i64, 0..8_u8).prop_map(|(priority, claims)| Step::Submit { priority, claims }),
        3 => Just(Step::Take),
        2 => which.clone().prop_map(|which| Step::Settle { which }),
        1 => which.clone().prop_map(|which| Step::GiveBack { which }),
        1 => which.clone().prop_map(|which| Step::Cancel { which }),
        1 => which.prop_map(|which| Step::Abandon { which }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the table promises, kept in the plainest way: everything in a list, everything searched.
#[derive(Default)]
struct Model(Vec<(Record, Status)>);

impl Model {
    fn next(&self) -> Option<usize> {
        let held = |claim: &String| {
            self.0.iter().any(|(record, status)| *status == Status::Processing && record.claims.contains(claim))
        };
        let free = |at: &usize| {
            let (record, status) = &self.0[*at];
            *status == Status::Queued && !record.claims.iter().any(held)
        };
        // The first of the greatest: Reverse, because max_by_key yields the last.
        (0..self.0.len()).filter(free).min_by_key(|&at| (std::cmp::Reverse(self.0[at].0.priority), at))
    }

    fn pick(&self, status: Status, which: usize) -> Option<usize> {
        let of_status: Vec<usize> = (0..self.0.len()).filter(|&at| self.0[at].1 == status).collect();
        (!of_status.is_empty()).then(|| of_status[which % of_status.len()])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_agrees_with_a_plain_list(steps in steps()) {
        let mut table = table(1_000, 1_000);
        let mut model = Model::default();
        for (time, step) in steps.into_iter().enumerate() {
            let now = at(i64::try_from(time).expect("few steps"));
            match step {
                Step::Submit { priority, claims } => {
                    let names = ["A", "B", "C"];
                    let claims: Vec<&str> = (0..3).filter(|bit| claims >> bit & 1 == 1).map(|bit| names[bit]).collect();
                    let record = record(model.0.len() as u64 + 1, priority, &claims);
                    prop_assert_eq!(submit(&mut table, record.clone()), Ok(()));
                    model.0.push((record, Status::Queued));
                }
                Step::Take => {
                    let next = model.next();
                    let taken = table.take(now).map(|taken| taken.record.id);
                    prop_assert_eq!(taken, next.map(|next| model.0[next].0.id));
                    if let Some(next) = next {
                        model.0[next].1 = Status::Processing;
                    }
                }
                Step::Settle { which } => {
                    if let Some(at) = model.pick(Status::Processing, which) {
                        settle(&mut table, model.0[at].0.id, done(), now);
                        model.0[at].1 = Status::Finished;
                    }
                }
                Step::GiveBack { which } => {
                    if let Some(at) = model.pick(Status::Processing, which) {
                        prop_assert!(table.give_back(model.0[at].0.id, now));
                        model.0[at].1 = Status::Queued;
                    }
                }
                Step::Cancel { which } => {
                    if let Some(at) = model.pick(Status::Queued, which) {
                        let record = table.cancel(&model.0[at].0.token, now);
                        table.publish(&Arc::new(record.expect("it is queued")), now);
                        model.0[at].1 = Status::Cancelled;
                    }
                }
                Step::Abandon { which } => {
                    if let Some(at) = model.pick(Status::Queued, which) {
                        let record = table.cancel(&model.0[at].0.token, now).expect("it is queued");
                        table.abandon(record.id, Vec::new());
                    }
                }
            }
            for (record, expected) in &model.0 {
                prop_assert_eq!(status(&table, &record.token), Some(*expected));
            }
        }
    }
}
