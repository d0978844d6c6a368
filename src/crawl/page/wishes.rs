//! What a page asks of crawlers: robots meta elements and the `X-Robots-Tag` header.
//!
//! Pure. Requests add up; nothing takes one back.

use crate::crawl::{date, robots};
use crate::time::Moment;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) noindex: bool,
    pub(super) nofollow: bool,
    /// `unavailable_after`: from then on the page is not to be indexed.
    pub(super) expires_at: Option<Moment>,
}

/// The directives that have a value, and whose name is no crawler's.
const EXPIRY: &str = "unavailable_after";
const WITH_VALUE: [&str; 4] = [EXPIRY, "max-snippet", "max-image-preview", "max-video-preview"];

impl Wishes {
    /// Reads the content of `<meta name=robots>`, or of one with the crawler's own name.
    pub(super) fn read_meta(&mut self, content: &str) {
        self.read(content, |_| None);
    }

    /// Reads one X-Robots-Tag header: directives, each part optionally behind the name of the crawler it is for, as in
    /// `otherbot: noindex, nofollow`. A name holds until the next one, since several headers may have been joined on
    /// their way.
    pub(super) fn read_header(&mut self, header: &str, agent: &str) {
        let agent = robots::product(agent);
        self.read(header, |name| Some(name == "*" || robots::product(name).eq_ignore_ascii_case(agent)));
    }

    /// `is_for_us` says whom the name before a colon means; `None` if names mean nothing here.
    fn read(&mut self, text: &str, is_for_us: impl Fn(&str) -> Option<bool>) {
        let mut counts = true;
        let mut parts = text.split(',').peekable();
        while let Some(part) = parts.next() {
            let mut part = part.trim();
            if let Some((name, rest)) = part.split_once(':')
                && is_name(name.trim())
                && let Some(names_us) = is_for_us(name.trim())
            {
                counts = names_us;
                part = rest.trim();
            }
            let Some(value) = value_of(part, EXPIRY) else {
                if counts {
                    self.obey(part);
                }
                continue;
            };
            // Its date may have a comma of its own: "Wed, 25 Jun 2025 15:00:00 GMT".
            let is_weekday = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            let value = if is_weekday { parts.next().unwrap_or_default() } else { value };
            // A date that nobody can read says nothing.
            if let Some(date) = date::read(value)
                && counts
            {
                let expires_at = date.past_from();
                self.expires_at = Some(self.expires_at.map_or(expires_at, |earlier| earlier.min(expires_at)));
            }
        }
    }

    /// Reads words. The manual of the reference writes NOCRAWL for nofollow.
    fn obey(&mut self, directives: &str) {
        for directive in directives.split([' ', '\t', ';']) {
            let is = |name: &str| directive.eq_ignore_ascii_case(name);
            self.noindex |= is("noindex") || is("none");
            self.nofollow |= is("nofollow") || is("nocrawl") || is("none");
        }
    }
}

/// Whether what stands before a colon can be a crawler's name: no directive, and no part of a time.
fn is_name(name: &str) -> bool {
    !name.contains(' ') && !WITH_VALUE.iter().any(|directive| name.eq_ignore_ascii_case(directive))
}

fn value_of<'t>(part: &'t str, directive: &str) -> Option<&'t str> {
    let (name, value) = part.split_once(':')?;
    name.trim().eq_ignore_ascii_case(directive).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_header(header: &str) -> Wishes {
        let mut wishes = Wishes::default();
        wishes.read_header(header, "WebConnector/1.0 (x)");
        wishes
    }

    #[test]
    fn a_header_speaks_to_everyone_or_to_one_crawler() {
        for (header, noindex, nofollow) in [
            ("noindex", true, false),
            ("NoIndex, NoFollow", true, true),
            ("none", true, true),
            ("all", false, false),
            ("otherbot: noindex, nofollow", false, false),
            ("otherbot: noindex, WebConnector: nofollow", false, true),
            ("webconnector: noindex", true, false),
            ("webconnector/9: noindex", true, false),
            ("web: noindex", false, false),
            ("*: noindex", true, false),
            ("nofollow, otherbot: noindex", false, true),
            ("max-snippet: 10, noindex", true, false),
            ("otherbot: max-snippet: 10, noindex", false, false),
            ("unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT, noindex", true, false),
            ("unavailable_after: 25 Jun 2025 15:00:00 GMT, noindex", true, false),
            ("unavailable_after: Wed", false, false),
            ("noindexed", false, false),
            ("", false, false),
        ] {
            let wishes = of_header(header);
            assert_eq!((wishes.noindex, wishes.nofollow), (noindex, nofollow), "{header}");
        }
    }

    #[test]
    fn an_expiry_is_a_date_in_any_usual_form_and_the_earliest_counts() {
        // 2025-06-25 15:00:00 UTC
        let at = Some(Moment::from_epoch_ms(1_750_863_600_000));
        for (header, expires_at) in [
            ("unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT", at),
            ("UNAVAILABLE_AFTER : Wednesday, 25-Jun-25 15:00:00 GMT", at),
            ("unavailable_after: 25 Jun 2025 15:00:00 GMT", at),
            ("unavailable_after: 25-Jun-2025 10:00:00 EST, noindex", at),
            ("unavailable_after: 2025-06-25T15:00:00Z", at),
            ("WebConnector: unavailable_after: 2025-06-25T15:00:00Z", at),
            ("unavailable_after: 2026-01-01, unavailable_after: 2025-06-25T15:00:00Z", at),
            ("otherbot: unavailable_after: 2025-06-25T15:00:00Z", None),
            ("unavailable_after: some day", None),
            ("unavailable_after", None),
        ] {
            assert_eq!(of_header(header).expires_at, expires_at, "{header}");
        }
        let mut wishes = Wishes::default();
        wishes.read_meta("unavailable_after: 25 Jun 2025 15:00:00 GMT, nofollow");
        assert_eq!(wishes, Wishes { noindex: false, nofollow: true, expires_at: at });
    }

    #[test]
    fn a_meta_element_names_no_crawler() {
        let mut wishes = Wishes::default();
        wishes.read_meta("index;nocrawl");
        assert_eq!((wishes.noindex, wishes.nofollow), (false, true));
        wishes.read_meta("otherbot: noindex");
        assert!(wishes.noindex, "a misplaced name is no reason to index");
    }
}
