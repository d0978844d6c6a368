//! The names of a client's certificate on their way from the door to whoever answers: one header's value.

use crate::roles::{CertificateName, NameKind};
use url::form_urlencoded::{Serializer, parse};

/// `dns=admin.example.com&email=user%40example.com`, in printable ASCII whatever the names are made of.
pub(super) fn write(names: &[CertificateName]) -> String {
    let mut text = Serializer::new(String::new());
    for name in names {
        text.append_pair(name.kind.as_str(), &name.text);
    }
    text.finish()
}

/// What [`write()`] has written.
pub(super) fn read(text: &str) -> Vec<CertificateName> {
    let name = |(kind, text): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let (kind, _) = NameKind::ALL.into_iter().find(|(_, name)| *name == kind)?;
        Some(CertificateName { kind, text: text.into_owned() })
    };
    parse(text.as_bytes()).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arrive_as_they_were_sent() {
        let names: Vec<CertificateName> = NameKind::ALL
            .into_iter()
            .map(|(kind, _)| CertificateName { kind, text: "J\u{f6} & k=\"1\"\t%20+,".to_owned() })
            .collect();
        let text = write(&names);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        assert_eq!(read(&text), names);
        assert_eq!(read(""), []);
    }
}
