//! Which pages one crawl visits, which of them become documents, and where a task's parameters come from.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, brief, crawl, docs, encode};
use std::time::Duration;
use webconnector::action::Status;

/// web-connector.md 8, site A, without its image: `/` links to a and b, a to c, c to d.
fn site_a() -> Site {
    Site::new()
        .page("/", "<title>Start</title><a href=a.html>a</a> <a href=/b.html>b</a> <link rel=stylesheet href=x.css>")
        .page("/a.html", "<title>A</title><a href='c.html'>c</a>")
        .page("/b.html", "<title>B</title>")
        .page("/c.html", "<title>C</title><a href=\"./d.html\">d</a>")
        .page("/d.html", "<title>D</title>")
        .file("/x.css", "text/css", "p { color: red }")
}

#[test]
fn all_pages_within_reach_become_documents_and_style_sheets_do_not() {
    let site = site_a();
    let mut connector = Connector::with(docs(&site));
    let action = connector.run("docs");
    let added = connector.new_changes("docs");
    assert_eq!(added, ["add /", "add /a.html", "add /b.html", "add /c.html", "add /d.html"]);
    assert_eq!((action.count("added"), action.count("ingestadded"), action.count("errors")), (5, 5, 0));
    for page in ["/", "/a.html", "/b.html", "/c.html", "/d.html"] {
        assert_eq!(site.hits(page), 1, "{page}");
    }
}

#[test]
fn depth_counts_links_from_the_start_page() {
    let site = site_a();
    assert_eq!(crawl(docs(&site).set("Depth", "0")), ["add /"]);
    assert_eq!(crawl(docs(&site).set("Depth", "1")), ["add /", "add /a.html", "add /b.html"]);
    assert_eq!(crawl(docs(&site).set("Depth", "-1")).len(), 5);
}

#[test]
fn a_task_may_have_several_start_pages() {
    let site = site_a();
    let task = FetchTask::named("docs").set("Depth", "0");
    let numbered = task.set("Url0", site.url("/a.html")).set("Url1", site.url("/b.html"));
    assert_eq!(crawl(numbered), ["add /a.html", "add /b.html"]);
    let list = format!("{},{}", site.url("/a.html"), site.url("/b.html"));
    assert_eq!(crawl(FetchTask::named("docs").set("Depth", "0").set("Url", list)), ["add /a.html", "add /b.html"]);
}

#[test]
fn spider_regexes_decide_what_is_visited() {
    let site = site_a();
    let without_a = docs(&site).set("SpiderUrlCantHaveRegex", r".*/a\.html");
    assert_eq!(crawl(without_a), ["add /", "add /b.html"]);
    assert_eq!(site.hits("/a.html"), 0);

    let only_a = docs(&site).set("SpiderUrlMustHaveRegex", r".*/(a\.html)?");
    assert_eq!(crawl(only_a), ["add /", "add /a.html"]);
}

#[test]
fn url_regexes_decide_what_becomes_a_document_and_links_are_followed_all_the_same() {
    let site = site_a();
    let without_a = docs(&site).set("UrlCantHaveRegex", r".*/a\.html|.*\.css");
    assert_eq!(crawl(without_a), ["add /", "add /b.html", "add /c.html", "add /d.html"]);
    let only_d = docs(&site).set("UrlMustHaveRegex", r".*/d\.html");
    assert_eq!(crawl(only_d), ["add /d.html"]);
}

#[test]
fn a_regex_must_match_the_whole_url() {
    let site = site_a();
    assert!(crawl(docs(&site).set("SpiderUrlCantHaveRegex", r"a\.html")).contains(&"add /a.html".to_owned()));
}

#[test]
fn a_crawl_stays_on_its_site_unless_told_otherwise() {
    let other = Site::new().page("/", "<title>Other</title>");
    // Another name of the same machine is another site.
    let elsewhere = other.url("/").replace("127.0.0.1", "localhost");
    let site = Site::new().page("/", &format!("<title>Start</title><a href='{elsewhere}'>other</a>"));
    assert_eq!(crawl(docs(&site)), ["add /"]);
    assert!(other.requests().is_empty());
    assert_eq!(crawl(docs(&site).set("StayOnSite", "FALSE").set("Depth", "1")).len(), 2);
}

#[test]
fn robots_txt_is_asked_for_once_and_obeyed() {
    let robots = "User-agent: *\nDisallow: /b.html\nAllow: /\n";
    let site = site_a().file("/robots.txt", "text/plain", robots);
    assert_eq!(crawl(docs(&site)), ["add /", "add /a.html", "add /c.html", "add /d.html"]);
    assert_eq!((site.hits("/b.html"), site.hits("/robots.txt")), (0, 1));
    assert_eq!(crawl(docs(&site).set("FollowRobotProtocol", "FALSE")).len(), 5);
}

#[test]
fn robots_meta_keeps_a_page_out_of_the_index_or_its_links_out_of_the_crawl() {
    let site = site_a();
    site.set("/a.html", "<meta name=ROBOTS content='NoIndex'><a href=/c.html>c</a>");
    assert_eq!(crawl(docs(&site)), ["add /", "add /b.html", "add /c.html", "add /d.html"]);
    site.set("/a.html", "<meta name=robots content='nofollow'><a href=/c.html>c</a>");
    assert_eq!(crawl(docs(&site)), ["add /", "add /a.html", "add /b.html"]);
}

#[test]
fn links_count_from_the_base_that_a_page_names() {
    let site = Site::new().page("/", "<base href='/deep/er/'><a href=x>x</a><a href=../y>y</a>");
    let site = site.page("/deep/er/x", "").page("/deep/y", "");
    assert_eq!(crawl(docs(&site)), ["add /", "add /deep/er/x", "add /deep/y"]);
}

#[test]
fn all_ordinary_forms_of_a_link_are_followed() {
    let start = "<a href=/frames>f</a><a href=/refresh>r</a><a href=unquoted>1</a><A HREF=' spaced '>2</A>\
                 <area href=/area><iframe src=/iframe></iframe><a href='/q?q=1&amp;r=2'>3</a><a href=//HOST/host>4</a>\
                 <a href='mailto:a@b'>5</a><a href='javascript:x()'>6</a><a href='data:text/html,x'>7</a>\
                 <!-- <a href=/comment>8</a> --><script>'<a href=/script>9</a>'</script>";
    let site = Site::new()
        .page("/frames", "<frameset><frame src=/frame></frameset>")
        .page("/refresh", "<meta http-equiv=refresh content='0; url=/refreshed'>");
    site.set("/", &start.replace("HOST", &site.host()));
    let targets = ["/unquoted", "/spaced", "/area", "/iframe", "/q?q=1&r=2", "/host", "/frame", "/refreshed"];
    for target in targets {
        site.set(target, "<p>here");
    }
    crawl(docs(&site));
    for target in targets {
        assert_eq!(site.hits(target), 1, "{target}");
    }
    for target in ["/comment", "/script"] {
        assert_eq!(site.hits(target), 0, "{target}");
    }
}

#[test]
fn spellings_of_one_url_are_one_page() {
    let site = Site::new().page("/", "").page("/a", "").page("/%C3%BC?x=1", "");
    let links = "<a href=/a>1</a><a href=/a#top>2</a><a href=/./b/../a>3</a><a href=http://HOST/a>4</a>\
                 <a href='/%61'>5</a><a href='/ü?x=1'>6</a><a href='/%c3%bc?x=1#y'>7</a>";
    site.set("/", &links.replace("HOST", &site.host()));
    assert_eq!(crawl(docs(&site)), ["add /", "add /%C3%BC?x=1", "add /a"]);
    assert_eq!(site.hits("/a"), 1);
}

#[test]
fn a_redirect_leads_to_one_document_at_its_end() {
    let site = Site::new()
        .page("/", "<a href=/old>1</a><a href=/older>2</a><a href=/loop>3</a>")
        .redirect("/older", "/old")
        .redirect("/old", "/new")
        .page("/new", "")
        .redirect("/loop", "/pool")
        .redirect("/pool", "/loop");
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /new"]);
}

#[test]
fn a_redirect_cannot_lead_out_of_scope() {
    let other = Site::new().page("/", "");
    let elsewhere = other.url("/").replace("127.0.0.1", "localhost");
    let site = Site::new().page("/", "<a href=/out>1</a>").redirect("/out", &elsewhere);
    assert_eq!(crawl(docs(&site)), ["add /"]);
    assert!(other.requests().is_empty());
}

#[test]
fn a_page_that_cannot_be_had_is_an_error_and_no_document() {
    let site = Site::new()
        .page("/", "<a href=/503>1</a><a href=/cut>2</a><a href=/late>3</a><a href=/fine>4</a>")
        .status("/503", 503)
        .cut("/cut", "<title>Half</title>")
        .page("/late", "")
        .held("/late")
        .page("/fine", "");
    let mut connector = Connector::with(docs(&site).set("PageTimeout", "1"));
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /fine"]);
    assert_eq!((action.count("errors"), action.count("added")), (3, 2));
}

#[test]
fn a_transient_failure_is_tried_again() {
    let site = Site::new().page("/", "<a href=/b>b</a>").status("/b", 503);
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/b");
    site.set("/b", "<title>Better</title>");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    assert_eq!(brief(&connector.changes("docs")), ["add /", "add /b"]);
    assert_eq!(connector.action(&token).count("errors"), 0);
}

#[test]
fn a_crawl_whose_start_page_is_not_there_ends_and_says_so() {
    let site = Site::new().status("/", 500);
    let connector = Connector::with(docs(&site));
    let token = connector.synchronize("docs");
    connector.wait_until_done(&token);
    assert!(connector.action(&token).count("errors") >= 1, "{:?}", connector.action(&token));
    assert_eq!(connector.changes("docs"), []);
}

#[test]
fn max_pages_cuts_a_run_and_later_runs_go_on() {
    let site = site_a().conditional();
    let mut connector = Connector::with(docs(&site).set("MaxPages", "2"));
    let action = connector.run("docs");
    assert_eq!(action.count("added"), 2);
    let first = connector.new_changes("docs");
    connector.run("docs");
    let second = connector.new_changes("docs");
    assert!(second.iter().all(|change| change.starts_with("add ") && !first.contains(change)), "{first:?} {second:?}");
}

#[test]
fn two_requests_to_one_host_are_a_page_delay_apart() {
    let site = Site::new().page("/", "<a href=/a>a</a><a href=/b>b</a>").page("/a", "").page("/b", "");
    let task = docs(&site).set("PageDelay", "1").set("SynchronizeThreads", "5").set("FollowRobotProtocol", "FALSE");
    assert_eq!(crawl(task).len(), 3);
    let requests = site.requests();
    for pair in requests.windows(2) {
        // A little is lost between the start of a request and its arrival.
        assert!(pair[1].at - pair[0].at > Duration::from_millis(900), "{:?}", pair[1].at - pair[0].at);
    }
}

#[test]
fn the_pages_of_a_task_are_visited_side_by_side() {
    let site = Site::new().page("/", "<a href=/a>a</a><a href=/b>b</a>").page("/a", "").page("/b", "");
    let connector = Connector::with(docs(&site).set("SynchronizeThreads", "2"));
    site.hold("/a");
    site.hold("/b");
    let token = connector.synchronize("docs");
    // Both at once, or this waits in vain.
    site.wait_for_hit("/a");
    site.wait_for_hit("/b");
    site.release("/a");
    site.release("/b");
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
}

#[test]
fn without_task_sections_all_tasks_run_and_with_them_only_those() {
    let site = Site::new().page("/a", "").page("/b", "");
    let task = |name: &str| FetchTask::named(name).set("Url", site.url(&format!("/{name}"))).set("Depth", "0");
    let connector = Setup::new().task(task("a")).task(task("b")).start();
    let only_b = connector.run("b");
    assert_eq!(only_b.all("documentcount").len(), 1);
    assert_eq!(site.hits("/a"), 0);

    let token = connector.submit("action=Fetch&FetchAction=Synchronize");
    connector.wait_until_done(&token);
    let action = connector.action(&token);
    let tasks: Vec<_> = action.all("documentcount").iter().filter_map(|count| count.attr("task")).collect();
    assert_eq!(tasks, ["A", "B"]);
}

#[test]
fn the_most_specific_section_wins() {
    let site = site_a();
    let connector = Setup::new()
        .set("Default", "Depth", "0")
        .task(docs(&site))
        .task(FetchTask::named("deeper").set("Url", site.url("/")).set("Depth", "1"))
        .start();
    assert_eq!(connector.run("docs").count("added"), 1);
    assert_eq!(connector.run("deeper").count("added"), 3);
}

#[test]
fn an_action_may_override_a_parameter_for_itself_alone() {
    let site = site_a();
    let connector = Connector::with(docs(&site));
    for query in ["Depth=0", "%5Bdocs%5DDepth=0", "[DOCS]depth=0"] {
        let token = connector.submit(&format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&{query}"));
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
        assert_eq!(connector.action(&token).count("seen"), 1, "{query}");
    }
    assert_eq!(connector.run("docs").count("seen"), 5);
}

#[test]
fn a_url_alone_crawls_a_site_and_the_same_again_is_incremental() {
    let site = site_a().conditional();
    let connector = Connector::bare();
    let query = format!("action=fetch&fetchaction=synchronize&url={}", encode(&site.url("/")));
    let mut names = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let token = connector.submit(&query);
        assert_eq!(connector.wait_until_done(&token), Status::Finished);
        let action = connector.action(&token);
        let name = action.find("documentcount").and_then(|count| count.attr("task")).unwrap_or_default();
        assert!(name.starts_with("ADHOC_"), "{action:?}");
        names.push(name.to_owned());
        counts.push((action.count("added"), action.count("unchanged"), action.count("deleted")));
    }
    assert_eq!(counts, [(5, 0, 0), (0, 5, 0)]);
    assert_eq!(names[0], names[1]);
    assert_eq!(connector.changes(&names[0]).len(), 5);
}

#[test]
fn a_configuration_may_come_with_the_action() {
    let site = site_a();
    let connector = Connector::bare();
    let text = format!("[FetchTasks]\nNumber=1\n0=Visiting\n[Visiting]\nUrl={}\nDepth=1\n", site.url("/"));
    let config = encode(&STANDARD.encode(text));
    let token = connector.submit(&format!("action=Fetch&FetchAction=Synchronize&Config={config}"));
    assert_eq!(connector.wait_until_done(&token), Status::Finished);
    let action = connector.action(&token);
    assert_eq!(action.find("documentcount").and_then(|count| count.attr("task")), Some("VISITING"));
    assert_eq!(action.count("added"), 3);
    assert_eq!(connector.ok("action=TaskList").text("name"), "VISITING");

    let error = connector.error("action=Fetch&FetchAction=Synchronize&Config=%21%21");
    assert!(error.errordescription.to_ascii_lowercase().contains("config"), "{error:?}");
}
