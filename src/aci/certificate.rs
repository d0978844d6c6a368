//! The names in a certificate that a client has shown: the DNS names and email addresses of its subjectAltName or,
//! without that extension, its common name (RFC 5280 4.1, 4.2.1.6). Pure.
//!
//! A walk over the few elements on the way, as TLS has checked the certificate before: what is not where it should be
//! yields no names, and so no role.

use crate::roles::{CertificateName, NameKind};

/// The most names that are taken, and the bytes of all of them: they travel with every request.
const NAMES_MAX: usize = 100;
const NAMES_BYTES_MAX: usize = 8 * 1024;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
/// `[0]` and `[3]`, which hold the version and the extensions.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// `[1]` and `[2]` of a GeneralName.
const RFC822_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;

/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The names in a certificate in DER form.
pub(super) fn names(der: &[u8]) -> Vec<CertificateName> {
    let mut names = read(der).unwrap_or_default();
    let mut bytes = 0;
    names.truncate(NAMES_MAX);
    names.retain(|name| {
        bytes += name.text.len();
        bytes <= NAMES_BYTES_MAX
    });
    names
}

fn read(der: &[u8]) -> Option<Vec<CertificateName>> {
    let mut tbs = Elements(Elements(Elements(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
    if tbs.0.first() == Some(&VERSION) {
        tbs.next()?;
    }
    // The serial number, the algorithm, the issuer, and how long it is valid.
    for _ in 0..4 {
        tbs.next()?;
    }
    let subject = tbs.expect(SEQUENCE)?;
    // The key, the unique identifiers of old, and the extensions.
    while !tbs.0.is_empty() {
        let (tag, content) = tbs.next()?;
        if tag == EXTENSIONS
            && let Some(value) = subject_alt_names(content)?.first()
        {
            return alternative_names(value);
        }
    }
    common_names(subject).map(|mut names| names.split_off(names.len().saturating_sub(1)))
}

/// The values of the extension, of which TLS lets a certificate have one at most.
fn subject_alt_names(extensions: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut extensions = Elements(Elements(extensions).expect(SEQUENCE)?);
    while !extensions.0.is_empty() {
        let mut extension = Elements(extensions.expect(SEQUENCE)?);
        let id = extension.expect(OBJECT_IDENTIFIER)?;
        if extension.0.first() == Some(&BOOLEAN) {
            extension.next()?;
        }
        let value = extension.expect(OCTET_STRING)?;
        if id == SUBJECT_ALT_NAME {
            found.push(value);
        }
    }
    Some(found)
}

fn alternative_names(value: &[u8]) -> Option<Vec<CertificateName>> {
    let mut found = Vec::new();
    let mut names = Elements(Elements(value).expect(SEQUENCE)?);
    while !names.0.is_empty() {
        let (tag, text) = names.next()?;
        let kind = match tag {
            DNS_NAME => NameKind::Dns,
            RFC822_NAME => NameKind::Email,
            _ => continue,
        };
        // Neither kind has other characters; a name with a NUL in it is an attack.
        if !text.is_empty() && text.iter().all(u8::is_ascii_graphic) {
            found.push(CertificateName { kind, text: String::from_utf8_lossy(text).into_owned() });
        }
    }
    Some(found)
}

/// Those that can be read, the most specific one last.
fn common_names(subject: &[u8]) -> Option<Vec<CertificateName>> {
    let mut found = Vec::new();
    let mut sets = Elements(subject);
    while !sets.0.is_empty() {
        let mut attributes = Elements(sets.expect(SET)?);
        while !attributes.0.is_empty() {
            let mut attribute = Elements(attributes.expect(SEQUENCE)?);
            if attribute.expect(OBJECT_IDENTIFIER)? == COMMON_NAME {
                let (tag, text) = attribute.next()?;
                let is_text = matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
                let is_plain = |text: &&str| is_text && !text.is_empty() && !text.chars().any(char::is_control);
                let text = std::str::from_utf8(text).ok().filter(is_plain);
                found.extend(text.map(|text| CertificateName { kind: NameKind::Common, text: text.to_owned() }));
            }
        }
    }
    Some(found)
}

/// Elements of DER that follow each other: tag, length, content (X.690 8.1).
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The content of the next element, which has to have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    /// `None` at the end, and for what is no element. Tags of several bytes stand in no certificate.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            // A longer length than 65535 is none of a certificate that came over TLS.
            0x81 => rest.split_first().map(|(&low, rest)| (usize::from(low), rest))?,
            0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (tag & 0x1F != 0x1F).then_some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn certificate(alternative: Vec<SanType>, common: &[DnValue]) -> Result<Vec<u8>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = alternative;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Lighthouse");
        for name in common {
            params.distinguished_name.push(DnType::CommonName, name.clone());
        }
        Ok(params.self_signed(&KeyPair::generate()?)?.der().to_vec())
    }

    fn told(der: &[u8]) -> Vec<String> {
        names(der).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn alternative_names_go_before_the_common_name() -> Tested {
        let dns = |text: &str| text.try_into().map(SanType::DnsName);
        let email = SanType::Rfc822Name("user@example.com".try_into()?);
        let address = SanType::IpAddress([192, 0, 2, 1].into());
        let common = [DnValue::Utf8String("Jos\u{e9} robot".to_owned())];
        let all = certificate(vec![dns("a.example.com")?, address.clone(), email, dns("*.b.example.com")?], &common)?;
        assert_eq!(told(&all), ["dns:a.example.com", "email:user@example.com", "dns:*.b.example.com"]);
        assert_eq!(told(&certificate(Vec::new(), &common)?), ["cn:Jos\u{e9} robot"]);
        assert_eq!(told(&certificate(vec![address], &common)?), [""; 0], "an extension without such names is one");
        assert_eq!(told(&certificate(Vec::new(), &[])?), [""; 0]);
        let many = (0..=NAMES_MAX).map(|number| dns(&format!("host{number}.example.com"))).collect::<Result<_, _>>()?;
        assert_eq!(told(&certificate(many, &[])?).len(), NAMES_MAX);
        Ok(())
    }

    #[test]
    fn names_that_hide_something_are_none() -> Tested {
        let hidden = DnValue::Utf8String("admin\0.evil".to_owned());
        assert_eq!(told(&certificate(Vec::new(), &[hidden])?), [""; 0]);
        Ok(())
    }

    #[test]
    fn a_certificate_that_is_cut_or_spoilt_does_no_harm() -> Tested {
        let der = certificate(vec!["a.example.com".try_into().map(SanType::DnsName)?], &["A".into()])?;
        for end in 0..der.len() {
            names(&der[..end]);
        }
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut spoilt = der.clone();
                spoilt[at] ^= 1 << bit;
                assert!(names(&spoilt).len() <= NAMES_MAX);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            names(&bytes);
            // As what follows a right beginning.
            let length = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
            let whole = [&[SEQUENCE, 0x82, length[0], length[1]], &bytes[..]].concat();
            names(&whole);
        }
    }
}
