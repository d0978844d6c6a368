//! What strangers do: each attack as data, performed by `crowd`.

#![allow(unreachable_pub, reason = "a module of a test")]

use crate::common::{Response, encode};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

pub struct Attack {
    pub name: &'static str,
    /// Connections at the same time. One that the server ends is opened again.
    pub connections: usize,
    /// What a new connection sends; the connections take turns.
    pub openings: Vec<Vec<u8>>,
    pub then: Then,
}

/// What a connection does after its opening.
pub enum Then {
    /// It waits for nothing.
    Hold,
    /// It sends this again and again, slowly.
    Drip(&'static [u8]),
    /// It sends its opening again as fast as it can, and reads nothing.
    Flood,
    /// It takes a byte of the reply now and then.
    Sip,
    /// It reads the reply and sends the opening again.
    Ask,
    /// It closes, whatever there is to read: a reset, most of the time.
    Close,
    /// It sends no more, and reads to the end: exactly one reply.
    OneReply,
}

const ASK: &str = "GET /action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn idle(name: &'static str, connections: usize) -> Attack {
    Attack { name, connections, openings: vec![Vec::new()], then: Then::Hold }
}

/// Fills the queue with actions that have large parameters, as far as it takes them. Returns their tokens.
pub fn submit_large(address: SocketAddr) -> Vec<String> {
    let config = format!("[docs]\nDepth=1\n//{}", "x".repeat(6 << 20));
    let body = format!("Config={}", encode(&BASE64_STANDARD.encode(config)));
    let request = post(
        "/action=Fetch&FetchAction=Synchronize&TaskSections=docs&Priority=-1",
        "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        body.as_bytes(),
    );
    let submit = || {
        let answer = Response::to(address, &request).expect("the server answers").envelope();
        answer.find("token").map(|token| token.own_text().to_owned())
    };
    let tokens: Vec<_> = std::iter::from_fn(submit).collect();
    assert!((2..20).contains(&tokens.len()), "{tokens:?}");
    tokens
}

/// Every attack. `crowd` is the size of those that are many; `large` the token of an action with large parameters.
pub fn all(crowd: usize, large: &str) -> Vec<Attack> {
    let parameters =
        format!("/action=QueueInfo&QueueName=Fetch&QueueAction=GetActionParameters&Token={}", encode(large));
    let read_large = get(&parameters);
    let head_of = |bytes: usize| format!("GET /action=GetPid&x={}", "a".repeat(bytes)).into_bytes();
    let body_of = |length: usize, sent: usize| {
        let mut request = format!("POST /a=GetPid HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        request.resize(request.len() + sent, b'a');
        request
    };
    let chunked = b"POST /a=GetPid HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let with = |name, connections, openings, then| Attack { name, connections, openings, then };
    vec![
        idle("nobody", 0),
        idle("idle connections", crowd),
        with("new connections, closed at once", 64, vec![Vec::new()], Then::Close),
        with("new connections, reset within a request", 64, vec![head_of(10), body_of(9, 1), ASK.into()], Then::Close),
        with("half-closed connections", 64, vec![ASK.into()], Then::OneReply),
        with("slow request lines", crowd, vec![head_of(10)], Then::Drip(b"a")),
        with("slow headers", crowd, vec![b"GET /a=GetPid HTTP/1.1\r\n".to_vec()], Then::Drip(b"A: b\r\n")),
        with("heads of 120 KB without an end", crowd, vec![head_of(120 << 10)], Then::Hold),
        with("slow bodies", crowd, vec![body_of(1 << 20, 1)], Then::Drip(b"a")),
        with("slow chunks", crowd, vec![chunked], Then::Drip(b"1\r\na\r\n")),
        with("bodies of 9 MB without an end", 32, vec![body_of(10 << 20, 9 << 20)], Then::Hold),
        with("slow readers of large replies", 64, vec![read_large], Then::Sip),
        with("requests ahead, replies unread", 64, vec![ASK.repeat(100).into()], Then::Flood),
        with("requests as fast as they are answered", 64, vec![ASK.into()], Then::Ask),
        with("costly parameters", 8, costly(), Then::Ask),
        with("smuggled requests", 16, smuggled(), Then::OneReply),
        with("other protocols", 16, foreign(), Then::OneReply),
        with("NUL, control and non-ASCII bytes", 16, odd_bytes(), Then::OneReply),
        with("everything too large", 16, oversized(), Then::OneReply),
    ]
}

/// Those that need no certain action, on a port that speaks plain HTTP.
pub fn of_any_port(crowd: usize) -> Vec<Attack> {
    let body = b"POST /a=GetPid HTTP/1.1\r\nContent-Length: 1000000\r\n\r\na".to_vec();
    let with = |name, connections, openings, then| Attack { name, connections, openings, then };
    vec![
        idle("service: idle connections", crowd),
        with("service: new connections, closed at once", 64, vec![Vec::new()], Then::Close),
        with("service: slow request lines", crowd, vec![b"GET /a".to_vec()], Then::Drip(b"a")),
        with("service: slow bodies", crowd, vec![body], Then::Drip(b"a")),
        with("service: requests as fast as they are answered", 64, vec![get("/action=GetStatus")], Then::Ask),
    ]
}

/// What strangers can do on a port that speaks TLS before it is agreed. `hello` is a client's first message.
pub fn before_tls(crowd: usize, hello: &[u8]) -> Vec<Attack> {
    let with = |name, connections, openings, then| Attack { name, connections, openings, then };
    let half = hello[..hello.len() / 2].to_vec();
    vec![
        idle("TLS: idle connections", crowd),
        with("TLS: new connections, closed at once", 64, vec![Vec::new(), half.clone(), hello.to_vec()], Then::Close),
        with("TLS: half a hello", crowd, vec![half], Then::Hold),
        with("TLS: slow hellos", crowd, vec![hello[..6].to_vec()], Then::Drip(&[0])),
        with("TLS: hellos without an end", 64, vec![hello.to_vec()], Then::Hold),
        with("TLS: plain requests", 16, vec![ASK.into()], Then::OneReply),
    ]
}

/// A client's first message, as rustls sends it.
pub fn hello() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut bytes = Vec::new();
    ClientConnection::new(Arc::new(config), "localhost".try_into()?)?.write_tls(&mut bytes)?;
    Ok(bytes)
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {target} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// Sound requests that take as much work as their size allows.
fn costly() -> Vec<Vec<u8>> {
    const MB: usize = 1 << 20;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let multipart = "Content-Type: multipart/form-data; boundary=x\r\n";
    let part = "\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let state = format!("State={}", "queued,".repeat(15_000));
    let wildcard = format!("/action=TaskList&MatchName={}b", "*a".repeat(30_000));
    let identifiers = format!("Identifiers={}", "PGlkIHM9,".repeat(MB / 2));
    vec![
        post("/action=GetPid", form, "&".repeat(9 * MB).as_bytes()),
        post("/action=GetPid", form, "a&".repeat(4 * MB).as_bytes()),
        post("/action=GetPid", form, ("a=".to_owned() + &"%41".repeat(3 * MB)).as_bytes()),
        post("/action=GetPid", "", "\r\n".repeat(4 * MB).as_bytes()),
        post("/action=GetPid", multipart, part.repeat(9 * MB / part.len()).as_bytes()),
        post("/action=GetPid", multipart, "\r\n--".repeat(2 * MB).as_bytes()),
        post("/action=Fetch&FetchAction=Synchronize&TaskSections=docs", form, config(MB).as_bytes()),
        post("/action=Fetch&FetchAction=Collect", form, identifiers.as_bytes()),
        post("/action=GetUri", form, identifiers.as_bytes()),
        get(&format!("/action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&{state}")),
        get(&wildcard),
    ]
}

/// A configuration of many sections that names a task that is not there.
fn config(bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let _ = writeln!(text, "[{0}]\n{0}={0}", text.len());
    }
    text.push_str("[docs]\nDepth=deep\n");
    format!("Config={}", encode(&BASE64_STANDARD.encode(text)))
}

/// Requests of which two readers could see different ends. What follows must never be taken for a request.
fn smuggled() -> Vec<Vec<u8>> {
    let heads = [
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Content-Length: 0, 44\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length : 0\r\n",
        "Content-Length:\r\n 0\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\0\r\nContent-Length: 0\r\n",
        "Host: a\r\nHost: b\r\n",
    ];
    let within = "0\r\n\r\nGET /action=GetPid HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut requests: Vec<_> =
        heads.iter().map(|head| format!("POST /a=GetPid HTTP/1.1\r\n{head}\r\n{within}").into_bytes()).collect();
    for chunks in
        ["0\n\n", "0 \r\n\r\n", "0x0\r\n\r\n", "-0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "\r\n\r\n", "1\nA\n0\n\n"]
    {
        let head = "POST /a=GetPid HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        requests.push(format!("{head}{chunks}GET /action=GetPid HTTP/1.1\r\n\r\n").into_bytes());
    }
    requests
        .push(b"GET /a=GetPid HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n".to_vec());
    requests.push(b"GET /a=GetPid HTTP/1.1\nHost: h\n\nGET / HTTP/1.1\n\n".to_vec());
    requests.push(b"GET /a=GetPid HTTP/1.1\r\nA: b\r\n c\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec());
    requests
}

fn foreign() -> Vec<Vec<u8>> {
    // A TLS 1.2 record with the start of a client hello, SSH, HTTP/2 with its settings, SOCKS, SMTP, Redis, PROXY.
    vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"\x05\x01\x00".to_vec(),
        b"EHLO me\r\nMAIL FROM:<a@b>\r\n".to_vec(),
        b"*1\r\n$4\r\nPING\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /a=GetPid HTTP/1.1\r\n\r\n".to_vec(),
        b"GET /\r\n".to_vec(),
        b"GET / HTTP/3.0\r\n\r\n".to_vec(),
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n".to_vec(),
        b"TRACE / HTTP/1.1\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

/// Each byte that no client sends, at each place of a request.
fn odd_bytes() -> Vec<Vec<u8>> {
    let places = [
        "G?T / HTTP/1.1\r\n\r\n",
        "GET /a=?&b=? HTTP/1.1\r\n\r\n",
        "GET / HTTP/?.1\r\n\r\n",
        "?GET / HTTP/1.1\r\n\r\n",
    ];
    let headers = ["A?: b", "A: ?", "Content-Type: ?", "Content-Length: ?", "Host: ?", "Connection: ?", "Expect: ?"];
    let mut forms: Vec<String> = places.map(str::to_owned).into();
    forms.extend(headers.map(|header| format!("GET /a=GetPid HTTP/1.1\r\n{header}\r\n\r\n")));
    forms.push("POST /a=GetPid HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1?\r\na\r\n0\r\n\r\n".to_owned());
    forms.push("POST /a=?&b=? HTTP/1.1\r\nContent-Length: 3\r\n\r\n?=?".to_owned());
    let fill = |form: &String, odd: u8| form.bytes().map(|byte| if byte == b'?' { odd } else { byte }).collect();
    let odd = [0, 1, 8, 0x0b, 0x0c, 0x1b, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
    forms.iter().flat_map(|form| odd.map(|odd| fill(form, odd))).collect()
}

fn oversized() -> Vec<Vec<u8>> {
    let large = "a".repeat(200 << 10);
    let headers = "A: b\r\n".repeat(1000);
    let chunk = "fffffffffffffff";
    vec![
        get(&format!("/{large}")),
        format!("{large} / HTTP/1.1\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nA: {large}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\n{large}: a\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\n{headers}\r\n").into_bytes(),
        "POST / HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n".into(),
        format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", "9".repeat(1000)).into_bytes(),
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\r\na").into_bytes(),
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}1\r\na", "0".repeat(1000)).into_bytes(),
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{large}\r\na").into_bytes(),
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: {large}\r\n\r\n").into_bytes(),
    ]
}
