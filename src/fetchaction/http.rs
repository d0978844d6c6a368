//! The parameters of a task that say how its servers are spoken to: TLS, proxies, credentials, cookies, headers, and the
//! login form.
//!
//! Two rules keep whoever may send actions from what the file keeps secret. Paths, proxies and `AllowPrivateAddresses`
//! stand in the file alone. And where the file holds credentials, they go to the start pages of the file, whatever start
//! pages an action brings.

use super::Settings;
use crate::client::{
    BadPem, Check, Cookie, Credentials, Enabled, ExtraHeader, Home, Identity, NoProxy, Proxies, Proxy, ProxyKind,
    Reach, Secret, Tls, Trust,
};
use crate::config::{BadSetting, Layers};
use crate::crawl::login::{self, Login, Selector};
use std::hash::{Hash as _, Hasher};
use std::path::{Path, PathBuf};
use url::Url;

/// Parameters that stand in the configuration file alone.
pub(super) const FILE_ONLY: [&str; 14] = [
    "DatastoreFile",
    "SitemapFile",
    "CookieFile",
    "SSLCACertificate",
    "SSLCACertificatesPath",
    "SSLCertificate",
    "SSLPrivateKey",
    "ProxyType",
    "ProxyHost",
    "ProxyPort",
    "ProxyUsername",
    "ProxyPassword",
    "NoProxy",
    "AllowPrivateAddresses",
];
/// Parameters that are numbered: `Url0`, `Header1`.
pub(super) const NUMBERED: [&str; 4] = ["Header", "Cookie", "InputSelector", "InputValue"];
/// What makes the file's start pages the only ones that are trusted.
const SECRETS: [&str; 5] = ["AuthPassword", "Header", "Cookie", "CookieFile", "InputValue"];
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The pages that a task names itself: those that count, and those that would count without the action.
#[derive(Clone, Copy)]
pub(super) struct Starts<'a> {
    pub(super) all: &'a [Url],
    pub(super) of_file: &'a [Url],
}

/// What of a task's settings concerns its servers.
pub(super) struct Http {
    pub(super) tls: Tls,
    pub(super) proxies: Proxies,
    pub(super) reach: Reach,
    pub(super) home: Home,
    pub(super) credentials: Option<Credentials>,
    pub(super) headers: Vec<ExtraHeader>,
    pub(super) cookies: Option<Vec<Cookie>>,
    pub(super) login: Option<Login>,
    /// Of what decides which form of a page comes, without what is secret.
    pub(super) key: Key,
}

/// Whose pages are read, in which form. Passwords are no part of it: the key is stored.
#[derive(Hash)]
pub(super) struct Key {
    user: Option<String>,
    public_headers: Vec<String>,
    other_headers: usize,
    cookies: Option<usize>,
    form: Option<String>,
}

impl Http {
    /// `layers` are all that count for the task, `of_file` those of the file.
    pub(super) fn read(
        settings: &Settings,
        starts: Starts<'_>,
        layers: &Layers<'_>,
        of_file: &Layers<'_>,
    ) -> Result<Http, BadSetting> {
        let home = home(starts, of_file);
        let proxies = proxies(layers, of_file)?;
        let reach = match of_file.boolean("AllowPrivateAddresses")? {
            Some(false) => Reach::PublicOnly,
            _ => Reach::Everywhere,
        };
        if reach == Reach::PublicOnly && !proxies.is_empty() {
            let expected =
                "TRUE where there is a proxy, which finds the addresses by itself and has to refuse them itself";
            return Err(of_file.bad("AllowPrivateAddresses", expected));
        }
        let credentials = layers
            .text("AuthUser")
            .map(|user| Credentials { user, password: Secret::new(layers.text("AuthPassword").unwrap_or_default()) });
        let headers = headers(layers)?;
        let cookies = match layers.boolean("Cookies")? {
            Some(false) => None,
            _ => Some(cookies(settings, &home, layers, of_file)?),
        };
        let key = Key {
            user: credentials.as_ref().map(|credentials| credentials.user.clone()),
            public_headers: headers.iter().filter_map(ExtraHeader::public_text).collect(),
            other_headers: headers.iter().filter(|header| !header.is_public()).count(),
            cookies: cookies.as_ref().map(Vec::len),
            form: layers.text("FormUrlRegex"),
        };
        let login = login(&home, layers)?;
        Ok(Http {
            tls: tls(settings, layers, of_file)?,
            proxies,
            reach,
            home,
            credentials,
            headers,
            cookies,
            login,
            key,
        })
    }

    pub(super) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.key.hash(hasher);
    }
}

/// The start pages that the task's secrets are for.
fn home(starts: Starts<'_>, of_file: &Layers<'_>) -> Home {
    let has = |name: &&str| of_file.text(name).is_some() || !of_file.numbered(name).is_empty();
    Home::of(if SECRETS.iter().any(has) { starts.of_file } else { starts.all })
}

fn tls(settings: &Settings, layers: &Layers<'_>, of_file: &Layers<'_>) -> Result<Tls, BadSetting> {
    const METHODS: [&str; 8] = ["NONE", "SSLV3", "TLSV1", "TLSV1.1", "TLSV1.2", "TLSV1.3", "SSLV23", "NEGOTIATE"];
    let known = |text: &str| METHODS.iter().copied().find(|method| text.trim().eq_ignore_ascii_case(method));
    let expected = "Negotiate (TLS 1.2 or 1.3, which every other name but NONE means as well) or NONE";
    let method = layers.read_with("SSLMethod", expected, known)?;
    let path = |name| of_file.text(name).map(|text| settings.folder.join(text));
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
    let enabled = if method == Some("NONE") { Enabled::No } else { Enabled::Yes };
    Ok(Tls { enabled, check, trust, identity })
}

fn proxies(layers: &Layers<'_>, of_file: &Layers<'_>) -> Result<Proxies, BadSetting> {
    let except = of_file.list("NoProxy");
    let except = NoProxy::parse(except.iter().map(String::as_str));
    // Read whether or not there is a proxy: a mistake is told before somebody needs it to be right.
    let kind = of_file.read_with("ProxyType", "HTTP or SOCKS5", |text| match text.to_ascii_lowercase().as_str() {
        "http" => Some(ProxyKind::Http),
        "socks5" => Some(ProxyKind::Socks5),
        _ => None,
    })?;
    let port = of_file.number("ProxyPort", 1..=u16::MAX)?;
    if let Some(host) = of_file.text("ProxyHost") {
        let kind = kind.unwrap_or(ProxyKind::Http);
        let port_default = if kind == ProxyKind::Http { 8080 } else { 1080 };
        let port = port.unwrap_or(port_default);
        let named = Proxy::parse(&host).filter(|named| named.credentials.is_none() && !host.contains("://"));
        // What stands there may be a URL with a password in it.
        let expected = "the name or the address of a host; its port is ProxyPort";
        let bad_host = || BadSetting { value: Some("…".to_owned()), ..of_file.bad("ProxyHost", expected) };
        let host = match (named, host.parse::<std::net::Ipv6Addr>()) {
            (Some(named), _) if !host.contains(':') || host.starts_with('[') => named.host,
            (_, Ok(_)) => host,
            _ => return Err(bad_host()),
        };
        let credentials = of_file
            .text("ProxyUsername")
            .map(|user| Credentials { user, password: Secret::new(of_file.text("ProxyPassword").unwrap_or_default()) });
        let proxy = Some(Proxy { kind, host, port, credentials });
        return Ok(Proxies { http: proxy.clone(), https: proxy, except });
    }
    if layers.boolean("UseEnvironmentProxies")? == Some(true) {
        return Ok(Proxies::of_environment(|name| std::env::var(name).ok()));
    }
    Ok(Proxies::default())
}

fn headers(layers: &Layers<'_>) -> Result<Vec<ExtraHeader>, BadSetting> {
    let numbered = layers.numbered("Header");
    let read = |(number, text): &(u32, String)| {
        ExtraHeader::parse(text).map_err(|bad| without_value(layers, "Header", *number, &bad.to_string()))
    };
    numbered.iter().map(read).collect()
}

/// The complaint about one of several values that may be secret.
fn without_value(layers: &Layers<'_>, name: &str, number: u32, expected: &str) -> BadSetting {
    let numbered = format!("{name}{number}");
    let name = if layers.get(&numbered).is_some() { numbered.as_str() } else { name };
    BadSetting { value: Some("…".to_owned()), ..layers.bad(name, expected) }
}

fn cookies(
    settings: &Settings,
    home: &Home,
    layers: &Layers<'_>,
    of_file: &Layers<'_>,
) -> Result<Vec<Cookie>, BadSetting> {
    let mut cookies = Vec::new();
    if let Some(path) = of_file.text("CookieFile") {
        let bad =
            |why: &str| of_file.bad("CookieFile", &format!("a file in the form of Netscape's cookies.txt ({why})"));
        let text = read_bounded(&settings.folder.join(path)).map_err(|error| bad(&error.to_string()))?;
        cookies = Cookie::of_file(&text).map_err(|line| bad(&format!("line {line} has not its seven fields")))?;
    }
    for (number, text) in layers.numbered("Cookie") {
        for start in home.starts() {
            let cookie = Cookie::of_setting(&text, start);
            let expected = "name=value, without semicolons and control characters";
            cookies.push(cookie.ok_or_else(|| without_value(layers, "Cookie", number, expected))?);
        }
    }
    Ok(cookies)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn login(home: &Home, layers: &Layers<'_>) -> Result<Option<Login>, BadSetting> {
    const SELECTOR: &str = "a selector of one control of the form of FormUrlRegex, such as input#user or [name=user]";
    let Some(url) = layers.text("FormUrlRegex") else {
        return Ok(None);
    };
    let selectors = layers.numbered("InputSelector");
    if selectors.is_empty() {
        return Err(layers.bad("InputSelector0", SELECTOR));
    }
    let values = layers.numbered("InputValue");
    let mut inputs = Vec::with_capacity(selectors.len());
    for (number, text) in selectors {
        let name = format!("InputSelector{number}");
        let selector = Selector::parse(&text).ok_or_else(|| layers.bad(&name, SELECTOR))?;
        let value = values.iter().find(|(of, _)| *of == number).map(|(_, value)| value);
        let missing = || layers.bad(&format!("InputValue{number}"), &format!("what is typed where {name} points"));
        inputs.push((selector, Secret::new(value.ok_or_else(missing)?)));
    }
    let submit = layers.read_with("SubmitSelector", SELECTOR, Selector::parse)?;
    let settings = login::Settings { url, inputs, submit, home: home.clone() };
    let regex = |bad: crate::crawl::scope::BadRegex| {
        layers.bad(bad.parameter, &format!("a Perl-compatible regular expression ({})", bad.why))
    };
    Login::new(settings).map(Some).map_err(regex)
}
