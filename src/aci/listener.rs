//! The blocking tiny_http loop: a fixed number of dispatchers, each of which takes a request, has it answered and
//! sends the reply. The only user of tiny_http.
//!
//! A request that only has to wait for a commit is passed on to one more thread, `NAME-awaited`, which sends its reply in
//! its turn. So all requests that are under way share a commit, and none of them keeps a dispatcher from the others.
//!
//! tiny_http never meets the network. It listens on a socket in a directory that only this user can enter, and what
//! arrives there is written by the door: whole, small enough and well-formed. Replies do not pass through it: they go back
//! in memory, as [`lines`](super::lines) says.

use super::access::Access;
use super::actions::ActionSpec;
use super::journal::{Asked, Begun, DispatcherState, Journal};
use super::lines::{EXCHANGE, Exchanges, Owed, Response, Rest};
use super::output::Output;
use super::private::PrivateDirectory;
use super::render::{Format, render};
use super::reply::{ErrorCode, Failure, Outcome, Raw, Reply};
use super::request::{self, Parsed, Request};
use super::{Caller, Handler, ListenError, Settings, forwarded, join_within};
use crate::stop::StopFlag;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use tiny_http::{Server, StatusCode};

pub(super) struct Listener {
    server: Option<Arc<Server>>,
    dispatchers: usize,
    /// The dispatchers, and the one that sends what was awaited.
    threads: Vec<JoinHandle<()>>,
    /// Disconnected once every thread has ended.
    ended: Receiver<Infallible>,
    stop: StopFlag,
    /// Last, as the server still connects to its socket when it is dropped.
    directory: PrivateDirectory,
}

/// What a dispatcher needs to answer.
struct Desk {
    table: &'static [ActionSpec],
    access: Arc<Access>,
    handler: Handler,
    journal: Arc<Journal>,
    /// Of the dispatcher, from 1.
    number: usize,
    output_folders: Arc<[PathBuf]>,
    exchanges: Arc<Exchanges>,
    awaited: Sender<Awaited>,
}

/// A request whose reply is awaited. There are no more of them than connections.
struct Awaited {
    owed: Owed,
    reply: Box<dyn FnOnce() -> Reply + Send>,
    question: Question,
    asked: Asked,
    begun: Option<Begun>,
}

/// What a reply needs of its request.
struct Question {
    action: String,
    format: Format,
    peer: IpAddr,
}

impl Listener {
    /// Starts a thread for each dispatcher of `journal`, for requests whose rest and answer are in `exchanges`.
    pub(super) fn start(
        journal: &Arc<Journal>,
        settings: &Settings,
        exchanges: &Arc<Exchanges>,
        table: &'static [ActionSpec],
        handler: &Handler,
    ) -> Result<Listener, ListenError> {
        let temporary = std::env::temp_dir();
        let directory = PrivateDirectory::create(&temporary, SystemTime::now())
            .map_err(|source| ListenError::Inner { path: temporary.clone(), source })?;
        let inner = |source| ListenError::Inner { path: directory.socket(), source };
        let socket = UnixListener::bind(directory.socket()).map_err(inner)?;
        let server = Server::from_listener(socket, None).map_err(|error| inner(io::Error::other(error)))?;

        let (ending, ended) = bounded(0);
        let (awaited, to_await) = unbounded();
        let states = journal.dispatchers();
        let server = Arc::new(server);
        let mut listener = Listener {
            server: Some(Arc::clone(&server)),
            dispatchers: states.len(),
            threads: Vec::new(),
            ended,
            stop: StopFlag::new(),
            directory,
        };
        let spawn = |name: String, run: Box<dyn FnOnce() + Send>| {
            let ending = ending.clone();
            let run = move || {
                run();
                drop(ending);
            };
            thread::Builder::new().name(name).spawn(run).map_err(ListenError::Thread)
        };
        let output_folders: Arc<[PathBuf]> = settings.output_folders.as_slice().into();
        // On an error, what has been started ends with the listener that is dropped here.
        for DispatcherState { number, name, .. } in states {
            let (handler, journal) = (Arc::clone(handler), Arc::clone(journal));
            let (output_folders, awaited) = (Arc::clone(&output_folders), awaited.clone());
            let (access, exchanges) = (Arc::clone(&settings.access), Arc::clone(exchanges));
            let desk = Desk { table, access, handler, journal, number, output_folders, exchanges, awaited };
            let (server, stop) = (Arc::clone(&server), listener.stop.clone());
            listener.threads.push(spawn(name, Box::new(move || desk.dispatch(&server, &stop)))?);
        }
        let name = format!("{}-awaited", journal.name());
        let journal = Arc::clone(journal);
        listener.threads.push(spawn(name, Box::new(move || send_awaited(&journal, &to_await)))?);
        Ok(listener)
    }

    /// The socket on which requests are taken.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.socket()
    }

    /// Ends the loop and joins its threads. A dispatcher whose handler has not returned `within` this time is left
    /// to end with the process, which the log says.
    pub(super) fn close(&mut self, within: Duration) {
        let Some(server) = self.server.take() else { return };
        self.stop.set();
        for _ in 0..self.dispatchers {
            server.unblock();
        }
        join_within(&mut self.threads, &self.ended, within);
        // tiny_http's own threads end by themselves when the server is dropped, the idle ones within 5 s.
        drop(server);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only after a failed start: the dispatchers are idle.
        self.close(Duration::from_millis(200));
    }
}

impl Desk {
    fn dispatch(&self, server: &Server, stop: &StopFlag) {
        loop {
            match server.recv() {
                Ok(request) => self.serve(request),
                Err(_) if stop.is_set() => return,
                // Its listener has failed: the lines that are open go on, and a new one cannot be had.
                Err(error) => {
                    let name = self.journal.name();
                    log::error!(target: "application", "the listener of {name} failed: {error}");
                }
            }
        }
    }

    fn serve(&self, request: tiny_http::Request) {
        let header = request.headers().iter().find(|header| header.field.equiv(EXCHANGE));
        let Some(number) = header.and_then(|header| header.value.as_str().parse().ok()) else {
            // The door asks whether the line is alive; it may have given it up, when it closes.
            let _ = request.respond(tiny_http::Response::empty(StatusCode(204)));
            return;
        };
        let target = request.url().to_owned();
        // Dropped without a word: the answer goes another way.
        drop(request.into_writer());
        let Some((rest, owed)) = self.exchanges.take(number) else { return };
        let Rest { peer, names, content_type, body } = rest;
        let names = forwarded::read(&names);
        let Parsed { action, format, action_id, spec, output, request: typed } =
            request::parse(self.table, &target, content_type.as_deref(), &body);
        let (asked, question) = (Asked { target, content_type, body }, Question { action, format, peer });
        let dispatcher = self.journal.dispatcher(self.number);
        dispatcher.begin(spec.map(|spec| spec.name), peer);
        let caller = Caller { peer, names, action_id, dispatcher };
        // Whoever may not ask is told nothing of how to ask.
        let typed = spec.map_or(Ok(()), |spec| self.access.check(peer, &caller.names, spec)).and(typed);
        let performed = catch_unwind(AssertUnwindSafe(|| match (typed, output) {
            (Ok(typed), None) => Ok((self.handler)(typed, &caller)),
            (Ok(typed), Some(path)) => Err(self.perform_into(&path, typed, &caller, &question)),
            (Err(failure), _) => Err(question.refusal(failure)),
        }));
        let begun = self.journal.leave(self.number);
        let answer = match performed {
            Ok(Ok(Outcome::Awaited(reply))) => {
                // The receiver outlives the dispatchers.
                let _ = self.awaited.send(Awaited { owed, reply, question, asked, begun });
                return;
            }
            Ok(Ok(Outcome::Reply(reply))) => question.answer(|| reply),
            Ok(Err(answer)) => answer,
            Err(panic) => question.panicked(panic.as_ref()),
        };
        respond(&self.journal, owed, answer, asked, begun.as_ref());
    }

    /// Has a request performed whose reply goes into a file as well.
    fn perform_into(&self, path: &Path, request: Request, caller: &Caller, question: &Question) -> Answer {
        let written = Output::begin(path, &self.output_folders).and_then(|output| {
            let reply = match (self.handler)(request, caller) {
                Outcome::Reply(reply) => reply,
                Outcome::Awaited(reply) => reply(),
            };
            let answer = Answer::new(reply, question.format);
            output.write(&answer.bytes)?;
            Ok(answer)
        });
        written.unwrap_or_else(|failure| question.refusal(failure))
    }
}

/// Sends the replies that are awaited, until the dispatchers have ended.
fn send_awaited(journal: &Journal, awaited: &Receiver<Awaited>) {
    for Awaited { owed, reply, question, asked, begun } in awaited {
        respond(journal, owed, question.answer(reply), asked, begun.as_ref());
    }
}

fn respond(journal: &Journal, owed: Owed, answer: Answer, asked: Asked, begun: Option<&Begun>) {
    // Written down before the reply goes out, so that who has it finds the request. A long body is dropped: its
    // memory is free for other requests from now on.
    let took = journal.end(begun, asked, answer.is_error);
    if journal.logs_timing() {
        let (client, how) = (begun.map(Begun::client), if answer.is_error { "error" } else { "success" });
        let (action, client) = (&answer.action, client.map_or_else(String::new, |client| client.to_string()));
        let milliseconds = took.as_secs_f64() * 1000.0;
        log::info!(target: "application", "{action} from {client}: {how} in {milliseconds:.2} ms");
    }
    owed.answer(answer.response(SystemTime::now()));
}

impl Question {
    fn answer(&self, reply: impl FnOnce() -> Reply) -> Answer {
        let answer = catch_unwind(AssertUnwindSafe(|| Answer::new(reply(), self.format)));
        answer.unwrap_or_else(|panic| self.panicked(panic.as_ref()))
    }

    fn refusal(&self, failure: Failure) -> Answer {
        Answer::new(Reply::error(&self.action, failure), self.format)
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Answer {
        let Question { action, peer, .. } = self;
        let reason = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        let reason = reason.unwrap_or("no reason given");
        log::error!(target: "application", "{action} from {peer}: the answer panicked: {reason}");
        self.refusal(Failure::new(ErrorCode::Internal, "internal error; the log of the server says more"))
    }
}

/// What goes out.
struct Answer {
    /// As it was asked for, in capitals.
    action: String,
    is_error: bool,
    status: u16,
    content_type: Cow<'static, str>,
    /// Further headers, each with the end of its line.
    headers: &'static str,
    bytes: Vec<u8>,
}

/// Of a page as it is. Whoever wrote it must not speak to this port in the name of the person who looks at it.
const OF_A_PAGE: &str = "Content-Security-Policy: sandbox\r\nX-Content-Type-Options: nosniff\r\n";

impl Answer {
    fn new(reply: Reply, format: Format) -> Answer {
        let is_error = reply.outcome.is_err() || reply.raw.as_ref().is_some_and(|raw| raw.status >= 400);
        let Some(Raw { status, content_type, bytes }) = reply.raw else {
            let (content_type, bytes) = (format.content_type().into(), render(&reply, format));
            return Answer { action: reply.action, is_error, status: 200, content_type, headers: "", bytes };
        };
        let content_type = content_type.trim();
        let is_sound = content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let content_type = if is_sound { content_type.to_owned() } else { "application/octet-stream".to_owned() };
        Answer { action: reply.action, is_error, status, content_type: content_type.into(), headers: OF_A_PAGE, bytes }
    }

    /// As it is sent at this time.
    fn response(self, now: SystemTime) -> Response {
        let Answer { status, content_type, headers, bytes: body, .. } = self;
        let (reason, date) = (StatusCode(status).default_reason_phrase(), httpdate::fmt_http_date(now));
        let mut head = Vec::with_capacity(256);
        write!(
            head,
            "HTTP/1.1 {status} {reason}\r\nDate: {date}\r\nServer: webconnector\r\nContent-Type: {content_type}\r\n{headers}\
             Content-Length: {}\r\n",
            body.len()
        )
        .expect("memory takes what is written to it");
        Response { head, body }
    }
}
