//! Events of actions and of the queue: what handlers are told, when, and what happens if they do not listen.

mod common;

use common::{Connector, FetchTask, Setup, Site, Xml, poll, run};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use webconnector::action::Status;

/// A task that asks for nothing but one page.
fn one_page(name: &str, url: String) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("Depth", "0").set("FollowRobotProtocol", "FALSE").set("MaxRetries", "0")
}

/// Starts and ends are told to a receiver at `/hook`, which accepts everything, with no pause between attempts.
fn hooked(receiver: &Site, retries: &str) -> Setup {
    let setup =
        ["OnStart", "OnFinish", "OnError"].iter().fold(Setup::new(), |setup, on| setup.set("Actions", on, "Hook"));
    let setup = setup.set("Hook", "LibraryName", "HttpHandler").set("Hook", "URL", receiver.url("/hook"));
    setup.set("Hook", "Retries", retries).set("Hook", "RetryInterval", "0")
}

fn receiver() -> Site {
    Site::new().anything("text/plain", "taken")
}

/// The events that were posted, in their order.
fn posted(receiver: &Site) -> Vec<Xml> {
    let texts = receiver.requests().into_iter().map(|request| String::from_utf8(request.body));
    texts.map(|text| Xml::parse(&text.expect("an event is UTF-8"))).collect()
}

fn names(events: &[Xml]) -> Vec<&str> {
    events.iter().map(|event| event.text("event")).collect()
}

/// How many events the one handler has not taken yet, as the service port tells it.
fn undelivered(connector: &Connector) -> String {
    let told = connector.service("action=GetStatistics").envelope();
    let handler = told.find("handler").expect("there is one");
    assert_eq!(handler.text("name"), "HOOK");
    handler.text("undelivered").to_owned()
}

fn ids(events: &[Xml]) -> Vec<&str> {
    events.iter().map(|event| event.text("eventid")).collect()
}

/// The events that a TextFileHandler has written, a line each.
fn written(path: &Path) -> Vec<Xml> {
    fs::read_to_string(path).unwrap_or_default().lines().map(Xml::parse).collect()
}

#[test]
fn starts_and_ends_are_posted_as_the_answer_of_get_status() {
    let (site, receiver) = (Site::new().page("/", "Hello."), receiver());
    let setup = hooked(&receiver, "0").set("Hook", "BasicUser", "joe").set("Hook", "BasicPassword", "secret");
    let connector = setup.task(one_page("good", site.url("/"))).task(one_page("bad", site.url("/gone"))).start();
    let good = connector.synchronize("good");
    assert_eq!(connector.wait_until_done(&good), Status::Finished);
    let bad = connector.synchronize("bad");
    assert_eq!(connector.wait_until_done(&bad), Status::Error);
    receiver.wait_for_hits("/hook", 4);

    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.method == "POST"));
    assert!(requests[0].header("Content-Type").is_some_and(|kind| kind.starts_with("text/xml")));
    assert_eq!(requests[0].header("Authorization"), Some("Basic am9lOnNlY3JldA=="));
    let events = posted(&receiver);
    assert_eq!(names(&events), ["OnStart", "OnFinish", "OnStart", "OnError"]);
    assert_eq!(events[0].text("action"), "QUEUEINFO");
    assert_eq!(events[0].text("response"), "SUCCESS");
    assert_eq!(events[0].text("status"), "Processing");
    for (event, token) in [(&events[1], &good), (&events[3], &bad)] {
        let told = event.find("actions").map(|actions| format!("{:?}", actions.children));
        assert_eq!(told, Some(format!("{:?}", [connector.action(token)])));
    }
    assert!(events[3].text("error").contains("404"), "{:?}", events[3]);
    let mut ids = ids(&events);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_stopped_action_is_told_as_an_error_and_a_cancelled_one_not_at_all() {
    let (site, receiver) = (Site::new().page("/", "").held("/"), receiver());
    let setup = hooked(&receiver, "0").set("Actions", "MaximumThreads", "1");
    let connector = setup.task(one_page("slow", site.url("/"))).start();
    let (running, waiting) = (connector.synchronize("slow"), connector.synchronize("slow"));
    site.wait_for_hit("/");
    connector.ok(&Connector::queue_info("Cancel", &waiting));
    connector.ok(&Connector::queue_info("Stop", &running));
    receiver.wait_for_hits("/hook", 2);
    let events = posted(&receiver);
    assert_eq!(names(&events), ["OnStart", "OnError"]);
    assert_eq!((events[1].text("status"), events[1].text("token")), ("Stopped", running.as_str()));
}

#[test]
fn a_receiver_that_refuses_and_hangs_is_told_everything_once_it_accepts() {
    let (site, receiver) = (Site::new().page("/", ""), receiver());
    receiver.set_status("/hook", 503);
    let mut connector = hooked(&receiver, "1").task(one_page("docs", site.url("/"))).start();
    connector.run("docs");
    // Each event twice, and then set aside.
    receiver.wait_for_hits("/hook", 4);
    let refused = posted(&receiver);
    assert_eq!(names(&refused), ["OnStart", "OnStart", "OnFinish", "OnFinish"]);
    assert_eq!(
        (refused[0].text("eventid"), refused[2].text("eventid")),
        (refused[1].text("eventid"), refused[3].text("eventid"))
    );

    // The receiver says nothing: actions run, status is answered, and the connector ends in time.
    receiver.hold("/hook");
    (0..5).for_each(|_| drop(connector.run("docs")));
    receiver.wait_for_hits("/hook", 5);
    assert_eq!(undelivered(&connector), "12");
    let asked = Instant::now();
    assert!(connector.terminate().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let hits = receiver.hits("/hook");

    receiver.remove("/hook");
    receiver.release("/hook");
    connector.restart();
    receiver.wait_for_hits("/hook", hits + 12);
    poll("everything to be taken", || (undelivered(&connector) == "0").then_some(()));
    let events = &posted(&receiver)[hits..];
    assert_eq!(names(events), ["OnStart", "OnFinish"].repeat(6));
    assert_eq!(ids(&events[..2]), [refused[0].text("eventid"), refused[2].text("eventid")]);

    // What has been taken is not told again, but for the last, whose answer the connector may not have seen.
    assert!(connector.terminate().success());
    connector.restart();
    connector.run("docs");
    let told_before = events[..11].iter().map(|event| event.text("eventid").to_owned()).collect::<Vec<_>>();
    poll("the new end", || {
        let later = &posted(&receiver)[hits + 12..];
        assert!(ids(later).iter().all(|id| !told_before.iter().any(|before| before == id)), "{later:?}");
        (names(later).last() == Some(&"OnFinish") && later.len() >= 2).then_some(())
    });
}

#[test]
fn an_event_that_was_not_delivered_survives_kill_9() {
    let (site, receiver) = (Site::new().page("/", ""), receiver().held("/hook"));
    let mut connector = hooked(&receiver, "0").task(one_page("docs", site.url("/"))).start();
    connector.run("docs");
    receiver.wait_for_hit("/hook");
    connector.kill();
    receiver.release("/hook");
    connector.restart();
    // The first was held and is told again; by its id, the receiver knows it.
    receiver.wait_for_hits("/hook", 3);
    let events = posted(&receiver);
    assert_eq!(names(&events), ["OnStart", "OnStart", "OnFinish"]);
    assert_eq!(events[0].text("eventid"), events[1].text("eventid"));
}

#[test]
fn what_fails_in_an_action_that_goes_on_is_reported_as_a_summary() {
    let links = (0..30).fold(String::new(), |links, page| links + &format!("<a href=/{page}>{page}</a>"));
    let site = Site::new().page("/", &links).status("/3", 500);
    let setup = Setup::new().set("Actions", "OnErrorReport", "Log").set("Fetch", "OnFinish", "log");
    let setup = setup.set("Log", "LibraryName", "TextFileHandler").set("Log", "FilePath", "events.xml");
    // Not before the end: what is left is reported with it.
    let setup = setup.set("Actions", "ErrorReportInterval", "1h");
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0");
    let site = (0..30).fold(site, |site, page| site.status(&format!("/{page}"), 500));
    let connector = setup.task(task.set("FollowRobotProtocol", "FALSE")).start();
    let action = connector.run("docs");
    let path = connector.folder().join("events.xml");
    let events = poll("both events", || Some(written(&path)).filter(|events| events.len() == 2));
    assert_eq!(names(&events), ["OnErrorReport", "OnFinish"]);
    let report = events[0].find("errorreport").expect("a report");
    assert_eq!((report.attr("task"), report.attr("errors")), (Some("DOCS"), Some("30")));
    let errors = report.all("error");
    assert_eq!(errors.len(), 10);
    assert!(errors.iter().all(|error| error.own_text().contains(&site.host()) && error.own_text().contains("500")));
    assert_eq!((events[0].text("status"), events[0].text("token")), ("Processing", action.text("token")));
    assert_eq!(action.count("errors"), 30);
}

#[test]
fn a_report_comes_while_the_action_runs() {
    let site = Site::new()
        .page("/", "<a href=/bad>a</a><a href=/slow>b</a>")
        .status("/bad", 500)
        .page("/slow", "")
        .held("/slow");
    let receiver = receiver();
    let setup = Setup::new().set("Actions", "OnErrorReport", "Hook").set("Actions", "ErrorReportInterval", "0.01");
    let setup = setup.set("Hook", "LibraryName", "HttpHandler").set("Hook", "URL", receiver.url("/hook"));
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0");
    let connector = setup.task(task.set("FollowRobotProtocol", "FALSE")).start();
    let token = connector.synchronize("docs");
    receiver.wait_for_hit("/hook");
    assert_eq!(connector.status(&token), Status::Processing);
    assert!(posted(&receiver)[0].text("error").contains("/bad"), "{:?}", posted(&receiver));
    site.release("/slow");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
}

#[test]
fn the_queue_tells_how_full_it_is() {
    let site = Site::new().page("/", "").held("/");
    let setup = Setup::new().set("Actions", "MaximumThreads", "1").set("Actions", "MaxQueueSize", "4");
    let setup = setup.set("Actions", "OnQueueEvent", "Log").set("Actions", "QueueFillingThreshold", "0.5");
    let setup = setup.set("Actions", "QueueEmptyingThreshold", "0.3");
    let setup = setup.set("Log", "LibraryName", "TextFileHandler").set("Log", "FilePath", "events.xml");
    let connector = setup.task(one_page("slow", site.url("/"))).start();
    connector.synchronize("slow");
    site.wait_for_hit("/");
    for _ in 0..4 {
        connector.synchronize("slow");
    }
    let refused = connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=slow");
    assert!(refused.errordescription.contains("full"), "{refused:?}");
    site.release("/");
    let path = connector.folder().join("events.xml");
    let is_last =
        |events: &Vec<Xml>| events.iter().filter(|event| event.text("queueEventType") == "QueueEmpty").count() == 2;
    let events = poll("the queue to be empty", || Some(written(&path)).filter(is_last));
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.text("queueEventType"), event.find("queueSize").map(|size| size.own_text().to_owned())))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        ("QueueEmpty", None),
        ("QueueFilling", some("3")),
        ("QueueFull", some("4")),
        ("QueueEmptying", some("1")),
        ("QueueEmpty", None),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.text("event") == "OnQueueEvent" && event.text("maxQueueSize") == "4"));
}

#[test]
fn a_handler_that_cannot_be_used_is_told_before_anything_runs() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let check = |text: &str| -> std::io::Result<_> {
        fs::write(folder.path().join("webconnector.cfg"), text)?;
        let output = run(folder.path(), &["check-config", "webconnector.cfg"]);
        let text = String::from_utf8_lossy(&output.stdout).replace(&format!("{}/", folder.path().display()), "");
        Ok((output.status.code(), text))
    };
    let (code, text) = check("[Actions]\nOnFinish=Hook\n[Hook]\nLibraryName=LuaHandler\nLuaScript=x.lua\n")?;
    assert_eq!(code, Some(3));
    assert!(
        text.starts_with(
            "error: webconnector.cfg:4: [Hook] LibraryName is \"LuaHandler\"; expected is HttpHandler or \
             TextFileHandler; scripts of LuaHandler are not run here\n"
        ),
        "{text}"
    );
    let started = run(folder.path(), &["--config", "webconnector.cfg"]);
    assert_eq!(started.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&started.stderr).contains(":4: [Hook] LibraryName"), "{started:?}");

    // Its URL makes no task of it.
    let good = check("[Fetch]\nOnFinish=Hook\n[Hook]\nLibraryName=HttpHandler\nURL=http://localhost:8080/hook\n")?;
    assert_eq!(good, (Some(0), "webconnector.cfg: no errors, no warnings, no notes\n".to_owned()));
    Ok(())
}
