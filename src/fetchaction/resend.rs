//! `fetchaction=synchronize` with `Identifiers`: the documents of these pages are delivered again, changed or not. No
//! other page is asked for and nothing is deleted (web-connector.md 1.4).

use super::named::{self, Group, Named};
use super::outlet::Outlet;
use super::synchronize::{Documents, LOG, TaskError};
use super::task::{self, PlanError, Sources};
use super::{Performance, Settings};
use crate::action::{BadParam, DocumentResult, Params, Problem, TaskCounts};
use crate::crawl::datastore::PageId;
use crate::crawl::{
    self, Before, Datastore, DatastoreError, Delivery, Reached, Reader, Single, SingleError, Singles, Verdict,
};
use crate::log;
use std::sync::atomic::Ordering::Relaxed;
use url::Url;

/// The pages that the action names. `TaskSections`, if it is there, must name their tasks.
pub(super) fn plan(settings: &Settings, params: &Params) -> Result<Vec<Group>, PlanError> {
    let sources = Sources::read(settings, params, &["Identifiers"])?;
    let named = named::read(params)?;
    if named.is_empty() {
        let problem = Problem::Missing;
        return Err(BadParam { name: "Identifiers".to_owned(), problem }.into());
    }
    let groups = named::groups(settings, &sources, named)?;
    let sections = task::sections(params);
    let is_named = |group: &&Group| sections.iter().any(|section| section.eq_ignore_ascii_case(&group.task.name));
    match groups.iter().find(|group| !sections.is_empty() && !is_named(group)) {
        Some(group) => {
            let name = &group.task.name;
            Err(PlanError::Impossible(format!(
                "Identifiers names a document of the task {name}, TaskSections does not"
            )))
        }
        None => Ok(groups),
    }
}

/// Why a page is no document, in words for whoever named it.
pub(super) const NOT_INGESTED: &str = "robots meta or a parameter of the task keep it from being ingested";

/// A document that has been sent.
struct Sent<'a> {
    named: &'a Named,
    id: PageId,
    delivered_before: bool,
}

/// Performs it for the pages of one task. Documents first, then the datastore, as in a crawl: a crash between the two
/// repeats them.
pub(super) fn resend(settings: &Settings, group: &Group, performance: &Performance<'_>) -> Result<(), TaskError> {
    let Performance { token, stop, pause, live } = performance;
    let task = &group.task;
    let counts = live.begin_task(&task.name);
    log::always(LOG, format_args!("Starting SYNCHRONIZE of named pages for task '{}' [{token}]", counts.task));
    let in_datastore = |source| TaskError::Datastore { path: task.datastore.clone(), source };
    let mut datastore = Datastore::open(&task.datastore).map_err(in_datastore)?;
    let known = Reader::open(&task.datastore).map_err(in_datastore)?;
    let mut outlet: Outlet<Sent<'_>> = Outlet::open(settings, task, stop)?;
    let documents = Documents::new(task, &settings.connector_group);
    let mut singles = Singles::new(&task.crawl, stop);
    let fail = |named: &Named, why: &str| {
        ::log::error!(target: LOG, "{}: {} could not be sent again: {why}", counts.task, named.url);
        counts.error(&format!("{} could not be sent again: {why}", named.url));
        live.add_document(DocumentResult::failed(&named.given, why));
    };
    let conclude = |outlet: &mut Outlet<Sent<'_>>, datastore: &mut Datastore| -> Result<(), TaskError> {
        for (sent, verdict) in outlet.send(stop)? {
            count(&counts, &sent, &verdict);
            match verdict {
                Verdict::Accepted | Verdict::NotSent => {
                    live.add_document(DocumentResult::success(&sent.named.given));
                }
                Verdict::Refused(why) => {
                    datastore.undelivered(sent.id, sent.delivered_before).map_err(in_datastore)?;
                    live.add_document(DocumentResult::failed(&sent.named.given, &why));
                }
            }
        }
        datastore.commit().map_err(in_datastore)
    };
    for named in &group.named {
        if pause.pass(stop).is_err() {
            break;
        }
        let visited = match group.admits(known.as_ref(), &named.url) {
            Ok(()) => singles.visit(&named.url, &elsewhere),
            Err(why) => Err(SingleError::Failed(why)),
        };
        if matches!(visited, Err(SingleError::Stopped(_))) {
            break;
        }
        counts.seen.fetch_add(1, Relaxed);
        match visited {
            Ok(single) if single.ingests => {
                let (sent, change) = send(&mut datastore, &documents, named, single).map_err(in_datastore)?;
                let counter = if sent.delivered_before { &counts.updated } else { &counts.added };
                counter.fetch_add(1, Relaxed);
                outlet.push(change, sent);
            }
            Ok(_) => fail(named, NOT_INGESTED),
            Err(error) => fail(named, &error.to_string()),
        }
        if outlet.is_full() {
            conclude(&mut outlet, &mut datastore)?;
        }
    }
    conclude(&mut outlet, &mut datastore)?;
    log::always(LOG, format_args!("Finished SYNCHRONIZE of named pages for task '{}' [{token}]", counts.task));
    stop.check().map_err(|_| TaskError::Stopped)
}

/// A page that is elsewhere is another document, which the identifier does not name.
fn elsewhere(_: &Url) -> Result<(), String> {
    Err("that is another document; a synchronize of the whole task finds it".to_owned())
}

/// Notes the document as sent, and makes it.
fn send<'a>(
    datastore: &mut Datastore,
    documents: &Documents<'_>,
    named: &'a Named,
    single: Single,
) -> Result<(Sent<'a>, crate::ingest::Change), DatastoreError> {
    let url = named.url.as_str();
    let id = datastore.ids().of(url);
    let before = datastore.before(id)?.unwrap_or_default();
    datastore.set_sent(id, url, single.page.hash)?;
    let Before { delivered, reached } = before;
    let delivery = Box::new(delivery(url, reached, single));
    let change = if delivered { crawl::Change::Update(delivery) } else { crawl::Change::Add(delivery) };
    Ok((Sent { named, id, delivered_before: delivered }, documents.change(change)))
}

/// A page as what a crawl delivers.
pub(super) fn delivery(url: &str, reached: Reached, single: Single) -> Delivery {
    let Single { page, body, markup, modified, .. } = single;
    let file = if page.kind == crawl::page::Kind::Other { Some(body) } else { markup };
    let Reached { depth, referrer } = reached;
    Delivery { url: url.to_owned(), page, file, depth, referrer, modified }
}

fn count(counts: &TaskCounts, sent: &Sent<'_>, verdict: &Verdict) {
    let counter = match verdict {
        Verdict::NotSent => return,
        Verdict::Refused(why) => return counts.refused(&format!("the target refused {}: {why}", sent.named.url)),
        Verdict::Accepted if sent.delivered_before => &counts.ingestupdated,
        Verdict::Accepted => &counts.ingestadded,
    };
    counter.fetch_add(1, Relaxed);
}
