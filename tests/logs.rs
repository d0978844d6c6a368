//! What is logged where, and what becomes of a full file.

mod common;

use common::{Connector, FetchTask, Setup, Site, poll};
use std::fs;
use std::io::Read as _;
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

fn task(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/"))
}

#[test]
fn without_a_word_each_type_that_is_logged_has_its_file() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(task(&site));
    connector.run("docs");
    assert_eq!(names(&connector.folder().join("logs")), ["action.log", "application.log", "synchronize.log"]);
    assert!(connector.log("application").contains("00-Always: ACI server attached to port"));
}

#[test]
fn the_streams_that_are_listed_take_their_types_at_their_level() {
    let site = Site::new().page("/", "");
    let setup = Setup::new()
        .set("Logging", "LogLevel", "Normal")
        .set("Logging", "0", "WorkStream")
        .set("Logging", "1", "ErrorStream")
        .set("WorkStream", "LogFile", "work.log")
        .set("WorkStream", "LogTypeCSVs", "action,synchronize")
        .set("ErrorStream", "LogFile", "errors.log")
        .set("ErrorStream", "LogTypeCSVs", "application,action,synchronize")
        .set("ErrorStream", "LogLevel", "Error");
    let connector = setup.task(task(&site)).start();
    let action = connector.run("docs");
    let work = connector.log("work");
    assert!(work.contains(action.text("token")) && work.contains("30-Normal: "), "{work}");
    assert!(!work.contains("ACI server attached"), "application is no type of this stream: {work}");
    let errors = connector.log("errors");
    assert!(errors.lines().all(|line| line.contains("00-Always: ")), "{errors}");
    assert_eq!(names(&connector.folder().join("logs")), ["errors.log", "work.log"]);
}

#[test]
fn echoed_lines_are_on_standard_error_once() {
    let setup = Setup::new().set("Logging", "LogEcho", "TRUE");
    let mut connector = setup.start();
    assert!(connector.terminate().success());
    let echoed = fs::read_to_string(connector.folder().join("stderr")).expect("it was written");
    assert_eq!(echoed, connector.log("application"));
}

#[test]
fn a_log_on_a_full_disk_loses_its_lines_and_holds_nothing_up() {
    let site = Site::new().page("/", "");
    let connector = Setup::new().set("Logging", "LogFile", "/dev/full").task(task(&site)).start();
    connector.run("docs");
    let errors = fs::read_to_string(connector.folder().join("stderr")).expect("it was written");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("/dev/full cannot be written") && errors.contains("No space left"), "{errors}");
}

/// A connector whose log files have at most one kilobyte, after it has been asked often enough to fill several.
fn filled(expire: &str) -> Connector {
    let setup = Setup::new()
        .set("Logging", "LogMaxSizeKBs", "1")
        .set("Logging", "LogExpireAction", expire)
        .set("Logging", "LogArchiveDirectory", "old")
        .set("Logging", "LogMaxArchives", "2");
    let site = Site::new().page("/", "");
    let connector = setup.task(task(&site)).start();
    for _ in 0..15 {
        connector.run("docs");
    }
    connector
}

fn of_actions(connector: &Connector) -> Vec<String> {
    let mut names = names(&connector.folder().join("old"));
    names.retain(|name| name.starts_with("action"));
    names
}

#[test]
fn full_files_are_numbered_and_the_oldest_are_deleted() {
    let connector = filled("Consecutive");
    let kept = poll("the oldest files to be deleted", || Some(of_actions(&connector)).filter(|kept| kept.len() == 2));
    assert!(!kept.contains(&"action.log.1".to_owned()), "{kept:?}");
    for name in &kept {
        let text = fs::read_to_string(connector.folder().join("old").join(name)).expect("it is text");
        assert!(!text.is_empty() && text.len() <= 1024 && text.ends_with('\n'), "{name}: {text}");
    }
}

#[test]
fn full_files_are_compressed_if_asked() {
    let connector = filled("Compress");
    let are_packed = |names: &Vec<String>| names.len() == 2 && names.iter().all(|name| name.ends_with(".log.gz"));
    let kept = poll("two compressed files", || Some(of_actions(&connector)).filter(are_packed));
    let file = fs::File::open(connector.folder().join("old").join(&kept[0])).expect("it is there");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip");
    assert!(text.contains("SYNCHRONIZE"), "{text}");
}
