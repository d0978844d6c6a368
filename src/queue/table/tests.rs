use super::super::CommandError;
use super::super::record::tests::record;
use super::*;
use crate::action::Filter;
use crate::action::{DocumentResult, Results};
use proptest::prelude::*;

fn table(waiting_max: usize, ended_max: usize) -> Table {
    let ended_age = Duration::from_secs(1);
    let limits = Limits { waiting: waiting_max, waiting_bytes: 1_000, ended: ended_max, ended_age, ended_bytes: 1_000 };
    Table::new(limits, false)
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
    assert!(table.publish_settled(&Arc::new(record), now));
    status
}

/// Takes the next action and has its start recorded.
fn take(table: &mut Table, now: Moment) -> Option<Taken> {
    let taken = table.take(now)?;
    table.unmark(taken.record.id);
    Some(taken)
}

/// Carries a command out as if its commit had succeeded; which actions it told of, and their statuses.
fn carry_out(table: &mut Table, change: Result<Change, Halt>) -> Vec<(u64, Status)> {
    let change = change.expect("nothing stands in its way");
    change.close.iter().for_each(PauseGate::close);
    change.open.iter().for_each(PauseGate::open);
    table.conclude(&change, at(0));
    change.told.iter().map(|view| (view.record.id, view.record.status)).collect()
}

fn refusal(change: Result<Change, Halt>) -> Option<CommandError> {
    match change {
        Err(Halt::Refused(error)) => Some(error),
        Ok(_) | Err(Halt::Busy) => None,
    }
}

fn is_busy(change: &Result<Change, Halt>) -> bool {
    matches!(change, Err(Halt::Busy))
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
    assert_eq!(table.stop(&record.token, at(2)).map(|change| change.stop.len()).ok(), Some(1));
    table.close();
    assert_eq!(settle(&mut table, 1, Outcome::Returned(Err(PerformError::Stopped)), at(3)), Status::Stopped);
}

#[test]
fn a_stop_asked_while_a_shutdown_queues_the_action_again_is_not_lost() {
    let mut table = table(9, 9);
    let record = record(1, 0, &[]);
    submit(&mut table, record.clone()).expect("there is room");
    take(&mut table, at(1)).expect("it waits");
    table.close();
    let stopped = || Outcome::Returned(Err(PerformError::Stopped));
    let queued = Arc::new(table.settled(1, stopped(), Report::default(), at(2)));
    assert_eq!(queued.status, Status::Queued);
    assert!(table.stop(&record.token, at(3)).is_ok());
    assert!(!table.publish_settled(&queued, at(4)));
    assert_eq!(status(&table, &record.token), Some(Status::Processing));
    assert_eq!(settle(&mut table, 1, stopped(), at(5)), Status::Stopped);
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
    assert_eq!(cancelled.told[0].record.status, Status::Cancelled);
    assert_eq!(status(&table, &queued.token), Some(Status::Queued));
    assert!(table.take(at(6)).is_none());
    let again = refusal(table.stop(&queued.token, at(6)));
    assert!(matches!(again, Some(CommandError::Ending { status: Status::Cancelled, .. })));
    assert_eq!(table.cancel_matching(&Filter::default(), at(6)).expect("nothing else").told.len(), 0);

    // The store refused: it waits again, in its place.
    table.abandon(cancelled);
    submit(&mut table, record(2, 0, &[])).expect("there is room");
    assert_eq!(table.take(at(7)).map(|taken| taken.record.id), Some(1));
}

#[test]
fn rows_of_dropped_actions_go_with_the_next_command_and_are_kept_if_it_fails() {
    let mut table = table(9, 0);
    submit(&mut table, record(1, 0, &[])).expect("there is room");
    table.take(at(1)).expect("it waits");
    settle(&mut table, 1, done(), at(2));
    let second = record(2, 0, &[]);
    submit(&mut table, second.clone()).expect("there is room");
    let change = table.cancel(&second.token, at(3)).expect("it waits");
    assert_eq!(change.write().map(|write| write.forget), Some(vec![1]));
    table.abandon(change);
    assert_eq!(table.take_forgotten(), [1]);
}

#[test]
fn commands_name_what_stands_in_their_way() {
    let mut table = table(9, 9);
    let records = [record(1, 0, &[]), record(2, 0, &[])];
    let [token, waiting] = [&records[0].token, &records[1].token];
    assert!(matches!(refusal(table.cancel(token, at(1))), Some(CommandError::UnknownToken(_))));
    assert!(matches!(refusal(table.delete(token)), Some(CommandError::UnknownToken(_))));
    for record in &records {
        submit(&mut table, record.clone()).expect("there is room");
    }
    assert!(matches!(refusal(table.pause(waiting, at(2))), Some(CommandError::NotStarted(_))));
    let first = take(&mut table, at(2)).expect("two wait");
    assert!(matches!(refusal(table.cancel(token, at(3))), Some(CommandError::Running(_))));
    assert!(matches!(refusal(table.change_priority(token, 9)), Some(CommandError::Started(_))));
    for (token, found) in [(token, Status::Processing), (waiting, Status::Queued)] {
        let error = refusal(table.delete(token));
        assert!(matches!(error, Some(CommandError::NotEnded { status, .. }) if status == found), "{error:?}");
    }
    assert!(!first.stop.is_set());
    assert_eq!(table.stop_running(at(3)).expect("one runs").stop.len(), 1);
    assert_eq!(settle(&mut table, 1, done(), at(4)), Status::Finished);
    for change in [
        table.stop(token, at(5)),
        table.cancel(token, at(5)),
        table.pause(token, at(5)),
        table.resume(token, at(5)),
        table.change_priority(token, 5),
    ] {
        assert!(matches!(refusal(change), Some(CommandError::Ended { status: Status::Finished, .. })));
    }
}

#[test]
fn a_command_waits_while_another_change_of_its_action_is_on_its_way() {
    let mut table = table(9, 9);
    let record = record(1, 0, &[]);
    let token = &record.token;
    submit(&mut table, record.clone()).expect("there is room");
    let moved = table.change_priority(token, 3).expect("it waits");
    assert!(is_busy(&table.cancel(token, at(1))) && is_busy(&table.stop(token, at(1))));
    assert!(is_busy(&table.cancel_matching(&Filter::default(), at(1))));
    assert!(table.take(at(1)).is_none());
    table.conclude(&moved, at(1));

    let started = table.take(at(2)).expect("it waits again");
    assert!(is_busy(&table.pause(token, at(2))) && is_busy(&table.pause_queue(at(2))));
    // A stop waits for nothing.
    assert_eq!(table.stop(token, at(2)).map(|change| change.stop.len()).ok(), Some(1));
    table.unmark(started.record.id);
    let paused = table.pause(token, at(3)).expect("its start is recorded");
    assert!(is_busy(&table.resume(token, at(3))) && table.is_changing(1));
    table.conclude(&paused, at(3));

    let queue = table.pause_queue(at(4)).expect("no other is on its way");
    assert!(is_busy(&table.resume_queue(at(4))) && is_busy(&table.pause_queue(at(4))));
    table.abandon(queue);
    assert!(!table.is_paused());
}

#[test]
fn a_paused_action_keeps_its_place_and_claims_and_goes_on_where_it_was() {
    let mut table = table(9, 9);
    let records = [record(1, 0, &["A"]), record(2, 0, &["A"])];
    for record in &records {
        submit(&mut table, record.clone()).expect("there is room");
    }
    let token = &records[0].token;
    let run = take(&mut table, at(1)).expect("two wait");
    for _ in 0..2 {
        let paused = table.pause(token, at(2));
        assert_eq!(carry_out(&mut table, paused), [(1, Status::Paused)]);
        assert!(run.pause.while_closed().is_some() && table.take(at(3)).is_none());
    }
    for _ in 0..2 {
        let resumed = table.resume(token, at(4));
        assert_eq!(carry_out(&mut table, resumed), [(1, Status::Processing)]);
        assert!(run.pause.while_closed().is_none());
    }
    // One that was past its last gate ends all the same.
    let paused = table.pause(token, at(5));
    carry_out(&mut table, paused);
    assert_eq!(settle(&mut table, 1, done(), at(6)), Status::Finished);
    assert_eq!(table.take(at(7)).map(|taken| taken.record.id), Some(2));
}

#[test]
fn a_paused_queue_starts_nothing_and_one_of_its_actions_can_go_on() {
    let mut table = table(9, 9);
    let records = [record(1, 0, &[]), record(2, 0, &[]), record(3, 0, &[])];
    for record in &records {
        submit(&mut table, record.clone()).expect("there is room");
    }
    let runs = [take(&mut table, at(1)).expect("it waits"), take(&mut table, at(1)).expect("it waits")];
    let pausing = table.pause_queue(at(2)).expect("nothing is on its way");
    assert!(!table.is_paused() && table.take(at(2)).is_none(), "from the decision on");
    assert_eq!(carry_out(&mut table, Ok(pausing)), [(1, Status::Paused), (2, Status::Paused)]);
    assert!(table.is_paused());
    assert_eq!(table.numbers(), Numbers { queued: 1, running: 2, ended: 0 });

    let one = table.resume(&records[1].token, at(3));
    carry_out(&mut table, one);
    assert!(runs[0].pause.while_closed().is_some() && runs[1].pause.while_closed().is_none());
    assert_eq!(settle(&mut table, 2, done(), at(4)), Status::Finished);
    assert!(table.take(at(4)).is_none());

    let all = table.resume_queue(at(5));
    assert_eq!(carry_out(&mut table, all), [(1, Status::Processing)]);
    assert!(!table.is_paused() && runs[0].pause.while_closed().is_none());
    assert_eq!(table.take(at(6)).map(|taken| taken.record.id), Some(3));
}

#[test]
fn a_paused_action_of_the_last_process_takes_a_worker_and_one_too_many_is_queued_by_its_resume() {
    let paused =
        |id, claims| Record { attempts: 1, started_at: Some(at(1)), status: Status::Paused, ..record(id, 0, claims) };
    let mut table = table(9, 9);
    for record in [paused(1, &["A"]), paused(2, &["B"]), paused(3, &[]), record(4, 0, &["B"])] {
        assert!(table.restore(record));
    }
    assert_eq!(table.numbers(), Numbers { queued: 1, running: 3, ended: 0 });
    let first = table.take(at(2)).expect("a paused one comes first");
    assert_eq!((first.record.id, first.record.attempts), (1, 1));
    assert!(first.pause.while_closed().is_some());

    // There is no worker for the second and the third.
    let resumed = table.resume(&paused(2, &[]).token, at(3)).expect("nothing is on its way");
    table.abandon(resumed);
    let resumed = table.resume(&paused(2, &[]).token, at(3));
    assert_eq!(carry_out(&mut table, resumed), [(2, Status::Queued)]);
    let stopped = table.stop(&paused(3, &[]).token, at(3));
    assert_eq!(carry_out(&mut table, stopped), [(3, Status::Stopped)]);
    assert_eq!(table.take(at(4)).map(|taken| (taken.record.id, taken.record.attempts)), Some((2, 2)));

    // A shutdown leaves the first as it was.
    table.close();
    assert_eq!(settle(&mut table, 1, Outcome::Returned(Err(PerformError::Stopped)), at(5)), Status::Paused);
    assert_eq!(table.get(&first.record.token).map(|view| view.record), Some(Arc::clone(&first.record)));

    // No worker sees a stop of it any more: the command itself ends it.
    let stopped = table.stop(&first.record.token, at(6));
    assert_eq!(carry_out(&mut table, stopped), [(1, Status::Stopped)]);
}

#[test]
fn a_deleted_action_is_known_no_more_and_one_that_was_dropped_meanwhile_does_no_harm() {
    let mut table = table(9, 1);
    let records = [record(1, 0, &[]), record(2, 0, &[])];
    for record in &records {
        submit(&mut table, record.clone()).expect("there is room");
    }
    table.take(at(0)).expect("it waits");
    settle(&mut table, 1, done(), at(1));
    let deleting = table.delete(&records[0].token).expect("it has ended");
    assert!(is_busy(&table.delete(&records[0].token)));
    // The limit drops it before the commit has come back.
    table.take(at(2)).expect("it waits");
    settle(&mut table, 2, done(), at(3));
    assert!(table.get(&records[0].token).is_none());
    table.conclude(&deleting, at(4));

    let deleted = table.delete_matching(&Filter::default());
    assert_eq!(deleted.write().map(|write| write.forget), Some(vec![2]));
    assert_eq!(carry_out(&mut table, Ok(deleted)), [(2, Status::Finished)]);
    assert!(table.list().is_empty() && table.ended.is_empty() && table.ids.is_empty() && table.changing.is_empty());
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
    assert_eq!(table.stop_running(at(4)).expect("one runs").stop.len(), 1);
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
        let settled = table.settled(taken.record.id, done(), report, at(10));
        table.publish(&Arc::new(settled), at(10));
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
    Pause { which: usize },
    Resume { which: usize },
    PauseQueue,
    ResumeQueue,
    Move { which: usize, priority: i64 },
    Delete { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..64_usize;
    let step = prop_oneof![
        4 => (-2..3_i64, 0..8_u8).prop_map(|(priority, claims)| Step::Submit { priority, claims }),
        3 => Just(Step::Take),
        2 => which.clone().prop_map(|which| Step::Settle { which }),
        1 => which.clone().prop_map(|which| Step::GiveBack { which }),
        1 => which.clone().prop_map(|which| Step::Cancel { which }),
        1 => which.clone().prop_map(|which| Step::Abandon { which }),
        1 => which.clone().prop_map(|which| Step::Pause { which }),
        1 => which.clone().prop_map(|which| Step::Resume { which }),
        1 => Just(Step::PauseQueue),
        2 => Just(Step::ResumeQueue),
        1 => (which.clone(), -2..3_i64).prop_map(|(which, priority)| Step::Move { which, priority }),
        1 => which.prop_map(|which| Step::Delete { which }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the table promises, kept in the plainest way: everything in a list, everything searched.
#[derive(Default)]
struct Model {
    /// `None` is deleted.
    actions: Vec<(Record, Option<Status>)>,
    is_paused: bool,
}

impl Model {
    fn next(&self) -> Option<usize> {
        let runs = |status: &Option<Status>| matches!(status, Some(Status::Processing | Status::Paused));
        let held =
            |claim: &String| self.actions.iter().any(|(record, status)| runs(status) && record.claims.contains(claim));
        let free = |at: &usize| {
            let (record, status) = &self.actions[*at];
            *status == Some(Status::Queued) && !self.is_paused && !record.claims.iter().any(held)
        };
        // The first of the greatest: Reverse, because max_by_key yields the last.
        (0..self.actions.len()).filter(free).min_by_key(|&at| (std::cmp::Reverse(self.actions[at].0.priority), at))
    }

    fn pick(&self, status: Status, which: usize) -> Option<usize> {
        let of_status: Vec<usize> = (0..self.actions.len()).filter(|&at| self.actions[at].1 == Some(status)).collect();
        (!of_status.is_empty()).then(|| of_status[which % of_status.len()])
    }

    fn turn_all(&mut self, from: Status, to: Status) {
        for (_, status) in self.actions.iter_mut().filter(|(_, status)| *status == Some(from)) {
            *status = Some(to);
        }
    }
}

/// Takes the step in both.
fn step(table: &mut Table, model: &mut Model, step: &Step, now: Moment) {
    let mut one = |from: Status, which: usize, to: Option<Status>, act: &dyn Fn(&mut Table, &Record)| {
        if let Some(at) = model.pick(from, which) {
            act(table, &model.actions[at].0);
            model.actions[at].1 = to;
        }
    };
    match *step {
        Step::Submit { priority, claims } => {
            let names = ["A", "B", "C"];
            let claims: Vec<&str> = (0..3).filter(|bit| claims >> bit & 1 == 1).map(|bit| names[bit]).collect();
            let record = record(model.actions.len() as u64 + 1, priority, &claims);
            assert_eq!(submit(table, record.clone()), Ok(()));
            model.actions.push((record, Some(Status::Queued)));
        }
        Step::Take => {
            let next = model.next();
            let taken = take(table, now).map(|taken| taken.record.id);
            assert_eq!(taken, next.map(|next| model.actions[next].0.id));
            if let Some(next) = next {
                model.actions[next].1 = Some(Status::Processing);
            }
        }
        Step::Settle { which } => one(Status::Processing, which, Some(Status::Finished), &|table, record| {
            settle(table, record.id, done(), now);
        }),
        Step::GiveBack { which } => one(Status::Processing, which, Some(Status::Queued), &|table, record| {
            assert!(table.give_back(record.id, now));
        }),
        Step::Cancel { which } => one(Status::Queued, which, Some(Status::Cancelled), &|table, record| {
            let change = table.cancel(&record.token, now);
            carry_out(table, change);
        }),
        Step::Abandon { which } => one(Status::Queued, which, Some(Status::Queued), &|table, record| {
            let change = table.cancel(&record.token, now).expect("it is queued");
            table.abandon(change);
        }),
        Step::Pause { which } => one(Status::Processing, which, Some(Status::Paused), &|table, record| {
            let change = table.pause(&record.token, now);
            carry_out(table, change);
        }),
        Step::Resume { which } => one(Status::Paused, which, Some(Status::Processing), &|table, record| {
            let change = table.resume(&record.token, now);
            carry_out(table, change);
        }),
        Step::PauseQueue => {
            let change = table.pause_queue(now);
            carry_out(table, change);
            model.is_paused = true;
            model.turn_all(Status::Processing, Status::Paused);
        }
        Step::ResumeQueue => {
            let change = table.resume_queue(now);
            carry_out(table, change);
            model.is_paused = false;
            model.turn_all(Status::Paused, Status::Processing);
        }
        Step::Move { which, priority } => {
            if let Some(at) = model.pick(Status::Queued, which) {
                let change = table.change_priority(&model.actions[at].0.token, priority);
                carry_out(table, change);
                model.actions[at].0.priority = priority;
            }
        }
        Step::Delete { which } => one(Status::Finished, which, None, &|table, record| {
            let change = table.delete(&record.token);
            carry_out(table, change);
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_agrees_with_a_plain_list(steps in steps()) {
        let mut table = table(1_000, 1_000);
        let mut model = Model::default();
        for (time, next) in steps.iter().enumerate() {
            step(&mut table, &mut model, next, at(i64::try_from(time).expect("few steps")));
            for (record, expected) in &model.actions {
                prop_assert_eq!(status(&table, &record.token), *expected);
            }
        }
        let count = |statuses: &[Status]| {
            model.actions.iter().filter(|(_, status)| status.is_some_and(|status| statuses.contains(&status))).count()
        };
        let expected = Numbers {
            queued: count(&[Status::Queued]),
            running: count(&[Status::Processing, Status::Paused]),
            ended: count(&[Status::Finished, Status::Cancelled]),
        };
        prop_assert_eq!(table.numbers(), expected);
        prop_assert!(table.changing.is_empty());
    }
}
