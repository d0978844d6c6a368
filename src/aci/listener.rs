//! The blocking tiny_http loop: a fixed number of dispatchers, each of which takes a request, has it answered and
//! sends the reply. The only user of tiny_http.
//!
//! tiny_http never meets the network. It listens on a socket in a directory that only this user can enter, and what
//! arrives there is written by the door: whole, small enough and well-formed.

use super::actions::ActionSpec;
use super::journal::{Asked, DispatcherState, Journal};
use super::lines::PEER;
use super::output::Output;
use super::private::PrivateDirectory;
use super::render::{Format, render};
use super::reply::{ErrorCode, Failure, Raw, Reply};
use super::request::{self, Parsed};
use super::{Caller, Handler, ListenError, Settings, join_within};
use crate::stop::StopFlag;
use crossbeam_channel::{Receiver, bounded};
use std::convert::Infallible;
use std::io::{self, Cursor};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use tiny_http::{Header, Response, Server, StatusCode};

pub(super) struct Listener {
    server: Option<Arc<Server>>,
    dispatchers: Vec<JoinHandle<()>>,
    /// Disconnected once every dispatcher has ended.
    ended: Receiver<Infallible>,
    stop: StopFlag,
    /// Last, as the server still connects to its socket when it is dropped.
    directory: PrivateDirectory,
}

/// What a dispatcher needs to answer.
struct Desk {
    table: &'static [ActionSpec],
    handler: Handler,
    journal: Arc<Journal>,
    /// Of the dispatcher, from 1.
    number: usize,
    output_folders: Arc<[PathBuf]>,
}

impl Listener {
    /// Starts a thread for each dispatcher of `journal`.
    pub(super) fn start(
        journal: &Arc<Journal>,
        settings: &Settings,
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
        let mut listener = Listener {
            server: Some(Arc::new(server)),
            dispatchers: Vec::new(),
            ended,
            stop: StopFlag::new(),
            directory,
        };
        let output_folders: Arc<[PathBuf]> = settings.output_folders.as_slice().into();
        for DispatcherState { number, name, .. } in journal.dispatchers() {
            let (handler, journal) = (Arc::clone(handler), Arc::clone(journal));
            let desk = Desk { table, handler, journal, number, output_folders: Arc::clone(&output_folders) };
            let (ending, stop) = (ending.clone(), listener.stop.clone());
            let server = Arc::clone(listener.server.as_ref().expect("it is taken at the end only"));
            let dispatch = move || {
                desk.dispatch(&server, &stop);
                drop(ending);
            };
            let thread = thread::Builder::new().name(name).spawn(dispatch);
            // What has been started ends with the listener that is dropped here.
            listener.dispatchers.push(thread.map_err(ListenError::Thread)?);
        }
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
        for _ in &self.dispatchers {
            server.unblock();
        }
        join_within(&mut self.dispatchers, &self.ended, within);
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

    fn serve(&self, mut request: tiny_http::Request) {
        let value = |name: &'static str| {
            let header = request.headers().iter().find(|header| header.field.equiv(name));
            header.map(|header| header.value.as_str().to_owned())
        };
        let Some(peer) = value(PEER).and_then(|peer| peer.parse().ok()) else {
            // The door asks whether a line is alive.
            return self.sent(request.respond(Response::empty(StatusCode(204))));
        };
        let content_type = value("Content-Type");
        let mut body = Vec::with_capacity(request.body_length().unwrap_or(0));
        if let Err(error) = request.as_reader().read_to_end(&mut body) {
            return self.sent(Err(error));
        }
        let target = request.url().to_owned();
        let answer = self.answer(&target, content_type.as_deref(), &body, peer);
        // Written down before the reply goes out, so that who has it finds the request. A long body is dropped: its
        // memory is free for other requests from now on.
        self.journal.end(self.number, Asked { target, content_type, body }, answer.is_error);

        let length = answer.bytes.len();
        let status = StatusCode(answer.status);
        let response = Response::new(status, answer.headers, Cursor::new(answer.bytes), Some(length), None);
        self.sent(request.respond(response.with_chunked_threshold(usize::MAX)));
    }

    fn answer(&self, target: &str, content_type: Option<&str>, body: &[u8], peer: IpAddr) -> Answer {
        let Parsed { action, format, action_id, known, output, request } =
            request::parse(self.table, target, content_type, body);
        let dispatcher = self.journal.dispatcher(self.number);
        dispatcher.begin(known, peer);
        let caller = Caller { peer, action_id, dispatcher };
        let perform = |request, output: Option<PathBuf>| {
            let output = output.map(|path| Output::begin(&path, &self.output_folders)).transpose()?;
            let answer = Answer::new((self.handler)(request, &caller), format);
            if let Some(output) = output {
                output.write(&answer.bytes)?;
            }
            Ok(answer)
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let performed = request.and_then(|request| perform(request, output));
            performed.unwrap_or_else(|failure| Answer::new(Reply::error(&action, failure), format))
        }));
        outcome.unwrap_or_else(|panic| {
            let reason = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            let reason = reason.unwrap_or("no reason given");
            log::error!(target: "application", "{action} from {peer}: the answer panicked: {reason}");
            let failure = Failure::new(ErrorCode::Internal, "internal error; the log of the server says more");
            Answer::new(Reply::error(&action, failure), format)
        })
    }

    /// The door may have given a line up, when it closes. Nobody is left to be told.
    fn sent(&self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            log::debug!(target: "application", "{}: a reply was not taken: {error}", self.journal.name());
        }
    }
}

/// What goes out.
struct Answer {
    is_error: bool,
    status: u16,
    headers: Vec<Header>,
    bytes: Vec<u8>,
}

impl Answer {
    fn new(reply: Reply, format: Format) -> Answer {
        let server = header("Server", "webconnector");
        let is_error = reply.outcome.is_err() || reply.raw.as_ref().is_some_and(|raw| raw.status >= 400);
        let Some(Raw { status, content_type, bytes }) = reply.raw else {
            let content_type = header("Content-Type", format.content_type());
            return Answer {
                is_error,
                status: 200,
                headers: vec![content_type, server],
                bytes: render(&reply, format),
            };
        };
        let content_type = Header::from_bytes("Content-Type", content_type.trim())
            .unwrap_or_else(|()| header("Content-Type", "application/octet-stream"));
        // Whoever wrote the page must not speak to this port in the name of the person who looks at it.
        let sandbox = header("Content-Security-Policy", "sandbox");
        let no_guess = header("X-Content-Type-Options", "nosniff");
        Answer { is_error, status, headers: vec![content_type, sandbox, no_guess, server], bytes }
    }
}

fn header(name: &'static str, value: &'static str) -> Header {
    Header::from_bytes(name, value).expect("both are constants in ASCII")
}
