//! `webconnector`: the server in the foreground, from the start line to the signal that ends it.

use super::Exit;
use crate::config::{Config, Notice};
use crate::log;
use crate::server::{self, Asked, Placed, Ports, Server, StartError, put_in_place};
use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};
use std::io::Write as _;
use std::path::Path;
use std::thread::JoinHandle;

/// SIGTERM and SIGINT as messages. Their thread ends when this is dropped.
pub(super) struct Termination {
    asked: Receiver<()>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Termination {
    pub(super) fn listen() -> Result<Termination, std::io::Error> {
        // A file that would exceed the limit of its size is a failed write like one on a full disk, and no reason to die:
        // a signal that is listened to does not end the process.
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGXFSZ])?;
        let handle = signals.handle();
        let (sender, asked) = bounded(1);
        let listen = move || {
            for _ in signals.forever().filter(|signal| *signal != SIGXFSZ) {
                // Full means that it was asked before.
                let _ = sender.try_send(());
            }
        };
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Termination { asked, handle, thread: Some(thread) })
    }

    /// A message comes when the process has been asked to end.
    pub(super) fn asked(&self) -> &Receiver<()> {
        &self.asked
    }
}

impl Drop for Termination {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It cannot panic: it sends without waiting.
            let _ = thread.join();
        }
    }
}

/// Serves until a signal or the service port asks it to stop, and then stops in order. A restart is asked for by the service
/// port, and is none of the process: `logging` goes on, as the new configuration has it.
pub(super) fn serve(mut config: Config, logging: &mut log::Logging) -> Exit {
    // Before the start line: whoever waits for it may send a signal right after.
    let termination = match Termination::listen() {
        Ok(termination) => termination,
        Err(error) => return failed(&format!("signals cannot be listened to: {error}")),
    };
    let mut server = match Server::start(&config) {
        Ok(server) => server,
        Err(error) => return failed(&error.to_string()),
    };
    loop {
        let line = format!("{} aci={} service={}", super::version(), server.aci(), server.service());
        log::always("application", format_args!("{line}"));
        // Nobody may be reading: that is no reason not to serve.
        let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
        let asked = select! {
            recv(termination.asked()) -> _ => {
                log::always("application", format_args!("asked to stop by a signal"));
                Asked::Stop
            }
            recv(server.asked()) -> asked => asked.unwrap_or(Asked::Stop),
        };
        let ports = Ports { aci: server.aci(), service: server.service() };
        server.shut_down();
        log::always("application", format_args!("stopped"));
        if asked == Asked::Stop {
            return Exit::Ok;
        }
        (server, config) = match start_again(config, ports, logging) {
            Ok(started) => started,
            Err(error) => return failed(&error.to_string()),
        };
    }
}

/// Starts with the configuration as the file has it now. It was found to be usable before the server stopped; should that
/// have changed meanwhile, the server comes up as it was.
fn start_again(config: Config, ports: Ports, logging: &mut log::Logging) -> Result<(Server, Config), StartError> {
    // A backup that was to be restored at the next start is: this is one.
    match placed_in(&config.base) {
        Ok(None) => {}
        Ok(Some(notice)) => ::log::log!(target: "application", notice.level, "{}", notice.text),
        Err(why) => ::log::error!(target: "application", "{why}"),
    }
    match server::next_config(&config, ports) {
        Ok(next) => {
            if let Err(error) = logging.replace(&next.logging) {
                ::log::error!(target: "application", "the log goes on as before: {error}");
            }
            super::tell_notices(&next);
            match Server::start(&next) {
                Ok(server) => return Ok((server, next)),
                Err(error) => ::log::error!(target: "application", "{error}; the server starts as it was before"),
            }
        }
        Err(why) => ::log::error!(target: "application", "{why}; the server starts as it was before"),
    }
    Server::start(&config).map(|server| (server, config))
}

/// Puts what a restore has prepared in its place, wherever the configuration may be: while it is being put there, there
/// is none to be found.
pub(super) fn put_restored_in_place(asked_for: Option<&Path>) -> Result<Vec<Notice>, String> {
    let working_folder =
        std::env::current_dir().map_err(|error| format!("the working directory cannot be read: {error}"))?;
    let named = asked_for.map(|path| working_folder.join(path));
    let program = std::env::current_exe().ok();
    let folders = match &named {
        Some(path) => vec![path.parent()],
        None => vec![program.as_deref().and_then(Path::parent), Some(working_folder.as_path())],
    };
    let mut told = Vec::new();
    for folder in folders.into_iter().flatten() {
        told.extend(placed_in(folder)?);
    }
    Ok(told)
}

fn placed_in(folder: &Path) -> Result<Option<Notice>, String> {
    let placed = put_in_place(folder).map_err(|error| error.to_string())?;
    Ok(placed.map(|Placed { replaced }| {
        let kept = replaced.display();
        Notice::warning(format!("a backup was restored; what there was before is kept in {kept}"))
    }))
}

/// Both to the log and to whoever started the program.
fn failed(why: &str) -> Exit {
    ::log::error!(target: "application", "{why}");
    eprintln!("webconnector: {why}");
    Exit::Failed
}
