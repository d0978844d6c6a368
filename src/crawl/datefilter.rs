//! Which pages become documents by their date (web-connector.md 2.2): where a page's date is looked for, and between which
//! bounds it has to lie. Pure, and told the time.

use super::date::{self, Date, Mask};
use crate::time::Moment;
use std::time::Duration;
use url::Url;

/// Where dates are in URLs if nobody says otherwise.
const URL_MASKS: [&str; 4] = ["YYYY/MM/DD", "YYYY-MM-DD", "YYYY_MM_DD", "YYYYMMDD"];

/// The rules of one task; the default admits every page.
#[derive(Debug)]
pub struct DateFilter {
    /// `DateInUrl`
    pub in_url: bool,
    /// `PageDateHeader`: response headers, the first that has a date.
    pub headers: Vec<String>,
    /// `DateFormats`; empty for the usual ones.
    pub formats: Vec<Mask>,
    /// `MaxPageAge`, `MinPageDate`: older pages are not ingested,
    pub oldest: Option<Bound>,
    /// `MinPageAge`, `MaxPageDate`: nor newer ones.
    pub newest: Option<Bound>,
    /// `SpiderDateFilteredPages`: whether the links of these are followed.
    pub follows: bool,
}

impl Default for DateFilter {
    fn default() -> DateFilter {
        let headers = vec!["Last-Modified".to_owned()];
        DateFilter { in_url: false, headers, formats: Vec::new(), oldest: None, newest: None, follows: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    At(Moment),
    /// So long before now: it moves on.
    Ago(Duration),
    /// So long after now.
    Ahead(Duration),
}

/// What a page's date means for its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It may be a document, until then.
    Admitted {
        until: Option<Moment>,
    },
    TooOld,
    /// It may become a document later, although it does not change.
    TooNew,
}

impl Bound {
    fn at(self, now: Moment) -> Moment {
        match self {
            Bound::At(at) => at,
            Bound::Ago(ago) => Moment::from_epoch_ms(now.epoch_ms().saturating_sub(ms(ago))),
            Bound::Ahead(ahead) => Moment::from_epoch_ms(now.epoch_ms().saturating_add(ms(ahead))),
        }
    }
}

impl DateFilter {
    /// The date of a page: that of its URL, or else of `content`, which its selector has found, or else of a header.
    pub(super) fn find<'h>(
        &self,
        url: &Url,
        content: Option<&str>,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<Date> {
        let usual = || URL_MASKS.iter().filter_map(|mask| Mask::parse(mask));
        let of_url = || {
            let path = &url[url::Position::BeforePath..];
            let own = self.formats.iter().find_map(|mask| mask.find(path));
            own.or_else(|| usual().find_map(|mask| mask.find(path)).filter(|_| self.formats.is_empty()))
        };
        let of_text = |text: &str| {
            let own = self.formats.iter().find_map(|mask| mask.find(text));
            own.or_else(|| date::read(text)).or_else(|| usual().find_map(|mask| mask.find(text)))
        };
        let in_url = self.in_url.then(of_url).flatten();
        in_url
            .or_else(|| content.and_then(of_text))
            .or_else(|| self.headers.iter().find_map(|name| header(name).and_then(of_text)))
    }

    /// A page whose date is not known is admitted: it would never be found otherwise.
    pub(super) fn judge(&self, date: Option<Date>, now: Moment) -> Judgement {
        let Some(Date { at, .. }) = date else {
            return Judgement::Admitted { until: None };
        };
        if self.newest.is_some_and(|newest| at > newest.at(now)) {
            return Judgement::TooNew;
        }
        if self.oldest.is_some_and(|oldest| at < oldest.at(now)) {
            return Judgement::TooOld;
        }
        let until = match self.oldest {
            Some(Bound::Ago(ago)) => Some(Moment::from_epoch_ms(at.epoch_ms().saturating_add(ms(ago)))),
            Some(Bound::Ahead(ahead)) => Some(Moment::from_epoch_ms(at.epoch_ms().saturating_sub(ms(ahead)))),
            Some(Bound::At(_)) | None => None,
        };
        Judgement::Admitted { until }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn at(days: i64) -> Moment {
        Moment::from_epoch_ms(days * DAY_MS)
    }

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    #[test]
    fn the_url_goes_before_the_page_and_that_before_its_headers() {
        let url = Url::parse("http://2001-01-01/1970/01/02/x").expect("a URL");
        let header = |name: &str| (name == "Last-Modified").then_some("Sun, 04 Jan 1970 00:00:00 GMT");
        let filter = DateFilter { in_url: true, ..DateFilter::default() };
        let found = |filter: &DateFilter, content| filter.find(&url, content, header).map(|date| date.at);
        assert_eq!(found(&filter, Some("3 Jan 1970")), Some(at(1)), "a host's name is no date");
        let filter = DateFilter::default();
        assert_eq!(found(&filter, Some("3 Jan 1970")), Some(at(2)));
        assert_eq!(found(&filter, Some("no date")), Some(at(3)));
        assert_eq!(found(&filter, None), Some(at(3)));
        let formats = vec![Mask::parse("MM/DD/YYYY").expect("a mask")];
        let filter = DateFilter { formats, headers: Vec::new(), in_url: true, ..DateFilter::default() };
        assert_eq!(found(&filter, Some("due 01/05/1970")), Some(at(4)), "the URL has none in this form");
    }

    #[test]
    fn a_date_lies_between_its_bounds_or_not_yet_or_no_more() {
        let now = at(100);
        let admitted = |until: Option<i64>| Judgement::Admitted { until: until.map(at) };
        for (oldest, newest, day, expected) in [
            (None, None, 50, admitted(None)),
            (Some(Bound::Ago(days(7))), None, 92, Judgement::TooOld),
            (Some(Bound::Ago(days(7))), None, 94, admitted(Some(101))),
            (Some(Bound::At(at(90))), None, 89, Judgement::TooOld),
            (Some(Bound::At(at(90))), None, 91, admitted(None)),
            (Some(Bound::Ahead(days(1))), None, 100, Judgement::TooOld),
            (None, Some(Bound::Ago(days(2))), 99, Judgement::TooNew),
            (None, Some(Bound::Ago(days(2))), 98, admitted(None)),
            (None, Some(Bound::Ahead(days(2))), 101, admitted(None)),
            (None, Some(Bound::At(at(99))), 100, Judgement::TooNew),
        ] {
            let filter = DateFilter { oldest, newest, ..DateFilter::default() };
            let date = Date { at: at(day), is_day: true };
            assert_eq!(filter.judge(Some(date), now), expected, "{oldest:?} {newest:?} {day}");
            assert_eq!(filter.judge(None, now), admitted(None));
        }
    }
}
