//! What leads from a page to others, beside its anchors.

mod common;

use common::{Connector, FetchTask, Site};
use std::collections::BTreeSet;

/// What a crawl from `/` asks for, besides `/` and robots.txt.
fn asked(site: &Site, settings: &[(&str, &str)]) -> Vec<String> {
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0");
    let task = settings.iter().fold(task, |task, (name, value)| task.set(name, *value));
    let before = site.requests().len();
    Connector::with(task).run("docs");
    let asked: BTreeSet<_> = site.requests().drain(before..).map(|request| request.target).collect();
    asked.into_iter().filter(|target| target != "/" && target != "/robots.txt").collect()
}

#[test]
fn frames_are_pages_and_what_is_embedded_is_visited_if_the_task_says_so() {
    let page = "<a href=/frames>frames</a><iframe src=/iframe></iframe><iframe srcdoc='<a href=/never>x</a>'></iframe>\
                <img src=/i.png srcset='/i-1.png 1x, /i,2.png 2x,/i-3.png 300w' alt=i><img src=data:image/png;base64,AAAA>\
                <picture><source srcset='/p.webp?w=1&amp;h=2 1x'><img src=/p.jpg></picture>\
                <video src=/v.mp4 poster=/v.jpg><track src=/v.vtt></video><audio><source src=/a.mp3></audio>\
                <object data=/o.pdf></object><embed src=/e.svg><link rel=stylesheet href=/s.css><script src=/s.js></script>";
    let site = Site::new()
        .anything("image/png", "\u{89}PNG")
        .page("/", page)
        .page("/frames", "<frameset><frame src=left><frame src='/right#top'></frameset>")
        .page("/left", "<a href=/deep>deep</a>")
        .page("/right", "")
        .page("/iframe", "<a href=/deeper>deeper</a>")
        .page("/deep", "")
        .page("/deeper", "");
    let pages = ["/deep", "/deeper", "/frames", "/iframe", "/left", "/right"];
    assert_eq!(asked(&site, &[]), pages);
    let embedded = [
        "/a.mp3",
        "/e.svg",
        "/i,2.png",
        "/i-1.png",
        "/i-3.png",
        "/i.png",
        "/o.pdf",
        "/p.jpg",
        "/p.webp?w=1&h=2",
        "/v.jpg",
        "/v.mp4",
        "/v.vtt",
    ];
    let mut all: Vec<_> = pages.into_iter().chain(embedded).collect();
    all.sort_unstable();
    assert_eq!(asked(&site, &[("FollowEmbedded", "TRUE")]), all);
}

#[test]
fn the_other_languages_of_a_page_are_followed_and_its_other_forms_are_not() {
    let page = "<link rel=alternate hreflang=de href=/de><link rel='Alternate' hreflang=x-default type=text/html href=/any>\
                <link rel=alternate hreflang=fr href='http://elsewhere.invalid/fr'>\
                <link rel=alternate media='(max-width: 640px)' href=/m>\
                <link rel=alternate type=application/rss+xml href=/feed><link rel=alternate type=application/json href=/api>\
                <link rel='alternate stylesheet' hreflang=en href=/style><link rel=icon href=/icon>\
                <link rel='alternate nofollow' hreflang=it href=/it><link rel=next href=/2>";
    // Languages name each other, and themselves: each is one document.
    let site = Site::new().anything("text/html", "").page("/", page).page("/de", page);
    assert_eq!(asked(&site, &[]), ["/2", "/any", "/de", "/m"]);
    assert_eq!(asked(&site, &[("FollowRobotProtocol", "FALSE")]), ["/2", "/any", "/de", "/it", "/m"]);
}
