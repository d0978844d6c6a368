//! What a client asks for, as types: below this module there are no parameter names to fold and none to miss.
//!
//! Pure. Does nothing itself: a [`Request`] is handed to whoever answers it.

use super::actions::{ALIASES, ActionSpec, ServiceRequest, UNSUPPORTED_PARAMS};
use super::form;
use super::help::Help;
use super::output;
use super::queueaction::QueueAction;
use super::render::Format;
use super::reply::{ErrorCode, Failure};
use crate::action::{BadParam, FromParam, Params, Problem, QueueName, Token};
use std::path::PathBuf;

/// A request that is complete and well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Fetch(FetchRequest),
    QueueInfo {
        queue: QueueName,
        action: QueueAction,
    },
    /// Take this fetch out of the queue or, if it runs, stop it.
    StopFetch {
        token: Token,
    },
    /// Make an archive in this folder, or in the first that is configured.
    BackupServer {
        folder: Option<String>,
    },
    /// Go on with the state of this archive.
    RestoreServer {
        archive: String,
    },
    /// For people.
    Help(Help),
    GetLicenseInfo,
    GetVersion,
    GetStatus,
    GetPid,
    /// The latest requests of the port: this many, or all that are kept.
    GetRequestLog {
        tail: Option<u64>,
    },
    /// The tasks that are known; without a filter, all of them.
    TaskList {
        match_name: Option<String>,
        match_action: Option<String>,
    },
    /// One page, fetched live. `params` say which, and how it is fetched.
    View {
        params: Params,
        /// The page as it is instead of within the envelope.
        no_aci: bool,
    },
    /// Where the documents with these identifiers are.
    GetUri {
        identifiers: Vec<String>,
    },
    /// Forget what a task knows.
    PurgeDatastore {
        section: String,
    },
    /// What an address may do; by default the caller's.
    ShowPermissions {
        ip: Option<String>,
    },
    /// An action of the service port.
    Service(ServiceRequest),
}

/// `action=Fetch`: what kind, and all other parameters, which belong to whoever performs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    pub fetch_action: FetchAction,
    /// `Sync` or `Synchronous`: the client waits for the result.
    pub is_sync: bool,
    /// As they came, without `action` and what says how it is answered; the standard parameters of every action are among
    /// them.
    pub params: Params,
}

/// The kinds of fetch that the reference's connectors know. Not every connector has each: a kind that this one does
/// not perform is refused by whoever answers, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchAction {
    Synchronize,
    SynchronizeGroups,
    Collect,
    Identifiers,
    Insert,
    Update,
    /// Also spelled `Remove`.
    Delete,
    Stub,
    Hold,
    ReleaseHold,
    View,
}

impl FetchRequest {
    /// Reads it; what says how it is answered is no part of what is to be performed, now or when it is duplicated.
    pub(super) fn parse(mut params: Params) -> Result<FetchRequest, BadParam> {
        let fetch_action = FetchAction::parse(&params)?;
        let mut is_sync = None;
        for name in ["Sync", "Synchronous"] {
            is_sync = is_sync.or(params.optional::<bool>(name)?);
            params.remove(name);
        }
        Ok(FetchRequest { fetch_action, is_sync: is_sync.unwrap_or(false), params })
    }
}

impl FetchAction {
    /// Every kind, with the name that the reference gives it.
    pub const ALL: [(FetchAction, &'static str); 11] = [
        (FetchAction::Synchronize, "Synchronize"),
        (FetchAction::SynchronizeGroups, "SynchronizeGroups"),
        (FetchAction::Collect, "Collect"),
        (FetchAction::Identifiers, "Identifiers"),
        (FetchAction::Insert, "Insert"),
        (FetchAction::Update, "Update"),
        (FetchAction::Delete, "Delete"),
        (FetchAction::Stub, "Stub"),
        (FetchAction::Hold, "Hold"),
        (FetchAction::ReleaseHold, "ReleaseHold"),
        (FetchAction::View, "View"),
    ];

    pub fn as_str(self) -> &'static str {
        FetchAction::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(params: &Params) -> Result<FetchAction, BadParam> {
        let name: String = params.required("FetchAction")?;
        let folded = if name.trim().eq_ignore_ascii_case("remove") { "Delete" } else { name.trim() };
        let found = FetchAction::ALL.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(folded));
        found
            .map(|(kind, _)| kind)
            .ok_or_else(|| BadParam::unreadable("FetchAction", &name, "Synchronize, Collect or Identifiers"))
    }
}

/// A request as the listener needs it: what to answer, in which shape, to whom.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The action's name in upper case; what was asked if it is unknown, empty if nothing was.
    pub(super) action: String,
    pub(super) format: Format,
    pub(super) action_id: Option<String>,
    /// The row of the table; `None` if there is no such action.
    pub(super) spec: Option<&'static ActionSpec>,
    /// The file that the reply is written to as well.
    pub(super) output: Option<PathBuf>,
    /// The request, or what to answer instead.
    pub(super) request: Result<Request, Failure>,
}

/// The reference's envelope for actions that it encrypts with a legacy key.
const ENCRYPTED: &str = "ENCRYPTED";

/// Reads one HTTP request against the actions of `table`. Never fails: whatever is wrong is an answer too.
pub(super) fn parse(table: &'static [ActionSpec], target: &str, content_type: Option<&str>, body: &[u8]) -> Parsed {
    let asked = match form::read(target, content_type, body) {
        Ok(asked) => asked,
        Err(bad) => {
            // The body is unread, but the URL may still say which action this was to be, and who reads the answer how.
            let of_url = form::read(target, None, b"").ok();
            let (action, params) = of_url.map_or_else(Default::default, |asked| (asked.action, asked.params));
            return Parsed {
                action: printed(action.as_deref().unwrap_or_default()),
                format: Format::asked(&params).unwrap_or_default(),
                action_id: params.optional("ActionID").ok().flatten(),
                spec: None,
                output: None,
                request: Err(Failure::new(ErrorCode::ParamInvalid, bad.to_string())),
            };
        }
    };
    let (action, mut params) = (asked.action.unwrap_or_default(), asked.params);
    let format = Format::asked(&params);
    let action_id = params.optional("ActionID").ok().flatten();
    let found = find(table, &action);
    let spec = found.as_ref().ok().copied();
    let standard = format.as_ref().map_err(BadParam::clone).and_then(|_| output_of(&mut params, spec));
    let (request, output) = match standard {
        Err(bad) => (Err(bad.into()), None),
        Ok(output) => {
            let request = found.and_then(|spec| {
                spec.warn_of_unknown(&params);
                spec.parse(params).map_err(Failure::from)
            });
            (request, output)
        }
    };
    Parsed { action: printed(&action), format: format.unwrap_or_default(), action_id, spec, output, request }
}

/// Takes out what says where the reply goes: it is no part of what is performed.
fn output_of(params: &mut Params, spec: Option<&ActionSpec>) -> Result<Option<PathBuf>, BadParam> {
    for (name, why) in UNSUPPORTED_PARAMS {
        let given = params.get(name).filter(|value| !value.is_empty() && bool::from_param(value) != Some(false));
        if let Some(value) = given {
            return Err(BadParam::unreadable(name, value, format!("nothing: {why}")));
        }
        params.remove(name);
    }
    let [wanted, file] = output::PARAMS;
    // RestoreServer has a file of its own to name.
    if spec.is_some_and(|spec| spec.params.iter().any(|own| own.name.eq_ignore_ascii_case(file))) {
        let given = params.get(wanted).filter(|value| !value.is_empty());
        return given.map_or(Ok(None), |value| {
            Err(BadParam::unreadable(wanted, value, format!("nothing: {file} is a parameter of this action's own")))
        });
    }
    let output = output::asked(params)?;
    for name in [wanted, file] {
        params.remove(name);
    }
    Ok(output)
}

fn find(table: &'static [ActionSpec], action: &str) -> Result<&'static ActionSpec, Failure> {
    let names = || table.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
    if action.is_empty() {
        let missing = BadParam { name: "action".to_owned(), problem: Problem::Missing };
        return Err(Failure::new(ErrorCode::ParamMissing, format!("{missing}; it is one of {}", names())));
    }
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(action));
    let name = alias.map_or(action, |(_, name)| name);
    table.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let action = printed(action);
        if action == ENCRYPTED {
            let why = format!(
                "{action} is not supported: nothing is encrypted with keys of the reference; send the action itself"
            );
            return Failure::new(ErrorCode::NotImplemented, why);
        }
        Failure::new(
            ErrorCode::NotImplemented,
            format!("the requested action {action} was not recognised; the actions of this port are {}", names()),
        )
    })
}

/// A client's spelling of an action as replies quote it.
pub(super) fn printed(action: &str) -> String {
    action.chars().take(100).collect::<String>().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::super::actions::{ACI_ACTIONS, SERVICE_ACTIONS};
    use super::super::queueaction::QueueCommand;
    use super::*;

    fn parsed(target: &str) -> Result<Request, Failure> {
        parse(ACI_ACTIONS, target, None, b"").request
    }

    #[test]
    fn requests_become_types() {
        let queue = |action| Ok(Request::QueueInfo { queue: QueueName::fetch(), action });
        let tasks = |name: Option<&str>, action: Option<&str>| {
            Ok(Request::TaskList { match_name: name.map(str::to_owned), match_action: action.map(str::to_owned) })
        };
        let table = [
            ("/action=GetVersion", Ok(Request::GetVersion)),
            ("/a=getstatus", Ok(Request::GetStatus)),
            ("/?a=GETPID&ActionID=x&unknown=1", Ok(Request::GetPid)),
            ("/action=queueinfo&queueaction=QUEUESTATUS&queuename=fetch", queue(QueueAction::QueueStatus)),
            (
                "/action=QueueInfo&QueueName=fetch&QueueAction=stop",
                queue(QueueAction::Command(QueueCommand::Stop(None))),
            ),
            ("/action=TaskList", tasks(None, None)),
            ("/action=TaskList&MatchName=A*&matchaction=SYNCHRONIZE", tasks(Some("A*"), Some("SYNCHRONIZE"))),
        ];
        for (target, expected) in table {
            assert_eq!(parsed(target), expected, "{target}");
        }
    }

    #[test]
    fn a_fetch_keeps_every_parameter_but_the_action() {
        let Ok(Request::Fetch(fetch)) = parsed("/action=Fetch&fetchaction=SYNCHRONIZE&tasksections=A,B&[A]Depth=1")
        else {
            panic!("this is a fetch");
        };
        assert_eq!((fetch.fetch_action, fetch.is_sync), (FetchAction::Synchronize, false));
        assert_eq!(fetch.params.to_form(), "fetchaction=SYNCHRONIZE&tasksections=A%2CB&%5BA%5DDepth=1");
        for (kind, name) in FetchAction::ALL {
            let params = [("FetchAction", name.to_lowercase())].into_iter().collect();
            assert_eq!(FetchAction::parse(&params), Ok(kind));
            assert_eq!(kind.as_str(), name);
        }
    }

    #[test]
    fn where_a_reply_goes_is_no_part_of_the_action() {
        let rest = "Output=File&FileName=/r/x&EncryptResponse=false&ForceTemplateRefresh=0&Template=";
        let parsed = parse(ACI_ACTIONS, &format!("/action=Fetch&FetchAction=Collect&{rest}"), None, b"");
        assert_eq!(parsed.output, Some(PathBuf::from("/r/x")));
        assert!(matches!(parsed.request, Ok(Request::Fetch(fetch)) if fetch.params.to_form() == "FetchAction=Collect"));
    }

    #[test]
    fn whether_a_client_waits_is_no_part_of_the_action() {
        for (form, is_sync) in [("Sync=true", true), ("synchronous=ON", true), ("sync=false&Synchronous=true", false)] {
            let Ok(Request::Fetch(fetch)) = parsed(&format!("/action=Fetch&{form}&FetchAction=Collect")) else {
                panic!("{form} is a fetch");
            };
            assert_eq!((fetch.is_sync, fetch.params.to_form().as_str()), (is_sync, "FetchAction=Collect"), "{form}");
        }
    }

    #[test]
    fn a_bad_request_says_which_parameter_and_what_it_may_be() {
        let table = [
            ("/", ErrorCode::ParamMissing, "the parameter action is required"),
            ("/action=Wobble", ErrorCode::NotImplemented, "WOBBLE was not recognised"),
            ("/action=fetch", ErrorCode::ParamMissing, "FetchAction is required"),
            ("/action=fetch&fetchaction=collect&sync=perhaps", ErrorCode::ParamInvalid, "Sync is \"perhaps\""),
            ("/action=fetch&fetchaction=wobble", ErrorCode::ParamInvalid, "\"wobble\"; expected is Synchronize"),
            ("/action=queueinfo&queuename=fetch", ErrorCode::ParamMissing, "QueueAction is required"),
            ("/action=queueinfo&queueaction=getstatus", ErrorCode::ParamMissing, "QueueName is required"),
            ("/action=queueinfo&queuename=fetch&queueaction=jump", ErrorCode::ParamInvalid, "GetStatus, Cancel, Stop"),
            ("/action=queueinfo&queuename=fetch&queueaction=duplicate", ErrorCode::ParamMissing, "Token is required"),
            (
                "/action=queueinfo&queuename=fetch&queueaction=stop&token=x",
                ErrorCode::ParamInvalid,
                "expected is a token",
            ),
            ("/action=encrypted&data=x", ErrorCode::NotImplemented, "send the action itself"),
            ("/action=getpid&template=x", ErrorCode::ParamInvalid, "Template is \"x\"; expected is nothing: replies"),
            ("/action=getpid&encryptresponse=true", ErrorCode::ParamInvalid, "replies are not encrypted"),
            ("/action=getpid&TemplateParamsCSVs=a,b", ErrorCode::ParamInvalid, "replies are not transformed"),
            ("/action=restoreserver&filename=x&output=file", ErrorCode::ParamInvalid, "of this action's own"),
            ("/action=getpid&output=file", ErrorCode::ParamMissing, "FileName is required"),
            ("/action=getpid&responseformat=yaml", ErrorCode::ParamInvalid, "xml, json or simplejson"),
        ];
        for (target, code, words) in table {
            let Err(failure) = parsed(target) else { panic!("{target} is no good request") };
            assert_eq!(failure.code, code, "{target}");
            assert!(failure.description.contains(words), "{target}: {}", failure.description);
        }
    }

    #[test]
    fn the_shape_and_the_name_are_known_also_for_an_error() {
        let parsed = parse(SERVICE_ACTIONS, "/action=fetch&responseformat=JSON&actionid=me", None, b"");
        assert_eq!((parsed.action.as_str(), parsed.format), ("FETCH", Format::Json));
        assert_eq!(parsed.action_id.as_deref(), Some("me"));
        assert_eq!(parsed.request.map_err(|failure| failure.code), Err(ErrorCode::NotImplemented));

        let parsed = parse(ACI_ACTIONS, "/action=fetch", Some("application/json"), b"{}");
        assert_eq!(parsed.action, "FETCH");
        assert!(parsed.request.is_err_and(|failure| failure.description.contains("application/json")));
    }
}
