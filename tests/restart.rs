//! A restart by the service port: the same process and ports, the configuration read anew.

mod common;

use common::{Connector, FetchTask, Setup, Site, poll};
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use webconnector::action::Status;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "600")
}

fn edit(connector: &Connector, edit: impl FnOnce(String) -> String) {
    let path = connector.folder().join("webconnector.cfg");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(&path, edit(text)).expect("it can be written");
}

/// Restarts, and waits for the second start line.
fn restart(connector: &Connector) {
    let starts = connector.log("application").matches("webconnector 0").count();
    let asked = Instant::now();
    let answer = connector.service("action=Restart").envelope();
    assert_eq!(answer.text("response"), "SUCCESS", "{answer:?}");
    poll("the next start", || (connector.log("application").matches("webconnector 0").count() > starts).then_some(()));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn running_actions_go_on_with_their_tokens_at_the_same_ports() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").held("/a");
    let connector = Setup::new().set("Actions", "MaximumThreads", "1").task(docs(&site)).start();
    let running = connector.synchronize("docs");
    let waiting = connector.synchronize("docs");
    site.wait_for_hit("/a");
    let (pid, address) = (connector.pid(), connector.aci());

    restart(&connector);
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), pid.to_string());
    assert_eq!(connector.aci(), address);
    assert_eq!(connector.queue(), [waiting.as_str(), running.as_str()]);
    site.release("/a");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
    let state = connector.service("action=GetStatus").envelope();
    assert_eq!(state.text("RESPONSE"), "Running");
}

#[test]
fn the_configuration_is_read_anew_also_that_of_the_log() {
    let connector = Setup::new().set("Server", "Threads", "3").start();
    assert_eq!(connector.ok("action=GetStatus").text("acithreads"), "3");
    edit(&connector, |text| {
        text.replace("Threads=3", "Threads=5")
            + "[Logging]\n0=All\n[All]\nLogFile=all.log\nLogTypeCSVs=application,action\n"
    });
    let answer = connector.service("action=Restart").envelope();
    assert_eq!(answer.text("response"), "SUCCESS", "{answer:?}");
    let all = connector.folder().join("logs").join("all.log");
    poll("the new log", || fs::read_to_string(&all).ok().filter(|text| text.contains("attached to port")));
    poll("five threads", || (connector.ok("action=GetStatus").text("acithreads") == "5").then_some(()));
}

#[test]
fn who_may_ask_is_read_anew() {
    let connector = Connector::bare();
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
    edit(&connector, |text| {
        text + "[AuthorizationRoles]\n0=Others\n[Others]\nStandardRoles=Query\nClients=192.0.2.1\n"
    });
    restart(&connector);
    assert_eq!(connector.error("action=GetPid").errorcode, "ERRORPERMISSION");
    assert_eq!(connector.service("action=GetStatus").envelope().text("RESPONSE"), "Running");
}

#[test]
fn what_cannot_be_used_is_told_and_nothing_is_stopped() {
    let connector = Connector::bare();
    let refused = |words: &str| {
        let answer = connector.service("action=Restart").envelope();
        let why = answer.text("errordescription");
        assert!(why.contains("nothing was stopped") && why.contains(words), "{why}");
        assert_eq!(connector.service("action=GetStatus").envelope().text("RESPONSE"), "Running");
        assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
    };
    let good = fs::read_to_string(connector.folder().join("webconnector.cfg")).expect("it was written");
    edit(&connector, |text| text.replace("Port=0", "Port=seventy"));
    refused("webconnector.cfg:3: [Server] Port is \"seventy\"");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    edit(&connector, |_| good.replacen("Port=0", &format!("Port={port}"), 1));
    refused(&format!("127.0.0.1:{port} cannot be listened on"));
    drop(taken);

    edit(&connector, |_| good);
    restart(&connector);
    assert!(!connector.log("application").contains("panicked"));
}
