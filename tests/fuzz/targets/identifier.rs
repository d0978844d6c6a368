//! The AUTN_IDENTIFIER of a document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::ingest::Identifier;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(identifier) = Identifier::decode(&String::from_utf8_lossy(bytes)) {
        assert_eq!(Identifier::decode(&identifier.encode()), Ok(identifier));
    }
});
