//! What goes over the wire, whatever is asked: the three formats say the same, and each can be read.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, Xml, encode};
use serde_json::{Map, Value, json};
use std::fs;
use webconnector::action::Status;

/// Elements that are arrays in JSON although there is one of them.
const REPEATED: [&str; 10] = [
    "action",
    "documentcount",
    "identifiers",
    "identifier",
    "success",
    "failed",
    "task",
    "logentry",
    "stage",
    "parameter",
];

/// Elements that say how late it is.
const OF_THE_MOMENT: [&str; 7] =
    ["errortime", "time_in_queue", "time_processing", "autn:epoch", "autn:string", "autn:seconds", "autn:uptime"];

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Full,
    Simple,
}

/// What JSON says of an element, derived from the XML by aci.md 2.3.
fn value_of(xml: &Xml, shape: Shape) -> Value {
    let mut members = Map::new();
    for (name, value) in &xml.attributes {
        // The declaration of the prefix is XML's own.
        if name != "xmlns:autn" {
            members.insert(format!("@{name}"), value.as_str().into());
        }
    }
    if xml.children.is_empty() {
        return match (members.is_empty(), shape) {
            (true, Shape::Simple) => xml.own_text().into(),
            (true, Shape::Full) => json!({ "$": xml.own_text() }),
            (false, _) if xml.own_text().is_empty() => members.into(),
            (false, _) => {
                members.insert("$".to_owned(), xml.own_text().into());
                members.into()
            }
        };
    }
    for child in &xml.children {
        let name = if shape == Shape::Simple { child.name.trim_start_matches("autn:") } else { &child.name };
        let value = value_of(child, shape);
        let count = xml.children.iter().filter(|other| other.name == child.name).count();
        // The action's name in the envelope is none of a list.
        if count > 1 || REPEATED.contains(&name) && xml.name != "autnresponse" {
            let list = members.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().expect("it is a list").push(value);
        } else {
            members.insert(name.to_owned(), value);
        }
    }
    members.into()
}

/// Takes the values out that differ from one request to the next, and empty objects, which XML cannot tell from texts.
fn settled(value: Value, is_of_the_moment: bool) -> Value {
    match value {
        Value::Object(members) if members.is_empty() => Value::Null,
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let of_name =
                    OF_THE_MOMENT.iter().any(|each| name == each.trim_start_matches("autn:") || name == *each);
                // `uptime` is the parent and one of the children.
                let is_of_the_moment = is_of_the_moment && name == "$" || of_name;
                (name, settled(value, is_of_the_moment))
            };
            let members: Map<String, Value> = members.into_iter().map(member).collect();
            let is_empty = members.len() == 1 && members.get("$") == Some(&Value::Null);
            if is_empty { Value::Null } else { members.into() }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| settled(item, is_of_the_moment)).collect()),
        Value::String(_) if is_of_the_moment => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        other => other,
    }
}

/// Asserts that the formats say the same about `query`, and returns the XML.
fn agreed(connector: &Connector, query: &str) -> Xml {
    let xml = connector.get(&format!("/{query}")).envelope();
    for (format, shape) in [("json", Shape::Full), ("SimpleJSON", Shape::Simple)] {
        let answer = connector.get(&format!("/{query}&ResponseFormat={format}"));
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"), "{query}");
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        let expected = json!({ "autnresponse": value_of(&xml, shape) });
        assert_eq!(settled(told, false), settled(expected, false), "{query} in {format}");
    }
    xml
}

#[test]
fn the_three_formats_say_the_same() {
    let site = Site::new().page("/", "<a href=/one>1</a>").page("/one", "").page("/busy", "").held("/busy");
    let one_page = |name: &str, target: &str| FetchTask::named(name).set("Url", site.url(target));
    let connector = Setup::new()
        .set("Actions", "MaximumThreads", "1")
        .task(one_page("docs", "/"))
        .task(one_page("gone", "/nowhere").set("MaxRetries", "0"))
        .task(one_page("busy", "/busy"))
        .start();
    let finished = connector.run("docs").text("token").to_owned();
    let failed = connector.synchronize("gone");
    assert_eq!(connector.wait_until_done(&failed), Status::Error);
    let collect =
        format!("action=Fetch&FetchAction=Collect&Identifiers={}", encode(&identifier("docs", &site.url("/one"))));
    let collected = connector.submit(&collect);
    assert_eq!(connector.wait_until_done(&collected), Status::Finished);
    let gone = format!("{collect},{}", encode(&identifier("docs", &site.url("/nowhere"))));
    let partly = connector.submit(&gone);
    assert!(connector.wait_until_done(&partly).is_end());
    let listed = connector.submit("action=Fetch&FetchAction=Identifiers&ConfigSection=docs&MaxDepth=0");
    assert_eq!(connector.wait_until_done(&listed), Status::Finished);
    let running = connector.synchronize("busy");
    site.wait_for_hit("/busy");
    let waiting = connector.synchronize("docs");

    for token in [&finished, &failed, &collected, &partly, &listed, &running, &waiting] {
        let told = agreed(&connector, &Connector::queue_info("GetStatus", token));
        assert_eq!(told.text("token"), token);
        agreed(&connector, &Connector::queue_info("Progress", token));
        agreed(&connector, &Connector::queue_info("GetActionParameters", token));
    }
    let unknown = STANDARD.encode("127.0.0.1:7006:FETCH:166750317788601896224071");
    for query in [
        "a=queueinfo&queueaction=getstatus&queuename=FETCH",
        "A=QUEUEINFO&QUEUEACTION=GETSTATUS&QUEUENAME=fetch&STATE=FINISHED",
        "action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&State=paused",
        "action=QueueInfo&QueueName=Fetch&QueueAction=QueueStatus",
        "action=QueueInfo&QueueName=Fetch&QueueAction=Progress&AllStages=true",
        "action=QueueInfo&QueueName=Fetch&QueueAction=Progress&MaxDepth=0",
        "action=QueueInfo&QueueName=Fetch&QueueAction=GetActionParameters",
        "action=QueueInfo&QueueName=Fetch",
        "action=QueueInfo&QueueAction=GetStatus",
        "action=QueueInfo&QueueName=Fetch&QueueAction=Juggle",
        "action=QueueInfo&QueueName=Ingest&QueueAction=GetStatus",
        "action=QueueInfo&QueueName=Fetch&QueueAction=Cancel",
        "action=QueueInfo&QueueName=Fetch&QueueAction=ChangePriority&Priority=1",
        "action=Wobble",
        "action=",
        "action=Fetch",
        "action=Fetch&FetchAction=Insert",
        "action=Fetch&FetchAction=Synchronize&TaskSections=nowhere",
        "action=Fetch&FetchAction=Synchronize&Dpeth=1",
        "action=GetVersion",
        "action=GetStatus",
        "action=GetPid",
        "action=TaskList",
        "action=PurgeDatastore",
    ] {
        agreed(&connector, query);
    }
    for command in ["Cancel", "Stop", "Resume", "ChangePriority", "Duplicate", "Delete", "GetStatus"] {
        agreed(&connector, &Connector::queue_info(command, &unknown));
    }
    for refused in ["Cancel", "ChangePriority", "Delete", "Pause"] {
        let token = if refused == "Pause" { &waiting } else { &running };
        let error = agreed(&connector, &format!("{}&Priority=3", Connector::queue_info(refused, token)));
        assert_eq!(error.text("response"), "ERROR", "{refused}");
    }
    // Commands that change nothing the second time.
    for command in ["Pause", "Resume"] {
        connector.ok(&Connector::queue_info(command, &running));
        agreed(&connector, &Connector::queue_info(command, &running));
    }
    let raised = agreed(&connector, &format!("{}&Priority=3", Connector::queue_info("ChangePriority", &waiting)));
    assert_eq!((raised.text("status"), raised.text("token")), ("Queued", waiting.as_str()));
    connector.ok(&Connector::queue_info("Stop", &running));
    assert_eq!(connector.wait_until_done(&running), Status::Stopped);
    for command in ["Stop", "Cancel", "GetActionParameters", "Duplicate"] {
        let refused = agreed(&connector, &Connector::queue_info(command, &running));
        assert_eq!(refused.text("response"), "ERROR", "{command}");
    }
}

/// An `AUTN_IDENTIFIER` as the connector writes it.
fn identifier(task: &str, url: &str) -> String {
    webconnector::ingest::Identifier::new(task, url).encode()
}

/// The characters of XML 1.0, 2.2.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Asserts that all formats of the answer can be read.
fn readable(connector: &Connector, query: &str) {
    let xml = connector.get(&format!("/{query}"));
    let bad = xml.body.chars().find(|c| !is_xml(*c));
    assert_eq!(bad, None, "{query}: {:?}", xml.body);
    // A reference to such a character is not well-formed either.
    for number in (0..0x20).filter(|number| !matches!(number, 9 | 10 | 13)) {
        for reference in [format!("&#{number};"), format!("&#x{number:X};"), format!("&#x{number:x};")] {
            assert!(!xml.body.contains(&reference), "{query}: {}", xml.body);
        }
    }
    xml.envelope();
    for format in ["json", "simplejson"] {
        let answer = connector.get(&format!("/{query}&ResponseFormat={format}"));
        let told: Result<Value, _> = serde_json::from_str(&answer.body);
        assert!(told.is_ok_and(|told| told["autnresponse"].is_object()), "{query} in {format}: {}", answer.body);
    }
}

#[test]
fn no_character_makes_an_answer_unreadable() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    // What is understood all the same is not to be performed: it names hosts.
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Pause");
    // Every control character, those that XML has no number for, half of a pair, and no UTF-8 at all.
    let mut odd: Vec<String> = (0..0x20).chain([0x7f]).map(|byte| format!("%{byte:02X}")).collect();
    odd.extend(
        ["%C2%80", "%C2%85", "%EF%BF%BE", "%EF%BF%BF", "%ED%A0%80", "%FF", "%F4%90%80%80", "%E2%80%A8"]
            .map(str::to_owned),
    );
    odd.extend(["]]%3E", "%3C%21--", "%26%23x0;", "%22'%3C%3E%26", "%F0%9F%98%80"].map(str::to_owned));
    let everything = odd.concat();
    odd.push(everything);
    for odd in &odd {
        for query in [
            format!("action=a{odd}b"),
            format!("action=GetPid&ResponseFormat=a{odd}b"),
            format!("action=Fetch&FetchAction=a{odd}b"),
            format!("action=Fetch&FetchAction=Synchronize&TaskSections=a{odd}b"),
            format!("action=Fetch&FetchAction=Synchronize&Url=http://a{odd}b/"),
            format!("action=Fetch&FetchAction=Synchronize&Url=a{odd}b"),
            format!("action=Fetch&FetchAction=Synchronize&a{odd}b=1"),
            format!("action=Fetch&FetchAction=Synchronize&Depth=a{odd}b"),
            format!("action=Fetch&FetchAction=Synchronize&Config=a{odd}b"),
            format!("action=Fetch&FetchAction=Collect&Identifiers=a{odd}b"),
            format!("action=QueueInfo&QueueName=a{odd}b&QueueAction=GetStatus"),
            format!("action=QueueInfo&QueueName=Fetch&QueueAction=a{odd}b"),
            format!("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Token=a{odd}b"),
            format!("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&State=a{odd}b"),
            format!("action=TaskList&MatchName=a{odd}b&ActionID=a{odd}b"),
            format!("action=PurgeDatastore&Section=a{odd}b"),
            format!("action=GetUri&Identifiers=a{odd}b"),
            format!("action=View&NoACI=false&Identifier=a{odd}b"),
        ] {
            readable(&connector, &query);
        }
    }
    for queue_action in ["GetStatus", "GetActionParameters"] {
        readable(&connector, &format!("action=QueueInfo&QueueName=Fetch&QueueAction={queue_action}"));
    }
    assert!(!connector.log("application").chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn odd_names_and_texts_of_actions_can_be_read_wherever_they_are_told() {
    let site = Site::new().page("/", "<title>a\u{1}b\u{FFFF}</title><a href='/x\u{1}y'>z</a>");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    // A task that comes with its action may be called what it likes.
    for name in ["a\u{1}b", "\u{FFFE}", "<&\"'>", "a\tb\nc", "]]>"] {
        let quoted = name.replace('"', "\\\"");
        let params =
            [("TaskSections", format!("\"{quoted}\"")), ("Url", site.url("/nowhere")), ("MaxRetries", "0".to_owned())];
        let query: Vec<_> = params.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
        let query = query.concat();
        let config = format!("Config={}", encode(&STANDARD.encode(format!("[{name}]\nDepth=0\n"))));
        let answer = connector.get(&format!("/action=Fetch&FetchAction=Synchronize&{config}{query}"));
        // A name that no file can have may be refused.
        if let Some(token) = answer.envelope().find("token").map(|token| token.own_text().to_owned()) {
            connector.wait_until_done(&token);
            readable(&connector, &Connector::queue_info("GetStatus", &token));
            readable(&connector, &Connector::queue_info("Progress", &token));
        }
    }
    let url = encode(&format!("{}\u{1}\u{FFFF}", site.url("/nowhere")));
    let token =
        connector.submit(&format!("action=Fetch&FetchAction=Synchronize&Url={url}&UserAgent=a%00b%01&MaxRetries=0"));
    connector.wait_until_done(&token);
    connector.run("docs");
    let listed = connector.submit("action=Fetch&FetchAction=Identifiers&ConfigSection=docs&MaxDepth=0");
    assert_eq!(connector.wait_until_done(&listed), Status::Finished);
    for query in [
        "action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus",
        "action=QueueInfo&QueueName=Fetch&QueueAction=GetActionParameters",
        "action=QueueInfo&QueueName=Fetch&QueueAction=Progress&AllStages=true",
        "action=TaskList",
    ] {
        readable(&connector, query);
    }
    assert!(!connector.log("action").chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn an_error_comes_in_the_format_that_the_request_asks_for() {
    let connector = Connector::bare();
    // Also if the body cannot be read, and if the format stands in the body.
    let form = "application/x-www-form-urlencoded";
    for answer in [
        connector.post("/action=Fetch&ResponseFormat=simplejson", "application/json", "{}"),
        connector.post("/action=Fetch&ResponseFormat=simplejson", "multipart/form-data; boundary=x", "--y--"),
        connector.post("/action=Fetch", form, "responseformat=simplejson"),
        connector.post("/", "text/plain", "action=Fetch\nResponseFormat=SIMPLEJSON\n"),
        connector.get("/action=Wobble&ResponseFormat=simplejson"),
    ] {
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        assert_eq!(told["autnresponse"]["response"], "ERROR", "{answer:?}");
        assert!(told["autnresponse"]["responsedata"]["error"]["errorid"].is_string(), "{answer:?}");
    }
    // Of a format that there is not, the error is XML.
    assert_eq!(connector.get("/action=GetPid&ResponseFormat=yaml").envelope().text("response"), "ERROR");
}

#[test]
fn a_queue_whose_folder_is_removed_is_empty() {
    let site = Site::new().page("/", "").held("/");
    let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let tokens = [connector.synchronize("docs"), connector.synchronize("docs")];
    site.wait_for_hit("/");
    assert!(connector.terminate().success());
    fs::remove_dir_all(connector.folder().join("actions")).expect("it is there");
    connector.restart();
    assert_eq!(connector.queue(), [] as [&str; 0]);
    for token in tokens {
        assert_eq!(connector.error(&Connector::queue_info("GetStatus", &token)).errorcode, "ERRORPARAMINVALID");
    }
    site.release("/");
    connector.run("docs");
}

#[test]
fn two_tasks_whose_documents_are_all_refused_are_counted_and_finish() {
    let links: Vec<_> = (1..10).map(|number| format!("<a href=/{number}>x</a>")).collect();
    let site =
        (1..10).fold(Site::new().page("/", &links.concat()), |site, number| site.page(&format!("/{number}"), ""));
    let refusal = "<autnresponse><action>INGEST</action><response>ERROR</response><responsedata/></autnresponse>";
    let target = Site::new().anything("text/xml", refusal);
    let task = |name: &str| FetchTask::named(name).set("Url", site.url("/"));
    let (host, port) =
        target.host().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("a port");
    let setup = Setup::new().set("Ingestion", "IngestHost", host).set("Ingestion", "IngestPort", port);
    let connector = setup.task(task("one")).task(task("two")).start();
    let token = connector.submit("action=Fetch&FetchAction=Synchronize");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let action = connector.action(&token);
    let counts: Vec<_> = action
        .all("documentcount")
        .iter()
        .map(|counts| {
            ["task", "added", "ingestadded", "ingestfailed", "seen"].map(|name| counts.attr(name).unwrap_or(""))
        })
        .collect();
    assert_eq!(counts, [["ONE", "10", "0", "10", "10"], ["TWO", "10", "0", "10", "10"]]);
}

#[test]
fn only_the_tasks_that_are_named_are_performed() {
    let site = Site::new().page("/", "");
    let task = |name: &str| FetchTask::named(name).set("Url", site.url("/"));
    let connector = Setup::new().task(task("MyTask1")).task(task("other")).start();
    let token = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=mytask1");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let action = connector.action(&token);
    let tasks: Vec<_> = action.all("documentcount").iter().map(|counts| counts.attr("task").unwrap_or("")).collect();
    assert_eq!(tasks, ["MYTASK1"]);
    assert_eq!(connector.changes("other").len(), 0);
}
