//! The limits of the wire that an administrator sets, and what the log tells of requests.

mod common;

use common::{Connector, Response, Setup, poll};

/// A refusal in plain text names the parameter that sets the limit.
#[test]
fn refusals_name_the_parameter_that_sets_the_limit() {
    let setup = Setup::new().set("Server", "MaxFileUploadSize", "2000").set("Server", "MaxInputString", "1024");
    let connector = setup.start();
    let told = |request: String| {
        let answer = Response::to(connector.aci(), request.as_bytes()).expect("it answers");
        (answer.status, answer.body)
    };
    let head = |target: &str, length: usize| {
        format!("POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
    };
    let (status, body) = told(head("/action=GetPid", 2001));
    assert_eq!(status, 413);
    assert!(body.contains("2000 bytes") && body.contains("[Server] MaxFileUploadSize"), "{body}");
    let (status, body) = told(head(&format!("/action=GetPid&x={}", "y".repeat(1024)), 0));
    assert_eq!(status, 431);
    assert!(body.contains("1024 bytes") && body.contains("[Server] MaxInputString"), "{body}");
    let fits = format!("{}{}", head("/action=GetPid", 2000), "x".repeat(2000));
    assert_eq!(told(fits).0, 200);
}

#[test]
fn requests_are_timed_in_the_log_on_request() {
    let connector = Setup::new().set("Server", "LogRequestTiming", "TRUE").start();
    connector.ok("action=GetVersion");
    connector.error("action=Wobble");
    let log = poll("both lines", || {
        let log = connector.log("application");
        (log.contains("GETVERSION from 127.0.0.1: success in ") && log.contains("WOBBLE from 127.0.0.1: error in "))
            .then_some(log)
    });
    assert!(log.contains(" ms\n"), "{log}");
    let silent = Connector::bare();
    silent.ok("action=GetVersion");
    assert!(!silent.log("application").contains("GETVERSION from"));
}
