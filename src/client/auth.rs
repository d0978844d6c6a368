//! Answering a server that asks who we are: Basic (RFC 7617) and Digest (RFC 7616).
//!
//! Nothing is sent unasked: the first request to a server goes without credentials, and its answer says how it wants
//! them. That is remembered, so that later requests bring them along.

use super::home::{Credentials, Home};
use super::response::Headers;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write as _;
use url::{Position, Url};
use uuid::Uuid;

/// Challenges of one response that are read; parameters of one of them.
const CHALLENGES_MAX: usize = 16;
const PARAMETERS_MAX: usize = 32;

/// The credentials of a task, and what its servers want of them.
pub(super) struct Auth {
    credentials: Option<Credentials>,
    home: Home,
    /// By origin, of which home has few.
    wanted: Mutex<HashMap<String, Wanted>>,
}

/// What a server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Basic,
    Digest { challenge: Digest, uses: u32 },
}

/// A Digest challenge that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As the server spelled it, if it did.
    algorithm_name: Option<String>,
    /// `qop=auth`; without, the way of RFC 2069.
    has_qop: bool,
    /// The credentials were right, only the nonce is too old.
    is_stale: bool,
}

/// In the order in which they are preferred, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
}

/// What one request said of itself, so that its refusal can be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The header's value, if there was one.
    pub(super) header: Option<String>,
    nonce: Option<String>,
}

impl Auth {
    pub(super) fn new(credentials: Option<Credentials>, home: Home) -> Auth {
        Auth { credentials, home, wanted: Mutex::default() }
    }

    /// What to say with a request for `url`.
    pub(super) fn say(&self, method: &str, url: &Url) -> Said {
        let Some(credentials) = self.credentials.as_ref().filter(|_| self.home.includes(url)) else {
            return Said::default();
        };
        let wanted = {
            let mut wanted = self.wanted.lock();
            let Some(known) = wanted.get_mut(crate::url::origin(url)) else { return Said::default() };
            if let Wanted::Digest { uses, .. } = known {
                *uses = uses.wrapping_add(1);
            }
            known.clone()
        };
        match wanted {
            Wanted::Basic => {
                let pair = format!("{}:{}", credentials.user, credentials.password.reveal());
                Said { header: Some(format!("Basic {}", STANDARD.encode(pair))), nonce: None }
            }
            Wanted::Digest { challenge, uses } => {
                let target = &url[Position::BeforePath..Position::AfterQuery];
                let cnonce = Uuid::new_v4().simple().to_string();
                let header = challenge.answer(credentials, method, target, uses, &cnonce);
                Said { header: Some(header), nonce: Some(challenge.nonce) }
            }
        }
    }

    /// Learns from a 401. Whether the same request is worth another try with what is known now.
    pub(super) fn refused(&self, url: &Url, headers: &Headers, said: &Said) -> bool {
        if self.credentials.is_none() || !self.home.includes(url) {
            return false;
        }
        let Some(wanted) = best(headers.all("www-authenticate")) else {
            return false;
        };
        let is_worth_it = match (&wanted, said) {
            (_, Said { header: None, .. }) | (Wanted::Digest { .. }, Said { nonce: None, .. }) => true,
            // Another visitor's request may have been the one that the server gave a new nonce.
            (Wanted::Digest { challenge, .. }, Said { nonce: Some(nonce), .. }) => {
                challenge.is_stale && challenge.nonce != *nonce
            }
            (Wanted::Basic, _) => false,
        };
        self.wanted.lock().insert(crate::url::origin(url).to_owned(), wanted);
        is_worth_it
    }
}

/// The strongest way that a server offers and that is known here.
fn best<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Wanted> {
    let challenges: Vec<Challenge> = fields.flat_map(challenges).take(CHALLENGES_MAX).collect();
    let digest = challenges.iter().filter_map(Digest::of).max_by_key(|digest| digest.algorithm);
    let is_basic = |challenge: &Challenge| challenge.scheme.eq_ignore_ascii_case("basic");
    match digest {
        Some(challenge) => Some(Wanted::Digest { challenge, uses: 0 }),
        None => challenges.iter().any(is_basic).then_some(Wanted::Basic),
    }
}

impl Digest {
    fn of(challenge: &Challenge) -> Option<Digest> {
        if !challenge.scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let text = |name: &str| challenge.get(name).map(str::to_owned);
        let algorithm_name = text("algorithm");
        let algorithm = match algorithm_name.as_deref().unwrap_or("MD5").to_ascii_lowercase().as_str() {
            "md5" => Algorithm::Md5,
            "md5-sess" => Algorithm::Md5Session,
            "sha-256" => Algorithm::Sha256,
            "sha-256-sess" => Algorithm::Sha256Session,
            _ => return None,
        };
        let has_qop = match challenge.get("qop") {
            Some(list) if list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
            // Only with the body's hash, which nobody asks for in practice.
            Some(_) => return None,
            None => false,
        };
        let is_stale = challenge.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        let (realm, nonce, opaque) = (text("realm")?, text("nonce")?, text("opaque"));
        Some(Digest { realm, nonce, opaque, algorithm, algorithm_name, has_qop, is_stale })
    }

    /// RFC 7616 3.4.
    fn answer(&self, credentials: &Credentials, method: &str, target: &str, uses: u32, cnonce: &str) -> String {
        let hash = |text: String| self.algorithm.hash(text.as_bytes());
        let (realm, nonce, name) = (&self.realm, &self.nonce, &credentials.user);
        let mut secret = hash(format!("{name}:{realm}:{}", credentials.password.reveal()));
        if matches!(self.algorithm, Algorithm::Md5Session | Algorithm::Sha256Session) {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = hash(format!("{method}:{target}"));
        let response = if self.has_qop {
            hash(format!("{secret}:{nonce}:{uses:08x}:{cnonce}:auth:{request}"))
        } else {
            hash(format!("{secret}:{nonce}:{request}"))
        };
        let mut header = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(name),
            quoted(realm),
            quoted(nonce),
            quoted(target)
        );
        if let Some(algorithm) = &self.algorithm_name {
            let _ = write!(header, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(header, ", opaque={}", quoted(opaque));
        }
        if self.has_qop {
            let _ = write!(header, ", qop=auth, nc={uses:08x}, cnonce=\"{cnonce}\"");
        } else if matches!(self.algorithm, Algorithm::Md5Session | Algorithm::Sha256Session) {
            let _ = write!(header, ", cnonce=\"{cnonce}\"");
        }
        header
    }
}

impl Algorithm {
    /// In hex.
    fn hash(self, bytes: &[u8]) -> String {
        let hex = |bytes: &[u8]| {
            let mut text = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
            text
        };
        match self {
            Algorithm::Md5 | Algorithm::Md5Session => hex(&md5::compute(bytes).0),
            Algorithm::Sha256 | Algorithm::Sha256Session => {
                hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One challenge: a scheme and its parameters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The challenges of one field (RFC 9110 11.6.1): `Digest realm="a, b", nonce=x, Basic realm=c`. A comma both separates
/// challenges and the parameters of one; a word before a space is a scheme, before `=` a parameter.
fn challenges(field: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let word_end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if rest.is_empty() || found.len() > CHALLENGES_MAX {
            return found;
        }
        let behind_space = after.trim_start_matches([' ', '\t']);
        match behind_space.strip_prefix('=') {
            Some(value) if !value.starts_with('=') => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                if let Some(challenge) =
                    found.last_mut().filter(|challenge| challenge.parameters.len() < PARAMETERS_MAX)
                {
                    challenge.parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            // The padding of a token68, which is no parameter.
            Some(padding) => rest = padding.trim_start_matches('='),
            None => {
                found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, each)) = chars.next() {
        match each {
            '"' => return (value, &inner[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            each => value.push(each),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::super::home::Secret;
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: user.to_owned(), password: Secret::new(password) }
    }

    fn wanted(field: &str) -> Option<Wanted> {
        best(std::iter::once(field))
    }

    /// RFC 7616 3.9.1 and RFC 2617 3.5.
    #[test]
    fn digests_are_those_of_the_rfcs() {
        let challenge = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", {algorithm}\
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        for (algorithm, response) in [
            ("algorithm=SHA-256, ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("algorithm=MD5, ", "8ca523f5e9506fed4657c9700eebdbec"),
            ("", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let Some(Wanted::Digest { challenge, .. }) = wanted(&challenge(algorithm)) else { panic!("{algorithm}") };
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let header =
                challenge.answer(&credentials("Mufasa", "Circle of Life"), "GET", "/dir/index.html", 1, cnonce);
            assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
            assert!(
                header.contains("qop=auth, nc=00000001, cnonce=\"f2/") && header.contains("opaque=\"FQhe"),
                "{header}"
            );
            assert_eq!(header.contains("algorithm="), !algorithm.is_empty());
        }
        // Without qop, as RFC 2069 has it: MD5(MD5(A1):nonce:MD5(A2)).
        let Some(Wanted::Digest { challenge, .. }) = wanted("Digest realm=\"r\", nonce=\"n\"") else {
            panic!("no digest")
        };
        let header = challenge.answer(&credentials("u", "p"), "GET", "/", 1, "c");
        let md5 = |text: &str| Algorithm::Md5.hash(text.as_bytes());
        assert!(header.contains(&md5(&format!("{}:n:{}", md5("u:r:p"), md5("GET:/")))), "{header}");
        assert!(!header.contains("nc="), "{header}");
    }

    #[test]
    fn the_strongest_known_way_is_taken() {
        let algorithm = |field: &str| match wanted(field) {
            Some(Wanted::Digest { challenge, .. }) => format!("{:?}", challenge.algorithm),
            Some(Wanted::Basic) => "Basic".to_owned(),
            None => "none".to_owned(),
        };
        for (field, way) in [
            ("Basic realm=\"a\"", "Basic"),
            ("basic", "Basic"),
            ("Negotiate, Basic realm=a", "Basic"),
            ("NTLM TlRMTVNTUAAC==, Basic realm=a", "Basic"),
            ("Basic realm=\"Digest nonce=1, x\"", "Basic"),
            ("Basic realm=a, Digest realm=\"r, s\", nonce=n", "Md5"),
            ("Digest realm=r, nonce=n, algorithm=MD5, Digest realm=r, nonce=m, algorithm=SHA-256", "Sha256"),
            ("Digest realm=r, nonce=n, algorithm=md5-sess, qop=auth", "Md5Session"),
            ("Digest realm=r, nonce=n, algorithm=SHA-512-256, Basic realm=x", "Basic"),
            ("Digest realm=r, nonce=n, qop=auth-int", "none"),
            ("Digest realm=r", "none"),
            ("Negotiate", "none"),
            ("", "none"),
            (",,= \"", "none"),
        ] {
            assert_eq!(algorithm(field), way, "{field}");
        }
        let quoted = challenges(r#"Digest realm="a \"b\", c", nonce = "n""#);
        assert_eq!((quoted[0].get("realm"), quoted[0].get("nonce")), (Some(r#"a "b", c"#), Some("n")));
    }

    #[test]
    fn credentials_are_told_when_asked_for_and_to_their_host_alone() -> Result<(), Box<dyn std::error::Error>> {
        let (home, away) = (Url::parse("http://example.com/")?, Url::parse("http://evil.example/")?);
        let auth = Auth::new(Some(credentials("u", "p")), Home::of(std::slice::from_ref(&home)));
        let headers = |value: &'static str| {
            let mut headers = Headers::default();
            headers.add("www-authenticate", value.as_bytes());
            headers
        };
        let nothing = Said::default();
        assert_eq!(auth.say("GET", &home), nothing);
        assert!(!auth.refused(&away, &headers("Basic"), &nothing));
        assert_eq!(auth.say("GET", &away), nothing);
        assert!(!auth.refused(&home, &headers("Negotiate"), &nothing));

        assert!(auth.refused(&home, &headers("Basic realm=a"), &nothing));
        let said = auth.say("GET", &home);
        assert_eq!(said.header.as_deref(), Some("Basic dTpw"));
        assert!(!auth.refused(&home, &headers("Basic realm=a"), &said), "wrong once is wrong always");

        assert!(auth.refused(&home, &headers("Digest realm=r, nonce=1, qop=auth"), &said));
        let said = auth.say("GET", &home);
        assert!(said.header.as_deref().is_some_and(|header| header.contains("nc=00000001")), "{said:?}");
        assert!(auth.say("GET", &home).header.is_some_and(|header| header.contains("nc=00000002")));
        assert!(!auth.refused(&home, &headers("Digest realm=r, nonce=2, qop=auth"), &said));
        assert!(auth.refused(&home, &headers("Digest realm=r, nonce=3, qop=auth, stale=TRUE"), &said));
        assert!(auth.say("GET", &home).header.is_some_and(|header| header.contains("nonce=\"3\"")));
        Ok(())
    }
}
