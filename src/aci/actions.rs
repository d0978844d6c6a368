//! The actions of each port as tables: parsing, help and the README go by them.

mod service;

pub use service::{Form, SERVICE_ACTIONS, ServiceRequest, Thread};

use super::help::{Help, HelpPort};
use super::queueaction::{QUEUE_ACTIONS, QueueAction};
use super::request::{FetchRequest, Request};
use crate::action::{BadParam, Params, QueueName};
use crate::roles::StandardRole;
use crate::time::Moment;

/// One action: what a person reads about it, and how its parameters are read.
#[derive(Debug)]
pub struct ActionSpec {
    /// In the spelling of the reference; requests may spell it in any case.
    pub name: &'static str,
    /// Who may ask for it. What tells or queues is Query, also Fetch and QueueInfo with all that it can stop: clients
    /// of the reference, which knows no rule for them, send both from other hosts. Admin is what cannot be taken back,
    /// or tells of other clients. On the service port, what tells how the process stands is ServiceStatus; what changes
    /// it, or shows its configuration or its logs, is ServiceControl.
    pub role: StandardRole,
    pub summary: &'static str,
    /// Those of its own; [`STANDARD_PARAMS`] are accepted as well.
    pub params: &'static [ParamSpec],
    /// What follows `http://host:port/`.
    pub example: &'static str,
    others: Others,
    parse: fn(Params) -> Result<Request, BadParam>,
}

/// One parameter of an action.
#[derive(Debug)]
pub struct ParamSpec {
    pub name: &'static str,
    pub required: bool,
    pub summary: &'static str,
}

/// What becomes of parameters that an action's table does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// They belong to whoever performs the action.
    Kept,
    Ignored,
}

impl ActionSpec {
    pub(super) fn parse(&self, params: Params) -> Result<Request, BadParam> {
        (self.parse)(params)
    }

    /// Notes parameters that will be ignored: as in the reference, one that is not known is no error.
    pub(super) fn warn_of_unknown(&self, params: &Params) {
        if self.others == Others::Kept || !log::log_enabled!(target: "application", log::Level::Debug) {
            return;
        }
        let is_known =
            |name: &str| self.params.iter().chain(STANDARD_PARAMS).any(|known| known.name.eq_ignore_ascii_case(name));
        for (name, _) in params.iter().filter(|(name, _)| !is_known(name)) {
            let name: String = name.chars().take(100).collect();
            log::debug!(target: "application", "{}: the parameter {name:?} is unknown and ignored", self.name);
        }
    }
}

/// Other names of actions.
pub(super) const ALIASES: [(&str, &str); 1] = [("GRL", "GetRequestLog")];

/// Accepted by every action.
pub static STANDARD_PARAMS: &[ParamSpec] = &[
    optional("ActionID", "a text that follows the request through the logs"),
    optional("ResponseFormat", "xml (the default), json or simplejson"),
    optional("Output", "File (or TRUE) writes the reply to FileName as well"),
    optional("FileName", "absolute path of that file, in a folder that [Server] AllowedOutputDirectoryCSVs lists"),
];

/// Standard parameters of the reference that ask for what is not done here, and why not. They are refused, unless they
/// ask for nothing.
pub(super) static UNSUPPORTED_PARAMS: [(&str, &str); 5] = [
    ("Template", NO_TEMPLATES),
    ("TemplateParamCSVs", NO_TEMPLATES),
    // The spelling of the Java client.
    ("TemplateParamsCSVs", NO_TEMPLATES),
    ("ForceTemplateRefresh", NO_TEMPLATES),
    ("EncryptResponse", "replies are not encrypted with keys of the reference"),
];

/// Whether any action of either port has a parameter of this name in its table.
pub fn is_parameter(name: &str) -> bool {
    let tables = ACI_ACTIONS.iter().chain(SERVICE_ACTIONS);
    let mut known = tables.flat_map(|action| action.params).chain(STANDARD_PARAMS).map(|param| param.name);
    known.any(|known| known.eq_ignore_ascii_case(name))
        || UNSUPPORTED_PARAMS.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

const NO_TEMPLATES: &str = "replies are not transformed by templates; transform what is answered";

/// The actions of the ACI port.
pub static ACI_ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "Fetch",
        role: StandardRole::Query,
        summary: "Queues an action that runs when a thread is free, and answers its token",
        params: &[
            required("FetchAction", "what to do: Synchronize, Collect or Identifiers"),
            optional("TaskSections", "the task sections to process, separated by commas; all of them by default"),
            optional("Config", "a configuration file in base64, whose settings go before those of the running one"),
            optional("Priority", "a whole number, 0 by default; an action of a higher one starts sooner"),
            optional(
                "Sync",
                "TRUE answers the result when the action has ended, instead of its token now; Synchronous is the same",
            ),
        ],
        example: "action=Fetch&FetchAction=Synchronize&TaskSections=MyTask1",
        others: Others::Kept,
        parse: |params| FetchRequest::parse(params).map(Request::Fetch),
    },
    ActionSpec {
        name: "QueueInfo",
        role: StandardRole::Query,
        summary: "Tells how queued, running and ended actions stand, and cancels, stops, pauses, resumes, moves, repeats and forgets them",
        params: &[
            required("QueueName", "the queue: Fetch"),
            required("QueueAction", QUEUE_ACTIONS),
            optional(
                "Token",
                "the action; ChangePriority and Duplicate need it, Cancel and Delete need it or a filter; without it \
                 GetStatus and GetActionParameters tell of all actions, Stop and Progress mean those that run, \
                 Pause and Resume the queue",
            ),
            optional("Priority", "of ChangePriority, which needs it: the new priority, a whole number"),
            optional("State", "a filter: only actions with this status; several with commas between"),
            optional("Queued-After", "a filter: only actions queued at this time or later"),
            optional("Queued-Before", "a filter: only actions queued at this time or earlier"),
            optional("Started-After", "a filter: only actions started at this time or later"),
            optional("Started-Before", "a filter: only actions started at this time or earlier"),
            optional("Finished-After", "a filter: only actions ended at this time or later"),
            optional("Finished-Before", "a filter: only actions ended at this time or earlier"),
            optional("Min-Priority", "a filter: only actions of this priority or a higher one"),
            optional("Max-Priority", "a filter: only actions of this priority or a lower one"),
            optional(
                "Sort-By",
                "of GetStatus: queue-time (the default), start-time, finish-time, priority or status; what has no such \
                 time comes last, and what is alike stands by submission",
            ),
            optional("Sort-Order", "of GetStatus: descending (the default) or ascending"),
            optional("MaxResults", "of GetStatus: how many actions are told at most"),
            optional("Start", "of GetStatus: the number of the first action that is told, from 1"),
            optional("MaxDepth", "of Progress: 0 tells only of the action, 1 of its task sections too; all by default"),
            optional("AllStages", "of Progress: TRUE also tells each section that is to come or has ended"),
        ],
        example: "action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus",
        others: Others::Ignored,
        parse: |params| {
            let queue: String = params.required("QueueName")?;
            Ok(Request::QueueInfo {
                queue: QueueName::new(&queue),
                action: QueueAction::parse(&params, Moment::now())?,
            })
        },
    },
    ActionSpec {
        name: "StopFetch",
        role: StandardRole::Query,
        summary: "Takes a fetch that waits out of the queue, and stops one that runs; its token is answered again",
        params: &[required("Token", "the token that the fetch was answered with")],
        example: "action=StopFetch&Token=MTI3LjAuMC4xOjcwMDY6RkVUQ0g6MTc5NTQyMDgwMDAwMDAxODk2MjI0MDcx",
        others: Others::Ignored,
        parse: |params| Ok(Request::StopFetch { token: params.required("Token")? }),
    },
    ActionSpec {
        name: "View",
        role: StandardRole::Query,
        summary: "Fetches one page of a task live, within PageTimeout or 20 s",
        params: &[
            required("Identifier", "the AUTN_IDENTIFIER of the page, which its task must know or admit"),
            optional("NoACI", "TRUE (the default) for the page as it is, FALSE for its base64 in the envelope"),
            optional("Config", "a configuration file in base64; it says how the page is fetched, not which may be"),
        ],
        example: "action=View&Identifier=PGlkIHM9Ik1ZVEFTSzEiIHI9Imh0dHA6Ly93d3cuZXhhbXBsZS5jb20vIi8%2B",
        others: Others::Ignored,
        parse: |params| {
            let _: String = params.required("Identifier")?;
            Ok(Request::View { no_aci: params.optional("NoACI")?.unwrap_or(true), params })
        },
    },
    ActionSpec {
        name: "GetUri",
        role: StandardRole::Query,
        summary: "Tells where the documents with these identifiers are",
        params: &[required("Identifiers", "AUTN_IDENTIFIERs, separated by commas; Identifier is the same")],
        example: "action=GetUri&Identifiers=PGlkIHM9Ik1ZVEFTSzEiIHI9Imh0dHA6Ly93d3cuZXhhbXBsZS5jb20vIi8%2B",
        others: Others::Ignored,
        parse: |params| {
            let named = if params.get("Identifiers").is_some() { "Identifiers" } else { "Identifier" };
            let list: String = params.required(named)?;
            Ok(Request::GetUri { identifiers: list.split(',').map(str::to_owned).collect() })
        },
    },
    ActionSpec {
        name: "PurgeDatastore",
        role: StandardRole::Admin,
        summary: "Queues an action that forgets what a task knows, and answers its token: the next synchronize sends \
                  everything as new and deletes nothing",
        params: &[required("Section", "the task section")],
        example: "action=PurgeDatastore&Section=MyTask1",
        others: Others::Ignored,
        parse: |params| Ok(Request::PurgeDatastore { section: params.required("Section")? }),
    },
    ActionSpec {
        name: "TaskList",
        role: StandardRole::Query,
        summary: "Lists the tasks that the connector knows",
        params: &[
            optional("MatchName", "only tasks whose name matches"),
            optional("MatchAction", "only tasks of a fetch action that matches"),
        ],
        example: "action=TaskList",
        others: Others::Ignored,
        parse: |params| {
            let (match_name, match_action) = (params.optional("MatchName")?, params.optional("MatchAction")?);
            Ok(Request::TaskList { match_name, match_action })
        },
    },
    ActionSpec {
        name: "GetStatus",
        role: StandardRole::Query,
        summary: "Tells the product, its version, its ports and the actions that it supports",
        params: &[],
        example: "action=GetStatus",
        others: Others::Ignored,
        parse: |_| Ok(Request::GetStatus),
    },
    ActionSpec {
        name: "BackupServer",
        role: StandardRole::Admin,
        summary: "Makes an archive of the configuration, the queue and the datastores, while the server works, and answers \
                  its filename",
        params: &[optional(
            "Path",
            "a folder that [Server] AllowedBackupDirectoryCSVs lists, by default its first; a relative one counts from \
             the configuration's folder",
        )],
        example: "action=BackupServer&Path=backup",
        others: Others::Ignored,
        parse: |params| Ok(Request::BackupServer { folder: params.optional("Path")? }),
    },
    ActionSpec {
        name: "RestoreServer",
        role: StandardRole::Admin,
        summary: "Checks an archive of BackupServer and stops the server, which is started with its state; the present one is kept in a folder",
        params: &[required("Filename", "the archive, in such a folder")],
        example: "action=RestoreServer&Filename=backup/20261124T160000_127.0.0.1_7006.zip",
        others: Others::Ignored,
        parse: |params| Ok(Request::RestoreServer { archive: params.required("Filename")? }),
    },
    ActionSpec {
        name: "GetLicenseInfo",
        role: StandardRole::Query,
        summary: "Tells that no licence is needed, for tools that ask for one",
        params: &[],
        example: "action=GetLicenseInfo",
        others: Others::Ignored,
        parse: |_| Ok(Request::GetLicenseInfo),
    },
    ActionSpec {
        name: "GetVersion",
        role: StandardRole::Query,
        summary: "Tells the version and how long the process has been up",
        params: &[],
        example: "action=GetVersion",
        others: Others::Ignored,
        parse: |_| Ok(Request::GetVersion),
    },
    ActionSpec {
        name: "GetRequestLog",
        role: StandardRole::Admin,
        summary: "Lists the latest requests of this port, the latest last: when each came, from where, how long it took. \
                  Also called GRL. Secrets in them are masked",
        params: &[
            optional("Tail", "how many at most; all that are kept by default: a thousand, or as many as 1 MiB holds"),
            optional("Format", "xml; other forms are had by ResponseFormat"),
        ],
        example: "action=GetRequestLog&Tail=20",
        others: Others::Ignored,
        parse: |params| {
            let is_page = ["OpenLinks", "Refresh"].into_iter().find_map(|name| Some((name, params.get(name)?)));
            if let Some((name, value)) = is_page {
                let expected = "none: it is for a page of the log in a browser, and there is none";
                return Err(BadParam::unreadable(name, value, expected));
            }
            match params.get("Format") {
                Some(form) if !form.is_empty() && !form.eq_ignore_ascii_case("xml") => {
                    Err(BadParam::unreadable("Format", form, "xml; ResponseFormat=json or simplejson asks for JSON"))
                }
                _ => Ok(Request::GetRequestLog { tail: params.optional("Tail")? }),
            }
        },
    },
    ActionSpec {
        name: "ShowPermissions",
        role: StandardRole::Query,
        summary: SHOW_PERMISSIONS,
        params: SHOW_PERMISSIONS_PARAMS,
        example: "action=ShowPermissions&IP=192.0.2.7",
        others: Others::Ignored,
        parse: |params| Ok(Request::ShowPermissions { ip: params.optional("IP")? }),
    },
    ActionSpec {
        name: "GetPid",
        role: StandardRole::Query,
        summary: "Tells the process id; a cheap probe of whether the server is alive",
        params: &[],
        example: "action=GetPid",
        others: Others::Ignored,
        parse: |_| Ok(Request::GetPid),
    },
    ActionSpec {
        name: "Help",
        role: StandardRole::Query,
        summary: "Tells what this port understands: this list with all parameters, as a page for a browser",
        params: HELP_PARAMS,
        example: "action=Help&ActionName=Fetch",
        others: Others::Ignored,
        parse: |params| Help::parse(HelpPort::Aci, &params).map(Request::Help),
    },
];

const HELP_PARAMS: &[ParamSpec] = &[
    optional("ActionName", "the one action to tell of"),
    optional("Format", "HTML (the default), or Text for a terminal"),
];

pub(super) const SHOW_PERMISSIONS: &str =
    "Tells which standard roles a client has; to an administrator also who has them";
pub(super) const SHOW_PERMISSIONS_PARAMS: &[ParamSpec] =
    &[optional("IP", "the client's address; by default whoever asks, with the certificate that was shown")];

const fn required(name: &'static str, summary: &'static str) -> ParamSpec {
    ParamSpec { name, required: true, summary }
}

const fn optional(name: &'static str, summary: &'static str) -> ParamSpec {
    ParamSpec { name, required: false, summary }
}

#[cfg(test)]
mod tests {
    use super::super::request::parse;
    use super::*;

    #[test]
    fn every_example_is_a_request_of_its_action() {
        for (table, spec) in
            [ACI_ACTIONS, SERVICE_ACTIONS].into_iter().flat_map(|table| table.iter().map(move |s| (table, s)))
        {
            let parsed = parse(table, &format!("/{}", spec.example), None, b"");
            assert_eq!(parsed.action, spec.name.to_uppercase());
            assert!(parsed.request.is_ok(), "{}", spec.example);
        }
    }

    #[test]
    fn what_a_table_calls_required_is_missed_when_absent() {
        for spec in ACI_ACTIONS.iter().chain(SERVICE_ACTIONS) {
            let needs_any = spec.params.iter().any(|param| param.required);
            assert_eq!(spec.parse(Params::default()).is_err(), needs_any, "{}", spec.name);
        }
    }
}
