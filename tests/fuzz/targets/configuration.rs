//! A configuration file, and values in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::action::masked;
use webconnector::config::{Ini, csv, duration, unquoted};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(ini) = Ini::parse(&text, "fuzz.cfg") else { return };
    for entry in ini.sections().flat_map(|section| section.entries()) {
        let _ = (csv(&entry.value), unquoted(&entry.value), duration(&entry.value));
        let _ = masked(&entry.name, &entry.value, |_| true);
    }
});
