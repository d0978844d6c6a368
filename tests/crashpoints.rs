//! The points at which a kill can fall between target, datastore and queue (see the crate's documentation of `crawl`),
//! each hit on purpose: documents may come twice, and none is lost.

mod common;

use common::{Connector, FetchTask, Setup, Site, brief, poll};
use std::collections::BTreeMap;
use webconnector::action::Status;

const TOKEN: &str = "<autnresponse><action>INGEST</action><response>SUCCESS</response>\
                     <responsedata><token>MTI3</token></responsedata></autnresponse>";
const NOTHING: [&str; 0] = [];

fn site() -> Site {
    Site::new()
        .page("/", "<title>Start</title><a href=/a>a</a><a href=/b>b</a>")
        .page("/a", "<title>A</title>")
        .page("/b", "<title>B</title>")
}

/// Documents go to files, and then to `cfs`: while it is silent the files are written and the datastore knows nothing.
fn to_files_and(cfs: &Site, tasks: impl IntoIterator<Item = FetchTask>) -> Connector {
    let host = cfs.host();
    let (address, port) = host.split_once(':').expect("a host is an address and a port");
    let setup = Setup::new()
        .set("Ingestion", "IngesterType", "Files,CFS")
        .set("Ingestion", "IngestHost", address)
        .set("Ingestion", "IngestPort", port)
        .set("Actions", "MaximumThreads", "1");
    tasks.into_iter().fold(setup, Setup::task).start()
}

fn task(name: &str, url: String) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("MaxRetries", "0").set("PageTimeout", "600")
}

/// How often each change was told.
fn times(connector: &Connector) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for change in brief(&connector.changes("docs")) {
        *times.entry(change).or_default() += 1;
    }
    times
}

fn all(changes: &[(&str, usize)]) -> BTreeMap<String, usize> {
    changes.iter().map(|(change, count)| ((*change).to_owned(), *count)).collect()
}

#[test]
fn killed_before_anything_is_delivered_it_begins_anew() {
    let (site, cfs) = (site().held("/"), Site::new().anything("text/xml", TOKEN));
    let mut connector = to_files_and(&cfs, [task("docs", site.url("/"))]);
    let token = connector.synchronize("docs");
    site.wait_for_hit("/");
    connector.kill();
    assert_eq!(connector.changes("docs"), []);
    site.release("/");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(times(&connector), all(&[("add /", 1), ("add /a", 1), ("add /b", 1)]));
}

#[test]
fn killed_between_target_and_datastore_it_delivers_the_batch_once_more() {
    let (site, cfs) = (site(), Site::new().anything("text/xml", TOKEN).held("/"));
    let mut connector = to_files_and(&cfs, [task("docs", site.url("/"))]);
    let token = connector.synchronize("docs");
    cfs.wait_for_hit("/");
    connector.kill();
    let once = all(&[("add /", 1), ("add /a", 1), ("add /b", 1)]);
    assert_eq!(times(&connector), once);
    cfs.release("/");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(times(&connector), all(&[("add /", 2), ("add /a", 2), ("add /b", 2)]));
    assert_eq!(connector.action(&token).count("ingestadded"), 3);
}

#[test]
fn killed_between_a_delete_and_the_datastore_it_deletes_once_more_and_then_no_more() {
    let (site, cfs) = (site(), Site::new().anything("text/xml", TOKEN));
    let mut connector = to_files_and(&cfs, [task("docs", site.url("/"))]);
    connector.run("docs");
    connector.new_changes("docs");
    site.set_status("/b", 404);
    cfs.hold("/");
    let before = cfs.hits("/");
    let token = connector.synchronize("docs");
    cfs.wait_for_hits("/", before + 1);
    connector.kill();
    assert_eq!(connector.new_changes("docs"), ["delete /b"]);
    cfs.release("/");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["delete /b"]);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), NOTHING);
}

#[test]
fn killed_between_an_update_and_the_datastore_it_updates_once_more_and_then_no_more() {
    let (site, cfs) = (site().conditional(), Site::new().anything("text/xml", TOKEN));
    let mut connector = to_files_and(&cfs, [task("docs", site.url("/"))]);
    connector.run("docs");
    connector.new_changes("docs");
    site.set("/b", "<title>B2</title>");
    cfs.hold("/");
    let before = cfs.hits("/");
    let token = connector.synchronize("docs");
    cfs.wait_for_hits("/", before + 1);
    connector.kill();
    assert_eq!(connector.new_changes("docs"), ["update /b"]);
    cfs.release("/");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["update /b"]);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), NOTHING);
}

#[test]
fn killed_after_a_batch_is_committed_it_goes_on_behind_it() {
    let (site, cfs) = (site().held("/b"), Site::new().anything("text/xml", TOKEN));
    let mut connector = to_files_and(&cfs, [task("docs", site.url("/"))]);
    let token = connector.synchronize("docs");
    site.wait_for_hit("/b");
    poll("the datastore to be committed", || (delivered(&connector) == 2).then_some(()));
    connector.kill();
    let (start, a) = (site.hits("/"), site.hits("/a"));
    site.release("/b");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(times(&connector), all(&[("add /", 1), ("add /a", 1), ("add /b", 1)]));
    assert_eq!((site.hits("/"), site.hits("/a")), (start, a), "what was committed was asked for again");
}

/// Documents that the datastore says are in the index, read beside the connector.
fn delivered(connector: &Connector) -> u64 {
    let path = connector.folder().join("connector_DOCS_datastore.db");
    let datastore = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let datastore = datastore.expect("the datastore is there");
    let count = datastore.query_row("SELECT count(*) FROM page WHERE delivered = 1", [], |row| row.get::<_, i64>(0));
    count.ok().and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

#[test]
fn killed_between_datastore_and_queue_it_runs_again_and_has_nothing_to_tell() {
    let (site, cfs) = (site(), Site::new().anything("text/xml", TOKEN));
    let other = Site::new().page("/", "").held("/");
    let tasks = [task("docs", site.url("/")), task("other", other.url("/"))];
    let mut connector = to_files_and(&cfs, tasks);
    // The first task is over and in its datastore; the action has not ended, and so the queue knows nothing of it.
    let token = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=docs,other");
    other.wait_for_hit("/");
    connector.kill();
    let once = all(&[("add /", 1), ("add /a", 1), ("add /b", 1)]);
    assert_eq!(times(&connector), once);
    other.release("/");
    connector.restart();
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(times(&connector), once);
    assert_eq!(connector.changes("other").len(), 1);
}
