//! The running connector: builds everything, owns the threads, and stops them in order.
//!
//! The subsystems do not know each other. They meet here as two function values: a request becomes a reply
//! (`answer`), and an action that a worker took is performed ([`FetchActions`]).
//!
//! Started in this order, stopped in the other: log, queue store, ports, workers, schedules. While it stops, status is
//! answered as long as anything still runs.

mod answer;
mod backup;
mod check;
mod events;
mod restart;
mod restore;
mod scheduler;
mod shown;

pub use check::{Checked, check};
pub use restart::{Ports, next_config};
pub use restore::{PlaceError, Placed, put_in_place};

use crate::aci::{self, Access, HostWatch, Journal, Listening, Origins};
use crate::action::{QueueName, TokenHost};
use crate::config::{self, Config, Door, Target};
use crate::fetchaction::{self, FetchActions, FetchError, Performance};
use crate::ingest;
use crate::log;
use crate::queue::{self, PerformError, Queue, QueueError, Running};
use crate::stop::StopFlag;
use crate::time::Moment;
use crate::tls::{BadPem, PortFiles};
use answer::{Answers, Waits};
use backup::Backups;
use crossbeam_channel::{Receiver, bounded};
use parking_lot::Mutex;
use scheduler::Scheduler;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// Changes sent to another host at a time.
const INGEST_BATCH: usize = 100;

/// What a client asks of the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Stop,
    /// Stop, and start again with the configuration read anew: see [`next_config`].
    Restart,
}

/// Why the connector could not be started. Nothing of it runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Queue(#[from] QueueError),
    #[error("{what} port: {source}")]
    Listen { what: &'static str, source: aci::ListenError },
    #[error("TLS of the {what} port: {source}")]
    Tls { what: &'static str, source: BadPem },
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// A connector that accepts requests. [`Server::shut_down`] ends it; dropping it without that does the same.
pub struct Server {
    queue: Arc<Queue>,
    ports: Vec<Listening>,
    addresses: Ports,
    asked: Receiver<Asked>,
    /// Set when the server is about to stop.
    closing: StopFlag,
    /// Of the ports, whose waits end with the server.
    journals: [Arc<Journal>; 2],
    /// `None` if no task runs by itself.
    scheduler: Option<Arc<Scheduler>>,
    /// Ends by itself when all else has.
    _hosts: HostWatch,
}

impl Server {
    /// Starts everything; requests are accepted when it returns.
    pub fn start(config: &Config) -> Result<Server, StartError> {
        for notice in check::unknown_actions(&config.roles) {
            ::log::log!(target: "application", notice.level, "{}", notice.text);
        }
        let fetch = Arc::new(FetchActions::new(fetch_settings(config)));
        let access = Arc::new(Access::new(config.roles.clone()));
        let bind = |what, settings| aci::bind(settings).map_err(|source| StartError::Listen { what, source });
        let aci_port = bind("ACI", aci_settings(config, &access)?)?;
        let service_port = bind("service", service_settings(config, &access)?)?;
        let addresses = Ports { aci: aci_port.address(), service: service_port.address() };
        let aci = addresses.aci;
        let token_host = TokenHost { ip: own_address(aci.ip()), port: aci.port() };
        let queue = Arc::new(Queue::open(queue::Settings {
            queue: QueueName::fetch(),
            directory: config.base.join("actions"),
            token_host,
            workers: config.actions.threads,
            waiting_max: config.actions.waiting_max,
            ended_max: config.actions.ended_max,
            ended_age_max: config.actions.ended_age_max,
            attempts_max: config.actions.attempts_max,
            events: events::events(&config.events),
        })?);
        let hosts = HostWatch::start(&access).map_err(StartError::Thread)?;
        let (ask, asked) = bounded(1);
        let closing = StopFlag::new();
        let journals = [aci_port.journal(), service_port.journal()];
        let scheduler = config.schedules.then(|| Arc::new(Scheduler::new(&queue, &fetch)));
        let answers = Arc::new(Answers {
            queue: Arc::clone(&queue),
            fetch: Arc::clone(&fetch),
            asked: ask,
            closing: closing.clone(),
            config: config.clone(),
            backups: Backups {
                base: config.base.clone(),
                config: config.path.clone(),
                folders: config.server.backup_folders.clone(),
                host: token_host,
                busy: Mutex::default(),
            },
            waits: Waits::new(config.server.threads),
            journals: journals.clone(),
            scheduler: scheduler.clone(),
            large_parameters: Mutex::default(),
            started: Moment::now(),
            ports: addresses,
            access: Arc::clone(&access),
            aci_origins: origins(&config.server.door),
            service_origins: origins(&config.service.door),
        });
        let perform: queue::Perform = Arc::new(move |running: &Running| perform(&fetch, running));
        queue.start(&perform)?;
        let listen = |what, port: aci::Port, table| {
            let answers = Arc::clone(&answers);
            let handler: aci::Handler = Arc::new(move |request, caller| answers.answer(request, caller));
            port.listen(table, &handler).map_err(|source| StartError::Listen { what, source })
        };
        let ports =
            vec![listen("ACI", aci_port, aci::ACI_ACTIONS)?, listen("service", service_port, aci::SERVICE_ACTIONS)?];
        log::always("application", format_args!("ACI server attached to port {}", aci.port()));
        if let Some(scheduler) = &scheduler {
            scheduler.look();
        }
        Ok(Server { queue, ports, addresses, asked, closing, journals, scheduler, _hosts: hosts })
    }

    /// Where actions are sent.
    pub fn aci(&self) -> SocketAddr {
        self.addresses.aci
    }

    /// Where the connector itself is asked and stopped.
    pub fn service(&self) -> SocketAddr {
        self.addresses.service
    }

    /// A message comes when a client has asked the service port to end the connector.
    pub fn asked(&self) -> &Receiver<Asked> {
        &self.asked
    }

    /// Ends everything: no new actions, running ones commit what they have and wait for the next start, status is
    /// answered until they have, then the ports close. Takes less than two seconds.
    pub fn shut_down(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.closing.set();
        let scheduler = self.scheduler.take();
        if let Some(scheduler) = &scheduler {
            scheduler.close();
        }
        for journal in &self.journals {
            journal.end_waits();
        }
        self.queue.shut_down();
        self.queue.join();
        for port in self.ports.drain(..) {
            port.close();
        }
        // Last: a request may have started it.
        if let Some(scheduler) = &scheduler {
            scheduler.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What fetch actions are told of a configuration.
pub fn fetch_settings(config: &Config) -> fetchaction::Settings {
    fetchaction::Settings {
        ini: Arc::new(config.ini.clone()),
        tasks: config.tasks.clone(),
        file: config.path.clone(),
        folder: config.base.clone(),
        ingest: config.ingestion.targets.iter().map(ingest_settings).collect(),
        destinations: config.ingestion.destinations.clone(),
        connector_group: config.ingestion.group.clone(),
    }
}

fn aci_settings(config: &Config, access: &Arc<Access>) -> Result<aci::Settings, StartError> {
    let config::Server { host, port, threads, door, .. } = config.server.clone();
    let origins = origins(&door);
    let tls = tls(&door).map_err(|source| StartError::Tls { what: "ACI", source })?;
    Ok(aci::Settings { name: "aci", host, port, tls, origins, dispatchers: threads, ..common_settings(config, access) })
}

fn service_settings(config: &Config, access: &Arc<Access>) -> Result<aci::Settings, StartError> {
    let config::Service { host, port, door } = config.service.clone();
    let origins = origins(&door);
    let tls = tls(&door).map_err(|source| StartError::Tls { what: "service", source })?;
    Ok(aci::Settings { name: "service", host, port, tls, origins, dispatchers: 1, ..common_settings(config, access) })
}

/// The files were tried when the configuration was read; they may have changed since.
fn tls(door: &Door) -> Result<Option<Arc<rustls::ServerConfig>>, BadPem> {
    door.tls.as_ref().map(PortFiles::load).transpose()
}

fn origins(door: &Door) -> Origins {
    if door.origins.iter().any(|origin| origin == "*") { Origins::All } else { Origins::Listed(door.origins.clone()) }
}

/// What holds for both ports.
fn common_settings(config: &Config, access: &Arc<Access>) -> aci::Settings {
    aci::Settings {
        head_bytes_max: config.server.request_line_bytes_max,
        body_bytes_max: config.server.body_bytes_max,
        connections_max: config.server.connections_max,
        connections_per_address_max: config.server.connections_per_address_max,
        output_folders: config.server.output_folders.clone(),
        log_timing: config.server.log_timing,
        is_known: shown::is_known,
        access: Arc::clone(access),
        ..aci::Settings::default()
    }
}

fn ingest_settings(target: &Target) -> ingest::Settings {
    match target.clone() {
        Target::Cfs { host, port } => ingest::Settings::Cfs { host, port, batch_max: INGEST_BATCH },
        Target::Content { host, port } => ingest::Settings::Content { host, port, batch_max: INGEST_BATCH },
        Target::Files { format, directory } => ingest::Settings::Files { directory, format: ingest_format(format) },
    }
}

/// What a configuration calls a format, as the target knows it.
pub fn ingest_format(format: config::Format) -> ingest::Format {
    match format {
        config::Format::Jsonl => ingest::Format::Jsonl,
        config::Format::Idx => ingest::Format::Idx,
        config::Format::Xml => ingest::Format::Xml,
        config::Format::Csv => ingest::Format::Csv,
    }
}

fn perform(fetch: &FetchActions, running: &Running) -> Result<(), PerformError> {
    let Running { token, stop, pause, live, .. } = running;
    let performance = Performance { token, stop, pause, live };
    fetch.perform(&running.params, &performance).map_err(|error| match error {
        FetchError::Stopped => PerformError::Stopped,
        error => PerformError::Failed(error.to_string()),
    })
}

/// The address that tokens name: the one that is bound or, if that is all of them, the one that this host would speak
/// from. No packet is sent to find out, and no name is resolved, which could take long.
fn own_address(bound: IpAddr) -> IpAddr {
    if !bound.is_unspecified() {
        return bound;
    }
    let speaks_from = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        // An address of the documentation block (RFC 5737): it only has to be routed.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    speaks_from().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
