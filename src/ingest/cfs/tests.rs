//! The sink against a real receiver on a socket, which reads what was posted and answers by a script.

use super::super::samples::{delete, document, fields};
use super::super::{File, Settings, TransportError, open};
use super::*;
use proptest::prelude::*;
use quick_xml::XmlVersion;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

const SUCCESS: &str = "<autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'><action>INGEST</action>\
    <response>SUCCESS</response><responsedata><token>MTIz</token></responsedata></autnresponse>";
const ERROR: &str = "<autnresponse><action>INGEST</action><response>ERROR</response><responsedata><error>\
    <errorstring>Queue &amp; disk full</errorstring><errordescription>Try later</errordescription>\
    </error></responsedata></autnresponse>";

/// What the receiver does with one request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Reply(&'static str),
    Status(u16),
    HangUp,
}

/// A form as it was posted: its parameters in order.
type Form = Vec<(String, String)>;

/// Answers one request after the other; joined, it tells what it was sent. It ends with its script, so that a request
/// too many finds nobody.
struct Receiver {
    address: SocketAddr,
    thread: JoinHandle<io::Result<Vec<Form>>>,
}

impl Receiver {
    fn start(script: &'static [Answer]) -> io::Result<Receiver> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let thread = std::thread::spawn(move || script.iter().map(|answer| serve(&listener, *answer)).collect());
        Ok(Receiver { address, thread })
    }

    fn forms(self) -> Result<Vec<Form>, Box<dyn Error>> {
        // If it still waits, there was a request too few: this one is none, and fails it.
        drop(TcpStream::connect(self.address));
        Ok(self.thread.join().map_err(|_| "the receiver panicked")??)
    }

    /// A sink that sends here and does not pause between attempts.
    fn sink(&self, batch_max: usize) -> CfsSink {
        let mut sink = CfsSink::new("127.0.0.1", self.address.port(), batch_max, Box::new(post));
        sink.courier.pauses = [Duration::ZERO; 3];
        sink
    }
}

fn serve(listener: &TcpListener, answer: Answer) -> io::Result<Form> {
    let (stream, _) = listener.accept()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let mut length = 0;
    reader.read_line(&mut line)?;
    assert_eq!(line, "POST / HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    match answer {
        Answer::Reply(text) => write!(reader.get_mut(), "HTTP/1.1 200 OK\r\n\r\n{text}")?,
        Answer::Status(code) => write!(reader.get_mut(), "HTTP/1.1 {code} No\r\n\r\n")?,
        Answer::HangUp => {}
    }
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

/// A transport of the least kind: one connection for each request.
fn post(url: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, TransportError> {
    let exchange = || -> io::Result<String> {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address)?;
        let length = body.len();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| TransportError::Failed(error.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(TransportError::Failed("hung up".to_owned()))?;
    match head.split(' ').nth(1).and_then(|code| code.parse().ok()) {
        Some(200) => Ok(body.as_bytes().to_vec()),
        Some(code) => Err(TransportError::Status(code)),
        None => Err(TransportError::Failed("no status".to_owned())),
    }
}

/// An `<add>` as a CFS reads it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Add {
    reference: String,
    metadata: Vec<(String, String)>,
    content: Option<String>,
    source: Option<Vec<u8>>,
}

fn read_adds(form: &Form) -> Result<Vec<Add>, Box<dyn Error>> {
    let [(action, ingest), (parameter, xml)] = form.as_slice() else {
        return Err(format!("not an action and one parameter: {form:?}").into());
    };
    assert_eq!((action.as_str(), ingest.as_str(), parameter.as_str()), ("action", "Ingest", "adds"));
    let mut adds = Vec::new();
    let mut add = Add::default();
    let mut reader = Reader::from_str(xml);
    let mut in_reference = false;
    loop {
        match reader.read_event()? {
            Event::Start(element) => in_reference = element.name().as_ref() == "reference",
            Event::Text(text) if in_reference => add.reference.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) if in_reference => add.reference.push_str(&resolve(&reference)),
            Event::Empty(element) => {
                let value = |name: &str| -> Result<Option<String>, Box<dyn Error>> {
                    let attribute = element.try_get_attribute(name)?;
                    Ok(attribute
                        .map(|found| found.normalized_value(XmlVersion::Explicit1_0))
                        .transpose()?
                        .map(Into::into))
                };
                match element.name().as_ref() {
                    "metadata" => {
                        add.metadata.push((value("name")?.unwrap_or_default(), value("value")?.unwrap_or_default()));
                    }
                    "pages" => add.content = value("content")?,
                    "source" => add.source = Some(STANDARD.decode(value("content")?.unwrap_or_default())?),
                    other => return Err(format!("an element {other}").into()),
                }
            }
            Event::End(element) => {
                in_reference = false;
                if element.name().as_ref() == "add" {
                    adds.push(std::mem::take(&mut add));
                }
            }
            Event::Eof => return Ok(adds),
            other => return Err(format!("found {other:?}").into()),
        }
    }
}

fn removes(references: &str) -> Form {
    fields(&[("action", "Ingest"), ("removes", references)])
}

#[test]
fn a_document_arrives_as_it_was_given() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::start(&[Answer::Reply(SUCCESS)])?;
    let mut page = document("http://h/?a=1&b=<2>", "Zwei\n\"Zeilen\" & <mehr>\t+ 100%\0");
    page.title = Some("A & B".to_owned());
    page.fields = fields(&[("x", "1"), ("DRETITLE", "Other"), ("x", "2 \"quoted\""), ("autn_identifier", "forged")]);
    let mut pdf = document("http://h/a.pdf", "");
    pdf.file = Some(File { content_type: "application/pdf".to_owned(), bytes: (0..=255).collect() });
    let expected = [
        Add {
            reference: page.reference.clone(),
            metadata: fields(&[
                ("DRETITLE", "A & B"),
                ("AUTN_IDENTIFIER", &page.identifier.encode()),
                ("x", "1"),
                ("x", "2 \"quoted\""),
            ]),
            content: Some("Zwei\n\"Zeilen\" & <mehr>\t+ 100%".to_owned()),
            source: None,
        },
        Add {
            reference: pdf.reference.clone(),
            metadata: fields(&[("AUTN_IDENTIFIER", &pdf.identifier.encode())]),
            content: None,
            source: Some((0..=255).collect()),
        },
    ];

    let settings = Settings::Cfs { host: "127.0.0.1".to_owned(), port: receiver.address.port(), batch_max: 100 };
    let mut sink = open(&settings, "News", || Box::new(post))?;
    sink.take(Change::Add(page), &StopFlag::new())?;
    sink.take(Change::Update(pdf), &StopFlag::new())?;

    assert_eq!(sink.flush(&StopFlag::new())?, [Verdict::Accepted, Verdict::Accepted]);
    assert_eq!(sink.flush(&StopFlag::new())?, []);
    assert_eq!(read_adds(&receiver.forms()?[0])?, expected);
    Ok(())
}

#[test]
fn batches_keep_the_order_and_never_mix_adds_with_removes() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::start(&[Answer::Reply(SUCCESS); 4])?;
    let mut sink = receiver.sink(2);
    for change in [
        delete("http://h/a,b"),
        delete("http://h/c?d&e"),
        Change::Add(document("http://h/1", "")),
        delete("http://h/2"),
        Change::Update(document("http://h/3", "")),
    ] {
        sink.take(change, &StopFlag::new())?;
    }
    assert_eq!(sink.flush(&StopFlag::new())?, vec![Verdict::Accepted; 5]);

    let forms = receiver.forms()?;
    assert_eq!(forms[0], removes("http://h/a%2Cb,http://h/c?d&e"));
    assert_eq!(read_adds(&forms[1])?[0].reference, "http://h/1");
    assert_eq!(forms[2], removes("http://h/2"));
    assert_eq!(read_adds(&forms[3])?[0].reference, "http://h/3");
    Ok(())
}

#[test]
fn a_large_document_is_sent_without_waiting_for_more() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::start(&[Answer::Reply(SUCCESS)])?;
    let mut sink = receiver.sink(100);
    sink.take(Change::Add(document("http://h/", &"x".repeat(BATCH_BYTES_MAX))), &StopFlag::new())?;
    assert_eq!(receiver.forms()?.len(), 1);
    assert_eq!(sink.flush(&StopFlag::new())?, [Verdict::Accepted]);
    Ok(())
}

#[test]
fn what_is_refused_is_named_with_the_reason_and_the_next_batch_is_tried() -> Result<(), Box<dyn Error>> {
    const SCRIPT: [Answer; 5] = [
        Answer::Reply(ERROR),
        Answer::Reply("<html><body>It works!</body></html>"),
        Answer::Reply("<autnresponse><response>SUCCESS</response></autnresponse>"),
        Answer::Status(404),
        Answer::Reply(SUCCESS),
    ];
    let receiver = Receiver::start(&SCRIPT)?;
    let mut sink = receiver.sink(1);
    for _ in SCRIPT {
        sink.take(Change::Add(document("http://h/", "")), &StopFlag::new())?;
    }
    let refused = |reason: &str| Verdict::Refused(reason.to_owned());
    assert_eq!(
        sink.flush(&StopFlag::new())?,
        [
            refused("ERROR: Queue & disk full: Try later"),
            refused("the answer is not an ACI response; is this the port of a CFS?"),
            refused("the target answered SUCCESS without a token"),
            refused("HTTP status 404"),
            Verdict::Accepted,
        ]
    );
    assert_eq!(receiver.forms()?.len(), SCRIPT.len());
    Ok(())
}

#[test]
fn a_target_that_stumbles_is_tried_again_with_the_same_batch() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::start(&[Answer::HangUp, Answer::Status(503), Answer::Reply(SUCCESS)])?;
    let mut sink = receiver.sink(1);
    sink.take(Change::Add(document("http://h/", "")), &StopFlag::new())?;
    assert_eq!(sink.flush(&StopFlag::new())?, [Verdict::Accepted]);
    let forms = receiver.forms()?;
    assert_eq!((&forms[0], &forms[1]), (&forms[1], &forms[2]));
    Ok(())
}

#[test]
fn a_dead_target_costs_one_round_of_attempts_a_flush() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::start(&[Answer::HangUp, Answer::HangUp, Answer::HangUp, Answer::Reply(SUCCESS)])?;
    let mut sink = receiver.sink(1);
    for reference in ["http://h/1", "http://h/2"] {
        sink.take(Change::Add(document(reference, "")), &StopFlag::new())?;
    }
    let reason = Verdict::Refused("no answer in 3 attempts: hung up".to_owned());
    assert_eq!(sink.flush(&StopFlag::new())?, [reason.clone(), reason]);

    sink.take(Change::Add(document("http://h/3", "")), &StopFlag::new())?;
    assert_eq!(sink.flush(&StopFlag::new())?, [Verdict::Accepted]);
    assert_eq!(read_adds(&receiver.forms()?[3])?[0].reference, "http://h/3");
    Ok(())
}

#[test]
fn a_stop_ends_the_pause_and_the_attempts() -> Result<(), Box<dyn Error>> {
    let stop = StopFlag::new();
    let set_by_transport = stop.clone();
    let mut calls = 0;
    let transport: Transport = Box::new(move |_, _, _| {
        calls += 1;
        assert_eq!(calls, 1, "an attempt after the stop");
        set_by_transport.set();
        Err(TransportError::Failed("refused".to_owned()))
    });
    let mut sink = CfsSink::new("::1", 7000, 1, transport);
    assert_eq!(sink.url, "http://[::1]:7000/");
    // A pause that is not cut short would be noticed.
    sink.courier.pauses = [Duration::ZERO, Duration::from_hours(1), Duration::from_hours(1)];
    sink.take(delete("http://h/1"), &stop)?;
    sink.take(delete("http://h/2"), &stop)?;
    let stopped = Verdict::Refused("stopped before it was sent".to_owned());
    assert_eq!(sink.flush(&stop)?, [stopped.clone(), stopped]);
    Ok(())
}

#[test]
fn a_transport_that_was_stopped_is_not_asked_again() -> Result<(), Box<dyn Error>> {
    let mut calls = 0;
    let transport: Transport = Box::new(move |_, _, _| {
        calls += 1;
        assert_eq!(calls, 1, "an attempt after the stop");
        Err(TransportError::Stopped)
    });
    let mut sink = CfsSink::new("h", 7000, 1, transport);
    sink.take(delete("http://h/1"), &StopFlag::new())?;
    let stopped = Verdict::Refused("stopped while it was being sent".to_owned());
    assert_eq!(sink.flush(&StopFlag::new())?, [stopped]);
    Ok(())
}

proptest! {
    #[test]
    fn any_reply_is_read_without_a_panic(
        bytes in any::<Vec<u8>>(),
        text in "(<response>|</response>|SUCCESS|<token>|&amp;|&#x1;|&x;|<!\\[CDATA\\[|\\]\\]>|<a|>){0,9}",
    ) {
        prop_assert!(read_reply(&bytes).is_err());
        let _ = read_reply(text.as_bytes());
    }
}
