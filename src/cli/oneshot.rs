//! `webconnector fetch URL`: one crawl in the foreground, with its progress on a terminal and a summary.

use super::serve::Termination;
use super::{Exit, Fetch};
use crate::action::{Live, Params, QueueName, Token, TokenHost};
use crate::config::{Format, Ini};
use crate::fetchaction::{FetchActions, FetchError, Performance, Settings};
use crate::ingest;
use crate::pause::PauseGate;
use crate::server::ingest_format;
use crate::stop::StopFlag;
use crate::time::Moment;
use crossbeam_channel::{bounded, select, tick};
use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often the progress line is written anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Performs the fetch. Ctrl-C stops it: what it had is delivered, and the next one goes on from there.
pub(super) fn fetch(fetch: &Fetch) -> Exit {
    match perform(fetch) {
        Ok(()) => Exit::Ok,
        Err((exit, why)) => {
            eprintln!("webconnector: {why}");
            exit
        }
    }
}

fn perform(fetch: &Fetch) -> Result<(), (Exit, String)> {
    let failed = |why: String| (Exit::Failed, why);
    let termination =
        Termination::listen().map_err(|error| failed(format!("signals cannot be listened to: {error}")))?;
    let files = ingest::Settings::Files { directory: fetch.output.clone(), format: ingest_format(fetch.format) };
    let actions = FetchActions::new(Settings {
        ini: Arc::new(Ini::default()),
        tasks: Vec::new(),
        file: None,
        // Beside the documents, so that a second fetch is incremental.
        folder: fetch.output.clone(),
        ingest: vec![files],
        destinations: Vec::new(),
        connector_group: "Connector".to_owned(),
    });
    let mut params = Params::default();
    params.push("Url0", fetch.url.as_str());
    if let Some(depth) = fetch.depth {
        params.push("Depth", depth.to_string());
    }
    let plan = actions.plan(&params).map_err(|error| (Exit::Usage, error.to_string()))?;
    let task = plan.claims().join(", ");
    std::fs::create_dir_all(&fetch.output)
        .map_err(|error| failed(format!("{} cannot be made: {error}", fetch.output.display())))?;

    let (live, stop, pause) = (Live::default(), StopFlag::new(), PauseGate::default());
    let here = TokenHost { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0 };
    let token = Token::mint(here, &QueueName::fetch(), Moment::now(), 0);
    let started = Instant::now();
    let outcome = thread::scope(|scope| {
        let (ended, end) = bounded::<()>(0);
        let performance = Performance { token: &token, stop: &stop, pause: &pause, live: &live };
        let (actions, params) = (&actions, &params);
        let crawl = thread::Builder::new().name("fetch-1".to_owned()).spawn_scoped(scope, move || {
            let outcome = actions.perform(params, &performance);
            drop(ended);
            outcome
        });
        let crawl = crawl.map_err(|error| failed(format!("no thread for the crawl: {error}")))?;
        let mut progress = Progress::new(started);
        let ticks = tick(PROGRESS_EVERY);
        loop {
            select! {
                recv(end) -> _ => break,
                recv(termination.asked()) -> _ => stop.set(),
                recv(ticks) -> _ => progress.show(&live),
            }
        }
        progress.clear();
        Ok(crawl.join().unwrap_or_else(|_| Err(FetchError::Tasks("internal error".to_owned()))))
    })?;
    print_summary(&live, started.elapsed(), &task, fetch);
    match outcome {
        // Asked to end, it has ended: that is no failure.
        Err(FetchError::Stopped) => eprintln!("webconnector: stopped; the same command goes on from here"),
        Err(error) => return Err(failed(error.to_string())),
        Ok(()) => {}
    }
    Ok(())
}

/// One line on a terminal, written over and over; nothing if standard error is none.
struct Progress {
    is_terminal: bool,
    last: (Instant, u64),
}

impl Progress {
    fn new(started: Instant) -> Progress {
        Progress { is_terminal: std::io::stderr().is_terminal(), last: (started, 0) }
    }

    fn show(&mut self, live: &Live) {
        if !self.is_terminal {
            return;
        }
        let now = Instant::now();
        let (seen, errors) = (sum(live, "seen"), sum(live, "errors"));
        let seconds = now.duration_since(self.last.0).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate that people read")]
        let rate = seen.saturating_sub(self.last.1) as f64 / seconds;
        self.last = (now, seen);
        let waiting = live.waiting();
        let text = format!("{seen} pages done, {waiting} waiting, {rate:.0} per second, {errors} errors");
        // A terminal that is gone needs no progress.
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}").and_then(|()| std::io::stderr().flush());
    }

    fn clear(&self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn sum(live: &Live, name: &str) -> u64 {
    live.report().tasks.iter().map(|counts| counts.get(name)).sum()
}

fn print_summary(live: &Live, took: Duration, task: &str, fetch: &Fetch) {
    let report = live.report();
    for warning in &report.results.warnings {
        eprintln!("webconnector: {}", warning.text);
    }
    let counts = report.tasks.into_iter().next().unwrap_or_default();
    let get = |name| counts.get(name);
    let mut out = std::io::stdout().lock();
    let extension = match fetch.format {
        Format::Jsonl => "jsonl",
        Format::Idx => "idx",
        Format::Xml => "xml",
        Format::Csv => "csv",
    };
    let path = fetch.output.join(format!("{task}.{extension}"));
    // Whoever closes the pipe has read enough.
    let _ = writeln!(
        out,
        "{} pages in {:.1} s: {} added, {} updated, {} deleted, {} unchanged, {} errors\ndocuments: {}",
        get("seen"),
        took.as_secs_f64(),
        get("added"),
        get("updated"),
        get("deleted"),
        get("unchanged"),
        get("errors"),
        path.display(),
    );
}
