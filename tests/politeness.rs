//! How a crawl spares the hosts that it visits, and that none waits for another.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

#[test]
fn what_lies_ready_is_taken_back_when_a_host_wants_a_pause() {
    for threads in ["1", "3"] {
        let site = Site::new().page("/h1", "").page("/h2", "").held("/h1").held("/h2");
        let site = site.status("/b", 429).header("/b", "Retry-After", "1");
        let rest = (0..6).fold(String::new(), |rest, number| format!("{rest}<a href=/a{number}>a</a>"));
        let first = if threads == "1" { "" } else { "<a href=/h1>h</a><a href=/h2>h</a>" };
        site.set("/", &format!("{first}<a href=/b>b</a>{rest}"));
        (0..6).for_each(|number| site.set(&format!("/a{number}"), ""));
        let connector = Connector::with(docs(&site).set("SynchronizeThreads", threads));
        let token = connector.synchronize("docs");
        site.wait_for_hit("/b");
        common::poll("the pause", || connector.log("synchronize").contains("left alone for 1 s").then_some(()));
        site.release("/h1");
        site.release("/h2");
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
        assert_eq!(site.hits("/a5"), 1);
        let requests = site.requests();
        let at =
            |target: &str| requests.iter().find(|request| request.target.starts_with(target)).map(|found| found.at);
        let pause = at("/a").zip(at("/b")).map(|(after, before)| after - before);
        assert!(pause > Some(Duration::from_millis(900)), "{threads} threads: {pause:?}");
    }
}

#[test]
fn a_sitemap_that_fails_keeps_no_visitor_and_is_asked_for_again() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").page("/b", "").status("/sitemap.xml", 503);
    let rules = format!("Sitemap: {}\nSitemap: {}\n", site.url("/sitemap.xml"), site.url("/second.xml"));
    let site = site.file("/robots.txt", "text/plain", rules);
    let second = format!("<urlset><url><loc>{}</loc></url></urlset>", site.url("/b"));
    let site = site.file("/second.xml", "text/xml", second);
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "1").set("RetryDelay", "1hour");
    let connector = Connector::with(task.set("SitemapsFromRobots", "TRUE").set("SynchronizeThreads", "1"));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/a");
    site.wait_for_hit("/b");
    assert_eq!(site.hits("/sitemap.xml"), 1);
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);

    let site = Site::new().page("/a", "").status("/sitemap.xml", 429).header("/sitemap.xml", "Retry-After", "1");
    let task = FetchTask::named("docs").set("SitemapUrl", site.url("/sitemap.xml")).set("RetryDelay", "0");
    let mut connector = Connector::with(task);
    let token = connector.synchronize("docs");
    site.wait_for_hit("/sitemap.xml");
    common::poll("the pause", || connector.log("synchronize").contains("left alone for 1 s").then_some(()));
    site.set("/sitemap.xml", &format!("<urlset><url><loc>{}</loc></url></urlset>", site.url("/a")));
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["add /a"]);
    assert!(gaps(&site).iter().any(|(target, gap)| target == "/sitemap.xml" && *gap > Duration::from_millis(900)));
}

/// The pages want a password, or a session that a form opens.
fn behind_a_door() -> Site {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").page("/b", "").status("/401", 401);
    let site = site.header("/401", "WWW-Authenticate", "Digest realm=r, nonce=n, qop=auth");
    for page in ["/robots.txt", "/"] {
        site.guard(page, "Authorization", "Digest username=\"joe\"", "/401");
    }
    let form = "<form action=/session method=post><input name=user><button>Go</button></form>";
    let site = site.page("/login", form).redirect("/to-login", "/login").redirect("/session", "/b").header(
        "/session",
        "Set-Cookie",
        "session=1; Path=/",
    );
    site.guard("/a", "Cookie", "session=1", "/to-login");
    site.file("/robots.txt", "text/plain", "")
}

#[test]
fn logins_keep_the_delay() {
    let site = behind_a_door();
    let task = docs(&site).set("AuthUser", "joe").set("AuthPassword", "x").set("PageDelay", "0.3");
    let task = task.set("FormUrlRegex", ".*/login").set("InputSelector0", "[name=user]").set("InputValue0", "joe");
    let mut connector = Connector::with(task.set("MaxConnectionsPerHost", "1"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    let asked: Vec<String> = site.requests().into_iter().map(|request| request.target).collect();
    // Asked twice: what wants a password is asked for again with it. Then all that a login needs, and the page again.
    let expected = ["/robots.txt", "/robots.txt", "/", "/a", "/login", "/session", "/b", "/a"];
    assert_eq!(asked, expected);
    for (target, gap) in gaps(&site) {
        assert!(gap > Duration::from_millis(250), "{gap:?} before {target}");
    }
}

#[test]
fn a_login_for_single_pages_keeps_the_delay() {
    let site = behind_a_door();
    let task = docs(&site).set("AuthUser", "joe").set("AuthPassword", "x");
    let task = task.set("FormUrlRegex", ".*/login").set("InputSelector0", "[name=user]").set("InputValue0", "joe");
    let connector = Connector::with(task);
    connector.run("docs");
    let asked_before = site.requests().len();
    let site = site.file("/robots.txt", "text/plain", "user-agent: *\ncrawl-delay: 0.3\n");
    let identifier = STANDARD.encode(format!("<id s=\"DOCS\" r=\"{}\"/>", site.url("/a")));
    let token =
        connector.submit(&format!("action=Fetch&FetchAction=Collect&Identifiers={}", common::encode(&identifier)));
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let gaps: Vec<_> = gaps(&site).into_iter().skip(asked_before).collect();
    assert_eq!(gaps.iter().filter(|(target, _)| target == "/login").count(), 1, "{gaps:?}");
    for (target, gap) in gaps.into_iter().filter(|(target, _)| target != "/robots.txt") {
        assert!(gap > Duration::from_millis(250), "{gap:?} before {target}");
    }
}
