//! The actions of the service port: the connector as a process.

use super::{
    ActionSpec, HELP_PARAMS, Others, ParamSpec, SHOW_PERMISSIONS, SHOW_PERMISSIONS_PARAMS, optional, required,
};
use crate::aci::help::{Help, HelpPort};
use crate::aci::request::Request;
use crate::action::{BadParam, FromParam, Params};
use crate::roles::StandardRole::{self, ServiceControl, ServiceStatus};

/// Log lines that are told without `Tail`, and at most.
const LINES: u64 = 100;
const LINES_MAX: u64 = 10_000;

/// What the service port is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceRequest {
    GetStatus,
    GetStatusInfo,
    GetStatistics,
    AciThreadStatus,
    CancelAciAction(Thread),
    GetConfig(Form),
    ValidateConfig,
    GetLogStreamNames,
    /// The last lines of a log stream.
    GetLogStream {
        name: String,
        lines_max: usize,
        form: Form,
    },
    Diagnostic,
    /// What an address may do; by default the caller's.
    ShowPermissions {
        ip: Option<String>,
    },
    /// Shut the process down cleanly.
    Stop,
    /// The same, and start again with the configuration read anew.
    Restart,
}

/// How something that people read is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Text,
    /// In the envelope, for a client that has named a `ResponseFormat`.
    Envelope,
}

/// A dispatcher of either port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The name of its port: `aci` or `service`.
    pub port: String,
    /// From 1.
    pub number: usize,
}

impl FromParam for Thread {
    const EXPECTED: &'static str = "a name that ACIThreadStatus tells, such as aci-2, or its number on the ACI port";

    fn from_param(text: &str) -> Option<Thread> {
        let (port, number) = text.trim().rsplit_once('-').unwrap_or(("aci", text.trim()));
        let port = ["aci", "service"].into_iter().find(|known| known.eq_ignore_ascii_case(port))?;
        Some(Thread { port: port.to_owned(), number: number.parse().ok()? })
    }
}

impl Form {
    fn of(params: &Params) -> Form {
        if params.get("ResponseFormat").is_some_and(|format| !format.is_empty()) { Form::Envelope } else { Form::Text }
    }
}

/// The actions of the service port.
pub static SERVICE_ACTIONS: &[ActionSpec] = &[
    spec(
        "GetStatus",
        ServiceStatus,
        "Tells whether the server is Running, Paused (its queue starts no actions) or Stopping",
        &[],
        "action=GetStatus",
        |_| Ok(Request::Service(ServiceRequest::GetStatus)),
    ),
    spec(
        "GetStatusInfo",
        ServiceStatus,
        "Tells the state, the product, its version, ports and folders, and since when it is up",
        &[],
        "action=GetStatusInfo",
        |_| Ok(Request::Service(ServiceRequest::GetStatusInfo)),
    ),
    spec(
        "GetStatistics",
        ServiceStatus,
        "Counts requests by action, with their mean and longest duration, connections, the queue, events that handlers have not \
         taken yet, and memory in bytes",
        &[],
        "action=GetStatistics",
        |_| Ok(Request::Service(ServiceRequest::GetStatistics)),
    ),
    spec(
        "ACIThreadStatus",
        ServiceStatus,
        "Tells of each thread that answers requests, on both ports, whether it is idle or what it answers, for whom and \
         since when",
        &[],
        "action=ACIThreadStatus",
        |_| Ok(Request::Service(ServiceRequest::AciThreadStatus)),
    ),
    spec(
        "CancelACIAction",
        ServiceControl,
        "Ends what the request of a thread waits for: a page (View) or the end of an action (Sync=true), which itself goes \
         on. Requests that wait for nothing end by themselves and are not cancelled",
        &[required(
            "Thread",
            "the thread's name as ACIThreadStatus tells it, such as aci-2, or its number on the ACI port",
        )],
        "action=CancelACIAction&Thread=aci-2",
        |params| Ok(Request::Service(ServiceRequest::CancelAciAction(params.required("Thread")?))),
    ),
    spec(
        "GetConfig",
        ServiceControl,
        "The configuration in use with its includes merged in and its secrets masked, as text, or in the envelope if \
         ResponseFormat is given",
        &[],
        "action=GetConfig",
        |params| Ok(Request::Service(ServiceRequest::GetConfig(Form::of(&params)))),
    ),
    spec(
        "ValidateConfig",
        ServiceControl,
        "Judges the configuration file as it is now, as webconnector check-config does: what a Restart would find",
        &[],
        "action=ValidateConfig",
        |_| Ok(Request::Service(ServiceRequest::ValidateConfig)),
    ),
    spec(
        "GetLogStreamNames",
        ServiceStatus,
        "Lists the log streams with their types, level and file",
        &[],
        "action=GetLogStreamNames",
        |_| Ok(Request::Service(ServiceRequest::GetLogStreamNames)),
    ),
    spec(
        "GetLogStream",
        ServiceControl,
        "The last lines of a log stream's file, as text, or in the envelope if ResponseFormat is given; at most 1 MiB",
        &[
            required("Name", "a name that GetLogStreamNames tells"),
            optional("Tail", "how many lines, 1 to 10000; 100 by default"),
            optional("FromDisk", "TRUE, which is always so: lines are read from the file"),
        ],
        "action=GetLogStream&Name=application&Tail=20",
        |params| log_stream(&params),
    ),
    spec(
        "Diagnostic",
        ServiceControl,
        "A ZIP of what helps to find a fault: the configuration (secrets masked) and what is to be said about it, version, \
         statistics, threads, latest requests, queue, and the ends of the logs; at most 16 MiB before it is packed",
        &[],
        "action=Diagnostic",
        |_| Ok(Request::Service(ServiceRequest::Diagnostic)),
    ),
    spec(
        "ShowPermissions",
        ServiceStatus,
        SHOW_PERMISSIONS,
        SHOW_PERMISSIONS_PARAMS,
        "action=ShowPermissions&IP=192.0.2.7",
        |params| Ok(Request::Service(ServiceRequest::ShowPermissions { ip: params.optional("IP")? })),
    ),
    spec(
        "Stop",
        ServiceControl,
        "Shuts the process down cleanly; running actions continue at the next start",
        &[],
        "action=Stop",
        |_| Ok(Request::Service(ServiceRequest::Stop)),
    ),
    spec(
        "Restart",
        ServiceControl,
        "Shuts the server down cleanly and starts it again in the same process with the configuration read anew; running \
         actions continue. If that configuration cannot be used the answer says why, and nothing is stopped",
        &[],
        "action=Restart",
        |_| Ok(Request::Service(ServiceRequest::Restart)),
    ),
    spec(
        "Help",
        ServiceStatus,
        "Tells what this port understands: this list with all parameters, as a page for a browser",
        HELP_PARAMS,
        "action=Help&ActionName=Stop",
        |params| Help::parse(HelpPort::Service, &params).map(Request::Help),
    ),
];

const fn spec(
    name: &'static str,
    role: StandardRole,
    summary: &'static str,
    params: &'static [ParamSpec],
    example: &'static str,
    parse: fn(Params) -> Result<Request, BadParam>,
) -> ActionSpec {
    ActionSpec { name, role, summary, params, example, others: Others::Ignored, parse }
}

fn log_stream(params: &Params) -> Result<Request, BadParam> {
    let name = params.required("Name")?;
    let lines = params.optional::<u64>("Tail")?.unwrap_or(LINES);
    let lines_max = usize::try_from(lines).ok().filter(|_| (1..=LINES_MAX).contains(&lines));
    let Some(lines_max) = lines_max else {
        return Err(BadParam::unreadable("Tail", &lines.to_string(), format!("a whole number from 1 to {LINES_MAX}")));
    };
    if params.optional::<bool>("FromDisk")? == Some(false) {
        let expected = "TRUE: lines are read from the file, and none are kept in memory";
        return Err(BadParam::unreadable("FromDisk", "FALSE", expected));
    }
    Ok(Request::Service(ServiceRequest::GetLogStream { name, lines_max, form: Form::of(params) }))
}
