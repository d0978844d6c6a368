//! What a connector tells about the requests that it has answered.

mod common;

use common::{Connector, FetchTask, Site, Xml};

fn log(connector: &Connector, more: &str) -> Vec<Xml> {
    connector.ok(&format!("action=GetRequestLog{more}")).all("logentry").into_iter().cloned().collect()
}

#[test]
fn the_latest_requests_are_listed_with_what_the_reference_tells() {
    let site = Site::new().page("/", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    let token = connector.synchronize("docs");
    connector.post("/", "application/x-www-form-urlencoded", "action=TaskList&MatchName=d*");
    connector.error("action=Wobble");
    let entries = log(&connector, "");
    let [fetch, tasks, wobble] = &entries[..] else { panic!("not three: {entries:?}") };
    assert_eq!(
        fetch.child_names(),
        ["autn:action", "autn:request", "autn:client", "autn:time", "autn:duration", "autn:status", "autn:thread"]
    );
    assert_eq!(fetch.text("autn:action"), "FETCH");
    assert_eq!(fetch.text("autn:request"), "action=Fetch&FetchAction=Synchronize&TaskSections=docs");
    assert_eq!((fetch.text("autn:client"), fetch.text("autn:status")), ("127.0.0.1", "success"));
    assert!(fetch.text("autn:duration").ends_with(" ms"), "{fetch:?}");
    let thread: usize = fetch.text("autn:thread").parse().expect("it is a number");
    assert!((1..=4).contains(&thread), "{thread}");
    assert_eq!(tasks.text("autn:request"), "action=TaskList&MatchName=d*", "a body's parameters too");
    assert_eq!((wobble.text("autn:action"), wobble.text("autn:status")), ("WOBBLE", "error"));

    connector.ok(&Connector::queue_info("GetStatus", &token));
    let latest = log(&connector, "&Tail=1");
    assert_eq!(latest.len(), 1);
    assert!(latest[0].text("autn:request").contains(&common::encode(&token)), "a token is no secret: {latest:?}");
    assert_eq!(connector.ok("a=grl&tail=1").text("autn:request"), "action=GetRequestLog&Tail=1");
}

#[test]
fn secrets_are_masked_and_nonsense_is_refused() {
    let connector = Connector::bare();
    connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=x&AuthPassword=hunter2&InputValue0=hunter2");
    connector.error("action=Fetch&FetchAction=Synchronize&TaskSections=x&Url=http://me:hunter2@h/");
    let all = connector.get("/action=GetRequestLog");
    assert!(!all.body.contains("hunter2") && all.body.contains("AuthPassword=****"), "{}", all.body);
    for (query, words) in [("Tail=few", "a whole number"), ("Format=html", "ResponseFormat"), ("Refresh=5", "browser")]
    {
        let error = connector.error(&format!("action=GetRequestLog&{query}"));
        assert!(error.errordescription.contains(words), "{error:?}");
    }
    let json = connector.get("/action=GetRequestLog&Tail=1&ResponseFormat=simplejson");
    let json: serde_json::Value = serde_json::from_str(&json.body).expect("it is JSON");
    assert_eq!(json["autnresponse"]["responsedata"]["logentry"][0]["action"], "GETREQUESTLOG");
}
