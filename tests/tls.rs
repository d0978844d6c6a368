//! HTTPS on the ports: who shows what to whom, and what a stranger can do before it is agreed.

mod common;

use common::{Connector, DEADLINE, Response, Setup, poll};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// An authority, what it has issued, and the folder with the files.
struct Authority {
    folder: TempDir,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM form.
#[derive(Clone)]
struct Issued {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Result<Authority, Box<dyn std::error::Error>> {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate()?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "The authority");
        let own = params.self_signed(&key)?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join("authority.pem"), own.pem())?;
        Ok(Authority { folder, certificate: own.der().clone(), issuer: Issuer::new(params, key) })
    }

    fn issue(&self, alternative: Vec<SanType>, common: &str) -> Result<Issued, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = alternative;
        params.distinguished_name.push(DnType::CommonName, common);
        Ok(Issued { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }

    /// The files of the connector's own certificate, and of the authority.
    fn files(&self) -> Result<[PathBuf; 3], Box<dyn std::error::Error>> {
        let issued = self.issue(vec![dns("localhost")?], "localhost")?;
        let files = ["server.pem", "server.key", "authority.pem"].map(|name| self.folder.path().join(name));
        fs::write(&files[0], issued.certificate)?;
        fs::write(&files[1], issued.key)?;
        Ok(files)
    }

    /// A setup whose ports both speak TLS.
    fn setup(&self) -> Result<Setup, Box<dyn std::error::Error>> {
        let [certificate, key, _] = self.files()?.map(|path| path.display().to_string());
        Ok(Setup::new()
            .set("Server", "SSLConfig", "SSLOption0")
            .set("Service", "SSLConfig", "SSLOption0")
            .set("SSLOption0", "SSLMethod", "Negotiate")
            .set("SSLOption0", "SSLCertificate", certificate)
            .set("SSLOption0", "SSLPrivateKey", key))
    }

    fn client(&self, shown: Option<&Issued>) -> Result<Arc<ClientConfig>, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots);
        Ok(Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key }) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
                PrivateKeyDer::from_pem_slice(key.as_bytes())?,
            )?,
        }))
    }
}

fn dns(name: &str) -> Result<SanType, Box<dyn std::error::Error>> {
    Ok(SanType::DnsName(name.try_into()?))
}

fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(DEADLINE))?;
    tcp.set_write_timeout(Some(DEADLINE))?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let tls = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(tls, tcp))
}

fn ask(address: SocketAddr, client: &Arc<ClientConfig>, query: &str) -> io::Result<Response> {
    let request = format!("GET /{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Response::over(connect(address, client)?, request.as_bytes())
}

/// What comes until the connector ends the connection.
fn rest(mut connection: &TcpStream) -> io::Result<String> {
    connection.set_read_timeout(Some(DEADLINE))?;
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest)?;
    Ok(String::from_utf8_lossy(&rest).into_owned())
}

/// A client hello as rustls sends it.
fn hello(client: &Arc<ClientConfig>) -> io::Result<Vec<u8>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn both_ports_speak_https_and_a_connection_carries_many_requests() -> Tested {
    let authority = Authority::new()?;
    let mut connector = authority.setup()?.start();
    let client = authority.client(None)?;
    let pid = connector.pid().to_string();
    let mut kept = connect(connector.aci(), &client)?;
    for _ in 0..3 {
        kept.write_all(b"GET /action=GetPid HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        let mut byte = [0];
        while !answer.contains("</autnresponse>") {
            kept.read_exact(&mut byte)?;
            answer.push(char::from(byte[0]));
        }
        assert!(answer.contains(&pid), "{answer}");
    }
    // More than a record and more than the buffers hold, both ways.
    let long = "x".repeat(100_000);
    let error = ask(connector.aci(), &client, &format!("action={long}"))?;
    assert!(error.envelope().text("errordescription").contains("was not recognised"));
    let body = format!("action=GetPid&ActionID={}", "x".repeat(3_000_000));
    let post =
        format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = Response::over(connect(connector.aci(), &client)?, post.as_bytes())?;
    assert_eq!(answer.envelope().text("autn:pid"), pid);

    assert_eq!(ask(connector.service_address(), &client, "action=GetStatus")?.envelope().text("RESPONSE"), "Running");
    ask(connector.service_address(), &client, "action=Stop")?;
    assert!(connector.wait_for_exit().success());
    Ok(())
}

#[test]
fn http_in_the_clear_is_told_where_to_go() -> Tested {
    let authority = Authority::new()?;
    let connector = authority.setup()?.start();
    for port in [connector.aci(), connector.service_address()] {
        let answer = Response::to(port, b"GET /action=GetPid HTTP/1.1\r\nHost: h\r\n\r\n")?;
        assert_eq!((answer.status, answer.header("Content-Type")), (400, Some("text/plain; charset=utf-8")));
        assert!(answer.body.contains("https://"), "{}", answer.body);
    }
    // And the other way round.
    let plain = Connector::bare();
    let client = authority.client(None)?;
    assert!(ask(plain.aci(), &client, "action=GetPid").is_err());
    assert_eq!(plain.ok("action=GetPid").text("autn:pid"), plain.pid().to_string());
    Ok(())
}

#[test]
fn a_restart_puts_a_new_certificate_to_use_and_a_broken_one_stops_nothing() -> Tested {
    let authority = Authority::new()?;
    let connector = authority.setup()?.start();
    let old = authority.client(None)?;
    let [certificate, key, _] = authority.files()?;
    fs::write(&key, "-----BEGIN nothing")?;
    let refused = ask(connector.service_address(), &old, "action=Restart")?.envelope();
    let why = refused.text("errordescription");
    assert!(why.contains("SSLPrivateKey") && why.contains("nothing was stopped"), "{why}");
    assert_eq!(ask(connector.aci(), &old, "action=GetPid")?.status, 200);

    let next = Authority::new()?;
    let issued = next.issue(vec![dns("localhost")?], "localhost")?;
    fs::write(&certificate, issued.certificate)?;
    fs::write(&key, issued.key)?;
    let answer = ask(connector.service_address(), &old, "action=Restart")?.envelope();
    assert_eq!(answer.text("response"), "SUCCESS", "{answer:?}");
    let new = next.client(None)?;
    let pid = poll("the new certificate", || ask(connector.aci(), &new, "action=GetPid").ok());
    assert_eq!(pid.envelope().text("autn:pid"), connector.pid().to_string());
    assert!(ask(connector.aci(), &old, "action=GetPid").is_err());
    Ok(())
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_served() -> Tested {
    let authority = Authority::new()?;
    let [_, _, path] = authority.files()?;
    let connector = authority
        .setup()?
        .set("SSLOption0", "SSLCheckCertificate", "TRUE")
        .set("SSLOption0", "SSLCACertificate", path.display().to_string())
        .start();
    let robot = authority.issue(vec![dns("robot.example.com")?], "robot")?;
    let stranger = Authority::new()?.issue(vec![dns("robot.example.com")?], "robot")?;
    assert_eq!(ask(connector.aci(), &authority.client(Some(&robot))?, "action=GetPid")?.status, 200);
    assert!(ask(connector.aci(), &authority.client(None)?, "action=GetPid").is_err());
    assert!(ask(connector.aci(), &authority.client(Some(&stranger))?, "action=GetPid").is_err());
    let log = poll("both refusals in the log", || {
        Some(connector.log("application")).filter(|log| log.matches("no TLS with 127.0.0.1").count() >= 2)
    });
    assert!(log.contains("invalid peer certificate") && log.contains("no certificates"), "{log}");
    Ok(())
}

#[test]
fn roles_are_granted_to_names_in_certificates() -> Tested {
    let authority = Authority::new()?;
    let [_, _, path] = authority.files()?;
    let connector = authority
        .setup()?
        .set("SSLOption0", "SSLCheckCertificate", "TRUE")
        .set("SSLOption0", "SSLCACertificate", path.display().to_string())
        .set("AuthorizationRoles", "0", "Admins")
        .set("Admins", "StandardRoles", "Admin,Query")
        .set("Admins", "SSLIdentities", "admin.example.com,*.ops.example.com,email:root@example.com,Old admin")
        .start();
    let email = |text: &str| text.try_into().map(SanType::Rfc822Name);
    for (alternative, common, may) in [
        (vec![dns("admin.example.com")?], "", true),
        (vec![dns("other.example.com")?, dns("a.ops.example.com")?], "", true),
        (vec![email("root@example.com")?], "", true),
        (Vec::new(), "old admin", true),
        (vec![dns("other.example.com")?], "admin.example.com", false),
        (vec![email("admin.example.com@x")?], "", false),
        (vec![dns("*.example.com")?], "", false),
        (Vec::new(), "user", false),
    ] {
        let shown = authority.issue(alternative, common)?;
        let answer = ask(connector.aci(), &authority.client(Some(&shown))?, "action=ShowPermissions")?.envelope();
        let response = answer.text("response").to_owned();
        assert_eq!(response, if may { "SUCCESS" } else { "ERROR" }, "{common}: {answer:?}");
        if may {
            assert_eq!(answer.find("autn:requested").map(|told| told.text("autn:adminclient")), Some("true"));
        } else {
            assert!(answer.text("errordescription").contains("127.0.0.1 with a certificate of"), "{answer:?}");
        }
    }
    Ok(())
}

#[test]
fn what_stalls_before_it_speaks_tls_keeps_nobody_out_and_ends_with_the_server() -> Tested {
    let authority = Authority::new()?;
    let mut connector = authority.setup()?.start();
    let client = authority.client(None)?;
    let hello = hello(&client)?;
    // More than there are places: silent, in the middle of the hello, in the middle of the handshake, and agreed.
    let mut stalled = Vec::new();
    for number in 0..600 {
        let Ok(mut connection) = TcpStream::connect(connector.aci()) else { break };
        let sent = [0, 1, hello.len() / 2, hello.len()][number % 4];
        let _ = connection.write_all(&hello[..sent]);
        stalled.push(connection);
    }
    for _ in 0..3 {
        assert_eq!(ask(connector.aci(), &client, "action=GetPid")?.status, 200);
    }
    let asked = Instant::now();
    assert!(connector.terminate().success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    Ok(())
}

#[test]
fn what_is_no_handshake_is_ended_and_harms_nobody() -> Tested {
    let authority = Authority::new()?;
    let connector = authority.setup()?.start();
    let client = authority.client(None)?;
    let hello = hello(&client)?;
    let mut cut = hello[..hello.len() - 20].to_vec();
    let length = u16::try_from(cut.len() - 5)?;
    cut[3..5].copy_from_slice(&length.to_be_bytes());
    let spoilt: Vec<Vec<u8>> = vec![
        // A record that announces more than a record may hold, one of no known kind, an alert, an empty one.
        [&[22, 3, 1, 0xff, 0xff][..], &[0; 100]].concat(),
        vec![22, 3, 1, 0, 5, 99, 0, 0, 1, 0],
        vec![21, 3, 3, 0, 2, 2, 40],
        vec![22, 3, 3, 0, 0],
        // SSL 2, and a hello whose extensions are cut short.
        vec![0x80, 0x2e, 1, 0, 2],
        cut,
        // A handshake that has no end.
        (0..100).flat_map(|_| [&[22, 3, 1, 0x40, 0][..], &[1, 0xff, 0xff, 0xff], &[0; 0x3ffc]].concat()).collect(),
        b"\0\0\0\0\0\0\0\0".to_vec(),
    ];
    for bytes in spoilt {
        let mut connection = TcpStream::connect(connector.aci())?;
        // It may have hung up already, which is an answer too.
        let _ = connection.write_all(&bytes);
        let _ = connection.shutdown(std::net::Shutdown::Write);
        let _ = rest(&connection);
    }
    assert_eq!(ask(connector.aci(), &client, "action=GetPid")?.status, 200);
    Ok(())
}
