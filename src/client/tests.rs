//! The client against servers that misbehave on purpose, over real sockets.

mod ways;

use super::connection::HEAD_BYTES_MAX;
use super::*;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Far above what a stop takes, far below every timeout.
const PROMPT: Duration = Duration::from_secs(5);
const GZIP_HELLO: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
/// 10,000 zero bytes.
const BROTLI_ZEROES: &[u8] = &[31, 15, 39, 248, 39, 0, 226, 177, 64, 32, 217, 3, 0];

/// A server that is its script: accepts, reads and writes as told, in a thread of its own.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<io::Result<()>>,
}

impl Server {
    fn run(script: impl FnOnce(&TcpListener) -> io::Result<()> + Send + 'static) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        Ok(Server { address, thread: thread::spawn(move || script(&listener)) })
    }

    /// Answers one request with `response` and closes.
    fn once(response: impl AsRef<[u8]> + Send + 'static) -> io::Result<Server> {
        Server::run(move |listener| {
            let (mut stream, _) = listener.accept()?;
            read_head(&mut stream)?;
            stream.write_all(response.as_ref())
        })
    }

    fn url(&self, scheme: &str) -> Url {
        Url::parse(&format!("{scheme}://{}/", self.address)).expect("an address makes a URL")
    }

    fn get(&self, client: &Client) -> Result<Response, ClientError> {
        client.get(&self.url("http"), &Conditions::default())
    }

    fn join(self) -> io::Result<()> {
        self.thread.join().map_err(|_| io::Error::other("the script panicked"))?
    }
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Returns once the client has let go of the connection.
fn wait_until_closed(stream: &mut TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(read) if read > 0) {}
}

fn client() -> Client {
    Client::new(&Settings::default(), &StopFlag::new())
}

fn client_with(settings: &Settings) -> Client {
    Client::new(settings, &StopFlag::new())
}

/// Sets the flag once `reached` says so and asserts that the request ends as stopped, promptly.
fn assert_stops(server: &Server, scheme: &str, reached: &Receiver<()>, client: &Client) {
    let url = server.url(scheme);
    let request = thread::spawn({
        let client = client.clone();
        move || client.get(&url, &Conditions::default())
    });
    assert_eq!(reached.recv(), Ok(()));
    let stopped_at = Instant::now();
    client.0.stop.set();
    assert!(matches!(request.join(), Ok(Err(ClientError::Stopped))));
    assert!(stopped_at.elapsed() < PROMPT);
}

/// A listener whose queue is full: whoever connects waits for an answer to the first packet.
fn never_accepting() -> io::Result<(Socket, SocketAddr, Vec<Socket>)> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    listener.listen(0)?;
    let address = listener.local_addr()?;
    let mut fillers = Vec::new();
    loop {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let connected = filler.connect_timeout(&address, Duration::from_millis(50));
        fillers.push(filler);
        if connected.is_err() {
            let address = address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            return Ok((listener, address, fillers));
        }
    }
}

#[test]
fn a_request_says_who_asks_and_under_which_conditions() -> Outcome {
    let (seen, heads) = bounded(1);
    let server = Server::run(move |listener| {
        let (mut stream, _) = listener.accept()?;
        let head = read_head(&mut stream)?;
        let _ = seen.send(head);
        stream.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")
    })?;
    let client = client_with(&Settings { user_agent: "Bücher\r\nX: y".to_owned(), ..Settings::default() });
    let conditions =
        Conditions { etag: Some("\"a\"".to_owned()), modified_since: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()) };
    let response = client.get(&server.url("http"), &conditions)?;
    assert_eq!((response.status, response.headers.get("etag"), response.body.len()), (304, Some("\"a\""), 0));
    let head = heads.recv()?.to_ascii_lowercase();
    for line in [
        "get / http/1.1\r\n",
        &format!("host: {}\r\n", server.address),
        "user-agent: bücherx: y\r\n",
        "accept-encoding: gzip, br, deflate, zstd\r\n",
        "if-none-match: \"a\"\r\n",
        "if-modified-since: sun, 06 nov 1994 08:49:37 gmt\r\n",
    ] {
        assert!(head.contains(line), "{line:?} is not in {head:?}");
    }
    server.join()?;
    Ok(())
}

#[test]
fn every_status_is_a_response_and_no_redirect_is_followed() -> Outcome {
    for (response, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nmoved", 302, "moved"),
        ("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", 301, ""),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 404, "gone"),
        ("HTTP/1.1 503 No\r\nRetry-After: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 503, "x"),
        ("HTTP/1.0 200 OK\r\n\r\nto the end", 200, "to the end"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: utf-8\r\nContent-Length: 1\r\n\r\nx", 200, "x"),
        ("HTTP/1.1 302 Found\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 302, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 200 OK\nX: folded\n over lines\nTransfer-Encoding: chunked\n\n2 ;x=y\nok\n0\nTrailer: x\n\n",
            200,
            "ok",
        ),
    ] {
        let server = Server::once(response)?;
        let answer = server.get(&client()).map_err(|error| format!("{response:?}: {error}"))?;
        assert_eq!((answer.status, str::from_utf8(&answer.body)?, answer.truncated), (status, body, false));
        server.join()?;
    }
    Ok(())
}

#[test]
fn what_breaks_is_an_error_and_says_whether_to_try_again() -> Outcome {
    let long_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    for (response, transient) in [
        ("", true),
        ("HTTP/1.1 200 OK\r\nConte", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f", true),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nthis is no gzip at all", false),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: deflate, compress\r\n\r\nx", false),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\nno zstd, and more than a head", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nshort\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nshort\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\nx", false),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false),
        (&"HTTP/1.1 100 Continue\r\n\r\n".repeat(40), false),
        ("SSH-2.0-OpenSSH_9.6\r\n", false),
        (&long_head, false),
    ] {
        let server = Server::once(response.to_owned())?;
        let error = server.get(&client()).err().ok_or_else(|| format!("{response:?} was believed"))?;
        assert_eq!(error.is_transient(), transient, "{response:?}: {error:?}");
        // The script may fail to write what the client no longer reads.
        let _ = server.join();
    }
    Ok(())
}

#[test]
fn a_reset_is_an_error_even_where_a_body_ends_with_the_connection() -> Outcome {
    let server = Server::run(|listener| {
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhalf a pa")?;
        // Closing without delay makes a reset of what would have been a proper end.
        Socket::from(stream).set_linger(Some(Duration::ZERO))
    })?;
    // Depending on who is faster, the reset overtakes the head.
    assert!(matches!(server.get(&client()), Err(ClientError::Broken { .. })));
    server.join()?;
    Ok(())
}

#[test]
fn bodies_are_decoded_and_cut_at_the_cap() -> Outcome {
    fn response(coding: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }
    let hello = response("gzip", GZIP_HELLO);
    let zeroes = response("br", BROTLI_ZEROES);
    let lie = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n0123456789".to_vec();
    for (response, cap, bytes, truncated) in [
        (&hello, 5, 5, false),
        (&hello, 4, 4, true),
        (&zeroes, 10_000, 10_000, false),
        (&zeroes, 9_999, 9_999, true),
        (&lie, 9, 9, true),
    ] {
        let server = Server::once(response.clone())?;
        let client = client_with(&Settings { body_bytes_max: cap, ..Settings::default() });
        let answer = server.get(&client)?;
        assert_eq!((answer.body.len(), answer.truncated), (bytes, truncated));
        server.join()?;
    }
    Ok(())
}

#[test]
fn an_endless_body_ends_at_the_cap() -> Outcome {
    let server = Server::run(|listener| {
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        while stream.write_all(&[b'x'; 8192]).is_ok() {}
        Ok(())
    })?;
    let client = client_with(&Settings { body_bytes_max: 100_000, ..Settings::default() });
    let response = server.get(&client)?;
    assert_eq!((response.body.len(), response.truncated), (100_000, true));
    server.join()?;
    Ok(())
}

#[test]
fn a_connection_is_kept_and_a_closed_one_is_replaced() -> Outcome {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (answered, answers) = bounded::<()>(0);
    let server = Server::run(move |listener| {
        let (mut stream, _) = listener.accept()?;
        for _ in 0..2 {
            read_head(&mut stream)?;
            stream.write_all(OK)?;
        }
        // The third request has come when the connection is closed: only its failure tells the client.
        read_head(&mut stream)?;
        drop(stream);
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        stream.write_all(OK)?;
        // The fourth, a POST, fails the same way and is not repeated.
        read_head(&mut stream)?;
        drop(stream);
        let _ = answered.send(());
        Ok(())
    })?;
    let client = client();
    for _ in 0..3 {
        assert_eq!(server.get(&client)?.body, b"ok");
    }
    let error = client.post(&server.url("http"), "text/plain", b"x").err().ok_or("a closed connection answered")?;
    assert!(error.is_transient(), "{error:?}");
    answers.recv()?;
    server.join()?;
    Ok(())
}

/// A content coding is whole before the last chunk is read, which must not cost the connection.
#[test]
fn a_connection_is_kept_however_a_body_ends() -> Outcome {
    let chunked = |coding: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n");
        [head.as_bytes(), format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
    };
    let responses = [
        chunked("br", BROTLI_ZEROES),
        chunked("gzip", GZIP_HELLO),
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n".to_vec(),
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx".to_vec(),
        chunked("identity", b"x"),
    ];
    let server = Server::run({
        let responses = responses.clone();
        move |listener| {
            let (mut stream, _) = listener.accept()?;
            for response in responses {
                read_head(&mut stream)?;
                stream.write_all(&response)?;
            }
            Ok(())
        }
    })?;
    let client = client();
    for response in responses {
        // On another connection nobody would answer.
        server.get(&client).map_err(|error| format!("{:?}: {error}", String::from_utf8_lossy(&response)))?;
    }
    server.join()?;
    Ok(())
}

/// The body of a redirect may be broken, and then nobody knows where the next response would begin.
#[test]
fn a_connection_is_not_kept_behind_a_broken_body() -> Outcome {
    let server = Server::run(|listener| {
        for answer in [
            &b"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let (mut stream, _) = listener.accept()?;
            read_head(&mut stream)?;
            stream.write_all(answer)?;
            wait_until_closed(&mut stream);
        }
        Ok(())
    })?;
    let client = client_with(&Settings { page_timeout: PROMPT, ..Settings::default() });
    assert_eq!(server.get(&client)?.status, 302);
    assert_eq!(server.get(&client)?.body, b"ok");
    drop(client);
    server.join()?;
    Ok(())
}

#[test]
fn a_post_sends_its_body_whole() -> Outcome {
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let server = Server::run({
        let expected = body.clone();
        move |listener| {
            let (mut stream, _) = listener.accept()?;
            let head = read_head(&mut stream)?.to_ascii_lowercase();
            let mut received = vec![0; expected.len()];
            stream.read_exact(&mut received)?;
            let typed = head.contains("content-type: text/xml\r\n") && head.contains("content-length: 200000\r\n");
            let status = if typed && received == expected { 200 } else { 400 };
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
        }
    })?;
    assert_eq!(client().post(&server.url("http"), "text/xml", &body)?.status, 200);
    server.join()?;
    Ok(())
}

#[test]
fn the_page_timeout_covers_a_body_that_drips() -> Outcome {
    let server = Server::run(|listener| {
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        let drip = StopFlag::new();
        while stream.write_all(b"x").is_ok() {
            let _ = drip.sleep(Duration::from_millis(5));
        }
        Ok(())
    })?;
    let client = client_with(&Settings { page_timeout: Duration::from_millis(100), ..Settings::default() });
    assert!(matches!(server.get(&client), Err(ClientError::Timeout { phase: Phase::Body })));
    server.join()?;
    Ok(())
}

#[test]
fn a_silent_server_times_out_where_it_fell_silent() -> Outcome {
    for (scheme, phase) in [("http", Phase::Head), ("https", Phase::Tls)] {
        let server = Server::run(|listener| {
            wait_until_closed(&mut listener.accept()?.0);
            Ok(())
        })?;
        let timeout = Duration::from_millis(50);
        let client =
            client_with(&Settings { connect_timeout: timeout, page_timeout: timeout * 2, ..Settings::default() });
        let result = client.get(&server.url(scheme), &Conditions::default());
        assert!(matches!(result, Err(ClientError::Timeout { phase: at }) if at == phase), "{result:?}");
        server.join()?;
    }
    let (_listener, address, _fillers) = never_accepting()?;
    let client = client_with(&Settings { connect_timeout: Duration::from_millis(50), ..Settings::default() });
    let result = client.get(&Url::parse(&format!("http://{address}/"))?, &Conditions::default());
    assert!(matches!(result, Err(ClientError::Timeout { phase: Phase::Connect })), "{result:?}");
    Ok(())
}

#[test]
fn a_server_without_tls_is_refused_for_good() -> Outcome {
    let server = Server::run(|listener| {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        wait_until_closed(&mut stream);
        Ok(())
    })?;
    let error = client().get(&server.url("https"), &Conditions::default()).err().ok_or("plain text passed for TLS")?;
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    assert!(!error.is_transient());
    server.join()?;
    Ok(())
}

#[test]
fn a_refused_connection_names_the_address() -> Outcome {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let result = client().get(&Url::parse(&format!("http://{address}/"))?, &Conditions::default());
    assert!(matches!(result, Err(ClientError::Connect { address: named, .. }) if named == address));
    Ok(())
}

#[test]
fn the_next_address_is_tried_when_one_refuses() -> Outcome {
    let server = Server::once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    // Nobody listens on the second loopback address.
    let names =
        Names::new(Box::new(|_| Ok(vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V4(Ipv4Addr::LOCALHOST)])));
    let client = Client::with_names(&Settings::default(), &StopFlag::new(), &PauseGate::default(), names);
    let url = Url::parse(&format!("http://two.example:{}/", server.address.port()))?;
    assert_eq!(client.get(&url, &Conditions::default())?.status, 200);
    server.join()?;
    Ok(())
}

#[test]
fn a_name_is_resolved_and_no_timeout_is_too_long() -> Outcome {
    let server = Server::once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    let client = client_with(&Settings {
        connect_timeout: Duration::MAX,
        page_timeout: Duration::MAX,
        body_bytes_max: u64::MAX,
        ..Settings::default()
    });
    let url = Url::parse(&format!("http://localhost:{}/", server.address.port()))?;
    assert_eq!(client.get(&url, &Conditions::default())?.status, 200);
    server.join()?;
    Ok(())
}

#[test]
fn stop_ends_a_request_that_waits_for_anything() -> Outcome {
    /// What a server does before it tells that the client waits now.
    type Script = fn(&mut TcpStream) -> io::Result<()>;
    let silent: Script = |_| Ok(());
    let head: Script = |stream| {
        read_head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le")
    };
    let body: Script = |stream| {
        read_head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123")
    };
    // Would be a whole page to anyone who does not ask the flag.
    let until_close: Script = |stream| {
        read_head(stream)?;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<html>")
    };
    let request: Script = |stream| read_head(stream).map(drop);
    for (scheme, script) in [
        ("http", silent),
        ("http", request),
        ("http", head),
        ("http", body),
        ("http", until_close),
        ("https", silent),
        ("https", |stream: &mut TcpStream| stream.read_exact(&mut [0; 5])),
    ] {
        let (reach, reached) = bounded(1);
        let server = Server::run(move |listener| {
            let (mut stream, _) = listener.accept()?;
            script(&mut stream)?;
            let _ = reach.send(());
            wait_until_closed(&mut stream);
            Ok(())
        })?;
        assert_stops(&server, scheme, &reached, &client());
        server.join()?;
    }
    Ok(())
}

#[test]
fn stop_ends_a_request_whose_body_never_stops() -> Outcome {
    let (reach, reached) = bounded(1);
    let server = Server::run(move |listener| {
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let _ = reach.send(());
        while stream.write_all(&[b'x'; 64]).is_ok() {}
        Ok(())
    })?;
    let client = client_with(&Settings { body_bytes_max: u64::MAX, ..Settings::default() });
    assert_stops(&server, "http", &reached, &client);
    server.join()?;
    Ok(())
}

#[test]
fn stop_ends_a_post_that_nobody_reads() -> Outcome {
    let (reach, reached) = bounded(1);
    let (release, gate) = bounded::<()>(0);
    let server = Server::run(move |listener| {
        let (mut stream, _) = listener.accept()?;
        read_head(&mut stream)?;
        let _ = reach.send(());
        let _ = gate.recv();
        Ok(())
    })?;
    let client = client();
    let sender = thread::spawn({
        let (client, url) = (client.clone(), server.url("http"));
        // More than the two ends' socket buffers hold.
        move || client.post(&url, "text/plain", &vec![b'x'; 64 * 1024 * 1024])
    });
    reached.recv()?;
    client.0.stop.set();
    assert!(matches!(sender.join(), Ok(Err(ClientError::Stopped))));
    drop(release);
    server.join()?;
    Ok(())
}

#[test]
fn stop_ends_a_connect_that_nobody_answers() -> Outcome {
    let (_listener, address, _fillers) = never_accepting()?;
    let url = Url::parse(&format!("http://{address}/"))?;
    // The client does not tell when it connects, and any moment must do.
    for wait in [0, 1, 5, 20] {
        let client = client();
        let request = thread::spawn({
            let (client, url) = (client.clone(), url.clone());
            move || client.get(&url, &Conditions::default())
        });
        StopFlag::new().sleep(Duration::from_millis(wait))?;
        let stopped_at = Instant::now();
        client.0.stop.set();
        assert!(matches!(request.join(), Ok(Err(ClientError::Stopped))));
        assert!(stopped_at.elapsed() < PROMPT);
    }
    Ok(())
}

/// The accident between registering a socket and connecting it (see `Flagged::connect`).
#[test]
fn a_socket_shut_down_before_it_connects_does_not_wait() -> Outcome {
    let (_listener, address, _fillers) = never_accepting()?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    assert!(socket.shutdown(std::net::Shutdown::Both).is_err());
    let started = Instant::now();
    assert!(socket.connect_timeout(&address.into(), Duration::from_secs(30)).is_err());
    assert!(started.elapsed() < PROMPT);
    Ok(())
}

#[test]
fn stop_ends_a_request_whose_name_is_never_resolved() -> Outcome {
    let (enter, entered) = unbounded();
    let (release, gate) = bounded::<()>(0);
    let names = Names::new(stuck_lookup(enter, gate));
    let client = Client::with_names(&Settings::default(), &StopFlag::new(), &PauseGate::default(), names);
    let request = thread::spawn({
        let client = client.clone();
        move || client.get(&Url::parse("http://stuck.example/").expect("a URL"), &Conditions::default())
    });
    entered.recv()?;
    client.0.stop.set();
    assert!(matches!(request.join(), Ok(Err(ClientError::Stopped))));
    drop(release);
    Ok(())
}

fn stuck_lookup(enter: Sender<()>, gate: Receiver<()>) -> names::Lookup {
    Box::new(move |_| {
        let _ = enter.send(());
        let _ = gate.recv();
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    })
}

#[test]
fn after_a_stop_nothing_is_asked_any_more() -> Outcome {
    let client = client();
    client.0.stop.set();
    // Nobody listens there; a connection would be refused, not stopped.
    let result = client.get(&Url::parse("http://127.0.0.1:1/")?, &Conditions::default());
    assert!(matches!(result, Err(ClientError::Stopped)));
    Ok(())
}
