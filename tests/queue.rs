//! Asynchronous actions: tokens, order, and what `QueueInfo` tells and does.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, encode};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use webconnector::action::Status;

/// A task that asks for nothing but one page.
fn one_page(name: &str, url: String) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("Depth", "0").set("FollowRobotProtocol", "FALSE")
}

/// One thread, and a task `busy` whose page `/busy` is held, so that everything behind it waits.
fn busy(site: &Site) -> Setup {
    let setup = Setup::new().set("Actions", "MaximumThreads", "1");
    setup.task(one_page("busy", site.url("/busy")))
}

fn command(connector: &Connector, queue_action: &str, token: &str) {
    let answer = connector.ok(&Connector::queue_info(queue_action, token));
    assert_eq!(answer.text("token"), token, "the answer names what was touched: {answer:?}");
}

/// `2015-Aug-17 17:40:49`
fn is_queue_date(text: &str) -> bool {
    let form: String = text
        .chars()
        .map(|each| match each {
            '0'..='9' => '9',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    form == "9999-Aaa-99 99:99:99"
}

#[test]
fn a_token_is_base64_of_address_port_queue_and_the_moment_of_queueing() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let plain = STANDARD.decode(connector.synchronize("docs")).expect("a token is base64");
    let plain = String::from_utf8(plain).expect("a token is text");
    let mut parts = plain.rsplitn(4, ':');
    let id = parts.next().unwrap_or_default();
    assert_eq!(parts.next(), Some("FETCH"));
    assert_eq!(parts.next(), Some(connector.aci().port().to_string().as_str()));
    assert!(parts.next().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()), "{plain}");

    let (milliseconds, random) = id.split_at(13);
    let queued_at: u128 = milliseconds.parse().expect("13 digits of milliseconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    assert!(now.as_millis() - queued_at < 60_000, "{plain}");
    assert_eq!(random.len(), 11);
    assert!(random.parse::<i32>().is_ok(), "a signed 32-bit number: {plain}");
}

#[test]
fn the_answer_to_a_fetch_is_a_token_and_nothing_else() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let answer = connector.ok("action=Fetch&FetchAction=Synchronize&TaskSections=docs");
    assert_eq!(answer.text("action"), "FETCH");
    assert_eq!(answer.find("responsedata").map(|data| data.child_names()), Some(vec!["token"]));
}

#[test]
fn a_finished_action_has_its_elements_in_the_order_of_the_reference() {
    let site = Site::new().page("/", "Hello.");
    let connector = Connector::with(one_page("MyTask1", site.url("/")));
    let action = connector.run("MyTask1");
    let mut names = action.child_names();
    names.retain(|name| *name != "tasks" && *name != "priority");
    let expected = [
        "status",
        "queued_time",
        "time_in_queue",
        "process_start_time",
        "time_processing",
        "process_end_time",
        "documentcounts",
        "fetchaction",
        "token",
    ];
    assert_eq!(names, expected);
    assert_eq!(action.child_names().last(), Some(&"token"));
    assert_eq!(action.text("fetchaction"), "SYNCHRONIZE");
    for date in ["queued_time", "process_start_time", "process_end_time"] {
        assert!(is_queue_date(action.text(date)), "{action:?}");
    }
    for seconds in ["time_in_queue", "time_processing"] {
        assert!(action.text(seconds).parse::<u32>().is_ok(), "{action:?}");
    }
    let counts = action.find("documentcount").expect("one section was synchronized");
    assert_eq!(counts.attr("task"), Some("MYTASK1"));
    let names: Vec<_> = counts.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!((action.count("seen"), action.count("added"), action.count("ingestadded")), (1, 1, 1));
    assert_eq!(counts.attr("errors"), Some("0"));
}

#[test]
fn a_running_action_shows_its_counts_and_no_end() {
    let site = Site::new().page("/", "<a href=/slow>").page("/slow", "").held("/slow");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/slow");
    let seen = || Some(connector.action(&token)).filter(|action| action.count("seen") == 1);
    let action = common::poll("the start page to be counted", seen);
    assert_eq!(action.text("status"), "Processing");
    assert!(is_queue_date(action.text("process_start_time")));
    assert!(action.find("process_end_time").is_none(), "{action:?}");
    site.release("/slow");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
}

#[test]
fn a_waiting_action_has_neither_start_nor_end() {
    let site = Site::new().page("/busy", "").page("/", "").held("/busy");
    let connector = busy(&site).task(one_page("docs", site.url("/"))).start();
    connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let token = connector.synchronize("docs");
    let action = connector.action(&token);
    assert_eq!(action.text("status"), "Queued");
    assert!(action.find("process_start_time").is_none() && action.find("process_end_time").is_none(), "{action:?}");
    assert!(action.find("time_in_queue").is_some());
}

#[test]
fn the_whole_queue_is_told_newest_first() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let mut tokens: Vec<_> = (0..3).map(|_| connector.synchronize("docs")).collect();
    tokens.reverse();
    assert_eq!(connector.queue(), tokens);
    assert_eq!(connector.ok("a=queueinfo&queueaction=GETSTATUS&queuename=FETCH").all("token").len(), 3);
}

#[test]
fn a_token_is_found_with_its_padding_raw_and_its_plus_as_a_space() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let token = connector.synchronize("docs");
    for written in [token.clone(), encode(&token), token.replace('+', "%20")] {
        let answer = connector.ok(&format!("action=QueueInfo&QueueName=fetch&QueueAction=GetStatus&Token={written}"));
        assert_eq!(answer.text("token"), token);
    }
}

#[test]
fn a_question_about_no_known_action_is_an_error() {
    let connector = Connector::bare();
    let unknown = encode(&STANDARD.encode("127.0.0.1:7006:FETCH:166750317788601896224071"));
    let cases = [
        ("QueueAction=GetStatus", "ERRORPARAMMISSING", "queuename"),
        ("QueueName=Fetch", "ERRORPARAMMISSING", "queueaction"),
        ("QueueName=Fetch&QueueAction=Cancel", "ERRORPARAMMISSING", "token"),
        ("QueueName=Ingest&QueueAction=GetStatus", "ERRORPARAMINVALID", "queuename"),
        ("QueueName=Fetch&QueueAction=Sing", "ERRORPARAMINVALID", "queueaction"),
        ("QueueName=Fetch&QueueAction=GetStatus&Token=%00%ff", "ERRORPARAMINVALID", "token"),
        ("QueueName=Fetch&QueueAction=GetStatus&Token=nonsense", "ERRORPARAMINVALID", "token"),
        (&format!("QueueName=Fetch&QueueAction=GetStatus&Token={unknown}"), "ERRORPARAMINVALID", "token"),
        (&format!("QueueName=Fetch&QueueAction=Stop&Token={unknown}"), "ERRORPARAMINVALID", "token"),
    ];
    for (query, code, named) in cases {
        let error = connector.error(&format!("action=QueueInfo&{query}"));
        assert_eq!(error.errorcode, code, "{query}: {error:?}");
        assert!(error.errordescription.to_ascii_lowercase().contains(named), "{query}: {error:?}");
    }
}

#[test]
fn fifty_actions_on_two_threads_run_in_order_and_once() {
    let pages: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
    let mut site = Site::new();
    let mut setup = Setup::new().set("Actions", "MaximumThreads", "2");
    for page in &pages {
        site = site.page(page, "").held(page);
        setup = setup.task(one_page(&format!("t{}", &page[1..]), site.url(page)));
    }
    let connector = setup.start();
    let tokens: Vec<_> = (0..50).map(|number| connector.synchronize(&format!("t{number}"))).collect();

    site.wait_for_hit("/0");
    site.wait_for_hit("/1");
    for (number, page) in pages.iter().enumerate() {
        // Two run; the next starts when the older of them has ended, and no sooner.
        if let Some(next) = pages.get(number + 2) {
            assert_eq!(site.hits(next), 0);
        }
        site.release(page);
        if let Some(next) = pages.get(number + 2) {
            site.wait_for_hit(next);
        }
    }
    for token in &tokens {
        assert_eq!(connector.wait_until_done(token), Status::Finished);
    }
    for page in &pages {
        assert_eq!(site.hits(page), 1, "{page}");
    }
}

#[test]
fn fifty_clients_at_once_get_fifty_tokens() {
    let site = Site::new().page("/busy", "").held("/busy");
    let connector = busy(&site).start();
    let tokens: BTreeSet<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| connector.synchronize("busy"))).collect();
        clients.into_iter().filter_map(|client| client.join().ok()).collect()
    });
    assert_eq!(tokens.len(), 50);
    assert_eq!(connector.queue().into_iter().collect::<BTreeSet<_>>(), tokens);
}

#[test]
fn a_task_section_is_not_synchronized_twice_at_once() {
    let site = Site::new().page("/", "").held("/").page("/other", "");
    let connector = Setup::new()
        .set("Actions", "MaximumThreads", "2")
        .task(one_page("docs", site.url("/")))
        .task(one_page("other", site.url("/other")))
        .start();
    let first = connector.synchronize("docs");
    site.wait_for_hit("/");
    let second = connector.synchronize("docs");
    // The free thread passes over it.
    connector.run("other");
    assert_eq!(connector.status(&second), Status::Queued);
    site.release("/");
    assert_eq!(connector.wait_until_done(&first), Status::Finished);
    assert_eq!(connector.wait_until_done(&second), Status::Finished);
}

#[test]
fn cancel_removes_an_action_that_waits_and_it_never_runs() {
    let site = Site::new().page("/busy", "").held("/busy").page("/waiting", "").page("/last", "");
    let connector =
        busy(&site).task(one_page("waiting", site.url("/waiting"))).task(one_page("last", site.url("/last"))).start();
    connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("waiting");
    let last = connector.synchronize("last");

    command(&connector, "Cancel", &waiting);
    assert_eq!(connector.status(&waiting), Status::Cancelled);
    site.release("/busy");

    assert_eq!(connector.wait_until_done(&last), Status::Finished);
    assert_eq!((connector.status(&waiting), site.hits("/waiting")), (Status::Cancelled, 0));
}

#[test]
fn cancel_on_a_running_action_is_refused_and_names_stop() {
    let site = Site::new().page("/busy", "").held("/busy");
    let connector = busy(&site).start();
    let token = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let error = connector.error(&Connector::queue_info("Cancel", &token));
    assert!(error.errordescription.to_ascii_lowercase().contains("stop"), "{error:?}");
    assert_eq!(connector.status(&token), Status::Processing);
    site.release("/busy");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
}

#[test]
fn an_ended_action_can_be_neither_cancelled_nor_stopped() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let token = connector.run("docs").text("token").to_owned();
    for queue_action in ["Cancel", "Stop"] {
        let error = connector.error(&Connector::queue_info(queue_action, &token));
        assert!(error.errordescription.contains("Finished"), "{error:?}");
    }
    assert_eq!(connector.status(&token), Status::Finished);
}

#[test]
fn stop_ends_a_waiting_action_without_running_it() {
    let site = Site::new().page("/busy", "").held("/busy").page("/waiting", "");
    let connector = busy(&site).task(one_page("waiting", site.url("/waiting"))).start();
    let first = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("waiting");
    command(&connector, "Stop", &waiting);
    assert_eq!(connector.status(&waiting), Status::Stopped);
    site.release("/busy");
    assert_eq!(connector.wait_until_done(&first), Status::Finished);
    assert_eq!(site.hits("/waiting"), 0);
}

#[test]
fn stop_ends_a_running_action_at_once_whatever_the_remote_server_does() {
    let pause = Duration::from_millis(20);
    let cases = [
        ("says nothing", Site::new().page("/", "").held("/")),
        ("sends for ever, fast", Site::new().endless("/", Duration::ZERO)),
        ("sends for ever, slowly", Site::new().endless("/", pause)),
        ("drips", Site::new().drip("/", &"drop ".repeat(10_000), 1, pause)),
    ];
    for (what, site) in cases {
        // So large and so patient that neither the size nor the timeout of a page ends it first.
        let task = one_page("docs", site.url("/")).set("PageTimeout", "600").set("MaxPageSize", "1000000000");
        let connector = Connector::with(task);
        let token = connector.synchronize("docs");
        site.wait_for_hit("/");
        let asked = Instant::now();
        command(&connector, "Stop", &token);
        assert_eq!(connector.wait_until_done(&token), Status::Stopped, "{what}");
        // 50 ms on an idle machine; tests share theirs.
        assert!(asked.elapsed() < Duration::from_secs(1), "{what}: {:?}", asked.elapsed());
        assert_eq!(connector.changes("docs"), [], "{what}: half a page is no document");
    }
}

#[test]
fn stop_does_not_wait_for_the_delay_between_two_pages() {
    let site = Site::new().page("/", "<a href=/next>").page("/next", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")).set("PageDelay", "3600"));
    let token = connector.synchronize("docs");
    // robots.txt is a request to the host as well: whichever came first, the next is an hour away.
    common::poll("the first request", || (!site.requests().is_empty()).then_some(()));
    let asked = Instant::now();
    command(&connector, "Stop", &token);
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn stop_without_a_token_ends_what_runs_and_leaves_what_waits() {
    let site = Site::new().page("/busy", "").held("/busy").page("/waiting", "");
    let connector = busy(&site).task(one_page("waiting", site.url("/waiting"))).start();
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("waiting");
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Stop");
    assert_eq!(connector.wait_until_done(&running), Status::Stopped);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
}

#[test]
fn a_full_queue_refuses_and_gives_no_token() {
    let site = Site::new().page("/busy", "").held("/busy");
    let connector = busy(&site).set("Actions", "MaxQueueSize", "2").start();
    connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let fetch = "action=Fetch&FetchAction=Synchronize&TaskSections=busy";
    let answers: Vec<_> = (0..3).map(|_| connector.get(&format!("/{fetch}")).envelope()).collect();
    assert_eq!(answers[0].text("response"), "SUCCESS");
    assert_eq!(answers[2].text("response"), "ERROR");
    let accepted = answers.iter().filter(|answer| answer.find("token").is_some()).count();
    assert_eq!(connector.queue().len(), 1 + accepted);
}

#[test]
fn the_log_of_synchronize_tells_start_and_end_with_task_and_token() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(one_page("docs", site.url("/")));
    let token = connector.run("docs").text("token").to_owned();
    // web-connector.md 1.7
    for event in ["Starting", "Finished"] {
        let line = format!("00-Always: {event} SYNCHRONIZE for task 'DOCS' [{token}]");
        common::poll(&line, || connector.log("synchronize").contains(&line).then_some(()));
    }
}

#[test]
fn stop_fetch_takes_out_what_waits_and_stops_what_runs() {
    let site = Site::new().page("/busy", "").held("/busy").page("/waiting", "");
    let connector = busy(&site).task(one_page("waiting", site.url("/waiting"))).start();
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("waiting");
    let stop_fetch = |token: &str| format!("action=StopFetch&Token={}", encode(token));

    let answer = connector.ok(&stop_fetch(&waiting));
    assert_eq!((answer.text("status"), answer.text("token")), ("Cancelled", waiting.as_str()));
    assert_eq!(connector.ok(&stop_fetch(&running)).text("token"), running);
    assert_eq!(connector.wait_until_done(&running), Status::Stopped);
    assert_eq!((connector.status(&waiting), site.hits("/waiting")), (Status::Cancelled, 0));

    // A paused one holds its thread, and is stopped as well.
    let paused = connector.synchronize("busy");
    site.wait_for_hits("/busy", 2);
    command(&connector, "Pause", &paused);
    connector.ok(&stop_fetch(&paused));
    assert_eq!(connector.wait_until_done(&paused), Status::Stopped);

    for (token, words) in [(waiting.as_str(), "Cancelled"), (&running, "Stopped"), ("bm9uZQ==", "a token")] {
        let error = connector.error(&stop_fetch(token));
        assert_eq!(error.errorcode, "ERRORPARAMINVALID");
        assert!(error.errordescription.contains(words), "{error:?}");
    }
    assert_eq!(connector.error("action=StopFetch").errorcode, "ERRORPARAMMISSING");
}
