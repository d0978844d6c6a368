//! What servers ask a name and a password with.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::client::fuzzing::challenge(bytes));
