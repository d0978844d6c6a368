//! A file of cookies.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::client::fuzzing::cookie_file(bytes));
