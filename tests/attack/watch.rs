//! The second client: asks for the status of an action over a new connection each time, and reads what memory the server
//! has needed.

#![allow(unreachable_pub, reason = "a module of a test")]

use crate::common::{Connector, Response};
use crate::crowd::{Deeds, pause};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two questions.
const PACE: Duration = Duration::from_millis(4);

pub struct Watch {
    pid: u32,
    is_over: Arc<AtomicBool>,
    asker: JoinHandle<Vec<Result<Duration, String>>>,
}

/// What is expected of replies: that `part` of them come `within` this time.
#[derive(Clone, Copy)]
pub struct Replies {
    pub part: f64,
    pub within: Duration,
}

/// One row of the table.
pub struct Figures {
    attack: &'static str,
    deeds: Deeds,
    /// Of replies as they should be, in order.
    times: Vec<Duration>,
    /// Why others were not.
    unanswered: Vec<String>,
    memory_mb: u64,
}

impl Watch {
    /// Asks for the status of `token`, which is running, from now on.
    pub fn start(connector: &Connector, token: &str) -> Watch {
        let pid = connector.pid();
        forget_peak(pid);
        let is_over = Arc::new(AtomicBool::new(false));
        let (address, query) = (connector.aci(), Connector::queue_info("GetStatus", token));
        let asker = thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let mut answers = Vec::new();
                while answers.is_empty() || !is_over.load(Ordering::Relaxed) {
                    answers.push(ask(address, &query));
                    pause(PACE);
                }
                answers
            }
        });
        Watch { pid, is_over, asker }
    }

    pub fn end(self, attack: &'static str, deeds: Deeds) -> Figures {
        self.is_over.store(true, Ordering::Relaxed);
        let (mut times, mut unanswered) = (Vec::new(), Vec::new());
        for answer in self.asker.join().expect("asking does not panic") {
            match answer {
                Ok(time) => times.push(time),
                Err(why) => unanswered.push(why),
            }
        }
        times.sort_unstable();
        Figures { attack, deeds, times, unanswered, memory_mb: peak_mb(self.pid) }
    }
}

impl Figures {
    pub const HEADING: &'static str = "| attack | connections | QueueInfo replies | median ms | p99 ms | slowest ms | peak MB |\n\
        |---|---|---|---|---|---|---|";

    /// What should not have happened.
    pub fn failures(&self, replies: Replies, memory_mb_max: u64) -> Vec<String> {
        let attack = self.attack;
        let mut failures = self.deeds.wrong.clone();
        failures.extend(self.unanswered.iter().map(|why| format!("{attack}: QueueInfo was not answered: {why}")));
        let Replies { part, within } = replies;
        let took = self.at(part);
        if took > within {
            failures
                .push(format!("{attack}: {part} of the replies to QueueInfo took {took:?}; {within:?} are allowed"));
        }
        if self.memory_mb > memory_mb_max {
            failures.push(format!("{attack}: {} MB; at most {memory_mb_max} are allowed", self.memory_mb));
        }
        failures.truncate(10);
        failures
    }

    /// The time that `part` of the replies took at most.
    fn at(&self, part: f64) -> Duration {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let place = (self.times.len() as f64 * part) as usize;
        self.times.get(place.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part| self.at(part).as_secs_f64() * 1000.0;
        let (replies, connections) = (self.times.len(), self.deeds.connections);
        let [median, p99, slowest] = [ms(0.5), ms(0.99), ms(1.0)];
        let (attack, memory) = (self.attack, self.memory_mb);
        write!(f, "| {attack} | {connections} | {replies} | {median:.1} | {p99:.1} | {slowest:.1} | {memory} |")
    }
}

/// The time until the reply. A connection that is ended without one is tried again, as every client does that polls: of the
/// strangers' connections and this one, the server cannot know which is worth more before a request has come.
fn ask(address: SocketAddr, query: &str) -> Result<Duration, String> {
    const TRIES: usize = 5;
    let request = format!("GET /{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let asked = Instant::now();
    let mut answers = (0..TRIES).map(|_| Response::to(address, request.as_bytes()));
    let response = answers.find(Result::is_ok).ok_or(format!("{TRIES} tries, and no reply"))?;
    let response = response.map_err(|error| error.to_string())?;
    let time = asked.elapsed();
    if response.body.contains("<status>Processing</status>") { Ok(time) } else { Err(format!("{response:?}")) }
}

fn forget_peak(pid: u32) {
    // Where the kernel does not allow it, the peak is that since the start.
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn peak_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells the peak");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("it is a number") / 1024
}
