//! The whole queue, with its workers and its store on a real file, in the hands of a scheduler: it decides at each lock, wait,
//! answer and end of a thread who goes on, and in thousands of orders the same has to hold.
//!
//! Run by `cargo test --features shuttle --lib queue::schedules`; `SCHEDULES` is how many of each of the three kinds, 1,000
//! by default, and `SHUTTLE_RANDOM_SEED` takes others than the usual ones.
//!
//! Clients submit, wait and command at random beside two workers, a disk that refuses writes at times, and a shutdown
//! that comes at any time or after all is done. What has been committed is noted in the moment of its commit, so at any point
//! the table can be held against it ([`super::table::audit`]). Waiting for ever is found by the scheduler.

use super::database::{Database, Write};
use super::record::Record;
use super::sync::{pass, thread};
use super::table::audit::Durable;
use super::tests::settings;
use super::*;
use crate::action::Filter;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tempfile::TempDir;

const WORKERS: usize = 2;
const CLAIMS: [&str; 2] = ["NEWS", "DOCS"];
/// Far more than any schedule takes that comes to its end.
const STEPS_MAX: usize = 100_000;

thread_local! {
    /// Of the present schedule: its threads share one of the system's.
    static SEEN: RefCell<Seen> = RefCell::default();
}

#[derive(Default)]
struct Seen {
    durable: Durable,
    /// Every record that ever was durable.
    history: Vec<Record>,
    forgotten: BTreeSet<u64>,
    /// What the workers perform now, with its claims.
    performed: BTreeMap<Token, Vec<String>>,
    /// Names of the submissions whose client was told a token.
    acknowledged: BTreeSet<String>,
    /// Actions that were asked to stop, and the client was told so.
    stopped: Vec<Token>,
    /// What would run for ever comes to its end.
    is_finale: bool,
    wrong: Vec<String>,
}

/// The store has made these durable, just now.
pub(super) fn committed(writes: &[Write]) {
    look(|seen| writes.iter().for_each(|write| seen.commit(write)));
}

fn look<T>(with: impl FnOnce(&mut Seen) -> T) -> T {
    SEEN.with_borrow_mut(with)
}

impl Seen {
    fn commit(&mut self, write: &Write) {
        for record in &write.put {
            let before = self.durable.actions.insert(record.id, Record::clone(record));
            if self.forgotten.contains(&record.id) || before.as_ref().is_some_and(|before| before.status.is_end()) {
                self.wrong.push(format!("after its end, {before:?} became {record:?}"));
            }
            self.history.push(Record::clone(record));
        }
        for id in &write.forget {
            match self.durable.actions.remove(id) {
                Some(record) if record.status.is_end() => {}
                other => self.wrong.push(format!("forgotten: {other:?}")),
            }
            self.forgotten.insert(*id);
        }
        self.durable.is_paused = write.paused.unwrap_or(self.durable.is_paused);
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    fn acknowledge(&mut self, name: String, token: &Token) {
        let is_durable = self.history.iter().any(|record| record.token == *token);
        self.expect(is_durable, || format!("{name} was acknowledged before it was durable"));
        self.acknowledged.insert(name);
    }

    /// Whether what a client was shown has been durable.
    fn knew(&self, shown: &Snapshot) -> bool {
        let form = |status, priority, started_at, ended_at| (status, priority, started_at, ended_at);
        let shown_form = form(shown.status, shown.priority, shown.started_at, shown.ended_at);
        let kept_form = |kept: &Record| form(kept.status, kept.priority, kept.started_at, kept.ended_at);
        self.history.iter().any(|kept| kept.token == shown.token && kept_form(kept) == shown_form)
    }

    fn last(&self, token: &Token) -> Option<&Record> {
        self.durable.actions.values().find(|record| record.token == *token)
    }
}

/// Holds the table against what is durable, with nobody in between.
fn audit(queue: &Queue) {
    let table = queue.shared.table.lock();
    look(|seen| {
        seen.wrong.extend(table.audit(&seen.durable, WORKERS));
        seen.expect(seen.performed.len() <= WORKERS, || "more is performed than there are workers".to_owned());
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    });
}

fn chance(percent: u32) -> bool {
    thread_rng().gen_range(0..100) < percent
}

fn let_others_go_on(times_max: usize) {
    for _ in 0..thread_rng().gen_range(0..=times_max) {
        thread::yield_now();
    }
}

/// What an action does: some steps, or steps until it is stopped or the finale, in which it heeds its flag and its gate.
fn perform(running: &Running) -> Result<(), PerformError> {
    look(|seen| {
        let record = seen.last(&running.token).cloned();
        let is_live = record.as_ref().is_some_and(|record| !record.status.is_end());
        seen.expect(is_live, || format!("performed though durable is {record:?}"));
        let claims = record.map(|record| record.claims.to_vec()).unwrap_or_default();
        let is_free = !seen.performed.values().flatten().any(|held| claims.contains(held));
        seen.expect(is_free, || format!("{claims:?} is held by two"));
        let twice = seen.performed.insert(running.token.clone(), claims);
        seen.expect(twice.is_none(), || format!("{} is performed twice at once", running.token));
    });
    let result = steps(running);
    look(|seen| drop(seen.performed.remove(&running.token)));
    match thread_rng().gen_range(0..8) {
        0 => Err(PerformError::Failed("no route to host".to_owned())),
        // Not told to anybody, since it is meant.
        1 => std::panic::resume_unwind(Box::new("index out of range")),
        _ => result,
    }
}

fn steps(running: &Running) -> Result<(), PerformError> {
    let (is_long, mut left) = (chance(40), thread_rng().gen_range(0..6));
    while if is_long { look(|seen| !seen.is_finale) } else { left > 0 } {
        left -= 1;
        thread::yield_now();
        pass(&running.pause, &running.stop).map_err(|_| PerformError::Stopped)?;
        look(|seen| {
            let kept = seen.last(&running.token).map(|record| record.status);
            seen.expect(kept != Some(Status::Paused), || format!("{} goes on while it is paused", running.token));
        });
    }
    Ok(())
}

fn submit(queue: &Queue, client: usize, will_end: bool, leave: &StopFlag) {
    let mut watches = Vec::new();
    let name = format!("{client} under way");
    let under_way = queue
        .begin_submit(&Submission { params: [("name", name.as_str())].into_iter().collect(), ..Submission::default() });
    for number in 0..2 {
        let name = format!("{client}.{number}");
        let claims = CLAIMS.iter().filter(|_| chance(40)).map(|&claim| claim.to_owned()).collect();
        let params = [("name", name.as_str())].into_iter().collect();
        let submission = Submission { params, priority: i64::from(chance(50)), claims, series: None };
        if let Ok(watch) = queue.submit_watched(&submission) {
            look(|seen| seen.acknowledge(name, &watch.token));
            watches.push(watch);
        }
        audit(queue);
    }
    if let Ok(token) = under_way.and_then(Submitting::finish) {
        look(|seen| seen.acknowledge(name, &token));
    }
    for watch in watches {
        let end = watch.wait(leave);
        look(|seen| match &end {
            Some(end) => seen.expect(end.status.is_end() && seen.knew(end), || format!("told: {end:?}")),
            None => seen.expect(!will_end, || "nothing told of an end".to_owned()),
        });
        audit(queue);
    }
}

fn command(queue: &Queue) {
    let tokens: Vec<Token> = queue.list().into_iter().map(|action| action.token).collect();
    // The latest ones, so that clients meet.
    let Some(token) = tokens.get(thread_rng().gen_range(0..tokens.len().clamp(1, 2))) else {
        thread::yield_now();
        return;
    };
    let one = |answer: Result<Snapshot, CommandError>| answer.map(|action| vec![action]);
    let (what, answer) = match thread_rng().gen_range(0..12) {
        0 => ("cancel", one(queue.cancel(token))),
        1 => ("cancel all", queue.cancel_matching(&Filter::default())),
        2 => ("stop", queue.stop(Some(token))),
        3 => ("stop running", queue.stop(None)),
        4 => ("stop all", queue.stop_matching(&Filter::default())),
        5 | 6 => ("pause", queue.pause(Some(token))),
        7 => ("pause the queue", queue.pause(None)),
        8 => ("resume", queue.resume(Some(token))),
        9 => ("resume the queue", queue.resume(None)),
        10 => ("priority", one(queue.change_priority(token, thread_rng().gen_range(-9..9)))),
        _ => ("delete", one(queue.delete(token))),
    };
    look(|seen| {
        for told in answer.iter().flatten() {
            // One that runs may be told before its start is durable.
            let is_kept = told.status == Status::Processing || seen.knew(told);
            seen.expect(is_kept, || format!("{what} was answered with {told:?}, which has never been durable"));
            if what == "delete" {
                let kept = seen.last(&told.token).cloned();
                seen.expect(kept.is_none(), || format!("deleted, and durable: {kept:?}"));
            }
            if what.starts_with("stop") {
                seen.stopped.push(told.token.clone());
            }
        }
    });
    audit(queue);
}

/// One schedule.
fn scene() {
    look(|seen| *seen = Seen::default());
    // Where there is one, a file system that waits for no disk.
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.expect("a directory");
    // Told of starts, starts are committed before anything is performed; there is nobody who delivers.
    let told = if chance(50) { [(Occasion::Start, Arc::from("H"))].into() } else { BTreeMap::new() };
    let events = Events { told, ..Events::default() };
    let queue = Queue::open(Settings { workers: WORKERS, events, ..settings(directory.path()) }).expect("a new queue");
    let queue = Arc::new(queue);
    let perform: Perform = Arc::new(perform);
    queue.start(&perform).expect("threads");

    let (all_end, disk_refuses) = (chance(50), chance(50));
    let spawn = |run: Box<dyn FnOnce(&Queue) + Send>| {
        let queue = Arc::clone(&queue);
        thread::spawn(move || run(&queue))
    };
    // Set when those who wait for an end are to give up.
    let leave = StopFlag::new();
    let submitter = |client| {
        let leave = leave.clone();
        spawn(Box::new(move |queue| submit(queue, client, all_end, &leave)))
    };
    let submitters: Vec<_> = (0..2).map(submitter).collect();
    let mut others: Vec<_> = (0..2).map(|_| spawn(Box::new(|queue| (0..5).for_each(|_| command(queue))))).collect();
    if disk_refuses {
        others.push(spawn(Box::new(|queue| {
            for refuses in [1, 0, 1, 0] {
                let_others_go_on(30);
                // The store may be closed already.
                let _ = queue.shared.store.pragma("query_only", refuses);
            }
        })));
    }
    let join = |threads: Vec<JoinHandle<()>>| threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    if all_end {
        // Commands wait for no action. When nothing is paused any more and the disk works, no worker rests while there is
        // something to run; and when nothing runs for ever, everything comes to its end, and everybody is told.
        join(std::mem::take(&mut others));
        queue.resume(None).expect("a store that works");
        while queue.shared.table.lock().can_take(WORKERS) {
            thread::yield_now();
        }
        look(|seen| seen.is_finale = true);
        join(submitters);
        while queue.state().queued + queue.state().running > 0 {
            thread::yield_now();
        }
        queue.join();
    } else {
        let_others_go_on(60);
        if chance(50) {
            leave.set();
            queue.wake_waiting();
            join(submitters);
            queue.join();
        } else {
            queue.join();
            join(submitters);
        }
        join(others);
    }
    audit(&queue);
    drop(queue);

    let path = directory.path().join(file_name(&QueueName::fetch()));
    let (_, kept) = Database::open(&path).expect("a sound file");
    look(|seen| {
        assert!(seen.performed.is_empty(), "performed after the end: {:?}", seen.performed.keys());
        assert_eq!(
            (&kept.records, kept.is_paused),
            (&seen.durable.actions.values().cloned().collect(), seen.durable.is_paused)
        );
        let names =
            seen.history.iter().filter_map(|record| Params::from_form(&record.params).get("name").map(str::to_owned));
        assert_eq!(names.collect::<BTreeSet<_>>(), seen.acknowledged, "accepted, and durable");
        for token in &seen.stopped {
            let kept = seen.last(token);
            let has_ended = kept.is_none_or(|record| record.status.is_end());
            assert!(has_ended || disk_refuses, "it was stopped: {kept:?}");
        }
        for record in kept.records {
            assert!(!all_end || record.status.is_end(), "never ended: {record:?}");
        }
    });
}

fn check(scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    // SQLite's frames are larger than shuttle expects.
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    Runner::new(scheduler, config).run(scene);
}

fn schedules() -> usize {
    std::env::var("SCHEDULES").ok().map_or(1_000, |text| text.parse().expect("SCHEDULES is a number"))
}

#[test]
fn whoever_goes_on_when_at_random() {
    check(RandomScheduler::new_from_seed(1, schedules()));
}

#[test]
fn some_go_on_as_long_as_they_can() {
    for depth in [2, 5] {
        check(PctScheduler::new_from_seed(2, depth, schedules()));
    }
}
