//! What sites ask of robots, in robots.txt, in headers and in pages.

mod common;

use common::{Connector, Site, brief, crawl, docs, poll};
use std::time::{Duration, SystemTime};
use webconnector::action::Status;

#[test]
fn every_x_robots_tag_counts() {
    let site = Site::new()
        .page("/", "<a href=/a>a</a>")
        .header("/", "X-Robots-Tag", "max-snippet: 10")
        .header_again("/", "X-Robots-Tag", "otherbot: noindex, nofollow")
        .header_again("/", "X-Robots-Tag", "webconnector: noindex")
        .page("/a", "");
    assert_eq!(crawl(docs(&site)), ["add /a"]);
}

#[test]
fn a_page_loses_its_document_once_its_time_is_up_although_it_has_not_changed() {
    let past = "Wed, 25 Jun 2025 15:00:00 GMT";
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4));
    let site = Site::new()
        .page("/", "<a href=/past>1</a><a href=/soon>2</a><a href=/later>3</a>")
        .page("/past", "")
        .header("/past", "X-Robots-Tag", &format!("unavailable_after: {past}"))
        .page("/soon", "<a href=/kept>4</a>")
        .header("/soon", "X-Robots-Tag", &format!("unavailable_after: {soon}"))
        .page("/later", "<meta name=robots content='unavailable_after: 9001-01-01'>")
        .page("/kept", "")
        .conditional();
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /kept", "add /later", "add /soon"]);
    poll("the page's time to be up", || (connector.run("docs").count("deleted") == 1).then_some(()));
    assert_eq!(connector.new_changes("docs"), ["delete /soon"]);
    assert_eq!(connector.run("docs").count("deleted"), 0);
    let statuses = site.requests().iter().filter(|request| request.header("If-None-Match").is_some()).count();
    assert!(statuses > 0, "the pages were asked for conditionally");
}

#[test]
fn the_size_of_pages_is_not_that_of_robots_txt() {
    let robots = format!("#{}\nuser-agent: *\ndisallow: /a\n", "x".repeat(5000));
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").file("/robots.txt", "text/plain", robots);
    assert_eq!(crawl(docs(&site).set("MaxPageSize", "1000")), ["add /"]);
}

#[test]
fn a_robots_txt_may_be_on_another_host_up_to_five_redirects_away() {
    let rules = "user-agent: *\ndisallow: /a\n";
    let other = Site::new().redirect("/4", "/5").file("/5", "text/plain", rules);
    let elsewhere = other.url("/4").replace("127.0.0.1", "localhost");
    let site = |hops: usize| {
        let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").redirect("/robots.txt", "/hop0");
        let site = (0..hops).fold(site, |site, hop| site.redirect(&format!("/hop{hop}"), &format!("/hop{}", hop + 1)));
        site.redirect(&format!("/hop{hops}"), &elsewhere)
    };
    assert_eq!(crawl(docs(&site(2))), ["add /"], "the fifth redirect leads to the rules");
    // As if there were none, says RFC 9309 2.3.1.2.
    assert_eq!(crawl(docs(&site(3))), ["add /", "add /a"]);
}

#[test]
fn a_document_tells_who_led_to_it_and_a_hash_of_what_it_says() {
    let site = Site::new()
        .page("/", "<title>T</title><a href=/old>same</a>")
        .redirect("/old", "/a")
        .page("/a", "<title>A</title><a href=/b>same</a>")
        .page("/b", "<title>A</title><a href=/>same</a>");
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    let changes = connector.changes("docs");
    assert_eq!(brief(&changes), ["add /", "add /a", "add /b"]);
    let of = |path: &str, field: &str| {
        let change = changes.iter().find(|change| change.reference == site.url(path)).expect("it was added");
        change.field(field).map(str::to_owned)
    };
    assert_eq!(of("/", "REFERRER"), None);
    assert_eq!(of("/a", "REFERRER"), Some(site.url("/old")));
    assert_eq!(of("/b", "REFERRER"), Some(site.url("/a")));
    let hashes = ["/", "/a", "/b"].map(|path| of(path, "CONTENT_HASH").expect("it has one"));
    assert!(hashes.iter().all(|hash| hash.len() == 32), "{hashes:?}");
    assert_eq!((hashes[0] == hashes[1], hashes[1] == hashes[2]), (false, true), "{hashes:?}");
}

#[test]
fn a_robots_txt_that_cannot_be_had_keeps_the_crawl_away_unless_its_errors_are_ignored() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "");
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    let fetch = |connector: &Connector, setting: &str| {
        let query = format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs{setting}");
        let token = connector.submit(&query);
        (connector.wait_until_done(&token), connector.action(&token))
    };
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nuser-agent: *";
    for (problem, said) in [(Some(500), "500"), (Some(429), "429"), (None, "")] {
        let site = match problem {
            Some(status) => {
                site.set_status("/robots.txt", status);
                &site
            }
            None => &Site::new().raw("/robots.txt", cut.as_bytes(), None, Duration::ZERO).page("/", ""),
        };
        let url = format!("&Url={}", common::encode(&site.url("/")));
        let before = site.hits("/");
        let (status, action) = fetch(&connector, &url);
        assert_eq!((status, site.hits("/")), (Status::Error, before), "{problem:?}");
        let error = action.text("error");
        assert!(error.contains("robots.txt") && error.contains(said), "{error}");
        assert_eq!(connector.new_changes("docs"), Vec::<String>::new(), "nothing is gone that was not looked for");
        let (status, _) = fetch(&connector, &format!("{url}&IgnoreRobotProtocolErrors=TRUE"));
        assert_eq!((status, site.hits("/")), (Status::Finished, before + 1), "{problem:?}");
        connector.new_changes("docs");
    }

    // Only its errors are ignored: what it says counts.
    site.set("/robots.txt", "user-agent: *\ndisallow: /a\n");
    let mut connector = Connector::with(docs(&site).set("IgnoreRobotProtocolErrors", "TRUE"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /"]);
}

#[test]
fn a_robots_txt_is_asked_for_once_in_a_crawl_and_anew_in_the_next() {
    let links = (0..100).fold(String::new(), |links, number| links + &format!("<a href=/{number}>x</a>"));
    let other = Site::new().page("/", "").page("/b", "");
    let elsewhere = format!("<a href='{}'>y</a><a href='{}'>z</a>", other.url("/"), other.url("/b"));
    let site = Site::new().anything("text/html", "").page("/", &format!("{links}{elsewhere}"));
    let site = site.file("/robots.txt", "text/plain", "user-agent: *\ndisallow: /7\ndisallow: /8$\n");
    let mut connector = Connector::with(docs(&site).set("StayOnSite", "FALSE").set("SynchronizeThreads", "8"));
    let action = connector.run("docs");
    assert_eq!(action.count("added"), 101 - 12 + 2, "{action:?}");
    assert_eq!((site.hits("/robots.txt"), other.hits("/robots.txt")), (1, 1), "each origin has its own");
    connector.new_changes("docs");
    site.set("/robots.txt", "user-agent: *\ndisallow: /7\ndisallow: /9$\n");
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /8", "delete /9"]);
    assert_eq!((site.hits("/robots.txt"), other.hits("/robots.txt")), (2, 2));
}
