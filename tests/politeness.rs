//! How a crawl spares the hosts that it visits, and that none waits for another.

mod common;

use common::{Connector, FetchTask, Site};
use std::time::{Duration, SystemTime};
use webconnector::action::Status;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

/// The site under another name, which is another host.
fn under_other_name(site: &Site, target: &str) -> String {
    site.url(target).replace("127.0.0.1", "localhost")
}

/// Between the requests of the site, in their order; a little of each is lost on the way.
fn gaps(site: &Site) -> Vec<(String, Duration)> {
    let requests = site.requests();
    requests.windows(2).map(|pair| (pair[1].target.clone(), pair[1].at - pair[0].at)).collect()
}

#[test]
fn a_host_has_so_many_requests_at_once_and_no_other_waits_for_it() {
    let other = Site::new().page("/c", "");
    let site = Site::new().page("/a", "").page("/b", "").held("/a");
    site.set("/", &format!("<a href=/a>a</a><a href=/b>b</a><a href='{}'>c</a>", under_other_name(&other, "/c")));
    let task = docs(&site).set("SynchronizeThreads", "3").set("MaxConnectionsPerHost", "1").set("StayOnSite", "FALSE");
    let connector = Connector::with(task);
    let token = connector.synchronize("docs");
    site.wait_for_hit("/a");
    other.wait_for_hit("/c");
    assert_eq!(site.hits("/b"), 0);
    site.release("/a");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.action(&token).count("added"), 4);
}

#[test]
fn a_host_that_says_when_to_come_back_is_left_alone_until_then() {
    let at = SystemTime::now() + Duration::from_secs(4);
    for (status, retry_after) in [(429, "1".to_owned()), (503, httpdate::fmt_http_date(at))] {
        let other = Site::new().page("/c", "");
        let site = Site::new().page("/a", "").status("/b", status).header("/b", "Retry-After", &retry_after);
        site.set("/", &format!("<a href=/b>b</a><a href=/a>a</a><a href='{}'>c</a>", under_other_name(&other, "/c")));
        let task = docs(&site).set("SynchronizeThreads", "1").set("StayOnSite", "FALSE").set("MaxRetries", "1");
        let connector = Connector::with(task);
        let token = connector.synchronize("docs");
        other.wait_for_hit("/c");
        assert_eq!(site.hits("/a"), 0, "{retry_after}");
        site.set("/b", "better");
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
        assert_eq!((connector.action(&token).count("added"), connector.action(&token).count("errors")), (4, 0));
        let gaps = gaps(&site);
        let refused = gaps.iter().position(|(target, _)| target == "/b").expect("it was asked for");
        assert!(gaps[refused + 1].1 > Duration::from_millis(900), "{retry_after}: {gaps:?}");
    }
}

#[test]
fn a_host_whose_robots_txt_fails_keeps_no_visitor() {
    let other = Site::new().status("/robots.txt", 503);
    let site = Site::new().page("/a", "");
    site.set("/", &format!("<a href='{}'>c</a><a href=/a>a</a>", under_other_name(&other, "/c")));
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("StayOnSite", "FALSE");
    let connector = Connector::with(task.set("SynchronizeThreads", "1").set("RetryDelay", "1hour"));
    let token = connector.synchronize("docs");
    other.wait_for_hit("/robots.txt");
    site.wait_for_hit("/a");
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
}

#[test]
fn whatever_is_asked_of_a_host_keeps_the_delay() {
    let site = Site::new()
        .redirect("/robots.txt", "/moved/robots.txt")
        .redirect("/sitemap.xml", "/moved/sitemap.xml")
        .page("/again", "")
        .redirect("/again?new", "/again?new")
        .header("/again?new", "Set-Cookie", "seen=1")
        .page("/a", "");
    site.guard("/again?with", "Cookie", "seen=1", "/again?new");
    let rules = format!("Sitemap: {}\n", site.url("/sitemap.xml"));
    let site = site.file("/moved/robots.txt", "text/plain", rules);
    let sitemap = format!("<urlset><url><loc>{}</loc></url></urlset>", site.url("/a"));
    let site = site.file("/moved/sitemap.xml", "text/xml", sitemap);
    site.set("/", "<a href='/again?new'>again</a>");
    let mut connector = Connector::with(docs(&site).set("SitemapsFromRobots", "TRUE").set("PageDelay", "0.3"));
    connector.run("docs");
    for target in ["/moved/robots.txt", "/sitemap.xml", "/moved/sitemap.xml", "/a"] {
        assert_eq!(site.hits(target), 1, "{target}");
    }
    assert_eq!(site.hits("/again?new"), 2, "once without the cookie and once with it");
    for (target, gap) in gaps(&site) {
        assert!(gap > Duration::from_millis(250), "{gap:?} before {target}");
    }
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
}

#[test]
fn why_a_crawl_is_slow_is_told() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "");
    let site = site.file("/robots.txt", "text/plain", "user-agent: *\ncrawl-delay: 0.2\n");
    let connector = Connector::with(docs(&site));
    let action = connector.run("docs");
    let [warning] = action.all("warning")[..] else { panic!("one warning: {action:?}") };
    assert_eq!(warning.attr("task"), Some("DOCS"));
    assert_eq!(action.text("warning"), "127.0.0.1 wants 0.2 s between two requests (Crawl-delay in robots.txt)");
    let log = std::fs::read_to_string(connector.folder().join("logs/synchronize.log")).expect("there is a log");
    assert!(log.contains("127.0.0.1: 3 requests, 0.2 s apart"), "{log}");
}
