//! Which pages become documents by their dates, and lose them as they grow old (web-connector.md 8, cases 36 to 39).

mod common;

use common::{Connector, FetchTask, Site, poll};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_hours(1);

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

fn ago(age: Duration) -> String {
    httpdate::fmt_http_date(SystemTime::now() - age)
}

fn crawl(task: FetchTask) -> Vec<String> {
    let mut connector = Connector::with(task);
    connector.run("docs");
    connector.new_changes("docs")
}

#[test]
fn a_page_is_left_out_by_its_age_and_its_links_are_followed_or_not() {
    let site = Site::new()
        .page("/", "<a href=/old>old</a><a href=/fresh>fresh</a>")
        .page("/old", "<a href=/below>below</a>")
        .header("/old", "Last-Modified", &ago(8 * 24 * HOUR))
        .page("/fresh", "")
        .header("/fresh", "Last-Modified", &ago(HOUR / 2))
        .page("/below", "");
    assert_eq!(crawl(docs(&site).set("MaxPageAge", "1week")), ["add /", "add /below", "add /fresh"]);
    // `m` is a month, `n` a minute.
    assert_eq!(crawl(docs(&site).set("MaxPageAge", "1m")), ["add /", "add /below", "add /fresh", "add /old"]);
    assert_eq!(crawl(docs(&site).set("MaxPageAge", "1n")), ["add /", "add /below"]);
    assert_eq!(crawl(docs(&site).set("MinPageAge", "1h")), ["add /", "add /below", "add /old"]);
    let unfollowed = docs(&site).set("MaxPageAge", "1week").set("SpiderDateFilteredPages", "FALSE");
    assert_eq!(crawl(unfollowed), ["add /", "add /fresh"]);
    assert_eq!(crawl(docs(&site).set("MinPageDate", "-7days")), ["add /", "add /below", "add /fresh"]);
    assert_eq!(crawl(docs(&site).set("MaxPageDate", "2001-01-01")), ["add /", "add /below"]);
}

#[test]
fn a_document_that_ages_out_is_deleted_although_its_page_has_not_changed() {
    // Four seconds from now the page is an hour old.
    let soon = Duration::from_secs(3600 - 4);
    let site = Site::new()
        .page("/", "<a href=/2001/01/01/a>a</a><a href=/page>page</a>")
        .page("/2001/01/01/a", "")
        .page("/page", &format!("<p class=date>{}</p><a href=/below>below</a>", ago(soon)))
        .page("/below", "")
        .conditional();
    let task = docs(&site).set("DateInUrl", "TRUE").set("PageDateSelector", ".date").set("PageDateHeader", "X-None");
    let mut connector = Connector::with(task.set("MaxPageAge", "1h"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /below", "add /page"]);
    poll("the page to be an hour old", || (connector.run("docs").count("deleted") == 1).then_some(()));
    assert_eq!(connector.new_changes("docs"), ["delete /page"]);
    assert_eq!(connector.run("docs").count("deleted"), 0);
}

#[test]
fn a_page_that_is_too_new_becomes_a_document_in_time_although_it_does_not_change() {
    let site = Site::new().page("/", "").conditional().page("/a", "");
    site.set("/", &format!("<time datetime='{}'>just now</time><a href=/a>a</a>", ago(Duration::from_secs(3600 - 3))));
    let task = docs(&site).set("PageDateSelector", "time@datetime").set("MinPageAge", "1h");
    let mut connector = Connector::with(task);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /a"]);
    poll("the page to be an hour old", || (connector.run("docs").count("added") == 1).then_some(()));
    assert_eq!(connector.new_changes("docs"), ["add /"]);
}

#[test]
fn the_date_in_the_url_goes_before_that_of_the_page_and_is_the_documents() {
    let site = Site::new().page("/2001/02/03/a", "<p class=date>20 Nov 2026</p>");
    let task = FetchTask::named("docs").set("Url", site.url("/2001/02/03/a")).set("PageDateSelector", ".date");
    let date = |task: FetchTask| {
        let connector = Connector::with(task);
        connector.run("docs");
        connector.changes("docs")[0].field("DREDATE").map(str::to_owned)
    };
    assert_eq!(date(task).as_deref(), Some("1795132800"));
    let task = FetchTask::named("docs").set("Url", site.url("/2001/02/03/a")).set("PageDateSelector", ".date");
    assert_eq!(date(task.set("DateInUrl", "TRUE")).as_deref(), Some("981158400"));
}
