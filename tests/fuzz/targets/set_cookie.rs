//! What servers set as cookies.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::client::fuzzing::set_cookie(bytes));
