//! What fuzz targets may reach of fetch actions beside what is public. Only with the feature `fuzzing`.

/// The value of `IdentifiersXML`.
pub fn identifiers_xml(bytes: &[u8]) {
    let _ = super::identifiersxml::parse(&String::from_utf8_lossy(bytes));
}
