//! Passwords that cannot be read because another program has encrypted them.

use super::{BadSetting, Ini, Notice};
use crate::action::MASK;

/// Refuses passwords that are marked as encrypted. The reference's `autpassword` writes them for its own programs; its
/// format is not public, so they cannot be read here. It marks nothing in its shortest form: a value that looks like
/// its output may as well be a password, and is noted.
pub(super) fn check(ini: &Ini, problems: &mut Vec<BadSetting>, notices: &mut Vec<Notice>) {
    for section in ini.sections() {
        for entry in section.entries().filter(|entry| is_password(&entry.name)) {
            let value = entry.value.trim().trim_matches('"');
            if is_marked(value) {
                let expected = "the password itself: what autpassword has encrypted cannot be read here. Keep the file \
                                readable for its owner only, or include the password from a file that is";
                let bad = BadSetting::unusable(section, entry, expected);
                problems.push(BadSetting { value: Some(MASK.to_owned()), ..bad });
            } else if looks_encrypted(value) {
                notices.push(Notice::warning(format!(
                    "{}: [{}] {} looks like the output of autpassword, which cannot be read here; it is taken for the \
                     password itself",
                    entry.origin,
                    section.name(),
                    entry.name
                )));
            }
        }
    }
}

fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("password") || name.contains("passphrase")
}

/// `{AES:…}`, `{basic}…`, `ENC(…)`, `AES:…`
fn is_marked(value: &str) -> bool {
    const METHODS: [&str; 5] = ["aes", "basic", "tea", "enc", "encrypted"];
    let lower = value.to_ascii_lowercase();
    METHODS.iter().any(|method| {
        let in_braces = lower.strip_prefix('{').and_then(|rest| rest.strip_prefix(method));
        let before = lower.strip_prefix(method);
        in_braces.is_some_and(|rest| rest.starts_with([':', '}']) && rest.contains('}'))
            || before.is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')'))
            || before.is_some_and(|rest| rest.starts_with(':') && *method == "aes")
    })
}

/// Base64 of some length with more than letters and digits in it: few people choose such a password.
fn looks_encrypted(value: &str) -> bool {
    let bare = value.trim_end_matches('=');
    let is_base64 = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    is_base64 && value.len() >= 12 && (bare.len() < value.len() || bare.contains(['+', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_password_is_refused_and_a_suspicious_one_is_noted() -> Result<(), super::super::IniError> {
        let ini = Ini::parse(
            "[A]\nAuthPassword={AES:abc}\nProxyPassword=\"ENC(abc)\"\nSSLPrivateKeyPassword=9t3M3t7awt/J8A\n\
             BasicPassword=correct horse\nProxyHost={AES:abc}\n[B]\nAuthPassword=aes:xyz\nProxyPassword=hunter2\n",
            "t.cfg",
        )?;
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        check(&ini, &mut problems, &mut notices);
        let lines: Vec<String> = problems.iter().map(|bad| bad.origin.to_string()).collect();
        assert_eq!(lines, ["t.cfg:2", "t.cfg:3", "t.cfg:8"]);
        assert!(problems.iter().all(|bad| !bad.to_string().contains("abc")), "{problems:?}");
        let [notice] = &notices[..] else { panic!("not one: {notices:?}") };
        assert!(notice.text.starts_with("t.cfg:4: [A] SSLPrivateKeyPassword looks like"), "{notice:?}");
        Ok(())
    }
}
