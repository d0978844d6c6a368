//! The disk is full, broken, or not ours: each is told at the right place, and costs nothing that was acknowledged.

mod common;

use common::{Connector, FetchTask, Setup, Site, poll};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use webconnector::action::Status;

type Tested = Result<(), Box<dyn std::error::Error>>;
type Alter = fn(&Path) -> Tested;

/// Files of the connector cannot grow beyond this many bytes from now on, as if the disk were full; `None` frees it again.
fn limit_files(connector: &Connector, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let (pid, limit) = (format!("--pid={}", connector.pid()), format!("--fsize={limit}:"));
    let set = Command::new("prlimit").args([&pid, &limit]).status();
    assert!(set.is_ok_and(|status| status.success()), "prlimit {pid} {limit}");
}

/// A start page and as many others, each with a text of about this many bytes.
fn site(pages: usize, bytes: usize) -> Site {
    let links: Vec<_> = (0..pages).map(|number| format!("<a href=/{number}></a>")).collect();
    let page = |number: usize| format!("<p>{}", format!("Page {number} of many. ").repeat(bytes / 16));
    (0..pages)
        .fold(Site::new().page("/", &links.concat()), |site, number| site.page(&format!("/{number}"), &page(number)))
}

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

/// The action's error, once it has ended as Error.
fn error_of(connector: &Connector, token: &str) -> String {
    assert_eq!(connector.wait_until_done(token), Status::Error, "{:?}", connector.action(token));
    connector.action(token).text("error").to_owned()
}

fn datastore(connector: &Connector) -> PathBuf {
    connector.folder().join("connector_DOCS_datastore.db")
}

#[test]
fn a_full_disk_refuses_new_actions_and_loses_none_that_it_took() {
    let site = site(1, 100);
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    limit_files(&connector, Some(64 << 10));
    let (mut tokens, mut refused) = (Vec::new(), None);
    for _ in 0..500 {
        let envelope = connector.get("/action=Fetch&FetchAction=Synchronize&TaskSections=docs").envelope();
        let Some(token) = envelope.find("token") else {
            refused = Some(common::AciError::of(&envelope));
            break;
        };
        tokens.push(token.own_text().to_owned());
    }
    let refused = refused.expect("the store is full at some time");
    assert!(refused.errordescription.contains("store cannot be written"), "{refused:?}");
    // Whatever the disk says, everything is still told.
    for token in &tokens {
        connector.status(token);
    }
    limit_files(&connector, None);
    tokens.push(connector.synchronize("docs"));
    for token in &tokens {
        // An action that was running meanwhile may have met the full disk itself.
        let end = connector.wait_until_done(token);
        assert!(matches!(end, Status::Finished | Status::Error), "{end}");
    }
    connector.kill();
    connector.restart();
    for token in &tokens {
        assert!(connector.status(token).is_end());
    }
    assert_eq!(connector.run("docs").count("unchanged"), 2);
}

#[test]
fn documents_that_do_not_fit_end_the_action_and_are_written_by_the_next() {
    let site = site(40, 10_000);
    let connector = Connector::with(docs(&site));
    limit_files(&connector, Some(200 << 10));
    let error = error_of(&connector, &connector.synchronize("docs"));
    assert!(error.contains("docs.jsonl") && error.contains("File too large"), "{error}");
    // Half a line would spoil the file for whoever reads it.
    assert!(connector.changes("docs").len() < 41);

    limit_files(&connector, None);
    connector.run("docs");
    let references: std::collections::BTreeSet<_> =
        connector.changes("docs").into_iter().map(|change| change.reference).collect();
    assert_eq!(references.len(), 41);
}

#[test]
fn a_datastore_that_cannot_grow_ends_the_action_and_the_next_goes_on() {
    let site = site(700, 10);
    let connector = Setup::new().set("Connector", "EnableIngestion", "FALSE").task(docs(&site)).start();
    limit_files(&connector, Some(100 << 10));
    let error = error_of(&connector, &connector.synchronize("docs"));
    assert!(error.contains("connector_DOCS_datastore.db"), "{error}");
    limit_files(&connector, None);
    let action = connector.run("docs");
    assert_eq!(action.count("errors"), 0);
    assert_eq!(connector.run("docs").count("unchanged"), 701);
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let site = site(1, 100);
    let connector = Connector::with(docs(&site));
    let log = connector.folder().join("logs").join("application.log");
    fs::write(&log, "x".repeat(300 << 10)).expect("the log can be written");
    limit_files(&connector, Some(200 << 10));
    connector.run("docs");
    connector.ok("action=GetPid");
}

#[test]
fn a_target_folder_that_cannot_be_made_is_named_by_the_action() -> Tested {
    let site = site(1, 100);
    let connector = Connector::with(docs(&site));
    fs::write(connector.folder().join("output"), "a file, where a folder should be")?;
    let error = error_of(&connector, &connector.synchronize("docs"));
    assert!(error.contains("output"), "{error}");
    fs::remove_file(connector.folder().join("output"))?;
    assert_eq!(connector.run("docs").count("ingestadded"), 2);
    Ok(())
}

/// Alters the datastore of a task that has been crawled, and tells what the next action says of it.
fn altered(alter: impl FnOnce(&Path) -> Tested) -> Result<String, Box<dyn std::error::Error>> {
    let site = site(1, 100);
    let other = FetchTask::named("other").set("Url", site.url("/"));
    let connector = Setup::new().task(docs(&site)).task(other).start();
    connector.run("docs");
    let path = datastore(&connector);
    alter(&path)?;
    let before = fs::read(&path)?;
    let error = error_of(&connector, &connector.synchronize("docs"));
    assert!(error.contains("connector_DOCS_datastore.db"), "{error}");
    assert!(fs::read(&path)? == before, "{error}: and yet it was changed");
    // Nobody else is held up, and putting it right is enough.
    connector.run("other");
    fs::remove_file(&path)?;
    assert_eq!(connector.run("docs").count("added"), 2);
    Ok(error)
}

#[test]
fn a_datastore_that_cannot_be_used_is_named_and_left_as_it_is() -> Tested {
    let error = altered(|path| Ok(fs::write(path, "not a database, whatever its name says")?))?;
    assert!(error.contains("no datastore of webconnector"), "{error}");
    let error = altered(|path| Ok(rusqlite::Connection::open(path)?.execute_batch("PRAGMA user_version=99")?))?;
    assert!(error.contains("newer version") && error.contains("99"), "{error}");
    let error = altered(|path| {
        let bytes = fs::read(path)?;
        // The pages of the table that every run reads first.
        let damaged: Vec<u8> =
            bytes.iter().enumerate().map(|(at, byte)| if at < 4096 + 512 { *byte } else { !byte }).collect();
        Ok(fs::write(path, damaged)?)
    })?;
    assert!(error.contains("it is damaged") && error.contains("move it away"), "{error}");
    let error = altered(|path| Ok(fs::OpenOptions::new().write(true).open(path)?.set_len(5000)?))?;
    assert!(error.contains("it is damaged") && error.contains("move it away"), "{error}");
    Ok(())
}

#[test]
fn a_datastore_that_another_process_holds_is_waited_for_by_nobody() -> Tested {
    let site = site(1, 100);
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    let holder = rusqlite::Connection::open(datastore(&connector))?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    let error = error_of(&connector, &connector.synchronize("docs"));
    assert!(error.contains("in use by another"), "{error}");
    drop(holder);
    assert_eq!(connector.run("docs").count("unchanged"), 2);
    Ok(())
}

/// Starts a connector that must not start, and returns what it says.
fn refusal(folder: &Path) -> String {
    let configuration = folder.join("webconnector.cfg");
    let output = common::run(folder, &["--config", &configuration.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_queue_that_cannot_be_used_is_refused_at_the_start_and_left_as_it_is() -> Tested {
    let site = site(1, 100);
    let alterations: [(&str, Alter); 3] = [
        ("version 99", |path| Ok(rusqlite::Connection::open(path)?.execute_batch("PRAGMA user_version=99")?)),
        ("damaged", |path| Ok(fs::OpenOptions::new().write(true).open(path)?.set_len(6000)?)),
        ("damaged", |path| {
            let bytes: Vec<u8> =
                fs::read(path)?.iter().enumerate().map(|(at, byte)| if at < 4096 { *byte } else { !byte }).collect();
            Ok(fs::write(path, bytes)?)
        }),
    ];
    for (word, alter) in alterations {
        let mut connector = Connector::with(docs(&site));
        let token = connector.run("docs").text("token").to_owned();
        assert!(connector.terminate().success());
        let path = connector.folder().join("actions/fetch.db");
        let sound = fs::read(&path)?;
        alter(&path)?;
        let altered = fs::read(&path)?;
        let said = refusal(connector.folder());
        assert!(said.contains("fetch.db") && said.contains(word) && said.lines().count() == 1, "{word}: {said}");
        assert!(fs::read(&path)? == altered, "{word}: and yet it was changed");
        fs::write(&path, sound)?;
        connector.restart();
        assert_eq!(connector.status(&token), Status::Finished);
    }
    Ok(())
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let site = site(1, 100);
    let connector = Connector::with(docs(&site));
    let said = refusal(connector.folder());
    assert!(said.contains("fetch.db") && said.contains("another"), "{said}");
    connector.run("docs");
}

#[test]
fn a_folder_for_actions_that_cannot_be_made_ends_the_start_with_its_path() -> Tested {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("webconnector.cfg"), "[Server]\nPort=0\n[Service]\nServicePort=0\n")?;
    fs::write(folder.path().join("actions"), "a file, where a folder should be")?;
    let said = refusal(folder.path());
    assert!(said.contains("actions"), "{said}");
    Ok(())
}

#[test]
fn an_action_whose_end_cannot_be_recorded_runs_on_until_it_can() {
    let site = site(1, 100).held("/0");
    let connector = Connector::with(docs(&site).set("PageTimeout", "600"));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/0");
    // Less than the store has already, more than the log.
    limit_files(&connector, Some(8 << 10));
    site.release("/0");
    poll("the end to be tried", || connector.log("action").contains("cannot be recorded").then_some(()));
    assert_eq!(connector.status(&token), Status::Processing);
    limit_files(&connector, None);
    connector.wait_until_done(&token);
}
