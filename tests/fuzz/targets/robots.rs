//! robots.txt.

#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use webconnector::crawl::robots::Robots;

fuzz_target!(|bytes: &[u8]| {
    let robots = Robots::parse(bytes, "webconnector/1.0");
    let _ = (robots.crawl_delay(), robots.sitemaps());
    for target in ["/", "/a/b.html?c=d", "/%61*$"] {
        if let Ok(url) = Url::parse(&format!("http://h{target}")) {
            let _ = robots.allows(&url);
        }
    }
});
