//! When a server wants to be asked again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| webconnector::crawl::fuzzing::retry_after(bytes));
