//! Who may ask for what: every request comes from an address of its own in 127.0.0.0/8.

mod common;

use common::{AciError, Connector, Response, Setup, poll, run};
use std::fs;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use tempfile::TempDir;

/// A connector whose sections `[AuthorizationRoles]`, `[R0]`, `[R1]`, … grant these roles.
fn with_roles(roles: &[&[(&str, &str)]]) -> Setup {
    let mut setup = Setup::new().set("Service", "Host", "127.0.0.1");
    for (number, settings) in roles.iter().enumerate() {
        setup = setup.set("AuthorizationRoles", &number.to_string(), format!("R{number}"));
        for (name, value) in *settings {
            setup = setup.set(&format!("R{number}"), name, *value);
        }
    }
    setup
}

fn ask(last: u8, port: SocketAddr, query: &str) -> Response {
    let request = format!("GET /{query} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\n\r\n");
    let source = IpAddr::from([127, 0, 0, last]);
    Response::from_address(source, port, request.as_bytes()).expect("the connector answers a GET")
}

/// Whether the action was performed, or failed for another reason than who asked.
fn may(last: u8, port: SocketAddr, query: &str) -> bool {
    let envelope = ask(last, port, query).envelope();
    envelope.find("error").is_none() || AciError::of(&envelope).errorcode != "ERRORPERMISSION"
}

const PURGE: &str = "action=PurgeDatastore&Section=nothing";
const QUEUE: &str = "action=QueueInfo&QueueName=Fetch&QueueAction=QueueStatus";

#[test]
fn roles_grant_standard_roles_and_single_actions() {
    let connector = with_roles(&[
        &[("StandardRoles", "Admin"), ("Clients", "127.0.0.2")],
        &[("StandardRoles", "Query,ServiceStatus"), ("Clients", "127.0.0.1, 127.0.0.3")],
        &[("Actions", "getpid,QueueInfo"), ("Clients", "127.0.0.8/29")],
    ])
    .start();
    let aci = connector.aci();
    for (last, purge, version, queue) in [
        (1, false, true, true),
        // The standard roles do not overlap.
        (2, true, false, false),
        (3, false, true, true),
        (9, false, false, true),
        (16, false, false, false),
    ] {
        let allowed = [PURGE, "action=GetVersion", QUEUE].map(|query| may(last, aci, query));
        assert_eq!(allowed, [purge, version, queue], "127.0.0.{last}");
    }
    assert!(may(9, aci, "a=GETPID"));
    assert!(may(3, connector.service_address(), "action=GetStatus"));
    assert!(!may(2, connector.service_address(), "action=GetStatus"));
}

#[test]
fn a_refusal_names_the_role_and_who_asked_in_the_answer_and_in_the_log() {
    let connector = with_roles(&[&[("StandardRoles", "*"), ("Clients", "127.0.0.2")]]).start();
    // Before any of its parameters is looked at.
    let error = connector.error("action=Fetch");
    assert_eq!(error.errorcode, "ERRORPERMISSION");
    assert!(error.errordescription.contains("Fetch needs the role Query, which 127.0.0.1 does not have"), "{error:?}");
    let lines = poll("the line of the log", || Some(connector.log("application")).filter(|log| log.contains("needs")));
    let line = lines.lines().find(|line| line.contains("needs")).unwrap_or_default();
    assert!(line.contains("Warning") && line.contains("Fetch was refused: it needs the role Query"), "{line}");
    assert_eq!(lines.matches("was refused").count(), 1, "{lines}");
}

#[test]
fn stop_is_for_those_who_hold_service_control() {
    let mut connector = with_roles(&[&[("StandardRoles", "ServiceControl"), ("Clients", "127.0.0.2")]]).start();
    let service = connector.service_address();
    assert!(!may(1, service, "action=Stop"));
    assert!(may(1, service, "action=GetStatus"), "it runs on");
    assert!(may(2, service, "action=Stop"));
    assert!(connector.wait_for_exit().success());
}

#[test]
fn the_lists_of_old_still_grant_and_an_empty_one_takes_away() {
    let connector = with_roles(&[&[("StandardRoles", "Admin"), ("Clients", "127.0.0.2")]])
        .set("Server", "AdminClients", "127.0.0.3,127.0.1.*")
        .set("Server", "QueryClients", "")
        .set("Service", "ServiceStatusClients", "127.0.0.4")
        .start();
    let (aci, service) = (connector.aci(), connector.service_address());
    let admins = [1, 2, 3, 4].map(|last| may(last, aci, PURGE));
    assert_eq!(admins, [false, true, true, false]);
    assert!(![1, 2, 3].iter().any(|last| may(*last, aci, "action=GetVersion")));
    assert_eq!([1, 4].map(|last| may(last, service, "action=GetStatus")), [false, true]);
    // The reference's default, which nothing here replaces.
    assert!(may(1, service, "action=Stop"));
}

#[test]
fn a_host_is_known_by_its_addresses_and_a_dead_name_keeps_nobody_waiting() {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let own = (name.as_str(), 0).to_socket_addrs().ok().and_then(|mut found| found.find(SocketAddr::is_ipv4));
    let connector = with_roles(&[&[
        ("StandardRoles", "Query"),
        ("Clients", &format!("nobody.invalid,127.0.0.2,{}", if own.is_some() { &name } else { "127.0.0.3" })),
    ]])
    .set("Server", "Host", "0.0.0.0")
    .start();
    let port = connector.aci().port();
    assert!(may(2, SocketAddr::from(([127, 0, 0, 1], port)), "action=GetPid"));
    assert!(!may(9, SocketAddr::from(([127, 0, 0, 1], port)), "action=GetPid"));
    let Some(own) = own else { return };
    let request = b"GET /action=GetPid HTTP/1.1\r\nConnection: close\r\n\r\n";
    poll("the host's name to be resolved", || {
        let answer = Response::from_address(own.ip(), SocketAddr::new(own.ip(), port), request).ok()?;
        answer.body.contains("SUCCESS").then_some(())
    });
}

#[test]
fn what_cannot_be_granted_is_named_with_its_line() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    for (text, line, words) in [
        ("[AuthorizationRoles]\n0=Gone\n", 2, "expected is the name of a section"),
        ("[AuthorizationRoles]\n0=R\n[R]\nStandardRoles=Admin,Root\nClients=*\n", 4, "Admin, Query, ServiceControl"),
        (
            "[AuthorizationRoles]\n0=R\n[R]\nStandardRoles=*\nClients=*.example.com\n",
            5,
            "\"*.example.com\" is none of these",
        ),
        ("[AuthorizationRoles]\n0=R\n[R]\nStandardRoles=*\nGSSPrincipals=a@B\n", 5, "Kerberos is not spoken"),
        ("[AuthorizationRoles]\n0=R\n[R]\nStandardRoles=*\nSSLIdentities=uri:x\n", 5, "\"uri:x\" is none of these"),
        ("[Server]\nAdminClients=10.0.0.0/40\n", 2, "10.0.0.0/8"),
        ("[Service]\nAccess-Control-Allow-Origin=admin.example.com\n", 2, "https://admin.example.com:8443"),
        ("[Server]\nSSLConfig=Gone\n", 2, "the name of a section"),
        ("[Server]\nSSLConfig=S\n[S]\nSSLMethod=Negotiate\n", 3, "SSLCertificate is missing"),
        ("[Server]\nSSLConfig=S\n[S]\nSSLCertificate=absent.pem\n", 4, "absent.pem"),
    ] {
        fs::write(folder.path().join("broken.cfg"), text)?;
        let output = run(folder.path(), &["--config", "broken.cfg"]);
        assert_eq!(output.status.code(), Some(3), "{text}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains(&format!("broken.cfg:{line}: ")) && errors.contains(words), "{words}: {errors}");
    }
    let odd = "[AuthorizationRoles]\n0=R\n1=Nobody\n[R]\nActions=QueueInfos\nStandardRoles=Index\nIndexActions=DREADD\n\
               SSLIdentities=a\nClient=b\n[Nobody]\nStandardRoles=Admin\n";
    fs::write(folder.path().join("odd.cfg"), odd)?;
    let told = String::from_utf8_lossy(&run(folder.path(), &["check-config", "odd.cfg"]).stdout).into_owned();
    for words in [
        "odd.cfg:6: Index in StandardRoles has no effect",
        "odd.cfg:7: [R] IndexActions has no effect",
        "odd.cfg:8: [R] SSLIdentities has no effect: no port asks for certificates",
        "odd.cfg:9: [R] Client is not known and has no effect; is Clients meant?",
        "odd.cfg:10: nobody has the role Nobody",
        "warning: [R] Actions: the ACI port has no action QueueInfos; is QueueInfo meant?",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    Ok(())
}

#[test]
fn show_permissions_tells_who_may_and_to_an_administrator_why() {
    let connector = with_roles(&[
        &[("StandardRoles", "Admin"), ("Clients", "localhost")],
        &[("StandardRoles", "Query"), ("Clients", "10.0.0.0/8,127.0.0.1"), ("SSLIdentities", "robot")],
    ])
    .set("Service", "Access-Control-Allow-Origin", "https://admin.example.com")
    .start();
    let of = |xml: &common::Xml, name: &str| {
        let requested = xml.find("autn:requested").expect("what was asked for").clone();
        requested.text(name).to_owned()
    };
    let own = connector.ok("action=ShowPermissions");
    assert_eq!(
        [of(&own, "autn:ip"), of(&own, "autn:ipvalid"), of(&own, "autn:adminclient")],
        ["127.0.0.1", "true", "true"]
    );
    let rules = own.find("autn:rules").expect("an administrator sees the rules");
    assert_eq!(
        rules.child_names(),
        [
            "autn:queryclient",
            "autn:adminclient",
            "autn:servicestatusclient",
            "autn:servicecontrolclient",
            "autn:allowedproxy",
            "autn:indexclient",
            "autn:allowedindexproxy"
        ]
    );
    let query = rules.find("autn:queryclient").expect("it is told");
    let origins: Vec<&str> = query.all("autn:origin").into_iter().map(common::Xml::own_text).collect();
    assert_eq!((query.text("autn:enabled"), origins), ("true", vec!["10.0.0.0/8", "127.0.0.1"]));

    let other = connector.ok("action=ShowPermissions&IP=10.1.2.3");
    assert_eq!([of(&other, "autn:queryclient"), of(&other, "autn:adminclient")], ["true", "false"]);
    let none = connector.ok("action=ShowPermissions&IP=10.1.2");
    assert_eq!([of(&none, "autn:ipvalid"), of(&none, "autn:queryclient")], ["false", "false"]);
    assert!(!may(2, connector.aci(), "action=ShowPermissions"));

    let service = connector.service("action=ShowPermissions&IP=192.0.2.1").envelope();
    let cors = service.find("autn:cors").expect("the origins are told");
    assert_eq!([cors.text("autn:enabled"), cors.text("autn:origin")], ["true", "https://admin.example.com"]);
    assert_eq!(
        [of(&service, "autn:servicestatusclient"), of(&service, "autn:servicecontrolclient")],
        ["true", "false"]
    );
    let strange = ask(2, connector.service_address(), "action=ShowPermissions").envelope();
    assert!(strange.find("autn:rules").is_some(), "every loopback address is this host");
}

#[test]
fn pages_of_listed_origins_may_read_answers_and_others_may_not() {
    let connector = Setup::new()
        .set("Server", "Access-Control-Allow-Origin", "https://admin.example.com http://10.0.0.1:7006/")
        .set("Service", "Access-Control-Allow-Origin", "*")
        .start();
    let send = |port: SocketAddr, method: &str, headers: &str| {
        let request = format!("{method} /action=GetStatus HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
        Response::to(port, request.as_bytes()).expect("the connector answers")
    };
    let (aci, service) = (connector.aci(), connector.service_address());
    let allowed = |response: &Response| response.header("Access-Control-Allow-Origin").map(str::to_owned);

    let plain = send(aci, "GET", "");
    assert_eq!((allowed(&plain), plain.header("Vary")), (None, Some("Origin")));
    for origin in ["https://admin.example.com", "http://10.0.0.1:7006"] {
        let response = send(aci, "GET", &format!("Origin: {origin}\r\n"));
        assert_eq!((allowed(&response).as_deref(), response.header("Vary")), (Some(origin), Some("Origin")));
        assert_eq!(response.status, 200);
    }
    for origin in
        ["https://evil.example", "https://admin.example.com.evil.example", "null", "https://admin.example.com:8443"]
    {
        let response = send(aci, "GET", &format!("Origin: {origin}\r\n"));
        assert_eq!((allowed(&response), response.status), (None, 200), "{origin}");
    }
    assert_eq!(allowed(&send(service, "GET", "Origin: https://any.example\r\n")).as_deref(), Some("*"));

    let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-mark\r\n";
    let preflight = send(aci, "OPTIONS", &format!("Origin: https://admin.example.com\r\n{asks}"));
    assert_eq!((preflight.status, allowed(&preflight).as_deref()), (204, Some("https://admin.example.com")));
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), Some("GET, HEAD, POST"));
    assert_eq!(preflight.header("Access-Control-Allow-Headers"), Some("content-type,x-mark"));
    for headers in ["", "Origin: https://admin.example.com\r\n", &format!("Origin: https://evil.example\r\n{asks}")] {
        let refused = send(aci, "OPTIONS", headers);
        assert_eq!((refused.status, allowed(&refused)), (405, None), "{headers}");
    }
    let closed = Connector::bare();
    assert_eq!(send(closed.aci(), "OPTIONS", &format!("Origin: https://a.example\r\n{asks}")).status, 405);
    assert_eq!(send(closed.aci(), "GET", "Origin: https://a.example\r\n").header("Vary"), None);
}
