//! Wall-clock moments and the forms in which the reference prints and reads them.
//!
//! Decisions take a [`Moment`] or an `Instant` as an argument; only the loops around them read a clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::time::SystemTime;

/// A wall-clock time in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    pub fn now() -> Moment {
        Moment(Timestamp::now().as_millisecond())
    }

    /// The moment of a file's date; of one that no clock yields, the epoch.
    pub fn of(time: SystemTime) -> Moment {
        Moment(Timestamp::try_from(time).map_or(0, Timestamp::as_millisecond))
    }

    pub const fn from_epoch_ms(epoch_ms: i64) -> Moment {
        Moment(epoch_ms)
    }

    pub fn epoch_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds from `earlier` to this; 0 if the clock went back.
    pub fn seconds_since(self, earlier: Moment) -> i64 {
        // Both are cut to seconds first, as they are printed: the difference then agrees with what a reader computes.
        (self.0.div_euclid(1000) - earlier.0.div_euclid(1000)).max(0)
    }

    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }

    #[must_use]
    pub fn minus_seconds(self, seconds: i64) -> Moment {
        Moment(self.0 - seconds * 1000)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    pub fn http_date(self) -> impl fmt::Display {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads the date of a sitemap or a feed: W3C (a prefix of `2026-11-20T10:00:00.5Z`, at least a day) or RFC 2822. Of a
    /// day, its last moment anywhere on Earth: what changed then may have changed as late as that.
    pub fn parse_published(text: &str) -> Option<Moment> {
        let text = text.trim();
        let of_day = || {
            let midnight = text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?;
            midnight.timestamp().checked_add(SignedDuration::from_hours(24 + 12)).ok()
        };
        let without_seconds = || {
            let zoned = jiff::Zoned::strptime("%Y-%m-%dT%H:%M%:z", text.replace('Z', "+00:00")).ok()?;
            Some(zoned.timestamp())
        };
        let of_mail = || Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
        let timestamp = text.parse().ok().or_else(without_seconds).or_else(of_mail).or_else(of_day)?;
        Some(Moment(timestamp.as_millisecond()))
    }

    /// `2015-Aug-17 17:40:49`, local time: the dates of `QueueInfo` and `TaskList` (aci.md 3.5).
    pub fn queue_date(self) -> impl fmt::Display {
        self.local("%Y-%b-%d %H:%M:%S")
    }

    /// `20 Nov 26 16:49:50`, local time: `errortime` and `servertime` (aci.md 2.2).
    pub fn error_date(self) -> impl fmt::Display {
        self.local("%d %b %y %H:%M:%S")
    }

    /// `20/11/2026 16:49:50`, local time: the start of a log line (aci.md 3.10).
    pub fn log_date(self) -> impl fmt::Display {
        self.local("%d/%m/%Y %H:%M:%S")
    }

    /// `20261120T164950`, local time: part of a file's name.
    pub fn stamp(self) -> String {
        self.local("%Y%m%dT%H%M%S")
    }

    /// `2023/04/15`, UTC: `DREDATE` in IDX (web-connector.md 5.3).
    pub fn idx_date(self) -> impl fmt::Display {
        self.timestamp().strftime("%Y/%m/%d").to_string()
    }

    /// Reads a time as clients give it: in the form of [`Moment::queue_date`], `2015-08-17 17:40:49` (or with a `T`),
    /// `17/08/2015 17:40:49`, each also as a date alone, which is its first moment, all of them local; seconds since
    /// 1970; or, negative, seconds before `now`. Months are read in any case.
    pub fn read(text: &str, now: Moment) -> Option<Moment> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<i64>() {
            let since = if seconds < 0 { now.0 } else { 0 };
            return seconds.checked_mul(1000)?.checked_add(since).map(Moment);
        }
        Moment::of_local(read_local(text)?, &TimeZone::system())
    }

    /// The moment at which the clocks of a zone show `local`. Of a time that they show twice the first, and of one that they
    /// skip the one after that is as far from midnight.
    pub(crate) fn of_local(local: DateTime, zone: &TimeZone) -> Option<Moment> {
        Some(Moment(local.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
    }

    /// What the clocks of a zone show.
    pub(crate) fn in_zone(self, zone: &TimeZone) -> DateTime {
        zone.to_datetime(self.timestamp())
    }

    fn local(self, format: &str) -> String {
        self.timestamp().to_zoned(TimeZone::system()).strftime(format).to_string()
    }

    fn timestamp(self) -> Timestamp {
        // Out of range only for years beyond 9999, which no clock and no header yields.
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Where this machine is.
pub(crate) fn local_zone() -> TimeZone {
    TimeZone::system()
}

/// Reads a local time in the forms that [`Moment::read`] names.
pub(crate) fn read_local(text: &str) -> Option<DateTime> {
    const FORMS: [(&str, &str); 4] = [
        ("%Y-%b-%d %H:%M:%S", "%Y-%b-%d"),
        ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"),
        ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"),
        ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y"),
    ];
    let text = text.trim();
    FORMS.into_iter().find_map(|(whole, day)| {
        let midnight = || Date::strptime(day, text).ok().map(|date| date.at(0, 0, 0, 0));
        DateTime::strptime(whole, text).ok().or_else(midnight)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_forms_are_those_of_the_reference() {
        let local = jiff::civil::date(2015, 8, 7).at(17, 40, 49, 0).to_zoned(TimeZone::system());
        let moment = Moment::from_epoch_ms(local.map_or(0, |zoned| zoned.timestamp().as_millisecond()));
        assert_eq!(moment.queue_date().to_string(), "2015-Aug-07 17:40:49");
        assert_eq!(moment.error_date().to_string(), "07 Aug 15 17:40:49");
        assert_eq!(moment.log_date().to_string(), "07/08/2015 17:40:49");
    }

    #[test]
    fn published_dates_are_read_in_their_usual_forms() {
        let cases = [
            ("2026-11-20", Some(1_795_132_800_000 + 36 * 3_600_000)),
            ("2026-11-20T10:00:00Z", Some(1_795_168_800_000)),
            ("2026-11-20T11:00:00.000+01:00", Some(1_795_168_800_000)),
            ("2026-11-20T11:00+01:00", Some(1_795_168_800_000)),
            ("Fri, 20 Nov 2026 10:00:00 GMT", Some(1_795_168_800_000)),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Moment::parse_published(text).map(Moment::epoch_ms), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_is_printed_and_some_more() {
        let date = jiff::civil::date(2015, 8, 7);
        let ms =
            |time: DateTime| time.to_zoned(TimeZone::system()).map_or(0, |zoned| zoned.timestamp().as_millisecond());
        let (at, midnight) = (Some(ms(date.at(17, 40, 49, 0))), Some(ms(date.at(0, 0, 0, 0))));
        let cases = [
            ("2015-Aug-07 17:40:49", at),
            (" 2015-AUG-07 17:40:49 ", at),
            ("2015-08-07 17:40:49", at),
            ("2015-08-07T17:40:49", at),
            ("07/08/2015 17:40:49", at),
            ("2015-aug-07", midnight),
            ("2015-08-07", midnight),
            ("07/08/2015", midnight),
            ("0", Some(0)),
            ("1448031009", Some(1_448_031_009_000)),
            ("-60", Some(40_000)),
            ("", None),
            ("yesterday", None),
            ("2015-13-07", None),
            ("2015-08-07 25:00:00", None),
            ("-9223372036854775807", None),
        ];
        let now = Moment::from_epoch_ms(100_000);
        for (text, expected) in cases {
            assert_eq!(Moment::read(text, now).map(Moment::epoch_ms), expected, "{text}");
        }
        let printed = Moment::from_epoch_ms(1_448_031_009_000);
        assert_eq!(Moment::read(&printed.queue_date().to_string(), now), Some(printed));
    }

    #[test]
    fn seconds_agree_with_the_printed_dates() {
        let (start, end) = (Moment::from_epoch_ms(1_999), Moment::from_epoch_ms(2_001));
        assert_eq!(end.seconds_since(start), 1);
        assert_eq!(start.seconds_since(end), 0);
    }
}
