//! How servers are spoken to: credentials, cookies, headers, login forms, proxies, and what is refused.

mod common;

use common::{Connector, FetchTask, Setup, Site};
use webconnector::action::Status;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0").set("FollowRobotProtocol", "FALSE")
}

/// The values of a header in all requests for `target`; an empty one where it is missing.
fn sent(site: &Site, target: &str, header: &str) -> Vec<String> {
    let requests = site.requests().into_iter().filter(|request| request.target == target);
    requests.map(|request| request.header(header).unwrap_or_default().to_owned()).collect()
}

/// Everything that the connector wrote about itself, and what it answers.
fn told(connector: &Connector, token: &str) -> String {
    let mut told = format!("{:?}", connector.action(token));
    for stream in ["application", "action", "synchronize"] {
        let path = connector.folder().join("logs").join(format!("{stream}.log"));
        told.push_str(&std::fs::read_to_string(path).unwrap_or_default());
    }
    told
}

#[test]
fn a_password_is_told_to_the_start_pages_server_when_it_asks_and_to_no_other() {
    let other = Site::new().page("/", "").status("/asks", 401).header("/asks", "WWW-Authenticate", "Basic realm=evil");
    let elsewhere = other.url("/asks").replace("127.0.0.1", "localhost");
    let site = Site::new()
        .page("/", &format!("<title>In</title><a href=/a>a</a><a href='{elsewhere}'>x</a><a href=/away>y</a>"))
        .page("/a", "<title>A</title>")
        .redirect("/away", &elsewhere)
        .status("/401", 401)
        .header("/401", "WWW-Authenticate", "Basic realm=docs");
    for target in ["/", "/a"] {
        site.guard(target, "Authorization", "Basic am9lOmh1bnRlcjI=", "/401");
    }
    let task = docs(&site).set("AuthUser", "joe").set("AuthPassword", "hunter2").set("StayOnSite", "FALSE");
    let mut connector = Connector::with(task.set("SynchronizeThreads", "1").set("Depth", "1"));
    let token = connector.synchronize("docs");
    connector.wait_until_done(&token);
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    // Asked once, told from then on.
    assert_eq!(sent(&site, "/", "Authorization"), ["", "Basic am9lOmh1bnRlcjI="]);
    assert_eq!(sent(&site, "/a", "Authorization"), ["Basic am9lOmh1bnRlcjI="]);
    other.wait_for_hit("/asks");
    assert!(sent(&other, "/asks", "Authorization").iter().all(String::is_empty));
    assert!(!told(&connector, &token).contains("hunter2"));
}

#[test]
fn start_pages_of_an_action_do_not_get_the_passwords_of_the_file() {
    // Cookies do not tell ports apart: another host it must be.
    let evil = Site::new().status("/", 401).header("/", "WWW-Authenticate", "Basic realm=docs");
    let site = Site::new().page("/", "");
    let task = docs(&site).set("AuthUser", "joe").set("AuthPassword", "hunter2").set("Cookie0", "key=1");
    let connector = Connector::with(task.set("Header0", "X-Api-Key: 2").set("Header1", "Accept-Language: de"));
    let url = common::encode(&evil.url("/").replace("127.0.0.1", "localhost"));
    let token = connector.submit(&format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&Url={url}"));
    assert_eq!(connector.wait_until_done(&token), Status::Error);
    assert_eq!(sent(&evil, "/", "Authorization"), [""]);
    assert_eq!((sent(&evil, "/", "Cookie"), sent(&evil, "/", "X-Api-Key")), (vec![String::new()], vec![String::new()]));
    assert_eq!(sent(&evil, "/", "Accept-Language"), ["de"]);
}

#[test]
fn a_file_of_urls_says_whom_the_passwords_are_for_as_well() {
    let site = Site::new().page("/a", "").status("/401", 401).header("/401", "WWW-Authenticate", "Basic realm=docs");
    site.guard("/a", "Authorization", "Basic am9lOmh1bnRlcjI=", "/401");
    let list = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(list.path(), site.url("/a")).expect("it can be written");
    let task = FetchTask::named("docs").set("SitemapFile", list.path().display().to_string());
    let task = task.set("AuthUser", "joe").set("AuthPassword", "hunter2").set("FollowRobotProtocol", "FALSE");
    let mut connector = Connector::with(task);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /a"]);
}

/// Its body has no length, and the connection stays open behind it.
fn endless(site: Site, target: &str, head: &str) -> Site {
    site.raw(target, head.as_bytes(), Some(b"."), std::time::Duration::from_millis(100))
}

#[test]
fn a_redirect_or_a_challenge_is_not_waited_for_to_its_end() {
    let site = endless(Site::new().page("/a", ""), "/", "HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n");
    let challenge = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=docs\r\n\r\n";
    let site = endless(site, "/401", challenge);
    site.guard("/a", "Authorization", "Basic am9lOmh1bnRlcjI=", "/401");
    let task = docs(&site).set("AuthUser", "joe").set("AuthPassword", "hunter2").set("PageTimeout", "1hour");
    let mut connector = Connector::with(task);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /a"]);
}

#[test]
fn digest_is_answered_with_a_count_that_grows() {
    let challenge = "Digest realm=\"docs\", qop=\"auth\", algorithm=SHA-256, nonce=\"n1\", opaque=\"o\"";
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "").status("/401", 401).header(
        "/401",
        "WWW-Authenticate",
        challenge,
    );
    site.guard("/", "Authorization", "username=\"joe\"", "/401");
    let mut connector = Connector::with(docs(&site).set("AuthUser", "joe").set("AuthPassword", "x"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    let second = &sent(&site, "/a", "Authorization")[0];
    for part in
        ["Digest username=\"joe\"", "uri=\"/a\"", "nc=00000002", "algorithm=SHA-256", "opaque=\"o\"", "qop=auth"]
    {
        assert!(second.contains(part), "{part} is not in {second}");
    }
}

#[test]
fn cookies_are_kept_for_one_crawl_unless_they_are_off() {
    let site = Site::new()
        .page("/", "<title>Start</title><a href=/a>a</a>")
        .page("/a", "<title>A</title>")
        .redirect("/taste", "/")
        .header("/taste", "Set-Cookie", "tasted=yes; Path=/");
    // A server that looks whether cookies come back, by a redirect to the same page.
    site.guard("/", "Cookie", "tasted=yes", "/taste");
    let mut connector = Connector::with(docs(&site).set("Cookie0", "own=1"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    assert_eq!(sent(&site, "/", "Cookie"), ["own=1", "own=1; tasted=yes"]);
    assert_eq!(sent(&site, "/a", "Cookie"), ["own=1; tasted=yes"]);
    connector.run("docs");
    assert_eq!(sent(&site, "/", "Cookie")[2], "own=1", "the next run begins anew");

    let off = Connector::with(docs(&site).set("Cookies", "FALSE"));
    let token = off.synchronize("docs");
    off.wait_until_done(&token);
    assert_eq!(sent(&site, "/", "Cookie").last().map(String::as_str), Some(""));

    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), "127.0.0.1\tFALSE\t/\tFALSE\t0\tfiled\t2\n").expect("it can be written");
    Connector::with(docs(&site).set("CookieFile", file.path().display().to_string())).run("docs");
    assert!(sent(&site, "/", "Cookie").contains(&"filed=2".to_owned()));
}

/// `/` links to two pages, which a session opens. The form is at `/login` and goes to `/session`.
fn behind_a_form(session: &str) -> Site {
    let form = "<title>Log in</title><form action=/search><input name=q></form><form action=/session method=post>\
                <input type=hidden name=csrf value=x1><input name=user id=u><input type=password name=pw>\
                <button name=go value=1>Go</button></form>";
    let site = Site::new()
        .page("/", "<title>Start</title><a href=/one>1</a><a href=/two>2</a>")
        .page("/one", "<title>One</title>")
        .page("/two", "<title>Two</title>")
        .page("/login", form)
        .status("/to-login", 302)
        .header("/to-login", "Location", "/login")
        .status("/session", 302)
        .header("/session", "Location", "/")
        .header("/session", "Set-Cookie", &format!("session={session}; Path=/"));
    for page in ["/one", "/two"] {
        site.guard(page, "Cookie", &format!("session={session}"), "/to-login");
    }
    site
}

fn with_form(site: &Site) -> FetchTask {
    docs(site)
        .set("FormUrlRegex", ".*/login")
        .set("InputSelector0", "input#u")
        .set("InputValue0", "joe")
        .set("InputSelector1", "[type=password]")
        .set("InputValue1", "hunter 2&")
}

#[test]
fn pages_behind_a_login_form_are_had_by_filling_it_in_once() {
    let site = behind_a_form("s1");
    let mut connector = Connector::with(with_form(&site));
    let token = connector.synchronize("docs");
    assert_eq!(connector.wait_until_done(&token), Status::Finished, "{:?}", connector.action(&token));
    assert_eq!(connector.new_changes("docs"), ["add /", "add /one", "add /two"]);
    let logins: Vec<_> = site.requests().into_iter().filter(|request| request.target == "/session").collect();
    assert_eq!(logins.len(), 1, "visitors share the session");
    assert_eq!(logins[0].method, "POST");
    assert_eq!(String::from_utf8_lossy(&logins[0].body), "csrf=x1&user=joe&pw=hunter+2%26&go=1");
    assert!(!told(&connector, &token).contains("hunter"));
}

#[test]
fn a_single_page_behind_a_form_is_had_too() {
    let site = behind_a_form("s1");
    let connector = Connector::with(with_form(&site).set("Depth", "1"));
    connector.run("docs");
    let identifier = connector.changes("docs").into_iter().find(|change| change.reference.ends_with("/one"));
    let identifier = identifier.expect("the page is a document").identifier;
    let folder = connector.folder().join("collected");
    let query = format!(
        "action=Fetch&FetchAction=Collect&Identifiers={}&Destination={}",
        common::encode(&identifier),
        common::encode(&folder.display().to_string())
    );
    let token = connector.submit(&query);
    assert_eq!(connector.wait_until_done(&token), Status::Finished, "{:?}", connector.action(&token));
    assert_eq!(site.hits("/session"), 2, "each action has a session of its own");
}

#[test]
fn a_session_that_has_ended_is_begun_anew() {
    let site = behind_a_form("s1").held("/two");
    let mut connector = Connector::with(with_form(&site).set("SynchronizeThreads", "1"));
    let token = connector.synchronize("docs");
    site.wait_for_hit("/two");
    // The server forgets the session while the page is waited for; a new login gets another one.
    let site = site.header("/session", "Set-Cookie", "session=s2; Path=/");
    site.guard("/two", "Cookie", "session=s2", "/to-login");
    site.release("/two");
    assert_eq!(connector.wait_until_done(&token), Status::Finished, "{:?}", connector.action(&token));
    assert_eq!(connector.new_changes("docs"), ["add /", "add /one", "add /two"]);
    assert_eq!(site.hits("/session"), 2);
}

#[test]
fn a_login_that_is_refused_is_not_tried_for_ever_and_deletes_nothing() {
    let site = behind_a_form("s1");
    let mut connector = Connector::with(with_form(&site));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs").len(), 3);
    // The password is not right any more: the form comes back.
    let site = site.header("/session", "Location", "/login").header("/session", "Set-Cookie", "failed=1");
    for number in 0..10 {
        let page = format!("/{number}");
        site.set(&page, "");
        site.guard(&page, "Cookie", "session=s1", "/to-login");
    }
    let links = (0..10).fold(String::new(), |links, number| links + &format!("<a href=/{number}>x</a>"));
    site.set("/", &format!("<title>Start</title><a href=/one>1</a><a href=/two>2</a>{links}"));
    let action = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["update /"], "a page behind the form is not gone");
    assert_eq!(action.count("errors"), 12);
    assert_eq!(site.hits("/session"), 1 + 3);
}

#[test]
fn a_form_that_leads_elsewhere_is_not_told_the_password() {
    let thief = Site::new().page("/session", "");
    let to = thief.url("/session").replace("127.0.0.1", "localhost");
    let form = format!("<form action='{to}' method=post><input id=u><input type=password name=pw></form>");
    let site = behind_a_form("s1").page("/login", &form);
    let connector = Connector::with(with_form(&site));
    let action = connector.run("docs");
    assert_eq!(action.count("errors"), 2);
    assert!(thief.requests().is_empty());
}

#[test]
fn sites_have_addresses_of_ipv6() {
    // A machine without IPv6 has nothing to test.
    let Some(site) = Site::of_ipv6() else { return };
    let site = site.page("/", "<a href=/a>a</a>").page("/b", "").redirect("/a", "/b");
    let rules = "user-agent: *\ndisallow: /c\n";
    let site = site.file("/robots.txt", "text/plain", rules);
    site.set("/b", &format!("<a href='http://[0:0:0:0:0:0:0:1]:{}/d'>d</a><a href=/c>c</a>", port(&site)));
    let site = site.page("/d", "");
    let task = || FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0");
    let mut connector = Connector::with(task());
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("errors")), (3, 0), "{action:?}");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /b", "add /d"]);
    assert_eq!((site.hits("/robots.txt"), site.hits("/c")), (1, 0));
    assert_eq!(sent(&site, "/d", "Host"), [format!("[::1]:{}", port(&site))]);
    let refused = Connector::with(task().set("AllowPrivateAddresses", "FALSE"));
    let token = refused.synchronize("docs");
    assert_eq!(refused.wait_until_done(&token), Status::Error);
    assert_eq!(site.hits("/"), 1);
}

fn port(site: &Site) -> String {
    site.host().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default()
}

#[test]
fn host_names_are_international() {
    // Written in any form, it is one site, which a proxy is asked for by its name in ASCII.
    let ascii = "http://xn--bcher-kva.example";
    let links = "<a href='http://B\u{fc}cher.example/a'>a</a><a href='http://b%C3%BCcher.example/b'>b</a>\
                 <a href='http://xn--bcher-kva.example/a'>a</a><a href='http://bu\u{308}cher.example/c'>c</a>\
                 <a href='http://buecher.example/d'>another</a>";
    let mut proxy = Site::new().page(&format!("{ascii}/"), links);
    for page in ["a", "b", "c"] {
        proxy = proxy.page(&format!("{ascii}/{page}"), page);
    }
    let task = FetchTask::named("docs").set("Url", "http://b\u{fc}cher.example/").set("FollowRobotProtocol", "FALSE");
    let task = task.set("ProxyHost", "127.0.0.1").set("ProxyPort", port(&proxy));
    let mut connector = Connector::with(task);
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("errors")), (4, 0), "{action:?}");
    assert_eq!(sent(&proxy, &format!("{ascii}/a"), "Host"), ["xn--bcher-kva.example"]);
    let mut changes = connector.new_changes("docs");
    changes.sort();
    assert_eq!(changes, ["add /", "add /a", "add /b", "add /c"]);
}

#[test]
fn pages_are_had_through_a_proxy_that_the_file_names_and_no_action_may() {
    // A proxy is asked for whole URLs.
    let proxy = Site::new().page("http://nowhere.invalid/", "<title>Behind</title>");
    let (host, port) = (proxy.host(), proxy.host());
    let (host, port) = (host.split(':').next().unwrap_or_default(), port.rsplit(':').next().unwrap_or_default());
    let task =
        FetchTask::named("docs").set("Url", "http://nowhere.invalid/").set("ProxyHost", host).set("ProxyPort", port);
    let task = task.set("ProxyUsername", "joe").set("ProxyPassword", "hunter2").set("FollowRobotProtocol", "FALSE");
    let mut connector = Connector::with(task);
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["add /"]);
    assert_eq!(sent(&proxy, "http://nowhere.invalid/", "Proxy-Authorization"), ["Basic am9lOmh1bnRlcjI="]);
    for name in ["ProxyHost", "AllowPrivateAddresses", "SSLCACertificate", "CookieFile"] {
        let query = format!("action=Fetch&FetchAction=Synchronize&TaskSections=docs&{name}=x");
        assert!(connector.error(&query).errordescription.contains("in the configuration file only"), "{name}");
    }
}

#[test]
fn the_proxy_of_the_environment_is_used_if_the_task_says_so() {
    let direct = Site::new().page("/direct", "<title>Direct</title>");
    let page = format!("<a href=/a>a</a><a href='{}'>direct</a>", direct.url("/direct"));
    let proxy = Site::new().page("http://nowhere.invalid/", &page).page("http://nowhere.invalid/a", "");
    // A CGI request's header becomes HTTP_PROXY, which is therefore not believed.
    let evil = Site::new();
    let environment = [
        ("http_proxy", format!("http://joe:hunter2@{}", proxy.host())),
        ("HTTP_PROXY", format!("http://{}", evil.host())),
        ("NO_PROXY", "intranet.example, 127.0.0.0/8".to_owned()),
    ];
    let task = FetchTask::named("docs").set("Url", "http://nowhere.invalid/").set("FollowRobotProtocol", "FALSE");
    let task = task.set("StayOnSite", "FALSE").set("MaxRetries", "0");
    let mut connector = Setup::new().environment(environment).task(task).start();
    let token = connector.synchronize("docs");
    assert_eq!(connector.wait_until_done(&token), Status::Error);
    assert!(proxy.requests().is_empty(), "nobody has asked for it");

    let query = "action=Fetch&FetchAction=Synchronize&TaskSections=docs&UseEnvironmentProxies=TRUE";
    let token = connector.submit(query);
    assert_eq!(connector.wait_until_done(&token), Status::Finished, "{:?}", connector.action(&token));
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a", "add /direct"]);
    assert_eq!(sent(&proxy, "http://nowhere.invalid/a", "Proxy-Authorization"), ["Basic am9lOmh1bnRlcjI="]);
    assert_eq!(sent(&direct, "/direct", "Proxy-Authorization"), [""], "what NO_PROXY names is asked directly");
    assert_eq!(proxy.requests().len(), 2);
    assert!(evil.requests().is_empty());
    assert!(!told(&connector, &token).contains("hunter2"));
}

#[test]
fn an_address_that_is_not_public_is_refused_where_the_file_says_so() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(
        FetchTask::named("docs")
            .set("Url", site.url("/"))
            .set("AllowPrivateAddresses", "FALSE")
            .set("RetryDelay", "1h"),
    );
    let token = connector.synchronize("docs");
    assert_eq!(connector.wait_until_done(&token), Status::Error);
    assert!(told(&connector, &token).contains("is not public"), "{}", told(&connector, &token));
    assert!(site.requests().is_empty());
}

#[test]
fn a_parameter_that_cannot_be_used_is_refused_and_a_secret_not_repeated() {
    for (name, value, problem) in [
        ("SSLMethod", "TLSV9", "Negotiate"),
        ("SSLCACertificate", "absent.pem", "absent.pem"),
        ("SSLPrivateKey", "key.pem", "SSLCertificate"),
        ("ProxyType", "FTP", "HTTP or SOCKS5"),
        ("ProxyHost", "http://joe:hunter2@proxy", "ProxyPort"),
        ("Header0", "Host: hunter2", "Host is set by the connector"),
        ("Cookie0", "hunter2", "name=value"),
        ("CookieFile", "absent.txt", "cookies.txt"),
        ("FormUrlRegex", ".*", "InputSelector0"),
    ] {
        let task = FetchTask::named("docs").set("Url", "http://127.0.0.1:1/").set(name, value);
        let connector = Setup::new().task(task).start();
        let error = connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=docs");
        let description = &error.errordescription;
        assert!(description.contains(problem) && description.contains(name.trim_end_matches('0')), "{description}");
        assert!(!description.contains("hunter2"), "{description}");
    }
}
