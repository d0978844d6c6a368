//! Documents, and the targets that take them.
//!
//! Owns the form of a document outside this process: a line of JSON, an IDX document, an `action=Ingest` of a
//! Connector Framework Server. Decides nothing about a document: what is new, changed or gone is decided by whoever
//! calls, and so are all fields but the identifier. A sink never drops a change silently: it is accepted, refused
//! with a reason, or the sink itself fails.

mod append;
mod bodies;
mod cfs;
mod content;
mod courier;
mod csv;
mod documentxml;
mod files;
mod identifier;
mod idx;
mod jsonl;
mod xml;

pub use courier::{Transport, TransportError};
pub use identifier::{BadIdentifier, Identifier};

use crate::stop::StopFlag;
use std::io;
use std::path::PathBuf;

/// One page, or one part of it, as it is handed to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Names the document in the index: the page's URL, or one derived from it.
    pub reference: String,
    /// Names the document to the connector; written as the field `AUTN_IDENTIFIER`.
    pub identifier: Identifier,
    pub title: Option<String>,
    /// The text. Empty if there is none, or if it is left to the target to extract it from `file`.
    pub content: String,
    /// Name and value, in order. A name that comes again gives its field one more value.
    pub fields: Vec<(String, String)>,
    pub file: Option<File>,
}

/// A body that is not text, for the target to extract the text from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As the server named it, such as `application/pdf`; parameters after a `;` do no harm.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// What a target is told of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Add(Document),
    /// It has changed. It is given whole and takes the place of what the target has under its reference.
    Update(Document),
    /// It is gone.
    Delete { reference: String, identifier: Identifier },
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// The target did not take it, and why. It may be sent again later.
    Refused(String),
}

/// A target of documents. One action owns it and uses it from one thread at a time; dropping it loses what was taken
/// since the last [`Sink::flush`] and nothing else.
///
/// A target that has to wait for another host gives up when `stop` is set and refuses what it had not sent; one that
/// writes local files does not wait, and does the same with and without `stop`. To deliver what a stopped action
/// had, pass a flag that is not set.
pub trait Sink: Send {
    /// Takes one change. It may be written or sent at once or with later ones; nothing is promised before a flush.
    fn take(&mut self, change: Change, stop: &StopFlag) -> Result<(), SinkError>;

    /// Makes everything taken durable at the target, or names it as refused: one verdict for each change taken since
    /// the last flush, in the order taken. To be called often, since a verdict is kept for each change until then.
    fn flush(&mut self, stop: &StopFlag) -> Result<Vec<Verdict>, SinkError>;
}

/// Where documents go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// `IngesterType=Files`: files named after the task, below a directory that is made if it is not there.
    Files { directory: PathBuf, format: Format },
    /// `IngesterType=CFS`: a Connector Framework Server at `IngestHost` and `IngestPort`, which is sent up to
    /// `batch_max` changes at a time (`IngestBatchSize`; 0 counts as 1).
    Cfs { host: String, port: u16, batch_max: usize },
    /// `IngesterType=Content`: the index port of a Content server, at `IndexHost` and `IndexPort`.
    Content { host: String, port: u16, batch_max: usize },
}

/// How [`Settings::Files`] writes documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `TASK.jsonl`: one change a line, deletes included.
    Jsonl,
    /// `TASK.idx` for `DREADD` and, for what is gone, `TASK.delete` with one reference a line.
    Idx,
    /// `TASK.xml`: one element a change, deletes included.
    Xml,
    /// `TASK.csv`: one record a change, deletes included.
    Csv,
}

/// A local target failed: the disk is full, or a file is not what it should be. Changes taken since the last flush are
/// not acknowledged, files end with a whole record, and the sink is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is being written by another process or action; one task has one writer at a time", path.display())]
    Locked { path: PathBuf },
    #[error("{} is no file of this connector, which begins with \"{begins_with}\"; move it away", path.display())]
    Foreign { path: PathBuf, begins_with: &'static str },
    #[error("{} takes nothing more: an earlier write to it failed", path.display())]
    Broken { path: PathBuf },
}

/// Opens the target of `task`, which is named as its section. `transport` is only asked for one if the target is
/// another host.
pub fn open(
    settings: &Settings,
    task: &str,
    transport: impl FnOnce() -> Transport,
) -> Result<Box<dyn Sink>, SinkError> {
    match settings {
        Settings::Files { directory, format } => Ok(Box::new(files::FileSink::open(directory, task, *format)?)),
        Settings::Cfs { host, port, batch_max } => {
            Ok(Box::new(cfs::CfsSink::new(host, *port, *batch_max, transport())))
        }
        Settings::Content { host, port, batch_max } => {
            Ok(Box::new(content::ContentSink::new(host, *port, *batch_max, transport())))
        }
    }
}

/// A document as IDX without its text: what lies beside a collected file (web-connector.md 1.5).
pub fn idx_stub(document: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    idx::write(&mut out, &Document { content: String::new(), file: None, ..document.clone() }, None);
    out
}

impl Document {
    /// The fields as a target that knows IDOL's names is told of them. Left out are those that say what the document
    /// itself says: a page that could name such a field would pass for another one.
    fn plain_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        const OWN: [&str; 3] = ["DREREFERENCE", "DRECONTENT", "AUTN_IDENTIFIER"];
        let is = |name: &str, own: &str| name.eq_ignore_ascii_case(own);
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fields.filter(move |(name, _)| {
            let titled = self.title.is_some() && is(name, "DRETITLE");
            !name.is_empty() && !titled && !OWN.iter().any(|own| is(name, own))
        })
    }
}

#[cfg(test)]
mod samples {
    use super::*;

    /// A document of the task `News` with nothing but a reference and a text.
    pub(super) fn document(reference: &str, content: &str) -> Document {
        Document {
            reference: reference.to_owned(),
            identifier: Identifier::new("News", reference),
            title: None,
            content: content.to_owned(),
            fields: Vec::new(),
            file: None,
        }
    }

    pub(super) fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    pub(super) fn delete(reference: &str) -> Change {
        Change::Delete { reference: reference.to_owned(), identifier: Identifier::new("News", reference) }
    }
}
