//! What an action answers, as a small tree. Knows no format: `render` prints it.

use crate::action::{BadParam, Problem};
use crate::time::Moment;
use std::borrow::Cow;

/// The answer to one action. It travels as HTTP 200 whether it is an error or not: clients of the protocol look for
/// an error's details only there (aci.md 1.4).
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// In upper case, as it was asked for.
    pub action: String,
    /// The children of `responsedata`, or why there are none.
    pub outcome: Result<Vec<Element>, Failure>,
    /// What `response` says instead of SUCCESS, under names in capitals.
    pub(super) state: Option<&'static str>,
    /// What goes out in place of the envelope.
    pub(super) raw: Option<Raw>,
}

/// What a request comes to.
pub enum Outcome {
    Reply(Reply),
    /// All that is left to do is to wait for what others may wait for as well, such as a commit. A thread of the port
    /// that does nothing else calls this, in the order of the requests, while dispatchers go on.
    Awaited(Box<dyn FnOnce() -> Reply + Send>),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Outcome {
        Outcome::Reply(reply)
    }
}

/// A body that is no envelope, with a status and type of its own: what `NoACI=true` asks for (aci.md 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// 200, or 404 or 500 for a failure.
    pub status: u16,
    /// One that no header can carry becomes `application/octet-stream`.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// One element of `responsedata`. Names are mostly constants, so that a list of many actions allocates for its values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub(super) name: Cow<'static, str>,
    pub(super) attributes: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(super) content: Content,
}

/// What is inside an element: text or elements, never both, as no answer of the protocol mixes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(Cow<'static, str>),
    Elements(Vec<Element>),
}

/// An action that was refused or failed, with what the six fields of the error envelope say (aci.md 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: ErrorCode,
    /// The decimal end of `errorid`, and in hexadecimal `rawerrorid`.
    pub number: u32,
    /// A few words, the same for every failure of a code.
    pub string: Cow<'static, str>,
    /// A sentence for whoever sent the request: what was wrong and what would be right.
    pub description: String,
    pub time: Moment,
}

/// The kind of a [`Failure`]: `errorcode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no such action.
    NotImplemented,
    /// A required parameter is absent or empty.
    ParamMissing,
    /// A parameter's value is none that it may have.
    ParamInvalid,
    /// The request is well-formed but cannot be followed as things stand, such as cancelling what already runs.
    Refused,
    /// What the client waited for has come to another end than its own.
    ActionFailed,
    /// The client has no role that allows the action.
    Permission,
    /// A fault of this program.
    Internal,
}

impl Reply {
    pub fn new(action: &str, outcome: Result<Vec<Element>, Failure>) -> Reply {
        Reply { action: action.to_ascii_uppercase(), outcome, state: None, raw: None }
    }

    /// SUCCESS with `responsedata` as given; it may be empty.
    pub fn success(action: &str, responsedata: Vec<Element>) -> Reply {
        Reply::new(action, Ok(responsedata))
    }

    /// The envelope of the service port's `GetStatus`: the state in place of SUCCESS, names in capitals, no data
    /// (aci.md 5.2).
    pub fn state(action: &str, state: &'static str) -> Reply {
        Reply { state: Some(state), ..Reply::success(action, Vec::new()) }
    }

    /// A body in place of the envelope.
    pub fn raw(action: &str, raw: Raw) -> Reply {
        Reply { raw: Some(raw), ..Reply::success(action, Vec::new()) }
    }

    pub fn error(action: &str, failure: impl Into<Failure>) -> Reply {
        Reply::new(action, Err(failure.into()))
    }
}

impl Element {
    pub fn text(name: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Element {
        Element { name: name.into(), attributes: Vec::new(), content: Content::Text(text.into()) }
    }

    /// An element whose text is `value` as it prints: numbers, tokens, dates.
    pub fn value(name: impl Into<Cow<'static, str>>, value: impl std::fmt::Display) -> Element {
        Element::text(name, value.to_string())
    }

    /// An element that holds `children`, in this order; none is possible.
    pub fn parent(name: impl Into<Cow<'static, str>>, children: Vec<Element>) -> Element {
        Element { name: name.into(), attributes: Vec::new(), content: Content::Elements(children) }
    }

    /// An element without content, for attributes.
    pub fn empty(name: impl Into<Cow<'static, str>>) -> Element {
        Element::parent(name, Vec::new())
    }

    /// Adds an attribute. They are printed in the order in which they were added.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Element {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

impl Failure {
    /// A failure that happens now, with the number and the words of its code.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Failure {
        let (number, string) = code.number_and_string();
        Failure { code, number, string: string.into(), description: description.into(), time: Moment::now() }
    }

    /// `WEBCONNECTOR`, the action and the number.
    pub(super) fn error_id(&self, action: &str) -> String {
        format!("WEBCONNECTOR{action}{}", self.number)
    }

    /// The number in hexadecimal, such as `0x20D`.
    pub(super) fn raw_error_id(&self) -> String {
        format!("{:#X}", self.number).replacen("0X", "0x", 1)
    }
}

impl From<BadParam> for Failure {
    fn from(bad: BadParam) -> Failure {
        let code = match bad.problem {
            Problem::Missing => ErrorCode::ParamMissing,
            Problem::Unreadable { .. } => ErrorCode::ParamInvalid,
        };
        Failure::new(code, bad.to_string())
    }
}

impl ErrorCode {
    /// The spelling in `errorcode`. The first and the third are the reference's, the others follow their pattern.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::NotImplemented => "ERRORNOTIMPLEMENTED",
            ErrorCode::ParamMissing => "ERRORPARAMMISSING",
            ErrorCode::ParamInvalid => "ERRORPARAMINVALID",
            ErrorCode::Refused => "ERRORREFUSED",
            ErrorCode::ActionFailed => "ERRORACTIONFAILED",
            ErrorCode::Permission => "ERRORPERMISSION",
            ErrorCode::Internal => "ERRORINTERNAL",
        }
    }

    /// 1 with `ERROR`, and 525, are those of the reference; the others lie beside them.
    fn number_and_string(self) -> (u32, &'static str) {
        match self {
            ErrorCode::NotImplemented => (1, "ERROR"),
            ErrorCode::ParamMissing => (524, "Missing parameter"),
            ErrorCode::ParamInvalid => (525, "Invalid parameter"),
            ErrorCode::Refused => (526, "Request refused"),
            ErrorCode::ActionFailed => (527, "Action failed"),
            ErrorCode::Permission => (528, "Permission denied"),
            ErrorCode::Internal => (500, "Internal error"),
        }
    }
}
