//! What a client may send, and the envelope that it gets back.

mod common;

use common::{Connector, FetchTask, Response, Site};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn every_form_of_a_request_gets_the_same_answer() {
    let connector = Connector::bare();
    let form = "application/x-www-form-urlencoded";
    let answers = [
        connector.get("/action=GetVersion"),
        connector.get("/?action=GetVersion"),
        connector.get("/a=getversion"),
        connector.get("/?A=GETVERSION"),
        connector.get("/action=GetVersion&&ResponseFormat=xml&&"),
        connector.get("/action=Get%56ersion&responseformat=XML"),
        connector.post("/", form, "action=GetVersion"),
        connector.post("/", "text/plain; charset=ISO-8859-1", "action=GetVersion"),
        connector.post("/action=GetVersion", form, "ResponseFormat=xml"),
        connector.post("/?action=GetVersion", form, ""),
    ];
    for answer in answers {
        let envelope = answer.envelope();
        assert_eq!(envelope.text("action"), "GETVERSION");
        assert_eq!(envelope.text("response"), "SUCCESS");
        assert!(envelope.find("autn:version").is_some(), "{answer:?}");
    }
}

#[test]
fn the_envelope_is_the_one_that_clients_read() {
    let answer = Connector::bare().get("/action=GetVersion");
    assert!(answer.body.starts_with("<?xml version='1.0' encoding='UTF-8' ?><autnresponse"), "{}", answer.body);
    assert_eq!(answer.envelope().child_names(), ["action", "response", "responsedata"]);
}

#[test]
fn an_error_has_all_six_fields_in_order_and_is_http_200() {
    let connector = Connector::bare();
    let answer = connector.get("/action=Wobble").envelope();
    let error = answer.find("error").expect("an unknown action is an error");
    assert_eq!(
        error.child_names(),
        ["errorid", "rawerrorid", "errorstring", "errordescription", "errorcode", "errortime"]
    );

    let error = connector.error("action=Wobble");
    assert_eq!(answer.text("action"), "WOBBLE");
    assert!(error.errorid.ends_with("WOBBLE1"), "{error:?}");
    assert_eq!((error.rawerrorid.as_str(), error.errorstring.as_str()), ("0x1", "ERROR"));
    assert_eq!(error.errorcode, "ERRORNOTIMPLEMENTED");
    assert!(error.errordescription.to_ascii_lowercase().contains("wobble"), "{error:?}");
    // `20 Nov 26 16:49:50`
    let parts: Vec<_> = error.errortime.split([' ', ':']).map(str::len).collect();
    assert!(matches!(parts[..], [1 | 2, 3, 2, 2, 2, 2]), "{error:?}");
}

#[test]
fn a_missing_parameter_and_a_bad_one_are_told_apart_and_named() {
    let connector = Connector::bare();
    let missing = connector.error("action=QueueInfo&QueueName=Fetch");
    assert_eq!(missing.errorcode, "ERRORPARAMMISSING");
    assert!(missing.errordescription.to_ascii_lowercase().contains("queueaction"), "{missing:?}");

    let bad = connector.error("action=QueueInfo&QueueName=Fetch&QueueAction=Juggle");
    assert_eq!(bad.errorcode, "ERRORPARAMINVALID");
    assert!(bad.errordescription.contains("Juggle"), "{bad:?}");
    assert!(bad.errordescription.to_ascii_lowercase().contains("getstatus"), "what it may be: {bad:?}");
}

#[test]
fn an_unknown_fetchaction_or_task_section_is_refused_before_there_is_a_token() {
    let site = Site::new();
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    for query in [
        "action=Fetch",
        "action=Fetch&FetchAction=Insert",
        "action=Fetch&FetchAction=Synchronize&TaskSections=nowhere",
        "action=Fetch&FetchAction=Synchronize&TaskSections=docs&Depth=deep",
    ] {
        let error = connector.error(query);
        assert!(!error.errordescription.is_empty(), "{query}");
    }
    assert_eq!(connector.queue(), Vec::<String>::new());
}

#[test]
fn json_answers_have_the_two_known_shapes() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let json = |query: &str| -> Value {
        let answer = connector.get(query);
        let kind = answer.header("Content-Type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{answer:?}");
        serde_json::from_str(&answer.body).expect("a JSON answer is JSON")
    };
    let fetch = "/action=Fetch&FetchAction=Synchronize&TaskSections=docs";
    let plain = json(&format!("{fetch}&ResponseFormat=simplejson"));
    let full = json(&format!("{fetch}&ResponseFormat=JSON"));
    let plain_token = plain["autnresponse"]["responsedata"]["token"].as_str().expect("simplejson: a string");
    let full_token = full["autnresponse"]["responsedata"]["token"]["$"].as_str().expect("json: the text is $");
    assert_eq!(plain["autnresponse"]["response"], "SUCCESS");
    assert_eq!(connector.queue(), [full_token, plain_token]);

    // Elements that repeat are arrays, one or many.
    let one = json(&format!("/{}&ResponseFormat=simplejson", Connector::queue_info("GetStatus", plain_token)));
    assert_eq!(one["autnresponse"]["responsedata"]["actions"]["action"][0]["token"], plain_token);
}

#[test]
fn one_connection_carries_many_requests() -> std::io::Result<()> {
    let connector = Connector::bare();
    let mut connection = TcpStream::connect(connector.aci())?;
    connection.set_read_timeout(Some(common::DEADLINE))?;
    for _ in 0..3 {
        connection.write_all(b"GET /action=GetPid HTTP/1.1\r\nHost: connector\r\n\r\n")?;
        let mut answer = String::new();
        let mut byte = [0];
        while !answer.contains("</autnresponse>") {
            connection.read_exact(&mut byte)?;
            answer.push(char::from(byte[0]));
        }
        // What is left of a chunked body would begin the next answer; it is skipped by looking for the end again.
        assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    }
    Ok(())
}

#[test]
fn a_stranger_who_sends_nonsense_harms_nobody() -> std::io::Result<()> {
    let connector = Connector::bare();
    let nonsense: [&[u8]; 8] = [
        b"\r\n\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /action=GetPid HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\naction",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET /action=GetPid\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /action=GetPid HTTP/1.1\r\nHost : h\r\nX: a\rb\r\n\r\n",
    ];
    for bytes in nonsense {
        let mut connection = TcpStream::connect(connector.aci())?;
        // It may have hung up already, which is an answer too.
        let _ = connection.write_all(bytes);
        drop(connection);
    }
    let long = format!("GET /action=GetPid&x={} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(20_000_000));
    if let Ok(answer) = Response::to(connector.aci(), long.as_bytes()) {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
    Ok(())
}

#[test]
fn the_generic_actions_tell_who_this_is() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let version = connector.ok("action=GetVersion");
    assert!(version.text("autn:version").starts_with(env!("CARGO_PKG_VERSION")), "{version:?}");
    let status = connector.ok("action=GetStatus");
    assert_eq!(status.text("aciport"), connector.aci().port().to_string());
    assert_eq!(connector.ok("a=getpid").text("autn:pid"), connector.pid().to_string());

    connector.run("docs");
    let tasks = connector.ok("action=TaskList");
    let task = tasks.find("task").expect("the list names the task");
    assert_eq!((task.text("name"), task.text("action"), task.text("calls")), ("DOCS", "SYNCHRONIZE", "1"));
}

#[test]
fn the_service_port_says_that_the_server_runs() {
    let answer = Connector::bare().service("action=GetStatus").envelope();
    assert_eq!((answer.text("ACTION"), answer.text("RESPONSE")), ("GETSTATUS", "Running"));
}
