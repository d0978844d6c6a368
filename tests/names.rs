//! Name servers that mean harm: silent ones, and such as lead to this host whatever they said before. Redirects that do the same.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Connector, FetchTask, NameServer, Setup, Site, brief, encode, poll};
use std::time::{Duration, Instant};
use webconnector::action::Status;

/// Far less than anything here would wait by itself, and far more than a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A task whose every wait is longer than the test.
fn patient(name: &str, url: &str) -> FetchTask {
    let task = FetchTask::named(name).set("Url", url).set("MaxRetries", "0");
    task.set("ConnectTimeout", "600").set("PageTimeout", "600")
}

fn wait_for_question(names: &NameServer, name: &str) {
    poll(&format!("a question for {name}"), || names.asked_for().iter().any(|asked| asked == name).then_some(()));
}

#[test]
fn whoever_waits_for_a_silent_name_server_is_stopped_at_once() {
    let silent = (0..60).map(|number| format!("s{number}.test silent"));
    let table: Vec<String> = silent.chain(["good.test 127.0.0.1".to_owned()]).collect();
    let names = NameServer::new(&table.join("\n"));
    let site = Site::new().page("/", "<p>x");
    let good = site.url("/").replace("127.0.0.1", "good.test");
    // More names than there are threads to look them up.
    let many = patient("many", "http://s0.test/").set("SynchronizeThreads", "40");
    let many = (20..60).fold(many, |task, number| task.set(&format!("Url{number}"), format!("http://s{number}.test/")));
    let mut connector = Setup::new()
        .environment(names.environment())
        // Start and shutdown do not wait for it either.
        .set("Server", "AdminClients", "localhost,s4.test")
        .set("Actions", "MaximumThreads", "4")
        .set("Actions", "OnFinish", "Hook")
        .set("Hook", "LibraryName", "HttpHandler")
        .set("Hook", "URL", "http://s5.test/")
        .task(many)
        .task(patient("proxied", "http://example.com/").set("ProxyHost", "s6.test"))
        .task(patient("sitemap", "").set("SitemapUrl", "http://s7.test/sitemap.xml"))
        .task(patient("limited", "http://s8.test/").set("ConnectTimeout", "1"))
        .task(patient("good", &good))
        .start();
    let mut stuck = vec![connector.synchronize("many")];
    // Half of the threads that the watch over s4.test leaves.
    poll("as many questions as are asked at once", || (names.asked_for().len() >= 8).then_some(()));
    stuck.extend(["proxied", "sitemap"].map(|name| connector.synchronize(name)));
    wait_for_question(&names, "s6.test");
    wait_for_question(&names, "s7.test");
    // Names that have an answer are found meanwhile, and a wait ends when its time is over.
    assert_eq!(connector.wait_until_done(&connector.synchronize("good")), Status::Finished);
    let limited = connector.synchronize("limited");
    assert_eq!(connector.wait_until_done(&limited), Status::Error);
    let why = connector.action(&limited).text("error").to_owned();
    assert!(why.contains("timed out while resolving the host name"), "{why}");
    for token in &stuck {
        assert_eq!(connector.status(token), Status::Processing);
        let asked = Instant::now();
        connector.ok(&Connector::queue_info("Stop", token));
        assert_eq!(connector.wait_until_done(token), Status::Stopped);
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
    let again = connector.synchronize("many");
    connector.wait_for_status(&again, Status::Processing);
    let asked = Instant::now();
    assert!(connector.terminate().success());
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
}

#[test]
fn a_delivery_that_waits_for_a_silent_name_server_is_stopped_at_once() {
    let names = NameServer::new("silent.test silent\n");
    let site = Site::new().page("/", "<p>x");
    let mut connector = Setup::new()
        .environment(names.environment())
        .set("Ingestion", "IngestHost", "silent.test")
        .task(patient("docs", &site.url("/")))
        .start();
    let token = connector.synchronize("docs");
    wait_for_question(&names, "silent.test");
    let asked = Instant::now();
    connector.ok(&Connector::queue_info("Stop", &token));
    assert_eq!(connector.wait_until_done(&token), Status::Stopped);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert!(connector.terminate().success());
}

fn cautious(name: &str, url: &str) -> FetchTask {
    FetchTask::named(name).set("Url", url).set("MaxRetries", "0").set("AllowPrivateAddresses", "FALSE")
}

/// What was connected to.
fn connections(names: &NameServer) -> Vec<String> {
    let noted = names.noted();
    assert!(!noted.is_empty(), "the binary takes no library by LD_PRELOAD");
    noted.iter().filter_map(|line| line.strip_prefix("connect ")).map(str::to_owned).collect()
}

/// DNS rebinding: what is judged is the address that is connected to, each of them and each time.
#[test]
fn a_name_that_leads_here_is_refused_whatever_else_it_leads_to() {
    let names = NameServer::new(
        "public.test 93.184.216.34\n\
         rebound.test 93.184.216.34\n\
         both.test 127.0.0.1,::1,10.0.0.1,93.184.216.34\n\
         fallback.test 93.184.216.99,127.0.0.1,::1,::ffff:127.0.0.1\n\
         here.test 127.0.0.1\n\
         here6.test ::1\n\
         mapped.test ::ffff:127.0.0.1\n\
         metadata.test 169.254.169.254\n",
    );
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "a");
    let port = site.host().rsplit(':').next().expect("it has a port").to_owned();
    let hosts = ["public", "rebound", "both", "fallback", "here", "here6", "mapped", "metadata"];
    let setup = hosts.iter().fold(Setup::new().environment(names.environment()), |setup, host| {
        setup.task(cautious(host, &format!("http://{host}.test:{port}/")))
    });
    let mut connector = setup.start();
    names.noted();
    for name in ["public", "rebound", "both"] {
        connector.run(name);
        assert_eq!(brief(&connector.changes(name)), ["add /", "add /a"], "{name}");
        let connected = connections(&names);
        assert!(!connected.is_empty() && connected.iter().all(|to| to == "93.184.216.34"), "{name}: {connected:?}");
    }
    let requests = site.requests().len();
    let refused = |connector: &Connector, name: &str| {
        let token = connector.synchronize(name);
        assert_eq!(connector.wait_until_done(&token), Status::Error, "{name}");
        let why = connector.action(&token).text("error").to_owned();
        assert!(why.contains("not public"), "{name}: {why}");
        let connected = connections(&names);
        assert!(connected.iter().all(|to| to == "93.184.216.99"), "{name}: {connected:?}");
    };
    for name in ["fallback", "here", "here6", "mapped", "metadata"] {
        refused(&connector, name);
    }
    // A new process asks anew, and the name has changed its mind.
    connector.kill();
    names.answer("rebound.test 127.0.0.1\n");
    connector.restart();
    refused(&connector, "rebound");
    assert_eq!(connector.changes("rebound").len(), 2, "nothing is deleted for it");
    assert_eq!(site.requests().len(), requests, "{:?}", site.requests());
}

#[test]
fn no_redirect_leads_here() {
    let names = NameServer::new(
        "public.test 93.184.216.34\nrobots.test 93.184.216.34\nhere.test 127.0.0.1\nhere6.test ::1\n\
         mapped.test ::ffff:127.0.0.1\nmetadata.test 169.254.169.254\n",
    );
    let site = Site::new().page("/", "<p>x").page("/later", "<p>x").page("/secret", "hunter2").page("/sitemap", "");
    let port = site.host().rsplit(':').next().expect("it has a port").to_owned();
    let robots = Site::new().page("/", "<p>x").redirect("/robots.txt", &site.url("/secret"));
    let robots_port = robots.host().rsplit(':').next().expect("it has a port").to_owned();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "here.test",
        "here6.test",
        "mapped.test",
        "metadata.test",
        "public.test@127.0.0.1",
    ];
    let targets: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}/secret")).collect();
    let others = [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1:22/x",
        "//127.0.0.1/secret",
        "dict://here.test/",
    ];
    let targets: Vec<String> = targets.into_iter().chain(others.map(str::to_owned)).collect();
    let at = |number: usize| format!("/redirect{number}");
    let site = (0..targets.len()).fold(site, |site, number| site.redirect(&at(number), &targets[number]));
    let secret = site.url("/secret");
    let site = site.redirect("/sitemap", &secret);
    let public = |target: &str| format!("http://public.test:{port}{target}");
    // Each is a start page of its own, so that each failure is told; other hosts are in scope.
    let wide = |task: FetchTask| task.set("StayOnSite", "FALSE");
    let docs = (0..targets.len()).fold(wide(cautious("docs", &public("/"))), |task, number| {
        task.set(&format!("Url{number}"), public(&at(number)))
    });
    let sitemap = FetchTask::named("sitemap").set("SitemapUrl", public("/sitemap")).set("MaxRetries", "0");
    let mut connector = Setup::new()
        .environment(names.environment())
        .task(docs.set("Url99", public("/later")))
        .task(wide(cautious("robots", &format!("http://robots.test:{robots_port}/"))))
        .task(sitemap.set("AllowPrivateAddresses", "FALSE"))
        .start();
    names.noted();
    for name in ["docs", "robots", "sitemap"] {
        assert!(connector.wait_until_done(&connector.synchronize(name)).is_end());
    }
    assert_eq!(brief(&connector.changes("docs")), ["add /", "add /later"]);
    let log = connector.log("synchronize");
    for number in 0..targets.len() {
        assert!(site.hits(&at(number)) > 0, "{} was not asked for", at(number));
    }
    for what in [format!("http://here.test:{port}/secret"), format!("http://[::ffff:7f00:1]:{port}/secret")] {
        let told = log.lines().any(|line| line.contains(&what) && line.contains("not public"));
        assert!(told, "{what} is not told: {log}");
    }
    // A page that somebody looks at now, and that has come to lead here since.
    let site = site.redirect("/later", &targets[0]);
    let identifier = STANDARD.encode(format!("<id s=\"DOCS\" r=\"{}\"/>", public("/later")));
    let viewed = connector.get(&format!("/action=View&Identifier={}", encode(&identifier)));
    assert!(viewed.status != 200 && viewed.body.contains("not public"), "{viewed:?}");
    let connected = connections(&names);
    assert!(connected.iter().all(|to| to == "93.184.216.34"), "{connected:?}");
    assert_eq!(site.hits("/secret"), 0);
    assert!(connector.terminate().success());
}
