//! Starting, stopping, being killed, and starting again: no token that was answered is lost.

mod common;

use common::{Connector, FetchTask, Setup, Site};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use webconnector::action::Status;

/// A start page with links to twenty others, the last of which is held.
fn site() -> Site {
    let links: Vec<_> = (0..20).map(|number| format!("<a href=/{number}>{number}</a>")).collect();
    let site =
        (0..20).fold(Site::new().page("/", &links.concat()), |site, number| site.page(&format!("/{number}"), "<p>x"));
    site.held("/19")
}

fn one_thread(site: &Site) -> Connector {
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "600");
    Setup::new().set("Actions", "MaximumThreads", "1").task(task).start()
}

/// The references that were added; a crash may repeat some and must lose none.
fn added(connector: &Connector) -> BTreeSet<String> {
    connector.changes("docs").into_iter().filter(|change| change.kind == "add").map(|change| change.reference).collect()
}

#[test]
fn kill_loses_no_token_and_everything_goes_on() {
    let site = site();
    let mut connector = one_thread(&site);
    let running = connector.synchronize("docs");
    site.wait_for_hit("/19");
    let waiting: Vec<_> = (0..10).map(|_| connector.synchronize("docs")).collect();

    connector.kill();
    connector.restart();

    // The same order, the same tokens; what ran is running or waiting again.
    let mut expected = vec![running.clone()];
    expected.extend(waiting.clone());
    expected.reverse();
    assert_eq!(connector.queue(), expected);
    assert!(!connector.status(&running).is_end());
    for token in &waiting {
        assert_eq!(connector.status(token), Status::Queued);
    }
    site.release("/19");
    for token in &expected {
        assert_eq!(connector.wait_until_done(token), Status::Finished);
    }
    assert_eq!(added(&connector).len(), 21);
}

#[test]
fn a_kill_right_after_the_answer_finds_the_token_again() {
    let site = site();
    let mut connector = one_thread(&site);
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(connector.synchronize("docs"));
        connector.kill();
        connector.restart();
        // The first may have ended by now: what was running in three crashes is not tried again.
        let newest_first: Vec<_> = tokens.iter().rev().cloned().collect();
        assert_eq!(connector.queue(), newest_first);
    }
    site.release("/19");
    let last = &tokens[tokens.len() - 1];
    assert_eq!(connector.wait_until_done(last), Status::Finished);
}

#[test]
fn ended_actions_are_still_told_after_a_restart() {
    let site = Site::new().page("/", "");
    let mut connector = one_thread(&site);
    let before = connector.run("docs");
    let token = before.text("token").to_owned();
    connector.kill();
    connector.restart();
    let after = connector.action(&token);
    assert_eq!(after.child_names(), before.child_names());
    for name in ["status", "queued_time", "process_start_time", "process_end_time"] {
        assert_eq!(after.text(name), before.text(name));
    }
    assert_eq!(after.count("added"), 1);
}

#[test]
fn a_signal_ends_the_server_cleanly_and_its_actions_go_on_after_a_restart() {
    for signal in ["TERM", "INT"] {
        let site = site();
        let mut connector = one_thread(&site);
        let running = connector.synchronize("docs");
        let waiting = connector.synchronize("docs");
        site.wait_for_hit("/19");

        let asked = Instant::now();
        assert!(connector.end_by_signal(signal).success(), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{signal}: {:?}", asked.elapsed());

        connector.restart();
        assert_eq!(connector.queue(), [waiting.as_str(), running.as_str()]);
        assert!(!connector.status(&running).is_end());
        site.release("/19");
        assert_eq!(connector.wait_until_done(&running), Status::Finished);
        assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
        assert_eq!(added(&connector).len(), 21);
    }
}

#[test]
fn the_service_port_stops_the_server() {
    let site = site();
    let mut connector = one_thread(&site);
    connector.synchronize("docs");
    site.wait_for_hit("/19");
    let asked = Instant::now();
    assert_eq!(connector.service("action=stop").status, 200);
    assert!(connector.wait_for_exit().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn a_client_that_holds_its_connection_open_delays_no_shutdown() -> std::io::Result<()> {
    let mut connector = Connector::bare();
    let idle = std::net::TcpStream::connect(connector.aci())?;
    let asked = Instant::now();
    assert!(connector.terminate().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    drop(idle);
    Ok(())
}

#[test]
fn what_a_stopped_crawl_had_found_is_delivered_and_not_repeated() {
    let site = site();
    let mut connector = one_thread(&site);
    let token = connector.synchronize("docs");
    site.wait_for_hit("/19");
    common::poll("all the others to be counted", || (connector.action(&token).count("added") == 20).then_some(()));
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    assert_eq!(connector.new_changes("docs").len(), 20);

    site.release("/19");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /19"]);
}

#[test]
fn a_datastore_that_is_damaged_is_named_and_left_alone() {
    let site = Site::new().page("/", "");
    let mut connector = one_thread(&site);
    connector.run("docs");
    assert!(connector.terminate().success());
    let store = connector.folder().join("actions").join("fetch.db");
    std::fs::write(&store, "not a database, whatever its name says").expect("the file can be written");

    let configuration = connector.folder().join("webconnector.cfg");
    let output = common::run(connector.folder(), &["--config", &configuration.to_string_lossy()]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("fetch.db"), "{output:?}");
    let kept = std::fs::read_to_string(&store).expect("the file is still there");
    assert_eq!(kept, "not a database, whatever its name says");
}
