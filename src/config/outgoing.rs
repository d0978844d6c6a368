//! TLS and the proxy of outgoing connections, which tasks and the handlers of events have under the same names.

use super::{BadSetting, Layers};
use crate::client::{Check, Credentials, Enabled, Identity, Proxy, ProxyKind, Secret, Tls, Trust};
use crate::tls::BadPem;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// The parameters that [`tls`] reads.
pub(super) const TLS_PARAMETERS: [&str; 7] = [
    "SSLMethod",
    "SSLCheckCertificate",
    "SSLCheckCommonName",
    "SSLCACertificate",
    "SSLCACertificatesPath",
    "SSLCertificate",
    "SSLPrivateKey",
];

/// Whether `SSLMethod` means TLS, as it does without a value.
pub(super) fn speaks_tls(layers: &Layers<'_>) -> Result<bool, BadSetting> {
    const METHODS: [&str; 8] = ["NONE", "SSLV3", "TLSV1", "TLSV1.1", "TLSV1.2", "TLSV1.3", "SSLV23", "NEGOTIATE"];
    let known = |text: &str| METHODS.iter().copied().find(|method| text.trim().eq_ignore_ascii_case(method));
    let expected = "Negotiate (TLS 1.2 or 1.3, which every other name but NONE means as well) or NONE";
    Ok(layers.read_with("SSLMethod", expected, known)? != Some("NONE"))
}

/// How TLS is spoken. Files, which `of_file` alone names, are read now; relative ones are in `folder`.
pub fn tls(folder: &Path, layers: &Layers<'_>, of_file: &Layers<'_>) -> Result<Tls, BadSetting> {
    let enabled = if speaks_tls(layers)? { Enabled::Yes } else { Enabled::No };
    let path = |name| of_file.text(name).map(|text| folder.join(text));
    let bad = |name: &str, bad: &BadPem| of_file.bad(name, &format!("a file that can be used ({bad})"));

    let (authority, authorities) = (path("SSLCACertificate"), path("SSLCACertificatesPath"));
    let trust = match (&authority, &authorities) {
        (None, None) => Trust::Public,
        (file, folder) => Trust::read(file.as_deref(), folder.as_deref()).map_err(|error| {
            let of_folder = folder.as_ref().is_some_and(|folder| error.path.starts_with(folder));
            bad(if of_folder { "SSLCACertificatesPath" } else { "SSLCACertificate" }, &error)
        })?,
    };
    let identity = match (path("SSLCertificate"), path("SSLPrivateKey")) {
        (None, None) => None,
        (None, Some(_)) => return Err(of_file.bad("SSLCertificate", "the certificate that SSLPrivateKey belongs to")),
        (Some(certificate), key) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            let identity = Identity::read(&certificate, &key);
            let of_key = |path: &PathBuf| *path == key && key != certificate;
            Some(
                identity.map_err(|error| {
                    bad(if of_key(&error.path) { "SSLPrivateKey" } else { "SSLCertificate" }, &error)
                })?,
            )
        }
    };
    let check = match (layers.boolean("SSLCheckCertificate")?, layers.boolean("SSLCheckCommonName")?) {
        (Some(false), _) => Check::Nothing,
        (_, Some(false)) => Check::IssuerOnly,
        _ => Check::Whole,
    };
    Ok(Tls { enabled, check, trust, identity })
}

/// The proxy of `ProxyHost`; `None` if there is none. The other parameters are read all the same: a mistake is told before
/// somebody needs it to be right.
pub fn proxy(of_file: &Layers<'_>) -> Result<Option<Proxy>, BadSetting> {
    let kind = of_file.read_with("ProxyType", "HTTP or SOCKS5", |text| match text.to_ascii_lowercase().as_str() {
        "http" => Some(ProxyKind::Http),
        "socks5" => Some(ProxyKind::Socks5),
        _ => None,
    })?;
    let port = of_file.number("ProxyPort", 1..=u16::MAX)?;
    let Some(host) = of_file.text("ProxyHost") else {
        return Ok(None);
    };
    let kind = kind.unwrap_or(ProxyKind::Http);
    let port_default = if kind == ProxyKind::Http { 8080 } else { 1080 };
    let port = port.unwrap_or(port_default);
    let named = Proxy::parse(&host).filter(|named| named.credentials.is_none() && !host.contains("://"));
    // What stands there may be a URL with a password in it.
    let expected = "the name or the address of a host; its port is ProxyPort";
    let bad_host = || BadSetting { value: Some("…".to_owned()), ..of_file.bad("ProxyHost", expected) };
    let host = match (named, host.parse::<Ipv6Addr>()) {
        (Some(named), _) if !host.contains(':') || host.starts_with('[') => named.host,
        (_, Ok(_)) => host,
        _ => return Err(bad_host()),
    };
    let credentials = of_file
        .text("ProxyUsername")
        .map(|user| Credentials { user, password: Secret::new(of_file.text("ProxyPassword").unwrap_or_default()) });
    Ok(Some(Proxy { kind, host, port, credentials }))
}
