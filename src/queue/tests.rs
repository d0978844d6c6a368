use super::*;
use crate::action::Filter;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tempfile::TempDir;

/// Longest that a test waits for an event before it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn settings(directory: &Path) -> Settings {
    Settings {
        queue: QueueName::fetch(),
        directory: directory.to_owned(),
        token_host: TokenHost { ip: [127, 0, 0, 1].into(), port: 7006 },
        workers: 2,
        waiting_max: 1_000,
        ended_max: 1_000,
        ended_age_max: Duration::from_hours(1),
        attempts_max: 3,
        events: Events::default(),
    }
}

pub(super) fn named(name: &str) -> Submission {
    Submission { params: [("name", name)].into_iter().collect(), ..Submission::default() }
}

/// What the performing side of a test sees and decides: each action says that it runs, and waits for how it ends.
pub(super) struct Stage {
    performed: Receiver<Running>,
    pub(super) perform: Perform,
}

/// Every action is announced with its parts and holds until its stop flag is set.
pub(super) fn until_stopped() -> Stage {
    let (announce, performed) = bounded(1_000);
    let perform: Perform = Arc::new(move |running: &Running| {
        announce.send(copy(running)).expect("the test receives");
        running.stop.sleep(PATIENCE).map_err(|_| PerformError::Stopped)
    });
    Stage { performed, perform }
}

/// Every action is announced and ends at once.
pub(super) fn at_once(end: fn(&Running) -> Result<(), PerformError>) -> Stage {
    let (announce, performed) = bounded(1_000);
    let perform: Perform = Arc::new(move |running: &Running| {
        announce.send(copy(running)).expect("the test receives");
        end(running)
    });
    Stage { performed, perform }
}

fn copy(running: &Running) -> Running {
    Running {
        token: running.token.clone(),
        params: running.params.clone(),
        attempt: running.attempt,
        stop: running.stop.clone(),
        pause: running.pause.clone(),
        live: Arc::clone(&running.live),
    }
}

impl Stage {
    pub(super) fn next(&self) -> Running {
        self.performed.recv_timeout(PATIENCE).expect("an action is performed")
    }
}

pub(super) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::yield_now();
    }
}

pub(super) fn wait_for(queue: &Queue, token: &Token, status: Status) -> Snapshot {
    wait_until(&format!("{status}"), || queue.get(token).is_some_and(|action| action.status == status));
    queue.get(token).expect("it is known")
}

/// The files as a process that died now would leave them.
pub(super) fn as_if_killed(directory: &Path) -> TempDir {
    let copy = TempDir::new().expect("a temporary directory");
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("room for a copy");
    }
    copy
}

fn statuses(queue: &Queue) -> Vec<Status> {
    queue.list().into_iter().map(|action| action.status).collect()
}

#[test]
fn every_action_is_performed_once_and_the_latest_is_listed_first() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let stage = at_once(|running| {
        running.live.set_fetch_action("synchronize");
        running.live.begin_task("news").seen.store(3, Ordering::Relaxed);
        Ok(())
    });
    let tokens: Vec<Token> =
        (0..50).map(|number| queue.submit(&named(&number.to_string()))).collect::<Result<_, _>>()?;
    queue.start(&stage.perform)?;
    let performed: Vec<Running> = tokens.iter().map(|_| stage.next()).collect();
    assert_eq!(performed.iter().map(|running| &running.token).collect::<BTreeSet<_>>().len(), 50);
    for (number, token) in tokens.iter().enumerate() {
        let running = performed.iter().find(|running| running.token == *token).ok_or("performed")?;
        assert_eq!((running.params.get("name"), running.attempt), (Some(number.to_string().as_str()), 1));
        let ended = wait_for(&queue, token, Status::Finished);
        assert!(ended.started_at.is_some() && ended.ended_at.is_some());
        assert_eq!((ended.report.fetch_action.as_str(), ended.report.tasks[0].get("seen")), ("SYNCHRONIZE", 3));
    }
    let listed: Vec<Token> = queue.list().into_iter().rev().map(|action| action.token).collect();
    assert_eq!(listed, tokens);
    queue.join();
    assert!(stage.performed.is_empty());

    // The same after a restart, reports included.
    let before = queue.list();
    drop(queue);
    assert_eq!(Queue::open(settings(directory.path()))?.list(), before);
    Ok(())
}

#[test]
fn a_submission_that_nobody_waits_for_is_queued_all_the_same() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let under_way = [queue.begin_submit(&named("first"))?, queue.begin_submit(&named("second"))?];
    assert_eq!(queue.list(), []);
    drop(under_way);
    let before = queue.list();
    assert_eq!(statuses(&queue), [Status::Queued; 2]);
    drop(queue);
    assert_eq!(Queue::open(settings(directory.path()))?.list(), before);
    Ok(())
}

#[test]
fn one_worker_performs_by_priority_and_then_in_order_of_arrival() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    for (name, priority) in [("b", 0), ("d", -1), ("c", 0), ("a", 7)] {
        queue.submit(&Submission { priority, ..named(name) })?;
    }
    let stage = at_once(|_| Ok(()));
    queue.start(&stage.perform)?;
    let order: Vec<String> = (0..4).map(|_| stage.next().params.get("name").unwrap_or_default().to_owned()).collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
    Ok(())
}

#[test]
fn actions_with_a_common_claim_never_run_together() -> Result<(), Box<dyn std::error::Error>> {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 4, ..settings(directory.path()) })?;
    let stage = at_once(|running| {
        assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0, "{}", running.token);
        thread::yield_now();
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    queue.start(&stage.perform)?;
    let claims = [["a", "news"], ["NEWS", "b"], ["news", "c"]];
    let submit = |number: usize| {
        let claims = claims[number % 3].iter().map(|&name| name.to_owned()).collect();
        queue.submit(&Submission { claims, ..named("x") })
    };
    for token in (0..30).map(submit).collect::<Result<Vec<_>, _>>()? {
        wait_for(&queue, &token, Status::Finished);
    }
    Ok(())
}

#[test]
fn an_action_whose_claim_is_held_waits_and_does_not_hold_others_up() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let claiming = |claim: &str| Submission { claims: vec![claim.to_owned()], ..named(claim) };
    let first = queue.submit(&claiming("news"))?;
    assert_eq!(stage.next().token, first);
    let second = queue.submit(&claiming("News"))?;
    let other = queue.submit(&claiming("other"))?;
    assert_eq!(stage.next().token, other);
    assert_eq!(queue.get(&second).map(|action| action.status), Some(Status::Queued));
    queue.stop(Some(&first))?;
    assert_eq!(stage.next().token, second);
    Ok(())
}

#[test]
fn a_stop_ends_what_runs_and_what_waits_and_a_cancel_only_what_waits() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let running = queue.submit(&named("running"))?;
    stage.next();
    let [waiting, cancelled] = [queue.submit(&named("waiting"))?, queue.submit(&named("cancelled"))?];

    assert!(matches!(queue.cancel(&running), Err(CommandError::Running(_))));
    assert_eq!(queue.cancel(&cancelled)?.status, Status::Cancelled);
    let stopped = queue.stop(Some(&waiting))?;
    assert_eq!((stopped[0].status, stopped[0].started_at), (Status::Stopped, None));
    assert_eq!(queue.stop(None)?.iter().map(|action| &action.token).collect::<Vec<_>>(), [&running]);
    assert_eq!(wait_for(&queue, &running, Status::Stopped).error, None);
    assert_eq!(queue.stop(None)?, []);
    for (token, status) in [(&running, Status::Stopped), (&cancelled, Status::Cancelled)] {
        let ended = queue.stop(Some(token)).err();
        assert!(matches!(ended, Some(CommandError::Ended { status: found, .. }) if found == status));
    }
    queue.join();
    assert!(stage.performed.is_empty());
    Ok(())
}

#[test]
fn a_failure_and_a_panic_end_as_error_and_the_worker_goes_on() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    let stage = at_once(|running| match running.params.get("name") {
        Some("fails") => Err(PerformError::Failed("no route to host".to_owned())),
        Some("panics") => panic!("index out of range"),
        _ => Ok(()),
    });
    queue.start(&stage.perform)?;
    let tokens = [queue.submit(&named("fails"))?, queue.submit(&named("panics"))?, queue.submit(&named("works"))?];
    wait_for(&queue, &tokens[2], Status::Finished);
    let errors: Vec<_> = queue.list().into_iter().rev().map(|action| (action.status, action.error)).collect();
    assert_eq!(errors[0], (Status::Error, Some("no route to host".to_owned())));
    assert_eq!(errors[1], (Status::Error, Some("internal error: index out of range".to_owned())));
    Ok(())
}

#[test]
fn a_full_queue_refuses_and_a_place_that_is_freed_is_used() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { waiting_max: 2, ..settings(directory.path()) })?;
    let token = queue.submit(&named("1"))?;
    queue.submit(&named("2"))?;
    let full = queue.submit(&named("3")).err().map(|error| error.to_string());
    assert_eq!(full, Some("the queue FETCH is full: 2 actions wait, which is its maximum; try again later".to_owned()));
    queue.cancel(&token)?;
    queue.submit(&named("3"))?;
    Ok(())
}

#[test]
fn what_a_killed_process_ran_is_run_again_until_its_attempts_are_used_up() -> Result<(), Box<dyn std::error::Error>> {
    let mut directory = TempDir::new()?;
    let mut token = None;
    for attempt in 1..=3 {
        let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
        let stage = until_stopped();
        if attempt == 1 {
            queue.submit(&named("waits"))?;
            token = Some(queue.submit(&Submission { priority: 9, ..named("deadly") })?);
        }
        // Its place is the old one: before the action that waits.
        queue.start(&stage.perform)?;
        let running = stage.next();
        assert_eq!((Some(&running.token), running.attempt), (token.as_ref(), attempt));
        // Commits are made in order, so with this one the first attempt is recorded as well.
        queue.cancel(&queue.submit(&named("later"))?)?;
        directory = as_if_killed(directory.path());
    }
    let queue = Queue::open(settings(directory.path()))?;
    let deadly = queue.get(&token.ok_or("submitted")?).ok_or("known")?;
    assert_eq!((deadly.status, deadly.priority), (Status::Error, 9));
    assert_eq!(deadly.error.as_deref(), Some("the process ended 3 times while it performed this action"));
    let stage = at_once(|_| Ok(()));
    queue.start(&stage.perform)?;
    assert_eq!(stage.next().params.get("name"), Some("waits"));
    Ok(())
}

#[test]
fn a_shutdown_queues_what_ran_again_and_counts_no_attempt() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, attempts_max: 1, ..settings(directory.path()) })?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("long"))?;
    stage.next();
    queue.shut_down();
    assert!(matches!(queue.submit(&named("late")), Err(SubmitError::ShuttingDown)));
    queue.join();
    assert_eq!(queue.get(&token).map(|action| (action.status, action.started_at)), Some((Status::Queued, None)));
    assert!(matches!(queue.cancel(&token), Err(CommandError::Store(StoreError::Closed))));
    drop(queue);

    let queue = Queue::open(Settings { attempts_max: 1, ..settings(directory.path()) })?;
    assert_eq!(statuses(&queue), [Status::Queued]);
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let running = stage.next();
    assert_eq!((running.token, running.attempt, running.params.get("name")), (token, 1, Some("long")));
    Ok(())
}

#[test]
fn an_end_that_was_shown_is_there_after_a_kill() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let stage = at_once(|_| Ok(()));
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("x"))?;
    wait_for(&queue, &token, Status::Finished);
    let killed = as_if_killed(directory.path());
    assert_eq!(Queue::open(settings(killed.path()))?.list(), queue.list());
    Ok(())
}

#[test]
fn a_store_that_cannot_be_written_loses_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    let refuse_writes = |refuse: bool| queue.shared.store.pragma("query_only", i64::from(refuse));
    let [first, second] = [queue.submit(&named("first"))?, queue.submit(&named("second"))?];
    let stage = until_stopped();

    // A submission and a cancel are refused and change nothing, and what is taken meanwhile goes back.
    refuse_writes(true)?;
    assert!(matches!(queue.submit(&named("third")), Err(SubmitError::Store(StoreError::Write(_)))));
    assert!(matches!(queue.cancel(&second), Err(CommandError::Store(StoreError::Write(_)))));
    assert_eq!(statuses(&queue), [Status::Queued, Status::Queued]);
    queue.start(&stage.perform)?;
    refuse_writes(false)?;
    let running = stage.next();
    assert_eq!((&running.token, running.attempt), (&first, 1));

    // An end stays running, with its counts, until it can be recorded.
    refuse_writes(true)?;
    running.live.begin_task("news").added.store(5, Ordering::Relaxed);
    queue.stop(Some(&first))?;
    assert!(matches!(queue.submit(&named("third")), Err(SubmitError::Store(_))));
    let unsettled = queue.get(&first).ok_or("known")?;
    assert_eq!((unsettled.status, unsettled.report.tasks[0].get("added")), (Status::Processing, 5));
    refuse_writes(false)?;
    assert_eq!(wait_for(&queue, &first, Status::Stopped).report.tasks[0].get("added"), 5);

    // And a shutdown does not wait for a disk that stays full: the next process runs it again.
    assert_eq!(stage.next().token, second);
    refuse_writes(true)?;
    queue.join();
    drop(queue);
    let queue = Queue::open(settings(directory.path()))?;
    assert_eq!(statuses(&queue), [Status::Queued, Status::Stopped]);
    Ok(())
}

#[test]
fn concurrent_submissions_are_all_durable() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let tokens: BTreeSet<Token> = thread::scope(|scope| {
        let submitters: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..20).map(|_| queue.submit(&named("x"))).collect::<Result<Vec<_>, _>>()))
            .collect();
        let submitted = submitters.into_iter().map(|submitter| submitter.join().expect("no panic"));
        submitted.collect::<Result<Vec<_>, _>>().map(|tokens| tokens.into_iter().flatten().collect())
    })?;
    let killed = as_if_killed(directory.path());
    let revived: BTreeSet<Token> =
        Queue::open(settings(killed.path()))?.list().into_iter().map(|action| action.token).collect();
    assert_eq!((revived.len(), &revived), (160, &tokens));
    Ok(())
}

#[test]
fn ended_actions_beyond_the_limit_leave_the_store_too() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let two = Settings { ended_max: 2, ..settings(directory.path()) };
    let queue = Queue::open(two.clone())?;
    let tokens: Vec<Token> = (0..4).map(|_| queue.submit(&named("x"))).collect::<Result<_, _>>()?;
    tokens.iter().try_for_each(|token| queue.cancel(token).map(drop))?;
    assert_eq!(queue.list().len(), 2);
    drop(queue);
    // The last dropped row goes with the next end; whoever opens the store before that drops it again.
    let all = Queue::open(settings(directory.path()))?;
    assert_eq!(all.list().len(), 3);
    drop(all);
    assert_eq!(Queue::open(two)?.list().len(), 2);
    Ok(())
}

#[test]
fn what_was_paused_is_paused_over_a_kill_and_over_a_shutdown() -> Result<(), Box<dyn std::error::Error>> {
    let mut directory = TempDir::new()?;
    let one = |directory: &Path| Settings { workers: 1, attempts_max: 1, ..settings(directory) };
    let queue = Queue::open(one(directory.path()))?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("halts"))?;
    stage.next();
    let waiting = queue.submit(&named("waits"))?;
    for _ in 0..2 {
        assert_eq!(queue.pause(Some(&token))?[0].status, Status::Paused);
    }
    let started_at = queue.get(&token).and_then(|action| action.started_at);
    let killed = as_if_killed(directory.path());
    queue.join();
    drop(queue);

    // Killed with one attempt allowed, and shut down: it was paused, so neither was its fault.
    for left in [killed, std::mem::replace(&mut directory, TempDir::new()?)] {
        let queue = Queue::open(one(left.path()))?;
        let stage = until_stopped();
        queue.start(&stage.perform)?;
        let paused = queue.get(&token).ok_or("known")?;
        assert_eq!((paused.status, paused.started_at), (Status::Paused, started_at));
        assert_eq!(queue.state(), State { is_paused: false, queued: 1, running: 1, ended: 0 });
        assert!(stage.performed.is_empty());

        queue.resume(Some(&token))?;
        let running = stage.next();
        assert_eq!((&running.token, running.attempt), (&token, 1));
        assert_eq!(queue.get(&waiting).map(|action| action.status), Some(Status::Queued));

        // Stopped while it is paused, it ends at once.
        queue.pause(Some(&token))?;
        queue.stop(Some(&token))?;
        wait_for(&queue, &token, Status::Stopped);
        assert_eq!(stage.next().token, waiting);
    }
    Ok(())
}

#[test]
fn a_paused_queue_is_paused_over_a_kill_and_starts_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    assert_eq!(queue.pause(None)?, []);
    let token = queue.submit(&named("x"))?;
    let killed = as_if_killed(directory.path());
    let queue = Queue::open(settings(killed.path()))?;
    let stage = at_once(|_| Ok(()));
    queue.start(&stage.perform)?;
    assert_eq!(queue.state(), State { is_paused: true, queued: 1, running: 0, ended: 0 });
    assert!(stage.performed.is_empty());
    queue.resume(None)?;
    assert_eq!(stage.next().token, token);
    wait_for(&queue, &token, Status::Finished);
    assert_eq!(queue.state(), State { is_paused: false, queued: 0, running: 0, ended: 1 });
    Ok(())
}

#[test]
fn commands_that_cannot_be_recorded_change_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("runs"))?;
    let running = stage.next();
    let [waiting, ended] = [queue.submit(&named("waits"))?, queue.submit(&named("ended"))?];
    queue.cancel(&ended)?;
    let before = (queue.list(), queue.state());
    queue.shared.store.pragma("query_only", 1)?;
    let refused = [
        queue.pause(Some(&token)),
        queue.pause(None),
        queue.cancel_matching(&Filter::default()),
        queue.delete(&ended).map(|action| vec![action]),
        queue.change_priority(&waiting, 5).map(|action| vec![action]),
    ];
    for command in refused {
        assert!(matches!(command, Err(CommandError::Store(StoreError::Write(_)))), "{command:?}");
    }
    assert_eq!((queue.list(), queue.state()), before);
    assert!(running.pause.while_closed().is_none());
    queue.shared.store.pragma("query_only", 0)?;

    // And each can be given again.
    queue.pause(None)?;
    assert!(running.pause.while_closed().is_some());
    queue.delete(&ended)?;
    assert!(queue.get(&ended).is_none());
    assert_eq!(queue.cancel_matching(&Filter::default())?.len(), 1);
    Ok(())
}

#[test]
fn commands_at_the_same_time_leave_the_store_and_the_table_of_one_mind() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(Settings { workers: 1, ..settings(directory.path()) })?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("runs"))?;
    let running = stage.next();
    let waiting = queue.submit(&named("waits"))?;
    for _ in 0..5 {
        thread::scope(|scope| {
            for number in 0..4 {
                let (queue, token, waiting) = (&queue, &token, &waiting);
                scope.spawn(move || {
                    queue.pause((number % 2 == 0).then_some(token)).expect("it runs");
                    queue.change_priority(waiting, number).expect("it waits");
                    queue.resume((number < 2).then_some(token)).expect("it runs");
                });
            }
        });
        let killed = as_if_killed(directory.path());
        let status = |queue: &Queue| queue.get(&token).map(|action| action.status);
        let kept = Queue::open(settings(killed.path()))?;
        // A kill queues again what is not paused.
        assert_eq!(status(&kept) == Some(Status::Paused), status(&queue) == Some(Status::Paused));
        assert_eq!(kept.state().is_paused, queue.state().is_paused);
        assert_eq!(kept.get(&waiting).map(|action| action.priority), queue.get(&waiting).map(|action| action.priority));
        assert_eq!(running.pause.while_closed().is_some(), status(&queue) == Some(Status::Paused));
    }
    Ok(())
}

#[test]
fn a_copy_has_what_its_original_was_submitted_with() -> Result<(), Box<dyn std::error::Error>> {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let claims = vec!["News".to_owned()];
    let token = queue.submit(&Submission { priority: 7, claims, ..named("x") })?;
    let copy = queue.duplicate(&token)?;
    assert_ne!(copy, token);
    assert_eq!(queue.parameters(&copy)?.get("name"), Some("x"));
    assert_eq!(queue.get(&copy).map(|action| action.priority), Some(7));
    assert_eq!(
        queue.all_parameters().into_iter().map(|(token, _)| token).collect::<Vec<_>>(),
        [copy.clone(), token.clone()]
    );

    // Of the same claims: one after the other.
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    assert_eq!(stage.next().token, token);
    assert_eq!(queue.get(&copy).map(|action| action.status), Some(Status::Queued));
    queue.cancel(&copy)?;
    let ended = queue.duplicate(&copy).err();
    assert!(matches!(ended, Some(DuplicateError::Command(CommandError::Ended { status: Status::Cancelled, .. }))));
    assert!(matches!(queue.parameters(&copy), Err(CommandError::Ended { .. })));
    Ok(())
}
