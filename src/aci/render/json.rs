//! The envelope as JSON, in the two shapes of the reference (aci.md 2.3).

use super::Envelope;
use crate::aci::reply::{Content, Element};
use std::collections::HashSet;
use std::fmt::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `ResponseFormat=json`
    Full,
    /// `ResponseFormat=simplejson`
    Simple,
}

/// Elements of `responsedata` that may repeat: an array even if there is one, so that a client needs one code path.
const REPEATED: [&str; 18] = [
    "action",
    "documentcount",
    "identifiers",
    "identifier",
    "success",
    "failed",
    "task",
    "logentry",
    "stage",
    "parameter",
    "thread",
    "request",
    "stream",
    "line",
    "warning",
    "note",
    "autn:section",
    "autn:key",
];

pub(super) fn render(envelope: &Envelope<'_>, shape: Shape) -> Vec<u8> {
    let names = &envelope.names;
    let mut out = format!("{{\"autnresponse\":{{\"{}\":", names.action);
    push_text(&mut out, envelope.action, shape);
    let _ = write!(out, ",\"{}\":", names.response);
    push_text(&mut out, envelope.response, shape);
    let _ = write!(out, ",\"{}\":{{", names.responsedata);
    push_members(&mut out, envelope.responsedata, true, shape);
    out.push_str("}}}");
    out.into_bytes()
}

/// The members of an object, one for each name, where its first element stands.
fn push_members(out: &mut String, elements: &[Element], mut is_first: bool, shape: Shape) {
    // Each name costs one pass over its siblings; long lists have one name.
    let mut seen = HashSet::new();
    for (at, element) in elements.iter().enumerate() {
        if !seen.insert(&*element.name) {
            continue;
        }
        let rest = &elements[at + 1..];
        let mut same = rest.iter().filter(|other| other.name == element.name).peekable();
        begin_member(out, &mut is_first);
        push_name(out, "", &element.name, shape);
        if same.peek().is_none() && !REPEATED.contains(&&*element.name) {
            push_value(out, element, shape);
            continue;
        }
        out.push('[');
        push_value(out, element, shape);
        for other in same {
            out.push(',');
            push_value(out, other, shape);
        }
        out.push(']');
    }
}

fn push_value(out: &mut String, element: &Element, shape: Shape) {
    if let (Content::Text(text), true) = (&element.content, element.attributes.is_empty()) {
        return push_text(out, text, shape);
    }
    out.push('{');
    let mut is_first = true;
    for (name, value) in &element.attributes {
        begin_member(out, &mut is_first);
        push_name(out, "@", name, shape);
        push_string(out, value);
    }
    match &element.content {
        Content::Text(text) => {
            begin_member(out, &mut is_first);
            out.push_str("\"$\":");
            push_string(out, text);
        }
        Content::Elements(children) => push_members(out, children, is_first, shape),
    }
    out.push('}');
}

fn begin_member(out: &mut String, is_first: &mut bool) {
    if !std::mem::replace(is_first, false) {
        out.push(',');
    }
}

/// Names are constants of this program, which need no escape.
fn push_name(out: &mut String, mark: &str, name: &str, shape: Shape) {
    let name = match shape {
        Shape::Full => name,
        Shape::Simple => name.strip_prefix("autn:").unwrap_or(name),
    };
    out.push('"');
    out.push_str(mark);
    out.push_str(name);
    out.push_str("\":");
}

fn push_text(out: &mut String, text: &str, shape: Shape) {
    match shape {
        Shape::Simple => push_string(out, text),
        Shape::Full => {
            out.push_str("{\"$\":");
            push_string(out, text);
            out.push('}');
        }
    }
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}
