//! Names in certificates, and what a configuration says of them.

use crate::wildcard;
use std::fmt;

/// What a checked certificate calls its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateName {
    pub kind: NameKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A DNS name of the subjectAltName.
    Dns,
    /// An email address of the subjectAltName.
    Email,
    /// The common name of the subject, which counts only in a certificate without subjectAltName.
    Common,
}

/// An item of `SSLIdentities`: `admin.example.com`, `dns:*.example.com`, `email:user@example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    kind: NameKind,
    /// With wildcards.
    pattern: String,
}

impl NameKind {
    pub(crate) const ALL: [(NameKind, &'static str); 3] =
        [(NameKind::Dns, "dns"), (NameKind::Email, "email"), (NameKind::Common, "cn")];

    pub fn as_str(self) -> &'static str {
        NameKind::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl Identity {
    /// Finishes the sentence "expected is …".
    pub const EXPECTED: &'static str = "names in certificates (admin.example.com, dns:*.example.com, \
        email:user@example.com), with commas between";

    /// `None` if the text is no identity. One without a prefix is a DNS name.
    pub fn parse(text: &str) -> Option<Identity> {
        let text = text.trim();
        let (kind, pattern) = match text.split_once(':') {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("dns") => (NameKind::Dns, name.trim()),
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("email") => (NameKind::Email, name.trim()),
            Some(_) => return None,
            None => (NameKind::Dns, text),
        };
        (!pattern.is_empty()).then(|| Identity { kind, pattern: pattern.to_owned() })
    }

    /// A common name is what it is not said to be: it stands in for either kind.
    pub(super) fn includes(&self, name: &CertificateName) -> bool {
        (name.kind == self.kind || name.kind == NameKind::Common) && wildcard::matches(&self.pattern, &name.text)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.pattern)
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_told_from_others() {
        let name = |kind, text: &str| CertificateName { kind, text: text.to_owned() };
        for (identity, name, is_included) in [
            ("admin.example.com", name(NameKind::Dns, "Admin.Example.com"), true),
            ("dns:admin.example.com", name(NameKind::Dns, "admin.example.com"), true),
            ("DNS: *.example.com", name(NameKind::Dns, "a.example.com"), true),
            ("*.example.com", name(NameKind::Dns, "example.com"), false),
            ("admin.example.com", name(NameKind::Dns, "*.example.com"), false),
            ("admin.example.com", name(NameKind::Email, "admin.example.com"), false),
            ("email:*@example.com", name(NameKind::Email, "user@example.com"), true),
            ("email:user@example.com", name(NameKind::Dns, "user@example.com"), false),
            ("robot", name(NameKind::Common, "robot"), true),
            ("email:user@example.com", name(NameKind::Common, "user@example.com"), true),
        ] {
            assert_eq!(
                Identity::parse(identity).map(|read| read.includes(&name)),
                Some(is_included),
                "{identity} {name}"
            );
        }
        for text in ["", "dns:", "email: ", "uri:http://x", "ip:10.0.0.1"] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }
}
