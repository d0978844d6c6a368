//! `action=View` and `action=GetUri`: one page for somebody who waits, and where pages are.

use super::Answers;
use super::fetch::plan_failure;
use crate::aci::{Element, ErrorCode, Failure, Raw, Reply};
use crate::action::{BadParam, Params};
use crate::crawl::SingleError;
use crate::fetchaction::{ViewError, Viewed};
use crate::ingest::Identifier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the pages that are being viewed: each holds a dispatcher while a web site thinks about its answer, so that one
/// of them is always left for everybody else.
pub(in crate::server) struct Views {
    now: AtomicUsize,
    max: usize,
}

/// One page that is being viewed, until it is dropped.
struct Viewing<'a>(&'a Views);

impl Views {
    pub(in crate::server) fn new(dispatchers: usize) -> Views {
        Views { now: AtomicUsize::new(0), max: dispatchers.saturating_sub(1).max(1) }
    }

    /// `None` if there are as many as there may be.
    fn begin(&self) -> Option<Viewing<'_>> {
        let one_more = |now| (now < self.max).then_some(now + 1);
        self.now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok().map(|_| Viewing(self))
    }
}

impl Drop for Viewing<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Answers {
    /// The page itself or, with `no_aci` off, its base64 in the envelope. Without the envelope a failure has an HTTP status
    /// and says why in plain text, lest it be taken for the page.
    pub(super) fn view(&self, params: &Params, no_aci: bool) -> Reply {
        let viewed = match self.views.begin() {
            None => {
                let why = format!("{} pages are being viewed, which is the most at once; try again", self.views.max);
                Err((500, Failure::new(ErrorCode::Refused, why)))
            }
            Some(_viewing) => self.fetch.view(params, &self.closing).map_err(view_failure),
        };
        match (viewed, no_aci) {
            (Ok(Viewed { content_type, bytes }), true) => Reply::raw("View", Raw { status: 200, content_type, bytes }),
            (Ok(Viewed { content_type, bytes }), false) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dispatcher_is_always_left_and_a_page_that_was_viewed_makes_room() {
        let views = Views::new(3);
        let (first, second) = (views.begin(), views.begin());
        assert!(first.is_some() && second.is_some());
        assert!(views.begin().is_none());
        drop(first);
        assert!(views.begin().is_some());
        assert!(Views::new(1).begin().is_some());
    }
}
