//! The documents that a task has written: one JSON change per line of `output/TASK.jsonl`.

use serde_json::Value;
use std::collections::BTreeMap;

/// One line of the output. A delete has no title, content or fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `add`, `update` or `delete`.
    pub kind: String,
    pub reference: String,
    pub identifier: String,
    pub title: String,
    pub content: String,
    pub fields: BTreeMap<String, Vec<String>>,
}

impl Change {
    /// Reads one line. Panics if it is not what the README says a line is.
    pub fn parse(line: &str) -> Change {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let text =
            |name: &str| json[name].as_str().map_or_else(|| panic!("{name} is no text in {line}"), str::to_owned);
        let kind = text("change");
        let is_delete = match kind.as_str() {
            "add" | "update" => false,
            "delete" => true,
            other => panic!("unknown change {other} in {line}"),
        };
        let unless_delete = |name: &str| if is_delete { String::new() } else { text(name) };
        let mut fields = BTreeMap::new();
        for (name, values) in json["fields"].as_object().into_iter().flatten() {
            let values = values.as_array().unwrap_or_else(|| panic!("{name} is no list in {line}"));
            let values = values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
            fields.insert(name.clone(), values);
        }
        assert!(is_delete || json["fields"].is_object(), "no fields in {line}");
        Change {
            reference: text("reference"),
            identifier: text("identifier"),
            title: unless_delete("title"),
            content: unless_delete("content"),
            fields,
            kind,
        }
    }

    /// The first value of a field, its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, values) = self.fields.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str)
    }
}

/// The changes as a test names them, such as `add /a?x=1`: without the host, sorted.
pub fn brief(changes: &[Change]) -> Vec<String> {
    let mut brief: Vec<_> = changes
        .iter()
        .map(|change| {
            let after_scheme = change.reference.split_once("://").map_or("", |(_, rest)| rest);
            let target = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
            format!("{} {target}", change.kind)
        })
        .collect();
    brief.sort();
    brief
}
