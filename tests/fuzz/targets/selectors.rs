//! CSS selectors on a page. The first line is the selector.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::crawl::html::select::select;
use webconnector::crawl::html::{Selector, Syntax};
use webconnector::stop::StopFlag;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (selector, source) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(selector) = Selector::parse(selector) else { return };
    let found = select(source, Syntax::Html, &[&selector], &StopFlag::new()).expect("nobody stops it");
    for one in found {
        assert!(source.is_char_boundary(one.outer.start) && source.is_char_boundary(one.outer.end));
        assert!(one.outer.start <= one.inner.start && one.inner.end <= one.outer.end);
    }
});
