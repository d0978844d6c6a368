//! The wire as a client meets it: real sockets, a handler that the test controls.

use super::*;
use crossbeam_channel::{Sender, bounded};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Long enough to be an error if it passes.
const NEVER: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

fn settings() -> Settings {
    Settings { host: "127.0.0.1".to_owned(), port: 0, dispatchers: 2, ..Settings::default() }
}

/// Answers what the request was and who sent it; `GetStatus` is large, `GetVersion` panics.
fn echo() -> Handler {
    Arc::new(|request, caller| echoed(request, caller).into())
}

fn echoed(request: Request, caller: &Caller) -> Reply {
    match request {
        Request::GetPid => Reply::success(
            "getpid",
            vec![
                Element::value("peer", caller.peer),
                Element::text("id", caller.action_id.clone().unwrap_or_default()),
            ],
        ),
        Request::GetStatus => Reply::success("getstatus", vec![Element::text("big", "x".repeat(8 << 20))]),
        Request::GetVersion => panic!("the test asked for it"),
        Request::Fetch(fetch) => Reply::success("fetch", vec![Element::text("params", fetch.params.to_form())]),
        other => Reply::success("other", vec![Element::text("request", format!("{other:?}"))]),
    }
}

fn open(settings: Settings) -> Result<Listening, ListenError> {
    bind(settings)?.listen(ACI_ACTIONS, &echo())
}

/// A client that sees every byte.
struct Client(TcpStream);

impl Client {
    fn of(port: &Listening) -> io::Result<Client> {
        let stream = TcpStream::connect(port.address())?;
        stream.set_read_timeout(Some(NEVER))?;
        stream.set_write_timeout(Some(NEVER))?;
        Ok(Client(stream))
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref())
    }

    fn line(&mut self) -> io::Result<String> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\r\n") {
            self.0.read_exact(&mut byte)?;
            line.extend_from_slice(&byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn head(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() => return Ok(lines),
                line => lines.push(line),
            }
        }
    }

    /// One response: its status line and its body.
    fn response(&mut self) -> io::Result<(String, String)> {
        let head = self.head()?;
        let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.0.read_exact(&mut body)?;
        Ok((head[0].clone(), String::from_utf8_lossy(&body).into_owned()))
    }

    fn ask(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<(String, String)> {
        self.send(bytes)?;
        self.response()
    }

    /// What arrives until the server ends the connection.
    fn rest(&mut self) -> io::Result<String> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest)?;
        Ok(String::from_utf8_lossy(&rest).into_owned())
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn one_connection_serves_many_requests_of_every_form() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    let params = "<params>FetchAction=Synchronize&amp;Url=a+b%C3%BC</params>";
    let with_body = |kind: &str, target: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let requests = [
        get("/action=Fetch&FetchAction=Synchronize&Url=a%20b%C3%BC"),
        get("/?a=fetch&&FetchAction=Synchronize&Url=a+bü"),
        get("/action=Fetch&FetchAction=Synchronize&Url=a bü"),
        get("http://elsewhere/action=Fetch&FetchAction=Synchronize&Url=a bü"),
        with_body("", "/", "action=Fetch&FetchAction=Synchronize&Url=a+b%C3%BC"),
        with_body(
            "Content-Type: text/plain; charset=ISO-8859-1\r\n",
            "/?action=Fetch",
            "FetchAction=Synchronize&Url=a+bü",
        ),
        with_body(
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "/a=Fetch&FetchAction=Synchronize",
            "Url=a+bü",
        ),
        with_body(
            "Content-Type: multipart/form-data; boundary=x\r\n",
            "/a=Fetch&FetchAction=Synchronize",
            "--x\r\nContent-Disposition: form-data; name=\"Url\"\r\n\r\na bü\r\n--x--\r\n",
        ),
        "POST /a=Fetch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         6\r\nFetchA\r\n1D;x=y\r\nction=Synchronize&Url=a%20b%C\r\n4\r\n3%BC\r\n0\r\nA: b\r\n\r\n"
            .to_owned(),
    ];
    for request in requests {
        let (status, body) = client.ask(&request)?;
        assert_eq!(status, "HTTP/1.1 200 OK", "{request}");
        assert!(body.contains(params), "{request}: {body}");
    }
    Ok(())
}

#[test]
fn a_reply_says_its_type_and_length_and_knows_its_caller() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    // A client cannot name another peer.
    client.send("GET /a=GetPid&ActionID=me HTTP/1.1\r\nWebconnector-Peer: 192.0.2.1\r\n\r\n")?;
    let head = client.head()?;
    assert!(head.contains(&"Content-Type: text/xml; charset=utf-8".to_owned()), "{head:?}");
    assert!(!head.iter().any(|line| line.starts_with("Transfer-Encoding")), "{head:?}");
    let mut client = Client::of(&port)?;
    let (_, body) = client.ask(get("/a=GetPid&ActionID=me"))?;
    assert!(body.contains("<peer>127.0.0.1</peer><id>me</id>"), "{body}");

    client.send("HEAD /a=GetPid HTTP/1.1\r\n\r\n")?;
    let head = client.head()?;
    assert_eq!(head[0], "HTTP/1.1 200 OK");
    // Nothing follows a head without a body but the next answer.
    assert_eq!(client.ask(get("/a=GetPid&responseformat=json"))?.0, "HTTP/1.1 200 OK");
    Ok(())
}

#[test]
fn errors_of_the_protocol_are_http_200_with_an_envelope() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    let (status, body) = client.ask(get("/action=wobble"))?;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for part in [
        "<action>WOBBLE</action><response>ERROR</response><responsedata><error>",
        "<errorid>WEBCONNECTORWOBBLE1</errorid><rawerrorid>0x1</rawerrorid><errorstring>ERROR</errorstring>",
        "<errorcode>ERRORNOTIMPLEMENTED</errorcode>",
    ] {
        assert!(body.contains(part), "{body}");
    }
    let (_, body) =
        client.ask("POST /a=fetch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")?;
    assert!(body.contains("\"application/json\" is not supported"), "{body}");
    Ok(())
}

#[test]
fn a_panic_ends_one_request_and_not_its_thread() -> Outcome {
    let port = open(Settings { dispatchers: 1, ..settings() })?;
    let mut client = Client::of(&port)?;
    for _ in 0..3 {
        let (status, body) = client.ask(get("/a=GetVersion"))?;
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(body.contains("<errorcode>ERRORINTERNAL</errorcode>"), "{body}");
    }
    assert!(client.ask(get("/a=GetPid"))?.1.contains("SUCCESS"));
    Ok(())
}

#[test]
fn requests_sent_ahead_are_answered_in_order() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    let ahead: String = (0..200).map(|number| get(&format!("/a=GetPid&ActionID={number}"))).collect();
    client.send(ahead)?;
    for number in 0..200 {
        assert!(client.response()?.1.contains(&format!("<id>{number}</id>")));
    }
    Ok(())
}

#[test]
fn old_clients_are_answered_and_let_go() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    client.send("GET /a=GetPid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")?;
    assert!(client.head()?.contains(&"Connection: keep-alive".to_owned()));

    for head in ["HTTP/1.0\r\n", "HTTP/1.1\r\nConnection: close\r\n"] {
        let mut client = Client::of(&port)?;
        client.send(format!("GET /a=GetPid {head}\r\n"))?;
        let rest = client.rest()?;
        assert!(rest.contains("\r\nConnection: close\r\n") && rest.ends_with("</autnresponse>"), "{rest}");
    }
    let mut client = Client::of(&port)?;
    client.send(get("/a=GetPid"))?;
    client.0.shutdown(Shutdown::Write)?;
    assert!(client.rest()?.ends_with("</autnresponse>"));
    Ok(())
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on() -> Outcome {
    let port = open(settings())?;
    let mut client = Client::of(&port)?;
    let head = "POST /a=fetch&fetchaction=insert HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.send(head)?;
    assert_eq!(client.head()?, ["HTTP/1.1 100 Continue"]);
    assert!(client.ask("b=1")?.1.contains("<params>fetchaction=insert&amp;b=1</params>"));
    // Who does not wait is not told.
    assert_eq!(client.ask(format!("{head}b=1"))?.0, "HTTP/1.1 200 OK");
    Ok(())
}

#[test]
fn what_is_no_sound_request_is_refused_and_the_connection_ended() -> Outcome {
    let port = open(Settings { head_bytes_max: 4096, body_bytes_max: 1000, ..settings() })?;
    let long = "a".repeat(5000);
    let table = [
        ("GET /a=GetPid HTTP/1.1\nHost: h\n\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), "400"),
        ("GET /\0 HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("G@T / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400"),
        ("GET /\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), "400"),
        (get(&format!("/{long}")), "431"),
        (format!("GET / HTTP/1.1\r\nA: {long}"), "431"),
        ("DELETE / HTTP/1.1\r\n\r\n".to_owned(), "405"),
        ("POST / HTTP/1.1\r\nExpect: more\r\n\r\n".to_owned(), "417"),
        ("POST / HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n".to_owned(), "413"),
        (format!("POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n{long}"), "413"),
        ("POST / HTTP/1.1\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n".to_owned(), "413"),
        (format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}"), "413"),
    ];
    for (request, status) in table {
        let mut client = Client::of(&port)?;
        client.send(&request)?;
        client.0.shutdown(Shutdown::Write)?;
        let rest = client.rest()?;
        assert!(rest.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {rest}");
        assert!(rest.contains("\r\nConnection: close\r\n") && rest.ends_with('\n'), "{request:?}: {rest}");
    }
    assert!(Client::of(&port)?.ask(get("/a=GetPid"))?.1.contains("SUCCESS"));
    Ok(())
}

#[test]
fn slow_requests_are_refused_and_silence_is_ended() -> Outcome {
    let port = open(Settings { head_deadline: SHORT, body_deadline: SHORT, idle_deadline: SHORT, ..settings() })?;
    for part in [
        "GET /a=GetPid HT",
        "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na=",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na",
    ] {
        let mut client = Client::of(&port)?;
        client.send(part)?;
        assert_eq!(client.response()?.0, "HTTP/1.1 408 Request Timeout", "{part:?}");
    }
    assert_eq!(Client::of(&port)?.rest()?, "");
    let mut client = Client::of(&port)?;
    client.ask(get("/a=GetPid"))?;
    assert_eq!(client.rest()?, "");
    Ok(())
}

#[test]
fn a_head_has_one_deadline_however_it_drips() -> Outcome {
    let port = open(Settings { head_deadline: SHORT, head_bytes_max: usize::MAX, ..settings() })?;
    let mut client = Client::of(&port)?;
    // Something arrives all the time; the answer has to come although it never ends.
    let mut drip = Client(client.0.try_clone()?);
    let dripper = std::thread::spawn(move || while drip.send("a").is_ok() {});
    assert_eq!(client.response()?.0, "HTTP/1.1 408 Request Timeout");
    drop(client);
    drop(port);
    assert!(dripper.join().is_ok());
    Ok(())
}

#[test]
fn slow_clients_hold_no_dispatcher() -> Outcome {
    let port = open(Settings { dispatchers: 1, ..settings() })?;
    let mut slow = Vec::new();
    for part in ["GET /a=Get", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na=", &get("/a=GetStatus")] {
        for _ in 0..4 {
            let mut client = Client::of(&port)?;
            client.send(part)?;
            slow.push(client);
        }
    }
    assert!(Client::of(&port)?.ask(get("/a=GetPid"))?.1.contains("SUCCESS"));
    // Whoever reads late still gets everything.
    let reader = slow.last_mut().ok_or("there are slow clients")?;
    let (_, body) = reader.response()?;
    assert!(body.len() > 8 << 20 && body.ends_with("</autnresponse>"));
    Ok(())
}

#[test]
fn a_reader_that_stops_is_cut() -> Outcome {
    let limits = Settings { write_deadline: SHORT, write_bytes_per_second_min: usize::MAX, ..settings() };
    let port = open(limits)?;
    let mut client = Client::of(&port)?;
    client.send(get("/a=GetStatus"))?;
    client.0.peek(&mut [0])?;
    let since = Instant::now();
    while !port.door.is_empty() {
        assert!(since.elapsed() < NEVER, "the connection is kept");
        std::thread::yield_now();
    }
    assert!(client.response().is_err(), "the reply is not whole");
    Ok(())
}

#[test]
fn idle_and_stalled_connections_keep_nobody_out() -> Outcome {
    let port = open(Settings { connections_max: 3, ..settings() })?;
    let mut crowd = Vec::new();
    for part in ["", "GET /a=Get", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na="].repeat(10) {
        let mut client = Client::of(&port)?;
        // The server may have sent it away for the next one before it could say a word.
        let _ = client.send(part);
        crowd.push(client);
    }
    let mut client = Client::of(&port)?;
    assert_eq!(client.ask(get("/a=GetPid"))?.0, "HTTP/1.1 200 OK");
    // The oldest have gone.
    assert!(crowd[0].rest().map_or(true, |rest| rest.is_empty()));
    Ok(())
}

#[test]
fn connections_that_wait_for_answers_are_kept_and_others_are_told() -> Outcome {
    let (handler, has_begun, release) = gated();
    let port = bind(Settings { connections_max: 2, ..settings() })?.listen(ACI_ACTIONS, &handler)?;
    let mut busy = [Client::of(&port)?, Client::of(&port)?];
    for client in &mut busy {
        client.send(get("/a=GetPid"))?;
        has_begun.recv_timeout(NEVER)?;
    }
    let (status, body) = Client::of(&port)?.response()?;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("connections are in use"), "{body}");
    for _ in &busy {
        release.send(())?;
    }
    for client in &mut busy {
        assert_eq!(client.response()?.0, "HTTP/1.1 200 OK");
    }
    Ok(())
}

#[test]
fn no_deadline_cuts_an_answer_that_takes_long() -> Outcome {
    let (handler, has_begun, release) = gated();
    let short = Settings { head_deadline: SHORT, body_deadline: SHORT, answer_deadline: SHORT, ..settings() };
    let limits = Settings { idle_deadline: SHORT, write_deadline: SHORT, ..short };
    let port = bind(limits)?.listen(ACI_ACTIONS, &handler)?;
    let mut client = Client::of(&port)?;
    client.send(get("/a=GetPid"))?;
    has_begun.recv_timeout(NEVER)?;
    // One that says nothing is let go once the deadlines are over, twice.
    for _ in 0..2 {
        assert_eq!(Client::of(&port)?.rest()?, "");
    }
    release.send(())?;
    assert_eq!(client.response()?.0, "HTTP/1.1 200 OK");
    Ok(())
}

#[test]
fn a_port_in_use_and_a_host_without_address_are_named() -> Outcome {
    let port = open(settings())?;
    let again = open(Settings { port: port.address().port(), ..settings() });
    assert!(matches!(again, Err(ListenError::Bind { .. })));
    let nowhere = open(Settings { host: "no such host".to_owned(), ..settings() });
    assert!(matches!(nowhere, Err(ListenError::Host { .. })));
    Ok(())
}

#[test]
fn closing_is_prompt_whatever_clients_do() -> Outcome {
    let port = open(settings())?;
    let address = port.address();
    let directory = port.listener.path();
    let mut clients = Vec::new();
    for part in ["", "GET /a=Get", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na=", &get("/a=GetStatus")] {
        let mut client = Client::of(&port)?;
        client.send(part)?;
        clients.push(client);
    }
    let mut idle = Client::of(&port)?;
    idle.ask(get("/a=GetPid"))?;
    let since = Instant::now();
    port.close();
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
    assert_eq!(idle.rest()?, "");
    assert!(TcpStream::connect(address).is_err());
    assert!(!directory.parent().ok_or("the socket is in a directory")?.exists());
    Ok(())
}

/// A handler that says when it has begun and goes on when it may.
fn gated() -> (Handler, Receiver<()>, Sender<()>) {
    let ((begun, has_begun), (release, released)) = (bounded(16), bounded::<()>(16));
    let handler: Handler = Arc::new(move |_, _| {
        // The test may have ended and dropped its sides.
        let _ = begun.send(());
        let _ = released.recv();
        Reply::success("getpid", Vec::new()).into()
    });
    (handler, has_begun, release)
}

#[test]
fn a_reply_that_is_under_way_goes_out_before_the_port_is_closed() -> Outcome {
    let (handler, has_begun, release) = gated();
    let port = bind(settings())?.listen(ACI_ACTIONS, &handler)?;
    let mut client = Client::of(&port)?;
    client.send(get("/a=GetPid"))?;
    has_begun.recv_timeout(NEVER)?;
    let closing = port.door.closing();
    let closer = std::thread::spawn(move || port.close());
    assert!(closing.sleep(NEVER).is_err());
    release.send(())?;
    let rest = client.rest()?;
    assert!(rest.contains("\r\nConnection: close\r\n") && rest.ends_with("</autnresponse>"), "{rest}");
    assert!(closer.join().is_ok());
    Ok(())
}

#[test]
fn a_handler_that_does_not_return_holds_neither_the_port_nor_its_client() -> Outcome {
    let (handler, has_begun, release) = gated();
    let port =
        bind(Settings { answer_deadline: SHORT, dispatchers: 1, ..settings() })?.listen(ACI_ACTIONS, &handler)?;
    let mut clients = [Client::of(&port)?, Client::of(&port)?];
    clients[0].send(get("/a=GetPid"))?;
    has_begun.recv_timeout(NEVER)?;
    // No dispatcher is left for this one.
    assert_eq!(clients[1].ask(get("/a=GetPid"))?.0, "HTTP/1.1 503 Service Unavailable");
    let since = Instant::now();
    port.close();
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
    drop(release);
    Ok(())
}

#[test]
fn a_request_that_waits_for_the_disk_keeps_no_dispatcher() -> Outcome {
    let (release, released) = bounded::<()>(0);
    let handler: Handler = Arc::new(move |request, caller| match request {
        Request::Fetch(_) => {
            let released = released.clone();
            super::Outcome::Awaited(Box::new(move || {
                assert!(released.recv().is_ok(), "the test gave up");
                Reply::success("fetch", Vec::new())
            }))
        }
        request => echoed(request, caller).into(),
    });
    let port = bind(Settings { dispatchers: 1, ..settings() })?.listen(ACI_ACTIONS, &handler)?;
    let mut waiting: Vec<Client> = (0..20).map(|_| Client::of(&port)).collect::<Result<_, _>>()?;
    for client in &mut waiting {
        client.send(get("/a=Fetch&FetchAction=Synchronize"))?;
    }
    assert!(Client::of(&port)?.ask(get("/a=GetPid"))?.1.contains("<peer>127.0.0.1</peer>"));
    for _ in 1..waiting.len() {
        release.send(())?;
    }
    // A panic ends the one request.
    drop(release);
    let replies = waiting.iter_mut().map(Client::response).collect::<Result<Vec<_>, _>>()?;
    let is_success = |(_, body): &&(String, String)| body.contains("<response>SUCCESS</response>");
    assert_eq!(replies.iter().filter(is_success).count(), 19);
    assert_eq!(replies.iter().filter(|(_, body)| body.contains("internal error")).count(), 1);
    Ok(())
}

#[test]
fn large_bodies_share_one_limit() -> Outcome {
    let (handler, has_begun, release) = gated();
    let port = bind(Settings { transit_bytes_max: 300_000, ..settings() })?.listen(ACI_ACTIONS, &handler)?;
    let mut request = format!("POST /a=GetPid HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 400_000);
    request.push_str(&"a".repeat(400_000));
    // Larger than the limit, and alone.
    let mut first = Client::of(&port)?;
    first.send(&request)?;
    has_begun.recv_timeout(NEVER)?;
    assert_eq!(Client::of(&port)?.ask(&request)?.0, "HTTP/1.1 503 Service Unavailable");
    release.send(())?;
    assert_eq!(first.response()?.0, "HTTP/1.1 200 OK");
    release.send(())?;
    assert_eq!(Client::of(&port)?.ask(&request)?.0, "HTTP/1.1 200 OK");
    Ok(())
}

#[test]
fn large_requests_leave_dispatchers_for_others() -> Outcome {
    let (handler, has_begun, release) = gated();
    let port = bind(settings())?.listen(ACI_ACTIONS, &handler)?;
    let large = format!("POST /a=GetPid HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(100_000));
    let mut clients = [Client::of(&port)?, Client::of(&port)?, Client::of(&port)?];
    clients[0].send(&large)?;
    has_begun.recv_timeout(NEVER)?;
    clients[1].send(&large)?;
    // Of two dispatchers, one is left for this.
    clients[2].send(get("/a=GetPid"))?;
    has_begun.recv_timeout(NEVER)?;
    for _ in &clients {
        release.send(())?;
    }
    for client in &mut clients {
        assert_eq!(client.response()?.0, "HTTP/1.1 200 OK");
    }
    Ok(())
}
