//! The actions of the service port: the connector as a process.

use super::{ActionSpec, HELP_PARAMS, Others};
use crate::aci::help::{Help, HelpPort};
use crate::aci::request::Request;

/// What the service port is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceRequest {
    GetStatus,
    /// Shut the process down cleanly.
    Stop,
}

/// The actions of the service port.
pub static SERVICE_ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "GetStatus",
        summary: "Tells whether the process is running",
        params: &[],
        example: "action=GetStatus",
        others: Others::Ignored,
        parse: |_| Ok(Request::Service(ServiceRequest::GetStatus)),
    },
    ActionSpec {
        name: "Stop",
        summary: "Shuts the process down cleanly; running actions continue at the next start",
        params: &[],
        example: "action=Stop",
        others: Others::Ignored,
        parse: |_| Ok(Request::Service(ServiceRequest::Stop)),
    },
    ActionSpec {
        name: "Help",
        summary: "Tells what this port understands: this list with all parameters, as a page for a browser",
        params: HELP_PARAMS,
        example: "action=Help&ActionName=Stop",
        others: Others::Ignored,
        parse: |params| Help::parse(HelpPort::Service, &params).map(Request::Help),
    },
];
