use super::super::tests::{load, notices, problems};
use super::*;
use crate::client::{Check, Enabled};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn handlers_are_read_once_and_fetch_wins_over_actions() -> Outcome {
    let events = load(
        "[Actions]\nOnStart=file\nOnFinish=File\nOnError=hook\nOnQueueEvent=hook\nMaxQueueSize=10\n\
         QueueFillingThreshold=0.7\nQueueEmptyingThreshold=.35\n[Fetch]\nOnError=FILE\nOnStart=\n\
         [file]\nLibraryName=textfilehandler\nFilePath=events.txt\nRetries=0\n\
         [Hook]\nLibraryName=HttpHandler\nURL=https://hooks.example.com/a?b=c\nBasicUser=joe\nBasicPassword=pw\n\
         ProxyHost=proxy\nRetryInterval=1 minute\nSSLConfig=tls\nUseNTLMv2=false\n[TLS]\nSSLCheckCertificate=FALSE\n",
    )?
    .events;
    let on = [&events.on_start, &events.on_finish, &events.on_error, &events.on_error_report, &events.on_queue_event];
    assert_eq!(on.map(Option::as_deref), [None, Some("FILE"), Some("FILE"), None, Some("HOOK")]);
    assert_eq!((events.filling_above, events.emptying_below), (7, 4));
    let [file, hook] = &events.handlers[..] else { return Err("two handlers".into()) };
    assert!(matches!(&file.library, Library::TextFile { path } if path.ends_with("/srv/wc/events.txt")));
    assert_eq!((file.retries, file.retry_interval), (0, Duration::from_secs(5)));
    let Library::Http(http) = &hook.library else { return Err("an HttpHandler".into()) };
    assert_eq!((hook.retries, hook.retry_interval), (3, Duration::from_mins(1)));
    assert_eq!(http.credentials.as_ref().map(|credentials| credentials.user.as_str()), Some("joe"));
    assert_eq!(http.proxy.as_ref().map(|proxy| (proxy.host.as_str(), proxy.port)), Some(("proxy", 8080)));
    assert_eq!((http.tls.check, http.tls.enabled), (Check::Nothing, Enabled::Yes));
    assert!(!format!("{events:?}").contains("pw"));
    Ok(())
}

#[test]
fn what_cannot_be_used_is_a_problem_of_its_line() {
    let with = |lines: &str| format!("[Actions]\nOnFinish=Hook\n[Hook]\n{lines}");
    let http = |lines: &str| with(&format!("LibraryName=HttpHandler\nURL=http://localhost/\n{lines}"));
    let cases = [
        (
            "[Actions]\nOnFinish=Hook".to_owned(),
            "cfg:2: [Actions] OnFinish is \"Hook\"; expected is the name of a section",
        ),
        (
            "[Actions]\nOnError=Server\n[Server]".to_owned(),
            "cfg:2: [Actions] OnError is \"Server\"; expected is the name",
        ),
        (with(""), "cfg:3: [Hook] LibraryName is missing; expected is HttpHandler or TextFileHandler; scripts of Lua"),
        (
            with("LibraryName=LuaHandler\nLuaScript=x.lua"),
            "cfg:4: [Hook] LibraryName is \"LuaHandler\"; expected is Http",
        ),
        (with("LibraryName=TextFileHandler"), "cfg:3: [Hook] FilePath is missing; expected is the file"),
        (with("LibraryName=HttpHandler"), "cfg:3: [Hook] URL is missing; expected is an http or https URL"),
        (with("LibraryName=HttpHandler\nURL=ftp://x/"), "cfg:5: [Hook] URL is \"ftp://x/\"; expected is an http"),
        (with("LibraryName=HttpHandler\nURL=http://a:secret@x/"), "cfg:5: [Hook] URL is \"…\"; expected is an http"),
        (http("NTLMUser=joe"), "cfg:6: [Hook] NTLMUser is \"…\"; expected is absent: NTLM is not spoken here"),
        (
            http("UseNTLMAuthentication=TRUE"),
            "cfg:6: [Hook] UseNTLMAuthentication is \"TRUE\"; expected is FALSE: NTLM",
        ),
        (http("BasicUser=a:b"), "cfg:6: [Hook] BasicUser is \"a:b\"; expected is a name without a colon"),
        (http("SSLConfig=None"), "cfg:6: [Hook] SSLConfig is \"None\"; expected is the name of a section with SSL"),
        (
            http("SSLConfig=T\n[T]\nSSLCACertificate=no.pem"),
            "cfg:8: [T] SSLCACertificate is \"no.pem\"; expected is a file",
        ),
        (http("Retries=-1"), "cfg:6: [Hook] Retries is \"-1\"; expected is a whole number from 0 to 1000"),
        (http("RetryInterval=soon"), "cfg:6: [Hook] RetryInterval is \"soon\"; expected is a duration"),
        (
            "[Fetch]\nQueueFillingThreshold=75".to_owned(),
            "cfg:2: [Fetch] QueueFillingThreshold is \"75\"; expected is a fraction",
        ),
        (
            "[Fetch]\nQueueFillingThreshold=0.4".to_owned(),
            "cfg:2: [Fetch] QueueFillingThreshold is \"0.4\"; expected is more than",
        ),
        (
            "[Fetch]\nQueueEmptyingThreshold=0.8".to_owned(),
            "cfg:2: [Fetch] QueueEmptyingThreshold is \"0.8\"; expected is less",
        ),
    ];
    for (text, expected) in cases {
        let problems = problems(&text);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:#?}");
    }
    // One mistake of a handler that is named twice.
    assert_eq!(problems("[Actions]\nOnStart=A\nOnFinish=A\n[A]").len(), 1);
}

#[test]
fn what_has_no_effect_in_a_handlers_section_is_noted() -> Outcome {
    let text = "[Actions]\nOnFinish=Actons\n[Actons]\nLibraryName=TextFileHandler\nFilePth=x\nFilePath=a\nURL=http://x/\n\
                UseNTLMAuthentication=FALSE\n";
    assert_eq!(
        notices(text)?,
        [
            "WARN webconnector.cfg:5: [Actons] FilePth is not known and has no effect; is FilePath meant?",
            "WARN webconnector.cfg:7: [Actons] URL is not known and has no effect",
        ]
    );
    Ok(())
}
