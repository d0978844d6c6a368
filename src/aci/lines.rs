//! The lines between the door and the tiny_http loop: a few Unix connections that are kept for good and take one
//! request at a time.
//!
//! All of them are opened at the start, so that later nothing can fail for want of a descriptor (a failed accept
//! closes tiny_http's listener for good), and there are no more of them than keep the dispatchers busy: what cannot be
//! answered yet waits on this side, where waiting has a limit.

use super::budget::{Budget, FREE_BYTES, Held};
use super::head::{Head, Method};
use super::refusal::Refusal;
use crate::stop::{Registration, StopFlag};
use crossbeam_channel::{Receiver, Sender, at, bounded, select};
use memchr::memmem;
use socket2::Socket;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The headers that name a request's peer, and what its certificate says. The door writes every header on a line, so a
/// client cannot set them.
pub(super) const PEER: &str = "Webconnector-Peer";
pub(super) const NAMES: &str = "Webconnector-Names";

/// A probe is answered by an idle dispatcher within microseconds.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Lines {
    path: PathBuf,
    /// One slot for each line; `None` where it broke and has to be opened again.
    idle: Receiver<Option<Line>>,
    back: Sender<Option<Line>>,
    /// A word for each request with a large body that may be answered now: to read one can take a dispatcher a hundred
    /// times as long as others do, and some must be left for these.
    large: Receiver<()>,
    large_back: Sender<()>,
    /// Set when no answer is awaited any more; shuts every line down.
    now: StopFlag,
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

impl Lines {
    /// Opens `count` lines to the tiny_http server at `path` and sees that each has been taken up. No more than
    /// `large_max` requests with bodies that are not small are passed at once.
    ///
    /// One after the other: tiny_http counts an idle thread of its pool for a new connection although another
    /// connection is already meant for it, and leaves one of them without a thread if two come at once.
    pub(super) fn open(path: &Path, count: usize, large_max: usize, now: StopFlag) -> io::Result<Lines> {
        let (large_back, large) = bounded(large_max);
        for () in std::iter::repeat_n((), large_max) {
            large_back.send(()).expect("the channel has room for every word");
        }
        let (back, idle) = bounded(count);
        for _ in 0..count {
            let mut line = Line::open(path, &now)?;
            line.probe()?;
            back.send(Some(line)).expect("the channel has room for every line");
        }
        Ok(Lines { path: path.to_owned(), idle, back, large, large_back, now })
    }

    /// Has one request answered. Waits at most `wait` for a line, and then for as long as the answer takes or until
    /// the lines are shut down.
    pub(super) fn pass(&self, request: &Whole<'_>, wait: Duration, budget: &Arc<Budget>) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + wait;
        let large = if request.body.len() > FREE_BYTES { Some(self.take_large(deadline)?) } else { None };
        let mut slot = self.take(deadline)?;
        let answer = slot.line(self).and_then(|line| {
            line.send(request)?;
            line.receive(budget.hold())
        });
        drop(large);
        answer.unwrap_or_else(|error| {
            // It may be in the middle of an answer: nothing can be sent over it again.
            slot.line = None;
            if self.now.is_set() {
                return Err(Refusal::Busy("the server is stopping"));
            }
            log::error!(target: "application", "a request from {} got no answer: {error}", request.peer);
            Err(Refusal::Unanswered)
        })
    }

    fn take(&self, deadline: Instant) -> Result<Slot<'_>, Refusal> {
        select! {
            recv(self.idle) -> line => Ok(Slot { line: line.expect("this holds a sender"), back: &self.back }),
            recv(self.now.signal()) -> _ => Err(Refusal::Busy("the server is stopping")),
            recv(at(deadline)) -> _ => Err(Refusal::Busy("every thread that answers has been occupied for too long")),
        }
    }

    fn take_large(&self, deadline: Instant) -> Result<Large<'_>, Refusal> {
        select! {
            recv(self.large) -> _ => Ok(Large(&self.large_back)),
            recv(self.now.signal()) -> _ => Err(Refusal::Busy("the server is stopping")),
            recv(at(deadline)) -> _ => Err(Refusal::Busy("other large requests are being answered")),
        }
    }
}

/// The place of a large request, given back when dropped.
struct Large<'a>(&'a Sender<()>);

impl Drop for Large<'_> {
    fn drop(&mut self) {
        // There is room for every word, and the receiver lives as long as the sender.
        let _ = self.0.try_send(());
    }
}

/// A line that is taken, given back when dropped.
struct Slot<'a> {
    line: Option<Line>,
    back: &'a Sender<Option<Line>>,
}

impl Slot<'_> {
    /// The line, opened again if it broke.
    fn line(&mut self, lines: &Lines) -> io::Result<&mut Line> {
        if self.line.is_none() {
            self.line = Some(Line::open(&lines.path, &lines.now)?);
        }
        Ok(self.line.as_mut().expect("it was opened just now"))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // There is room for every line, and the receiver lives as long as the sender.
        let _ = self.back.try_send(self.line.take());
    }
}

struct Line {
    stream: UnixStream,
    _registration: Registration,
}

impl Line {
    fn open(path: &Path, now: &StopFlag) -> io::Result<Line> {
        let stream = UnixStream::connect(path)?;
        let socket = Socket::from(OwnedFd::from(stream.try_clone()?));
        let registration = now.register(socket).map_err(io::Error::other)?;
        Ok(Line { stream, _registration: registration })
    }

    /// A request that names no peer is answered by the loop itself.
    fn probe(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PROBE_DEADLINE))?;
        self.stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
        let budget = Budget::new(0);
        self.receive(budget.hold())?.map_err(io::Error::other)?;
        self.stream.set_read_timeout(None)
    }

    fn send(&mut self, request: &Whole<'_>) -> io::Result<()> {
        let Whole { head, body, peer, names } = request;
        let method = match head.method {
            // The answer to HEAD is cut by the door, and OPTIONS does not come here.
            Method::Get | Method::Head | Method::Options => "GET",
            Method::Post => "POST",
        };
        let mut text = Vec::with_capacity(256 + head.target.len());
        write!(text, "{method} {} HTTP/1.1\r\n{PEER}: {peer}\r\nContent-Length: {}\r\n", head.target, body.len())?;
        if let Some(content_type) = &head.content_type {
            write!(text, "Content-Type: {content_type}\r\n")?;
        }
        if !names.is_empty() {
            write!(text, "{NAMES}: {names}\r\n")?;
        }
        text.extend_from_slice(b"\r\n");
        self.stream.write_all(&text)?;
        self.stream.write_all(body)
    }

    /// Reads a response. The inner error is an answer that there is no memory for; it has been read and dropped.
    fn receive(&mut self, mut memory: Held) -> io::Result<Result<Answer, Refusal>> {
        const HEAD_BYTES_MAX: usize = 16 * 1024;
        const HEAD_END: &[u8] = b"\r\n\r\n";
        let mut head = Vec::with_capacity(1024);
        let mut chunk = [0; 4096];
        let head_end = loop {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 || head.len() > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            head.extend_from_slice(&chunk[..count]);
            if let Some(at) = memmem::find(&head, HEAD_END) {
                break at + HEAD_END.len();
            }
        };
        let mut body = head.split_off(head_end);
        let length = content_length(&head)?;
        let left = length.checked_sub(body.len()).ok_or(io::ErrorKind::InvalidData)?;
        let mut rest = (&self.stream).take(left as u64);
        if memory.grow_to(length).is_err() {
            drop(body);
            io::copy(&mut rest, &mut io::sink())?;
            return Ok(Err(Refusal::Busy("slow readers hold the memory that the answer needs")));
        }
        body.reserve_exact(left);
        if rest.read_to_end(&mut body)? != left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.truncate(head_end - b"\r\n".len());
        Ok(Ok(Answer { head, body, memory }))
    }
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(head).map_err(io::Error::other)?;
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    length.ok_or_else(|| io::Error::other("an answer without Content-Length"))
}
