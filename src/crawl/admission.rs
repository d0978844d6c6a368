//! Which of the pages that were read become documents, by what they are: the rules beside those about URLs.
//!
//! Pure. A page that is not admitted is visited all the same, and its links are followed.

use super::page::{Kind, Page};
use super::scope::Filter;
use url::Url;

/// The rules of one task; the default admits everything.
#[derive(Debug, Default)]
pub struct Admission {
    /// `PageMustHaveRegex`, `PageCantHaveRegex`: found anywhere in the source of the page.
    pub source_must: Option<Filter>,
    pub source_cant: Option<Filter>,
    /// `ContentTypeMustHaveRegex`, `ContentTypeCantHaveRegex`: match the whole media type.
    pub type_must: Option<Filter>,
    pub type_cant: Option<Filter>,
    /// `MinPageSize`, in bytes of the body after decompression.
    pub bytes_min: u64,
    /// `MaxLinksPerPage`: a page with more is an index of others.
    pub links_max: Option<u64>,
    /// `MaxLinkPercentagePerPage`, of the page's text.
    pub link_percentage_max: Option<f64>,
    /// `FoldCanonicals`: a page that names another one as its canonical form is left to that one.
    pub folds_canonicals: bool,
}

/// Why a page becomes no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error("its source does not match PageMustHaveRegex")]
    SourceMust,
    #[error("its source matches PageCantHaveRegex")]
    SourceCant,
    #[error("its content type does not match ContentTypeMustHaveRegex")]
    TypeMust,
    #[error("its content type matches ContentTypeCantHaveRegex")]
    TypeCant,
    #[error("it is smaller than MinPageSize")]
    TooSmall,
    #[error("it has more links than MaxLinksPerPage")]
    TooManyLinks,
    #[error("more of its text is of links than MaxLinkPercentagePerPage allows")]
    MostlyLinks,
    #[error("another page is its canonical form")]
    NotCanonical,
}

impl Admission {
    /// `canonical` is the page's canonical URL, if it names one that the crawl may visit.
    pub fn admits(&self, url: &Url, body: &[u8], page: &Page, canonical: Option<&Url>) -> Result<(), NotAdmitted> {
        let is = |filter: &Option<Filter>, text: &str| filter.as_ref().map(|filter| filter.matches(text));
        if is(&self.type_must, &page.media_type) == Some(false) {
            return Err(NotAdmitted::TypeMust);
        }
        if is(&self.type_cant, &page.media_type) == Some(true) {
            return Err(NotAdmitted::TypeCant);
        }
        if (body.len() as u64) < self.bytes_min {
            return Err(NotAdmitted::TooSmall);
        }
        if self.links_max.is_some_and(|links_max| page.links.len() as u64 > links_max) {
            return Err(NotAdmitted::TooManyLinks);
        }
        #[expect(clippy::cast_precision_loss, reason = "a page has far fewer bytes than a double has digits")]
        let percentage = page.link_text_bytes as f64 * 100.0 / page.text_bytes.max(1) as f64;
        if self.link_percentage_max.is_some_and(|percentage_max| percentage > percentage_max) {
            return Err(NotAdmitted::MostlyLinks);
        }
        if self.folds_canonicals && canonical.is_some_and(|canonical| canonical != url) {
            return Err(NotAdmitted::NotCanonical);
        }
        if page.kind != Kind::Other && (self.source_must.is_some() || self.source_cant.is_some()) {
            let source = super::charset::decode(body, Some(&page.media_type)).text;
            if is(&self.source_must, &source) == Some(false) {
                return Err(NotAdmitted::SourceMust);
            }
            if is(&self.source_cant, &source) == Some(true) {
                return Err(NotAdmitted::SourceCant);
            }
        }
        Ok(())
    }
}

/// How many links of a page may vanish from one run to the next before that is taken for an error of the page rather
/// than a change of the site (web-connector.md 3.4). With both limits, one that is kept is enough; with neither,
/// anything may vanish.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LinkGuard {
    /// `MaxLinkChanges`
    pub links_max: Option<u64>,
    /// `MaxLinkChangePercentage`, of the links that there were
    pub percentage_max: Option<f64>,
}

impl LinkGuard {
    /// Whether `lost` of `before` links may be gone.
    pub fn accepts(self, before: usize, lost: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a page has far fewer links than a double has digits")]
        let percentage = if before == 0 { 0.0 } else { lost as f64 * 100.0 / before as f64 };
        let kept = [
            self.links_max.map(|links_max| lost as u64 <= links_max),
            self.percentage_max.map(|percentage_max| percentage <= percentage_max),
        ];
        kept.iter().all(Option::is_none) || kept.contains(&Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::Shaping;
    use crate::crawl::html::Follows;
    use crate::crawl::page::{self, Sent};
    use crate::stop::StopFlag;
    use crate::time::Moment;

    fn filter(pattern: &str) -> Option<Filter> {
        Filter::anywhere("X", Some(pattern.to_owned())).expect("the tables hold patterns")
    }

    #[test]
    fn a_page_is_judged_by_what_it_is() -> Result<(), Box<dyn std::error::Error>> {
        let body = b"<title>T</title><!-- draft --><a href=/a>a</a><a href=/b>b</a>";
        let sent = Sent { body, content_type: Some("text/html"), robots_headers: &[] };
        let how = page::How {
            agent: "x",
            asked_at: Moment::now(),
            obeys_robots: true,
            follows: Follows::Pages,
            shaping: &Shaping::default(),
        };
        let page = page::read(sent, how, &StopFlag::new())?;
        let (here, there) = (Url::parse("http://h/")?, Url::parse("http://h/there")?);
        let cases = [
            (Admission::default(), Ok(())),
            (Admission { source_must: filter("<title>"), ..Admission::default() }, Ok(())),
            (Admission { source_must: filter("nowhere"), ..Admission::default() }, Err(NotAdmitted::SourceMust)),
            (Admission { source_cant: filter("draft"), ..Admission::default() }, Err(NotAdmitted::SourceCant)),
            (Admission { type_must: filter("text/html"), ..Admission::default() }, Ok(())),
            (Admission { type_must: filter("image/.*"), ..Admission::default() }, Err(NotAdmitted::TypeMust)),
            (Admission { type_cant: filter("text/.*"), ..Admission::default() }, Err(NotAdmitted::TypeCant)),
            (Admission { bytes_min: 1000, ..Admission::default() }, Err(NotAdmitted::TooSmall)),
            (Admission { links_max: Some(2), ..Admission::default() }, Ok(())),
            (Admission { links_max: Some(1), ..Admission::default() }, Err(NotAdmitted::TooManyLinks)),
            // Its text is "ab", all of it in links.
            (Admission { link_percentage_max: Some(99.9), ..Admission::default() }, Err(NotAdmitted::MostlyLinks)),
            (Admission { link_percentage_max: Some(100.0), ..Admission::default() }, Ok(())),
            (Admission { folds_canonicals: true, ..Admission::default() }, Err(NotAdmitted::NotCanonical)),
        ];
        for (admission, expected) in cases {
            assert_eq!(admission.admits(&here, body, &page, Some(&there)), expected, "{admission:?}");
        }
        let folds = Admission { folds_canonicals: true, ..Admission::default() };
        assert_eq!(folds.admits(&here, body, &page, Some(&here)), Ok(()));
        assert_eq!(folds.admits(&here, body, &page, None), Ok(()));
        Ok(())
    }

    /// web-connector.md 8, cases 32 and 33, and what lies around them.
    #[test]
    fn one_limit_that_is_kept_is_enough() {
        let guard = |links_max, percentage_max| LinkGuard { links_max, percentage_max };
        let cases = [
            (guard(None, None), 10, 10, true),
            (guard(None, Some(25.0)), 10, 5, false),
            (guard(None, Some(25.0)), 10, 2, true),
            (guard(Some(5), None), 10, 5, true),
            (guard(Some(4), None), 10, 5, false),
            (guard(Some(5), Some(25.0)), 10, 5, true),
            (guard(Some(4), Some(25.0)), 10, 5, false),
            (guard(Some(0), Some(0.0)), 0, 0, true),
        ];
        for (guard, before, lost, expected) in cases {
            assert_eq!(guard.accepts(before, lost), expected, "{guard:?} {before} {lost}");
        }
    }
}
