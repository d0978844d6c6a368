//! Responses of a server: heads, transfer codings, bodies.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::client::fuzzing::response(bytes));
