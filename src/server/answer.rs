//! What each request is answered: one function per action, from a typed [`Request`] to a [`Reply`].

mod about;
mod backup;
mod configuration;
mod diagnostic;
mod fetch;
mod help;
mod logstreams;
mod permissions;
mod progress;
mod queueinfo;
mod requestlog;
mod results;
mod service;
mod view;
mod waits;

use super::backup::Backups;
use super::scheduler::Scheduler;
use super::{Asked, Ports};
use crate::aci::{Access, Caller, Element, Journal, Origins, Outcome, Reply, Request};
use crate::config::Config;
use crate::fetchaction::FetchActions;
use crate::queue::Queue;
use crate::stop::StopFlag;
use crate::time::Moment;
use crossbeam_channel::Sender;
use parking_lot::Mutex;
use requestlog::request_log;
use std::sync::Arc;
use view::uris;

pub(super) use queueinfo::status_of;
pub(super) use waits::Waits;

/// Answers every request of both ports.
pub(super) struct Answers {
    pub(super) queue: Arc<Queue>,
    pub(super) fetch: Arc<FetchActions>,
    /// Told when a client asks the service port to end the connector.
    pub(super) asked: Sender<Asked>,
    /// Set when the server is about to stop.
    pub(super) closing: StopFlag,
    /// What the server was started with.
    pub(super) config: Config,
    pub(super) backups: Backups,
    /// Dispatchers that wait.
    pub(super) waits: Waits,
    /// What the ports are doing and have done: the ACI port, and the service port.
    pub(super) journals: [Arc<Journal>; 2],
    /// `None` if no task runs by itself.
    pub(super) scheduler: Option<Arc<Scheduler>>,
    /// Taken by the one answer about large parameters that is made at a time. Nobody waits for it.
    pub(super) large_parameters: Mutex<()>,
    pub(super) started: Moment,
    pub(super) ports: Ports,
    pub(super) access: Arc<Access>,
    /// Of each port.
    pub(super) aci_origins: Origins,
    pub(super) service_origins: Origins,
}

impl Answers {
    pub(super) fn answer(&self, request: Request, caller: &Caller) -> Outcome {
        let reply = match request {
            Request::Fetch(fetch) => return self.fetch(fetch, caller),
            Request::PurgeDatastore { section } => return self.purge(&section, caller),
            Request::StopFetch { token } => Reply::new("StopFetch", self.stop_fetch(&token)),
            Request::QueueInfo { queue, action } => Reply::new("QueueInfo", self.queue_info(&queue, action)),
            Request::View { params, no_aci } => self.view(&params, no_aci, caller),
            Request::GetUri { identifiers } => Reply::new("GetUri", uris(&identifiers)),
            Request::BackupServer { folder } => Reply::new("BackupServer", self.back_up(folder.as_deref(), caller)),
            Request::RestoreServer { archive } => Reply::new("RestoreServer", self.restore(&archive, caller)),
            Request::Help(help) => self.help(&help),
            Request::GetLicenseInfo => Reply::success("GetLicenseInfo", about::licence()),
            Request::GetVersion => Reply::success("GetVersion", self.version()),
            Request::GetStatus => Reply::success("GetStatus", self.status()),
            Request::GetPid => Reply::success("GetPid", vec![Element::value("autn:pid", std::process::id())]),
            Request::GetRequestLog { tail } => Reply::success("GetRequestLog", request_log(&self.journals[0], tail)),
            Request::TaskList { match_name, match_action } => {
                Reply::success("TaskList", self.task_list(match_name.as_deref(), match_action.as_deref()))
            }
            Request::ShowPermissions { ip } => {
                Reply::success("ShowPermissions", self.permissions(ip.as_deref(), caller, &self.aci_origins))
            }
            Request::Service(request) => self.service(request, caller),
        };
        Outcome::Reply(reply)
    }
}
