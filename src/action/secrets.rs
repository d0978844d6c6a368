//! What of parameters is nobody's business, an action's as a configuration's: passwords and the like, put out of sight.

use super::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in the place of a secret.
pub const MASK: &str = "****";

/// A parameter with one of these in its name, in any case, holds a secret: passwords of any kind, what is typed into a
/// login form, and cookies and keys, by which a site knows who asks.
const SECRET: [&str; 10] =
    ["pass", "pwd", "secret", "credential", "cookie", "token", "apikey", "accesskey", "inputvalue", "connectionstring"];

/// Whether a parameter of this name is one of ours. Of any other, nobody can tell that it holds no secret: it may be the
/// misspelt name of one that does.
pub type IsKnown = fn(&str) -> bool;

impl Params {
    /// The parameters as they may be shown to anybody who may ask for them, each as [`masked`] by its name.
    #[must_use]
    pub fn masked(&self, is_known: IsKnown) -> Params {
        self.iter().map(|(name, value)| (name, masked(name, value, is_known))).collect()
    }
}

/// Whether a parameter of this name, of an action or of a configuration file, holds a secret. `[Task]Name` is `Name`, and
/// `Header0` is `Header`; a header may be one.
pub fn is_secret(name: &str) -> bool {
    let name = bare(name).to_ascii_lowercase().replace(['_', '-'], "");
    SECRET.iter().any(|secret| name.contains(secret)) || name.trim_end_matches(|c: char| c.is_ascii_digit()) == "header"
}

/// The name without the section before it.
pub fn bare(name: &str) -> &str {
    name.rsplit(']').next().unwrap_or(name).trim()
}

/// `value` as it may be shown to others: masked if `name` is that of a secret or not known, with what `Config` sets treated
/// likewise, and with the passwords of URLs masked.
pub fn masked(name: &str, value: &str, is_known: IsKnown) -> String {
    if value.is_empty() {
        String::new()
    } else if is_secret(name) || !is_known(bare(name)) {
        MASK.to_owned()
    } else if name.eq_ignore_ascii_case("Config") {
        masked_config(value, is_known)
    } else {
        without_password(value)
    }
}

/// A configuration in base64 again, with its secrets masked; one that cannot be read is masked as a whole.
fn masked_config(value: &str, is_known: IsKnown) -> String {
    let bytes = STANDARD.decode(value.replace(' ', "+").trim()).ok();
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return MASK.to_owned();
    };
    let line = |line: &str| match line.split_once('=') {
        Some((name, value)) if !value.trim().is_empty() && (is_secret(name) || !is_known(bare(name))) => {
            format!("{name}={MASK}")
        }
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
        let ends = |c: char| matches!(c, '/' | '?' | '#' | ',' | '"') || c.is_whitespace();
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
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

    fn is_known(name: &str) -> bool {
        ["Depth", "Url", "Config", "PageDateHeader", "SSLPrivateKey"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
            || is_secret(name)
    }

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
            ("PageDateHeader", "Date", "Date"),
            ("SSLPrivateKey", "key.pem", "key.pem"),
            ("My-Api_Key", "x", "****"),
            ("[Docs]AuthPasswort", "x", "****"),
            ("AuthPaswort", "x", "****"),
            ("AuthPaswort", "", ""),
            ("AuthPassword", "", ""),
            ("Url", "http://h/a:b@c", "http://h/a:b@c"),
            (
                "Url",
                "http://me:pa@ss@h:80/,https://you:x@i/?u=a:b@c",
                "http://me:****@h:80/,https://you:****@i/?u=a:b@c",
            ),
            ("Url", "http://me@h/", "http://me@h/"),
            ("Url", "https://me@h/\thttps://a:b@c@d", "https://me@h/\thttps://a:****@d"),
            ("Config", "not base64!", "****"),
        ];
        for (name, value, expected) in cases {
            let params: Params = [(name, value)].into_iter().collect();
            assert_eq!(params.masked(is_known).get(name), Some(expected), "{name}={value}");
        }
    }

    #[test]
    fn a_configuration_keeps_everything_but_its_secrets() {
        let config =
            "[Docs]\r\nDepth = 2\r\nAuthPassword=x\r\nUrl=http://me:x@h/\n//Password=\nAuthPaswort=x\n//Depth=2";
        let params: Params = [("config", STANDARD.encode(config))].into_iter().collect();
        let masked = params.masked(is_known);
        let bytes = STANDARD.decode(masked.get("Config").unwrap_or_default()).unwrap_or_default();
        let expected = "[Docs]\r\nDepth = 2\r\nAuthPassword=****\nUrl=http://me:****@h/\n//Password=\nAuthPaswort=****\n\
                        //Depth=****";
        assert_eq!(String::from_utf8(bytes).as_deref(), Ok(expected));
    }
}
