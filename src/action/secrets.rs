//! What of an action's parameters is nobody's business: passwords and the like, put out of sight.

use super::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in the place of a secret.
const MASK: &str = "****";

/// A parameter with one of these in its name, in any case, holds a secret: passwords of any kind, what is typed into a
/// login form, and headers, cookies and keys, by which a site knows who asks.
const SECRET: [&str; 10] =
    ["password", "passphrase", "passwd", "inputvalue", "secret", "credential", "cookie", "header", "apikey", "token"];

impl Params {
    /// The parameters as they may be shown to anybody who may ask for them: values of secret parameters are masked, also
    /// inside of `Config`, and passwords in URLs.
    #[must_use]
    pub fn masked(&self) -> Params {
        self.iter().map(|(name, value)| (name, masked(name, value))).collect()
    }
}

/// Whether a parameter of this name, of an action or of a configuration file, holds a secret.
pub fn is_secret(name: &str) -> bool {
    // Of `[Task]Name`, the task says nothing.
    let name = name.rsplit(']').next().unwrap_or(name).to_ascii_lowercase();
    SECRET.iter().any(|secret| name.contains(secret))
}

fn masked(name: &str, value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else if is_secret(name) {
        MASK.to_owned()
    } else if name.eq_ignore_ascii_case("Config") {
        masked_config(value)
    } else {
        without_password(value)
    }
}

/// A configuration in base64 again, with its secrets masked; one that cannot be read is masked as a whole.
fn masked_config(value: &str) -> String {
    let bytes = STANDARD.decode(value.replace(' ', "+").trim()).ok();
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return MASK.to_owned();
    };
    let line = |line: &str| match line.split_once('=') {
        Some((name, value)) if is_secret(name) && !value.trim().is_empty() => format!("{name}={MASK}"),
        _ => without_password(line),
    };
    let lines: Vec<String> = text.split('\n').map(line).collect();
    STANDARD.encode(lines.join("\n"))
}

/// `text` with what stands between `user:` and `@host` of any URL in it masked.
pub fn without_password(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        out.push_str(before);
        // The authority ends here (RFC 3986, 3.2), and its user information with the last "@" in it.
        let authority = &after[..after.find(['/', '?', '#', ',', ' ', '"']).unwrap_or(after.len())];
        match authority.rfind('@').and_then(|at| Some((authority[..at].find(':')?, at))) {
            Some((colon, at)) => {
                out.push_str(&authority[..=colon]);
                out.push_str(MASK);
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let cases = [
            ("Depth", "2", "2"),
            ("AuthPassword", "x", "****"),
            ("[My:Task]proxypassword", "x", "****"),
            ("[PasswordTask]Depth", "2", "2"),
            ("Cookie0", "id=7", "****"),
            ("InputValue1", "hunter2", "****"),
            ("Header1", "Authorization: Basic eDp5", "****"),
            ("AuthPassword", "", ""),
            ("Url", "http://h/a:b@c", "http://h/a:b@c"),
            (
                "Url",
                "http://me:pa@ss@h:80/,https://you:x@i/?u=a:b@c",
                "http://me:****@h:80/,https://you:****@i/?u=a:b@c",
            ),
            ("Url", "http://me@h/", "http://me@h/"),
            ("Config", "not base64!", "****"),
        ];
        for (name, value, expected) in cases {
            let params: Params = [(name, value)].into_iter().collect();
            assert_eq!(params.masked().get(name), Some(expected), "{name}={value}");
        }
    }

    #[test]
    fn a_configuration_keeps_everything_but_its_secrets() {
        let config = "[Docs]\r\nDepth=2\r\nAuthPassword=x\r\nUrl=http://me:x@h/\n//Password=\n";
        let params: Params = [("config", STANDARD.encode(config))].into_iter().collect();
        let masked = params.masked();
        let bytes = STANDARD.decode(masked.get("Config").unwrap_or_default()).unwrap_or_default();
        let expected = "[Docs]\r\nDepth=2\r\nAuthPassword=****\nUrl=http://me:****@h/\n//Password=\n";
        assert_eq!(String::from_utf8(bytes).as_deref(), Ok(expected));
    }
}
