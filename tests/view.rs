//! One page, seen through the connector, and where documents are.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, encode};
use std::thread;
use std::time::{Duration, Instant};

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

fn identifier(section: &str, url: &str) -> String {
    encode(&STANDARD.encode(format!("<id s=\"{section}\" r=\"{url}\"/>")))
}

#[test]
fn a_page_is_shown_as_its_server_sent_it() {
    let site = Site::new().page("/a", "<p>\u{e4}").file("/b.css", "text/css", "p { color: red }");
    let connector = Connector::with(docs(&site));
    for (target, content_type, body) in
        [("/a", "text/html; charset=utf-8", "<p>\u{e4}"), ("/b.css", "text/css", "p { color: red }")]
    {
        let viewed = connector.get(&format!("/action=View&Identifier={}", identifier("DOCS", &site.url(target))));
        assert_eq!((viewed.status, viewed.body.as_str()), (200, body));
        assert_eq!(viewed.header("Content-Type"), Some(content_type));
        assert_eq!(viewed.header("Content-Security-Policy"), Some("sandbox"), "it is a stranger's page");
    }
    assert_eq!(connector.log("view").matches("30-Normal: ").count(), 2, "{}", connector.log("view"));
    let answer = connector.ok(&format!("action=view&noaci=false&identifier={}", identifier("DOCS", &site.url("/a"))));
    assert_eq!(answer.text("contenttype"), "text/html; charset=utf-8");
    assert_eq!(STANDARD.decode(answer.text("content")).unwrap_or_default(), "<p>\u{e4}".as_bytes());
}

#[test]
fn a_page_that_cannot_be_shown_has_a_status_and_a_reason() {
    let site = Site::new()
        .status("/gone", 404)
        .status("/broken", 503)
        .page("/large", &"x".repeat(2_000))
        .redirect("/moved", "/a")
        .redirect("/loop", "/loop")
        .page("/a", "here");
    let connector = Connector::with(docs(&site).set("MaxPageSize", "1000"));
    let view = |target: &str, more: &str| {
        let identifier = identifier("DOCS", &site.url(target));
        connector.get(&format!("/action=View&Identifier={identifier}{more}"))
    };
    for (target, status, reason) in [
        ("/gone", 404, "HTTP status 404"),
        ("/broken", 500, "HTTP status 503"),
        ("/large", 500, "larger than MaxPageSize"),
        ("/loop", 500, "too many redirects"),
    ] {
        let viewed = view(target, "");
        assert_eq!(viewed.status, status, "{viewed:?}");
        assert!(viewed.body.contains(reason), "{viewed:?}");
        let envelope = view(target, "&NoACI=FALSE").envelope();
        assert!(envelope.text("errordescription").contains(reason), "{envelope:?}");
    }
    assert_eq!(view("/moved", "").body, "here");
    assert_eq!(connector.error("action=View").errorcode, "ERRORPARAMMISSING");
    let viewed = connector.get("/action=View&Identifier=nonsense");
    assert!(viewed.status == 500 && viewed.body.contains("Identifier"), "{viewed:?}");
}

#[test]
fn the_connector_is_no_proxy() {
    let inner = Site::new().page("/secret", "secret");
    let secret = inner.url("/secret").replace("127.0.0.1", "localhost");
    let site = Site::new().page("/", "<a href=/a>a</a>").redirect("/out", &secret);
    let connector = Setup::new()
        .task(docs(&site))
        .task(FetchTask::named("wide").set("Url", site.url("/")).set("StayOnSite", "FALSE"))
        .start();
    let config = format!("[wide]\nUrl={secret}\n[docs]\nUrl={secret}\nStayOnSite=FALSE\n[own]\nUrl={secret}\n");
    let config = encode(&STANDARD.encode(config));
    for section in ["DOCS", "WIDE", "OWN", "NOBODY"] {
        for more in [String::new(), format!("&Config={config}")] {
            let viewed = connector.get(&format!("/action=View&Identifier={}{more}", identifier(section, &secret)));
            assert_eq!(viewed.status, 404, "{section}: {viewed:?}");
        }
    }
    let viewed = connector.get(&format!("/action=View&Identifier={}", identifier("DOCS", &site.url("/out"))));
    assert_eq!(viewed.status, 500, "{viewed:?}");
    assert!(inner.requests().is_empty());
}

#[test]
fn a_page_that_a_run_has_met_is_shown_whatever_the_scope_says() {
    let other = Site::new().page("/page", "met");
    let elsewhere = other.url("/page").replace("127.0.0.1", "localhost");
    let site = Site::new().page("/", &format!("<a href={elsewhere}>x</a>"));
    let connector = Connector::with(docs(&site).set("StayOnSite", "FALSE"));
    let view = || connector.get(&format!("/action=View&Identifier={}", identifier("DOCS", &elsewhere)));
    assert_eq!(view().status, 404);
    connector.run("docs");
    assert_eq!(view().body, "met");
}

#[test]
fn slow_pages_hold_neither_the_other_requests_nor_the_shutdown() {
    let site = Site::new().page("/slow", "").held("/slow");
    let mut connector = Setup::new().set("Server", "Threads", "2").task(docs(&site)).start();
    let target = format!("/action=View&Identifier={}", identifier("DOCS", &site.url("/slow")));
    let request = format!("GET {target} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\n\r\n");
    let aci = connector.aci();
    let viewer = thread::spawn(move || common::Response::to(aci, request.as_bytes()));
    site.wait_for_hit("/slow");
    // The second is refused at once, since it would take the last thread.
    let refused = connector.get(&target);
    assert!(refused.status == 500 && refused.body.contains("try again"), "{refused:?}");
    connector.ok("action=GetPid");
    let asked = Instant::now();
    connector.terminate();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    // It got the reason, or nothing.
    if let Ok(Ok(viewed)) = viewer.join() {
        assert!(viewed.status == 500 && viewed.body.contains("stopped"), "{viewed:?}");
    }
}

#[test]
fn a_view_has_the_page_timeout() {
    let site = Site::new().page("/slow", "").held("/slow");
    let connector = Connector::with(docs(&site).set("PageTimeout", "1"));
    let viewed = connector.get(&format!("/action=View&Identifier={}", identifier("DOCS", &site.url("/slow"))));
    assert!(viewed.status == 500 && viewed.body.contains("timed out"), "{viewed:?}");
}

#[test]
fn identifiers_become_urls() {
    let connector = Connector::bare();
    let plain = STANDARD.encode("<id s=\"A\" r=\"http://h/?a=1&amp;b=2\"/>");
    let list = encode(&format!("{plain},{}", STANDARD.encode("<id s=\"B\" r=\"http://h/\"/>")));
    let answer = connector.ok(&format!("action=GetUri&Identifiers={list}"));
    let uris = answer.all("uri");
    assert_eq!(uris.iter().map(|uri| uri.text("uri")).collect::<Vec<_>>(), ["http://h/?a=1&b=2", "http://h/"]);
    assert_eq!(uris[0].attr("identifier"), Some(plain.as_str()));
    assert_eq!(connector.error("action=GetUri&Identifier=!").errorcode, "ERRORPARAMINVALID");
    assert_eq!(connector.error("action=GetUri").errorcode, "ERRORPARAMMISSING");
}
