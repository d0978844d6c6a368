//! The parameters of a task that say how its servers are spoken to: TLS, proxies, credentials, cookies, headers, and the
//! login form.
//!
//! Two rules keep whoever may send actions from what the file keeps secret. Paths, proxies and `AllowPrivateAddresses`
//! stand in the file alone. And where the file holds credentials, they go to the start pages of the file, whatever start
//! pages an action brings.

use super::Settings;
use crate::client::{Cookie, Credentials, ExtraHeader, Home, NoProxy, Proxies, Reach, Secret, Tls};
use crate::config::{self, BadSetting, Layers};
use crate::crawl::html::Selector;
use crate::crawl::login::{self, Login};
use std::hash::{Hash as _, Hasher};
use std::path::Path;
use url::Url;

/// Parameters that stand in the configuration file alone.
pub(super) const FILE_ONLY: [&str; 17] = [
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
    "ScheduleStartTime",
    "ScheduleRepeatSecs",
    "ScheduleCycles",
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
            tls: config::tls(&settings.folder, layers, of_file)?,
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

fn proxies(layers: &Layers<'_>, of_file: &Layers<'_>) -> Result<Proxies, BadSetting> {
    let except = of_file.list("NoProxy");
    let except = NoProxy::parse(except.iter().map(String::as_str));
    if let Some(proxy) = config::proxy(of_file)? {
        return Ok(Proxies { http: Some(proxy.clone()), https: Some(proxy), except });
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
        let selector = Selector::parse_compound(&text).map_err(|_| layers.bad(&name, SELECTOR))?;
        let value = values.iter().find(|(of, _)| *of == number).map(|(_, value)| value);
        let missing = || layers.bad(&format!("InputValue{number}"), &format!("what is typed where {name} points"));
        inputs.push((selector, Secret::new(value.ok_or_else(missing)?)));
    }
    let submit = layers.read_with("SubmitSelector", SELECTOR, |text| Selector::parse_compound(text).ok())?;
    let settings = login::Settings { url, inputs, submit, home: home.clone() };
    let regex = |bad: crate::crawl::scope::BadRegex| {
        layers.bad(bad.parameter, &format!("a Perl-compatible regular expression ({})", bad.why))
    };
    Login::new(settings).map(Some).map_err(regex)
}
