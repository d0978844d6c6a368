//! The ways to a server: TLS, proxies, and addresses that are and are not gone to.

use super::*;

/// A certificate for these names, and its key, in PEM; issued by `issuer` or by itself.
fn certificate(
    names: &[&str],
    issuer: Option<&rcgen::Issuer<'static, rcgen::KeyPair>>,
) -> Result<(String, rcgen::KeyPair), rcgen::Error> {
    let params = rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    let key = rcgen::KeyPair::generate()?;
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer)?,
        None => params.self_signed(&key)?,
    };
    Ok((certificate.pem(), key))
}

/// An authority: its certificate in PEM, and what it issues with.
fn authority() -> Result<(String, rcgen::Issuer<'static, rcgen::KeyPair>), rcgen::Error> {
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), rcgen::Issuer::new(params, key)))
}

/// Answers one request over TLS with 200, as whoever `certificate` is for. `clients` issues the certificates that
/// clients have to show.
fn tls_server(
    certificate: &(String, rcgen::KeyPair),
    clients: Option<&str>,
) -> Result<Server, Box<dyn std::error::Error>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(issuer) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(issuer.as_bytes())?)?;
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.0.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(certificate.1.serialize_pem().as_bytes())?;
    let config = Arc::new(builder.with_single_cert(chain, key)?);
    Ok(Server::run(move |listener| {
        let (stream, _) = listener.accept()?;
        let connection = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")?;
        stream.conn.send_close_notify();
        stream.flush()
    })?)
}

/// What a client with these settings gets from `https://localhost`.
fn over_tls(server: Server, tls: Tls) -> Result<Response, ClientError> {
    let url = Url::parse(&format!("https://localhost:{}/", server.address.port())).expect("a URL");
    let result = client_with(&Settings { tls, ..Settings::default() }).get(&url, &Conditions::default());
    // The handshake fails on both sides.
    let _ = server.join();
    result
}

#[test]
fn a_server_is_trusted_as_the_task_says() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    let (authority_pem, issuer) = authority()?;
    let right = certificate(&["localhost"], Some(&issuer))?;
    let wrong_name = certificate(&["elsewhere.example"], Some(&issuer))?;
    let own = certificate(&["localhost"], None)?;
    let authority_file = file("authority.pem", &authority_pem)?;
    let by_authority = Trust::read(Some(&authority_file), None)?;
    let certificates = folder.path().join("certificates");
    std::fs::create_dir(&certificates)?;
    std::fs::write(certificates.join("notes"), "nothing to trust")?;
    std::fs::write(certificates.join("one.pem"), &authority_pem)?;
    let pinned = Trust::read(Some(&file("own.pem", &own.0)?), None)?;

    for (served, trust, check, is_had) in [
        (&right, &by_authority, Check::Whole, true),
        (&right, &Trust::read(None, Some(&certificates))?, Check::Whole, true),
        (&right, &Trust::Public, Check::Whole, false),
        (&right, &Trust::Public, Check::IssuerOnly, false),
        (&right, &Trust::Public, Check::Nothing, true),
        (&wrong_name, &by_authority, Check::Whole, false),
        (&wrong_name, &by_authority, Check::IssuerOnly, true),
        (&own, &by_authority, Check::IssuerOnly, false),
        (&own, &pinned, Check::Whole, true),
        (&wrong_name, &pinned, Check::Whole, false),
    ] {
        let tls = Tls { check, trust: trust.clone(), ..Tls::default() };
        match over_tls(tls_server(served, None)?, tls) {
            Ok(response) => assert!(is_had && response.body == b"secret", "{trust:?} {check:?}"),
            Err(error) => {
                assert!(!is_had && matches!(error, ClientError::Tls { .. }), "{trust:?} {check:?}: {error}");
                assert!(!error.is_transient());
            }
        }
    }
    let off = Tls { enabled: Enabled::No, trust: by_authority, ..Tls::default() };
    let server = Server::run(|listener| listener.accept().map(drop))?;
    assert!(over_tls(server, off).is_err_and(|error| error.to_string().contains("SSLMethod")));
    assert!(Trust::read(Some(&file("empty.pem", "")?), None).is_err());
    assert!(Trust::read(Some(&folder.path().join("absent.pem")), None).is_err());
    Ok(())
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (authority_pem, issuer) = authority()?;
    let (served, shown) = (certificate(&["localhost"], Some(&issuer))?, certificate(&["robot"], Some(&issuer))?);
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("authority.pem"), &authority_pem)?;
    std::fs::write(path("both.pem"), shown.0.clone() + &shown.1.serialize_pem())?;
    std::fs::write(path("other.pem"), served.1.serialize_pem())?;
    std::fs::write(
        path("locked.pem"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )?;
    let trust = Trust::read(Some(&path("authority.pem")), None)?;
    let identity = Identity::read(&path("both.pem"), &path("both.pem"))?;
    for (identity, is_had) in [(Some(identity), true), (None, false)] {
        let tls = Tls { trust: trust.clone(), identity, ..Tls::default() };
        let result = over_tls(tls_server(&served, Some(&authority_pem))?, tls);
        assert_eq!(result.is_ok(), is_had, "{result:?}");
    }
    let mismatch = Identity::read(&path("both.pem"), &path("other.pem")).err().ok_or("a strange key was taken")?;
    assert!(mismatch.to_string().contains("does not go with the certificate"), "{mismatch}");
    let locked = Identity::read(&path("both.pem"), &path("locked.pem")).err().ok_or("a locked key was taken")?;
    assert!(locked.to_string().contains("openssl pkey"), "{locked}");
    Ok(())
}

fn through(proxy: Proxy) -> Settings {
    let proxy = Some(proxy);
    Settings {
        proxies: Proxies { http: proxy.clone(), https: proxy, except: NoProxy::default() },
        ..Settings::default()
    }
}

fn proxy_at(kind: ProxyKind, address: SocketAddr) -> Proxy {
    let credentials = Some(Credentials { user: "joe".to_owned(), password: Secret::new("hunter2") });
    Proxy { kind, host: address.ip().to_string(), port: address.port(), credentials }
}

#[test]
fn an_http_proxy_is_sent_what_it_is_to_fetch() -> Outcome {
    let (seen, heads) = unbounded();
    let proxy = Server::run(move |listener| {
        let (mut stream, _) = listener.accept()?;
        for _ in 0..2 {
            let _ = seen.send(read_head(&mut stream)?);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    })?;
    let client = client_with(&through(proxy_at(ProxyKind::Http, proxy.address)));
    // Nobody but the proxy has to be able to resolve this.
    for path in ["a?b=c", ""] {
        let url = Url::parse(&format!("http://nowhere.invalid:81/{path}"))?;
        assert_eq!(client.get(&url, &Conditions::default())?.body, b"ok");
        let head = heads.recv()?;
        assert!(head.starts_with(&format!("GET http://nowhere.invalid:81/{path} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic am9lOmh1bnRlcjI=\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: nowhere.invalid:81\r\n"), "{head}");
    }
    proxy.join()?;
    Ok(())
}

#[test]
fn https_goes_through_a_tunnel_that_the_proxy_may_refuse() -> Outcome {
    let (authority_pem, issuer) = authority()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, authority_pem)?;
    let target = tls_server(&certificate(&["nowhere.invalid"], Some(&issuer))?, None)?;
    let address = target.address;
    let (seen, heads) = bounded(1);
    let proxy = Server::run(move |listener| {
        let (mut near, _) = listener.accept()?;
        let _ = seen.send(read_head(&mut near)?);
        let mut far = TcpStream::connect(address)?;
        near.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")?;
        let (mut near_in, mut far_out) = (near.try_clone()?, far.try_clone()?);
        let up = thread::spawn(move || io::copy(&mut near_in, &mut far_out));
        io::copy(&mut far, &mut near)?;
        drop(near);
        up.join().map_err(|_| io::Error::other("the copy panicked"))?.map(drop)
    })?;
    let tls = Tls { trust: Trust::read(Some(&path), None)?, ..Tls::default() };
    let url = Url::parse("https://nowhere.invalid/")?;
    {
        let client = client_with(&Settings { tls, ..through(proxy_at(ProxyKind::Http, proxy.address)) });
        assert_eq!(client.get(&url, &Conditions::default())?.body, b"secret");
    }
    let head = heads.recv()?;
    assert!(head.starts_with("CONNECT nowhere.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
    proxy.join()?;
    target.join()?;

    for (answer, transient) in [
        ("HTTP/1.1 407 No\r\n\r\n", false),
        ("HTTP/1.1 503 Later\r\n\r\n", true),
        ("HTTP/1.1 403 No\r\n\r\n", false),
        ("", true),
    ] {
        let proxy = Server::once(answer)?;
        let error = client_with(&through(proxy_at(ProxyKind::Http, proxy.address)))
            .get(&url, &Conditions::default())
            .err()
            .ok_or("a refusal passed for a tunnel")?;
        assert!(matches!(error, ClientError::Proxy { .. }), "{error:?}");
        assert_eq!(error.is_transient(), transient, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        proxy.join()?;
    }
    Ok(())
}

#[test]
fn a_socks_proxy_finds_the_host_and_connects() -> Outcome {
    let proxy = Server::run(|listener| {
        let (mut stream, _) = listener.accept()?;
        let mut expect = |expected: &[u8], answer: &[u8]| {
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got)?;
            if got != expected {
                return Err(io::Error::other(format!("{got:?} is not {expected:?}")));
            }
            stream.write_all(answer)
        };
        expect(&[5, 2, 0, 2], &[5, 2])?;
        expect(b"\x01\x03joe\x07hunter2", &[1, 0])?;
        let request = [&[5, 1, 0, 3, 15][..], b"nowhere.invalid", &80_u16.to_be_bytes()].concat();
        // Its own address is a name, and the page's answer comes in the same piece.
        expect(&request, b"\x05\x00\x00\x03\x04host\x00\x50HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        read_head(&mut stream).map(drop)
    })?;
    let client = client_with(&through(proxy_at(ProxyKind::Socks5, proxy.address)));
    assert_eq!(client.get(&Url::parse("http://nowhere.invalid/")?, &Conditions::default())?.body, b"ok");
    proxy.join()?;

    for (answer, transient) in
        [(&[5, 0, 5, 5, 0, 1][..], true), (&[5, 0, 5, 2, 0, 1], false), (&[5, 0xff], false), (b"HTTP", false)]
    {
        let proxy = Server::run(move |listener| {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(answer)?;
            wait_until_closed(&mut stream);
            Ok(())
        })?;
        let client = client_with(&through(proxy_at(ProxyKind::Socks5, proxy.address)));
        let result = client.get(&Url::parse("http://[2001:db8::1]/")?, &Conditions::default());
        let error = result.err().ok_or("a refusal passed for a connection")?;
        assert!(matches!(error, ClientError::Proxy { .. }), "{error:?}");
        assert_eq!(error.is_transient(), transient, "{error}");
        drop(client);
        proxy.join()?;
    }
    Ok(())
}

#[test]
fn stop_ends_a_request_whose_proxy_says_nothing() -> Outcome {
    for (kind, scheme) in [(ProxyKind::Http, "https"), (ProxyKind::Http, "http"), (ProxyKind::Socks5, "http")] {
        let (reach, reached) = bounded(1);
        let proxy = Server::run(move |listener| {
            let (mut stream, _) = listener.accept()?;
            stream.read_exact(&mut [0; 3])?;
            let _ = reach.send(());
            wait_until_closed(&mut stream);
            Ok(())
        })?;
        let client = client_with(&through(proxy_at(kind, proxy.address)));
        assert_stops(&proxy, scheme, &reached, &client);
        proxy.join()?;
    }
    Ok(())
}

#[test]
fn an_address_that_is_not_public_is_not_connected_to() -> Outcome {
    // Not one connection may come.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let names =
        Names::new(Box::new(|_| Ok(vec!["::ffff:127.0.0.1".parse().expect("an address"), Ipv4Addr::LOCALHOST.into()])));
    let settings = Settings { reach: Reach::PublicOnly, ..Settings::default() };
    let client = Client::with_names(&settings, &StopFlag::new(), &PauseGate::default(), names);
    for host in ["rebound.example", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let url = Url::parse(&format!("http://{host}:{port}/"))?;
        let error = client.get(&url, &Conditions::default()).err().ok_or("it was connected to")?;
        assert!(matches!(error, ClientError::Private { .. }), "{host}: {error:?}");
        assert!(!error.is_transient());
    }
    assert!(listener.accept().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
    Ok(())
}

#[test]
fn hosts_of_ipv6_and_of_other_alphabets_are_reached() -> Outcome {
    let listener = TcpListener::bind("[::1]:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> io::Result<Vec<String>> {
        (0..2)
            .map(|_| {
                let (mut stream, _) = listener.accept()?;
                let head = read_head(&mut stream)?;
                stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
                Ok(head.to_ascii_lowercase())
            })
            .collect()
    });
    let names = Names::new(Box::new(|host| match host {
        "xn--bcher-kva.example" => Ok(vec!["::1".parse().expect("an address")]),
        _ => Err(io::Error::other("no such name")),
    }));
    let client = Client::with_names(&Settings::default(), &StopFlag::new(), &PauseGate::default(), names);
    let port = address.port();
    for host in ["[::1]", "BÜCHER.example"] {
        assert_eq!(client.get(&Url::parse(&format!("http://{host}:{port}/"))?, &Conditions::default())?.status, 204);
    }
    let heads = server.join().map_err(|_| "the server panicked")??;
    assert!(heads[0].contains(&format!("host: [::1]:{port}\r\n")), "{heads:?}");
    assert!(heads[1].contains(&format!("host: xn--bcher-kva.example:{port}\r\n")), "{heads:?}");
    Ok(())
}
