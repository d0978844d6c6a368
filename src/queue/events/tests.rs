use super::super::tests::{PATIENCE, as_if_killed, at_once, named, settings, until_stopped, wait_for, wait_until};
use super::super::{PerformError, Queue, Settings, Submission};
use super::*;
use crate::action::Token;
use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tempfile::TempDir;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A handler that tells the test each attempt, and fails those whose text contains what the test says.
struct Receiving {
    attempts: Receiver<String>,
    told: Sender<String>,
    fails: Arc<Mutex<Option<&'static str>>>,
}

impl Receiving {
    fn new() -> Receiving {
        let (told, attempts) = unbounded();
        Receiving { attempts, told, fails: Arc::default() }
    }

    fn handler(&self, name: &str, retries: u32) -> Handler {
        let (told, fails) = (self.told.clone(), Arc::clone(&self.fails));
        let open = move |_: &StopFlag| -> Deliver {
            let (told, fails) = (told.clone(), Arc::clone(&fails));
            Box::new(move |text| {
                told.send(text.to_owned()).map_err(|error| error.to_string())?;
                let fails = *fails.lock();
                if fails.is_some_and(|part| text.contains(part)) { Err("as told".to_owned()) } else { Ok(()) }
            })
        };
        Handler { name: name.into(), open: Arc::new(open), retries, retry_interval: Duration::from_millis(1) }
    }

    fn fail(&self, part: Option<&'static str>) {
        *self.fails.lock() = part;
    }

    fn next(&self) -> String {
        self.attempts.recv_timeout(PATIENCE).expect("a handler is told")
    }
}

/// The occasion and the name of the action, which its counts begin with; or the queue event and the size.
fn text(notification: &Notification<'_>) -> String {
    let occasion = notification.occasion.as_str();
    match &notification.subject {
        Subject::Action(action, errors) => {
            let task = action.report.tasks.first().map_or("", |task| task.task.as_str());
            let errors: Vec<_> =
                errors.iter().map(|errors| format!(" {}x {}", errors.count, errors.first[0])).collect();
            format!("{occasion} {task} {}{}", action.status, errors.concat())
        }
        Subject::Queue { event, size, size_max } => format!("{} {size} of {size_max}", event.as_str()),
    }
}

/// All actions are told to the first handler.
fn telling(directory: &Path, handlers: Vec<Handler>) -> Settings {
    let occasions = [Occasion::Start, Occasion::Finish, Occasion::Error];
    let first = Arc::clone(&handlers[0].name);
    let told = occasions.map(|occasion| (occasion, Arc::clone(&first))).into();
    let events = Events { handlers, told, render: Arc::new(text), ..Events::default() };
    Settings { workers: 1, events, ..settings(directory) }
}

fn owed(queue: &Queue) -> usize {
    let owed = queue.shared.store.owed(&"A".into(), 0, i64::MAX, usize::MAX);
    owed.map_or(usize::MAX, |events| events.len())
}

/// Performs an action that is named in its report and ends as its name says.
fn as_named(running: &super::super::Running) -> Result<(), PerformError> {
    let name = running.params.get("name").unwrap_or_default().to_owned();
    running.live.begin_task(&name);
    if name == "bad" { Err(PerformError::Failed("it is bad".to_owned())) } else { Ok(()) }
}

#[test]
fn starts_and_ends_are_told_in_order_and_then_owed_no_more() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let queue = Queue::open(telling(directory.path(), vec![receiving.handler("A", 0)]))?;
    let cancelled = queue.submit(&named("cancelled"))?;
    queue.cancel(&cancelled)?;
    ["good", "bad"].iter().try_for_each(|name| queue.submit(&named(name)).map(drop))?;
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    let told: Vec<String> = (0..4).map(|_| receiving.next()).collect();
    // Whoever cancelled it knows.
    assert_eq!(told, ["OnStart  Processing", "OnFinish GOOD Finished", "OnStart  Processing", "OnError BAD Error"]);
    wait_until("nothing is owed", || owed(&queue) == 0);
    queue.join();
    assert!(receiving.attempts.is_empty());
    Ok(())
}

#[test]
fn without_handlers_nothing_of_events_is_written() -> Tested {
    let directory = TempDir::new()?;
    let queue = Queue::open(settings(directory.path()))?;
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("bad"))?;
    wait_for(&queue, &token, Status::Error);
    let rows = |table: &str| {
        let path = directory.path().join("fetch.db");
        let connection = rusqlite::Connection::open(path)?;
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
    };
    drop(queue);
    // No row, and none that there has been.
    assert_eq!((rows("events")?, rows("sqlite_sequence")?, rows("actions")?), (0, 0, 1));
    Ok(())
}

#[test]
fn a_failed_event_is_tried_again_set_aside_and_told_once_another_gets_through() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let queue = Queue::open(telling(directory.path(), vec![receiving.handler("A", 2)]))?;
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    receiving.fail(Some("On"));
    queue.submit(&named("one"))?;
    // Three attempts of each, one after the other.
    for event in ["OnStart  Processing", "OnFinish ONE Finished"] {
        assert_eq!([receiving.next(), receiving.next(), receiving.next()], [event; 3]);
    }
    assert_eq!(owed(&queue), 2);

    // One that is always refused keeps no other from being told.
    receiving.fail(Some("ONE"));
    queue.submit(&named("two"))?;
    let mut told = Vec::new();
    // How often the refused one is tried in between depends on when the second action ends.
    while told.iter().filter(|told| *told != "OnFinish ONE Finished").count() < 3 {
        told.push(receiving.next());
    }
    let of = |event: &str| told.iter().filter(|told| *told == event).count();
    assert_eq!((of("OnStart  Processing"), of("OnFinish TWO Finished")), (2, 1), "{told:?}");
    if told.len() == 3 {
        assert_eq!(receiving.next(), "OnFinish ONE Finished");
    }
    wait_until("the refused one alone is owed", || owed(&queue) == 1);

    receiving.fail(None);
    queue.submit(&named("three"))?;
    wait_until("nothing is owed", || owed(&queue) == 0);
    Ok(())
}

#[test]
fn what_was_owed_when_the_process_died_is_told_by_the_next() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let queue = Queue::open(telling(directory.path(), vec![receiving.handler("A", 1_000_000)]))?;
    receiving.fail(Some("On"));
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("one"))?;
    wait_for(&queue, &token, Status::Finished);
    assert_eq!(receiving.next(), "OnStart  Processing");
    let killed = as_if_killed(directory.path());
    queue.join();

    let next = Receiving::new();
    let queue = Queue::open(telling(killed.path(), vec![next.handler("A", 0)]))?;
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    assert_eq!([next.next(), next.next()], ["OnStart  Processing", "OnFinish ONE Finished"]);
    wait_until("nothing is owed", || owed(&queue) == 0);
    queue.join();

    // And what is owed to nobody is dropped: the orderly shutdown kept it.
    let queue = Queue::open(telling(directory.path(), vec![next.handler("B", 0)]))?;
    assert_eq!(owed(&queue), 0);
    Ok(())
}

#[test]
fn an_action_that_outlives_no_process_is_told_as_an_error() -> Tested {
    let (mut directory, receiving) = (TempDir::new()?, Receiving::new());
    let stage = until_stopped();
    let once = |directory: &Path| Settings { attempts_max: 1, ..telling(directory, vec![receiving.handler("A", 0)]) };
    let queue = Queue::open(once(directory.path()))?;
    queue.start(&stage.perform)?;
    queue.submit(&named("deadly"))?;
    stage.next();
    assert_eq!(receiving.next(), "OnStart  Processing");
    directory = as_if_killed(directory.path());
    queue.join();
    let queue = Queue::open(once(directory.path()))?;
    queue.start(&stage.perform)?;
    // The first may have been told before it was forgotten.
    let told = || receiving.next();
    assert!(told() == "OnError  Error" || told() == "OnError  Error");
    Ok(())
}

#[test]
fn a_handler_that_hangs_delays_no_action_no_other_handler_and_no_shutdown() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let (reached, hangs) = unbounded();
    let open = move |stop: &StopFlag| -> Deliver {
        let (stop, reached) = (stop.clone(), reached.clone());
        Box::new(move |_| {
            reached.send(()).map_err(|error| error.to_string())?;
            stop.sleep(PATIENCE).map_err(|error| error.to_string())
        })
    };
    let hanging = Handler { open: Arc::new(open), ..receiving.handler("A", 0) };
    let mut settings = telling(directory.path(), vec![hanging, receiving.handler("B", 0)]);
    settings.events.told.insert(Occasion::Finish, "B".into());
    let queue = Queue::open(settings)?;
    let stage = at_once(as_named);
    queue.start(&stage.perform)?;
    for name in ["one", "two", "three"] {
        let token = queue.submit(&named(name))?;
        wait_for(&queue, &token, Status::Finished);
        assert!(receiving.next().starts_with("OnFinish"));
    }
    hangs.recv_timeout(PATIENCE)?;
    let started = Instant::now();
    queue.join();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(hangs.len(), 0, "it was told one event");
    Ok(())
}

#[test]
fn an_end_that_cannot_be_recorded_is_not_told() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let queue = Queue::open(telling(directory.path(), vec![receiving.handler("A", 0)]))?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    let token = queue.submit(&named("long"))?;
    stage.next();
    assert_eq!(receiving.next(), "OnStart  Processing");
    wait_until("the start is forgotten", || owed(&queue) == 0);
    queue.shared.store.pragma("query_only", 1)?;
    queue.stop(Some(&token))?;
    assert!(queue.submit(&Submission::default()).is_err());
    assert_eq!((owed(&queue), receiving.attempts.len()), (0, 0));
    queue.shared.store.pragma("query_only", 0)?;
    assert_eq!(receiving.next(), "OnError  Stopped");
    Ok(())
}

#[test]
fn errors_of_a_running_action_are_reported_together_and_the_rest_before_its_end() -> Tested {
    static REPORTED: AtomicUsize = AtomicUsize::new(0);
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let mut settings = telling(directory.path(), vec![receiving.handler("A", 0)]);
    settings.events.told.insert(Occasion::ErrorReport, "A".into());
    settings.events.told.remove(&Occasion::Start);
    settings.events.report_every = Duration::from_millis(5);
    let queue = Queue::open(settings)?;
    let stage = at_once(|running| {
        let counts = running.live.begin_task("news");
        counts.error("page 1");
        wait_until("the report of it", || REPORTED.load(Ordering::SeqCst) == 1);
        (0..1_000).for_each(|_| counts.refused("page 2"));
        Ok(())
    });
    queue.start(&stage.perform)?;
    queue.submit(&Submission::default())?;
    assert_eq!(receiving.next(), "OnErrorReport NEWS Processing 1x page 1");
    REPORTED.store(1, Ordering::SeqCst);
    let mut refused = 0;
    loop {
        // The reporter may have come in between.
        let told = receiving.next();
        let Some(report) = told.strip_prefix("OnErrorReport NEWS Processing ") else {
            assert_eq!(told, "OnFinish NEWS Finished");
            break;
        };
        refused += report.strip_suffix("x page 2").ok_or("a report")?.parse::<u64>()?;
    }
    assert_eq!(refused, 1_000);
    Ok(())
}

#[test]
fn queue_events_are_told_with_the_sizes_and_over_a_restart() -> Tested {
    let (directory, receiving) = (TempDir::new()?, Receiving::new());
    let watching = |directory: &Path| {
        let events = Events {
            told: [(Occasion::QueueEvent, "A".into())].into(),
            filling_above: 2,
            emptying_below: 2,
            ..telling(directory, vec![receiving.handler("A", 0)]).events
        };
        Settings { waiting_max: 4, workers: 1, events, ..settings(directory) }
    };
    let queue = Queue::open(watching(directory.path()))?;
    let tokens: Vec<Token> = (0..4).map(|_| queue.submit(&named("x"))).collect::<Result<_, _>>()?;
    assert!(queue.submit(&named("x")).is_err());
    let killed = as_if_killed(directory.path());
    queue.join();

    let queue = Queue::open(watching(killed.path()))?;
    let stage = until_stopped();
    queue.start(&stage.perform)?;
    stage.next();
    assert_eq!([receiving.next(), receiving.next()], ["QueueFilling 3 of 4", "QueueFull 4 of 4"]);
    tokens[2..].iter().try_for_each(|token| queue.cancel(token).map(drop))?;
    assert_eq!(receiving.next(), "QueueEmptying 1 of 4");
    queue.cancel(&tokens[1])?;
    assert_eq!(receiving.next(), "QueueEmpty 0 of 4");
    queue.join();
    assert!(receiving.attempts.is_empty());
    Ok(())
}
