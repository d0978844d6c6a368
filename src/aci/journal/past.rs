//! The latest requests, and counts of all.

use super::{Answered, Count};
use crate::aci::form;
use crate::aci::request::printed;
use crate::action::{IsKnown, Params};
use crate::time::Moment;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;
use url::form_urlencoded;

/// Requests that are remembered, and the bytes that they may have together.
pub(super) const ENTRIES_MAX: usize = 1000;
pub(super) const BYTES_MAX: usize = 1 << 20;
/// What is kept of one request: of a longer URL the start, of a longer body its length.
pub(super) const URL_BYTES_MAX: usize = 8 << 10;
const BODY_BYTES_MAX: usize = 4 << 10;

/// A request as it came.
pub(in crate::aci) struct Asked {
    pub(in crate::aci) target: String,
    pub(in crate::aci) content_type: Option<String>,
    pub(in crate::aci) body: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Past {
    pub(super) entries: VecDeque<Entry>,
    pub(super) bytes: usize,
    pub(super) counts: Vec<Count>,
}

/// A request that was answered, as it came.
pub(super) struct Entry {
    pub(super) asked: Asked,
    /// The length of a body that was not kept.
    pub(super) body_bytes: usize,
    pub(super) client: IpAddr,
    pub(super) at: Moment,
    pub(super) took: Duration,
    pub(super) is_error: bool,
    pub(super) thread: usize,
}

impl Past {
    /// Adds a request and returns those that it displaces: one, most of the time.
    pub(super) fn add(&mut self, action: &'static str, entry: Entry) -> (Option<Entry>, Vec<Entry>) {
        let known = self.counts.iter().position(|count| count.action == action);
        let place = known.unwrap_or(self.counts.len());
        if known.is_none() {
            // As many as the port has actions, and one.
            self.counts.push(Count { action, ..Count::default() });
        }
        let count = &mut self.counts[place];
        count.requests += 1;
        count.errors += u64::from(entry.is_error);
        count.time += entry.took;
        count.longest = count.longest.max(entry.took);

        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        let first = self.forget();
        let more = std::iter::from_fn(|| self.forget()).collect();
        (first, more)
    }

    /// Takes the oldest request out if there are too many.
    fn forget(&mut self) -> Option<Entry> {
        if self.entries.len() <= ENTRIES_MAX && self.bytes <= BYTES_MAX {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes();
        Some(entry)
    }
}

impl Entry {
    /// Within what is kept of one request.
    #[must_use]
    pub(super) fn cut(mut self, is_known: IsKnown) -> Entry {
        let Asked { target, content_type, body } = &mut self.asked;
        if target.len() > URL_BYTES_MAX {
            // A secret that is cut in two would not be known for one: masked first.
            *target = text_of(target, None, b"", is_known).1;
            target.truncate(target.floor_char_boundary(URL_BYTES_MAX));
            target.shrink_to_fit();
        }
        if body.len() > BODY_BYTES_MAX {
            self.body_bytes = body.len();
            (*body, *content_type) = (Vec::new(), None);
        }
        self
    }

    pub(super) fn bytes(&self) -> usize {
        let Asked { target, content_type, body } = &self.asked;
        let texts = target.capacity() + content_type.as_ref().map_or(0, String::capacity) + body.capacity();
        size_of::<Entry>() + texts
    }

    pub(super) fn copy(&self) -> Entry {
        let Asked { target, content_type, body } = &self.asked;
        let asked = Asked { target: target.clone(), content_type: content_type.clone(), body: body.clone() };
        Entry { asked, ..*self }
    }

    pub(super) fn answered(&self, is_known: IsKnown) -> Answered {
        let Asked { target, content_type, body } = &self.asked;
        let (action, mut request) = text_of(target, content_type.as_deref(), body, is_known);
        if self.body_bytes > 0 {
            // To memory, which cannot fail.
            let _ = write!(request, " (and a body of {} bytes)", self.body_bytes);
        }
        let Entry { client, at, took, is_error, thread, .. } = *self;
        Answered { action, request, client, at, took, is_error, thread }
    }
}

/// The action in upper case, and the whole request as one text, with its secrets masked.
fn text_of(target: &str, content_type: Option<&str>, body: &[u8], is_known: IsKnown) -> (String, String) {
    // What cannot be read as parameters has none, and no secret that anybody would recognise: its URL stands for it.
    let asked = form::read(target, content_type, body).or_else(|_| form::read(target, None, b""));
    let Ok(form::Asked { action, params }) = asked else { return (String::new(), String::new()) };
    let action = action.unwrap_or_default();
    // The token of an action is no secret: QueueInfo lists it.
    let masked = params.masked(is_known);
    let shown = params.iter().zip(masked.iter()).map(|((name, value), (_, masked))| {
        if name.eq_ignore_ascii_case("Token") { (name, value) } else { (name, masked) }
    });
    let parameters = shown.collect::<Params>().to_form();
    let name: String = form_urlencoded::byte_serialize(action.as_bytes()).collect();
    let between = if parameters.is_empty() { "" } else { "&" };
    (printed(&action), format!("action={name}{between}{parameters}"))
}
