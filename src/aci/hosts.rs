//! The addresses of the hosts that roles name, asked for beside the requests: a name server that does not answer holds
//! up no request. An answer counts for a minute or two; while no new one can be had, for an hour.

use super::access::Access;
use crate::client::{Asker, Names, NamesError};
use crate::roles::Hosts;
use crate::stop::StopFlag;
use crossbeam_channel::bounded;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two rounds through all names.
const REFRESH: Duration = Duration::from_mins(1);
/// For one name.
const LOOKUP: Duration = Duration::from_secs(10);
/// For the first round, before the ports open: most of the time the first requests then find the answers.
const FIRST_ROUND: Duration = Duration::from_secs(2);
/// How long an answer counts that cannot be renewed: an outage of the name server locks nobody out at once, and a host
/// that is gone does not keep its roles for good.
const KEPT: Duration = Duration::from_hours(1);

/// The thread that asks; it ends when this is dropped.
pub struct HostWatch {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl HostWatch {
    /// Begins to ask for the hosts that `access` names, and waits for the first answers, at most two seconds. Starts
    /// nothing if no role names a host.
    pub fn start(access: &Arc<Access>) -> io::Result<HostWatch> {
        let stop = StopFlag::new();
        let names: Vec<String> = access.roles().host_names().into_iter().map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(HostWatch { stop, thread: None });
        }
        let (round, first_round) = bounded::<Infallible>(0);
        let watch = {
            let (access, stop, resolver) = (Arc::clone(access), stop.clone(), Names::system());
            let asker = Asker::new();
            move || {
                let mut round = Some(round);
                let mut known: BTreeMap<String, Known> =
                    names.into_iter().map(|name| (name, Known::default())).collect();
                loop {
                    for (name, host) in &mut known {
                        match resolver.resolve(name, LOOKUP, &stop, asker) {
                            Err(NamesError::Stopped) => return,
                            answer => host.learn(name, answer.map(|found| found.to_vec()), Instant::now()),
                        }
                    }
                    access.know(hosts(&known));
                    drop(round.take());
                    if stop.sleep(REFRESH).is_err() {
                        return;
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("hosts".to_owned()).spawn(watch)?;
        // Nothing is sent: it ends with the first round.
        let _ = first_round.recv_timeout(FIRST_ROUND);
        Ok(HostWatch { stop, thread: Some(thread) })
    }
}

impl Drop for HostWatch {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // Lookups see the flag, so this is at once.
            let _ = thread.join();
        }
    }
}

/// What is known of a host.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<IpAddr>,
    answered: Option<Instant>,
    is_failing: bool,
}

impl Known {
    /// Each change is one line of the log: who wonders why a client is refused finds the addresses there.
    fn learn(&mut self, name: &str, answer: Result<Vec<IpAddr>, NamesError>, now: Instant) {
        match answer {
            Ok(mut addresses) => {
                for address in &mut addresses {
                    *address = address.to_canonical();
                }
                addresses.sort_unstable();
                addresses.dedup();
                if addresses != self.addresses || self.is_failing {
                    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                    log::info!(target: "application", "the host {name}, which has a role, is {}", list.join(", "));
                }
                *self = Known { addresses, answered: Some(now), is_failing: false };
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let kept = if self.addresses.is_empty() { "" } else { "; those known before count for an hour" };
                    log::warn!(target: "application", "the host {name} has a role, and its addresses cannot be had: {error}{kept}");
                }
                if self.answered.is_some_and(|at| now.duration_since(at) > KEPT) {
                    self.addresses.clear();
                }
            }
        }
    }
}

fn hosts(known: &BTreeMap<String, Known>) -> Hosts {
    known.iter().map(|(name, host)| (name.clone(), host.addresses.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_until_the_next_or_for_an_hour() {
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let start = Instant::now();
        let mut host = Known::default();
        host.learn("h", Ok(vec![two, one, two]), start);
        assert_eq!(host.addresses, [one, two]);
        host.learn("h", Err(NamesError::Timeout), start + KEPT);
        assert_eq!(host.addresses, [one, two], "the last answer still counts");
        host.learn("h", Ok(vec![two]), start + KEPT);
        assert_eq!(host.addresses, [two]);
        host.learn("h", Err(NamesError::Timeout), start + KEPT + KEPT + REFRESH);
        assert!(host.addresses.is_empty());
        host.learn("h", Ok(vec!["::ffff:192.0.2.1".parse().expect("an address")]), start + KEPT);
        assert_eq!(host.addresses, [one]);
    }
}
