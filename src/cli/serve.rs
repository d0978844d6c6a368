//! `webconnector`: the server in the foreground, from the start line to the signal that ends it.

use super::Exit;
use crate::config::{Config, Notice};
use crate::log;
use crate::server::{Placed, Server, put_in_place};
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

/// Serves until a signal or the service port asks it to stop, and then stops in order.
pub(super) fn serve(config: &Config) -> Exit {
    // Before the start line: whoever waits for it may send a signal right after.
    let termination = match Termination::listen() {
        Ok(termination) => termination,
        Err(error) => return failed(&format!("signals cannot be listened to: {error}")),
    };
    let server = match Server::start(config) {
        Ok(server) => server,
        Err(error) => return failed(&error.to_string()),
    };
    let line = format!("{} aci={} service={}", super::version(), server.aci(), server.service());
    log::always("application", format_args!("{line}"));
    // Nobody may be reading: that is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
    select! {
        recv(termination.asked()) -> _ => log::always("application", format_args!("asked to stop by a signal")),
        recv(server.asked_to_stop()) -> _ => {}
    }
    server.shut_down();
    log::always("application", format_args!("stopped"));
    Exit::Ok
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
        let placed = put_in_place(folder).map_err(|error| error.to_string())?;
        told.extend(placed.map(|Placed { replaced }| {
            let kept = replaced.display();
            Notice::warning(format!("a backup was restored; what there was before is kept in {kept}"))
        }));
    }
    Ok(told)
}

/// Both to the log and to whoever started the program.
fn failed(why: &str) -> Exit {
    ::log::error!(target: "application", "{why}");
    eprintln!("webconnector: {why}");
    Exit::Failed
}
