//! The results of an action as the JSON that its row keeps.

use crate::action::{DocumentResult, Listed, Listing, Results, Subject, Warning};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Adds `documents`, `listings` and `warnings` to a report, each if there is any.
pub(super) fn write(report: &mut Map<String, Value>, results: &Results) {
    if !results.documents.is_empty() {
        let document = |document: &Arc<DocumentResult>| match &document.failure {
            None => json!([document.identifier]),
            Some(failure) => json!([document.identifier, failure]),
        };
        report.insert("documents".to_owned(), results.documents.iter().map(document).collect());
    }
    if !results.listings.is_empty() {
        let listing = |listing: &Arc<Listing>| {
            let (name, subject) = match &listing.subject {
                Subject::Parent(subject) => ("parent", subject),
                Subject::Itself(subject) => ("self", subject),
            };
            let entry = |entry: &Listed| json!([entry.identifier, entry.name, entry.kind, entry.attributes]);
            let entries: Vec<Value> = listing.entries.iter().map(entry).collect();
            json!({ name: subject, "entries": entries, "error": listing.error })
        };
        report.insert("listings".to_owned(), results.listings.iter().map(listing).collect());
    }
    if !results.warnings.is_empty() {
        let warning = |warning: &Arc<Warning>| json!([warning.task, warning.text]);
        report.insert("warnings".to_owned(), results.warnings.iter().map(warning).collect());
    }
}

/// Reads what [`write()`] wrote. `None` if it is something else.
pub(super) fn read(report: &Value) -> Option<Results> {
    let list = |name| match report.get(name) {
        None => Some(&[][..]),
        Some(value) => value.as_array().map(Vec::as_slice),
    };
    let documents = list("documents")?.iter().map(|document| {
        let identifier = document.get(0)?.as_str()?.to_owned();
        Some(Arc::new(DocumentResult { identifier, failure: optional(document.get(1))? }))
    });
    let listings = list("listings")?.iter().map(|listing| {
        let entry = |entry: &Value| {
            Some(Listed {
                identifier: entry.get(0)?.as_str()?.to_owned(),
                name: optional(entry.get(1))?,
                kind: optional(entry.get(2))?,
                attributes: optional(entry.get(3))?,
            })
        };
        let text = |name: &str| listing.get(name).and_then(Value::as_str).map(str::to_owned);
        let subject = text("parent").map(Subject::Parent).or_else(|| text("self").map(Subject::Itself))?;
        let entries = listing.get("entries")?.as_array()?.iter().map(entry).collect::<Option<_>>()?;
        Some(Arc::new(Listing { subject, entries, error: optional(listing.get("error"))? }))
    });
    let warnings = list("warnings")?.iter().map(|warning| {
        let text = |place: usize| Some(warning.get(place)?.as_str()?.to_owned());
        Some(Arc::new(Warning { task: text(0)?, text: text(1)? }))
    });
    Some(Results {
        documents: documents.collect::<Option<_>>()?,
        listings: listings.collect::<Option<_>>()?,
        warnings: warnings.collect::<Option<_>>()?,
    })
}

/// A text, or none; `None` if it is neither.
#[expect(clippy::option_option, reason = "the outer one is the error, as in the rest of the reading")]
fn optional(value: Option<&Value>) -> Option<Option<String>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(|text| Some(text.to_owned())),
    }
}
