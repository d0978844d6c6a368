//! The points at which the process may die, one test for each row of the table of [`super`], in its order: what the next
//! process finds.
//!
//! A store that refuses every write stands before its next commit for as long as a test wants.

use super::events::{Deliver, Handler, Notification, Occasion, Subject};
use super::tests::{PATIENCE, Stage, as_if_killed, at_once, named, settings, until_stopped, wait_for, wait_until};
use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// One worker, and a handler that is told every start and end. It does with each what `tell` does.
fn telling(directory: &Path, tell: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Settings {
    let tell = Arc::new(tell);
    let open = move |_: &StopFlag| -> Deliver {
        let tell = Arc::clone(&tell);
        Box::new(move |event| tell(event))
    };
    let handler = Handler { name: "A".into(), open: Arc::new(open), retries: 0, retry_interval: Duration::ZERO };
    let render = |told: &Notification<'_>| match &told.subject {
        Subject::Action(_, errors) => format!("{} {}", told.occasion.as_str(), errors.len()),
        Subject::Queue { event, .. } => event.as_str().to_owned(),
    };
    let occasions = [Occasion::Start, Occasion::Finish, Occasion::Error, Occasion::ErrorReport];
    let told = occasions.map(|occasion| (occasion, "A".into())).into();
    let events = Events { handlers: vec![handler], told, render: Arc::new(render), ..Events::default() };
    Settings { events, ..plain(directory) }
}

fn plain(directory: &Path) -> Settings {
    Settings { workers: 1, ..settings(directory) }
}

/// From now on no commit comes about; those that were asked for before have.
fn refuse(queue: &Queue) {
    flush(queue);
    queue.shared.store.pragma("query_only", 1).expect("the store lives");
}

/// Commits come about again.
fn pass(queue: &Queue) {
    queue.shared.store.pragma("query_only", 0).expect("the store lives");
}

/// Returns when the store has committed what it was asked for before.
fn flush(queue: &Queue) {
    queue.shared.store.commit(Write::default()).expect("nothing is refused");
}

/// The store that is left: status and attempts of each action, the first first, and how many events are owed.
fn left(killed: &TempDir) -> (Vec<(Status, u32)>, usize) {
    let path = killed.path().join(file_name(&QueueName::fetch()));
    let (database, kept) = Database::open(&path).expect("it is sound");
    let actions = kept.records.iter().map(|record| (record.status, record.attempts)).collect();
    (actions, database.owed_to().into_iter().map(|(_, count)| count).sum())
}

/// What the next process shows of its only action, and performs of it.
fn next_runs(killed: &TempDir) -> Running {
    let queue = Queue::open(plain(killed.path())).expect("it is sound");
    assert_eq!(queue.list().iter().map(|action| action.status).collect::<Vec<_>>(), [Status::Queued]);
    let stage = until_stopped();
    queue.start(&stage.perform).expect("threads can be had");
    stage.next()
}

#[test]
fn in_a_submission_before_its_commit() -> Tested {
    let directory = TempDir::new()?;
    let queue = Queue::open(plain(directory.path()))?;
    refuse(&queue);
    let submitting = queue.begin_submit(&named("x"))?;
    let killed = as_if_killed(directory.path());
    assert!(submitting.finish().is_err());
    assert_eq!(left(&killed), (vec![], 0));
    Ok(())
}

#[test]
fn in_a_submission_after_its_commit_before_the_answer() -> Tested {
    let directory = TempDir::new()?;
    let queue = Queue::open(plain(directory.path()))?;
    let submitting = queue.begin_submit(&named("x"))?;
    flush(&queue);
    let killed = as_if_killed(directory.path());
    // Nobody knows of it yet.
    assert_eq!(queue.list(), []);
    drop(submitting);
    assert_eq!(left(&killed), (vec![(Status::Queued, 0)], 0));
    assert_eq!(next_runs(&killed).params.get("name"), Some("x"));
    Ok(())
}

#[test]
fn after_a_take_before_its_commit() -> Tested {
    let directory = TempDir::new()?;
    let queue = Queue::open(plain(directory.path()))?;
    let token = queue.submit(&named("x"))?;
    refuse(&queue);
    // Submitted just now, it is started beside the commit.
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    assert_eq!(stage.next().token, token);
    assert_eq!(queue.get(&token).map(|action| action.status), Some(Status::Processing));
    let killed = as_if_killed(directory.path());
    assert_eq!(left(&killed), (vec![(Status::Queued, 0)], 0));
    assert_eq!(next_runs(&killed).attempt, 1);
    Ok(())
}

/// A queue whose only action runs, with its start recorded.
fn running(directory: &Path, stage: &Stage) -> Result<(Queue, Token), Box<dyn std::error::Error>> {
    let queue = Queue::open(plain(directory))?;
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("x"))?;
    stage.next();
    flush(&queue);
    Ok((queue, token))
}

#[test]
fn after_a_start_before_the_commit_of_its_end() -> Tested {
    let (directory, stage) = (TempDir::new()?, until_stopped());
    let (queue, token) = running(directory.path(), &stage)?;
    refuse(&queue);
    queue.stop(Some(&token))?;
    // Whether or not it has come to its end: that is not recorded, and so not shown.
    let killed = as_if_killed(directory.path());
    assert_eq!(queue.get(&token).map(|action| action.status), Some(Status::Processing));
    assert_eq!(left(&killed), (vec![(Status::Processing, 1)], 0));
    assert_eq!(next_runs(&killed).attempt, 2);

    // Unless its attempts are used up.
    let killed = as_if_killed(directory.path());
    let next = Queue::open(Settings { attempts_max: 1, ..plain(killed.path()) })?;
    assert_eq!(next.get(&token).map(|action| action.status), Some(Status::Error));
    pass(&queue);
    Ok(())
}

#[test]
fn after_the_commit_of_an_end() -> Tested {
    let (directory, stage) = (TempDir::new()?, until_stopped());
    let (queue, token) = running(directory.path(), &stage)?;
    queue.stop(Some(&token))?;
    let shown = wait_for(&queue, &token, Status::Stopped);
    let killed = as_if_killed(directory.path());
    let next = Queue::open(plain(killed.path()))?;
    let stage = at_once(|_| Ok(()));
    next.start(&stage.perform)?;
    assert_eq!(next.get(&token), Some(shown));
    next.join();
    assert_eq!(left(&killed), (vec![(Status::Stopped, 1)], 0));
    Ok(())
}

#[test]
fn in_a_command_before_its_commit_and_after_it() -> Tested {
    let directory = TempDir::new()?;
    let queue = Queue::open(plain(directory.path()))?;
    let tokens = [queue.submit(&named("x"))?, queue.submit(&named("y"))?];
    let all = crate::action::Filter::default();
    refuse(&queue);
    assert!(queue.cancel_matching(&all).is_err() && queue.pause(None).is_err());
    let killed = as_if_killed(directory.path());
    assert_eq!(left(&killed), (vec![(Status::Queued, 0); 2], 0));
    assert!(!Queue::open(plain(killed.path()))?.state().is_paused);

    // One commit for both.
    pass(&queue);
    queue.pause(None)?;
    queue.cancel_matching(&all)?;
    let killed = as_if_killed(directory.path());
    assert_eq!(left(&killed), (vec![(Status::Cancelled, 0); 2], 0));
    let next = Queue::open(plain(killed.path()))?;
    assert!(next.state().is_paused);
    assert!(tokens.iter().all(|token| next.get(token).is_some_and(|action| action.status == Status::Cancelled)));
    Ok(())
}

#[test]
fn in_the_commit_of_a_start_or_an_end_that_an_event_is_owed_for() -> Tested {
    let directory = TempDir::new()?;
    // What is owed is told to nobody, so that it stays.
    let queue = Queue::open(telling(directory.path(), |_| Err("not now".to_owned())))?;
    let token = queue.submit(&named("x"))?;
    refuse(&queue);
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let killed = as_if_killed(directory.path());
    assert_eq!(left(&killed), (vec![(Status::Queued, 0)], 0));
    pass(&queue);
    stage.next();
    assert_eq!(left(&as_if_killed(directory.path())), (vec![(Status::Processing, 1)], 1));

    refuse(&queue);
    queue.stop(Some(&token))?;
    assert_eq!(left(&as_if_killed(directory.path())), (vec![(Status::Processing, 1)], 1));
    pass(&queue);
    wait_for(&queue, &token, Status::Stopped);
    // After that commit: the handler has neither, and both are there for the next process.
    assert_eq!(left(&as_if_killed(directory.path())), (vec![(Status::Stopped, 1)], 2));
    Ok(())
}

#[test]
fn after_a_handler_has_an_event_before_the_store_has_forgotten_it() -> Tested {
    let directory = TempDir::new()?;
    let (had, seen) = crossbeam_channel::unbounded();
    let folder = directory.path().to_owned();
    // Dies with the event in its hands.
    let tell = move |event: &str| {
        had.send((event.to_owned(), as_if_killed(&folder))).expect("the test receives");
        Ok(())
    };
    let queue = Queue::open(telling(directory.path(), tell))?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    queue.submit(&named("x"))?;
    let (event, killed) = seen.recv_timeout(PATIENCE)?;
    assert_eq!((event.as_str(), left(&killed)), ("OnStart 0", (vec![(Status::Processing, 1)], 1)));
    wait_until("it is forgotten", || left(&as_if_killed(directory.path())).1 == 0);

    let (again, told) = crossbeam_channel::unbounded();
    let next =
        Queue::open(telling(killed.path(), move |event| again.send(event.to_owned()).map_err(|e| e.to_string())))?;
    next.start(&stage.perform)?;
    assert_eq!(told.recv_timeout(PATIENCE)?, "OnStart 0");
    Ok(())
}

#[test]
fn while_error_reports_are_gathered() -> Tested {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    let directory = TempDir::new()?;
    let mut settings = telling(directory.path(), |event| {
        REPORTED.fetch_or(event == "OnErrorReport 1", Ordering::SeqCst);
        Ok(())
    });
    settings.events.report_every = Duration::from_hours(1);
    let queue = Queue::open(settings)?;
    let stage = at_once(|running| {
        running.live.begin_task("news").error("page 1");
        running.stop.sleep(PATIENCE).map_err(|_| PerformError::Stopped)
    });
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("x"))?;
    let has_erred = |action: &Snapshot| action.report.tasks.iter().any(|task| task.get("errors") == 1);
    wait_until("the error", || queue.get(&token).is_some_and(|action| has_erred(&action)));
    wait_until("the start is told", || left(&as_if_killed(directory.path())).1 == 0);
    let killed = as_if_killed(directory.path());
    assert!(!REPORTED.load(Ordering::SeqCst));
    assert_eq!(left(&killed), (vec![(Status::Processing, 1)], 0));
    let again = next_runs(&killed);
    assert_eq!((again.attempt, again.live.report().tasks.len()), (2, 0));
    Ok(())
}
