//! The service port: what a connector tells about itself as a process.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, Xml, encode, poll};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0").set("PageTimeout", "600")
}

fn ask(connector: &Connector, action: &str) -> Xml {
    let answer = connector.service(&format!("action={action}")).envelope();
    assert_eq!(answer.text("response"), "SUCCESS", "{action}: {answer:?}");
    answer
}

fn refusal(connector: &Connector, action: &str) -> String {
    let answer = connector.service(&format!("action={action}")).envelope();
    answer.text("errordescription").to_owned()
}

fn identifier(url: &str) -> String {
    encode(&STANDARD.encode(format!("<id s=\"DOCS\" r=\"{url}\"/>")))
}

fn state(connector: &Connector) -> String {
    connector.service("action=GetStatus").envelope().text("RESPONSE").to_owned()
}

#[test]
fn the_state_follows_the_queue() {
    let connector = Connector::bare();
    assert_eq!(state(&connector), "Running");
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Pause");
    assert_eq!(state(&connector), "Paused");
    assert_eq!(ask(&connector, "GetStatusInfo").text("state"), "Paused");
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Resume");
    let info = ask(&connector, "GetStatusInfo");
    assert_eq!((info.text("state"), info.text("version")), ("Running", env!("CARGO_PKG_VERSION")));
    assert_eq!(info.text("pid"), connector.pid().to_string());
    assert_eq!(info.text("aciport"), connector.aci().port().to_string());
    assert!(info.text("configpath").ends_with("webconnector.cfg"), "{info:?}");
}

#[test]
fn statistics_count_requests_connections_and_the_queue() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    for _ in 0..3 {
        connector.ok("action=GetVersion");
    }
    connector.error("action=TaskList&ResponseFormat=yaml");
    connector.error("action=Wobble");
    let told = ask(&connector, "GetStatistics");
    let aci = told.find("aci").expect("the ACI port has its own");
    let request = |name: &str| {
        let found = aci.all("request").into_iter().find(|request| request.text("name") == name);
        let request = found.unwrap_or_else(|| panic!("no {name} in {aci:?}"));
        assert!(request.text("meanduration").ends_with(" ms") && request.text("maxduration").ends_with(" ms"));
        (request.text("count").to_owned(), request.text("errors").to_owned())
    };
    assert_eq!(request("GETVERSION"), ("3".to_owned(), "0".to_owned()));
    assert_eq!(request("TASKLIST"), ("1".to_owned(), "1".to_owned()));
    assert_eq!(request("NONE"), ("1".to_owned(), "1".to_owned()), "what is no action of the port");
    assert!(aci.text("accepted").parse::<u64>().is_ok_and(|accepted| accepted >= 6), "{aci:?}");
    assert_eq!(told.find("queue").map(|queue| queue.text("completed")), Some("1"));
    assert!(told.text("resident").parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20), "{told:?}");

    // What is no request at all is counted too.
    let mut nonsense = TcpStream::connect(connector.aci()).expect("the port is open");
    nonsense.write_all(b"nonsense\r\n\r\n").expect("it is taken");
    let _ = nonsense.read_to_end(&mut Vec::new());
    let told = ask(&connector, "GetStatistics");
    assert_eq!(told.find("aci").map(|aci| aci.text("refused")), Some("1"));
}

/// The threads that answer something, beside the one that tells.
fn busy(connector: &Connector) -> Vec<Xml> {
    let threads = ask(connector, "ACIThreadStatus");
    let threads = threads.all("thread").into_iter().cloned();
    threads.filter(|thread| thread.text("status") == "Processing" && thread.text("name") != "service-1").collect()
}

#[test]
fn a_thread_that_waits_is_told_and_cancelled() {
    let site = Site::new().page("/", "").page("/slow", "").held("/slow");
    let connector = Setup::new().set("Server", "Threads", "3").task(docs(&site)).start();
    let idle = ask(&connector, "ACIThreadStatus");
    let names: Vec<_> = idle.all("name").into_iter().map(|name| name.own_text().to_owned()).collect();
    assert_eq!(names, ["aci-1", "aci-2", "aci-3", "service-1"]);

    let identifier = identifier(&site.url("/slow"));
    thread::scope(|scope| {
        let viewer = scope.spawn(|| connector.get(&format!("/action=View&Identifier={identifier}")));
        site.wait_for_hit("/slow");
        let threads = busy(&connector);
        let [waiting] = &threads[..] else { panic!("not one: {threads:?}") };
        assert_eq!((waiting.text("answering"), waiting.text("client")), ("VIEW", "127.0.0.1"));
        assert_eq!(waiting.text("cancellable"), "true");
        let name = waiting.text("name");
        let number = name.rsplit('-').next().expect("it has a number");
        ask(&connector, &format!("CancelACIAction&Thread={number}"));
        let page = viewer.join().expect("the client does not panic");
        assert_eq!(page.status, 500, "{page:?}");
        poll("the thread to be free", || busy(&connector).is_empty().then_some(()));
        assert!(refusal(&connector, &format!("CancelACIAction&Thread={name}")).contains("answers no request"));
    });
    site.release("/slow");
    assert!(refusal(&connector, "CancelACIAction&Thread=9").contains("1 to 3"));
    assert!(refusal(&connector, "CancelACIAction&Thread=x").contains("aci-2"));
    assert!(refusal(&connector, "CancelACIAction&Thread=service-1").contains("waits for nothing"));
    assert!(refusal(&connector, "CancelACIAction").contains("Thread is required"));
}

#[test]
fn who_waits_for_an_action_is_let_go_and_the_action_runs_on() {
    let site = Site::new().page("/", "").held("/");
    let connector = Connector::with(docs(&site));
    let fetch = "/action=Fetch&FetchAction=Synchronize&TaskSections=docs&Sync=true";
    let description = thread::scope(|scope| {
        let client = scope.spawn(|| connector.get(fetch));
        site.wait_for_hit("/");
        let thread = poll("the request to wait", || {
            busy(&connector).into_iter().find(|thread| thread.text("cancellable") == "true")
        });
        ask(&connector, &format!("CancelACIAction&Thread={}", thread.text("name")));
        client.join().expect("the client does not panic").envelope().text("errordescription").to_owned()
    });
    let token = connector.queue().remove(0);
    assert!(description.contains("cancelled") && description.contains(&token), "{description}");
    assert!(!connector.status(&token).is_end());
    site.release("/");
    connector.wait_until_done(&token);
    assert_eq!(connector.action(&token).count("added"), 1);
}

#[test]
fn the_configuration_in_use_is_told_merged_and_masked() {
    let site = Site::new().page("/", "");
    let setup = Setup::new().task(docs(&site).set("AuthPassword", "hunter2").set("Depth", "3"));
    let connector = setup.set("Actions", "MaximumThreads", "3").start();
    let path = connector.folder().join("webconnector.cfg");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(connector.folder().join("more.cfg"), "[News]\nUrl=http://me:hunter2@h/\nDepth=7\n").expect("it can be");
    let text = text.replace("MaximumThreads=3", "MaximumThreads=1") + "< \"more.cfg\"\n";
    fs::write(&path, text).expect("it can be written");

    let told = connector.service("action=GetConfig");
    assert!(told.header("Content-Type").is_some_and(|kind| kind.starts_with("text/plain")), "{told:?}");
    assert!(!told.body.contains("hunter2") && told.body.contains("AuthPassword=****"), "{}", told.body);
    assert!(told.body.contains("\n[News]\nUrl=http://me:****@h/\nDepth=7\n"), "tasks are read anew: {}", told.body);
    assert!(told.body.contains("MaximumThreads=3"), "the server's sections are not: {}", told.body);
    let told = ask(&connector, "GetConfig&ResponseFormat=xml");
    assert!(told.text("config").contains("[docs]"), "{told:?}");
}

#[test]
fn the_configuration_file_is_judged_as_it_is_now() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(docs(&site));
    assert_eq!(ask(&connector, "ValidateConfig").text("processable"), "true");
    let path = connector.folder().join("webconnector.cfg");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(&path, format!("{text}Depth=deep\n[License]\nKey=1\n[Actions]\nMaximumThreads=many\n"))
        .expect("it can be");
    let told = ask(&connector, "ValidateConfig");
    assert_eq!(told.text("processable"), "false");
    let sections = told.all("autn:section");
    let names: Vec<_> = sections.iter().map(|section| section.text("autn:sectionname")).collect();
    assert_eq!(names, ["Actions", "docs"]);
    assert_eq!((sections[1].text("autn:keyname"), sections[1].text("autn:keyvalue")), ("Depth", "deep"));
    assert!(sections[1].text("autn:comment").contains("webconnector.cfg:"), "{told:?}");
    assert!(told.text("note").contains("no licence"), "{told:?}");
    fs::write(&path, "Port=1\n").expect("it can be written");
    let told = ask(&connector, "ValidateConfig");
    assert!(told.text("autn:comment").contains("before the first section"), "{told:?}");
}

#[test]
fn logs_are_read_by_the_name_of_their_stream_alone() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    let names = ask(&connector, "GetLogStreamNames");
    let streams: Vec<_> = names.all("stream").into_iter().map(|stream| stream.text("name").to_owned()).collect();
    assert!(streams.contains(&"application".to_owned()) && streams.contains(&"action".to_owned()), "{streams:?}");

    let told = connector.service("action=GetLogStream&Name=ACTION&Tail=1").body;
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(connector.log("action").ends_with(&told), "{told}");
    let lines = ask(&connector, "GetLogStream&Name=action&ResponseFormat=xml");
    assert_eq!(lines.all("line").len(), connector.log("action").lines().count());
    let never_written = connector.service("action=GetLogStream&Name=view");
    assert_eq!((never_written.status, never_written.body.as_str()), (200, ""));
    for (query, words) in [
        ("Name=../webconnector.cfg", "application, action"),
        ("Name=action.log", "application, action"),
        ("Name=action&Tail=0", "1 to 10000"),
        ("Name=action&FromDisk=false", "read from the file"),
    ] {
        let why = refusal(&connector, &format!("GetLogStream&{query}"));
        assert!(why.contains(words), "{query}: {why}");
    }
}

#[test]
fn a_diagnostic_holds_what_helps_and_no_secret() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(docs(&site).set("AuthPassword", "hunter2"));
    connector.run("docs");
    let mut stream = TcpStream::connect(connector.service_address()).expect("the port is open");
    stream.write_all(b"GET /action=Diagnostic HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("it is taken");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers");
    let start = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("it has a head") + 4;
    assert!(String::from_utf8_lossy(&bytes[..start]).contains("application/zip"));

    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes.split_off(start))).expect("it is a ZIP");
    let mut texts = Vec::new();
    for number in 0..archive.len() {
        let mut file = archive.by_index(number).expect("it can be read");
        let name = file.name().expect("it is UTF-8").into_owned();
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is text");
        assert!(!text.contains("hunter2"), "{name}: {text}");
        texts.push((name, text));
    }
    let text = |name: &str| {
        let found = texts.iter().find(|(given, _)| given == name);
        found.map_or_else(|| panic!("no {name}"), |(_, text)| text.as_str())
    };
    assert!(text("webconnector.cfg").contains("AuthPassword=****"));
    assert!(text("QueueInfo.xml").contains("<status>Finished</status>"));
    assert!(text("GetRequestLog.xml").contains("SYNCHRONIZE") || text("GetRequestLog.xml").contains("Synchronize"));
    assert!(text("logs/action-action.log").contains("SYNCHRONIZE"));
    for name in ["GetVersion.xml", "GetStatistics.xml", "ValidateConfig.xml", "ACIThreadStatus.xml", "TaskList.xml"] {
        assert!(text(name).contains("<response>SUCCESS</response>"), "{name}");
    }
}

#[test]
fn connections_beyond_the_limit_are_told_which_it_is() {
    let site = Site::new().page("/", "").page("/slow", "").held("/slow");
    let setup = Setup::new().set("Server", "Threads", "3").set("Server", "MaxConnections", "2");
    let connector = setup.task(docs(&site)).start();
    let identifier = identifier(&site.url("/slow"));
    thread::scope(|scope| {
        // Connections that wait for an answer are sent away for nobody.
        let view = || connector.get(&format!("/action=View&Identifier={identifier}"));
        let viewers = [scope.spawn(view), scope.spawn(view)];
        poll("two views", || (busy(&connector).len() == 2).then_some(()));
        let answer = connector.get("/action=GetPid");
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("2 connections") && answer.body.contains("[Server] MaxConnections"), "{answer:?}");
        let told = ask(&connector, "GetStatistics");
        assert_eq!(told.find("aci").map(|aci| aci.text("turnedaway")), Some("1"));
        site.release("/slow");
        for viewer in viewers {
            assert_eq!(viewer.join().expect("the client does not panic").status, 200);
        }
    });
}
