//! The parameters of a task that say which dates its pages may have, read into a [`DateFilter`].

use super::shaping;
use crate::config::{BadSetting, Layers, duration};
use crate::crawl::shape::ElementText;
use crate::crawl::{Bound, DateFilter, Mask, read_date};
use std::time::Duration;

/// Parameters under which a page that has not changed may yield another document, or none.
pub(super) const DECIDES: [&str; 9] = [
    "DateInUrl",
    "PageDateSelector",
    "PageDateHeader",
    "DateFormats",
    "MinPageAge",
    "MaxPageAge",
    "MinPageDate",
    "MaxPageDate",
    "SpiderDateFilteredPages",
];

pub(super) fn date_filter(layers: &Layers<'_>) -> Result<DateFilter, BadSetting> {
    let default = DateFilter::default();
    let flag = |name, default| Ok::<_, BadSetting>(layers.boolean(name)?.unwrap_or(default));
    let expected = "masks of dates such as YYYY-MM-DD or DD SHORTMONTH YYYY, with a year, a month and a day";
    let formats = layers.list("DateFormats");
    let formats = formats.iter().map(|text| Mask::parse(text).ok_or_else(|| layers.bad("DateFormats", expected)));
    let formats: Vec<Mask> = formats.collect::<Result<_, _>>()?;
    let headers = layers.list("PageDateHeader");
    let ago = |name| Ok::<_, BadSetting>(layers.duration(name)?.filter(|age| !age.is_zero()).map(Bound::Ago));
    // An age goes before a date.
    Ok(DateFilter {
        oldest: ago("MaxPageAge")?.or(bound(layers, "MinPageDate", &formats)?),
        newest: ago("MinPageAge")?.or(bound(layers, "MaxPageDate", &formats)?),
        in_url: flag("DateInUrl", default.in_url)?,
        headers: if headers.is_empty() { default.headers } else { headers },
        formats,
        follows: flag("SpiderDateFilteredPages", default.follows)?,
    })
}

/// `PageDateSelector`
pub(super) fn date_element(layers: &Layers<'_>) -> Result<Option<ElementText>, BadSetting> {
    layers.text("PageDateSelector").map(|text| shaping::element_text(layers, "PageDateSelector", &text)).transpose()
}

fn bound(layers: &Layers<'_>, name: &str, formats: &[Mask]) -> Result<Option<Bound>, BadSetting> {
    let expected = "a date such as 2026-11-20, or a time from now such as -7days";
    layers.read_with(name, expected, |text| {
        let relative = |rest: &str, bound: fn(Duration) -> Bound| duration(rest).map(bound);
        match text.split_at_checked(1)? {
            ("-", rest) => relative(rest, Bound::Ago),
            ("+", rest) => relative(rest, Bound::Ahead),
            _ => read_date(text, formats).map(Bound::At),
        }
    })
}
