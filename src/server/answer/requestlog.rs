//! `action=GetRequestLog`.

use super::service::milliseconds;
use crate::aci::{Answered, Element, Journal};

/// The elements and their order are those of aci.md 5.1, the latest request last.
pub(super) fn request_log(journal: &Journal, tail: Option<u64>) -> Vec<Element> {
    let count = tail.and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
    journal.latest(count).into_iter().map(entry).collect()
}

fn entry(answered: Answered) -> Element {
    let Answered { action, request, client, at, took, is_error, thread } = answered;
    let children = vec![
        Element::text("autn:action", action),
        Element::text("autn:request", request),
        Element::value("autn:client", client),
        Element::value("autn:time", at.error_date()),
        Element::text("autn:duration", milliseconds(took)),
        Element::text("autn:status", if is_error { "error" } else { "success" }),
        Element::value("autn:thread", thread),
    ];
    Element::parent("logentry", children)
}
