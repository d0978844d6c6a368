//! Parameters in a body: of a form, in lines, in parts.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::aci::fuzzing::parameters(bytes));
