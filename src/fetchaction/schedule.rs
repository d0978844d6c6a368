//! When a task runs by itself: `ScheduleStartTime`, `ScheduleRepeatSecs`, `ScheduleCycles` (web-connector.md 2.8).
//!
//! Pure: the time, its zone and what has been done are arguments; what is to be kept is a value. Runs are due at the
//! points of a grid that begins with the first of them. Whole days are counted on the calendar, so that a nightly run
//! stays at its hour when the clocks change: an hour that they repeat has one point, one that they skip has it after. Any
//! other distance is counted in seconds that pass, to which such changes do nothing.
//!
//! What has been done is remembered as the moment of the last decision, and the next point is the first one after it.
//! However many were missed meanwhile, because the server was down, one run makes up for them; and a point that
//! comes twice, because the clock was set back, is not met twice.

use super::Settings;
use crate::config::{BadSetting, Layers};
use crate::time::{self, Moment};
use jiff::ToSpan as _;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// The parameters of a schedule, in this order.
pub(super) const PARAMETERS: [&str; 3] = ["ScheduleStartTime", "ScheduleRepeatSecs", "ScheduleCycles"];

const START_EXPECTED: &str =
    "now, a time of the day such as 02:30, or a date and a time such as 2026-11-20 02:30:00, local";
const DAY_SECONDS: i64 = 86_400;
/// A hundred years.
const REPEAT_SECONDS_MAX: i64 = 36_500 * DAY_SECONDS;
/// A day on which the clocks are set back, and some more.
const LONG_DAY_MS: i64 = 27 * 3_600_000;

/// When a task is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    start: Start,
    /// `None` for a single run.
    every: Option<Every>,
    /// `None` for no limit.
    runs_max: Option<u64>,
}

/// When the first run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// As soon as the schedule is seen.
    Now,
    /// When it is this time next, today or tomorrow.
    Daily(Time),
    At(DateTime),
}

/// The distance from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Days(i64),
    Seconds(i64),
}

/// What has been done of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The schedule: one that has been changed begins anew.
    of: String,
    /// The first point of the grid.
    first: Moment,
    /// Runs that were queued.
    runs: u64,
    /// When a run was last queued or skipped: no point up to here is met any more.
    last: Option<Moment>,
}

/// Tasks and their schedules, or what is wrong with those.
pub type Schedules = Vec<(String, Result<Schedule, BadSetting>)>;

/// The tasks that are scheduled, of those that the configuration lists.
pub(super) fn schedules(settings: &Settings) -> Schedules {
    let read = |task: &String| Schedule::read(&Layers::of_task(task, [&*settings.ini])).transpose();
    settings.tasks.iter().filter_map(|task| Some((task.clone(), read(task)?))).collect()
}

/// The parameters of a schedule, each by itself; none of them is needed.
struct Given {
    start: Result<Option<Start>, BadSetting>,
    repeat: Result<Option<i64>, BadSetting>,
    cycles: Result<Option<i64>, BadSetting>,
}

impl Given {
    fn read(layers: &Layers<'_>) -> Given {
        let [start, repeat, cycles] = PARAMETERS;
        let repeat_expected = "a whole number of seconds from 1, or -1 for a single run";
        Given {
            start: layers.read_with(start, START_EXPECTED, Start::read),
            repeat: layers.read_with(repeat, repeat_expected, |text| {
                text.parse().ok().filter(|seconds| *seconds == -1 || (1..=REPEAT_SECONDS_MAX).contains(seconds))
            }),
            cycles: layers.number(cycles, -1..),
        }
    }
}

impl Schedule {
    /// The schedule of a task, `None` if it has no such parameter.
    pub(super) fn read(layers: &Layers<'_>) -> Result<Option<Schedule>, BadSetting> {
        let [_, repeat_name, cycles_name] = PARAMETERS;
        let Given { start, repeat, cycles } = Given::read(layers);
        let (start, repeat, cycles) = (start?, repeat?, cycles?);
        if start.is_none() && repeat.is_none() && cycles.is_none() {
            return Ok(None);
        }
        let every = repeat.filter(|seconds| *seconds > 0).map(Every::seconds);
        let runs_max = match (every, cycles) {
            (Some(_), None | Some(-1)) => None,
            (Some(_), Some(cycles)) => Some(cycles.unsigned_abs()),
            (None, Some(0)) => Some(0),
            (None, None | Some(1)) => Some(1),
            // Said to be a single run.
            (None, Some(-1)) if repeat.is_some() => Some(1),
            (None, Some(cycles)) => {
                let expected = format!("a number of seconds from one run to the next, as {cycles_name} is {cycles}");
                return Err(layers.bad(repeat_name, &expected));
            }
        };
        Ok(Some(Schedule { start: start.unwrap_or(Start::Now), every, runs_max }))
    }

    /// All that keeps a task from having a schedule.
    pub(super) fn problems(layers: &Layers<'_>) -> Vec<BadSetting> {
        let Given { start, repeat, cycles } = Given::read(layers);
        let problems: Vec<BadSetting> = [start.err(), repeat.err(), cycles.err()].into_iter().flatten().collect();
        // Whether they go together is only to be said of what can be read.
        if problems.is_empty() { Schedule::read(layers).err().into_iter().collect() } else { problems }
    }

    /// What is known of a schedule that is seen for the first time.
    ///
    /// A start that is past is no appointment that was missed but says where the grid lies; unless it is all there is.
    pub fn begin(&self, now: Moment, zone: &TimeZone) -> Progress {
        let first = match self.start {
            Start::Now => now,
            Start::Daily(time) => next_at(time, now, zone),
            Start::At(at) => Moment::of_local(at, zone).unwrap_or(now),
        };
        let last = (self.every.is_some() && first < now).then_some(now);
        Progress { of: self.to_string(), first, runs: 0, last }
    }

    /// Reads what [`Progress::to_text`] wrote. `None` if that is of another schedule, or is no such text.
    pub fn resume(&self, text: &str) -> Option<Progress> {
        let value: Value = serde_json::from_str(text).ok()?;
        let moment = |name: &str| value[name].as_i64().map(Moment::from_epoch_ms);
        let of = value["schedule"].as_str()?.to_owned();
        let progress =
            Progress { of, first: moment("first_ms")?, runs: value["runs"].as_u64()?, last: moment("last_ms") };
        (progress.of == self.to_string()).then_some(progress)
    }

    /// When the next run is due, now or earlier if it is due; `None` if there is none to come.
    pub fn next(&self, progress: &Progress, now: Moment, zone: &TimeZone) -> Option<Moment> {
        if self.runs_max.is_some_and(|max| progress.runs >= max) {
            return None;
        }
        let Some(last) = progress.last else {
            let first = progress.first;
            // Further off than it can be: the clock has been set back since.
            return Some(match self.start {
                Start::Now => first.min(now),
                Start::Daily(time) if first > now.plus_ms(LONG_DAY_MS) => next_at(time, now, zone),
                Start::Daily(_) | Start::At(_) => first,
            });
        };
        let every = self.every?;
        // After a small step back of the clock its points are waited past. After one of more than a whole distance that
        // would be too long, or for ever: the grid goes on from now.
        let after = if last > now.plus_ms(every.ms()) { now } else { last };
        self.point_after(every, progress.first, after, zone)
    }

    /// What is to be kept together with a run that is queued now.
    #[must_use]
    pub fn ran(&self, progress: &Progress, now: Moment) -> Progress {
        Progress { runs: progress.runs + 1, last: Some(now), ..progress.clone() }
    }

    /// What is to be kept if the run that is due is left out. `None`: no other would come, so it is to be waited with.
    #[must_use]
    pub fn skipped(&self, progress: &Progress, now: Moment) -> Option<Progress> {
        self.every.map(|_| Progress { last: Some(now), ..progress.clone() })
    }

    fn point_after(&self, every: Every, first: Moment, after: Moment, zone: &TimeZone) -> Option<Moment> {
        let passed = after.epoch_ms().saturating_sub(first.epoch_ms()).div_euclid(every.ms());
        // A change of the clocks moves a point by less than a day.
        (passed - 1..=passed + 3).filter_map(|number| self.point(every, first, number, zone)).find(|at| *at > after)
    }

    /// The point of the grid with this number: 0 is the first.
    fn point(&self, every: Every, first: Moment, number: i64, zone: &TimeZone) -> Option<Moment> {
        match every {
            Every::Seconds(seconds) => Some(first.plus_ms(seconds.checked_mul(number)?.checked_mul(1000)?)),
            Every::Days(days) => {
                let local = match self.start {
                    Start::Now => first.in_zone(zone),
                    // The first one may be where the clocks were changed.
                    Start::Daily(time) => first.in_zone(zone).date().to_datetime(time),
                    Start::At(at) => at,
                };
                let span = 0.days().try_days(days.checked_mul(number)?).ok()?;
                Moment::of_local(local.checked_add(span).ok()?, zone)
            }
        }
    }
}

impl Progress {
    /// For the store.
    pub fn to_text(&self) -> String {
        let Progress { of, first, runs, last } = self;
        json!({ "schedule": of, "first_ms": first.epoch_ms(), "runs": runs, "last_ms": last.map(Moment::epoch_ms) })
            .to_string()
    }

    /// How many runs were queued.
    pub fn runs(&self) -> u64 {
        self.runs
    }
}

/// What tells one schedule from another.
impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.start {
            Start::Now => f.write_str("now")?,
            Start::Daily(time) => write!(f, "{time}")?,
            Start::At(at) => write!(f, "{at}")?,
        }
        if let Some(every) = self.every {
            write!(f, ", every {} s", every.ms() / 1000)?;
        }
        match self.runs_max {
            None => Ok(()),
            Some(1) => f.write_str(", once"),
            Some(max) => write!(f, ", {max} times"),
        }
    }
}

impl Start {
    fn read(text: &str) -> Option<Start> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("now") {
            return Some(Start::Now);
        }
        let time = || Time::strptime("%H:%M:%S", text).or_else(|_| Time::strptime("%H:%M", text)).ok();
        let date = || time::read_local(text).or_else(|| time::read_local(&format!("{text}:00")));
        time().map(Start::Daily).or_else(|| date().map(Start::At))
    }
}

impl Every {
    fn seconds(seconds: i64) -> Every {
        if seconds % DAY_SECONDS == 0 { Every::Days(seconds / DAY_SECONDS) } else { Every::Seconds(seconds) }
    }

    /// Without changes of the clocks.
    fn ms(self) -> i64 {
        match self {
            Every::Days(days) => days * DAY_SECONDS * 1000,
            Every::Seconds(seconds) => seconds * 1000,
        }
    }
}

/// The first moment from `now` on at which it is `time`.
fn next_at(time: Time, now: Moment, zone: &TimeZone) -> Moment {
    let today = now.in_zone(zone).date();
    let days = [Some(today), today.tomorrow().ok()].into_iter().flatten();
    days.filter_map(|day| Moment::of_local(day.to_datetime(time), zone)).find(|at| *at >= now).unwrap_or(now)
}

#[cfg(test)]
mod tests;
