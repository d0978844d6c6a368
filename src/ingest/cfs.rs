//! The target that is a Connector Framework Server: `action=Ingest` with `adds` and `removes` (web-connector.md 4.1).
//!
//! Owns the batch that is being gathered. A target that refuses, or does not answer, is never an error of the action:
//! every change of the batch is refused with the reason, and the next run sends it again.

use super::courier::{Courier, origin};
use super::{Change, Document, Sink, SinkError, Transport, Verdict, xml};
use crate::stop::StopFlag;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;
use url::form_urlencoded;

/// A batch is sent when this much XML is gathered, however few changes it is. One document may be longer.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A reply is a few lines; of anything longer no more than this is looked at.
const REPLY_BYTES_MAX: usize = 64 * 1024;
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
/// Of what the target says about an error, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Sends batches of changes to one server.
pub(super) struct CfsSink {
    url: String,
    batch_max: usize,
    courier: Courier,
    batch: Batch,
    /// Of the changes that were sent since the last flush.
    verdicts: Vec<Verdict>,
}

/// Changes to be sent together. Adds and removes are never mixed, since the order in which a server performs the two
/// is not documented.
#[derive(Debug, Default)]
struct Batch {
    kind: Kind,
    /// `<add>` elements, or references with commas between.
    text: String,
    changes: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Adds,
    Removes,
}

impl CfsSink {
    pub(super) fn new(host: &str, port: u16, batch_max: usize, transport: Transport) -> CfsSink {
        CfsSink {
            url: format!("{}/", origin(host, port)),
            batch_max: batch_max.max(1),
            courier: Courier::new(transport),
            batch: Batch::default(),
            verdicts: Vec::new(),
        }
    }

    /// Sends the batch, if there is one, and keeps a verdict for each of its changes.
    fn send(&mut self, stop: &StopFlag) {
        let batch = std::mem::take(&mut self.batch);
        let changes = batch.changes;
        if changes == 0 {
            return;
        }
        let reply = self.courier.post(&self.url, CONTENT_TYPE, batch.into_body().as_bytes(), stop);
        let verdict = match reply.and_then(|reply| read_reply(&reply)) {
            Ok(()) => Verdict::Accepted,
            Err(reason) => {
                log::warn!("ingest {}: {changes} changes refused: {reason}", self.url);
                Verdict::Refused(reason)
            }
        };
        self.verdicts.extend(std::iter::repeat_n(verdict, changes));
    }
}

impl Sink for CfsSink {
    fn take(&mut self, change: Change, stop: &StopFlag) -> Result<(), SinkError> {
        let kind = match &change {
            Change::Add(_) | Change::Update(_) => Kind::Adds,
            Change::Delete { .. } => Kind::Removes,
        };
        if kind != self.batch.kind {
            self.send(stop);
            self.batch.kind = kind;
        }
        self.batch.push(&change);
        // It is in the batch, and goes for the same reason as the batch's text does.
        drop(change);
        if self.batch.changes >= self.batch_max || self.batch.text.len() >= BATCH_BYTES_MAX {
            self.send(stop);
        }
        Ok(())
    }

    fn flush(&mut self, stop: &StopFlag) -> Result<Vec<Verdict>, SinkError> {
        self.send(stop);
        self.courier.try_again();
        Ok(std::mem::take(&mut self.verdicts))
    }
}

impl Batch {
    fn push(&mut self, change: &Change) {
        match change {
            Change::Add(document) | Change::Update(document) => write_add(&mut self.text, document),
            Change::Delete { reference, .. } => {
                if self.changes > 0 {
                    self.text.push(',');
                }
                // URLs contain commas, and a comma ends a reference here.
                self.text.push_str(&reference.replace(',', "%2C"));
            }
        }
        self.changes += 1;
    }

    /// The form to post. The text goes, so that a large document is not in memory twice while it is sent.
    fn into_body(self) -> String {
        let (parameter, before, after) = match self.kind {
            Kind::Adds => ("adds", "<adds>", "</adds>"),
            Kind::Removes => ("removes", "", ""),
        };
        // Markup and base64 grow by some, text in other scripts by three.
        let mut body = String::with_capacity(64 + self.text.len() + self.text.len() / 4);
        body.push_str("action=Ingest&");
        body.push_str(parameter);
        body.push('=');
        for part in [before, &self.text, after] {
            body.extend(form_urlencoded::byte_serialize(part.as_bytes()));
        }
        body
    }
}

fn write_add(out: &mut String, document: &Document) {
    out.push_str("<add><document><reference>");
    xml::escape(out, &document.reference);
    out.push_str("</reference>");
    if let Some(title) = &document.title {
        write_metadata(out, "DRETITLE", title);
    }
    write_metadata(out, "AUTN_IDENTIFIER", &document.identifier.encode());
    for (name, value) in document.plain_fields() {
        write_metadata(out, name, value);
    }
    if !document.content.is_empty() {
        out.push_str("<pages content=\"");
        xml::escape(out, &document.content);
        out.push_str("\"/>");
    }
    out.push_str("</document>");
    if let Some(file) = &document.file {
        out.push_str("<source content=\"");
        STANDARD.encode_string(&file.bytes, out);
        out.push_str("\"/>");
    }
    out.push_str("</add>");
}

fn write_metadata(out: &mut String, name: &str, value: &str) {
    out.push_str("<metadata name=\"");
    xml::escape(out, name);
    out.push_str("\" value=\"");
    xml::escape(out, value);
    out.push_str("\"/>");
}

/// The elements of an ACI reply that decide (aci.md 2.1 and 2.2).
#[derive(Default)]
struct Reply {
    response: String,
    token: String,
    errorstring: String,
    errordescription: String,
}

/// `Ok` if the server took the batch: it answered SUCCESS and the token of the ingest action that it queued.
fn read_reply(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(REPLY_BYTES_MAX)]);
    let reply = Reply::parse(&text);
    match (reply.response.trim(), reply.token.trim().is_empty()) {
        ("SUCCESS", false) => Ok(()),
        ("SUCCESS", true) => Err("the target answered SUCCESS without a token".to_owned()),
        ("", _) => Err("the answer is not an ACI response; is this the port of a CFS?".to_owned()),
        (response, _) => {
            let reason = format!("{response}: {}: {}", reply.errorstring.trim(), reply.errordescription.trim());
            Err(reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect())
        }
    }
}

impl Reply {
    /// Reads as far as the XML is well-formed: what came before is not made wrong by what follows.
    fn parse(text: &str) -> Reply {
        let mut reply = Reply::default();
        let mut reader = Reader::from_str(text);
        let mut within = Vec::new();
        loop {
            let piece = match reader.read_event() {
                Ok(Event::Start(element)) => {
                    within.push(element.local_name().as_ref().to_owned());
                    continue;
                }
                Ok(Event::End(_)) => {
                    within.pop();
                    continue;
                }
                Ok(Event::Text(text)) => text.xml10_content().into_owned(),
                Ok(Event::CData(text)) => text.xml10_content().into_owned(),
                Ok(Event::GeneralRef(reference)) => resolve(&reference),
                Ok(Event::Eof) | Err(_) => return reply,
                Ok(_) => continue,
            };
            if let Some(place) = within.last().and_then(|name| reply.place(name)) {
                place.push_str(&piece);
            }
        }
    }

    fn place(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "response" => Some(&mut self.response),
            "token" => Some(&mut self.token),
            "errorstring" => Some(&mut self.errorstring),
            "errordescription" => Some(&mut self.errordescription),
            _ => None,
        }
    }
}

/// The text of `&amp;` or `&#65;`; nothing for what only a document type could define.
fn resolve(reference: &BytesRef) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(found)) => found.to_string(),
        Ok(None) => resolve_predefined_entity(&reference.xml10_content()).unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
