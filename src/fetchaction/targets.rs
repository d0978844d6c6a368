//! The targets of a task, as one: what each of them is given, and what became of it at all of them.

use super::Settings;
use crate::client::{self, Client, ClientError};
use crate::crawl::Verdict;
use crate::ingest::{self, Change, Sink, SinkError, Transport, TransportError};
use crate::stop::StopFlag;
use url::Url;

/// Every target of one task, open.
pub(super) struct Targets {
    sinks: Vec<Box<dyn Sink>>,
    /// Changes since the last flush.
    taken: usize,
}

impl Targets {
    pub(super) fn open(settings: &Settings, task: &str, stop: &StopFlag) -> Result<Targets, SinkError> {
        let sinks = settings.ingest.iter().map(|target| ingest::open(target, task, || transport(stop)));
        Ok(Targets { sinks: sinks.collect::<Result<_, _>>()?, taken: 0 })
    }

    /// Gives a change to every target. Nothing is promised before a flush.
    pub(super) fn take(&mut self, change: Change, stop: &StopFlag) -> Result<(), SinkError> {
        self.taken += 1;
        let Some((last, others)) = self.sinks.split_last_mut() else {
            return Ok(());
        };
        for sink in others {
            sink.take(change.clone(), stop)?;
        }
        last.take(change, stop)
    }

    /// Makes everything taken durable: a verdict for each change since the last flush, in their order. A change is accepted
    /// once all targets have accepted it: what one of them refused is sent to all again, which does no harm, as a document
    /// replaces the one of its reference.
    pub(super) fn flush(&mut self, stop: &StopFlag) -> Result<Vec<Verdict>, SinkError> {
        let is_sent = !self.sinks.is_empty();
        let mut verdicts = vec![if is_sent { Verdict::Accepted } else { Verdict::NotSent }; self.taken];
        self.taken = 0;
        for sink in &mut self.sinks {
            for (verdict, of_sink) in verdicts.iter_mut().zip(sink.flush(stop)?) {
                if let ingest::Verdict::Refused(why) = of_sink {
                    *verdict = Verdict::Refused(why);
                }
            }
        }
        Ok(verdicts)
    }
}

/// Posts to a target over connections of its own: how pages are fetched is the task's affair, not the target's.
fn transport(stop: &StopFlag) -> Transport {
    let client = Client::new(&client::Settings::default(), stop);
    Box::new(move |url, content_type, body| {
        let url = Url::parse(url).map_err(|error| TransportError::Failed(format!("{url}: {error}")))?;
        match client.post(&url, content_type, body) {
            Ok(response) if response.status == 200 => Ok(response.body),
            Ok(response) => Err(TransportError::Status(response.status)),
            Err(ClientError::Stopped) => Err(TransportError::Stopped),
            Err(error) => Err(TransportError::Failed(error.to_string())),
        }
    })
}
