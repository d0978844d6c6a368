//! What `QueueInfo` tells and does beyond `tests/queue.rs`: lists, pauses, priorities, progress, copies, deletions.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, Xml, encode};
use std::time::Instant;
use webconnector::action::Status;

/// A task that asks for nothing but one page.
fn one_page(name: &str, url: String) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("Depth", "0").set("FollowRobotProtocol", "FALSE")
}

/// A start page with links to ten others, asked for one after the other.
fn ten_pages(name: &str, site: &Site) -> FetchTask {
    FetchTask::named(name)
        .set("Url", site.url("/"))
        .set("SynchronizeThreads", "1")
        .set("FollowRobotProtocol", "FALSE")
        .set("PageTimeout", "600")
}

fn ten_page_site() -> Site {
    let links: Vec<_> = (0..10).map(|number| format!("<a href=/{number}>{number}</a>")).collect();
    (0..10).fold(Site::new().page("/", &links.concat()), |site, number| site.page(&format!("/{number}"), "<p>x"))
}

/// One thread, a task `busy` whose page is held, and a task `docs` of one page.
fn busy(site: &Site) -> Connector {
    Setup::new()
        .set("Actions", "MaximumThreads", "1")
        .task(one_page("busy", site.url("/busy")))
        .task(one_page("docs", site.url("/docs")))
        .start()
}

fn busy_site() -> Site {
    Site::new().page("/busy", "").held("/busy").page("/docs", "")
}

/// The query of a `QueueInfo`; `rest` begins with the queue action.
fn query(rest: &str) -> String {
    format!("action=QueueInfo&QueueName=Fetch&QueueAction={rest}")
}

fn info(connector: &Connector, rest: &str) -> Xml {
    connector.ok(&query(rest))
}

fn refused(connector: &Connector, rest: &str) -> String {
    connector.error(&query(rest)).errordescription
}

/// Gives a command on one action and returns the status that it is answered with.
fn command(connector: &Connector, queue_action: &str, token: &str) -> String {
    let answer = connector.ok(&Connector::queue_info(queue_action, token));
    assert_eq!(tokens(&answer), [token], "the answer names what was touched: {answer:?}");
    answer.text("status").to_owned()
}

fn tokens(answer: &Xml) -> Vec<String> {
    answer.all("token").into_iter().map(|token| token.text("token").to_owned()).collect()
}

fn list(connector: &Connector, filters: &str) -> Vec<String> {
    tokens(&info(connector, &format!("GetStatus&{filters}")))
}

/// The counts of the whole queue: whether it is paused, and what is pending, running and completed.
fn queue_status(connector: &Connector) -> [String; 4] {
    let answer = info(connector, "QueueStatus");
    assert_eq!(answer.text("name"), "FETCH");
    ["paused", "pending", "running", "completed"].map(|name| answer.text(name).to_owned())
}

#[test]
fn lists_are_filtered_then_sorted_then_cut() {
    let site = busy_site();
    let connector = busy(&site);
    let submit = |task: &str, priority: i64| {
        connector.submit(&format!("action=Fetch&FetchAction=Synchronize&TaskSections={task}&Priority={priority}"))
    };
    let ended = submit("docs", 9);
    assert_eq!(connector.wait_until_done(&ended), Status::Finished);
    let running = submit("busy", 0);
    site.wait_for_hit("/busy");
    let [low, high] = [submit("docs", -5), submit("docs", 5)];
    let all = [&high, &low, &running, &ended];

    let cases: [(&str, &[&String]); 20] = [
        ("", &all),
        ("State=FINISHED", &[&ended]),
        ("State=queued,processing", &[&high, &low, &running]),
        ("State=Paused", &[]),
        ("Min-Priority=5", &[&high, &ended]),
        ("Max-Priority=5&Min-Priority=5", &[&high]),
        ("Max-Priority=0", &[&low, &running]),
        ("Queued-After=-3600", &all),
        ("Queued-Before=-3600", &[]),
        ("Started-After=2020-01-01", &[&running, &ended]),
        ("Finished-After=01/01/2020%2012:00:00", &[&ended]),
        ("Finished-Before=1", &[]),
        ("MaxResults=1", &[&high]),
        ("MaxResults=0", &[]),
        ("MaxResults=2&Start=2", &[&low, &running]),
        ("Start=5", &[]),
        ("Sort-Order=ascending&MaxResults=1", &[&ended]),
        ("Sort-By=priority", &[&ended, &high, &running, &low]),
        ("Sort-By=start-time&Sort-Order=ascending", &[&ended, &running, &low, &high]),
        ("State=finished&Sort-By=finish-time&Sort-Order=descending", &[&ended]),
    ];
    for (filters, expected) in cases {
        assert_eq!(
            list(&connector, filters),
            expected.iter().map(|&token| token.clone()).collect::<Vec<_>>(),
            "{filters}"
        );
    }
    assert_eq!(list(&connector, &format!("Token={}&State=finished", encode(&ended))), [ended.as_str()]);
    assert_eq!(list(&connector, &format!("Token={}&State=queued", encode(&ended))), [] as [&str; 0]);

    // A time that was read finds the action that it was read of.
    let queued_at = connector.action(&ended).text("queued_time").replace(' ', "%20");
    let found = list(&connector, &format!("Queued-After={queued_at}&Queued-Before={queued_at}"));
    assert!(found.contains(&ended), "{found:?}");
    for bad in ["State=done", "Queued-After=soon", "Sort-By=size", "Start=0", "MaxResults=many"] {
        let error = connector.error(&query(&format!("GetStatus&{bad}")));
        let name = bad.split('=').next().unwrap_or_default();
        assert_eq!(error.errorcode, "ERRORPARAMINVALID", "{bad}");
        assert!(error.errordescription.contains(name), "{bad}: {error:?}");
    }
}

#[test]
fn no_request_leaves_while_a_crawl_is_paused_and_it_goes_on_where_it_was() {
    let site = ten_page_site().held("/0");
    let connector = Connector::with(ten_pages("docs", &site));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/0");
    assert_eq!(command(&connector, "Pause", &token), "Paused");
    assert_eq!(command(&connector, "Pause", &token), "Paused");
    site.release("/0");

    // The visit that was under way is finished and delivered; the next one would long have begun.
    let delivered = || (connector.action(&token).count("ingestadded") == 2).then_some(());
    common::poll("both pages to be delivered", delivered);
    assert_eq!(connector.status(&token), Status::Paused);
    assert_eq!((1..10).map(|number| site.hits(&format!("/{number}"))).sum::<usize>(), 0);
    assert_eq!(queue_status(&connector), ["false", "0", "1", "0"]);

    assert_eq!(command(&connector, "Resume", &token), "Processing");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.action(&token).count("added"), 11);
    assert!(site.requests().iter().all(|request| site.hits(&request.target) == 1));
}

#[test]
fn what_a_visitor_would_ask_for_next_waits_as_well() {
    let site = Site::new().redirect("/robots.txt", "/robots2.txt").held("/robots.txt").page("/", "");
    let site = site.page("/other", "").file("/robots2.txt", "text/plain", "User-agent: *\nDisallow: /x\n");
    let connector = Setup::new()
        .task(FetchTask::named("docs").set("Url", site.url("/")))
        .task(one_page("other", site.url("/other")))
        .start();
    let token = connector.synchronize("docs");
    site.wait_for_hit("/robots.txt");
    command(&connector, "Pause", &token);
    site.release("/robots.txt");
    // Something else is done meanwhile, in which the next request could have left many times.
    connector.run("other");
    let resumed_at = Instant::now();
    command(&connector, "Resume", &token);
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let asked = site.requests().into_iter().find(|request| request.target == "/robots2.txt").expect("it was followed");
    assert!(asked.at >= resumed_at);
}

#[test]
fn a_paused_action_can_be_stopped_and_ends_at_once() {
    let site = ten_page_site().held("/0");
    let connector = Connector::with(ten_pages("docs", &site));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/0");
    command(&connector, "Pause", &token);
    site.release("/0");
    common::poll("the page to be taken in", || (connector.action(&token).count("added") == 2).then_some(()));
    assert_eq!(command(&connector, "Stop", &token), "Paused");
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    assert_eq!((connector.changes("docs").len(), site.hits("/1")), (2, 0));
    let error = refused(&connector, &format!("Resume&Token={}", encode(&token)));
    assert!(error.contains("Stopped"), "{error}");
}

#[test]
fn a_paused_action_is_paused_after_a_restart_and_holds_its_thread() {
    for is_killed in [true, false] {
        let site = ten_page_site().held("/0").page("/other", "");
        let mut connector = Setup::new()
            .set("Actions", "MaximumThreads", "1")
            .set("Actions", "MaxAttempts", "1")
            .task(ten_pages("docs", &site))
            .task(one_page("other", site.url("/other")))
            .start();
        let token = connector.synchronize("docs");
        site.wait_for_hit("/0");
        command(&connector, "Pause", &token);
        let started_at = connector.action(&token).text("process_start_time").to_owned();
        if is_killed {
            connector.kill();
        } else {
            assert!(connector.terminate().success());
        }
        site.release("/0");
        let hits = site.requests().len();
        connector.restart();

        // Its thread is the only one.
        let other = connector.synchronize("other");
        assert_eq!(connector.status(&token), Status::Paused);
        assert_eq!(connector.action(&token).text("process_start_time"), started_at);
        assert_eq!(connector.status(&other), Status::Queued);
        assert_eq!(site.requests().len(), hits);
        assert_eq!(queue_status(&connector), ["false", "1", "1", "0"]);

        // It may be killed as often as one likes: it does nothing that could be its fault.
        connector.kill();
        connector.restart();
        assert_eq!(connector.status(&token), Status::Paused);
        assert_eq!(command(&connector, "Resume", &token), "Processing");
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
        assert_eq!(connector.wait_until_done(&other), Status::Finished);
        let added: std::collections::BTreeSet<_> =
            connector.changes("docs").into_iter().map(|change| change.reference).collect();
        assert_eq!(added.len(), 11);
    }
}

#[test]
fn a_paused_queue_starts_nothing_also_after_a_restart_until_it_is_resumed() {
    let site = busy_site();
    let mut connector = busy(&site);
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    assert_eq!(tokens(&info(&connector, "Pause")), [running.as_str()]);
    assert_eq!(tokens(&info(&connector, "Pause")), [] as [&str; 0]);
    let waiting = connector.synchronize("docs");
    assert_eq!(queue_status(&connector), ["true", "1", "1", "0"]);

    connector.kill();
    connector.restart();
    assert_eq!(queue_status(&connector), ["true", "1", "1", "0"]);
    assert_eq!(connector.status(&running), Status::Paused);
    assert_eq!(connector.status(&waiting), Status::Queued);
    site.release("/busy");

    // One of them goes on, and the other still waits.
    assert_eq!(command(&connector, "Resume", &running), "Processing");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    assert_eq!((connector.status(&waiting), site.hits("/docs")), (Status::Queued, 0));
    assert_eq!(command(&connector, "Resume", &waiting), "Queued");
    assert_eq!(queue_status(&connector), ["true", "1", "0", "1"]);

    assert_eq!(tokens(&info(&connector, "Resume")), [] as [&str; 0]);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
    assert_eq!(queue_status(&connector), ["false", "0", "0", "2"]);
    connector.kill();
    connector.restart();
    assert_eq!(queue_status(&connector)[0], "false");
}

#[test]
fn resume_without_a_token_lets_everything_go_on() {
    let site = ten_page_site().held("/0").page("/docs", "");
    let connector = Setup::new().task(ten_pages("ten", &site)).task(one_page("docs", site.url("/docs"))).start();
    let paused = connector.synchronize("ten");
    site.wait_for_hit("/0");
    command(&connector, "Pause", &paused);
    info(&connector, "Pause");
    let waiting = connector.synchronize("docs");
    site.release("/0");
    assert_eq!(tokens(&info(&connector, "Resume")), [paused.as_str()]);
    assert_eq!(connector.wait_until_done(&paused), Status::Finished);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
}

#[test]
fn as_many_paused_actions_as_threads_hold_the_queue_up() {
    let site = busy_site();
    let connector = busy(&site);
    let paused = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    command(&connector, "Pause", &paused);
    let waiting = connector.synchronize("docs");
    assert_eq!(connector.status(&waiting), Status::Queued);
    assert_eq!(queue_status(&connector), ["false", "1", "1", "0"]);
    command(&connector, "Stop", &paused);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
}

#[test]
fn only_what_runs_can_be_paused_and_resuming_what_runs_changes_nothing() {
    let site = busy_site();
    let connector = busy(&site);
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("docs");
    let error = refused(&connector, &format!("Pause&Token={}", encode(&waiting)));
    assert!(error.contains("is queued"), "{error}");
    assert_eq!(command(&connector, "Resume", &running), "Processing");
    assert_eq!(command(&connector, "Resume", &waiting), "Queued");
    let error = refused(&connector, "Pause&State=processing");
    assert!(error.contains("State"), "{error}");
    assert_eq!(connector.status(&running), Status::Processing);
}

#[test]
fn a_queued_action_can_be_given_another_priority_which_a_kill_does_not_lose() {
    let site = busy_site().page("/last", "").held("/docs");
    let mut connector = Setup::new()
        .set("Actions", "MaximumThreads", "1")
        .task(one_page("busy", site.url("/busy")))
        .task(one_page("docs", site.url("/docs")))
        .task(one_page("last", site.url("/last")))
        .start();
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let first = connector.synchronize("docs");
    let second = connector.synchronize("last");
    assert_eq!(connector.action(&second).text("priority"), "0");
    command(&connector, "ChangePriority&Priority=100", &second);
    assert_eq!(connector.action(&second).text("priority"), "100");

    for (rest, words) in [
        (format!("ChangePriority&Token={}", encode(&first)), "Priority is required"),
        ("ChangePriority&Priority=1".to_owned(), "Token is required"),
        (format!("ChangePriority&Priority=high&Token={}", encode(&first)), "whole number"),
        (format!("ChangePriority&Priority=1&Token={}", encode(&running)), "has started"),
    ] {
        let error = refused(&connector, &rest);
        assert!(error.contains(words), "{rest}: {error}");
    }
    // Paused, it stays before both of them.
    command(&connector, "Pause", &running);
    connector.kill();
    connector.restart();
    assert_eq!(connector.action(&second).text("priority"), "100");
    command(&connector, "Stop", &running);
    assert_eq!(connector.wait_until_done(&second), Status::Finished);
    site.wait_for_hit("/docs");
    assert_eq!(connector.status(&first), Status::Processing);
    site.release("/docs");
    assert_eq!(connector.wait_until_done(&first), Status::Finished);
}

#[test]
fn progress_is_the_settled_part_of_the_known_pages() {
    let site = ten_page_site().held("/0").page("/other", "");
    let connector = Setup::new()
        .task(one_page("a", site.url("/other")))
        .task(ten_pages("b", &site))
        .task(one_page("c", site.url("/other")))
        .start();
    let token = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=a,b,c");
    site.wait_for_hit("/0");
    common::poll("the start page to be counted", || {
        let counts = connector.action(&token);
        (counts.all("documentcount").len() == 2 && counts.all("documentcount")[1].attr("seen") == Some("1"))
            .then_some(())
    });

    // Of three sections one has ended, one has 1 of 11 pages, one is to come.
    let answer = info(&connector, &format!("Progress&Token={}", encode(&token)));
    let action = answer.find("actions").and_then(|actions| actions.find("action")).expect("one action");
    assert_eq!(action.child_names(), ["token", "status", "progress"]);
    assert_eq!((action.text("token"), action.text("status")), (token.as_str(), "Processing"));
    assert_eq!(action.text("percent"), "36.363");
    assert!(action.text("time_processing").parse::<u64>().is_ok());
    let stages = |answer: &Xml| -> Vec<[String; 3]> {
        let stages = answer.all("stage").into_iter();
        stages.map(|stage| ["name", "status", "percent"].map(|name| stage.text(name).to_owned())).collect()
    };
    assert_eq!(stages(&answer), [["A", "Ended", "100"], ["B", "Processing", "9.09"]]);
    let all = info(&connector, &format!("Progress&AllStages=true&Token={}", encode(&token)));
    assert_eq!(stages(&all), [["A", "Ended", "100"], ["B", "Processing", "9.09"], ["C", "Pending", "0"]]);
    let flat = info(&connector, &format!("Progress&MaxDepth=0&Token={}", encode(&token)));
    assert_eq!((flat.text("percent"), stages(&flat).len()), ("36.363", 0));
    assert_eq!(tokens(&info(&connector, "Progress")), [token.as_str()]);

    let queued = connector.synchronize("b");
    let answer = info(&connector, &format!("Progress&Token={}", encode(&queued)));
    assert_eq!((answer.text("percent"), answer.find("time_processing").is_none()), ("0", true));
    site.release("/0");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(info(&connector, &format!("Progress&Token={}", encode(&token))).text("percent"), "100");
}

#[test]
fn a_copy_of_what_waits_or_runs_is_an_action_of_its_own() {
    let site = busy_site();
    let connector = busy(&site);
    let running = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=busy&Priority=3");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("docs");
    for original in [&running, &waiting] {
        let answer = connector.ok(&Connector::queue_info("Duplicate", original));
        assert_eq!(answer.find("responsedata").map(|data| data.child_names()), Some(vec!["token"]));
        let copy = answer.text("token").to_owned();
        assert_ne!(copy, *original);
        let parameters = |token: &str| {
            let answer = connector.ok(&Connector::queue_info("GetActionParameters", token));
            let parameters = answer.all("parameter");
            let pair =
                |each: &Xml| (each.attr("name").unwrap_or_default().to_owned(), each.text("parameter").to_owned());
            parameters.into_iter().map(pair).collect::<Vec<_>>()
        };
        assert_eq!(parameters(&copy), parameters(original));
        assert_eq!(connector.status(&copy), Status::Queued);
    }
    assert_eq!(connector.queue().len(), 4);
    site.release("/busy");
    for token in connector.queue() {
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
    }
    assert_eq!((site.hits("/busy"), site.hits("/docs")), (2, 2));
    let error = refused(&connector, &format!("Duplicate&Token={}", encode(&running)));
    assert!(error.contains("Finished"), "{error}");
}

#[test]
fn the_parameters_of_what_has_not_ended_are_told_without_its_secrets() {
    let site = busy_site();
    let connector = busy(&site);
    let config = STANDARD.encode("[busy]\nUserAgent=Me\n");
    let fetch = "action=Fetch&fetchaction=synchronize&TaskSections=busy&Depth=0";
    let token =
        connector.submit(&format!("{fetch}&Config={}&[busy]Url=http://me:hush@{}/busy", encode(&config), site.host()));
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("docs");
    let answer = connector.ok(&Connector::queue_info("GetActionParameters", &token));
    let told: Vec<_> = answer
        .all("parameter")
        .iter()
        .map(|each| (each.attr("name").unwrap_or_default(), each.text("parameter")))
        .collect();
    let url = format!("http://me:****@{}/busy", site.host());
    let expected = [
        ("fetchaction", "synchronize"),
        ("TaskSections", "busy"),
        ("Depth", "0"),
        ("Config", config.as_str()),
        ("[busy]Url", url.as_str()),
    ];
    assert_eq!(told, expected);
    assert_eq!(tokens(&info(&connector, "GetActionParameters")), [waiting.as_str(), token.as_str()]);
    let json = connector
        .get(&format!("/{}&ResponseFormat=simplejson", Connector::queue_info("GetActionParameters", &waiting)));
    let json: serde_json::Value = serde_json::from_str(&json.body).expect("it is JSON");
    let parameters = &json["autnresponse"]["responsedata"]["actions"]["action"][0]["parameters"]["parameter"];
    assert_eq!(parameters[0]["@name"], "FetchAction");
    assert_eq!(parameters[0]["$"], "Synchronize");

    site.release("/busy");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let error = refused(&connector, &format!("GetActionParameters&Token={}", encode(&token)));
    assert!(error.contains("Finished"), "{error}");
}

#[test]
fn ended_actions_can_be_deleted_one_by_one_or_all_that_match_and_stay_away() {
    let site = busy_site();
    let mut connector = busy(&site);
    let ended: Vec<_> = (0..3).map(|_| connector.run("docs").text("token").to_owned()).collect();
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("docs");
    let cancelled = connector.synchronize("docs");
    command(&connector, "Cancel", &cancelled);

    for (token, status) in [(&running, "Processing"), (&waiting, "Queued")] {
        let error = refused(&connector, &format!("Delete&Token={}", encode(token)));
        assert!(error.contains(status), "{error}");
    }
    assert_eq!(connector.error(&query("Delete")).errorcode, "ERRORPARAMMISSING");
    assert_eq!(command(&connector, "Delete", &ended[1]), "Finished");
    let unknown = connector.error(&Connector::queue_info("GetStatus", &ended[1]));
    assert_eq!(unknown.errorcode, "ERRORPARAMINVALID");
    assert!(unknown.errordescription.contains("Token"), "{unknown:?}");

    let deleted = tokens(&info(&connector, "Delete&State=finished,processing,queued"));
    assert_eq!(deleted, [ended[0].as_str(), ended[2].as_str()]);
    assert_eq!(connector.queue(), [cancelled.as_str(), waiting.as_str(), running.as_str()]);
    connector.kill();
    connector.restart();
    assert_eq!(connector.queue(), [cancelled.as_str(), waiting.as_str(), running.as_str()]);
    assert_eq!(tokens(&info(&connector, "Delete&Queued-After=-3600")), [cancelled.as_str()]);
}

#[test]
fn cancel_and_stop_empty_a_queue_at_once() {
    let site = busy_site();
    let mut connector = busy(&site);
    // After the restart, too, it is the first.
    let running = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=busy&Priority=9");
    site.wait_for_hit("/busy");
    let submit = |connector: &Connector, priority: i64| {
        connector.submit(&format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&Priority={priority}"))
    };
    let low: Vec<_> = (0..20).map(|_| submit(&connector, -1)).collect();
    let high: Vec<_> = (0..20).map(|_| submit(&connector, 1)).collect();

    assert_eq!(connector.error(&query("Cancel")).errorcode, "ERRORPARAMMISSING");
    let error = refused(&connector, "Cancel&State=queued&MaxResults=1");
    assert!(error.contains("MaxResults"), "{error}");
    let answer = info(&connector, "Cancel&Max-Priority=0");
    assert_eq!(tokens(&answer), low);
    assert!(answer.all("status").iter().all(|status| status.text("status") == "Cancelled"));
    connector.kill();
    connector.restart();
    assert_eq!(queue_status(&connector)[3], "20");

    site.wait_for_hits("/busy", 2);
    let stopped = tokens(&info(&connector, "Stop&State=queued,processing"));
    assert_eq!(stopped.len(), 21);
    assert!(high.iter().all(|token| connector.status(token) == Status::Stopped));
    assert_eq!(connector.wait_until_done(&running), Status::Stopped);
    assert_eq!(queue_status(&connector), ["false", "0", "0", "41"]);
    assert_eq!(site.hits("/docs"), 0);
}
