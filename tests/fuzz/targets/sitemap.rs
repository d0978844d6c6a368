//! A sitemap, an index of sitemaps, a feed, or lines of text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::crawl::sitemap::{self, Sitemap};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Sitemap::Pages(entries) | Sitemap::Index(entries)) = sitemap::read(bytes) {
        assert!(entries.len() <= sitemap::ENTRIES_MAX);
    }
});
