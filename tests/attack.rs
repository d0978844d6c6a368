//! Strangers at the door of the real binary: whatever they send or hold back, `QueueInfo` is answered to everybody else,
//! memory stays bounded, and afterwards the server serves as before.
//!
//! `scripts/attack` runs each attack for longer, with more connections and a strict limit on the time of a reply, and
//! shows the figures. In the normal run other tests compete for the machine, so that single replies may be late, but not half
//! of them.

#[path = "attack/attacks.rs"]
mod attacks;
mod common;
#[path = "attack/crowd.rs"]
mod crowd;
#[path = "attack/watch.rs"]
mod watch;

use attacks::Attack;
use common::{Connector, FetchTask, Setup, Site};
use std::net::SocketAddr;
use std::time::Duration;
use watch::{Figures, Replies, Watch};
use webconnector::action::Status;

/// What the process may hold at its worst: every connection there may be with a head of the largest size, and bodies
/// and replies up to their common limit.
const MEMORY_MB_MAX: u64 = 256;

/// How an attack is made.
struct Plan {
    /// How long it goes on.
    lasts: Duration,
    /// How many connections it has at once, where it is their number that hurts.
    crowd: usize,
    replies: Replies,
}

fn plan() -> Plan {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).unwrap_or_else(|_| default.to_string());
        text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
    };
    Plan {
        lasts: Duration::from_millis(number("ATTACK_MS", 300)),
        crowd: usize::try_from(number("ATTACK_CONNECTIONS", 600)).expect("it is a small number"),
        replies: match std::env::var_os("ATTACK_REPLY_MS_MAX") {
            Some(_) => Replies { part: 0.99, within: Duration::from_millis(number("ATTACK_REPLY_MS_MAX", 0)) },
            None => Replies { part: 0.5, within: Duration::from_millis(500) },
        },
    }
}

/// A task whose only page is held, so that its action runs for as long as the test likes.
fn busy(setup: Setup) -> (Site, Connector, String) {
    let site = Site::new().page("/", "<p>x").held("/");
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "3600").set("MaxRetries", "0");
    let connector = setup.set("Actions", "MaximumThreads", "1").task(task).start();
    let token = connector.synchronize("docs");
    site.wait_for_hit("/");
    (site, connector, token)
}

/// A stranger's worst hour is over: the action is still there, ends as it should, and a new one is performed.
fn assert_unharmed(site: &Site, connector: &Connector, token: &str) {
    assert_eq!(connector.status(token), Status::Processing);
    site.release("/");
    assert_eq!(connector.wait_until_done(token), Status::Finished);
    connector.run("docs");
}

#[test]
fn others_are_answered_and_memory_is_bounded_during_every_attack() {
    let plan = plan();
    let (site, mut connector, token) = busy(Setup::new());
    let large = attacks::submit_large(connector.aci());
    println!("{}", Figures::HEADING);
    let mut failures = Vec::new();
    // All of them without it.
    let only = std::env::var("ATTACK_ONLY").unwrap_or_default();
    for attack in attacks::all(plan.crowd, &large[0]).into_iter().filter(|attack| attack.name.contains(&only)) {
        let figures = endure(&attack, connector.aci(), &connector, &token, &plan);
        println!("{figures}");
        failures.extend(figures.failures(plan.replies, MEMORY_MB_MAX));
    }
    assert_eq!(failures, Vec::<String>::new());
    for token in &large {
        connector.ok(&Connector::queue_info("Cancel", token));
    }
    assert_unharmed(&site, &connector, &token);
    assert!(connector.terminate().success());
}

/// Replies may take the pause between two attempts to accept, and connections that wait for longest are given up for it.
#[test]
fn without_descriptors_it_survives_and_serves_again() {
    let plan = plan();
    let (site, mut connector, token) = busy(Setup::new().descriptors(160));
    let attack = attacks::idle("connections beyond the descriptors", 400);
    let figures = endure(&attack, connector.aci(), &connector, &token, &plan);
    println!("{}\n{figures}", Figures::HEADING);
    let replies = Replies { within: plan.replies.within.max(Duration::from_secs(1)), ..plan.replies };
    assert_eq!(figures.failures(replies, MEMORY_MB_MAX), Vec::<String>::new());
    assert_unharmed(&site, &connector, &token);
    assert!(connector.terminate().success());
}

/// The service port has a door of its own, and so has one that speaks TLS: what strangers do there is not felt at the other.
#[test]
fn attacks_on_the_service_port_are_not_felt_either() -> Result<(), Box<dyn std::error::Error>> {
    let plan = plan();
    let folder = tempfile::TempDir::new()?;
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    std::fs::write(&certificate, issued.cert.pem())?;
    std::fs::write(&key, issued.signing_key.serialize_pem())?;
    let secured = Setup::new()
        .set("Service", "SSLConfig", "SSLOption0")
        .set("SSLOption0", "SSLCertificate", certificate.display().to_string())
        .set("SSLOption0", "SSLPrivateKey", key.display().to_string());
    let ports = [
        (Setup::new(), attacks::of_any_port(plan.crowd)),
        (secured, attacks::before_tls(plan.crowd, &attacks::hello()?)),
    ];
    let mut failures = Vec::new();
    println!("{}", Figures::HEADING);
    for (setup, attacks) in ports {
        let (site, mut connector, token) = busy(setup);
        for attack in attacks {
            let figures = endure(&attack, connector.service_address(), &connector, &token, &plan);
            println!("{figures}");
            failures.extend(figures.failures(plan.replies, MEMORY_MB_MAX));
        }
        assert_unharmed(&site, &connector, &token);
        assert!(connector.terminate().success());
    }
    assert_eq!(failures, Vec::<String>::new());
    Ok(())
}

/// Attacks one port of `connector`, whose clients ask for the status of `token` meanwhile.
fn endure(attack: &Attack, address: SocketAddr, connector: &Connector, token: &str, plan: &Plan) -> Figures {
    let watch = Watch::start(connector, token);
    let deeds = crowd::attack(address, attack, plan.lasts);
    watch.end(attack.name, deeds)
}
