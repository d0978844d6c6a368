//! A connection to a port: head, body, parameters.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::aci::fuzzing::connection(bytes));
