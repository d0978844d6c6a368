//! The way from the door to the tiny_http loop, and from there back.
//!
//! The head of a request goes over a *line*, a Unix connection that is kept for good, on which requests follow each other
//! closely. What tiny_http has no need to see, its body above all, and the answer stay in memory: in an *exchange*, whose number the
//! head carries. So an answer is neither copied through a socket nor read and written twice, none stands in the way of
//! another, and one line is enough.
//!
//! The line is opened at the start, so that later nothing can fail for want of a descriptor (a failed accept closes
//! tiny_http's listener for good). What no dispatcher has taken in time is taken back from here.

use super::budget::{Budget, FREE_BYTES, Held};
use super::head::{Head, Method};
use super::refusal::Refusal;
use crate::stop::StopFlag;
use crossbeam_channel::{Receiver, Sender, at, bounded, select};
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The header that names a request's exchange. The door writes every header on a line, so a client cannot set it.
pub(super) const EXCHANGE: &str = "Webconnector-Exchange";

const STOPPING: &str = "the server is stopping";

/// A probe is answered by an idle dispatcher within microseconds.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Lines {
    path: PathBuf,
    line: Mutex<Line>,
    /// A word for each request with a large body that may be answered now: to read one can take a dispatcher a hundred
    /// times as long as others do, and some must be left for these.
    large: Receiver<()>,
    large_back: Sender<()>,
    exchanges: Arc<Exchanges>,
}

/// Whoever finds nobody writing writes what there is: so nobody waits for the line, and heads that come at the same time
/// go over it together.
struct Line {
    /// `None` while somebody writes, and where it broke and has to be opened again.
    stream: Option<UnixStream>,
    is_written: bool,
    /// Heads to be written.
    heads: Vec<u8>,
}

/// A whole request, and who sent it.
pub(super) struct Whole<'a> {
    pub(super) head: &'a Head,
    pub(super) body: &'a [u8],
    pub(super) peer: IpAddr,
    /// As [`super::forwarded`] writes them; empty without a certificate.
    pub(super) names: &'a str,
}

/// A response, and the part of the budget that its memory takes.
pub(super) struct Answer {
    /// The status line and the headers, without `Connection` and without the empty line.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) memory: Held,
}

/// What goes back to the door: the two parts of an [`Answer`].
pub(super) struct Response {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Of a request, what does not go over the line.
pub(super) struct Rest {
    pub(super) peer: IpAddr,
    /// As [`super::forwarded`] writes them.
    pub(super) names: String,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The requests that wait for answers, by number.
pub(super) struct Exchanges {
    open: Mutex<Open>,
    /// Set when no answer is awaited any more.
    closing: StopFlag,
}

#[derive(Default)]
struct Open {
    waiting: HashMap<u64, Arc<Exchange>>,
    next_number: u64,
}

/// A request under way.
struct Exchange {
    number: u64,
    stage: Mutex<Stage>,
    /// Told of its end.
    ended: Condvar,
}

enum Stage {
    Waiting(Rest),
    Taken,
    Answered(Response),
    /// There will be no answer.
    GivenUp,
}

enum Waited {
    Answered(Response),
    None,
    /// The deadline has passed.
    TooLong,
}

/// The answer that a dispatcher owes. If it is dropped, the door tells the client that there is none.
pub(super) struct Owed {
    exchanges: Arc<Exchanges>,
    number: u64,
}

impl Exchanges {
    pub(super) fn new() -> Arc<Exchanges> {
        Arc::new(Exchanges { open: Mutex::default(), closing: StopFlag::new() })
    }

    /// `None` if it is too late for any.
    fn open(&self, rest: Rest) -> Option<Arc<Exchange>> {
        let mut open = self.open.lock();
        // Asked under the lock that is taken after it is set: an exchange is either refused or found by `close`.
        if self.closing.is_set() {
            return None;
        }
        let number = open.next_number;
        open.next_number += 1;
        let exchange = Arc::new(Exchange { number, stage: Mutex::new(Stage::Waiting(rest)), ended: Condvar::new() });
        open.waiting.insert(number, Arc::clone(&exchange));
        Some(exchange)
    }

    /// What a dispatcher needs to answer. `None` if nobody waits any more, and it is not to be answered.
    pub(super) fn take(self: &Arc<Self>, number: u64) -> Option<(Rest, Owed)> {
        let exchange = Arc::clone(self.open.lock().waiting.get(&number)?);
        let rest = exchange.take()?;
        Some((rest, Owed { exchanges: Arc::clone(self), number }))
    }

    /// Gives up what no dispatcher has taken. `false`: one has, or it is answered.
    fn withdraw(&self, exchange: &Exchange) -> bool {
        let is_withdrawn = exchange.take().is_some();
        if is_withdrawn {
            self.open.lock().waiting.remove(&exchange.number);
        }
        is_withdrawn
    }

    fn end(&self, number: u64, how: Stage) {
        let exchange = self.open.lock().waiting.remove(&number);
        if let Some(exchange) = exchange {
            exchange.end(how);
        }
    }

    /// Ends every wait for an answer, now and from now on.
    pub(super) fn close(&self) {
        self.closing.set();
        let waiting = std::mem::take(&mut self.open.lock().waiting);
        for exchange in waiting.values() {
            exchange.end(Stage::GivenUp);
        }
    }
}

impl Exchange {
    fn take(&self) -> Option<Rest> {
        let mut stage = self.stage.lock();
        match std::mem::replace(&mut *stage, Stage::Taken) {
            Stage::Waiting(rest) => Some(rest),
            other => {
                *stage = other;
                None
            }
        }
    }

    fn end(&self, how: Stage) {
        *self.stage.lock() = how;
        self.ended.notify_one();
    }

    /// Waits until it ends, or until `deadline`.
    fn wait(&self, deadline: Option<Instant>) -> Waited {
        let mut stage = self.stage.lock();
        loop {
            match std::mem::replace(&mut *stage, Stage::Taken) {
                Stage::Answered(response) => return Waited::Answered(response),
                Stage::GivenUp => return Waited::None,
                other => *stage = other,
            }
            match deadline {
                Some(deadline) if self.ended.wait_until(&mut stage, deadline).timed_out() => return Waited::TooLong,
                Some(_) => {}
                None => self.ended.wait(&mut stage),
            }
        }
    }
}

impl Owed {
    /// Nobody may wait any more.
    pub(super) fn answer(self, response: Response) {
        self.exchanges.end(self.number, Stage::Answered(response));
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        // Gone already, unless it was not answered.
        self.exchanges.end(self.number, Stage::GivenUp);
    }
}

impl Lines {
    /// Opens a line to the tiny_http server at `path` and sees that it has been taken up. No more than `large_max`
    /// requests with bodies that are not small are passed at once.
    pub(super) fn open(path: &Path, large_max: usize, exchanges: Arc<Exchanges>) -> io::Result<Lines> {
        let (large_back, large) = bounded(large_max);
        for () in std::iter::repeat_n((), large_max) {
            large_back.send(()).expect("the channel has room for every word");
        }
        let line = Line { stream: Some(probed(UnixStream::connect(path)?)?), is_written: false, heads: Vec::new() };
        Ok(Lines { path: path.to_owned(), line: Mutex::new(line), large, large_back, exchanges })
    }

    /// Has one request answered. Waits at most `wait` for a dispatcher to take it, and then for as long as the answer takes
    /// or until the exchanges are closed.
    pub(super) fn pass(&self, request: &Whole<'_>, wait: Duration, budget: &Arc<Budget>) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + wait;
        let Whole { head, body, peer, names } = *request;
        let _large = if body.len() > FREE_BYTES { Some(self.take_large(deadline)?) } else { None };
        let content_type = head.content_type.clone();
        let rest = Rest { peer, names: names.to_owned(), content_type, body: body.to_owned() };
        let exchange = self.exchanges.open(rest).ok_or(Refusal::Busy(STOPPING))?;
        self.send(head, exchange.number);
        let answered = match exchange.wait(Some(deadline)) {
            Waited::TooLong if self.exchanges.withdraw(&exchange) => {
                return Err(Refusal::Busy("every thread that answers has been occupied for too long"));
            }
            Waited::TooLong => exchange.wait(None),
            answered => answered,
        };
        let Waited::Answered(Response { head, body }) = answered else {
            return Err(if self.exchanges.closing.is_set() { Refusal::Busy(STOPPING) } else { Refusal::Unanswered });
        };
        let mut memory = budget.hold();
        if memory.grow_to(body.len()).is_err() {
            return Err(Refusal::Busy("slow readers hold the memory that the answer needs"));
        }
        Ok(Answer { head, body, memory })
    }

    fn take_large(&self, deadline: Instant) -> Result<Large<'_>, Refusal> {
        select! {
            recv(self.large) -> _ => Ok(Large(&self.large_back)),
            recv(self.exchanges.closing.signal()) -> _ => Err(Refusal::Busy(STOPPING)),
            recv(at(deadline)) -> _ => Err(Refusal::Busy("other large requests are being answered")),
        }
    }

    /// Has the head of a request written on the line.
    fn send(&self, head: &Head, number: u64) {
        let method = match head.method {
            // The answer to HEAD is cut by the door, and OPTIONS does not come here.
            Method::Get | Method::Head | Method::Options => "GET",
            Method::Post => "POST",
        };
        let mut line = self.line.lock();
        write!(line.heads, "{method} {} HTTP/1.1\r\n{EXCHANGE}: {number}\r\n\r\n", head.target)
            .expect("memory takes what is written to it");
        if line.is_written {
            // Whoever does so looks again.
            return;
        }
        line.is_written = true;
        let mut stream = line.stream.take();
        while !line.heads.is_empty() {
            let heads = std::mem::take(&mut line.heads);
            drop(line);
            stream = self.write(stream, &heads);
            line = self.line.lock();
        }
        line.is_written = false;
        line.stream = stream;
    }

    /// Writes `heads`, on a new line if the old one is broken. Exchanges that were taken are not taken again, so all of them
    /// may be repeated; those of what cannot be written are given up when their time is over.
    fn write(&self, stream: Option<UnixStream>, heads: &[u8]) -> Option<UnixStream> {
        if let Some(mut stream) = stream
            && stream.write_all(heads).is_ok()
        {
            return Some(stream);
        }
        let written = UnixStream::connect(&self.path).and_then(|mut stream| {
            stream.write_all(heads)?;
            Ok(stream)
        });
        if let Err(error) = &written
            && !self.exchanges.closing.is_set()
        {
            log::error!(target: "application", "requests cannot be passed on: {error}");
        }
        written.ok()
    }
}

/// The line, once it is seen to be taken up: a request without an exchange is answered over it by a dispatcher itself.
fn probed(mut line: UnixStream) -> io::Result<UnixStream> {
    line.set_read_timeout(Some(PROBE_DEADLINE))?;
    line.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let mut reply = Vec::new();
    let mut chunk = [0; 512];
    while !reply.ends_with(b"\r\n\r\n") {
        match line.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => reply.extend_from_slice(&chunk[..count]),
        }
    }
    line.set_read_timeout(None)?;
    Ok(line)
}

/// The place of a large request, given back when dropped.
struct Large<'a>(&'a Sender<()>);

impl Drop for Large<'_> {
    fn drop(&mut self) {
        // There is room for every word, and the receiver lives as long as the sender.
        let _ = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;
    use std::net::{Ipv4Addr, Shutdown};
    use std::os::unix::net::UnixListener;
    use std::thread;
    use tempfile::TempDir;
    use tiny_http::Server;

    const NEVER: Duration = Duration::from_secs(20);

    /// Lines to a server, and a thread that answers each request with its target; a target of `/silence` with nothing.
    fn opened(directory: &TempDir) -> Result<(Lines, Arc<Server>), Box<dyn std::error::Error>> {
        let path = directory.path().join("door");
        let server = Server::from_listener(UnixListener::bind(&path)?, None).map_err(|error| error.to_string())?;
        let (server, exchanges) = (Arc::new(server), Exchanges::new());
        let (taken_from, taken) = (Arc::clone(&server), Arc::clone(&exchanges));
        thread::spawn(move || {
            while let Ok(request) = taken_from.recv() {
                let header = request.headers().iter().find(|header| header.field.equiv(EXCHANGE));
                let Some(number) = header.and_then(|header| header.value.as_str().parse().ok()) else {
                    let _ = request.respond(tiny_http::Response::empty(204));
                    continue;
                };
                let target = request.url().to_owned();
                drop(request.into_writer());
                if let Some((rest, owed)) = taken.take(number)
                    && target != "/silence"
                {
                    owed.answer(Response { head: target.into_bytes(), body: rest.body });
                }
            }
        });
        Ok((Lines::open(&path, 1, exchanges)?, server))
    }

    fn pass(lines: &Lines, target: &str, wait: Duration) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let head = head::parse(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes())?;
        let request = Whole { head: &head, body: b"body", peer: Ipv4Addr::LOCALHOST.into(), names: "" };
        lines.pass(&request, wait, &Budget::new(0)).map(|Answer { head, body, .. }| (head, body))
    }

    #[test]
    fn a_line_that_broke_is_opened_again() -> Result<(), Box<dyn std::error::Error>> {
        let directory = TempDir::new()?;
        let (lines, server) = opened(&directory)?;
        for target in ["/one", "/two"] {
            assert_eq!(pass(&lines, target, NEVER), Ok((target.into(), b"body".into())));
            if let Some(stream) = &lines.line.lock().stream {
                stream.shutdown(Shutdown::Both)?;
            }
        }
        server.unblock();
        Ok(())
    }

    #[test]
    fn what_is_not_taken_in_time_is_not_answered_later_and_what_gets_no_answer_ends()
    -> Result<(), Box<dyn std::error::Error>> {
        let directory = TempDir::new()?;
        let (lines, server) = opened(&directory)?;
        assert_eq!(pass(&lines, "/silence", NEVER), Err(Refusal::Unanswered));
        // Nobody takes anything any more.
        server.unblock();
        let busy = Refusal::Busy("every thread that answers has been occupied for too long");
        assert_eq!(pass(&lines, "/late", Duration::from_millis(1)), Err(busy));
        assert!(lines.exchanges.open.lock().waiting.is_empty());
        lines.exchanges.close();
        assert_eq!(pass(&lines, "/closed", NEVER), Err(Refusal::Busy(STOPPING)));
        Ok(())
    }
}
