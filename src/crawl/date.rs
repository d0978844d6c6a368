//! Dates as web pages and servers write them. Pure; the time is not asked.

mod mask;

pub use mask::Mask;

use crate::time::Moment;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

/// Longer texts are no dates.
const DATE_BYTES_MAX: usize = 100;
/// Local times and days, tried in this order. Two digits of a year are tried first: they are no whole year.
const TIMES: [&str; 12] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%d %b %y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%d %b %y %H:%M",
    "%d %b %Y %H:%M",
    "%d-%b-%y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M",
    "%b %d %H:%M:%S %Y",
];
const DAYS: [&str; 7] = ["%Y-%m-%d", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y"];
/// RFC 822, 5.1, with the hours to add to UTC. Military letters other than Z are left out: RFC 1123 calls them wrong.
const ZONES: [(&str, i8); 12] = [
    ("GMT", 0),
    ("UTC", 0),
    ("UT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// A date that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// Of a day alone, its first moment in UTC.
    pub(super) at: Moment,
    pub(super) is_day: bool,
}

impl Date {
    /// From when on it is past wherever on Earth it was written.
    pub(super) fn past_from(self) -> Moment {
        if self.is_day { self.at.minus_seconds(-36 * 3600) } else { self.at }
    }
}

/// Reads ISO 8601 and W3C (`2026-11-20`, `2026-11-20T10:00:00+01:00`), RFC 822 and its successors (`Fri, 20 Nov 2026
/// 10:00:00 GMT`), RFC 850 (`Friday, 20-Nov-26 10:00:00 GMT`, also with four digits), asctime, and what lies between:
/// without weekday, seconds or zone, which is UTC then.
pub(super) fn read(text: &str) -> Option<Date> {
    let text = text.trim();
    if text.len() > DATE_BYTES_MAX {
        return None;
    }
    let exact = |timestamp: Timestamp| Date { at: Moment::from_epoch_ms(timestamp.as_millisecond()), is_day: false };
    if let Ok(timestamp) = text.parse() {
        return Some(exact(timestamp));
    }
    let (text, zone) = split_zone(without_weekday(text));
    if let Some(local) = TIMES.iter().find_map(|form| civil::DateTime::strptime(form, text).ok()) {
        return Some(exact(zone.to_timestamp(local).ok()?));
    }
    let day = DAYS.iter().find_map(|form| civil::Date::strptime(form, text).ok())?;
    let midnight = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Date { is_day: true, ..exact(midnight) })
}

fn without_weekday(text: &str) -> &str {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let is_one = text.get(..3).is_some_and(|start| DAYS.iter().any(|day| start.eq_ignore_ascii_case(day)));
    if is_one {
        text.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches([',', ' '])
    } else {
        text
    }
}

/// What stands before the zone, and the zone.
fn split_zone(text: &str) -> (&str, Offset) {
    let hours = ZONES.iter().find_map(|(name, hours)| {
        let (before, end) = text.split_at_checked(text.len().checked_sub(name.len())?)?;
        let is_word = before.ends_with(|c: char| c == ' ' || c.is_ascii_digit());
        (is_word && end.eq_ignore_ascii_case(name)).then(|| (before.trim_end(), Offset::constant(*hours)))
    });
    hours.or_else(|| numeric_zone(text)).unwrap_or((text, Offset::UTC))
}

/// `+0100`, `-05:00`, behind a time: in a date alone the sign is a hyphen.
fn numeric_zone(text: &str) -> Option<(&str, Offset)> {
    let at = text.rfind(['+', '-'])?;
    let (before, sign_and_digits) = text.split_at(at);
    let digits = sign_and_digits[1..].replacen(':', "", 1);
    if !before.contains(':') || digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let seconds = hours * 3600 + minutes * 60;
    let offset = Offset::from_seconds(if sign_and_digits.starts_with('-') { -seconds } else { seconds }).ok()?;
    Some((before.trim_end(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_in_the_forms_that_the_web_has() {
        // 2010-06-25 15:00:00 UTC
        let at = 1_277_478_000_000;
        let hour = 3_600_000;
        for (text, ms) in [
            ("2010-06-25T15:00:00Z", at),
            ("2010-06-25T17:00:00+02:00", at),
            ("2010-06-25T17:00+02:00", at),
            ("2010-06-25T15:00:00.000", at),
            ("2010-06-25 15:00:00", at),
            ("2010-06-25 15:00 UTC", at),
            ("25 Jun 2010 15:00:00 PST", at + 8 * hour),
            ("25 Jun 2010 15:00:00 gmt", at),
            ("Fri, 25 Jun 2010 15:00:00 +0000", at),
            ("fri, 25 jun 2010 10:30:00 -0430", at),
            ("25-Jun-2010 15:00:00 EST", at + 5 * hour),
            ("Friday, 25-Jun-10 15:00:00 GMT", at),
            ("Friday, 25-Jun-2010 15:00:00 GMT", at),
            ("Fri Jun 25 15:00:00 2010", at),
            ("25 Jun 10 15:00", at),
            (" 25 Jun 2010 15:00 ", at),
        ] {
            assert_eq!(read(text), Some(Date { at: Moment::from_epoch_ms(ms), is_day: false }), "{text}");
        }
        for text in
            ["2010-06-25", "2010/06/25", "25 Jun 2010", "25 June 2010", "25-Jun-2010", "Jun 25, 2010", "June 25, 2010"]
        {
            let midnight = Moment::from_epoch_ms(at - 15 * hour);
            let day = read(text);
            assert_eq!(day, Some(Date { at: midnight, is_day: true }), "{text}");
            assert_eq!(day.map(Date::past_from), Some(midnight.minus_seconds(-36 * 3600)));
        }
        for text in
            ["", "never", "2010-13-25", "25 Foo 2010", "12345", "2010", "Wednesday", "15:00:00", "tomorrow 15:00"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC{0,30}", date in "[0-9A-Za-z :,+é-]{0,30}") {
            read(&text);
            read(&date);
        }
    }
}
