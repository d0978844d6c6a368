//! What nobody but its site may know, and what a client may not choose: secrets stay out of everything that is written and
//! answered, files are for the connector's user, and paths and addresses are the administrator's.

mod common;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use common::{Connector, FetchTask, Response, Setup, Site, encode, parts};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use webconnector::action::Status;

/// Stands wherever a secret can stand.
const MARK: &str = "hunter2MARK";

/// The text as it is, and as HTTP and the configuration of an action carry it.
fn spellings() -> Vec<String> {
    let within = |before: &str| BASE64_STANDARD.encode(format!("{before}{MARK}"));
    // Base64 depends on the place by three: whatever stands around, one of these holds the middle of the mark.
    let shifted = ["", "x", "xx"].map(|before| within(before)[4..12].to_owned());
    [vec![MARK.to_owned(), within("robot:")], shifted.to_vec()].concat()
}

fn tells(text: &str) -> Option<String> {
    spellings().into_iter().find(|spelling| text.contains(spelling.as_str()))
}

/// What an answer tells of the mark, with what stands around it.
fn place((query, body): (String, String)) -> Option<(String, String)> {
    let at = body.find(tells(&body)?.as_str())?;
    let around = body.get(at.saturating_sub(120)..(at + 60).min(body.len()));
    Some((query, around.unwrap_or(&body).to_owned()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read").flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| {
            if path.is_dir() && !path.is_symlink() { [vec![path.clone()], files(&path)].concat() } else { vec![path] }
        })
        .collect()
}

/// A site that asks for a password, with a page that links to itself by a URL with one.
fn site() -> Site {
    let site = Site::new().page("/denied", "<p>no").status("/denied", 401);
    let site = site.header("/denied", "WWW-Authenticate", "Basic realm=\"r\"");
    let link = site.url("/a").replace("http://", &format!("http://robot:{MARK}@"));
    site.page("/", &format!("<a href=\"{link}\">a</a>")).page("/a", "a").guarded(
        "/",
        "Authorization",
        "Basic",
        "/denied",
    )
}

fn with_secrets(task: FetchTask) -> FetchTask {
    task.set("AuthUser", "robot")
        .set("AuthPassword", MARK)
        .set("Cookie0", format!("id={MARK}"))
        .set("Header0", format!("X-Api-Key: {MARK}"))
        .set("FormUrlRegex", ".*/login")
        .set("InputSelector0", "input#password")
        .set("InputValue0", MARK)
        .set("MaxRetries", "0")
}

#[test]
fn secrets_are_neither_logged_nor_answered_nor_written() {
    let site = site();
    let with_user = site.url("/").replace("http://", &format!("http://robot:{MARK}@"));
    let proxied = FetchTask::named("proxied").set("Url", "http://nowhere.invalid/").set("MaxRetries", "0");
    let proxied = proxied.set("ProxyHost", "127.0.0.1").set("ProxyPort", "1").set("ProxyUsername", "robot");
    let mut connector = Setup::new()
        .set("Logging", "LogLevel", "Debug")
        .set("Logging", "LogEcho", "TRUE")
        .task(with_secrets(FetchTask::named("docs").set("Url", site.url("/"))))
        .task(with_secrets(FetchTask::named("user").set("Url", with_user.clone())))
        .task(proxied.set("ProxyPassword", MARK))
        .task(FetchTask::named("misspelt").set("Url", site.url("/")).set("AuthPaswort", MARK))
        .start();
    let config = format!("[docs]\nAuthPassword={MARK}\nHeader1=Authorization: Basic {MARK}\nUrl={with_user}\n");
    let in_action = format!(
        "AuthUser=robot&AuthPassword={MARK}&Cookie1=a%3D{MARK}&Header1={}&InputValue0={MARK}",
        encode(&format!("X-Key: {MARK}"))
    );
    let fetch = "action=Fetch&FetchAction=Synchronize";
    let queries = [
        format!("{fetch}&TaskSections=docs"),
        format!("{fetch}&TaskSections=user"),
        format!("{fetch}&TaskSections=proxied"),
        format!("{fetch}&TaskSections=docs&{in_action}&ActionID={}", "me"),
        format!("{fetch}&TaskSections=docs&[docs]AuthPassword={MARK}"),
        format!("{fetch}&Url={}", encode(&with_user)),
        format!("{fetch}&TaskSections=docs&Config={}", encode(&BASE64_STANDARD.encode(&config))),
        // Refused ones, whose values are quoted in what says why.
        format!("{fetch}&TaskSections=docs&Header1={MARK}&Cookie1={MARK}"),
        format!("{fetch}&TaskSections=docs&AuthPassword={MARK}&Depth=deep"),
        format!("{fetch}&TaskSections=docs&ProxyPassword={MARK}"),
        format!("{fetch}&TaskSections=docs&AuthPassword2={MARK}"),
        // Misspelt: nobody can tell that they are no secrets.
        format!("{fetch}&TaskSections=docs&AuthPasswort={MARK}"),
        format!("{fetch}&TaskSections=docs&[docs]AuthPaswort={MARK}&Kennwort={MARK}"),
        format!("action=GetStatus&Passwd={MARK}&Zugang={MARK}"),
        format!(
            "{fetch}&TaskSections=docs&Config={}",
            encode(&BASE64_STANDARD.encode(format!("[docs]\nAuthPaswort={MARK}\n//AuthPassword={MARK}\n")))
        ),
        format!("{fetch}&TaskSections=docs&Config={}", encode(&format!("{}=!", BASE64_STANDARD.encode(&config)))),
        format!("{fetch}&Url={}", encode(&format!("gopher://robot:{MARK}@h/"))),
        format!(
            "{fetch}&TaskSections=docs&Config={}",
            encode(&BASE64_STANDARD.encode(format!("[docs]\nAuthPassword={MARK}\nno line")))
        ),
        format!("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Password={MARK}"),
        format!("action=Wobble&Password={MARK}&Url={}", encode(&with_user)),
    ];
    let answers = RefCell::new(Vec::new());
    let mut tokens = Vec::new();
    let ask = |connector: &Connector, query: &str| -> Response {
        let response = connector.get(&format!("/{query}"));
        answers.borrow_mut().push((query.to_owned(), response.body.clone()));
        response
    };
    // The queue is halted, so that parameters are still there to be asked for.
    ask(&connector, "action=QueueInfo&QueueName=Fetch&QueueAction=Pause");
    for query in &queries {
        if let Some(token) = ask(&connector, query).envelope().find("token") {
            tokens.push(token.own_text().to_owned());
        }
    }
    assert!((7..queries.len()).contains(&tokens.len()), "{answers:?}");
    let questions = ["GetStatus", "GetActionParameters", "Progress", "QueueStatus"];
    let about = questions.map(|what| format!("action=QueueInfo&QueueName=Fetch&QueueAction={what}"));
    let others =
        ["GetStatus", "TaskList", "GetRequestLog", "GRL", "GetConfig", "Diagnostic", "GetVersion", "GetLogStream"];
    let others = others.map(|action| format!("action={action}"));
    let ask_everything = |connector: &Connector| {
        for query in about.iter().chain(&others) {
            ask(connector, query);
        }
        for action in ["GetStatus", "GetStatistics", "GetConfig"] {
            let body = connector.service(&format!("action={action}")).body;
            answers.borrow_mut().push((format!("service {action}"), body));
        }
    };
    ask_everything(&connector);
    connector.ok("action=QueueInfo&QueueName=Fetch&QueueAction=Resume");
    for token in &tokens {
        assert!(connector.wait_until_done(token).is_end());
    }
    ask_everything(&connector);
    assert_eq!(connector.status(&tokens[0]), Status::Finished, "{:?}", connector.action(&tokens[0]));
    assert!(connector.terminate().success());
    let told: Vec<_> = answers.into_inner().into_iter().filter_map(place).collect();
    assert!(told.is_empty(), "{told:#?}");
    // The configuration is where secrets stand, and the queue keeps parameters: both are for its user alone.
    let kept = [connector.folder().join("webconnector.cfg"), connector.folder().join("actions")];
    for path in files(connector.folder()).iter().filter(|path| path.is_file()) {
        if !kept.iter().any(|kept| path.starts_with(kept)) {
            let bytes = fs::read(path).expect("the file can be read");
            let text = String::from_utf8_lossy(&bytes);
            let line = text.lines().find(|line| tells(line).is_some());
            assert_eq!(line, None, "{}", path.display());
        }
    }
    // The site was told what it asked for: the mark is really in use.
    let told = site.requests().iter().filter(|request| request.header("X-Api-Key") == Some(MARK)).count();
    assert!(told > 0);
}

/// The parameters of an action are kept until it has ended. What is forgotten then is not left in pages that are free, nor in the
/// log that the database writes first.
#[test]
fn of_an_action_that_has_ended_no_secret_is_left() {
    let site = site();
    let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0"));
    let fetch = "action=Fetch&FetchAction=Synchronize&TaskSections=docs&AuthUser=robot";
    // More than a page of the database holds, as well.
    let many: Vec<String> = (0..400).map(|number| format!("Cookie{number}=a{number}%3D{MARK}")).collect();
    for query in [
        format!("{fetch}&AuthPassword={MARK}&Cookie1=a%3D{MARK}"),
        format!("{fetch}&AuthPassword={MARK}&{}", many.join("&")),
        format!("{fetch}&Config={}", encode(&BASE64_STANDARD.encode(format!("[docs]\nAuthPassword={MARK}\n")))),
    ] {
        assert_eq!(connector.wait_until_done(&connector.submit(&query)), Status::Finished);
    }
    let deleted = connector.submit(&format!("{fetch}&AuthPassword={MARK}"));
    assert_eq!(connector.wait_until_done(&deleted), Status::Finished);
    connector.ok(&Connector::queue_info("Delete", &deleted));
    let archive = PathBuf::from(connector.ok("action=BackupServer").text("filename"));
    for (name, bytes) in parts(&archive).expect("the archive can be read") {
        assert_eq!(tells(&String::from_utf8_lossy(&bytes)), None, "{name} in the archive");
    }
    assert!(connector.terminate().success());
    for path in files(connector.folder()).iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path).expect("the file can be read");
        assert_eq!(tells(&String::from_utf8_lossy(&bytes)), None, "{}", path.display());
    }
    assert!(site.requests().iter().any(|request| request.header("Cookie").is_some_and(|text| text.contains(MARK))));
}

#[test]
fn files_are_for_the_connector_and_its_group() {
    let site = site();
    let connector = Connector::with(with_secrets(FetchTask::named("docs").set("Url", site.url("/"))));
    connector.run("docs");
    let mut seen = Vec::new();
    for path in files(connector.folder()) {
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        // These are the test's own.
        if ["webconnector.cfg", "stderr"].contains(&name.as_str()) {
            continue;
        }
        let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o007, 0, "{} is for everybody: {mode:o}", path.display());
        if name.contains(".db") || name == "actions" {
            assert_eq!(mode & 0o077, 0, "{} is for more than its user: {mode:o}", path.display());
        }
        seen.push(name);
    }
    for expected in ["actions", "fetch.db", "connector_DOCS_datastore.db", "logs", "application.log", "output"] {
        assert!(seen.iter().any(|name| name.eq_ignore_ascii_case(expected)), "{expected}: {seen:?}");
    }
}

/// Each would let a client read, write or reach what is not its own.
#[test]
fn paths_and_addresses_are_chosen_by_the_administrator() {
    let site = Site::new().page("/", "<p>x");
    let outside = tempfile::tempdir().expect("a folder can be made");
    let secret = outside.path().join("secret");
    fs::write(&secret, MARK).expect("it can be written");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    connector.run("docs");
    // A link in an admitted folder leads out of it.
    for folder in ["collected", "replies", "output"] {
        let folder = connector.folder().join(folder);
        fs::create_dir_all(&folder).expect("it can be made");
        symlink(outside.path(), folder.join("out")).expect("a link can be made");
        symlink(&secret, folder.join("link")).expect("a link can be made");
    }
    let fetch = "action=Fetch&FetchAction=Synchronize&TaskSections=docs";
    let target = secret.display().to_string();
    let names = [
        "SitemapFile",
        "CookieFile",
        "DatastoreFile",
        "SSLCACertificate",
        "SSLCACertificatesPath",
        "SSLCertificate",
        "SSLPrivateKey",
        "ProxyHost",
        "ProxyPort",
        "ProxyType",
        "ProxyUsername",
        "ProxyPassword",
        "NoProxy",
        "AllowPrivateAddresses",
        "OutputDirectory",
        "IngestHost",
        "IndexHost",
        "LogDirectory",
        "LogFile",
        "AllowedDestinationDirectoryCSVs",
        "AllowedOutputDirectoryCSVs",
    ];
    for name in names {
        for query in [format!("{fetch}&{name}={target}"), format!("{fetch}&[docs]{name}={target}")] {
            assert_eq!(connector.get(&format!("/{query}")).envelope().text("response"), "ERROR", "{query}");
        }
    }
    // In the configuration of an action: refused, or without effect.
    let before = connector.changes("docs").len();
    for name in names {
        for section in ["docs", "FetchTasks", "Ingestion", "Connector", "Server", "Logging"] {
            let config = BASE64_STANDARD.encode(format!("[{section}]\n{name}={target}\n"));
            let answer = connector.get(&format!("/{fetch}&Config={}", encode(&config))).envelope();
            if let Some(token) = answer.find("token") {
                assert!(connector.wait_until_done(token.own_text()).is_end());
            }
        }
    }
    let include = BASE64_STANDARD.encode(format!("< \"{target}\"\n"));
    assert_eq!(connector.error(&format!("{fetch}&Config={}", encode(&include))).errorcode, "ERRORPARAMINVALID");

    let identifier = connector.changes("docs")[0].identifier.clone();
    let collect = format!("action=Fetch&FetchAction=Collect&Identifiers={}", encode(&identifier));
    let places = [
        outside.path().display().to_string(),
        "collected/../../x".to_owned(),
        "/etc".to_owned(),
        "collected/out".to_owned(),
        "collected/out/deeper".to_owned(),
        "actions".to_owned(),
        ".".to_owned(),
        "collected/\0x".to_owned(),
    ];
    for place in &places {
        for query in [
            format!("{collect}&Destination={}", encode(place)),
            format!("{collect}&Destination=collected&FailedDirectory={}", encode(place)),
        ] {
            let answer = connector.get(&format!("/{query}")).envelope();
            if let Some(token) = answer.find("token") {
                // Where a link leads is found when a document is put there, and that document fails.
                assert!(connector.wait_until_done(token.own_text()).is_end(), "{query}");
            }
        }
    }
    let replies = connector.folder().join("replies").display().to_string();
    for file in [target.clone(), format!("{replies}/out/x"), format!("{replies}/link"), format!("{replies}/../x")] {
        let query = format!("action=GetPid&Output=File&FileName={}", encode(&file));
        assert_eq!(connector.get(&format!("/{query}")).envelope().text("response"), "ERROR", "{query}");
    }
    assert_eq!(fs::read_to_string(&secret).ok().as_deref(), Some(MARK), "the file was written");
    assert_eq!(fs::read_dir(outside.path()).expect("it is there").count(), 1, "something was written beside it");
    assert_eq!(connector.changes("docs").len(), before, "nothing of this is a change of the site");
    let read = files(connector.folder()).into_iter().filter(|path| path.is_file() && !path.is_symlink());
    for path in read.filter(|path| !path.starts_with(connector.folder().join("actions"))) {
        let text = fs::read(&path).expect("it can be read");
        assert!(!String::from_utf8_lossy(&text).contains(MARK), "the file was read: {}", path.display());
    }
}

/// Every spelling of this host, and every detour to it.
#[test]
fn an_address_that_is_not_public_is_refused_however_it_is_spelled() {
    let site = Site::new().page("/", "<p>x");
    let port = site.host().rsplit(':').next().expect("it has a port").to_owned();
    let task = FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0");
    let connector = Connector::with(task.set("AllowPrivateAddresses", "FALSE").set("FollowRobotProtocol", "FALSE"));
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "127.0.0.1.",
        "1 27.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "user@127.0.0.1",
    ];
    for host in hosts {
        let url = encode(&format!("http://{host}:{port}/"));
        // A URL that is none is refused at once.
        let query = format!("action=Fetch&FetchAction=Synchronize&Url={url}&[Default]x=y");
        let query = query.replace("&[Default]x=y", "&TaskSections=docs");
        let answer = connector.get(&format!("/{query}")).envelope();
        if let Some(token) = answer.find("token") {
            assert_eq!(connector.wait_until_done(token.own_text()), Status::Error, "{host}");
            let why = connector.action(token.own_text()).text("error").to_owned();
            assert!(why.contains("not public") || why.contains("cannot be resolved"), "{host}: {why}");
        }
    }
    assert!(site.requests().is_empty(), "{:?}", site.requests());
}
