//! Sites without an end: the crawl of each ends, and says what it has left out.

mod common;

use common::{Connector, FetchTask, Site};

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

#[test]
fn paths_that_go_in_circles_are_left() {
    // A server that answers whatever is asked for by the same page, with a link that misses its slash.
    let site = Site::new().anything("text/html", "<a href='news/today/'>news</a>");
    let connector = Connector::with(docs(&site));
    let action = connector.run("docs");
    assert_eq!(action.count("seen"), 4, "{action:?}");
    assert_eq!(site.hits("/news/today/news/today/news/today/"), 1);
    let warning = action.text("warning");
    assert!(warning.contains("circles") && warning.contains(&site.url("/news/today/news/")), "{warning}");

    let anything = Connector::with(docs(&site).set("MaxPathRepeats", "0").set("Depth", "6"));
    let action = anything.run("docs");
    assert_eq!((action.count("seen"), action.all("warning").len()), (7, 0));
}

#[test]
fn urls_are_as_long_as_the_task_lets_them_be() {
    let long = format!("/{}", "x".repeat(3000));
    let site = Site::new()
        .page("/", &format!("<a href={long}>long</a><a href={long}{long}{long}>too long</a>"))
        .page(&long, "");
    let action = Connector::with(docs(&site)).run("docs");
    assert_eq!(action.count("seen"), 1, "2,048 bytes, if nobody says otherwise");
    let action = Connector::with(docs(&site).set("MaxUrlLength", "4000")).run("docs");
    assert_eq!((action.count("added"), action.count("seen"), site.hits(&long)), (2, 2, 1));
}

#[test]
fn pages_of_one_pattern_are_limited_and_those_that_are_known_stay() {
    let months = |first: usize, end: usize| {
        (first..end).fold(String::new(), |html, month| html + &format!("<a href='/cal?month={month}'>{month}</a>"))
    };
    let site = Site::new().page("/about", "").page("/cal", "a month").conditional();
    site.set("/", &format!("{}<a href=/about>about</a>", months(0, 20)));
    let mut connector = Connector::with(docs(&site).set("MaxPagesPerPattern", "10"));
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("errors")), (12, 0));
    let warning = action.text("warning");
    assert!(warning.contains(&site.url("/cal?month=*")) && warning.contains("MaxPagesPerPattern"), "{warning}");
    let added = connector.new_changes("docs");
    assert!(added.contains(&"add /cal?month=9".to_owned()) && !added.contains(&"add /cal?month=10".to_owned()));

    // The same ones, in another order and with new ones before them: nothing is lost, nothing is exchanged.
    site.set("/", &format!("{}{}<a href=/about>about</a>", months(20, 25), months(0, 20)));
    let action = connector.run("docs");
    let counts = ["added", "updated", "deleted", "unchanged"].map(|name| action.count(name));
    assert_eq!(counts, [0, 1, 0, 11], "{action:?}");
}

#[test]
fn redirects_without_an_end_are_left() {
    let site = Site::new().page("/", "<a href=/0>0</a>");
    let site = (0..30).fold(site, |site, hop| site.redirect(&format!("/{hop}"), &format!("/{}", hop + 1)));
    let connector = Connector::with(docs(&site).set("MaxRedirects", "5"));
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("errors")), (1, 1));
    assert_eq!((site.hits("/5"), site.hits("/6")), (1, 0));
}
