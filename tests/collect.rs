//! Documents that an action names: collected, sent again, listed; and forgetting what a task knows.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, Setup, Site, Xml, brief, encode};
use std::fs;
use std::path::{Path, PathBuf};
use webconnector::action::Status;

/// `/` links to a and b.
fn site() -> Site {
    Site::new()
        .page("/", "<title>Start</title><a href=/a.html>a</a> <a href=/b.html>b</a>")
        .page("/a.html", "<title>A</title><meta name=keywords content='red, green'><p>Text of a")
        .page("/b.html", "<title>B</title><p>Text of b")
}

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0")
}

/// The identifier of a page of the task `docs`, as an index has it.
fn identifier(url: &str) -> String {
    STANDARD.encode(format!("<id s=\"DOCS\" r=\"{}\"/>", url.replace('&', "&amp;")))
}

/// `Identifiers=…` for these pages of the site.
fn identifiers(site: &Site, targets: &[&str]) -> String {
    let list: Vec<String> = targets.iter().map(|target| identifier(&site.url(target))).collect();
    format!("Identifiers={}", encode(&list.join(",")))
}

/// Performs an action to its end; the action as `QueueInfo` tells it.
fn perform(connector: &Connector, query: &str, status: Status) -> Xml {
    let token = connector.submit(query);
    assert_eq!(connector.wait_until_done(&token), status, "{:?}", connector.action(&token));
    connector.action(&token)
}

fn collect(connector: &Connector, query: &str) -> Xml {
    perform(connector, &format!("action=Fetch&FetchAction=Collect&{query}"), Status::Finished)
}

fn refusal(connector: &Connector, query: &str) -> String {
    connector.error(&format!("action=Fetch&{query}")).errordescription
}

/// The files below a folder, each by its path from there, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The end of a file's name after its unique beginning, which is checked.
fn own_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (unique, own) = name.split_once('_').unwrap_or_else(|| panic!("{name} has no unique beginning"));
    let (seconds, random) = unique.split_at(10);
    assert!(seconds.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
    assert!(random.len() == 8 && random.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
    own.to_owned()
}

fn results(action: &Xml) -> (Vec<String>, Vec<(String, String)>) {
    let tasks = action.find("tasks").cloned().unwrap_or_default();
    let successes = tasks.all("success").into_iter().map(|each| each.text("success").to_owned()).collect();
    let failed = |each: &Xml| (each.text("failed").to_owned(), each.attr("message").unwrap_or_default().to_owned());
    (successes, tasks.all("failed").into_iter().map(failed).collect())
}

#[test]
fn documents_are_collected_as_files_with_stubs_beside_them() {
    let site = site();
    let connector = Connector::with(docs(&site));
    let pages = identifiers(&site, &["/a.html", "/b.html"]);
    let action = collect(&connector, &format!("{pages}&Destination=collected/in&CollectActions=META:Color=red"));

    assert_eq!(action.text("fetchaction"), "COLLECT");
    let counts = action.find("documentcount").expect("one task was collected from");
    let printed: Vec<_> = counts.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(printed, ["collected=2", "errors=0", "task=DOCS"]);
    let (successes, failures) = results(&action);
    assert_eq!(successes, [identifier(&site.url("/a.html")), identifier(&site.url("/b.html"))]);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(action.child_names().last(), Some(&"token"));

    let folder = connector.folder().join("collected/in");
    let found = files(&folder);
    let mut names: Vec<String> = found.iter().map(|path| own_name(path)).collect();
    names.sort();
    assert_eq!(names, ["a.html", "a.html.idx", "b.html", "b.html.idx"]);
    let a = found.iter().find(|path| own_name(path) == "a.html").expect("a was collected");
    assert!(fs::read_to_string(a).expect("it is text").contains("<p>Text of a"));
    let stub = fs::read_to_string(format!("{}.idx", a.display())).expect("it is text");
    assert!(stub.starts_with(&format!("#DREREFERENCE {}\n#DRETITLE A\n", site.url("/a.html"))), "{stub}");
    assert!(stub.contains(&format!("#DREFIELD COLLECTDESTINATIONFILENAME=\"{}\"\n", a.display())), "{stub}");
    assert!(stub.contains("#DREFIELD AUTN_COLLECTTIME=\"1") && stub.contains("#DREFIELD Color=\"red\"\n"), "{stub}");
    assert!(!stub.contains("#DRECONTENT") && stub.ends_with("#DREENDDOC\n\n"), "{stub}");
    assert!(connector.changes("docs").is_empty(), "nothing was ingested");
    assert!(connector.log("collect").contains("Starting COLLECT for task 'DOCS'"));
}

#[test]
fn a_collected_document_tells_what_led_to_it() {
    let site = site();
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    collect(&connector, &format!("{}&Destination=collected", identifiers(&site, &["/a.html"])));
    let found = files(&connector.folder().join("collected"));
    let stub = found.iter().find(|path| path.extension().is_some_and(|end| end == "idx")).expect("there is a stub");
    let stub = fs::read_to_string(stub).expect("it is text");
    let referrer = format!("#DREFIELD REFERRER=\"{}\"\n", site.url("/"));
    assert!(stub.contains(&referrer) && stub.contains("#DREFIELD DEPTH=\"1\"\n"), "{stub}");
}

#[test]
fn a_document_that_cannot_be_had_fails_alone_and_says_why() {
    let site = site().status("/b.html", 404).page("/hidden", "").file(
        "/robots.txt",
        "text/plain",
        "User-agent: *\nDisallow: /hidden\n",
    );
    let connector = Connector::with(docs(&site));
    let named = identifiers(&site, &["/b.html", "/a.html", "/hidden"]);
    let action = collect(&connector, &format!("{named}&Destination=collected&FailedDirectory=collected/failed"));
    assert_eq!((action.count("collected"), action.count("errors")), (1, 2));
    let (successes, failures) = results(&action);
    assert_eq!(successes, [identifier(&site.url("/a.html"))]);
    let failures: Vec<_> = failures.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    let (b, hidden) = (identifier(&site.url("/b.html")), identifier(&site.url("/hidden")));
    assert_eq!(failures, [(b.as_str(), "HTTP status 404"), (hidden.as_str(), "disallowed by robots.txt")]);
    assert_eq!((site.hits("/hidden"), site.hits("/robots.txt")), (0, 1));

    // What is reported asks for the same documents when it is sent again.
    let [report] = &files(&connector.folder().join("collected/failed"))[..] else { panic!("one report") };
    assert_eq!(own_name(report), "failed.xml");
    let report = fs::read_to_string(report).expect("it is text");
    assert!(report.contains("message=\"HTTP status 404\""), "{report}");
    site.set("/b.html", "<title>Better</title>");
    let action = collect(&connector, &format!("IdentifiersXML={}&Destination=collected/again", encode(&report)));
    assert_eq!(results(&action).0, [b]);
}

#[test]
fn without_a_destination_documents_are_ingested() {
    let site = site();
    let connector = Setup::new().set("Ingestion", "IngestActions", "META:DREDBNAME=News").task(docs(&site)).start();
    let a = identifier(&site.url("/a.html"));
    let xml = format!(
        "<identifiersXML><identifier value='{a}'><metadata name='Case' value='17 &amp; 18'/>\
         <xmlmetadata><PRICE CURRENCY='EUR'>5</PRICE></xmlmetadata></identifier></identifiersXML>"
    );
    let action = collect(&connector, &format!("IdentifiersXML={}&CollectActions=META:x=1%5C,2", encode(&xml)));
    assert_eq!((action.count("collected"), action.count("ingestadded")), (1, 1));
    let changes = connector.changes("docs");
    assert_eq!(brief(&changes), ["add /a.html"]);
    let fields = ["Case", "PRICE", "PRICE/_ATTR_CURRENCY", "x", "DREDBNAME"].map(|name| changes[0].field(name));
    assert_eq!(fields, [Some("17 & 18"), Some("5"), Some("EUR"), Some("1,2"), Some("News")]);
    assert_eq!(changes[0].identifier, a);
    assert!(changes[0].content.contains("Text of a"));
}

#[test]
fn a_destination_may_be_made_of_what_a_document_says_and_stays_where_it_is_admitted() {
    let site = site().page("/evil", "<title>../../../evil</title>");
    let connector = Connector::with(docs(&site));
    let destination = encode("collected/<ID:SECTION>/<DOC,:KEYWORDS>");
    collect(&connector, &format!("{}&Destination={destination}", identifiers(&site, &["/a.html"])));
    for color in ["red", "green"] {
        assert_eq!(files(&connector.folder().join("collected/DOCS").join(color)).len(), 2, "{color}");
    }
    let destination = encode("collected/<DOC:DRETITLE>");
    let action = collect(&connector, &format!("{}&Destination={destination}", identifiers(&site, &["/evil"])));
    assert_eq!(action.count("collected"), 1);
    let inside = files(&connector.folder().join("collected"));
    assert!(inside.iter().any(|path| own_name(path) == "evil"), "{inside:?}");

    std::os::unix::fs::symlink(connector.folder(), connector.folder().join("collected/out"))
        .expect("a link can be made");
    let action = collect(&connector, &format!("{}&Destination=collected/out/x", identifiers(&site, &["/a.html"])));
    assert!(results(&action).1[0].1.contains("not followed"), "{action:?}");
    assert!(!connector.folder().join("x").exists());
    let named = identifiers(&site, &["/a.html"]);
    for destination in ["/tmp", "elsewhere", "collected/../logs", "%5C%5Chost%5Cshare"] {
        let text = refusal(&connector, &format!("FetchAction=Collect&{named}&Destination={destination}"));
        assert!(text.contains("Destination"), "{destination}: {text}");
    }
}

#[test]
fn documents_are_put_into_one_archive() {
    let site = site();
    let connector = Connector::with(docs(&site));
    let pages = identifiers(&site, &["/a.html", "/nowhere", "/b.html"]);
    let query = format!("{pages}&Destination=collected&CollectActions=META:x=y,ZIP:all.zip");
    let action = collect(&connector, &query);
    assert_eq!((action.count("collected"), action.count("errors")), (2, 1));
    let path = connector.folder().join("collected/all.zip");
    assert_eq!(files(&connector.folder().join("collected")), *std::slice::from_ref(&path), "nothing else is left");
    let mut archive = zip::ZipArchive::new(fs::File::open(path).expect("it is there")).expect("it is an archive");
    let mut names: Vec<String> =
        archive.file_names().map(|name| own_name(Path::new(&*name.expect("names are UTF-8")))).collect();
    names.sort();
    assert_eq!(names, ["a.html", "a.html.idx", "b.html", "b.html.idx"]);
    let mut first = archive.by_index(0).expect("it has files");
    assert!(std::io::read_to_string(&mut first).expect("it is text").contains("Text of a"));

    let again = perform(&connector, &format!("action=Fetch&FetchAction=Collect&{query}"), Status::Error);
    assert!(again.text("error").contains("is there already"), "{again:?}");
}

#[test]
fn what_cannot_be_collected_is_refused_before_there_is_a_token() {
    let site = site();
    let connector = Setup::new().set("Connector", "EnableIngestion", "FALSE").task(docs(&site)).start();
    let named = identifiers(&site, &["/a.html"]);
    for (query, expected) in [
        ("Destination=collected", "give Identifiers="),
        ("Identifiers=nonsense", "Identifiers"),
        (&format!("{named}&Destination=collected&CollectActions=LUA:x.lua"), "Lua scripts are not supported"),
        (
            &format!("{named}&Destination=collected&CollectActions=ZIP:a.zip:secret"),
            "encrypted archives are not supported",
        ),
        (&format!("{named}&Destination=collected/%3CDOC:X%3E&CollectActions=ZIP:a.zip"), "Destination without tags"),
        (&format!("{named}&Destination=collected&FailedDirectory=/tmp"), "FailedDirectory"),
        (&format!("{named}&Destination=collected/%3CX:Y%3E"), "is not known"),
        (&format!("{named}&Destinaton=collected"), "did you mean Destination"),
        (&named, "EnableIngestion=FALSE"),
    ] {
        let text = refusal(&connector, &format!("FetchAction=Collect&{query}"));
        assert!(text.contains(expected), "{query}: {text}");
    }
    assert!(connector.queue().is_empty());
    for fetch_action in ["Insert", "Update", "Delete", "Hold", "ReleaseHold", "Stub", "SynchronizeGroups"] {
        let text = refusal(&connector, &format!("FetchAction={fetch_action}"));
        assert!(text.contains("a web site is read-only"), "{text}");
    }
    assert!(refusal(&connector, "FetchAction=View").contains("action=View"));
}

#[test]
fn only_pages_that_the_task_admits_or_knows_are_fetched() {
    let other = Site::new().page("/", "");
    let site = site();
    let connector = Connector::with(docs(&site));
    let elsewhere = encode(&identifier(&other.url("/").replace("127.0.0.1", "localhost")));
    let nobody = encode(&STANDARD.encode(format!("<id s='NOBODY' r='{}'/>", other.url("/"))));
    for named in [elsewhere, nobody] {
        let action = collect(&connector, &format!("Identifiers={named}&Destination=collected"));
        assert!(results(&action).1[0].1.contains("does not know this page"), "{action:?}");
    }
    assert!(other.requests().is_empty());
}

#[test]
fn named_pages_are_ingested_again_although_unchanged_and_nothing_else_is_touched() {
    let site = site().conditional();
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    connector.new_changes("docs");
    let before = site.requests().len();
    // The link is gone: a whole run would delete b.
    site.set("/", "<title>Start</title><a href=/a.html>a</a>");
    let named = identifiers(&site, &["/a.html"]);
    let query =
        format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&{named}&IngestActions=META:DREDBNAME=Again");
    let action = perform(&connector, &query, Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["update /a.html"]);
    let last = connector.changes("docs").pop().expect("there are changes");
    assert_eq!(last.field("DREDBNAME"), Some("Again"));
    assert_eq!((action.count("seen"), action.count("updated"), action.count("ingestupdated")), (1, 1, 1));
    assert_eq!(results(&action).0.len(), 1);
    let asked: Vec<_> = site.requests()[before..].iter().map(|request| request.target.clone()).collect();
    assert_eq!(asked, ["/robots.txt", "/a.html"]);

    // The next run goes on as if nothing had been: a is unchanged, b is gone.
    let action = connector.run("docs");
    assert_eq!((action.count("unchanged"), action.count("deleted"), action.count("updated")), (1, 1, 1));
    assert_eq!(connector.new_changes("docs"), ["delete /b.html", "update /"]);
}

#[test]
fn a_named_page_that_is_gone_fails_and_is_not_deleted() {
    let site = site();
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    connector.new_changes("docs");
    site.set_status("/a.html", 404);
    let named = identifiers(&site, &["/a.html", "/new.html"]);
    site.set("/new.html", "<title>New</title>");
    let action = perform(&connector, &format!("action=Fetch&FetchAction=Synchronize&{named}"), Status::Finished);
    assert_eq!(connector.new_changes("docs"), ["add /new.html"]);
    assert_eq!((action.count("errors"), action.count("deleted"), action.count("added")), (1, 0, 1));
    assert_eq!(results(&action).1[0].1, "HTTP status 404");
    let text = refusal(&connector, &format!("FetchAction=Synchronize&TaskSections=x&{named}"));
    assert!(text.contains("TaskSections does not"), "{text}");
}

#[test]
fn ingest_actions_put_fields_on_every_document_and_lua_is_refused() {
    let site = site();
    let task = docs(&site).set("IngestActions", "META:DREDBNAME=News,META:Note=a\\,b");
    let setup = || Setup::new().set("Ingestion", "OutputFormat", "idx");
    let connector = setup().task(task).start();
    connector.run("docs");
    let idx = fs::read_to_string(connector.folder().join("output/docs.idx")).expect("it is text");
    assert_eq!(idx.matches("\n#DREDBNAME News\n").count(), 3, "{idx}");
    assert_eq!(idx.matches("\n#DREFIELD Note=\"a,b\"\n").count(), 3, "{idx}");

    let connector = setup().task(docs(&site).set("IngestActions", "LUA:x.lua")).start();
    let text = refusal(&connector, "FetchAction=Synchronize&TaskSections=docs");
    assert!(text.contains("IngestActions") && text.contains("Lua scripts are not supported"), "{text}");
}

#[test]
fn the_identifiers_of_a_task_are_listed_while_it_runs() {
    let site = site().page("/slow", "");
    site.set("/", "<a href=/a.html>a</a> <a href=/b.html>b</a> <a href=/slow>s</a>");
    let connector = Connector::with(docs(&site));
    connector.run("docs");
    site.hold("/slow");
    let running = connector.synchronize("docs");
    site.wait_for_hits("/slow", 2);

    let list = |query: &str| {
        perform(
            &connector,
            &format!("action=Fetch&FetchAction=Identifiers&ConfigSection=docs&{query}"),
            Status::Finished,
        )
    };
    let origin = site.url("");
    let action = list("");
    assert_eq!(action.text("fetchaction"), "IDENTIFIERS");
    assert_eq!(action.count("seen"), 1);
    let [group] = action.all("identifiers")[..] else { panic!("one group: {action:?}") };
    assert_eq!(group.attr("parent_identifier"), Some("ROOT"));
    let [container] = group.all("identifier")[..] else { panic!("one site: {action:?}") };
    let shown = ["attributes", "name", "type"].map(|name| container.attr(name).unwrap_or_default());
    assert_eq!(shown, ["container", origin.as_str(), "Site"]);
    let container = container.text("identifier").to_owned();
    assert_eq!(container, identifier(&origin));

    let names = |action: &Xml| -> Vec<String> {
        let named = |each: &&Xml| each.attr("attributes") == Some("document");
        let all = action.all("identifier").into_iter().filter(named);
        all.filter_map(|each| each.attr("name").map(str::to_owned)).collect()
    };
    let below = list(&format!("ParentIdentifiers={}", encode(&container)));
    assert_eq!(names(&below), ["/", "/a.html", "/b.html", "/slow"]);
    assert_eq!(names(&list("MaxDepth=0")), ["/", "/a.html", "/b.html", "/slow"]);
    assert_eq!(names(&list("MaxDepth=0&ContainersOnly=TRUE")), [""; 0]);
    let part = list(&format!("ParentIdentifiers={}&MaxResults=2&Start=2", encode(&container)));
    assert_eq!(names(&part), ["/a.html", "/b.html"]);
    assert!(part.find("identifiers").is_some_and(|group| group.text("error").contains("Start=4")), "{part:?}");
    let bare = list("MaxDepth=2&ShowNames=FALSE&ShowTypes=FALSE&ShowAttributes=FALSE&FilterTypes=page");
    assert_eq!(bare.all("identifier").len(), 4);
    assert!(bare.all("identifier").iter().all(|each| each.attributes.is_empty()), "{bare:?}");
    let itself = list(&identifiers(&site, &["/a.html", "/nope"]));
    assert_eq!(names(&itself), ["/a.html"]);
    assert!(itself.text("error").contains("/nope"), "{itself:?}");

    site.release("/slow");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    for (query, expected) in [
        ("", "ConfigSection is required"),
        ("ConfigSection=nope", "there is no task section [nope]"),
        ("ConfigSection=docs&MaxResults=0", "MaxResults"),
        ("ConfigSection=docs&IdentifiersAction=Collect", "IdentifiersAction"),
    ] {
        let text = refusal(&connector, &format!("FetchAction=Identifiers&{query}"));
        assert!(text.contains(expected), "{query}: {text}");
    }
}

#[test]
fn results_survive_a_restart() {
    let site = site();
    let mut connector = Connector::with(docs(&site));
    let named = identifiers(&site, &["/a.html", "/nowhere"]);
    let token = connector.submit(&format!("action=Fetch&FetchAction=Collect&{named}&Destination=collected"));
    connector.wait_until_done(&token);
    connector.run("docs");
    let listed = connector.submit("action=Fetch&FetchAction=Identifiers&ConfigSection=docs&MaxDepth=0");
    connector.wait_until_done(&listed);
    let before = [token, listed].map(|token| (token.clone(), format!("{:?}", connector.action(&token))));
    connector.kill();
    connector.restart();
    for (token, printed) in before {
        assert_eq!(format!("{:?}", connector.action(&token)), printed);
    }
}

#[test]
fn after_a_purge_everything_is_sent_as_new_and_nothing_is_deleted() {
    let site = site().page("/slow", "");
    site.set("/", "<a href=/a.html>a</a> <a href=/slow>s</a>");
    let mut connector = Connector::with(docs(&site));
    connector.run("docs");
    connector.new_changes("docs");

    // While the task runs, the purge waits for it, and what comes after waits for the purge.
    site.hold("/slow");
    let running = connector.synchronize("docs");
    site.wait_for_hits("/slow", 2);
    let purge = connector.submit("action=PurgeDatastore&section=docs");
    let next = connector.synchronize("docs");
    assert_eq!(connector.status(&purge), Status::Queued);
    site.remove("/a.html");
    site.release("/slow");
    for token in [&running, &purge, &next] {
        assert_eq!(connector.wait_until_done(token), Status::Finished);
    }
    assert_eq!(connector.action(&purge).text("fetchaction"), "PURGEDATASTORE");
    assert_eq!(connector.action(&running).count("unchanged"), 3);
    assert_eq!((connector.action(&next).count("added"), connector.action(&next).count("deleted")), (2, 0));
    assert_eq!(connector.new_changes("docs"), ["add /", "add /slow"]);

    let error = connector.error("action=PurgeDatastore&Section=nope");
    assert!(error.errordescription.contains("there is no task section [nope]"), "{error:?}");
    assert_eq!(connector.error("action=PurgeDatastore").errorcode, "ERRORPARAMMISSING");
}

#[test]
fn a_stopped_collect_keeps_what_it_has() {
    let site = site().held("/b.html");
    let connector = Connector::with(docs(&site));
    let named = identifiers(&site, &["/a.html", "/b.html"]);
    let token = connector.submit(&format!("action=Fetch&FetchAction=Collect&{named}&Destination=collected"));
    site.wait_for_hit("/b.html");
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    let (successes, failures) = results(&connector.action(&token));
    assert_eq!((successes.len(), failures.len()), (1, 0));
    assert_eq!(files(&connector.folder().join("collected")).len(), 2);
}
