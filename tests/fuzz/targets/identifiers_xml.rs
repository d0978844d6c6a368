//! Documents named in XML.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::fetchaction::fuzzing::identifiers_xml(bytes));
