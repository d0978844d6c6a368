//! Every form in which a request may come, sent by the real curl (aci.md 1.1, 1.2, 1.4).

mod common;

use common::{Connector, FetchTask, encode};
use std::fs;
use std::process::Command;

/// What curl prints: the body, then a line with what it was told to write.
struct Answer {
    body: String,
    written: Vec<String>,
}

/// Runs curl with `H` in each argument for where actions go; `written` are names for its `--write-out`.
fn curl(connector: &Connector, arguments: &[&str], written: &[&str]) -> Answer {
    let address = format!("http://{}", connector.aci());
    let format: Vec<String> = written.iter().map(|name| format!("%{{{name}}}")).collect();
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--globoff", "--max-time", "60", "--write-out"]);
    command.arg(format!("\n{}", format.join(" "))).current_dir(connector.folder());
    command.args(arguments.iter().map(|argument| argument.replace("H/", &format!("{address}/"))));
    let output = command.output().expect("curl can be started");
    let said = String::from_utf8(output.stdout).expect("answers are UTF-8");
    assert!(output.status.success(), "{arguments:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    let (body, last) = said.rsplit_once('\n').expect("curl wrote a line of its own");
    Answer { body: body.to_owned(), written: last.split(' ').map(str::to_owned).collect() }
}

/// A connector that keeps what is submitted, so that it can be asked what it has understood.
fn paused() -> Connector {
    let connector = Connector::with(FetchTask::named("docs").set("Url", "http://127.0.0.1:1/"));
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Pause");
    connector
}

/// The value of `UserAgent` in the action whose token is answered.
fn understood(connector: &Connector, body: &str) -> String {
    let envelope = common::Xml::parse(body);
    assert_eq!(envelope.text("response"), "SUCCESS", "{body}");
    let told = connector.ok(&Connector::queue_info("GetActionParameters", envelope.text("token")));
    let parameter = told.all("parameter").into_iter().rev().find(|each| each.attr("name") == Some("UserAgent"));
    parameter.unwrap_or_else(|| panic!("no UserAgent in {told:?}")).own_text().to_owned()
}

#[test]
fn curl_is_understood_in_every_form_that_it_can_send() {
    const VALUE: &str = "a b+ü%&=/?#100%";
    let connector = paused();
    let write = |name: &str, bytes: &[u8]| fs::write(connector.folder().join(name), bytes).expect("a writable disk");
    let encoded = encode(VALUE);
    write("value", VALUE.as_bytes());
    write("latin1", "a b+\u{fc}%&=/?#100%".chars().map(|c| c as u8).collect::<Vec<u8>>().as_slice());
    let query = format!("FetchAction=Synchronize&TaskSections=docs&UserAgent={encoded}");
    write("pairs", format!("action=Fetch&{query}\r\n").as_bytes());
    write("lines", format!("action=Fetch\r\n{}\r\n", query.replace('&', "\r\n")).as_bytes());
    let path = format!("H/action=Fetch&{query}");
    let [slash, short, stray] = [
        format!("H/?action=Fetch&{query}"),
        format!("H/a=fetch&{query}"),
        format!("H/action=Fetch&&{}&&", query.replace('&', "&&")),
    ];
    let fetch = "H/action=Fetch&FetchAction=Synchronize&TaskSections=docs";
    let named = format!("UserAgent={VALUE}");
    let pairs = format!("action=Fetch&{query}");
    let forms: [&[&str]; 26] = [
        &[&path],
        &[&slash],
        &[&short],
        &[&stray],
        &["--get", "H/", "-d", "action=Fetch", "-d", "FetchAction=Synchronize", "--data-urlencode", &named],
        &["H/", "-d", "action=Fetch", "-d", "FetchAction=Synchronize", "--data-urlencode", &named],
        // The action in the URL, in both ways, and the rest in the body.
        &[fetch, "--data-urlencode", &named],
        &["H/?action=Fetch&FetchAction=Synchronize", "--data-urlencode", &named],
        &["H/", "-d", "FetchAction=Synchronize", "-d", "action=Fetch", "--data-urlencode", &named],
        &["H/", "--data-binary", "@pairs"],
        &["H/", "--data-binary", "@pairs", "-H", "Content-Type: text/plain; charset=ISO-8859-1"],
        &["H/", "--data-binary", "@pairs", "-H", "Content-Type:"],
        &["H/", "--data-binary", "@lines", "-H", "Content-Type: text/plain"],
        &["H/", "--data-binary", "@lines", "-H", "Content-Type:"],
        &["H/", "--data-binary", "@pairs", "-H", "Transfer-Encoding: chunked"],
        &["H/", "--data-binary", "@pairs", "-H", "Expect: 100-continue"],
        &["H/", "--data-binary", "@pairs", "--http1.0"],
        &["-X", "POST", &path],
        &[fetch, "--form-string", &named],
        &["H/", "-F", "action=Fetch", "-F", "FetchAction=Synchronize", "--form-string", &named],
        &[fetch, "-F", "UserAgent=<value"],
        &[fetch, "-F", "UserAgent=@value"],
        &[fetch, "-F", "UserAgent=@value;type=application/octet-stream;filename=\"a;b.txt\""],
        &[fetch, "-F", "UserAgent=<latin1;type=text/plain;charset=ISO-8859-1"],
        &[fetch, "-F", "UserAgent=<latin1;type=text/plain;charset=windows-1252", "-H", "Transfer-Encoding: chunked"],
        &["H/", "-d", &pairs, "--compressed", "-A", "a browser"],
    ];
    for form in forms {
        let answer = curl(&connector, form, &["http_code", "content_type"]);
        assert_eq!(answer.written, ["200", "text/xml;", "charset=utf-8"], "{form:?}");
        assert_eq!(understood(&connector, &answer.body), VALUE, "{form:?}");
    }
    assert_eq!(connector.queue().len(), forms.len());
}

#[test]
fn what_is_written_sloppily_is_read_as_it_is_meant() {
    let connector = paused();
    // The request target exactly as it is written, and what becomes of the value.
    for (value, expected) in [
        ("a b c", "a b c"),
        ("a+b%20c", "a b c"),
        ("a%2Bb", "a+b"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("%C3%BC", "ü"),
        ("ü", "ü"),
        ("%FC", "\u{FFFD}"),
        ("a=b==", "a=b=="),
        ("http://h/?q=1", "http://h/?q=1"),
        ("first&UserAgent=second&useragent=last", "last"),
        ("\"quoted\"", "\"quoted\""),
        ("a;b", "a;b"),
    ] {
        let target = format!("/action=Fetch&FetchAction=Synchronize&TaskSections=docs&UserAgent={value}");
        let answer = curl(&connector, &["H/", "--request-target", &target], &["http_code"]);
        assert_eq!(answer.written, ["200"], "{value}");
        let envelope = common::Xml::parse(&answer.body);
        let told = connector.ok(&Connector::queue_info("GetActionParameters", envelope.text("token")));
        let is_it = |name: Option<&str>| name.is_some_and(|name| name.eq_ignore_ascii_case("UserAgent"));
        let last = told.all("parameter").into_iter().rev().find(|each| is_it(each.attr("name")));
        assert_eq!(last.map(common::Xml::own_text), Some(expected), "{value}");
    }
    // The last one counts, in the URL and in the body after it.
    let list = "H/action=QueueInfo&QueueName=Fetch&QueueAction=Sing&QueueAction=GetStatus&MaxResults=5&maxresults=1";
    let count = |arguments: &[&str]| curl(&connector, arguments, &[]).body.matches("</token>").count();
    assert_eq!(count(&[list]), 1);
    assert_eq!(count(&[list, "-d", "MAXRESULTS=3"]), 3);
    assert_eq!(count(&[list, "-F", "MaxResults=2"]), 2);
}

#[test]
fn curl_reads_heads_and_reuses_its_connection() {
    let connector = Connector::bare();
    let get = curl(&connector, &["H/action=GetPid"], &["size_download", "http_code"]);
    let head = curl(&connector, &["--head", "H/action=GetPid"], &["http_code"]);
    assert_eq!(head.written, ["200"]);
    let length = format!("content-length: {}", get.written[0]);
    assert!(head.body.to_ascii_lowercase().contains(&length), "{} as {}", head.body, get.written[0]);

    // Six requests, one after the other: one connection for all of them.
    let urls = vec!["H/a=getpid"; 6];
    let answer = curl(&connector, &urls, &["num_connects"]);
    assert_eq!(answer.body.matches("</autnresponse>").count(), 6);
    // What is written after an answer begins the line on which the next one stands.
    let said = format!("{}\n{}", answer.body, answer.written.concat());
    let connects: u32 = said.lines().filter_map(|line| line.chars().next()?.to_digit(10)).sum();
    assert_eq!(connects, 1, "{}", answer.body);
    // Every other method says which there are.
    let other = curl(&connector, &["-X", "DELETE", "-i", "H/a=getpid"], &["http_code"]);
    assert_eq!(other.written, ["405"]);
    assert!(other.body.contains("Allow: GET, HEAD, POST"), "{}", other.body);
}

#[test]
fn a_large_body_is_sent_after_100_continue_and_one_too_large_is_refused() {
    let connector = paused();
    let write = |name: &str, text: &str| fs::write(connector.folder().join(name), text).expect("a writable disk");
    // Beyond a megabyte curl waits for the server's word by itself.
    write("large", &"x".repeat(3 << 20));
    let fetch = "H/action=Fetch&FetchAction=Synchronize&TaskSections=docs";
    for form in [&[fetch, "-F", "UserAgent=<large"][..], &[fetch, "--data-urlencode", "UserAgent@large"]] {
        let answer = curl(&connector, form, &["http_code"]);
        assert_eq!((answer.written[0].as_str(), understood(&connector, &answer.body).len()), ("200", 3 << 20));
    }
    write("endless", &"x".repeat(11 << 20));
    let address = format!("http://{}/action=GetPid", connector.aci());
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}", "-F", "x=@endless", &address])
        .current_dir(connector.folder())
        .output()
        .expect("curl can be started");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "413", "{output:?}");
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
}

#[test]
fn the_commands_that_manuals_print_work_as_printed() {
    let connector = Connector::bare();
    let simple = curl(&connector, &["H/a=getversion", "-F", "responseformat=simplejson"], &["content_type"]);
    assert_eq!(simple.written[0], "application/json;");
    let json: serde_json::Value = serde_json::from_str(&simple.body).expect("it is JSON");
    assert!(json["autnresponse"]["responsedata"]["version"].is_string(), "{json}");
    let queue = ["H/", "-d", "action=queueinfo&queuename=fetch&queueaction=getstatus&responseformat=json"];
    let json: serde_json::Value = serde_json::from_str(&curl(&connector, &queue, &[]).body).expect("it is JSON");
    assert_eq!(json["autnresponse"]["responsedata"]["actions"], serde_json::json!({}));
}
