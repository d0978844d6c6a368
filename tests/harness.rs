//! The harness itself: a site that did not misbehave as told would make every other transcript worthless.

mod common;

use common::{Response, Site, Xml};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn ask(site: &Site, target: &str, headers: &str) -> Response {
    let request = format!("GET {target} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n{headers}\r\n");
    let address = site.host().parse().expect("a site's host is an address");
    Response::to(address, request.as_bytes()).expect("the site answers")
}

/// Sends a request and returns everything that comes until the site closes the connection.
fn ask_raw(site: &Site, target: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(site.host())?;
    write!(connection, "GET {target} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_page_is_served_counted_changed_and_removed() {
    let site = Site::new().page("/a?x=1", "one");
    let first = ask(&site, "/a?x=1", "X-Mark: 7\r\n");
    assert_eq!((first.status, first.body.as_str()), (200, "one"));
    assert_eq!(first.header("content-type"), Some("text/html; charset=utf-8"));

    site.set("/a?x=1", "two");
    assert_eq!(ask(&site, "/a?x=1", "").body, "two");
    site.remove("/a?x=1");
    assert_eq!(ask(&site, "/a?x=1", "").status, 404);
    assert_eq!((site.hits("/a?x=1"), site.hits("/a")), (3, 0));
    assert_eq!(site.requests()[0].header("x-mark"), Some("7"));
}

#[test]
fn a_query_without_a_page_of_its_own_is_answered_by_the_path() {
    let site = Site::new().page("/a", "path").page("/a?x=1", "query");
    assert_eq!(ask(&site, "/a?x=1", "").body, "query");
    assert_eq!(ask(&site, "/a?x=2", "").body, "path");
}

#[test]
fn redirects_statuses_and_headers_are_as_told() {
    let site = Site::new().redirect("/old", "/new").status("/sad", 503).header("/sad", "Retry-After", "1");
    assert_eq!(ask(&site, "/old", "").header("location"), Some("/new"));
    let sad = ask(&site, "/sad", "");
    assert_eq!((sad.status, sad.header("retry-after")), (503, Some("1")));
}

#[test]
fn a_version_that_the_client_shows_is_not_sent_again() {
    let site = Site::new().conditional().page("/", "one");
    let first = ask(&site, "/", "");
    let etag = format!("If-None-Match: {}\r\n", first.header("etag").unwrap_or_default());
    let date = format!("If-Modified-Since: {}\r\n", first.header("last-modified").unwrap_or_default());
    assert_eq!(ask(&site, "/", &etag).status, 304);
    assert_eq!(ask(&site, "/", &date).status, 304);

    site.set("/", "two");
    assert_eq!(ask(&site, "/", &etag).status, 200);
    assert_eq!(ask(&site, "/", &date).status, 200);
}

#[test]
fn a_held_page_says_nothing_until_it_is_released() {
    let site = Site::new().page("/slow", "at last").held("/slow");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&site, "/slow", ""));
        site.wait_for_hit("/slow");
        assert!(!answer.is_finished());
        site.release("/slow");
        assert_eq!(answer.join().map(|answer| answer.body).ok(), Some("at last".to_owned()));
    });
}

#[test]
fn a_cut_page_is_shorter_than_it_says() -> std::io::Result<()> {
    let site = Site::new().cut("/cut", "half");
    let text = ask_raw(&site, "/cut")?;
    assert!(text.contains("Content-Length: 8\r\n") && text.ends_with("\r\n\r\nhalf"), "{text}");
    Ok(())
}

#[test]
fn a_dripping_page_arrives_whole() {
    let site = Site::new().drip("/drip", "drop by drop", 3, Duration::from_millis(1));
    assert_eq!(ask(&site, "/drip", "").body, "drop by drop");
}

#[test]
fn a_folder_is_a_site_with_its_redirects_and_its_own_origin() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
    let site = Site::of_folder(&folder, 0).expect("the sample site can be served");
    assert!(ask(&site, "/history/", "").body.contains("<title>History of the station</title>"));
    assert_eq!(ask(&site, "/history", "").header("location"), Some("/history/"));
    assert_eq!(ask(&site, "/old/tickets.html", "").header("location"), Some("/visit/tickets.html"));
    assert_eq!((ask(&site, "/_redirects", "").status, ask(&site, "/visit/ferry.html", "").status), (404, 404));
    assert!(ask(&site, "/robots.txt", "").body.contains(&site.url("/sitemap.xml")));
    assert!(ask(&site, "/sitemap.xml", "").body.contains(&format!("<loc>{}</loc>", site.url("/nature/"))));
}

#[test]
fn a_site_ends_whatever_its_clients_are_waiting_for() -> std::io::Result<()> {
    let site = Site::new().endless("/endless", Duration::ZERO).page("/held", "").held("/held");
    let mut endless = TcpStream::connect(site.host())?;
    endless.write_all(b"GET /endless HTTP/1.1\r\n\r\n")?;
    let mut held = TcpStream::connect(site.host())?;
    held.write_all(b"GET /held HTTP/1.1\r\n\r\n")?;
    let idle = TcpStream::connect(site.host())?;
    site.wait_for_hit("/endless");
    site.wait_for_hit("/held");
    let mut some = vec![0; 100_000];
    endless.read_exact(&mut some)?;

    drop(site);

    assert_eq!(held.read(&mut some)?, 0);
    drop(idle);
    Ok(())
}

#[test]
fn an_answer_is_a_tree_of_texts_and_attributes() {
    let xml = Xml::parse("<?xml version='1.0'?><a><b n='1&amp;2'>x &lt; y</b><c><b/></c></a>");
    assert_eq!(xml.text("b"), "x < y");
    assert_eq!(xml.all("b").len(), 2);
    assert_eq!(xml.find("b").and_then(|b| b.attr("n")), Some("1&2"));
    assert_eq!(xml.child_names(), ["b", "c"]);
}
