//! Clients that others have written, or as they write them: what they send and how they read must go on working.
//!
//! The programs are in `tests/clients`. Python is required; a client whose language is not installed is left out.

mod common;

use common::{Connector, DEADLINE, FetchTask, Site};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

fn connector(site: &Site) -> Connector {
    Connector::with(FetchTask::named("docs").set("Url", site.url("/")))
}

fn site() -> Site {
    Site::new().page("/", "<a href=/a>a</a><a href=/b>b</a>").page("/a", "").page("/b", "")
}

/// What the client prints; `None` if nothing runs it here.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    if !Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("{program} is not installed: its client is left out");
        return None;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    Some(String::from_utf8(output.stdout).expect("it prints UTF-8"))
}

#[test]
fn a_monitor_in_python_follows_a_fetch_and_polls_from_32_threads() {
    let site = site();
    let connector = connector(&site);
    let said = run("python3", &["monitor.py", &connector.aci().to_string(), "32", "100"]).expect("python3 is required");
    let seen: Value = serde_json::from_str(&said).expect("it prints JSON");
    assert_eq!(seen["ended"]["status"], "Finished", "{seen}");
    let [counts] = &seen["ended"]["counts"].as_array().expect("a list")[..] else { panic!("{seen}") };
    assert_eq!((&counts["task"], &counts["seen"], &counts["errors"]), (&json!("DOCS"), &json!("3"), &json!("0")));
    assert_eq!(seen["polled"], 3_200);
    let fields = ["errorid", "rawerrorid", "errorstring", "errordescription", "errorcode", "errortime"];
    assert_eq!(seen["error"], json!(fields));
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_reader_in_javascript_finds_its_paths() {
    let site = site();
    let connector = connector(&site);
    let Some(said) = run("node", &["reader.js", &connector.aci().to_string()]) else { return };
    let expected = json!({
        "status": "Finished", "counts": [["DOCS", "3"]], "response": "ERROR", "error": "ERRORPARAMINVALID"
    });
    assert_eq!(serde_json::from_str::<Value>(&said).ok(), Some(expected), "{said}");
}

#[test]
fn a_client_in_java_sends_and_reads_as_the_library_does() {
    let site = site();
    let connector = connector(&site);
    let Some(said) = run("java", &["Client.java", &connector.aci().to_string()]) else { return };
    let lines: Vec<&str> = said.lines().collect();
    let error = "error ERROR WEBCONNECTORQUEUEINFO525 0x20D ERRORPARAMINVALID true";
    assert_eq!(lines, ["status Finished", "multipart SUCCESS", "version true", error]);
    // The value arrived as it was meant.
    assert!(
        site.requests()
            .iter()
            .any(|request| request.header("User-Agent").is_some_and(|agent| agent.starts_with("a b+")))
    );
}

#[test]
fn thirty_two_clients_with_hundreds_of_requests_each_get_their_own_answers() {
    const CLIENTS: usize = 32;
    const REQUESTS: usize = 300;
    let site = site();
    let connector = connector(&site);
    let token = connector.run("docs").text("token").to_owned();
    let (address, token) = (connector.aci(), token.as_str());
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || poll_by_turns(address, client, REQUESTS, token))).collect();
        for client in clients {
            client.join().expect("no client panicked").expect("every request is answered");
        }
    });
    assert_eq!(connector.queue(), [token]);
}

/// Sends requests of several kinds over one connection, some ahead of their answers, and checks whose answers come.
fn poll_by_turns(address: SocketAddr, client: usize, requests: usize, token: &str) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(DEADLINE))?;
    let body = format!("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Token={}", common::encode(token));
    for number in (0..requests).step_by(3) {
        let own = format!("Own{client}x{number}");
        let ahead = format!(
            "GET /action={own} HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{body}GET /action={own}&ResponseFormat=simplejson HTTP/1.1\r\nHost: h\r\n\r\n",
            body.len()
        );
        connection.write_all(ahead.as_bytes())?;
        let own = own.to_ascii_uppercase();
        for expected in
            [format!("<action>{own}</action>"), format!("<token>{token}</token>"), format!("\"action\":\"{own}\"")]
        {
            let answer = read_answer(&mut connection)?;
            assert!(answer.contains(&expected), "{expected} in {answer}");
        }
    }
    Ok(())
}

/// One answer: its head, and the body that its length says.
fn read_answer(connection: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| std::io::Error::other(head))?];
    connection.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
