//! What keeps a crawl within bounds, and which pages it leaves out of the index.

mod common;

use common::{Connector, FetchTask, Site, brief};
use std::time::Duration;

/// `/` links to ten pages.
fn index(links: usize) -> String {
    (0..links).fold(String::new(), |html, number| html + &format!("<a href=/{number}>{number}</a>"))
}

fn site() -> Site {
    (0..10).fold(Site::new().page("/", &index(10)), |site, number| site.page(&format!("/{number}"), "page"))
}

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

/// web-connector.md 8, cases 32 and 33.
#[test]
fn links_that_vanish_all_at_once_delete_nothing_unless_that_is_allowed() {
    let site = site();
    let guarded = |task: FetchTask| task.set("MaxLinkChangePercentage", "25");
    let mut strict = Connector::with(guarded(docs(&site)));
    let mut lenient = Connector::with(guarded(docs(&site)).set("MaxLinkChanges", "5"));
    for connector in [&mut strict, &mut lenient] {
        connector.run("docs");
        assert_eq!(connector.new_changes("docs").len(), 11);
    }
    site.set("/", &index(5));
    site.remove("/9");
    let hits = site.hits("/8");
    let action = strict.run("docs");
    assert_eq!(strict.new_changes("docs"), ["delete /9"], "the targets are asked, and one says itself that it is gone");
    assert_eq!((action.count("errors"), site.hits("/8")), (1, hits + 1));
    lenient.run("docs");
    let deleted = lenient.new_changes("docs");
    assert_eq!(deleted, ["delete /5", "delete /6", "delete /7", "delete /8", "delete /9", "update /"]);
}

#[test]
fn a_task_ends_when_its_time_is_up_and_the_next_action_goes_on() {
    let site = site();
    let task = docs(&site).set("MaxTaskDuration", "1").set("PageDelay", "0.3").set("FollowRobotProtocol", "FALSE");
    let mut connector = Connector::with(task);
    let first = connector.run("docs").count("added");
    assert!((2..6).contains(&first), "{first}");
    let before = connector.new_changes("docs");
    connector.run("docs");
    let after = connector.new_changes("docs");
    assert!(
        !after.is_empty() && after.iter().all(|change| change.starts_with("add ") && !before.contains(change)),
        "{after:?}"
    );
}

#[test]
fn bytes_cost_time() {
    let page = format!("<a href=/a>a</a>{}", "x".repeat(20_000));
    let site = Site::new().page("/", &page).page("/a", "a");
    let task = docs(&site).set("MaxKBytesPerSec", "20").set("FollowRobotProtocol", "FALSE");
    Connector::with(task).run("docs");
    let requests = site.requests();
    assert!(requests[1].at - requests[0].at > Duration::from_millis(800), "{:?}", requests[1].at - requests[0].at);
}

#[test]
fn pages_are_left_out_of_the_index_by_what_they_are_and_crawled_all_the_same() {
    let site = Site::new()
        .page("/", "<title>Start</title><a href=/few>few</a>")
        .page("/few", "<!-- draft --><a href=/many>many</a>")
        .page("/many", &format!("{}<a href=/text>text</a>", index(5)))
        .file("/text", "text/plain", "plain");
    let added = |name: &str, value: &str| {
        let connector = Connector::with(docs(&site).set(name, value).set("Depth", "3"));
        connector.run("docs");
        let added = brief(&connector.changes("docs"));
        added.into_iter().map(|change| change.replace("add ", "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(added("Depth", "3"), "/ /few /many /text");
    assert_eq!(added("PageMustHaveRegex", "<title>|plain"), "/ /text");
    assert_eq!(added("PageCantHaveRegex", "<!--.*-->"), "/ /many /text");
    assert_eq!(added("ContentTypeMustHaveRegex", "text/html"), "/ /few /many");
    assert_eq!(added("ContentTypeCantHaveRegex", ".*plain"), "/ /few /many");
    assert_eq!(added("MaxLinksPerPage", "3"), "/ /few /text");
    assert_eq!(added("MinPageSize", "100"), "/many");
    // web-connector.md 8, case 43: its links are followed all the same.
    assert_eq!(added("MaxLinkPercentagePerPage", "50"), "/text");
}

#[test]
fn a_page_is_left_to_its_canonical_form_on_request() {
    let site = Site::new()
        .page("/", "<a href='/a?from=start'>a</a>")
        .page("/a?from=start", "<link rel=canonical href=/a>A")
        .page("/a", "<link rel=canonical href=/a>A");
    let both = Connector::with(docs(&site));
    both.run("docs");
    let changes = both.changes("docs");
    assert_eq!(brief(&changes), ["add /", "add /a", "add /a?from=start"]);
    let canonical =
        changes.iter().find(|change| change.reference.ends_with("start")).and_then(|change| change.field("CANONICAL"));
    assert_eq!(canonical, Some(site.url("/a").as_str()));
    let folded = Connector::with(docs(&site).set("FoldCanonicals", "TRUE"));
    folded.run("docs");
    assert_eq!(brief(&folded.changes("docs")), ["add /", "add /a"]);
}

#[test]
fn headers_and_links_are_fields_on_request() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").header("/", "X-Team", "lighthouse");
    let connector =
        Connector::with(docs(&site).set("HeaderFields", "x-team,server").set("LinkFields", "TRUE").set("Depth", "0"));
    connector.run("docs");
    let document = &connector.changes("docs")[0];
    assert_eq!(document.field("HTTP_X-TEAM"), Some("lighthouse"));
    assert_eq!(document.field("LINK"), Some(site.url("/a").as_str()));
}
