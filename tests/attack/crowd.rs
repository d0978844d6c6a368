//! A few threads with many connections each, none of which ever blocks its thread for long.

#![allow(unreachable_pub, reason = "a module of a test")]

use crate::attacks::{Attack, Then};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const HANDS: usize = 4;

/// Between two turns of a hand: an attack lives from what the server holds, not from what this costs the machine.
const TURN: Duration = Duration::from_millis(2);

/// What a socket takes or gives without progress before its hand turns to the next one.
const PATIENCE: Duration = Duration::from_millis(1);

/// For a reply that has to come.
const REPLY: Duration = Duration::from_secs(30);

/// What was done.
#[derive(Default)]
pub struct Deeds {
    pub connections: usize,
    /// What should have been answered otherwise.
    pub wrong: Vec<String>,
}

/// Attacks for as long as `lasts`, which counts from the moment at which every connection has been opened once.
pub fn attack(address: SocketAddr, attack: &Attack, lasts: Duration) -> Deeds {
    let hands = HANDS.min(attack.connections.max(1));
    let ready = Barrier::new(hands);
    let deeds = thread::scope(|scope| {
        let work = |number: usize| {
            let ready = &ready;
            let places = (number..attack.connections).step_by(hands).map(|place| Place { next: place, stream: None });
            let mut hand = Hand { address, attack, step: hands, deeds: Deeds::default(), places: places.collect() };
            move || {
                if !matches!(attack.then, Then::OneReply) {
                    hand.turn();
                }
                ready.wait();
                let end = Instant::now() + lasts;
                while Instant::now() < end {
                    hand.turn();
                    pause(TURN);
                }
                hand.deeds
            }
        };
        let threads: Vec<_> = (0..hands).map(|number| scope.spawn(work(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a hand does not panic")).collect::<Vec<_>>()
    });
    deeds.into_iter().fold(Deeds::default(), |mut all, deeds| {
        all.connections += deeds.connections;
        all.wrong.extend(deeds.wrong);
        all
    })
}

/// Waits for time to pass: an attack is nothing but that.
pub fn pause(time: Duration) {
    let _ = crossbeam_channel::never::<()>().recv_timeout(time);
}

struct Hand<'a> {
    address: SocketAddr,
    attack: &'a Attack,
    step: usize,
    places: Vec<Place>,
    deeds: Deeds,
}

struct Place {
    /// Which opening is next.
    next: usize,
    stream: Option<Open>,
}

struct Open {
    stream: TcpStream,
    /// What of the opening has not been sent yet.
    unsent: Vec<u8>,
}

impl Hand<'_> {
    /// Does once with each connection what the attack is about.
    fn turn(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        for place in &mut places {
            if place.stream.is_none() {
                self.open(place);
            }
            let Some(open) = &mut place.stream else { continue };
            if !self.act(open) {
                place.stream = None;
            }
        }
        self.places = places;
    }

    /// A connection that is not had now is tried for again in the next turn.
    fn open(&mut self, place: &mut Place) {
        let Ok(stream) = TcpStream::connect_timeout(&self.address, Duration::from_millis(200)) else { return };
        self.deeds.connections += 1;
        let sets = [stream.set_read_timeout(Some(PATIENCE)), stream.set_write_timeout(Some(PATIENCE))];
        if sets.iter().all(Result::is_ok) {
            let unsent = self.attack.openings[place.next % self.attack.openings.len()].clone();
            place.next += self.step;
            place.stream = Some(Open { stream, unsent });
        }
    }

    /// Whether the connection is to be kept.
    fn act(&mut self, open: &mut Open) -> bool {
        match &self.attack.then {
            Then::OneReply => {
                if let Err(wrong) = one_reply(open) {
                    self.deeds.wrong.push(format!("{}: {wrong}", self.attack.name));
                }
                false
            }
            Then::Close => {
                send(open);
                false
            }
            Then::Hold => send(open) && !is_ended(&open.stream),
            Then::Drip(bytes) => {
                if open.unsent.is_empty() {
                    open.unsent = bytes.to_vec();
                }
                send(open)
            }
            Then::Flood => {
                if open.unsent.is_empty() {
                    open.unsent.clone_from(&self.attack.openings[0]);
                }
                send(open)
            }
            Then::Sip => send(open) && read(&open.stream, &mut [0; 16]).is_some(),
            Then::Ask => {
                if open.unsent.is_empty() {
                    let mut reply = [0; 8 * 1024];
                    match read(&open.stream, &mut reply) {
                        None => return false,
                        Some(0) => return true,
                        Some(_) => open.unsent.clone_from(&self.attack.openings[0]),
                    }
                }
                send(open)
            }
        }
    }
}

/// Sends as much as the socket takes; whether it is still good.
fn send(open: &mut Open) -> bool {
    while !open.unsent.is_empty() {
        match (&open.stream).write(&open.unsent) {
            Ok(count) => drop(open.unsent.drain(..count)),
            Err(error) => return is_pending(error.kind()),
        }
    }
    true
}

/// What a read brings; `None` if the connection has ended.
fn read(mut stream: &TcpStream, bytes: &mut [u8]) -> Option<usize> {
    match stream.read(bytes) {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(error) => is_pending(error.kind()).then_some(0),
    }
}

/// Looks without waiting: thousands of connections have to be looked after.
fn is_ended(stream: &TcpStream) -> bool {
    let looked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let _ = stream.set_nonblocking(false);
    match looked {
        Ok(count) => count == 0,
        Err(error) => !is_pending(error.kind()),
    }
}

fn is_pending(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Sends the opening and reads to the end: one reply, or none if others have taken the connection's place. More than
/// one would mean that a part of the request was taken for another request.
fn one_reply(open: &mut Open) -> Result<(), String> {
    let mut stream = &open.stream;
    let patient = [stream.set_read_timeout(Some(REPLY)), stream.set_write_timeout(Some(REPLY))];
    if patient.iter().any(Result::is_err) {
        return Ok(());
    }
    // The server may refuse before it has everything, and end the connection.
    let _ = stream.write_all(&open.unsent);
    let _ = stream.shutdown(Shutdown::Write);
    let mut reply = Vec::new();
    let end = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply);
    let what = || String::from_utf8_lossy(&open.unsent[..open.unsent.len().min(200)]).into_owned();
    match (reply.matches("\r\nContent-Length: ").count(), end) {
        (_, Err(error)) if is_pending(error.kind()) => Err(format!("{:?} is met with silence", what())),
        (0, _) => Ok(()),
        (1, _) if reply.starts_with("HTTP/1.1 4") || reply.starts_with("HTTP/1.1 200 ") => Ok(()),
        _ => Err(format!("{:?} is answered with {reply:?}", what())),
    }
}
