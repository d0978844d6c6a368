use super::parameters::{PORT_TLS, ROLE};
use super::*;
use crate::roles::{Asker, Hosts, StandardRole};
use std::fs;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(super) fn load(text: &str) -> Result<Config, ConfigError> {
    let ini = Ini::parse(text, "webconnector.cfg")?;
    usable(Config::build(ini, None, PathBuf::from("/srv/wc"), Ipv4Addr::UNSPECIFIED))
}

pub(super) fn problems(text: &str) -> Vec<String> {
    load(text).map_or_else(|error| error.to_string().lines().map(str::to_owned).collect(), |_| Vec::new())
}

pub(super) fn notices(text: &str) -> Result<Vec<String>, ConfigError> {
    Ok(load(text)?.notices.iter().map(|notice| format!("{} {}", notice.level, notice.text)).collect())
}

#[test]
fn without_a_file_there_are_defaults_and_only_this_machine() {
    let config = Config::default_in(Path::new("/srv/wc"));
    let server = Server {
        host: "127.0.0.1".into(),
        port: 7006,
        threads: 4,
        request_line_bytes_max: 131_072,
        output_folders: vec![config.base.join("replies")],
        backup_folders: vec![config.base.join("backup")],
        body_bytes_max: 10 << 20,
        connections_max: 512,
        connections_per_address_max: 256,
        log_timing: false,
        door: Door::default(),
    };
    assert_eq!(config.server, server);
    assert_eq!(config.service, Service { host: "127.0.0.1".into(), port: 7007, door: Door::default() });
    let actions = Actions {
        threads: 2,
        waiting_max: 10_000,
        ended_max: 10_000,
        ended_age_max: Duration::from_hours(30 * 24),
        attempts_max: 3,
    };
    assert_eq!(config.actions, actions);
    let log::Settings { streams, stderr } = config.logging;
    assert_eq!(stderr, None);
    assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), log::TYPES);
    let action = log::Stream {
        name: "action".into(),
        types: vec!["action"],
        level: log::Level::Normal,
        echo: false,
        file: log::File {
            path: "/srv/wc/logs/action.log".into(),
            bytes_max: 10_485_760,
            expire: log::Expire::Datestamp,
            archive: "/srv/wc/logs/archive".into(),
            archived_max: 20,
        },
    };
    assert_eq!(streams[1], action);
    let files = Target::Files { format: Format::Jsonl, directory: "/srv/wc/output".into() };
    assert_eq!(
        config.ingestion,
        Ingestion {
            targets: vec![files],
            destinations: vec![config.base.join("collected")],
            group: "Connector".into()
        }
    );
    assert!(config.tasks.is_empty() && config.notices.is_empty() && config.path.is_none());
}

#[test]
fn a_file_sets_what_it_names_and_paths_count_from_its_folder() -> Outcome {
    let folder = TempDir::new()?;
    let path = folder.path().join("webconnector.cfg");
    fs::write(
        &path,
        "[Server]\nPort=0\nTHREADS=8\nMaxInputString=64000\n[Service]\nServicePort=7107\nHost=::1\n\
         [Actions]\nMaximumThreads=0\nMaxQueueSize=5\nMaxEndedActions=0\nMaxEndedActionAge=1week\n[Fetch]\nMaxQueueSize=7\n\
         [Logging]\nLogLevel=full\nLogDirectory=./log files\nLogEcho=on\nLogMaxSizeKBs=1\n\
         [Connector]\nConnectorGroup=Web\n[Ingestion]\nIngesterType=CFS,Files\nIngestHost=index.example.com\n\
         OutputFormat=IDX\nOutputDirectory=/var/out\n[FetchTasks]\n0=Docs\n[Docs]\nUrl=http://h/\n",
    )?;
    let config = Config::load(&path)?;
    let server = &config.server;
    assert_eq!((server.host.as_str(), server.port, server.threads), ("0.0.0.0", 0, 8));
    assert_eq!((server.request_line_bytes_max, server.body_bytes_max), (64_000, 10 << 20));
    assert_eq!(server.output_folders, [config.base.join("replies")]);
    assert_eq!(server.backup_folders, [config.base.join("backup")]);
    assert_eq!(config.service, Service { host: "::1".into(), port: 7107, door: Door::default() });
    assert_eq!((config.actions.threads, config.actions.waiting_max, config.actions.ended_max), (1, 7, 0));
    assert_eq!(config.actions.ended_age_max, Duration::from_hours(7 * 24));
    let stream = &config.logging.streams[0];
    assert_eq!(stream.file.path, folder.path().join("./log files/application.log"));
    assert_eq!((stream.level, stream.echo, stream.file.bytes_max), (log::Level::Full, true, 1024));
    let cfs = Target::Cfs { host: "index.example.com".into(), port: 7000 };
    let files = Target::Files { format: Format::Idx, directory: "/var/out".into() };
    assert_eq!(
        config.ingestion,
        Ingestion { targets: vec![cfs, files], destinations: vec![config.base.join("collected")], group: "Web".into() }
    );
    assert_eq!(config.tasks, ["Docs"]);
    assert_eq!(config.notices, []);
    assert_eq!(config.path, Some(path));
    Ok(())
}

#[test]
fn documents_go_to_the_framework_server_if_one_is_named() -> Outcome {
    let targets = |text: &str| load(text).map(|config| config.ingestion.targets);
    let cfs = Target::Cfs { host: "h".into(), port: 7001 };
    assert_eq!(targets("[Ingestion]\nIngestHost=h\nIngestPort=7001")?, [cfs]);
    assert_eq!(targets("[Ingestion]\nIngesterType=cfs")?, [Target::Cfs { host: "localhost".into(), port: 7000 }]);
    assert_eq!(targets("[Connector]\nEnableIngestion=FALSE\n[Ingestion]\nIngestHost=h")?, []);
    Ok(())
}

#[test]
fn every_unusable_value_is_named_with_its_line() {
    let text = "[Server]\nPort=seventy\nThreads=0\nHost=h:80\n[Actions]\nMaxEndedActionAge=long\n[Fetch]\nMaximumThreads=65\n\
                [Logging]\nLogLevel=loud\nLogEcho=perhaps\n[Ingestion]\nIngesterType=CFS,Kafka\nIngestPort=0\n\
                OutputFormat=sql\n[FetchTasks]\nNumber=x\n0=../Docs\n1=server\n";
    assert_eq!(
        problems(text),
        [
            "webconnector.cfg:4: [Server] Host is \"h:80\"; expected is an IP address or a host's name, without a port",
            "webconnector.cfg:2: [Server] Port is \"seventy\"; expected is a whole number from 0 to 65535",
            "webconnector.cfg:3: [Server] Threads is \"0\"; expected is a whole number from 1 to 256",
            "webconnector.cfg:8: [Fetch] MaximumThreads is \"65\"; expected is a whole number, 64 or less",
            "webconnector.cfg:6: [Actions] MaxEndedActionAge is \"long\"; expected is a duration such as 30, 90s, \
             5 minutes or 1week 2days",
            "webconnector.cfg:10: [Logging] LogLevel is \"loud\"; expected is Always, Critical, Error, Warning, Normal, \
             Full or Debug",
            "webconnector.cfg:11: [Logging] LogEcho is \"perhaps\"; expected is true or false",
            "webconnector.cfg:13: [Ingestion] IngesterType is \"CFS,Kafka\"; expected is one or several of CFS, Content and Files, with a comma \
             between",
            "webconnector.cfg:14: [Ingestion] IngestPort is \"0\"; expected is a whole number from 1 to 65535",
            "webconnector.cfg:15: [Ingestion] OutputFormat is \"sql\"; expected is jsonl, idx, xml or csv",
            "webconnector.cfg:17: [FetchTasks] Number is \"x\"; expected is a whole number, 0 or more",
            "webconnector.cfg:18: [FetchTasks] 0 is \"../Docs\"; expected is a name of at most 100 letters, digits and \
             other signs that a file's name can have",
            "webconnector.cfg:19: [FetchTasks] 1 is \"server\"; expected is a name that is not the one of a section of \
             the server",
        ]
    );
}

#[test]
fn tasks_are_listed_with_and_without_their_number() -> Outcome {
    let tasks = |text: &str| load(text).map(|config| config.tasks);
    assert_eq!(tasks("[FetchTasks]\n1=News\n0=Docs\n[Docs]\n[News]")?, ["Docs", "News"]);
    assert_eq!(tasks("[FetchTasks]\nNumber=2\n0=Docs\n1=News\nDepth=3\n[Docs]\n[News]")?, ["Docs", "News"]);
    assert_eq!(tasks("[FetchTasks]\nNumber=1\n1=Docs\n2=News\n[Docs]\n[News]")?, ["Docs"]);
    assert_eq!(tasks("[FetchTasks]\nDepth=3")?, [""; 0]);
    assert_eq!(
        notices("[FetchTasks]\nNumber=4\n0=Docs\n1=DOCS\n2=New\n[Docs]\n")?,
        [
            "WARN webconnector.cfg:2: Number is 4, and 3 tasks are listed",
            "WARN webconnector.cfg:4: the task DOCS is listed before; it runs once",
            "WARN webconnector.cfg:5: there is no section [New] for this task",
        ]
    );
    Ok(())
}

#[test]
fn nothing_that_has_no_effect_is_passed_over_in_silence() -> Outcome {
    let text = "[License]\nLicenseServerHost=x\n[Server]\nProt=1\nXSLTemplates=TRUE\n[Fetch]\nMaxQueSize=1\nConnectionString=H\n\
                [Logging]\n0=APP\nLogCompressionMode=bz2\n[Connector]\nEnableScheduledTasks=FALSE\n[Ingestion]\nOutputFormat=idx\n\
                IngestHost=h\nFrobnicate=1\nEnableIngestion=FALSE\n[Docs]\nAnything=1\n[Default]\nAnything=1\n[Ingestoin]\n# x\n\
                [APP]\nLogTypeCSVs=action\n";
    assert_eq!(
        notices(text)?,
        [
            "WARN webconnector.cfg:24: taken for a comment; the comments of this file start with //",
            "WARN webconnector.cfg:15: OutputFormat has no effect: Files is not in IngesterType",
            "INFO webconnector.cfg:1: [License] has no effect: no licence is needed",
            "WARN webconnector.cfg:4: [Server] Prot is not known and has no effect; is Port meant?",
            "INFO webconnector.cfg:5: [Server] XSLTemplates has no effect: replies are not transformed",
            "WARN webconnector.cfg:7: [Fetch] MaxQueSize is not known and has no effect; is MaxQueueSize meant?",
            "WARN webconnector.cfg:8: [Fetch] ConnectionString has no effect: the queue is always kept on disk, in a \
             database of its own",
            "INFO webconnector.cfg:11: [Logging] LogCompressionMode has no effect: LogExpireAction=Compress writes gzip",
            "WARN webconnector.cfg:17: [Ingestion] Frobnicate is not known and has no effect",
            "WARN webconnector.cfg:18: [Ingestion] EnableIngestion is not known and has no effect; its section is [Connector]",
            "WARN webconnector.cfg:23: [Ingestoin] is not known; is [Ingestion] meant?",
        ]
    );
    Ok(())
}

#[test]
fn every_declared_parameter_is_read() {
    // A value that none of them can have, so that reading it is a problem; texts and paths take any.
    let takes_any = [
        "LogDirectory",
        "LogFile",
        "LogTypeCSVs",
        "LogArchiveDirectory",
        "OutputDirectory",
        "ConnectorGroup",
        "0",
        "AllowedDestinationDirectoryCSVs",
        "AllowedOutputDirectoryCSVs",
        "AllowedBackupDirectoryCSVs",
        // Read with the parameters of each task, by whoever performs it.
        "IngestActions",
        // Names of actions, which the ports know, and of clients.
        "Actions",
        "ServiceActions",
        "SSLIdentities",
    ];
    for spec in PARAMETERS.iter().filter(|spec| !takes_any.contains(&spec.name)) {
        // Roles and the like are sections that others name.
        let listed = match spec.section {
            ROLE => "[AuthorizationRoles]\n0=a role\n",
            PORT_TLS => "[Server]\nSSLConfig=an SSLConfig\n",
            _ => "",
        };
        let text = format!("{listed}[{}]\n{}=?!\n", spec.section, spec.name);
        assert_eq!(problems(&text).len(), 1, "[{}] {}", spec.section, spec.name);
    }
}

#[test]
fn declared_defaults_are_the_defaults() -> Outcome {
    // Setting a plain default changes nothing.
    let is_plain = |default: &str| !default.contains(' ') || default == "30 days";
    let specs = PARAMETERS
        .iter()
        .filter(|spec| is_plain(spec.default) && !["FetchTasks", ROLE, PORT_TLS].contains(&spec.section));
    // Setting IngestHost would choose CFS, and IngestPort would be without effect.
    let specs = specs.filter(|spec| !spec.name.starts_with("Ingest") && spec.default != "none");
    let text: Vec<String> = specs.map(|spec| format!("[{}]\n{}={}\n", spec.section, spec.name, spec.default)).collect();
    let text = text.concat();
    let (given, default) = (load(&text)?, load("")?);
    assert_eq!((given.server, given.service, given.actions), (default.server, default.service, default.actions));
    assert_eq!((given.logging, given.ingestion), (default.logging, default.ingestion));
    assert_eq!(format!("{:?}", given.events), format!("{:?}", default.events));
    for ip in ["127.0.0.1", "192.0.2.1"] {
        let asker = Asker { ip: ip.parse()?, names: &[], hosts: &Hosts::new() };
        for standard in StandardRole::ALL {
            assert_eq!(given.roles.has(asker, standard), default.roles.has(asker, standard), "{standard} of {ip}");
        }
    }
    Ok(())
}

#[test]
fn a_stream_is_a_section_that_overrides_logging() -> Outcome {
    let folder = TempDir::new()?;
    let path = folder.path().join("webconnector.cfg");
    let load = |text: &str| {
        fs::write(&path, text)?;
        Ok::<_, Box<dyn std::error::Error>>(Config::load(&path).map_err(|error| error.to_string()))
    };
    let config = load(
        "[Logging]\nLogLevel=Full\nLogMaxSizeKBs=7\nLogExpireAction=compress\nLogArchiveDirectory=old\n0=AppLog\n1=Work\n\
         [AppLog]\nLogFile=app.txt\nLogTypeCSVs=application,import\n\
         [Work]\nLogTypeCSVs=ACTION,synchronize\nLogLevel=Error\nLogMaxArchives=3\nLogLevl=Full\n",
    )??;
    let [app, work] = &config.logging.streams[..] else { panic!("not two: {:?}", config.logging) };
    assert_eq!((app.types.as_slice(), app.level), (&["application"][..], log::Level::Full));
    assert_eq!(app.file.path, folder.path().join("logs/app.txt"));
    assert_eq!((work.types.as_slice(), work.level), (&["action", "synchronize"][..], log::Level::Error));
    assert_eq!(work.file.path, folder.path().join("logs/work.log"));
    assert_eq!((work.file.expire, work.file.archived_max), (log::Expire::Compress, 3));
    assert_eq!((work.file.bytes_max, &work.file.archive), (7 << 10, &folder.path().join("old")));
    let notices: Vec<&str> = config.notices.iter().map(|notice| notice.text.as_str()).collect();
    let [unknown_type, mistyped] = notices[..] else { panic!("not two: {notices:?}") };
    assert!(unknown_type.contains(":10: no log line is of the type import"), "{unknown_type}");
    assert!(mistyped.contains(":15: [Work] LogLevl is not known and has no effect; is LogLevel meant?"), "{mistyped}");

    let bad = load("[Logging]\n0=Gone\n1=A\n2=B\n[A]\nLogFile=a.log\nLogTypeCSVs=action\n[B]\nLogFile=a.log\n")?;
    let problems = bad.err().unwrap_or_default();
    for words in [
        ":2: [Logging] 0 is \"Gone\"; expected is the name of a section",
        ":9: [B] LogFile is",
        ":8: [B] LogTypeCSVs is missing",
    ] {
        assert!(problems.contains(words), "{words} in {problems}");
    }
    Ok(())
}

#[test]
fn clients_write_in_the_folders_that_are_listed_and_in_no_folder_of_the_server() -> Outcome {
    let folders = |value: &str| {
        load(&format!("[Server]\nAllowedOutputDirectoryCSVs={value}\n")).map(|config| config.server.output_folders)
    };
    assert_eq!(folders("/var/r, sub")?, [PathBuf::from("/var/r"), "/srv/wc/sub".into()]);
    assert!(folders("")?.is_empty());
    let working = std::env::current_dir()?;
    for own in ["/srv/wc", ".", "/r,actions", &working.to_string_lossy()] {
        assert!(folders(own).is_err_and(|error| error.to_string().contains("other than the working folder")), "{own}");
    }
    let mixed = notices("[Server]\nAllowedOutputDirectoryCSVs=output\n")?;
    assert!(mixed.len() == 1 && mixed[0].contains("lists the folder of the documents"), "{mixed:?}");
    Ok(())
}
