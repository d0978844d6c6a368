//! Content codings, one on the other.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::client::fuzzing::content(bytes));
