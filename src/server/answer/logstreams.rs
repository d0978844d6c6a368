//! `action=GetLogStreamNames` and `action=GetLogStream`.

use super::Answers;
use crate::aci::{Element, ErrorCode, Failure, Form, Raw, Reply};
use crate::action::BadParam;
use crate::log::{Stream, Tail, tail};

/// Of one answer.
pub(super) const TAIL_BYTES_MAX: u64 = 1 << 20;

impl Answers {
    pub(super) fn log_streams(&self) -> Vec<Element> {
        let element = |stream: &Stream| {
            let children = vec![
                Element::text("name", stream.name.clone()),
                Element::text("types", stream.types.join(",")),
                Element::text("level", stream.level.as_str()),
                Element::value("file", stream.file.path.display()),
            ];
            Element::parent("stream", children)
        };
        self.config.logging.streams.iter().map(element).collect()
    }

    /// A stream's file is found by the stream's name alone: no path comes from the client.
    pub(super) fn log_stream(&self, name: &str, lines_max: usize, form: Form) -> Reply {
        let streams = &self.config.logging.streams;
        let Some(stream) = streams.iter().find(|stream| stream.name.eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
            let expected = if names.is_empty() { "none: there is no log".to_owned() } else { names.join(", ") };
            return Reply::error("GetLogStream", BadParam::unreadable("Name", name, expected));
        };
        match tail(&stream.file.path, lines_max, TAIL_BYTES_MAX) {
            Err(error) => {
                let why = format!("{} cannot be read: {error}", stream.file.path.display());
                Reply::error("GetLogStream", Failure::new(ErrorCode::Internal, why))
            }
            Ok(Tail { lines, .. }) if form == Form::Envelope => {
                let lines = lines.into_iter().map(|line| Element::text("line", line)).collect();
                Reply::success("GetLogStream", vec![Element::parent("lines", lines)])
            }
            Ok(Tail { lines, .. }) => text("GetLogStream", joined(&lines)),
        }
    }
}

/// Each with its end.
pub(super) fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A text as it is, or as the element `name`.
pub(super) fn in_form(action: &str, form: Form, name: &'static str, told: String) -> Reply {
    match form {
        Form::Text => text(action, told),
        Form::Envelope => Reply::success(action, vec![Element::text(name, told)]),
    }
}

fn text(action: &str, told: String) -> Reply {
    let content_type = "text/plain; charset=utf-8".to_owned();
    Reply::raw(action, Raw { status: 200, content_type, bytes: told.into_bytes() })
}
