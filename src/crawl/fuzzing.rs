//! What fuzz targets may reach of the crawl beside what is public. Only with the feature `fuzzing`.

/// The value of `Retry-After`.
pub fn retry_after(bytes: &[u8]) {
    let _ = super::visitor::retry_after(&String::from_utf8_lossy(bytes));
}
