//! The second run: only what is new, changed or gone is told, and nothing is gone that was merely not seen.

mod common;

use common::{Connector, FetchTask, Site};
use webconnector::action::Status;

const NOTHING: [&str; 0] = [];

/// `/` links to a, b and c; a to d.
fn site() -> Site {
    Site::new()
        .page("/", "<title>Start</title><a href=/a>a</a><a href=/b>b</a><a href=/c>c</a>")
        .page("/a", "<title>A</title><p>Apples. <a href=/d>d</a>")
        .page("/b", "<title>B</title><p>Berries.")
        .page("/c", "<title>C</title><p>Cherries.")
        .page("/d", "<title>D</title><p>Dates.")
}

/// A connector that has crawled the whole site once.
fn crawled(site: &Site) -> Connector {
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0").set("PageTimeout", "1");
    let mut connector = Connector::with(task);
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("errors")), (5, 0));
    assert_eq!(connector.new_changes("docs").len(), 5);
    connector
}

#[test]
fn a_page_that_answers_304_is_unchanged_and_its_links_still_count() {
    let site = site().conditional();
    let mut connector = crawled(&site);
    let before = site.requests().len();
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), NOTHING);
    assert_eq!((action.count("unchanged"), action.count("updated"), action.count("deleted")), (5, 0, 0));
    let second: Vec<_> =
        site.requests().split_off(before).into_iter().filter(|request| request.target != "/robots.txt").collect();
    assert_eq!(second.len(), 5);
    for request in second {
        assert!(request.header("If-None-Match").is_some(), "{request:?}");
        assert!(request.header("If-Modified-Since").is_some(), "{request:?}");
    }
}

#[test]
fn a_page_with_the_same_content_is_unchanged_without_a_304_too() {
    let site = site();
    let mut connector = crawled(&site);
    let action = connector.run("docs");
    assert_eq!((connector.new_changes("docs"), action.count("unchanged")), (Vec::new(), 5));
}

#[test]
fn a_changed_page_is_one_update_with_its_whole_document() {
    for site in [site(), site().conditional()] {
        let mut connector = crawled(&site);
        site.set("/b", "<title>B2</title><p>Blueberries.");
        let action = connector.run("docs");
        assert_eq!(connector.new_changes("docs"), ["update /b"]);
        assert_eq!((action.count("updated"), action.count("ingestupdated"), action.count("unchanged")), (1, 1, 4));
        let changes = connector.changes("docs");
        let update = changes.last().expect("an update was written");
        assert_eq!(update.title, "B2");
        assert!(update.content.contains("Blueberries."), "{update:?}");
        // Told once.
        connector.run("docs");
        assert_eq!(connector.new_changes("docs"), NOTHING);
    }
}

#[test]
fn a_page_that_is_gone_with_the_links_to_it_is_one_delete() {
    for site in [site(), site().conditional()] {
        let mut connector = crawled(&site);
        site.remove("/c");
        site.set("/", "<title>Start</title><a href=/a>a</a><a href=/b>b</a>");
        let action = connector.run("docs");
        assert_eq!(connector.new_changes("docs"), ["delete /c", "update /"]);
        assert_eq!((action.count("deleted"), action.count("ingestdeleted")), (1, 1));
        connector.run("docs");
        assert_eq!(connector.new_changes("docs"), NOTHING);
    }
}

#[test]
fn a_page_that_no_link_reaches_is_deleted_even_if_it_is_still_there() {
    let site = site();
    let mut connector = crawled(&site);
    site.set("/a", "<title>A</title><p>Apples.");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["delete /d", "update /a"]);
}

#[test]
fn a_page_that_answers_404_or_410_is_deleted_with_what_only_it_led_to() {
    for status in [404, 410] {
        let site = site();
        let mut connector = crawled(&site);
        site.set_status("/a", status);
        connector.run("docs");
        assert_eq!(connector.new_changes("docs"), ["delete /a", "delete /d"], "{status}");
    }
}

#[test]
fn a_new_page_is_added_and_a_page_that_comes_back_is_added_again() {
    let site = site();
    let mut connector = crawled(&site);
    site.set("/b", "<title>B</title><p>Berries. <a href=/e>e</a>");
    site.set("/e", "<title>E</title>");
    site.set_status("/c", 404);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /e", "delete /c", "update /b"]);
    site.set("/c", "<title>C</title><p>Cherries.");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /c"]);
}

#[test]
fn a_page_that_fails_for_now_is_kept_with_all_that_lies_behind_it() {
    for status in [500, 503, 401, 403, 429] {
        let site = site();
        let mut connector = crawled(&site);
        site.set_status("/a", status);
        let action = connector.run("docs");
        assert_eq!(connector.new_changes("docs"), NOTHING, "{status}");
        assert_eq!((action.count("errors"), action.count("deleted")), (1, 0), "{status}");
        site.set("/a", "<title>A</title><p>Apples. <a href=/d>d</a>");
        connector.run("docs");
        assert_eq!(connector.new_changes("docs"), NOTHING, "{status}");
    }
}

#[test]
fn a_page_that_says_nothing_or_breaks_off_is_kept() {
    let site = site();
    let mut connector = crawled(&site);
    site.hold("/a");
    let site = site.cut("/b", "<title>B</title>");
    let action = connector.run("docs");
    assert_eq!((connector.new_changes("docs"), action.count("errors")), (Vec::new(), 2));
    assert!(site.hits("/a") > 1 && site.hits("/b") > 1);
}

#[test]
fn nothing_is_deleted_when_the_start_page_fails() {
    let site = site();
    let mut connector = crawled(&site);
    for status in [500, 404] {
        site.set_status("/", status);
        let token = connector.synchronize("docs");
        connector.wait_until_done(&token);
        assert!(!connector.new_changes("docs").iter().any(|change| change != "delete /"), "{status}");
        assert_eq!(connector.changes("docs").iter().filter(|change| change.reference.ends_with("/d")).count(), 1);
    }
}

#[test]
fn nothing_is_deleted_by_a_crawl_that_was_stopped() {
    let site = site();
    let mut connector = crawled(&site);
    site.set("/", "<title>Start</title><a href=/b>b</a>");
    site.hold("/b");
    let token = connector.synchronize("docs");
    site.wait_for_hits("/b", 2);
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    let changes = connector.new_changes("docs");
    assert!(changes.iter().all(|change| change == "update /"), "{changes:?}");
}

#[test]
fn nothing_is_deleted_by_a_crawl_that_was_cut_short() {
    let site = site();
    let mut connector = crawled(&site);
    site.set("/", "<title>Start</title><a href=/a>a</a><a href=/b>b</a>");
    let token = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=docs&MaxPages=1");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["update /"]);
    // The next that is not cut short finds it gone.
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["delete /c"]);
}

#[test]
fn a_page_that_robots_txt_now_forbids_is_deleted() {
    let site = site();
    let mut connector = crawled(&site);
    let site = site.file("/robots.txt", "text/plain", "User-agent: *\nDisallow: /c\n");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["delete /c"]);
    assert_eq!(site.hits("/c"), 1);
}

#[test]
fn fields_of_ingest_actions_are_on_what_is_delivered_and_another_value_alone_delivers_nothing() -> std::io::Result<()> {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "a").conditional();
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("IngestActions", "META:Team=red,META:Note=a=b");
    let mut connector = Connector::with(task);
    connector.run("docs");
    let changes = connector.changes("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    for change in &changes {
        assert_eq!((change.field("Team"), change.field("Note")), (Some("red"), Some("a=b")), "{change:?}");
    }

    let file = connector.folder().join("webconnector.cfg");
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("Team=red", "Team=blue"))?;
    let action = connector.run("docs");
    assert_eq!((action.count("unchanged"), action.count("updated")), (2, 0));
    site.set("/a", "b");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["update /a"]);
    assert_eq!(connector.changes("docs").last().and_then(|change| change.field("Team")), Some("blue"));

    // Named, a page is delivered again although it is the same.
    let named = changes.iter().find(|change| change.reference == site.url("/")).expect("it was added");
    let identifiers = common::encode(&named.identifier);
    let query = format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&Identifiers={identifiers}");
    connector.wait_until_done(&connector.submit(&query));
    assert_eq!(connector.new_changes("docs"), ["update /"]);
    assert_eq!(connector.changes("docs").last().and_then(|change| change.field("Team")), Some("blue"));
    Ok(())
}
