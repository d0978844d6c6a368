//! `action=View` and `action=GetUri`: one page for somebody who waits, and where pages are.

use super::Answers;
use super::fetch::plan_failure;
use crate::aci::{Caller, Element, ErrorCode, Failure, Raw, Reply};
use crate::action::{BadParam, Params};
use crate::crawl::SingleError;
use crate::fetchaction::{ViewError, Viewed};
use crate::ingest::Identifier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

impl Answers {
    /// The page itself or, with `no_aci` off, its base64 in the envelope. Without the envelope a failure has an HTTP status
    /// and says why in plain text, lest it be taken for the page.
    pub(super) fn view(&self, params: &Params, no_aci: bool, caller: &Caller) -> Reply {
        let viewed = match self.waits.begin_short() {
            None => Err((500, Failure::new(ErrorCode::Refused, format!("{}; try again later", self.waits)))),
            Some(_waiting) => self.fetch.view(params, &caller.stop_flag()).map_err(view_failure),
        };
        let peer = caller.peer;
        match &viewed {
            Ok(Viewed { url, bytes, .. }) => log::info!(target: "view", "{url} shown to {peer}, {} bytes", bytes.len()),
            Err((_, failure)) => log::warn!(target: "view", "nothing shown to {peer}: {}", failure.description),
        }
        match (viewed, no_aci) {
            (Ok(Viewed { content_type, bytes, .. }), true) => {
                Reply::raw("View", Raw { status: 200, content_type, bytes })
            }
            (Ok(Viewed { content_type, bytes, .. }), false) => {
                let children =
                    vec![Element::text("contenttype", content_type), Element::text("content", STANDARD.encode(bytes))];
                Reply::success("View", vec![Element::parent("document", children)])
            }
            (Err((status, failure)), true) => {
                let content_type = "text/plain; charset=utf-8".to_owned();
                Reply::raw("View", Raw { status, content_type, bytes: format!("{}\n", failure.description).into() })
            }
            (Err((_, failure)), false) => Reply::error("View", failure),
        }
    }
}

/// The failure, and the HTTP status that it has without the envelope.
fn view_failure(error: ViewError) -> (u16, Failure) {
    let text = error.to_string();
    match error {
        ViewError::Plan(error) => (500, plan_failure(error)),
        ViewError::NotAdmitted(_) | ViewError::Page { source: SingleError::Gone(_), .. } => {
            (404, Failure::new(ErrorCode::ParamInvalid, text))
        }
        ViewError::Page { .. } => (500, Failure::new(ErrorCode::Refused, text)),
        ViewError::Datastore(_) => (500, Failure::new(ErrorCode::Internal, text)),
    }
}

/// The URL of each identifier, which for a web page is its reference.
pub(super) fn uris(identifiers: &[String]) -> Result<Vec<Element>, Failure> {
    let uri = |text: &String| {
        let identifier = Identifier::decode(text)
            .map_err(|why| BadParam::unreadable("Identifiers", text, format!("an AUTN_IDENTIFIER ({why})")))?;
        let given = text.trim().replace(' ', "+");
        Ok(Element::text("uri", identifier.reference().to_owned()).attribute("identifier", given))
    };
    identifiers.iter().filter(|text| !text.trim().is_empty()).map(uri).collect()
}
