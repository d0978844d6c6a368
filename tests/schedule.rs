//! Tasks that run by themselves: on time, once, over kills, and by what the file says now.

mod common;

use common::{Connector, FetchTask, Setup, Site, Xml, poll, run};
use std::fs;
use tempfile::TempDir;
use webconnector::action::Status;

/// A task of one page.
fn one_page(name: &str, url: String) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("Depth", "0").set("FollowRobotProtocol", "FALSE")
}

fn actions(connector: &Connector) -> Vec<Xml> {
    let all = connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus");
    all.find("actions").expect("it lists actions").all("action").into_iter().cloned().collect()
}

/// Waits until as many actions are known, and all have ended well.
fn wait_for_runs(connector: &Connector, count: usize) {
    let finished = |action: &Xml| action.text("status") == "Finished";
    poll(&format!("{count} runs to be finished"), || {
        let actions = actions(connector);
        (actions.len() == count && actions.iter().all(finished)).then_some(())
    });
}

fn wait_for_line(connector: &Connector, stream: &str, words: &str) {
    poll(&format!("{words} in {stream}.log"), || connector.log(stream).contains(words).then_some(()));
}

fn count_of(connector: &Connector, stream: &str, words: &str) -> usize {
    connector.log(stream).matches(words).count()
}

/// Replaces one text in the configuration, and has it looked at now rather than within seconds.
fn edit(connector: &Connector, old: &str, new: &str) {
    let path = connector.folder().join("webconnector.cfg");
    let text = fs::read_to_string(&path).expect("the configuration can be read");
    assert!(text.contains(old), "{old} in {text}");
    // In one step: a file that is half written says something else.
    let whole = path.with_extension("new");
    fs::write(&whole, text.replace(old, new)).expect("the configuration can be written");
    fs::rename(whole, path).expect("it can be replaced");
    connector.ok("action=TaskList");
}

/// The start of the next run of a task, as the list of tasks tells it.
fn next_run(connector: &Connector, task: &str) -> Option<String> {
    let tasks = connector.ok("action=TaskList");
    let task =
        tasks.all("task").into_iter().find(|given| given.find("name").is_some_and(|name| name.own_text() == task));
    Some(task?.find("nextStartTime")?.own_text().to_owned())
}

/// The names of the process's threads.
fn threads(connector: &Connector) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", connector.pid())).expect("the process is there");
    tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).collect()
}

#[test]
fn a_scheduled_run_is_an_ordinary_action_that_says_what_it_is() {
    let site = Site::new().page("/", "").held("/");
    let connector = Connector::with(one_page("docs", site.url("/")).set("ScheduleStartTime", "now"));
    site.wait_for_hit("/");
    let [action] = &actions(&connector)[..] else { panic!("one action") };
    let token = action.text("token").to_owned();
    assert_eq!(action.text("status"), "Processing");
    let parameters = connector.ok(&Connector::queue_info("GetActionParameters", &token));
    let told: Vec<(&str, &str)> = parameters
        .all("parameter")
        .into_iter()
        .map(|parameter| (parameter.attr("name").unwrap_or_default(), parameter.own_text()))
        .collect();
    let expected = [("FetchAction", "Synchronize"), ("TaskSections", "\"docs\""), ("ActionID", "SCHEDULE_DOCS_1")];
    assert_eq!(told, expected);
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    site.release("/");
    let log = connector.log("action");
    assert!(
        log.contains(&format!("SYNCHRONIZE for DOCS queued by its schedule, run 1 [{token}] {{SCHEDULE_DOCS_1}}")),
        "{log}"
    );
    assert!(connector.log("synchronize").contains("{SCHEDULE_DOCS_1}"));
    // It was the only one.
    assert_eq!(next_run(&connector, "DOCS"), None);
    wait_for_line(&connector, "application", "The task docs is scheduled (now, once): next run ");
}

#[test]
fn cycles_are_counted_over_kills_and_no_run_is_lost_or_repeated() {
    const CYCLES: usize = 5;
    let site = Site::new().page("/", "");
    let task = one_page("docs", site.url("/")).set("ScheduleRepeatSecs", "1").set("ScheduleCycles", CYCLES.to_string());
    let mut connector = Connector::with(task);
    let mut known = Vec::new();
    for runs in 1..=CYCLES {
        // Right after the commit, before or after the run itself.
        poll("another run", || (connector.queue().len() >= runs).then_some(()));
        connector.kill();
        connector.restart();
        let queue = connector.queue();
        assert!(queue.ends_with(&known), "{known:?} in {queue:?}");
        known = queue;
    }
    wait_for_runs(&connector, CYCLES);
    assert_eq!(next_run(&connector, "DOCS"), None);
    connector.kill();
    connector.restart();
    wait_for_line(&connector, "application", "(now, every 1 s, 5 times): no run is to come");
    assert_eq!(connector.queue().len(), CYCLES);
}

#[test]
fn runs_of_a_task_do_not_pile_up_behind_a_long_one() {
    let site = Site::new().page("/", "").held("/");
    let connector = Connector::with(one_page("docs", site.url("/")).set("ScheduleRepeatSecs", "1"));
    site.wait_for_hit("/");
    let token = connector.queue().pop().expect("one action");
    // It is due again three times: the list tells another one each time.
    for _ in 0..3 {
        let before = next_run(&connector, "DOCS");
        poll("the next one to be left out", || (next_run(&connector, "DOCS") != before).then_some(()));
    }
    assert_eq!(connector.queue(), [token.as_str()]);
    let line = format!("The task docs is due and left out, as its last run has not ended [{token}]");
    assert_eq!(count_of(&connector, "application", &line), 1);
    site.release("/");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    poll("runs to go on", || (connector.queue().len() >= 3).then_some(()));
    let unfinished = actions(&connector).iter().filter(|action| action.text("status") != "Finished").count();
    assert!(unfinished <= 1, "{:?}", actions(&connector));
}

#[test]
fn a_run_that_was_missed_is_made_up_once_at_the_start() {
    let site = Site::new().page("/", "");
    let mut connector = Connector::with(one_page("docs", site.url("/")).set("ScheduleRepeatSecs", "86400"));
    wait_for_runs(&connector, 1);
    connector.kill();
    // As if that had been five days ago.
    let five_days = 5 * 86_400_000;
    let store = rusqlite::Connection::open(connector.folder().join("actions").join("fetch.db")).expect("it is there");
    let state: String =
        store.query_row("SELECT state FROM series", [], |row| row.get(0)).expect("the schedule has a state");
    let mut state: serde_json::Value = serde_json::from_str(&state).expect("the state is JSON");
    for name in ["first_ms", "last_ms"] {
        state[name] = (state[name].as_i64().expect("a moment") - five_days).into();
    }
    assert_eq!(store.execute("UPDATE series SET state = ?1", [state.to_string()]), Ok(1));
    drop(store);
    connector.restart();
    wait_for_runs(&connector, 2);
    let next = next_run(&connector, "DOCS").expect("it goes on");
    connector.kill();
    connector.restart();
    assert_eq!(next_run(&connector, "DOCS"), Some(next));
    assert_eq!(connector.queue().len(), 2);
}

#[test]
fn a_changed_schedule_counts_without_a_restart() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    assert!(!threads(&connector).iter().any(|name| name.trim() == "schedule"), "nothing is scheduled");
    assert_eq!((next_run(&connector, "DOCS"), connector.queue().len()), (None, 0));

    edit(&connector, "[docs]\n", "[docs]\nScheduleStartTime=now\n");
    wait_for_runs(&connector, 1);
    assert!(threads(&connector).iter().any(|name| name.trim() == "schedule"));

    // A broken file is told once, and nothing runs by it; neither does a schedule that cannot be read.
    edit(&connector, "[docs]\nScheduleStartTime=now\n", "[docs\nScheduleStartTime=2036-01-01 02:00\n");
    wait_for_line(&connector, "application", "No task runs by its schedule until this is put right");
    for _ in 0..3 {
        connector.ok("action=TaskList");
    }
    edit(&connector, "[docs\n", "[docs]\nScheduleRepeatSecs=often\n");
    wait_for_line(&connector, "application", "[docs] ScheduleRepeatSecs is \"often\"");
    assert_eq!(count_of(&connector, "application", "No task runs by its schedule"), 1);
    assert_eq!(count_of(&connector, "application", "Tasks run by their schedules again"), 1);

    edit(&connector, "ScheduleRepeatSecs=often\n", "");
    poll("the date to be told", || (next_run(&connector, "DOCS")? == "2036-Jan-01 02:00:00").then_some(()));
    wait_for_line(&connector, "application", "next run 2036-Jan-01 02:00:00");
    edit(&connector, "ScheduleStartTime=2036-01-01 02:00\n", "");
    wait_for_line(&connector, "application", "The task DOCS is not scheduled any more");
    assert_eq!(connector.queue().len(), 1);
}

#[test]
fn what_the_queue_refuses_is_tried_again() {
    let site = Site::new().page("/", "").held("/");
    let setup = Setup::new().set("Actions", "MaximumThreads", "1").set("Actions", "MaxQueueSize", "1");
    let connector = setup.task(one_page("busy", site.url("/"))).task(one_page("docs", site.url("/"))).start();
    let running = connector.synchronize("busy");
    site.wait_for_hit("/");
    let waiting = connector.synchronize("busy");
    edit(&connector, "[docs]\n", "[docs]\nScheduleStartTime=now\n");
    wait_for_line(&connector, "application", "The task docs is due and is tried again: the queue FETCH is full");
    for _ in 0..3 {
        connector.ok("action=TaskList");
    }
    connector.ok(&Connector::queue_info("Cancel", &waiting));
    connector.ok("action=TaskList");
    poll("the run to be queued", || (connector.queue().len() == 3).then_some(()));
    assert_eq!(count_of(&connector, "application", "is tried again"), 1);
    site.release("/");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    poll("the run to end", || connector.queue_ended().then_some(()));
    assert_eq!(connector.changes("docs").len(), 1);
}

#[test]
fn a_task_that_cannot_be_run_is_told_once_and_runs_when_it_can() {
    let site = Site::new().page("/", "");
    let task = one_page("docs", site.url("/")).set("PageDelay", "long").set("ScheduleStartTime", "now");
    let connector = Connector::with(task);
    wait_for_line(&connector, "application", "The task docs is due and cannot be run: ");
    for _ in 0..3 {
        connector.ok("action=TaskList");
    }
    edit(&connector, "PageDelay=long\n", "");
    wait_for_runs(&connector, 1);
    assert_eq!(count_of(&connector, "application", "cannot be run"), 1);
}

#[test]
fn nothing_runs_by_itself_where_schedules_are_off() {
    let site = Site::new().page("/", "");
    let task = one_page("docs", site.url("/")).set("ScheduleStartTime", "now");
    let connector = Setup::new().set("Connector", "EnableScheduledTasks", "FALSE").task(task).start();
    assert_eq!(next_run(&connector, "DOCS"), None);
    wait_for_line(&connector, "application", "[docs] ScheduleStartTime has no effect");
    assert!(!threads(&connector).iter().any(|name| name.trim() == "schedule"));
    connector.run("docs");
    assert_eq!(connector.queue().len(), 1);
}

#[test]
fn an_action_sets_no_schedule() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let error = connector.error("action=Fetch&FetchAction=Synchronize&ScheduleStartTime=now");
    assert!(error.errordescription.contains("ScheduleStartTime is set in the configuration file only"), "{error:?}");
}

#[test]
fn check_config_knows_schedules() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let text = "[Connector]\nEnableScheduledTasks=perhaps\n[FetchTasks]\n0=Docs\n[Docs]\nUrl=http://h/\n\
                ScheduleStartTime=2\nScheduleCycles=3\n";
    fs::write(folder.path().join("webconnector.cfg"), text)?;
    let told = || {
        let output = run(folder.path(), &["check-config"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, lines) = told();
    assert_eq!(code, Some(3));
    for words in [
        "webconnector.cfg:2: [Connector] EnableScheduledTasks is \"perhaps\"; expected is true or false",
        "webconnector.cfg:7: [Docs] ScheduleStartTime is \"2\"; expected is now, a time of the day such as 02:30, or a date \
         and a time such as 2026-11-20 02:30:00, local",
    ] {
        assert!(lines.contains(words), "{words} in {lines}");
    }
    let good = text.replace("perhaps", "true").replace("=2\n", "=02:00\nScheduleRepeatSecs=86400\n");
    fs::write(folder.path().join("webconnector.cfg"), good)?;
    let (code, lines) = told();
    assert!(code == Some(0) && lines.ends_with("webconnector.cfg: no errors, no warnings, no notes\n"), "{lines}");
    Ok(())
}
