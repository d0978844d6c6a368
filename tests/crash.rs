//! The queue's promise under kill -9 and SIGTERM at random moments, while clients submit, cancel, pause, resume, stop and
//! poll and crawls run.
//!
//! `scripts/crash-loop N` runs more rounds than the ten of the normal run. `CRASH_SEED` repeats one run's choices; where
//! a kill lands in the connector's work is chance all the same.

mod common;

use common::{Connector, FetchTask, Response, Setup, Site, Xml, encode, poll};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use webconnector::action::Status;

const TASKS: [&str; 3] = ["one", "two", "three"];
const CLIENTS: u64 = 3;
const PAGES: usize = 12;
/// What the handler of events writes.
const EVENTS: &str = "events.xml";

/// What clients know of an action.
#[derive(Debug, Default)]
struct History {
    /// Ends that were seen, or answered to a command: there can be one only.
    ends: BTreeSet<Status>,
    /// A command was sent, whether or not it was answered.
    cancel_sent: bool,
    stop_sent: bool,
}

type Histories = Mutex<BTreeMap<String, History>>;

/// A generator whose choices can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_answer_is_broken_by_a_kill() {
    let (rounds, seed) = (number("CRASH_ROUNDS", 10), number("CRASH_SEED", 1));
    println!("{rounds} rounds with CRASH_SEED={seed}");
    let links: String = (0..PAGES).fold(String::new(), |links, page| links + &format!("<a href=/{page}>{page}</a>"));
    let site = (0..PAGES).fold(Site::new().page("/", &links), |site, page| site.page(&format!("/{page}"), "a page"));
    let task = |name: &str| FetchTask::named(name).set("Url", site.url("/")).set("MaxRetries", "0");
    let setup = TASKS.iter().fold(Setup::new(), |setup, name| setup.task(task(name)));
    // A kill is no fault of the action that it hits, and many rounds have many actions: none is given up or forgotten.
    let setup = setup.set("Actions", "MaxAttempts", "100").set("Actions", "MaxEndedActions", "1000000");
    let told = ["OnStart", "OnFinish", "OnError"].iter();
    let setup = told.fold(setup, |setup, on| setup.set("Actions", on, "Told")).set("Told", "FilePath", EVENTS);
    let setup = setup.set("Told", "LibraryName", "TextFileHandler");
    let mut connector = setup.start();
    let histories = Histories::default();
    let mut chance = Chance(seed);
    for round in 0..rounds {
        let address = connector.aci();
        let (histories, patience) = (&histories, Duration::from_millis(20 + chance.below(300) as u64));
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let mut chance = Chance(seed ^ (round * CLIENTS + client + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                scope.spawn(move || while pester(address, &mut chance, histories).is_some() {});
            }
            pause(patience);
            // Every third end is one that the connector has a say in.
            if round % 3 == 2 {
                assert!(connector.terminate().success(), "round {round}");
            } else {
                connector.kill();
            }
        });
        let started = Instant::now();
        connector.restart();
        assert!(started.elapsed() < Duration::from_secs(10), "round {round}: it took {:?} to start", started.elapsed());
        audit(&connector, histories, false);
    }
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Resume");
    drain(&connector);
    audit(&connector, &histories, true);
    audit_events(&connector);

    // Whatever was killed in the middle: the index agrees with the site in the end.
    for name in TASKS {
        assert_eq!(connector.wait_until_done(&connector.synchronize(name)), Status::Finished);
        let mut documents = BTreeSet::new();
        for change in connector.changes(name) {
            match change.kind.as_str() {
                "delete" => documents.remove(&change.reference),
                _ => documents.insert(change.reference),
            };
        }
        assert_eq!(documents.len(), PAGES + 1, "{name}: {documents:?}");
    }
    assert!(histories.into_inner().expect("no client panicked").len() >= usize::try_from(rounds).unwrap_or(0));
    assert!(connector.terminate().success());
}

/// Waits until every action has ended, however many rounds have left: one after the other, each in its time.
fn drain(connector: &Connector) {
    let not_ended = || {
        let status = connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=QueueStatus");
        ["pending", "running"].map(|name| status.text(name).parse::<u64>().expect("it is a count")).iter().sum::<u64>()
    };
    let mut left = not_ended();
    println!("{left} actions have not ended");
    while left > 0 {
        left = poll("one more action to end", || Some(not_ended()).filter(|now| *now < left));
    }
}

/// Waits for time to pass, which is what decides where a kill lands.
fn pause(time: Duration) {
    let _ = crossbeam_channel::never::<()>().recv_timeout(time);
}

/// Sends one request that may or may not be answered; `None` once there is nobody to answer.
fn pester(address: SocketAddr, chance: &mut Chance, histories: &Histories) -> Option<()> {
    let known = |chance: &mut Chance| {
        let histories = histories.lock().expect("no client panicked");
        let place = chance.below(histories.len().max(1));
        histories.keys().nth(place).cloned()
    };
    let queue =
        |queue_action: &str| ask(address, &format!("action=QueueInfo&QueueName=Fetch&QueueAction={queue_action}"));
    match chance.below(13) {
        0..=3 => {
            let task = TASKS[chance.below(TASKS.len())];
            let answer = ask(address, &format!("action=Fetch&FetchAction=Synchronize&TaskSections={task}"))?;
            if let Some(token) = answer.find("token") {
                let token = token.own_text().to_owned();
                histories.lock().expect("no client panicked").entry(token).or_default();
            }
            pause(Duration::from_millis(5));
        }
        place @ 4..=8 => {
            let Some(token) = known(chance) else {
                return Some(());
            };
            let queue_action = ["Cancel", "Stop", "Stop", "Pause", "Resume"][place - 4];
            {
                let mut histories = histories.lock().expect("no client panicked");
                let history = histories.entry(token.clone()).or_default();
                history.cancel_sent |= queue_action == "Cancel";
                history.stop_sent |= queue_action == "Stop";
            }
            let answer = ask(address, &Connector::queue_info(queue_action, &token))?;
            note(histories, &token, &answer);
        }
        // A queue that is paused for long would leave the rest little to do.
        9 => {
            queue("Pause")?;
            queue("Resume")?;
        }
        _ => {
            let Some(token) = known(chance) else {
                return Some(());
            };
            let answer = ask(address, &Connector::queue_info("GetStatus", &token))?;
            assert_eq!(answer.text("response"), "SUCCESS", "{token} was answered and is unknown: {answer:?}");
            note(histories, &token, &answer);
        }
    }
    Some(())
}

fn ask(address: SocketAddr, query: &str) -> Option<Xml> {
    let request = format!("GET /{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Some(Response::to(address, request.as_bytes()).ok()?.envelope())
}

/// Remembers an end that an answer tells: it is acknowledged, so that it has to stay.
fn note(histories: &Histories, token: &str, answer: &Xml) {
    let status = answer.find("status").and_then(|status| Status::parse(status.own_text()));
    if let Some(end) = status.filter(|status| status.is_end()) {
        let mut histories = histories.lock().expect("no client panicked");
        histories.entry(token.to_owned()).or_default().ends.insert(end);
    }
}

/// Every token is known, once, with a status that its history allows.
fn audit(connector: &Connector, histories: &Histories, is_last: bool) {
    let all = connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus");
    let mut statuses = BTreeMap::new();
    for action in all.find("actions").expect("it lists actions").all("action") {
        let status = Status::parse(action.text("status")).expect("it is a status");
        assert_eq!(statuses.insert(action.text("token").to_owned(), status), None, "a token is there twice");
    }
    for (token, history) in histories.lock().expect("no client panicked").iter() {
        let status = *statuses.get(token).unwrap_or_else(|| panic!("{} is lost: {history:?}", encode(token)));
        assert!(history.ends.len() <= 1, "{token} had two ends: {history:?}");
        if let Some(end) = history.ends.first() {
            assert_eq!(status, *end, "{token} was told to have ended: {history:?}");
        }
        let is_allowed = match status {
            Status::Queued | Status::Processing | Status::Paused => !is_last,
            Status::Finished => true,
            Status::Cancelled => history.cancel_sent,
            Status::Stopped => history.stop_sent,
            Status::Error => false,
        };
        assert!(is_allowed, "{token} is {status}: {history:?}");
    }
}

/// Of every action that was started and has ended, the handler has been told the end: one end, however often.
fn audit_events(connector: &Connector) {
    let all = connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus");
    let actions = all.find("actions").expect("it lists actions").all("action");
    let started = actions.into_iter().filter(|action| action.find("process_start_time").is_some());
    let ended: BTreeMap<_, _> = started.map(|action| (action.text("token"), action.text("status"))).collect();
    let told = || {
        let text = fs::read_to_string(connector.folder().join(EVENTS)).unwrap_or_default();
        // A line that a kill has cut short is written again.
        let events = text.lines().filter(|line| line.ends_with("</autnresponse>")).map(Xml::parse);
        let mut ends: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
        for event in events.filter(|event| event.text("event") != "OnStart") {
            let end = (event.text("status").to_owned(), event.text("eventid").to_owned());
            ends.entry(event.text("token").to_owned()).or_default().insert(end);
        }
        ends
    };
    let ends = poll("every end to be told", || {
        Some(told()).filter(|ends| ended.keys().all(|token| ends.contains_key(*token)))
    });
    for (token, ends) in ends {
        let statuses: Vec<_> = ends.iter().map(|(status, _)| status.as_str()).collect();
        assert_eq!(Some(&statuses[..]), ended.get(token.as_str()).map(std::slice::from_ref), "{token}: {ends:?}");
    }
    println!("{} ends were told", ended.len());
}
