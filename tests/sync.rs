//! `Sync=true`: the answer is the result, and everything else about the action is as with any other.

mod common;

use common::{AciError, Connector, FetchTask, Response, Setup, Site, Xml, poll};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use webconnector::action::Status;

const SYNC: &str = "action=Fetch&FetchAction=Synchronize&TaskSections=docs&Sync=true";

/// A site whose only page is held.
fn held() -> Site {
    Site::new().page("/", "<p>x").held("/")
}

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "600").set("MaxRetries", "0")
}

fn connector(site: &Site, threads: &str) -> Connector {
    Setup::new().set("Server", "Threads", threads).task(docs(site)).start()
}

fn request(query: &str) -> String {
    format!("GET /{query} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\n\r\n")
}

/// Asks in a thread of its own, which yields the envelope.
fn ask(address: SocketAddr, query: &'static str) -> JoinHandle<Xml> {
    thread::spawn(move || Response::to(address, request(query).as_bytes()).expect("there is an answer").envelope())
}

fn answer(asked: JoinHandle<Xml>) -> Xml {
    asked.join().expect("the request is answered")
}

#[test]
fn the_answer_is_the_result_that_the_queue_tells_too() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "<p>x");
    let connector = connector(&site, "4");
    for (parameter, added) in [("Sync=true", 2), ("synchronous=on", 0)] {
        let answer = connector.ok(&format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&{parameter}"));
        let data = answer.find("responsedata").expect("a success has data");
        assert_eq!(data.child_names(), ["documentcounts", "fetchaction"], "{answer:?}");
        assert_eq!((answer.count("added"), data.text("fetchaction")), (added, "SYNCHRONIZE"));

        let token = connector.queue().swap_remove(0);
        let told = connector.action(&token);
        assert_eq!((told.text("status"), told.count("added")), ("Finished", added));
    }
    let listed = connector.ok("action=Fetch&FetchAction=Identifiers&ConfigSection=docs&MaxDepth=0&Sync=true");
    assert_eq!(listed.text("fetchaction"), "IDENTIFIERS");
    let identifier = common::encode(listed.all("identifier")[0].own_text());
    let collected = connector.ok(&format!(
        "action=Fetch&FetchAction=Collect&Identifiers={identifier}&Destination=collected&Sync=true&ResponseFormat=xml"
    ));
    assert_eq!((collected.count("collected"), collected.all("success").len()), (1, 1), "{collected:?}");
    // Without it, or without a yes to it, there is a token.
    assert!(!connector.submit(&SYNC.replace("true", "false")).is_empty());
    assert_eq!(connector.error(&SYNC.replace("true", "perhaps")).errorcode, "ERRORPARAMINVALID");
}

#[test]
fn an_action_that_ends_in_another_way_is_an_error_that_says_which() {
    let site = held().status("/broken", 503);
    let connector = Setup::new()
        .set("Actions", "MaximumThreads", "1")
        .task(docs(&site))
        .task(FetchTask::named("broken").set("Url", site.url("/broken")).set("MaxRetries", "0"))
        .start();
    let failed = connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=broken&Sync=true");
    assert_eq!(failed.errorcode, "ERRORACTIONFAILED");
    let token = connector.queue().swap_remove(0);
    for words in [token.as_str(), "status Error: ", "503"] {
        assert!(failed.errordescription.contains(words), "{words}: {failed:?}");
    }
    assert_eq!(connector.status(&token), Status::Error);

    // The first runs, the second waits for its thread.
    let running = ask(connector.aci(), SYNC);
    site.wait_for_hit("/");
    let waiting = ask(connector.aci(), SYNC);
    let tokens = poll("both to be queued", || Some(connector.queue()).filter(|tokens| tokens.len() == 3));
    connector.ok(&Connector::queue_info("Cancel", &tokens[0]));
    connector.ok(&Connector::queue_info("Stop", &tokens[1]));
    for (asked, status) in [(waiting, "Cancelled"), (running, "Stopped")] {
        let error = AciError::of(&answer(asked));
        assert_eq!(error.errorcode, "ERRORACTIONFAILED");
        assert!(error.errordescription.ends_with(&format!("ended with the status {status}")), "{error:?}");
    }
}

#[test]
fn one_thread_is_left_for_others_and_one_alone_waits_for_nothing() {
    let site = held();
    let two = connector(&site, "2");
    let waiting = ask(two.aci(), SYNC);
    site.wait_for_hit("/");
    let refused = two.error(SYNC);
    assert_eq!(refused.errorcode, "ERRORREFUSED");
    assert!(refused.errordescription.contains("1 of 2 threads"), "{refused:?}");
    assert_eq!(two.queue().len(), 1, "what was refused is not queued");
    two.ok("action=GetPid");
    site.release("/");
    assert_eq!(answer(waiting).count("added"), 1);
    two.ok(SYNC);

    let one = connector(&site, "1");
    assert!(one.error(SYNC).errordescription.contains("without Sync"));
}

#[test]
fn a_client_that_hangs_up_stops_nothing_and_its_thread_is_free_after() -> std::io::Result<()> {
    let site = held();
    let connector = connector(&site, "2");
    let mut client = TcpStream::connect(connector.aci())?;
    client.write_all(request(SYNC).as_bytes())?;
    site.wait_for_hit("/");
    drop(client);
    let token = connector.queue().swap_remove(0);
    assert_eq!(connector.error(SYNC).errorcode, "ERRORREFUSED");
    site.release("/");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let envelope = || connector.get(&format!("/{SYNC}")).envelope();
    poll("its thread to be free", || Some(envelope()).filter(|answer| answer.text("response") == "SUCCESS"));
    Ok(())
}

#[test]
fn a_shutdown_ends_the_wait_with_the_token() {
    let site = held();
    let mut connector = connector(&site, "4");
    let waiting = ask(connector.aci(), SYNC);
    site.wait_for_hit("/");
    let token = connector.queue().swap_remove(0);
    let asked = Instant::now();
    assert!(connector.terminate().success());
    assert!(asked.elapsed().as_secs() < 2, "{:?}", asked.elapsed());
    let error = AciError::of(&answer(waiting));
    assert!(error.errordescription.contains("shutting down") && error.errordescription.ends_with(&token), "{error:?}");

    connector.restart();
    site.release("/");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
}
