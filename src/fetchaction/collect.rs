//! `fetchaction=collect`: fetches the documents that an action names and puts them into a folder or, without one, hands
//! them to the ingest targets (web-connector.md 1.5).
//!
//! A document that cannot be had fails by itself; the others are collected. Performed again after a crash, an action
//! collects all its documents again, under new names.

mod copy;
mod destination;

use self::copy::Archive;
use self::destination::{Admitted, Template};
use super::documentaction::{DocumentAction, Meta};
use super::named::{self, Group, Named};
use super::outlet::Outlet;
use super::resend::{NOT_INGESTED, delivery};
use super::synchronize::Documents;
use super::task::{PlanError, Sources};
use super::{FetchError, Performance, Settings};
use crate::action::{BadParam, DocumentResult, Params, TaskCounts};
use crate::config::csv;
use crate::crawl::{Reached, Reader, Single, SingleError, Singles, Verdict};
use crate::ingest::{Change, Document};
use crate::log;
use crate::time::Moment;
use siphasher::sip::SipHasher13;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Parameters of its own.
pub(super) const PARAMS: &[&str] =
    &["Identifiers", "IdentifiersXML", "Destination", "CollectActions", "FailedDirectory"];

const LOG: &str = "collect";

/// What is collected, and where to.
pub(super) struct Collect {
    pub(super) groups: Vec<Group>,
    destination: Option<Template>,
    metas: Vec<Meta>,
    archive: Option<String>,
    failed_directory: Option<String>,
}

impl Collect {
    pub(super) fn read(settings: &Settings, params: &Params) -> Result<Collect, PlanError> {
        let sources = Sources::read(settings, params, PARAMS)?;
        let named = named::read(params)?;
        if named.is_empty() {
            let text = "there is nothing to collect: give Identifiers= or IdentifiersXML=";
            return Err(PlanError::Impossible(text.to_owned()));
        }
        let admitted = admitted(settings);
        let template = |name: &str, text: &str| {
            let bad = |why| PlanError::Param(BadParam::unreadable(name, text, format!("an admitted folder ({why})")));
            let template = Template::parse(text).map_err(bad)?;
            template.check(admitted).map_err(bad)?;
            Ok::<_, PlanError>(template)
        };
        let given = |name: &str| params.get(name).filter(|text| !text.trim().is_empty());
        let destination = given("Destination").map(|text| template("Destination", text)).transpose()?;
        let failed_directory = given("FailedDirectory");
        if let Some(text) = failed_directory
            && template("FailedDirectory", text)?.has_tags()
        {
            let expected = "a folder without tags";
            return Err(BadParam::unreadable("FailedDirectory", text, expected).into());
        }
        for text in named.iter().filter_map(|named| named.destination.as_deref()) {
            template("IdentifiersXML", text)?;
        }
        let (metas, archive) = collect_actions(params)?;
        let has_folders = |named: &Named| destination.is_some() || named.destination.is_some();
        if settings.ingest.is_empty() && !named.iter().all(has_folders) {
            let text = "there is no Destination, and EnableIngestion=FALSE leaves nowhere else to put documents";
            return Err(PlanError::Impossible(text.to_owned()));
        }
        if archive.is_some() {
            let has_one_folder = destination.as_ref().is_some_and(|destination| !destination.has_tags())
                && named.iter().all(|named| named.destination.is_none());
            if !has_one_folder {
                let text =
                    "ZIP puts all documents into one archive: a Destination without tags is expected, for all of them";
                return Err(PlanError::Impossible(text.to_owned()));
            }
        }
        let groups = named::groups(settings, &sources, named)?;
        let failed_directory = failed_directory.map(str::to_owned);
        Ok(Collect { groups, destination, metas, archive, failed_directory })
    }

    /// The tasks whose targets are written to.
    pub(super) fn claims(&self) -> Vec<String> {
        let is_ingested = |group: &&Group| group.named.iter().any(|named| self.is_ingested(named));
        self.groups.iter().filter(is_ingested).map(|group| group.task.name.to_uppercase()).collect()
    }

    fn is_ingested(&self, named: &Named) -> bool {
        self.destination.is_none() && named.destination.is_none()
    }
}

fn collect_actions(params: &Params) -> Result<(Vec<Meta>, Option<String>), PlanError> {
    let text = params.get("CollectActions").unwrap_or("");
    let bad = |why: &str| {
        PlanError::Param(BadParam::unreadable(
            "CollectActions",
            text,
            format!("META:Field=Value, ZIP:file.zip ({why})"),
        ))
    };
    let (mut metas, mut archive) = (Vec::new(), None);
    for item in csv(text) {
        match DocumentAction::parse(&item).map_err(|why| bad(&why))? {
            DocumentAction::Meta(meta) => metas.push(meta),
            DocumentAction::Zip(name) => {
                if archive.replace(name).is_some() {
                    return Err(bad("one archive is as many as a document can be put into"));
                }
            }
        }
    }
    Ok((metas, archive))
}

fn admitted(settings: &Settings) -> Admitted<'_> {
    Admitted { base: &settings.folder, folders: &settings.destinations }
}

/// Collects everything; what became of each document is in the action's results.
pub(super) fn collect(settings: &Settings, collect: &Collect, performance: &Performance<'_>) -> Result<(), FetchError> {
    let mut work = Work::begin(settings, collect, performance)?;
    let mut ended = Ok(());
    for group in &collect.groups {
        ended = work.collect_group(group);
        if ended.is_err() {
            break;
        }
    }
    let finished = work.finish();
    ended.and(finished)
}

/// One action while it is performed.
struct Work<'a> {
    settings: &'a Settings,
    collect: &'a Collect,
    performance: &'a Performance<'a>,
    archive: Option<Archive>,
    /// What is in the archive, and counts once that is whole.
    archived: Vec<(&'a str, Arc<TaskCounts>)>,
    failures: Vec<(&'a str, String)>,
}

/// A document as it is put on disk.
struct Ready {
    name: String,
    body: Vec<u8>,
    document: Document,
}

impl<'a> Work<'a> {
    fn begin(
        settings: &'a Settings,
        collect: &'a Collect,
        performance: &'a Performance<'a>,
    ) -> Result<Work<'a>, FetchError> {
        let archive = match (&collect.archive, &collect.destination) {
            (Some(name), Some(destination)) => {
                let begin = || {
                    let folder = folder_of(settings, destination)?;
                    let mut hasher = SipHasher13::new();
                    performance.token.as_str().hash(&mut hasher);
                    Archive::begin(&folder, name, &format!("{:016x}", hasher.finish()))
                };
                Some(begin().map_err(FetchError::Tasks)?)
            }
            _ => None,
        };
        Ok(Work { settings, collect, performance, archive, archived: Vec::new(), failures: Vec::new() })
    }

    fn collect_group(&mut self, group: &'a Group) -> Result<(), FetchError> {
        let Performance { token, stop, pause, live } = self.performance;
        let task = &group.task;
        let counts = live.begin_task(&task.name);
        log::always(LOG, format_args!("Starting COLLECT for task '{}' [{token}]", counts.task));
        let failed = |error: &dyn std::fmt::Display| FetchError::Tasks(format!("{}: {error}", task.name));
        let known = Reader::open(&task.datastore)
            .map_err(|error| failed(&format!("the datastore {} cannot be read: {error}", task.datastore.display())))?;
        let documents = Documents::new(task, &self.settings.connector_group);
        let mut singles = Singles::new(&task.crawl, stop);
        let mut outlet: Option<Outlet<&'a Named>> = None;
        for named in &group.named {
            if pause.pass(stop).is_err() {
                break;
            }
            let admits = |url: &url::Url| group.admits(known.as_ref(), url);
            let visited = match admits(&named.url) {
                Ok(()) => singles.visit(&named.url, &admits),
                Err(why) => Err(SingleError::Failed(why)),
            };
            let single = match visited {
                Ok(single) => single,
                Err(SingleError::Stopped(_)) => break,
                Err(error) => {
                    self.fail(named, &counts, error.to_string());
                    continue;
                }
            };
            // A page that no run has met is taken for a start.
            let reached = known.as_ref().map_or(Ok(None), |known| known.reached(named.url.as_str()));
            let reached = reached.map_err(|error| failed(&error))?.unwrap_or_default();
            if self.collect.is_ingested(named) && !single.ingests {
                self.fail(named, &counts, NOT_INGESTED.to_owned());
            } else if self.collect.is_ingested(named) {
                let outlet = match &mut outlet {
                    Some(outlet) => outlet,
                    none => none.insert(Outlet::open(self.settings, task, stop).map_err(|error| failed(&error))?),
                };
                let document = documents.ingested(delivery(named.url.as_str(), reached, single));
                outlet.push(Change::Add(self.dressed(named, document)), named);
                if outlet.is_full() {
                    self.conclude(outlet, &counts).map_err(|error| failed(&error))?;
                }
            } else {
                let ready = self.ready(named, &documents, reached, single);
                self.put(named, &counts, &ready);
            }
        }
        if let Some(mut outlet) = outlet {
            self.conclude(&mut outlet, &counts).map_err(|error| failed(&error))?;
        }
        log::always(LOG, format_args!("Finished COLLECT for task '{}' [{token}]", counts.task));
        stop.check().map_err(|_| FetchError::Stopped)
    }

    /// The document with the fields that it is collected with.
    fn dressed(&self, named: &Named, mut document: Document) -> Document {
        document.fields.extend(named.fields.iter().cloned());
        document.fields.push(("AUTN_COLLECTTIME".to_owned(), (Moment::now().epoch_ms() / 1000).to_string()));
        self.collect.metas.iter().for_each(|meta| meta.apply(&mut document));
        document
    }

    fn ready(&self, named: &Named, documents: &Documents<'_>, reached: Reached, mut single: Single) -> Ready {
        let name = match &named.file_name {
            Some(name) => copy::plain_name(name),
            None => copy::unique_name(&named.url, &single.page.media_type, Moment::now()),
        };
        // On disk it is as it was sent; the stub has no file.
        let body = std::mem::take(&mut single.body);
        let delivery = delivery(named.url.as_str(), reached, single);
        Ready { name, body, document: self.dressed(named, documents.document(delivery)) }
    }

    /// Puts a document into its folders, or into the archive.
    fn put(&mut self, named: &'a Named, counts: &Arc<TaskCounts>, ready: &Ready) {
        if ready.name.is_empty() {
            return self.fail(named, counts, "its filename is none that a file can have".to_owned());
        }
        if let Some(archive) = &mut self.archive {
            return match archive.add(&ready.name, &ready.body, &ready.document) {
                Ok(()) => self.archived.push((&named.given, Arc::clone(counts))),
                Err(why) => self.fail(named, counts, why),
            };
        }
        match self.copy(named, ready) {
            Ok(()) => self.succeed(&named.given, counts),
            Err(why) => self.fail(named, counts, why),
        }
    }

    fn copy(&self, named: &Named, ready: &Ready) -> Result<(), String> {
        let own = named.destination.as_deref().map(Template::parse).transpose()?;
        let template = own.as_ref().or(self.collect.destination.as_ref()).ok_or("it has no destination")?;
        for folder in template.expand(&ready.document, &named.identifier)? {
            let folder = admitted(self.settings).make(&folder)?;
            copy::write(&folder, &ready.name, &ready.body, &ready.document)?;
        }
        Ok(())
    }

    fn conclude(
        &mut self,
        outlet: &mut Outlet<&'a Named>,
        counts: &TaskCounts,
    ) -> Result<(), crate::ingest::SinkError> {
        for (named, verdict) in outlet.send(self.performance.stop)? {
            match verdict {
                Verdict::Accepted => {
                    counts.ingestadded.fetch_add(1, Relaxed);
                    self.succeed(&named.given, counts);
                }
                // Without a target there is no plan that comes here.
                Verdict::NotSent => self.fail(named, counts, "there is no target to send it to".to_owned()),
                Verdict::Refused(why) => {
                    counts.ingestfailed.fetch_add(1, Relaxed);
                    self.fail(named, counts, why);
                }
            }
        }
        Ok(())
    }

    fn succeed(&self, given: &str, counts: &TaskCounts) {
        counts.collected.fetch_add(1, Relaxed);
        self.performance.live.add_document(DocumentResult::success(given));
    }

    fn fail(&mut self, named: &'a Named, counts: &TaskCounts, why: String) {
        ::log::error!(target: LOG, "{}: {} could not be collected: {why}", counts.task, named.url);
        counts.error(&format!("{} could not be collected: {why}", named.url));
        self.performance.live.add_document(DocumentResult::failed(&named.given, &why));
        self.failures.push((&named.given, why));
    }

    /// Makes the archive whole and reports the failures. Also of an action that was stopped: what it has stays.
    fn finish(mut self) -> Result<(), FetchError> {
        let archived = std::mem::take(&mut self.archived);
        if let Some(archive) = self.archive.take() {
            let finished = if archived.is_empty() { archive.discard() } else { archive.finish() };
            for (given, counts) in archived {
                match &finished {
                    Ok(()) => self.succeed(given, &counts),
                    Err(why) => {
                        counts.error(&format!("a document could not be archived: {why}"));
                        self.performance.live.add_document(DocumentResult::failed(given, why));
                        self.failures.push((given, why.clone()));
                    }
                }
            }
        }
        self.report_failures().map_err(FetchError::Tasks)
    }

    /// Writes the failures in the form of `IdentifiersXML`, with the reasons: sent again, it asks for these documents.
    fn report_failures(&self) -> Result<(), String> {
        let Some(directory) = self.collect.failed_directory.as_ref().filter(|_| !self.failures.is_empty()) else {
            return Ok(());
        };
        let folder = admitted(self.settings).make(directory)?;
        let mut xml = String::from("<identifiersXML>\n");
        for (given, why) in &self.failures {
            let escaped = |text: &str| quick_xml::escape::escape(text).replace(['\n', '\r', '\t'], " ");
            let _ = writeln!(xml, "<identifier value=\"{}\" message=\"{}\"/>", escaped(given), escaped(why));
        }
        xml.push_str("</identifiersXML>\n");
        copy::create(&folder.join(format!("{}_failed.xml", copy::unique(Moment::now()))), xml.as_bytes())?;
        copy::sync_folder(&folder)
    }
}

/// Makes the folder of a destination without tags.
fn folder_of(settings: &Settings, destination: &Template) -> Result<PathBuf, String> {
    admitted(settings).make(&destination.plain())
}
