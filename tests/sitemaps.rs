//! Crawls whose pages are listed: by sitemaps, by a file, or by what robots.txt names.

mod common;

use common::{Connector, FetchTask, Site, brief};
use webconnector::action::Status;

const DAY: &str = "2020-01-01";

/// `/` links to a, a to c; nothing links to d.
fn site() -> Site {
    Site::new()
        .page("/", "<a href=/a>a</a>")
        .page("/a", "<title>A</title><a href=/c>c</a>")
        .page("/c", "<title>C</title>")
        .page("/d", "<title>D</title>")
        .conditional()
}

/// A sitemap of these pages of the site, all last changed on `modified`.
fn sitemap(site: &Site, pages: &[&str], modified: &str) -> String {
    let entry = |page: &&str| format!("<url><loc>{}</loc><lastmod>{modified}</lastmod></url>", site.url(page));
    format!("<?xml version='1.0'?><urlset>{}</urlset>", pages.iter().map(entry).collect::<String>())
}

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("MaxRetries", "0").set("SitemapUrl", site.url("/sitemap.xml"))
}

fn set_sitemap(site: &Site, body: &str) {
    site.set("/sitemap.xml", body);
}

#[test]
fn only_the_pages_of_the_sitemap_are_visited() {
    let site = site();
    set_sitemap(&site, &sitemap(&site, &["/a", "/d"], DAY));
    let mut connector = Connector::with(docs(&site).set("Url", site.url("/")));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /a", "add /d"]);
    assert_eq!((site.hits("/"), site.hits("/c")), (0, 0), "SitemapUrl goes before Url, and links are not followed");
}

#[test]
fn an_index_is_followed_as_far_as_the_regexes_allow() {
    let site = site();
    let index = format!(
        "<sitemapindex><sitemap><loc>{}</loc></sitemap><sitemap><loc>/s2.xml</loc></sitemap></sitemapindex>",
        site.url("/s1.xml")
    );
    set_sitemap(&site, &index);
    site.set("/s1.xml", &sitemap(&site, &["/a"], DAY));
    site.set("/s2.xml", &sitemap(&site, &["/d"], DAY));
    let both = Connector::with(docs(&site));
    both.wait_until_done(&both.synchronize("docs"));
    assert_eq!(brief(&both.changes("docs")), ["add /a", "add /d"]);
    let one = Connector::with(docs(&site).set("SitemapIndexUrlCantHaveRegex", ".*s2.*"));
    one.wait_until_done(&one.synchronize("docs"));
    assert_eq!(brief(&one.changes("docs")), ["add /a"]);
}

#[test]
fn a_page_that_leaves_the_sitemap_is_deleted_and_one_that_fails_is_kept() {
    let site = site();
    set_sitemap(&site, &sitemap(&site, &["/a", "/c", "/d"], "2099-01-01"));
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs").len(), 3);
    set_sitemap(&site, &sitemap(&site, &["/a", "/c"], "2099-01-01"));
    site.set_status("/c", 503);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["delete /d"]);
}

#[test]
fn nothing_is_deleted_when_the_sitemap_fails() {
    let site = site();
    set_sitemap(&site, &sitemap(&site, &["/a", "/d"], DAY));
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs").len(), 2);
    for failure in [503, 404] {
        site.set_status("/sitemap.xml", failure);
        let token = connector.synchronize("docs");
        assert_eq!(connector.wait_until_done(&token), Status::Error);
        assert!(connector.action(&token).text("error").contains("sitemap.xml"), "{failure}");
    }
    site.set("/sitemap.xml", "<html>We will be back</html>");
    assert_eq!(connector.wait_until_done(&connector.synchronize("docs")), Status::Error);
    assert_eq!(connector.new_changes("docs"), Vec::<String>::new());
}

#[test]
fn a_page_that_has_not_changed_since_it_was_read_is_not_asked_for() {
    let site = site();
    set_sitemap(&site, &sitemap(&site, &["/a", "/d"], DAY));
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    let action = connector.run("docs");
    assert_eq!((action.count("unchanged"), site.hits("/a"), site.hits("/d")), (2, 1, 1));
    set_sitemap(&site, &sitemap(&site, &["/a", "/d"], "2099-01-01"));
    connector.run("docs");
    assert_eq!((site.hits("/a"), site.hits("/d")), (2, 2), "it may have changed");
}

#[test]
fn entries_out_of_the_sitemaps_scope_are_passed_over_unless_they_are_wanted() {
    let (site, other) = (site(), Site::new().page("/x", "x"));
    let entries =
        [other.url("/x"), site.url("/deep/y"), site.url("/a")].map(|url| format!("<url><loc>{url}</loc></url>"));
    let body = format!("<urlset>{}</urlset>", entries.concat());
    site.set("/deep/sitemap.xml", &body);
    site.set("/deep/y", "y");
    let task = || FetchTask::named("docs").set("SitemapUrl", site.url("/deep/sitemap.xml"));
    let strict = Connector::with(task());
    strict.wait_until_done(&strict.synchronize("docs"));
    assert_eq!(brief(&strict.changes("docs")), ["add /deep/y"]);
    let lenient = Connector::with(task().set("IgnoreSitemapScopeErrors", "TRUE"));
    lenient.wait_until_done(&lenient.synchronize("docs"));
    assert_eq!(brief(&lenient.changes("docs")), ["add /a", "add /deep/y", "add /x"]);
}

#[test]
fn robots_txt_may_name_sitemaps_that_add_to_a_crawl() {
    let site = site();
    site.set("/robots.txt", "Sitemap: /sitemap.xml");
    set_sitemap(&site, &sitemap(&site, &["/d"], DAY));
    let task = || FetchTask::named("docs").set("Url", site.url("/"));
    let without = Connector::with(task());
    without.wait_until_done(&without.synchronize("docs"));
    assert_eq!(brief(&without.changes("docs")), ["add /", "add /a", "add /c"]);
    let with = Connector::with(task().set("SitemapsFromRobots", "TRUE"));
    with.wait_until_done(&with.synchronize("docs"));
    assert_eq!(brief(&with.changes("docs")), ["add /", "add /a", "add /c", "add /d"]);
}

#[test]
fn a_line_that_leaves_the_file_is_one_delete() -> std::io::Result<()> {
    let site = site();
    let mut connector = Connector::with(FetchTask::named("docs").set("SitemapFile", "urls.txt"));
    let file = connector.folder().join("urls.txt");
    let write =
        |pages: &[&str]| std::fs::write(&file, pages.iter().map(|page| site.url(page) + "\n").collect::<String>());
    write(&["/a", "/c", "/d"])?;
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /a", "add /c", "add /d"]);
    write(&["/a", "/d"])?;
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["delete /c"]);
    assert_eq!(action.count("deleted"), 1);
    std::fs::write(&file, "\n")?;
    let refused = connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=docs");
    assert!(refused.errordescription.contains("SitemapFile"), "{refused:?}");
    assert_eq!(
        connector.error("action=Fetch&FetchAction=Synchronize&SitemapFile=/etc/passwd").errorcode,
        "ERRORPARAMINVALID"
    );
    Ok(())
}
