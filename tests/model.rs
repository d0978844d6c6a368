//! A long run of chosen-by-chance steps on the real server, compared after each of them with a plain model of the queue,
//! while dozens of clients poll it. `MODEL_STEPS` makes it longer, `MODEL_SEED` another.

mod common;

use common::{Connector, FetchTask, Response, Setup, Site, Xml, encode, poll};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use webconnector::action::Status;

const THREADS: usize = 3;
const TASKS: usize = 5;
const CLIENTS: usize = 24;

#[derive(Debug, Clone)]
struct Action {
    token: String,
    task: usize,
    /// The page that it fetches; it ends once the page is released.
    page: usize,
    priority: i64,
    status: Status,
}

/// The queue in the plainest way: actions in the order of their submission, everything searched.
#[derive(Default)]
struct Model {
    actions: Vec<Action>,
    is_paused: bool,
    released: BTreeSet<usize>,
}

impl Model {
    fn runs(status: Status) -> bool {
        matches!(status, Status::Processing | Status::Paused)
    }

    /// What happens by itself: released pages end their actions, and threads that are free take the next.
    fn settle(&mut self) {
        loop {
            let done = |action: &Action| action.status == Status::Processing && self.released.contains(&action.page);
            if let Some(at) = self.actions.iter().position(done) {
                self.actions[at].status = Status::Finished;
                continue;
            }
            let running: Vec<usize> =
                self.actions.iter().filter(|action| Model::runs(action.status)).map(|action| action.task).collect();
            let is_free = |action: &Action| action.status == Status::Queued && !running.contains(&action.task);
            let next = self.actions.iter().enumerate().filter(|(_, action)| is_free(action));
            // Of the same priority the first: `min_by_key` keeps the order.
            let next = next.min_by_key(|(_, action)| Reverse(action.priority)).map(|(at, _)| at);
            match next {
                Some(at) if !self.is_paused && running.len() < THREADS => self.actions[at].status = Status::Processing,
                _ => return,
            }
        }
    }

    fn turn(&mut self, from: impl Fn(&Action) -> bool, to: Status) {
        self.actions.iter_mut().filter(|action| from(action)).for_each(|action| action.status = to);
    }

    fn restart(&mut self) {
        self.turn(|action| action.status == Status::Processing, Status::Queued);
    }
}

/// xorshift64 (Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).expect("less than limit")
    }

    /// From -2 to 2: many are alike.
    fn priority(&mut self) -> i64 {
        [-2, -1, 0, 1, 2][self.below(5)]
    }
}

struct Run {
    site: Site,
    connector: Connector,
    model: Model,
    chance: Chance,
    pages: usize,
}

impl Run {
    fn step(&mut self) -> String {
        let token_of = self.chance.below(self.model.actions.len());
        match self.chance.below(24) {
            0..=5 => self.submit(),
            6 | 7 => self.finish(),
            20 => self.of_queue("Stop", |model| model.turn(|action| Model::runs(action.status), Status::Stopped)),
            21 => self.of_queue("Cancel&State=queued&Max-Priority=-1", |model| {
                model.turn(|action| action.status == Status::Queued && action.priority <= -1, Status::Cancelled);
            }),
            22 => self.of_queue("Delete&State=finished,cancelled", |model| {
                model.actions.retain(|action| !matches!(action.status, Status::Finished | Status::Cancelled));
            }),
            23 => self.restart(),
            18 => self.of_queue("Pause", |model| {
                model.is_paused = true;
                model.turn(|action| action.status == Status::Processing, Status::Paused);
            }),
            8 | 19 => self.of_queue("Resume", |model| {
                model.is_paused = false;
                model.turn(|action| action.status == Status::Paused, Status::Processing);
            }),
            _ if self.model.actions.is_empty() => self.submit(),
            9 | 10 => self.of_one("Cancel", token_of, |action| match action.status {
                Status::Queued => Some(Status::Cancelled),
                _ => None,
            }),
            11 => self.of_one("Stop", token_of, |action| (!action.status.is_end()).then_some(Status::Stopped)),
            12 | 13 => self.of_one("Pause", token_of, |action| Model::runs(action.status).then_some(Status::Paused)),
            14 | 15 => self.of_one("Resume", token_of, |action| match action.status {
                Status::Paused => Some(Status::Processing),
                status => (!status.is_end()).then_some(status),
            }),
            16 => self.change_priority(token_of),
            _ => self.duplicate(token_of),
        }
    }

    fn submit(&mut self) -> String {
        let (task, priority) = (self.chance.below(TASKS), self.chance.priority());
        let page = self.pages;
        self.pages += 1;
        self.site.set(&format!("/{page}"), "<p>A page.");
        self.site.hold(&format!("/{page}"));
        let url = encode(&self.site.url(&format!("/{page}")));
        let query =
            format!("action=Fetch&FetchAction=Synchronize&TaskSections=task{task}&Priority={priority}&Url={url}");
        let token = self.connector.submit(&query);
        self.model.actions.push(Action { token, task, page, priority, status: Status::Queued });
        query
    }

    fn finish(&mut self) -> String {
        let running: Vec<usize> =
            self.model.actions.iter().filter(|action| Model::runs(action.status)).map(|action| action.page).collect();
        if running.is_empty() {
            return "nothing to finish".to_owned();
        }
        let page = running[self.chance.below(running.len())];
        self.site.release(&format!("/{page}"));
        self.model.released.insert(page);
        format!("release /{page}")
    }

    fn restart(&mut self) -> String {
        if self.chance.below(2) == 0 {
            self.connector.kill();
        } else {
            assert!(self.connector.terminate().success());
        }
        self.connector.restart();
        self.model.restart();
        "restart".to_owned()
    }

    fn ask(&self, rest: &str) -> Xml {
        self.connector.get(&format!("/action=QueueInfo&QueueName=Fetch&QueueAction={rest}")).envelope()
    }

    fn of_queue(&mut self, rest: &str, change: impl FnOnce(&mut Model)) -> String {
        let answer = self.ask(rest);
        assert_eq!(answer.text("response"), "SUCCESS", "{rest}: {answer:?}");
        change(&mut self.model);
        rest.to_owned()
    }

    /// `to` is the status that the action has then, or `None` if the command is to be refused.
    fn of_one(&mut self, rest: &str, at: usize, to: impl FnOnce(&Action) -> Option<Status>) -> String {
        let action = &mut self.model.actions[at];
        let (expected, token) = (to(action), encode(&action.token));
        if let Some(status) = expected {
            action.status = status;
        }
        let answer = self.ask(&format!("{rest}&Token={token}"));
        let response = if expected.is_some() { "SUCCESS" } else { "ERROR" };
        assert_eq!(answer.text("response"), response, "{rest} {at}: {answer:?}");
        format!("{rest} {at}")
    }

    fn change_priority(&mut self, at: usize) -> String {
        let priority = self.chance.priority();
        let action = &mut self.model.actions[at];
        if action.status == Status::Queued {
            action.priority = priority;
        }
        self.of_one(&format!("ChangePriority&Priority={priority}"), at, |action| match action.status {
            Status::Queued => Some(Status::Queued),
            _ => None,
        })
    }

    fn duplicate(&mut self, at: usize) -> String {
        let original = self.model.actions[at].clone();
        let answer = self.ask(&format!("Duplicate&Token={}", encode(&original.token)));
        match answer.find("token") {
            Some(token) if !original.status.is_end() => {
                let token = token.own_text().to_owned();
                self.model.actions.push(Action { token, status: Status::Queued, ..original });
            }
            found => assert!(original.status.is_end() && found.is_none(), "Duplicate {at}: {answer:?}"),
        }
        format!("Duplicate {at}")
    }

    /// Waits until the server shows what the model says, in its order.
    fn compare(&mut self, number: u64, step: &str) {
        self.model.settle();
        let expected: Vec<(String, Status)> =
            self.model.actions.iter().rev().map(|action| (action.token.clone(), action.status)).collect();
        let mut shown = Vec::new();
        let (connector, model) = (&self.connector, &self.model);
        let nothing = crossbeam_channel::never::<()>();
        let agrees = (0..2_000).any(|_| {
            shown = listed(&connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus"));
            let agrees = shown == expected;
            if !agrees {
                // What happens by itself takes a moment.
                let _ = nothing.recv_timeout(Duration::from_millis(5));
            }
            agrees
        });
        assert!(agrees, "step {number} ({step}): the server shows {shown:#?}, the model {expected:#?}");
        let state = connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=QueueStatus");
        let count = |is: &dyn Fn(Status) -> bool| model.actions.iter().filter(|action| is(action.status)).count();
        let numbers = [
            ("paused", model.is_paused.to_string()),
            ("pending", count(&|status| status == Status::Queued).to_string()),
            ("running", count(&Model::runs).to_string()),
            ("completed", count(&Status::is_end).to_string()),
        ];
        for (name, number) in numbers {
            assert_eq!(state.text(name), number, "step {step}: {name}");
        }
    }
}

fn listed(answer: &Xml) -> Vec<(String, Status)> {
    let actions = answer.find("actions").map(|actions| actions.all("action")).unwrap_or_default();
    let status = |action: &&Xml| Status::parse(action.text("status")).expect("it is a status");
    actions.iter().map(|action| (action.text("token").to_owned(), status(action))).collect()
}

/// Polls the queue and looks whether what it tells makes sense, until it is told to stop.
fn watch(address: SocketAddr, over: &AtomicBool, asked: &AtomicU64, client: usize) {
    let mut ends: BTreeMap<String, Status> = BTreeMap::new();
    let queries = ["GetStatus", "QueueStatus", "Progress", "GetStatus&State=processing,paused", "GetActionParameters"];
    for number in client.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let query = queries[number % queries.len()];
        let request = format!(
            "GET /action=QueueInfo&QueueName=Fetch&QueueAction={query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        // It may be between two lives.
        let Ok(response) = Response::to(address, request.as_bytes()) else { return };
        let answer = response.envelope();
        assert_eq!(answer.text("response"), "SUCCESS", "{query}: {answer:?}");
        asked.fetch_add(1, Ordering::Relaxed);
        if query != "GetStatus" {
            continue;
        }
        let listed = listed(&answer);
        assert!(listed.iter().filter(|(_, status)| Model::runs(*status)).count() <= THREADS, "{listed:?}");
        let tokens: BTreeSet<&String> = listed.iter().map(|(token, _)| token).collect();
        assert_eq!(tokens.len(), listed.len(), "a token is there twice: {listed:?}");
        for (token, status) in &listed {
            if let Some(end) = ends.get(token) {
                assert_eq!(end, status, "{token} had ended");
            }
            if status.is_end() {
                ends.insert(token.clone(), *status);
            }
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_server_agrees_with_a_plain_model_after_each_step() {
    let (steps, seed) = (number("MODEL_STEPS", 150), number("MODEL_SEED", 7));
    let site = Site::new();
    let mut setup = Setup::new()
        .set("Actions", "MaximumThreads", THREADS.to_string())
        .set("Actions", "MaxAttempts", "100")
        .set("Connector", "EnableIngestion", "FALSE");
    for task in 0..TASKS {
        let task = FetchTask::named(&format!("task{task}")).set("Url", site.url("/")).set("PageTimeout", "600");
        setup = setup.task(task.set("MaxRetries", "0").set("FollowRobotProtocol", "FALSE"));
    }
    let connector = setup.start();
    let mut run = Run { site, connector, model: Model::default(), chance: Chance(seed), pages: 0 };
    let asked = AtomicU64::new(0);
    let mut step = 0;
    while step < steps {
        // One life of the server: the clients are those of its port.
        let (address, over) = (run.connector.aci(), AtomicBool::new(false));
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (over, asked) = (&over, &asked);
                scope.spawn(move || watch(address, over, asked, client));
            }
            // Whatever happens: the clients end, or a failure would never be told.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                while step < steps && run.connector.aci() == address {
                    let name = run.step();
                    step += 1;
                    run.compare(step, &name);
                }
            }));
            over.store(true, Ordering::Relaxed);
            if let Err(panic) = ended {
                std::panic::resume_unwind(panic);
            }
        });
    }
    poll("the clients to have asked", || (asked.load(Ordering::Relaxed) > 0).then_some(()));
    println!("{steps} steps with MODEL_SEED={seed}; {} questions beside them", asked.load(Ordering::Relaxed));
}
