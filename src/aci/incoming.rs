//! One request as it comes in: bytes in any pieces become a head and a body, within their limits. Pure: reads no socket
//! and no clock, so that whoever waits for the bytes, a thread or the door for all who are silent, reads them the same.
//!
//! Holds no more than one request and what came in the same packet: a client that sends ahead fills its own socket.

use super::Settings;
use super::budget::{Budget, Held};
use super::chunked::{Chunked, Progress};
use super::head::{self, BodyLength, Head, Method, Scan};
use super::refusal::Refusal;
use std::sync::Arc;
use std::time::Instant;

/// What is kept of the memory that a large head took, while requests follow each other.
const KEPT_BYTES: usize = 8 * 1024;

pub(super) struct Incoming {
    /// Read and not yet used.
    pending: Vec<u8>,
    stage: Stage,
    /// Of the stage.
    deadline: Instant,
}

enum Stage {
    /// Nothing of the next request has come.
    Silence,
    Head(Scan),
    Body(Box<Body>),
}

struct Body {
    head: Head,
    form: Form,
    memory: Held,
}

enum Form {
    Known(usize),
    Chunked(Chunked, Vec<u8>),
}

/// A whole request.
pub(super) struct Arrived {
    pub(super) head: Head,
    /// Empty for OPTIONS, whose body is not read.
    pub(super) body: Vec<u8>,
    /// What the body holds of the budget.
    pub(super) memory: Held,
}

pub(super) enum Step {
    /// Nothing can be done before more bytes come.
    More,
    /// The same, and the client waits to be told to go on ([`CONTINUE`]).
    Continue,
    Whole(Arrived),
}

pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Incoming {
    /// Expects the first byte of a request until `deadline`.
    pub(super) fn new(deadline: Instant) -> Incoming {
        Incoming { pending: Vec::new(), stage: Stage::Silence, deadline }
    }

    /// Expects the next request, whose first byte may have come already.
    pub(super) fn expect_next(&mut self, deadline: Instant) {
        self.stage = Stage::Silence;
        self.deadline = deadline;
        self.pending.shrink_to(KEPT_BYTES);
    }

    /// Until when the client has to send what is expected now.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What a client is told that has not sent it by then. Silence is no offence: who has sent nothing is told nothing.
    pub(super) fn lateness(&self) -> Option<Refusal> {
        match self.stage {
            Stage::Silence => None,
            Stage::Head(_) => Some(Refusal::Slow("whole head of the request")),
            Stage::Body(_) => Some(Refusal::Slow("whole body of the request")),
        }
    }

    /// No memory is held while nothing is said.
    pub(super) fn rest(&mut self) {
        if self.pending.is_empty() && matches!(self.stage, Stage::Silence) {
            self.pending = Vec::new();
        }
    }

    /// Adds what was read at `now`, and goes on with it as far as it reaches.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        now: Instant,
        settings: &Settings,
        budget: &Arc<Budget>,
    ) -> Result<Step, Refusal> {
        self.pending.extend_from_slice(bytes);
        if matches!(self.stage, Stage::Silence) {
            if self.pending.is_empty() {
                return Ok(Step::More);
            }
            self.stage = Stage::Head(Scan::default());
            self.deadline = now + settings.head_deadline;
        }
        if let Stage::Head(scan) = &mut self.stage {
            // Looked at up to the limit only: what follows a short head may be a long body.
            let within = self.pending.len().min(settings.head_bytes_max);
            let Some(range) = scan.advance(&self.pending[..within])? else {
                let is_too_large = within < self.pending.len();
                let too_large = Refusal::HeadTooLarge { bytes_max: settings.head_bytes_max };
                return if is_too_large { Err(too_large) } else { Ok(Step::More) };
            };
            let end = range.end;
            let head = head::parse(&self.pending[range])?;
            self.pending.drain(..end);
            let form = Form::of(&head, settings.body_bytes_max)?;
            let is_awaited = head.expects_continue && self.pending.is_empty() && !matches!(form, Form::Known(0));
            self.stage = Stage::Body(Box::new(Body { head, form, memory: budget.hold() }));
            self.deadline = now + settings.body_deadline;
            if is_awaited {
                return Ok(Step::Continue);
            }
        }
        let Stage::Body(body) = &mut self.stage else { return Ok(Step::More) };
        let Some(whole) = body.take(&mut self.pending, settings.body_bytes_max)? else { return Ok(Step::More) };
        match std::mem::replace(&mut self.stage, Stage::Silence) {
            Stage::Body(body) => Ok(Step::Whole(Arrived { head: body.head, body: whole, memory: body.memory })),
            Stage::Silence | Stage::Head(_) => Ok(Step::More),
        }
    }
}

impl Form {
    fn of(head: &Head, bytes_max: usize) -> Result<Form, Refusal> {
        match head.body {
            _ if head.method == Method::Options => Ok(Form::Known(0)),
            BodyLength::Known(length) => match usize::try_from(length) {
                Ok(length) if length <= bytes_max => Ok(Form::Known(length)),
                _ => Err(Refusal::BodyTooLarge { bytes_max }),
            },
            BodyLength::Chunked => Ok(Form::Chunked(Chunked::default(), Vec::new())),
        }
    }
}

impl Body {
    /// The body, once all of it is in `pending`; what follows it is left there.
    fn take(&mut self, pending: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Vec<u8>>, Refusal> {
        match &mut self.form {
            Form::Known(0) => Ok(Some(Vec::new())),
            Form::Known(length) => {
                let length = *length;
                // What is reserved and not what has come: a buffer grows by doubling.
                self.hold(pending.capacity())?;
                if pending.len() < length {
                    return Ok(None);
                }
                let rest = pending.split_off(length);
                Ok(Some(std::mem::replace(pending, rest)))
            }
            Form::Chunked(chunked, body) => {
                let (used, progress) = chunked.advance(pending, body, bytes_max)?;
                pending.drain(..used);
                if progress == Progress::End {
                    return Ok(Some(std::mem::take(body)));
                }
                let held = body.capacity();
                self.hold(held)?;
                Ok(None)
            }
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.memory.grow_to(bytes).map_err(|_| Refusal::Busy("other large requests are being read"))
    }
}
