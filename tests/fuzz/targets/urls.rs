//! A URL in a page.

#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|bytes: &[u8]| {
    let base = Url::parse("http://a.example.com/b/c?d").expect("this is a URL");
    let Some(url) = webconnector::url::join(&base, &String::from_utf8_lossy(bytes)) else { return };
    assert!(matches!(url.scheme(), "http" | "https"));
    assert_eq!(webconnector::url::join(&url, url.as_str()).as_ref(), Some(&url), "one page has two names");
});
