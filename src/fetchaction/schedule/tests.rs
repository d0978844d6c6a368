use super::*;
use crate::config::Ini;

/// Central Europe: the clocks go from 2 to 3 on the last Sunday of March, and from 3 to 2 on that of October.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone by its rules")
}

fn read(start: &str, repeat: &str, cycles: &str) -> Result<Option<Schedule>, String> {
    let text = format!("[T]\nScheduleStartTime={start}\nScheduleRepeatSecs={repeat}\nScheduleCycles={cycles}\n");
    let ini = Ini::parse(&text, "t.cfg").map_err(|error| error.to_string())?;
    Schedule::read(&Layers::of_task("T", [&ini])).map_err(|bad| bad.to_string())
}

fn schedule(start: &str, repeat: &str, cycles: &str) -> Schedule {
    read(start, repeat, cycles).expect("it can be read").expect("it is a schedule")
}

/// A local time, or UTC with a `Z` behind.
fn at(text: &str) -> Moment {
    let (text, zone) = text.strip_suffix('Z').map_or((text, zone()), |text| (text, TimeZone::UTC));
    Moment::of_local(time::read_local(text).expect("a date and a time"), &zone).expect("a time that there is")
}

fn told(moment: Option<Moment>) -> Option<String> {
    moment.map(|moment| moment.in_zone(&zone()).to_string())
}

/// When it runs from `begin` to `end`, if it is looked at whenever it says.
fn runs(schedule: &Schedule, begin: &str, end: &str) -> Vec<String> {
    let mut progress = schedule.begin(at(begin), &zone());
    let (mut now, mut runs) = (at(begin), Vec::new());
    while let Some(due) = schedule.next(&progress, now, &zone()).filter(|due| *due <= at(end)) {
        now = now.max(due);
        progress = schedule.ran(&progress, now);
        runs.push(now.in_zone(&zone()).to_string());
    }
    runs
}

#[test]
fn runs_lie_on_a_grid_that_begins_with_the_first() {
    // The schedule, from when to when it is looked at, and when it runs.
    type Case = ([&'static str; 3], &'static str, &'static str, &'static [&'static str]);
    let cases: [Case; 12] = [
        (["now", "", ""], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-24T10:00:00"]),
        (["", "3600", "2"], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-24T10:00:00", "2026-11-24T11:00:00"]),
        (
            ["now", "3600", "-1"],
            "2026-11-24 10:00:00",
            "2026-11-24 11:59:59",
            &["2026-11-24T10:00:00", "2026-11-24T11:00:00"],
        ),
        (["now", "3600", "0"], "2026-11-24 10:00:00", "2026-12-24", &[]),
        (["02:30", "", ""], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-25T02:30:00"]),
        (["10:00", "", ""], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-24T10:00:00"]),
        (
            ["23:59:30", "43200", "2"],
            "2026-11-24 10:00:00",
            "2026-12-24",
            &["2026-11-24T23:59:30", "2026-11-25T11:59:30"],
        ),
        // A date ahead is waited for; one that is past says where the grid lies; a single run is made up.
        (
            ["2026-11-30 01:00:00", "86400", "2"],
            "2026-11-24 10:00:00",
            "2026-12-24",
            &["2026-11-30T01:00:00", "2026-12-01T01:00:00"],
        ),
        (["2020-01-01 01:00", "86400", "1"], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-25T01:00:00"]),
        (["01/01/2020", "", ""], "2026-11-24 10:00:00", "2026-12-24", &["2026-11-24T10:00:00"]),
        // Days on the calendar, over both changes of the clocks: in the hour that there is not, and in that there is twice.
        (
            ["2026-Mar-28 02:30:00", "86400", "3"],
            "2026-03-28",
            "2026-12-24",
            &["2026-03-28T02:30:00", "2026-03-29T03:30:00", "2026-03-30T02:30:00"],
        ),
        (
            ["02:30", "86400", "3"],
            "2026-10-24",
            "2026-12-24",
            &["2026-10-24T02:30:00", "2026-10-25T02:30:00", "2026-10-26T02:30:00"],
        ),
    ];
    for ([start, repeat, cycles], begin, end, expected) in cases {
        assert_eq!(runs(&schedule(start, repeat, cycles), begin, end), expected, "{start} {repeat} {cycles}");
    }
    // A first run in the hour that is skipped does not move those after it.
    let skipped = runs(&schedule("02:30", "86400", "2"), "2026-03-29", "2026-12-24");
    assert_eq!(skipped, ["2026-03-29T03:30:00", "2026-03-30T02:30:00"]);
}

#[test]
fn changes_of_the_clocks_make_no_run_come_twice_or_never() {
    // Seconds that pass: 24 hours a day, of which one day has 23 and one 25.
    for (begin, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)] {
        let midnight = at(begin).in_zone(&zone()).date().tomorrow().expect("there is one").to_string();
        let count = runs(&schedule("now", "3600", ""), begin, &midnight).len();
        assert_eq!(count, hours + 1, "{begin}");
    }
    // The repeated half past two: its first passing counts, and the second is no other point.
    let nightly = schedule("02:30", "86400", "");
    let progress = nightly.begin(at("2026-10-24 10:00:00"), &zone());
    assert_eq!(nightly.next(&progress, at("2026-10-24 11:00:00"), &zone()), Some(at("2026-10-25 00:30:00Z")));
    let progress = nightly.ran(&progress, at("2026-10-25 00:30:01Z"));
    assert_eq!(nightly.next(&progress, at("2026-10-25 01:30:00Z"), &zone()), Some(at("2026-10-26 01:30:00Z")));
}

#[test]
fn runs_that_were_missed_are_made_up_by_one() {
    let hourly = schedule("now", "3600", "3");
    let progress = hourly.ran(&hourly.begin(at("2026-11-24 10:00:00"), &zone()), at("2026-11-24 10:00:00"));
    // The server was down from 10:30 to 15:20.
    let now = at("2026-11-24 15:20:00");
    let due = hourly.next(&progress, now, &zone());
    assert_eq!(told(due).as_deref(), Some("2026-11-24T11:00:00"));
    let progress = hourly.ran(&progress, now);
    assert_eq!(told(hourly.next(&progress, now, &zone())).as_deref(), Some("2026-11-24T16:00:00"));
    let progress = hourly.ran(&progress, at("2026-11-24 16:00:00"));
    assert_eq!((hourly.next(&progress, at("2026-11-24 18:00:00"), &zone()), progress.runs()), (None, 3));

    // The first as well, if the server was down when it was due.
    let nightly = schedule("02:30", "86400", "");
    let progress = nightly.begin(at("2026-11-24 10:00:00"), &zone());
    let now = at("2026-11-28 12:00:00");
    assert_eq!(told(nightly.next(&progress, now, &zone())).as_deref(), Some("2026-11-25T02:30:00"));
    let progress = nightly.ran(&progress, now);
    assert_eq!(told(nightly.next(&progress, now, &zone())).as_deref(), Some("2026-11-29T02:30:00"));
}

#[test]
fn a_run_that_is_left_out_counts_as_none_and_a_single_one_is_waited_with() {
    let hourly = schedule("now", "3600", "2");
    let now = at("2026-11-24 10:00:00");
    let progress = hourly.ran(&hourly.begin(now, &zone()), now);
    let skipped = hourly.skipped(&progress, at("2026-11-24 11:00:00")).expect("others come");
    assert_eq!(
        (skipped.runs(), told(hourly.next(&skipped, now, &zone())).as_deref()),
        (1, Some("2026-11-24T12:00:00"))
    );
    let once = schedule("now", "", "");
    assert_eq!(once.skipped(&once.begin(now, &zone()), now), None);
}

#[test]
fn a_clock_that_is_set_makes_no_run_come_twice_or_never() {
    let nightly = schedule("02:00", "86400", "");
    let ran = |schedule: &Schedule, at: Moment| schedule.ran(&schedule.begin(at, &zone()), at);
    // (ran at, the clock is set to, next)
    let cases = [
        ("2026-11-24 02:00:00", "2026-11-24 01:59:58", "2026-11-25T02:00:00"),
        ("2026-11-24 02:00:00", "2026-11-23 14:00:00", "2026-11-25T02:00:00"),
        // It was ten years ahead.
        ("2036-11-24 02:00:00", "2026-11-24 15:00:00", "2026-11-25T02:00:00"),
        ("2026-11-24 02:00:00", "1970-01-01 01:00:00", "1970-01-01T02:00:00"),
        ("2026-11-24 02:00:00", "2026-12-24 01:00:00", "2026-11-25T02:00:00"),
    ];
    for (last, set_to, next) in cases {
        let due = nightly.next(&ran(&nightly, at(last)), at(set_to), &zone());
        assert_eq!(told(due).as_deref(), Some(next), "{last} {set_to}");
    }
    let minutely = schedule("now", "60", "");
    let due = minutely.next(&ran(&minutely, at("2036-11-24 02:00:30")), at("2026-11-24 10:00:00"), &zone());
    assert_eq!(told(due).as_deref(), Some("2026-11-24T10:00:30"));

    // Before the first run, too.
    for (start, next) in [("now", "2026-11-24T10:00:00"), ("09:00", "2026-11-25T09:00:00")] {
        let schedule = schedule(start, "60", "");
        let progress = schedule.begin(at("2036-11-24 12:00:00"), &zone());
        let due = schedule.next(&progress, at("2026-11-24 10:00:00"), &zone());
        assert_eq!(told(due).as_deref(), Some(next), "{start}");
    }
}

#[test]
fn what_is_kept_is_of_one_schedule() {
    let hourly = schedule("02:30", "3600", "5");
    let progress = hourly.begin(at("2026-11-24 10:00:00"), &zone());
    for progress in [progress.clone(), hourly.ran(&progress, at("2026-11-25 02:30:00"))] {
        assert_eq!(hourly.resume(&progress.to_text()), Some(progress.clone()));
        assert_eq!(schedule("2:30:00", "3600", "5").resume(&progress.to_text()), Some(progress.clone()));
        for other in [schedule("02:31", "3600", "5"), schedule("02:30", "7200", "5"), schedule("02:30", "3600", "")] {
            assert_eq!(other.resume(&progress.to_text()), None);
        }
    }
    for text in ["", "{}", "[]", "null", r#"{"schedule":"02:30:00, every 3600 s, 5 times","first_ms":"x"}"#] {
        assert_eq!(hourly.resume(text), None, "{text}");
    }
}

#[test]
fn what_is_no_schedule_is_told_with_what_would_be() {
    assert_eq!(read("", "", ""), Ok(None));
    let cases = [
        ("2", "", "", "ScheduleStartTime is \"2\"; expected is now, a time of the day such as 02:30"),
        ("25:00", "", "", "ScheduleStartTime is \"25:00\""),
        ("-60", "", "", "ScheduleStartTime is \"-60\""),
        ("1795132800", "", "", "ScheduleStartTime is \"1795132800\""),
        ("tomorrow", "", "", "ScheduleStartTime is \"tomorrow\""),
        ("now", "0", "", "ScheduleRepeatSecs is \"0\"; expected is a whole number of seconds from 1, or -1"),
        ("now", "1h", "", "ScheduleRepeatSecs is \"1h\""),
        ("now", "9223372036854775807", "", "ScheduleRepeatSecs is \"9223372036854775807\""),
        ("now", "60", "-2", "ScheduleCycles is \"-2\"; expected is a whole number, -1 or more"),
        (
            "now",
            "",
            "3",
            "ScheduleRepeatSecs is missing; expected is a number of seconds from one run to the next, as ScheduleCycles is 3",
        ),
        ("now", "", "-1", "ScheduleRepeatSecs is missing"),
        ("now", "-1", "2", "ScheduleRepeatSecs is \"-1\""),
    ];
    for (start, repeat, cycles, words) in cases {
        let problem = read(start, repeat, cycles).err().unwrap_or_default();
        assert!(problem.starts_with("t.cfg:") && problem.contains(words), "{start} {repeat} {cycles}: {problem}");
    }
    assert_eq!(schedule("now", "-1", "-1").runs_max, Some(1));
}
