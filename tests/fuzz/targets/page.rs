//! A page: its media type, charset, markup, robots headers. The first line is its type, the second each X-Robots-Tag, with a tab
//! between.

#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use webconnector::crawl::html::Follows;
use webconnector::crawl::page::{self, How, Sent};
use webconnector::crawl::shape::Shaping;
use webconnector::stop::StopFlag;
use webconnector::time::Moment;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().map(String::from_utf8_lossy);
    let (content_type, robots_headers) = (line(), line().unwrap_or_default());
    let robots_headers: Vec<&str> = robots_headers.split('\t').collect();
    let sent = Sent {
        body: parts.next().unwrap_or_default(),
        content_type: content_type.as_deref(),
        robots_headers: &robots_headers,
    };
    let shaping = Shaping::default();
    let how = How {
        agent: "webconnector/1.0",
        asked_at: Moment::from_epoch_ms(1_795_000_000_000),
        obeys_robots: true,
        // More than pages: whatever is a link to anybody.
        follows: Follows::Embedded,
        shaping: &shaping,
    };
    let page = page::read(sent, how, &StopFlag::new()).expect("nobody stops it");
    let base = Url::parse("http://a.example.com/b/c").expect("this is a URL");
    let base = page.base.as_deref().and_then(|href| webconnector::url::join(&base, href)).unwrap_or(base);
    for link in page.links.iter() {
        let _ = webconnector::url::join(&base, link.href);
    }
});
