//! Login forms, and markup without comments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::crawl::html::{self, Syntax};
use webconnector::stop::StopFlag;

fuzz_target!(|bytes: &[u8]| {
    let source = String::from_utf8_lossy(bytes);
    let _ = html::forms(&source, &StopFlag::new()).expect("nobody stops it");
    let _ = html::without_comments(&source, Syntax::Html);
    let _ = html::read_xml(&source);
});
