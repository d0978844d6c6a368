//! Which sockets have something to read, as the kernel tells it (epoll), and a bell for other threads.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Sockets of which one wait tells. Those that are left out are told of at the next, before these are again.
const EVENTS_MAX: usize = 512;

/// What the numbers of connections leave free.
const NEWCOMERS: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

pub(super) struct Watch {
    epoll: OwnedFd,
    bell: Arc<Bell>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Newcomers,
    /// It has rung since the last time.
    Bell,
    /// The connection of this number has sent something, or ended.
    Readable(u64),
}

/// Wakes who waits on the [`Watch`].
pub(super) struct Bell {
    counter: OwnedFd,
    /// So that a bell that nobody has heard yet is not rung again.
    is_rung: AtomicBool,
}

impl Watch {
    /// Of newcomers at `listener`, to begin with.
    pub(super) fn new(listener: &TcpListener) -> io::Result<Watch> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &counter, EventData::new_u64(BELL), EventFlags::IN)?;
        epoll::add(&epoll, listener, EventData::new_u64(NEWCOMERS), EventFlags::IN)?;
        let bell = Arc::new(Bell { counter, is_rung: AtomicBool::new(false) });
        Ok(Watch { epoll, bell })
    }

    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Watches a connection for as long as it is open or until it is forgotten.
    pub(super) fn add(&self, stream: &TcpStream, number: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, stream, EventData::new_u64(number), EventFlags::IN)?)
    }

    pub(super) fn forget(&self, stream: &TcpStream) {
        // It is there: it was added, and is open.
        let _ = epoll::delete(&self.epoll, stream);
    }

    /// Whether to tell of a connection that is watched. Its end is told of in any case.
    pub(super) fn set_heard(&self, stream: &TcpStream, number: u64, is_heard: bool) {
        let flags = if is_heard { EventFlags::IN } else { EventFlags::empty() };
        let _ = epoll::modify(&self.epoll, stream, EventData::new_u64(number), flags);
    }

    /// Does not tell of newcomers.
    pub(super) fn pause(&self, listener: &TcpListener) {
        let _ = epoll::modify(&self.epoll, listener, EventData::new_u64(NEWCOMERS), EventFlags::empty());
    }

    pub(super) fn resume(&self, listener: &TcpListener) {
        let _ = epoll::modify(&self.epoll, listener, EventData::new_u64(NEWCOMERS), EventFlags::IN);
    }

    /// Adds to `events` what there is, waiting for it until `deadline`.
    pub(super) fn wait(&self, events: &mut Vec<Event>, deadline: Option<Instant>) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A deadline that no clock can hold is none.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut space = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        let ready = match epoll::wait(&self.epoll, &mut space, left.as_ref()) {
            Ok((ready, _)) => ready,
            Err(error) if io::Error::from(error).kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            events.push(match event.data.u64() {
                NEWCOMERS => Event::Newcomers,
                BELL => {
                    self.bell.hear();
                    Event::Bell
                }
                number => Event::Readable(number),
            });
        }
        Ok(())
    }
}

impl Bell {
    /// Whatever was sent before is found by who is woken.
    pub(super) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // It cannot overflow, as it is rung once for each time it is heard.
            let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
        }
    }

    /// In this order: one that rings between the two steps finds the bell rung, and what it has sent is looked for after
    /// them. The other way round its ring would be wiped out, and later ones would be kept back.
    fn hear(&self) {
        let _ = rustix::io::read(&self.counter, &mut [0; 8]);
        self.is_rung.swap(false, Ordering::AcqRel);
    }
}
