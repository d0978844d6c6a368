//! The target that is the index port of a Content server: `DREADDDATA` with IDX, `DREDELETEREF` for what is gone.
//!
//! Owns the batch that is being gathered. The port answers `INDEXID=NUMBER` when it has taken a command into its queue;
//! anything else refuses every change of the batch, and the next run sends them again. The protocol's public traces are
//! few (web-connector.md 5.1), so the two commands are all that is used of it.

use super::courier::{Courier, origin};
use super::{Change, Sink, SinkError, Transport, Verdict, idx};
use crate::stop::StopFlag;
use url::form_urlencoded;

/// A batch is sent when it has this many bytes, however few changes it is. One document may be longer.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// References stand in the URL of their command.
const REFERENCES_BYTES_MAX: usize = 6 * 1024;
const REASON_CHARS_MAX: usize = 200;

pub(super) struct ContentSink {
    origin: String,
    batch_max: usize,
    courier: Courier,
    batch: Batch,
    /// Of the changes that were sent since the last flush.
    verdicts: Vec<Verdict>,
}

/// Changes to be sent together: one command says what is new, another what is gone.
#[derive(Default)]
struct Batch {
    /// IDX documents.
    documents: Vec<u8>,
    /// References, encoded, with `+` between.
    references: String,
    changes: usize,
}

impl ContentSink {
    pub(super) fn new(host: &str, port: u16, batch_max: usize, transport: Transport) -> ContentSink {
        ContentSink {
            origin: origin(host, port),
            batch_max: batch_max.max(1),
            courier: Courier::new(transport),
            batch: Batch::default(),
            verdicts: Vec::new(),
        }
    }

    /// Sends the batch, if there is one, and keeps a verdict for each of its changes.
    fn send(&mut self, stop: &StopFlag) {
        let Batch { mut documents, references, changes } = std::mem::take(&mut self.batch);
        if changes == 0 {
            return;
        }
        let (command, body) = if references.is_empty() {
            // A document takes the place of the one of its reference.
            documents.extend_from_slice(b"#DREENDDATAREFERENCE\n\n");
            ("DREADDDATA?".to_owned(), documents)
        } else {
            (format!("DREDELETEREF?Docs={references}"), Vec::new())
        };
        let url = format!("{}/{command}", self.origin);
        let reply = self.courier.post(&url, "text/plain; charset=utf-8", &body, stop);
        let verdict = match reply.and_then(|reply| read_reply(&reply)) {
            Ok(()) => Verdict::Accepted,
            Err(reason) => {
                log::warn!("index {}: {changes} changes refused: {reason}", self.origin);
                Verdict::Refused(reason)
            }
        };
        self.verdicts.extend(std::iter::repeat_n(verdict, changes));
    }
}

impl Sink for ContentSink {
    fn take(&mut self, change: Change, stop: &StopFlag) -> Result<(), SinkError> {
        let is_delete = matches!(change, Change::Delete { .. });
        if is_delete == self.batch.references.is_empty() {
            self.send(stop);
        }
        match &change {
            Change::Add(document) | Change::Update(document) => idx::write(&mut self.batch.documents, document, None),
            Change::Delete { reference, .. } => {
                if !self.batch.references.is_empty() {
                    self.batch.references.push('+');
                }
                self.batch.references.extend(form_urlencoded::byte_serialize(reference.as_bytes()));
            }
        }
        self.batch.changes += 1;
        let is_full =
            self.batch.documents.len() >= BATCH_BYTES_MAX || self.batch.references.len() >= REFERENCES_BYTES_MAX;
        if is_full || self.batch.changes >= self.batch_max {
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

/// `Ok` if the command was taken: `INDEXID=1`.
fn read_reply(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    if text.to_ascii_uppercase().contains("INDEXID=") {
        return Ok(());
    }
    let quoted: String = text.trim().chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
    Err(format!("the answer is \"{quoted}\", not INDEXID=; is this the index port?"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delete, document};
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    type Posted = (String, String);

    /// A sink whose transport answers `reply` and tells what it was sent.
    fn sink(reply: &'static str) -> (ContentSink, mpsc::Receiver<Posted>) {
        let (sender, posted) = mpsc::channel();
        let transport: Transport = Box::new(move |url, _, body| {
            // The test may have seen enough.
            let _ = sender.send((url.to_owned(), String::from_utf8_lossy(body).into_owned()));
            Ok(reply.as_bytes().to_vec())
        });
        let mut sink = ContentSink::new("::1", 9101, 100, transport);
        sink.courier.pauses = [Duration::ZERO; 3];
        (sink, posted)
    }

    #[test]
    fn adds_and_deletes_are_commands_of_their_own_in_order() -> Result<(), SinkError> {
        let (mut sink, posted) = sink("INDEXID=1\r\n");
        let stop = StopFlag::new();
        for change in [Change::Add(document("http://h/a", "A")), delete("http://h/b+c,d"), delete("http://h/e")] {
            sink.take(change, &stop)?;
        }
        sink.take(Change::Update(document("http://h/f", "F")), &stop)?;
        assert_eq!(sink.flush(&stop)?, vec![Verdict::Accepted; 4]);
        let posted: Vec<Posted> = posted.try_iter().collect();
        assert_eq!(posted.len(), 3);
        assert_eq!(posted[0].0, "http://[::1]:9101/DREADDDATA?");
        assert!(posted[0].1.starts_with("#DREREFERENCE http://h/a\n"), "{}", posted[0].1);
        assert!(posted[0].1.ends_with("#DREENDDOC\n\n#DREENDDATAREFERENCE\n\n"), "{}", posted[0].1);
        let deletes = "http://[::1]:9101/DREDELETEREF?Docs=http%3A%2F%2Fh%2Fb%2Bc%2Cd+http%3A%2F%2Fh%2Fe";
        assert_eq!(posted[1], (deletes.to_owned(), String::new()));
        assert!(posted[2].1.contains("http://h/f"));
        Ok(())
    }

    #[test]
    fn an_answer_that_is_no_index_id_refuses_the_batch() -> Result<(), SinkError> {
        let (mut sink, _posted) = sink("<autnresponse>");
        let stop = StopFlag::new();
        sink.take(Change::Add(document("http://h/a", "A")), &stop)?;
        assert!(matches!(sink.flush(&stop)?.as_slice(), [Verdict::Refused(why)] if why.contains("index port")));
        assert_eq!(sink.flush(&stop)?, []);
        Ok(())
    }
}
