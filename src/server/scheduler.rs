//! Queues the tasks that are due by their schedules, as ordinary actions.
//!
//! Owns one thread, `schedule`, which exists once a task is scheduled. What has been done of a schedule is a series of the
//! queue, named after the task.
//!
//! # A crash
//!
//! An action and what its schedule becomes with it are one commit. A crash finds the run queued and counted, or neither,
//! and then it is due again: no run is lost, and none is repeated. (With two commits, the schedule's first would lose the
//! run of a crash between them, and the queue's first would queue it twice.) Leaving a run out, and seeing a schedule for
//! the first time, are commits of their own, before anything follows from them.

use crate::action::Token;
use crate::fetchaction::{FetchActions, PlanError, Progress, Schedule, TaskInfo};
use crate::log::ActionIdScope;
use crate::queue::{Queue, Series, Submission, SubmitError};
use crate::stop::StopFlag;
use crate::time::{self, Moment};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use log::{error, info, warn};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the configuration and the clock are looked at: a changed schedule counts, and what could not be queued is
/// tried again, within this time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Runs tasks by their schedules until it is closed.
pub(super) struct Scheduler {
    queue: Arc<Queue>,
    fetch: Arc<FetchActions>,
    closing: StopFlag,
    /// Full if the thread has a reason to look before its time.
    waker: Sender<()>,
    woken: Receiver<()>,
    is_started: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the log was told, so that it is told once.
#[derive(Default)]
struct Told {
    /// By task.
    schedules: BTreeMap<String, String>,
    complaints: BTreeMap<About, String>,
}

/// What a complaint is about. Tasks are in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    File,
    Queue,
    Schedule(String),
    Run(String),
}

/// A scheduled task.
struct Task {
    /// As it is spelled.
    section: String,
    /// In upper case.
    name: String,
    schedule: Schedule,
    progress: Progress,
}

impl Scheduler {
    pub(super) fn new(queue: &Arc<Queue>, fetch: &Arc<FetchActions>) -> Scheduler {
        let (waker, woken) = bounded(1);
        let (queue, fetch, closing) = (Arc::clone(queue), Arc::clone(fetch), StopFlag::new());
        Scheduler { queue, fetch, closing, waker, woken, is_started: AtomicBool::new(false), thread: Mutex::default() }
    }

    /// Has the schedules looked at now. The thread is started for the first one that there is.
    pub(super) fn look(self: &Arc<Self>) {
        if self.is_started.load(Ordering::SeqCst) {
            // Full: it is about to look.
            let _ = self.waker.try_send(());
            return;
        }
        let is_needed = self.fetch.schedules().is_ok_and(|schedules| !schedules.is_empty());
        if !is_needed || self.is_started.swap(true, Ordering::SeqCst) {
            return;
        }
        let scheduler = Arc::clone(self);
        match thread::Builder::new().name("schedule".to_owned()).spawn(move || scheduler.work()) {
            Ok(thread) => drop(self.thread.lock().replace(thread)),
            Err(error) => {
                error!(target: "application", "The schedules are not looked at: no thread can be started: {error}");
                self.is_started.store(false, Ordering::SeqCst);
            }
        }
    }

    /// Queues nothing more; the thread ends soon.
    pub(super) fn close(&self) {
        self.closing.set();
    }

    /// Waits for the thread, after [`Scheduler::close`].
    pub(super) fn join(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            error!(target: "application", "the thread of the schedules ended by a panic");
        }
    }

    /// When the task runs by itself next; in the past if that is being tried.
    pub(super) fn next(&self, task: &TaskInfo, now: Moment) -> Option<Moment> {
        let schedule = task.schedule.as_ref()?;
        let zone = time::local_zone();
        let (progress, _) = self.progress(&task.name, schedule, now);
        schedule.next(&progress, now, &zone)
    }

    fn work(&self) {
        let mut told = Told::default();
        while !self.closing.is_set() {
            let next = self.round(Moment::now(), &mut told);
            let due_in_ms = next.epoch_ms().saturating_sub(Moment::now().epoch_ms());
            let due_in = Duration::from_millis(due_in_ms.try_into().unwrap_or(0));
            select! {
                recv(self.woken) -> _ => {}
                recv(self.closing.signal()) -> _ => {}
                // Never longer: the clock may be set meanwhile.
                default(due_in.min(LOOK_EVERY)) => {}
            }
        }
    }

    /// Queues what is due; when to look again.
    fn round(&self, now: Moment, told: &mut Told) -> Moment {
        let zone = time::local_zone();
        let mut next = now.plus_ms(i64::try_from(LOOK_EVERY.as_millis()).unwrap_or(i64::MAX));
        let Some(tasks) = self.tasks(now, told) else {
            return next;
        };
        for mut task in tasks {
            let mut due = task.schedule.next(&task.progress, now, &zone);
            told.schedule(&task, due);
            if due.is_some_and(|due| due <= now) {
                match self.run(&mut task, now, told) {
                    Ok(true) => due = task.schedule.next(&task.progress, now, &zone),
                    Ok(false) => continue,
                    // Others would be refused as well.
                    Err(Refused) => break,
                }
            }
            next = due.map_or(next, |due| due.min(next));
        }
        next
    }

    /// The scheduled tasks as the configuration has them now. `None`: they cannot be had, which the log was told.
    fn tasks(&self, now: Moment, told: &mut Told) -> Option<Vec<Task>> {
        let schedules = match self.fetch.schedules() {
            Ok(schedules) => schedules,
            Err(error) => {
                told.complain(About::File, format!("No task runs by its schedule until this is put right: {error}"));
                return None;
            }
        };
        let (mut tasks, mut begun) = (Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        for (section, read) in schedules {
            let name = section.to_uppercase();
            names.insert(name.clone());
            match read {
                Ok(schedule) => {
                    told.put_right(&About::Schedule(name.clone()));
                    let (progress, series) = self.progress(&name, &schedule, now);
                    begun.extend(series);
                    tasks.push(Task { section, name, schedule, progress });
                }
                Err(bad) => told
                    .complain(About::Schedule(name), format!("The task {section} does not run by its schedule: {bad}")),
            }
        }
        told.retain(&names);
        told.put_right(&About::File);
        if let Err(failure) = self.queue.keep(begun) {
            told.complain(About::Queue, format!("The schedules are looked at again later: {failure}"));
            return None;
        }
        Some(tasks)
    }

    /// What has been done of a task's schedule and, if that is nothing yet, what is to be kept of it.
    fn progress(&self, name: &str, schedule: &Schedule, now: Moment) -> (Progress, Option<Series>) {
        let kept = self.queue.series(name);
        if let Some(progress) = kept.as_ref().and_then(|series| schedule.resume(&series.state)) {
            return (progress, None);
        }
        let progress = schedule.begin(now, &time::local_zone());
        // A run of an earlier schedule may still wait or run.
        let last = kept.and_then(|series| series.last);
        let series = Series { name: name.to_owned(), last, state: progress.to_text() };
        (progress, Some(series))
    }

    /// Queues a run that is due, or leaves it out while the one before has not ended. `false`: it is still due.
    fn run(&self, task: &mut Task, now: Moment, told: &mut Told) -> Result<bool, Refused> {
        let about = About::Run(task.name.clone());
        if let Some(token) = self.queue.series(&task.name).and_then(|series| self.queue.pending(&series)) {
            let Some(progress) = task.schedule.skipped(&task.progress, now) else {
                told.complain(about, format!("The task {} is due and waits for its last run [{token}]", task.section));
                return Ok(false);
            };
            let series = Series { name: task.name.clone(), last: Some(token.clone()), state: progress.to_text() };
            if let Err(failure) = self.queue.keep(vec![series]) {
                told.complain(About::Queue, format!("The schedules are looked at again later: {failure}"));
                return Err(Refused);
            }
            let text =
                format!("The task {} is due and left out, as its last run has not ended [{token}]", task.section);
            told.complain(about, text);
            task.progress = progress;
            return Ok(true);
        }
        let progress = task.schedule.ran(&task.progress, now);
        let (name, section, number) = (&task.name, &task.section, progress.runs());
        let action_id = format!("SCHEDULE_{name}_{number}");
        let _scope = ActionIdScope::enter(Some(&action_id));
        match self.submit(task, &progress, &action_id) {
            Ok(Ok(token)) => {
                info!(target: "action", "SYNCHRONIZE for {name} queued by its schedule, run {number} [{token}]");
                told.put_right(&about);
                told.put_right(&About::Queue);
                task.progress = progress;
                Ok(true)
            }
            Ok(Err(SubmitError::ShuttingDown)) => Err(Refused),
            Ok(Err(error)) => {
                told.complain(About::Queue, format!("The task {section} is due and is tried again: {error}"));
                Err(Refused)
            }
            Err(error) => {
                told.complain(about, format!("The task {section} is due and cannot be run: {error}"));
                Ok(false)
            }
        }
    }

    fn submit(
        &self,
        task: &Task,
        progress: &Progress,
        action_id: &str,
    ) -> Result<Result<Token, SubmitError>, PlanError> {
        let mut params = FetchActions::synchronize_params(&task.section);
        params.push("ActionID", action_id);
        let claims = self.fetch.plan(&params)?.claims();
        let series = Some(Series { name: task.name.clone(), last: None, state: progress.to_text() });
        Ok(self.queue.submit(&Submission { params, claims, series, priority: 0 }))
    }
}

/// The queue takes nothing at the moment.
struct Refused;

impl Told {
    /// Tells of a schedule that this process has not seen before.
    fn schedule(&mut self, task: &Task, next: Option<Moment>) {
        let (section, schedule) = (&task.section, task.schedule.to_string());
        let before = self.schedules.insert(task.name.clone(), schedule.clone());
        if before.as_ref() != Some(&schedule) {
            let next = next.map_or("no run is to come".to_owned(), |at| format!("next run {}", at.queue_date()));
            info!(target: "application", "The task {section} is scheduled ({schedule}): {next}");
        }
    }

    /// Forgets what it told of other tasks than these.
    fn retain(&mut self, names: &BTreeSet<String>) {
        self.complaints.retain(|about, _| match about {
            About::File | About::Queue => true,
            About::Schedule(name) | About::Run(name) => names.contains(name),
        });
        self.schedules.retain(|name, _| {
            let is_scheduled = names.contains(name);
            if !is_scheduled {
                info!(target: "application", "The task {name} is not scheduled any more");
            }
            is_scheduled
        });
    }

    fn complain(&mut self, about: About, text: String) {
        if self.complaints.get(&about) != Some(&text) {
            warn!(target: "application", "{text}");
            self.complaints.insert(about, text);
        }
    }

    fn put_right(&mut self, about: &About) {
        if self.complaints.remove(about).is_some() && *about == About::File {
            info!(target: "application", "Tasks run by their schedules again");
        }
    }
}
