//! A page: its media type, charset, markup, robots headers. The first line is its type, the second X-Robots-Tag.

#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use webconnector::crawl::page::{self, How, Sent};
use webconnector::crawl::shape::Shaping;
use webconnector::stop::StopFlag;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().map(String::from_utf8_lossy);
    let (content_type, robots_header) = (line(), line());
    let sent = Sent {
        body: parts.next().unwrap_or_default(),
        content_type: content_type.as_deref(),
        robots_header: robots_header.as_deref(),
    };
    let shaping = Shaping::default();
    let how = How { agent: "webconnector/1.0", obeys_robots: true, shaping: &shaping };
    let page = page::read(sent, how, &StopFlag::new()).expect("nobody stops it");
    let base = Url::parse("http://a.example.com/b/c").expect("this is a URL");
    let base = page.base.as_deref().and_then(|href| webconnector::url::join(&base, href)).unwrap_or(base);
    for link in page.links.iter() {
        let _ = webconnector::url::join(&base, &link.href);
    }
});
