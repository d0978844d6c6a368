//! The configuration file: what is said about it, and when it counts.

mod common;

use common::{Connector, FetchTask, Setup, Site, poll, run};
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;
use webconnector::action::Status;

fn check(text: &str) -> std::io::Result<(Option<i32>, Vec<String>)> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("webconnector.cfg"), text)?;
    Ok(told(&run(folder.path(), &["check-config", "webconnector.cfg"]), folder.path()))
}

/// The exit code and the lines, without the folder in them.
fn told(output: &Output, folder: &Path) -> (Option<i32>, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout).replace(&format!("{}/", folder.display()), "");
    (output.status.code(), text.lines().map(str::to_owned).collect())
}

#[test]
fn every_problem_is_told_with_its_line() -> std::io::Result<()> {
    let (code, lines) = check(
        "[Server]\nPort=seventy\nProt=1\nXSLTemplates=TRUE\n[FetchTasks]\n0=Docs\n1=News\n[Docs]\nUrl=http://h/\n\
         Depth=deep\nStayOnSiet=TRUE\nChildDocumentSelector=x\n[News]\nDepth=2\nProxyPassword={AES:abcd}\n",
    )?;
    assert_eq!(code, Some(3));
    let (errors, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with("error: "));
    assert_eq!(
        errors,
        [
            "error: webconnector.cfg:2: [Server] Port is \"seventy\"; expected is a whole number from 0 to 65535",
            "error: webconnector.cfg:15: [News] ProxyPassword is \"****\"; expected is the password itself: what \
             autpassword has encrypted cannot be read here. Keep the file readable for its owner only, or include the \
             password from a file that is",
            "error: webconnector.cfg:10: [Docs] Depth is \"deep\"; expected is a whole number from -1 to 4294967295",
            "error: webconnector.cfg:13: [News] Url is missing; expected is a list of start pages such as \
             https://www.example.com/",
        ]
    );
    for words in [
        "warning: webconnector.cfg:3: [Server] Prot is not known and has no effect; is Port meant?",
        "warning: webconnector.cfg:11: [Docs] StayOnSiet is not known and has no effect; is StayOnSite meant?",
    ] {
        assert!(others.iter().any(|line| *line == words), "{words} in {others:?}");
    }
    assert!(others.iter().any(|line| line.contains(":12: [Docs] ChildDocumentSelector ")), "{others:?}");
    assert!(others.iter().any(|line| line.contains(":4: [Server] XSLTemplates has no effect")), "{others:?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("webconnector.cfg: 4 errors, ")), "{lines:?}");
    Ok(())
}

#[test]
fn a_good_file_is_told_so() -> std::io::Result<()> {
    let (code, lines) = check("[FetchTasks]\n0=Docs\n[Docs]\nUrl0=http://h/\nUrl1=http://i/\nPageDelay=2s\n")?;
    assert_eq!((code, lines), (Some(0), vec!["webconnector.cfg: no errors, no warnings, no notes".to_owned()]));
    Ok(())
}

#[test]
fn the_file_is_looked_for_where_the_server_does() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["check-config"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no webconnector.cfg"), "{output:?}");
    fs::write(folder.path().join("webconnector.cfg"), "[Server]\n< \"more.cfg\"\n")?;
    fs::write(folder.path().join("more.cfg"), "Port=x\n< \"webconnector.cfg\"\n")?;
    let (code, lines) = told(&run(folder.path(), &["check-config"]), folder.path());
    assert_eq!(code, Some(3));
    assert_eq!(lines[0], "error: more.cfg:2: webconnector.cfg includes itself, directly or through others");
    Ok(())
}

/// Replaces one text in the configuration of a connector.
fn edit(connector: &Connector, old: &str, new: &str) {
    let path = connector.folder().join("webconnector.cfg");
    let text = fs::read_to_string(&path).expect("the configuration can be read");
    assert!(text.contains(old), "{old} in {text}");
    fs::write(&path, text.replace(old, new)).expect("the configuration can be written");
}

#[test]
fn a_changed_task_counts_from_the_next_action() {
    let site = Site::new().page("/", "").page("/other", "");
    let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /"]);

    edit(&connector, &format!("Url={}", site.url("/")), &format!("Url={}", site.url("/other")));
    connector.run("docs");
    assert!(connector.new_changes("docs").contains(&"add /other".to_owned()));

    edit(&connector, "Number=1\n0=docs\n", "Number=2\n0=docs\n1=news\n");
    let tasks = connector.ok("action=TaskList");
    let names: Vec<&str> = tasks.all("task").iter().map(|task| task.text("name")).collect();
    assert_eq!(names, ["DOCS", "NEWS"]);
}

#[test]
fn a_broken_file_refuses_actions_and_ends_those_that_wait() {
    let site = Site::new().page("/", "").held("/");
    let task = FetchTask::named("docs").set("Url", site.url("/"));
    let connector = Setup::new().set("Actions", "MaximumThreads", "1").task(task).start();
    let running = connector.synchronize("docs");
    site.wait_for_hit("/");
    let waiting = connector.synchronize("docs");

    edit(&connector, "[docs]\n", "[docs]\nDepth=deep\n");
    let error = connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=docs");
    assert_eq!(error.errorcode, "ERRORPARAMINVALID");
    assert!(error.errordescription.contains("webconnector.cfg:"), "{error:?}");
    assert!(error.errordescription.contains("[docs] Depth is \"deep\""), "{error:?}");

    edit(&connector, "[docs]\n", "[docs\n");
    let error = connector.error("action=Fetch&FetchAction=Synchronize");
    assert!(error.errordescription.contains("the configuration file cannot be used as it is now"), "{error:?}");
    site.release("/");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    assert_eq!(connector.wait_until_done(&waiting), Status::Error);
    let why = connector.action(&waiting).text("error").to_owned();
    assert!(why.contains("webconnector.cfg:"), "{why}");

    edit(&connector, "[docs\nDepth=deep\n", "[docs]\n");
    connector.run("docs");
}

#[test]
fn what_tasks_get_wrong_is_in_the_log_and_stops_no_server() {
    let site = Site::new().page("/", "");
    let good = FetchTask::named("docs").set("Url", site.url("/"));
    let bad = FetchTask::named("news").set("Url", site.url("/")).set("PageDelay", "long").set("Dpeth", "1");
    let connector = Setup::new().task(good).task(bad).start();
    let log = poll("the start to be logged", || Some(connector.log("application")).filter(|log| log.contains("Dpeth")));
    assert!(log.contains("70-Error: ") && log.contains("[news] PageDelay is \"long\""), "{log}");
    assert!(log.contains("60-Warning: ") && log.contains("is Depth meant?"), "{log}");
    connector.run("docs");
}
