//! Date masks of the reference, such as `DD SHORTMONTH YYYY HH:NN:SS` (web-connector.md 5.3). Pure.

use super::Date;
use crate::time::Moment;
use jiff::civil;
use jiff::tz::TimeZone;

/// How much of a text is looked through.
const TEXT_BYTES_MAX: usize = 4096;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// The longest first where one begins with another.
const WORDS: [(&str, Part); 13] = [
    ("#ISODATETIME", Part::Iso),
    ("#FULLYEAR", Part::Year),
    ("EPOCHSECONDS", Part::Epoch),
    ("AUTNDATE", Part::Epoch),
    ("SHORTMONTH", Part::ShortMonth),
    ("LONGMONTH", Part::LongMonth),
    ("YYYY", Part::Year),
    ("YY", Part::YearOfCentury),
    ("MM", Part::Month),
    ("DD", Part::Day),
    ("HH", Part::Hour),
    ("NN", Part::Minute),
    ("SS", Part::Second),
];

/// A mask, which is looked for anywhere in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    YearOfCentury,
    Month,
    ShortMonth,
    LongMonth,
    Day,
    Hour,
    Minute,
    Second,
    Epoch,
    Iso,
    Literal(char),
}

#[derive(Debug, Default)]
struct Found {
    year: i16,
    month: i8,
    day: i8,
    hour: Option<i8>,
    minute: i8,
    second: i8,
    epoch: Option<i64>,
}

impl Mask {
    /// `None` if it has no day, or a word that is not known here.
    pub fn parse(text: &str) -> Option<Mask> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        while let Some(first) = rest.chars().next() {
            let word = WORDS.iter().find(|(word, _)| rest.starts_with(word));
            let (part, length) = match word {
                Some((word, part)) => (*part, word.len()),
                None if first == '#' => return None,
                None => (Part::Literal(first), first.len_utf8()),
            };
            parts.push(part);
            rest = &rest[length..];
        }
        let has = |wanted: &[Part]| parts.iter().any(|part| wanted.contains(part));
        let is_date = has(&[Part::Year, Part::YearOfCentury])
            && has(&[Part::Month, Part::ShortMonth, Part::LongMonth])
            && has(&[Part::Day]);
        (is_date || has(&[Part::Epoch, Part::Iso])).then_some(Mask(parts))
    }

    /// The first date in the text that has this form.
    pub(in crate::crawl) fn find(&self, text: &str) -> Option<Date> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        if self.0 == [Part::Iso] {
            return super::read(text);
        }
        let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        text.char_indices().map(|(at, _)| at).filter(|at| !is_digit(at.checked_sub(1))).find_map(|at| {
            let mut rest = &text[at..];
            let mut found = Found::default();
            for part in &self.0 {
                rest = found.take(*part, rest)?;
            }
            // "20261231" is no date followed by a digit.
            (!rest.starts_with(|c: char| c.is_ascii_digit())).then_some(())?;
            found.date()
        })
    }
}

impl Found {
    /// Reads one part from the start of `rest`, and gives what is behind it.
    fn take<'t>(&mut self, part: Part, rest: &'t str) -> Option<&'t str> {
        match part {
            Part::Literal(' ') => rest.strip_prefix(|c: char| c.is_whitespace()),
            Part::Literal(literal) => rest.strip_prefix(literal),
            Part::Year => {
                let (year, rest) = digits(rest, 4, 4)?;
                self.year = i16::try_from(year).ok()?;
                Some(rest)
            }
            Part::YearOfCentury => {
                let (year, rest) = digits(rest, 2, 2)?;
                self.year = i16::try_from(if year < 70 { 2000 + year } else { 1900 + year }).ok()?;
                Some(rest)
            }
            Part::Month => put(&mut self.month, rest),
            Part::Day => put(&mut self.day, rest),
            Part::Hour => {
                let mut hour = 0;
                let rest = put(&mut hour, rest)?;
                self.hour = Some(hour);
                Some(rest)
            }
            Part::Minute => put(&mut self.minute, rest),
            Part::Second => put(&mut self.second, rest),
            Part::ShortMonth | Part::LongMonth => {
                let length = |month: &str| if part == Part::ShortMonth { 3 } else { month.len() };
                let starts = |month: &&str| {
                    rest.get(..length(month)).is_some_and(|start| start.eq_ignore_ascii_case(&month[..length(month)]))
                };
                let place = MONTHS.iter().position(starts)?;
                self.month = i8::try_from(place + 1).ok()?;
                Some(&rest[length(MONTHS[place])..])
            }
            Part::Epoch => {
                let (epoch, rest) = digits(rest, 1, 10)?;
                self.epoch = Some(epoch);
                Some(rest)
            }
            Part::Iso => None,
        }
    }

    fn date(&self) -> Option<Date> {
        if let Some(epoch) = self.epoch {
            return Some(Date { at: Moment::from_epoch_ms(epoch * 1000), is_day: false });
        }
        let day = civil::Date::new(self.year, self.month, self.day).ok()?;
        let time = civil::Time::new(self.hour.unwrap_or(0), self.minute, self.second, 0).ok()?;
        let at = day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Date { at: Moment::from_epoch_ms(at), is_day: self.hour.is_none() })
    }
}

/// Two digits, or one where no more follow.
fn put<'t>(value: &mut i8, rest: &'t str) -> Option<&'t str> {
    let (number, rest) = digits(rest, 1, 2)?;
    *value = i8::try_from(number).ok()?;
    Some(rest)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn masks_find_their_dates() {
        let day = 1_780_012_800_000; // 2026-05-29
        let at = day + ((7 * 60 + 8) * 60 + 9) * 1000;
        for (mask, text, ms) in [
            ("YYYY/MM/DD", "http://h/2026/05/29/a.html", Some(day)),
            ("YYYY-MM-DD", "on 2026-5-29.", Some(day)),
            ("YYYYMMDD", "http://h/20260529-a", Some(day)),
            ("YYYYMMDD", "http://h/202605291", None),
            ("YYYYMMDD", "http://h/120260529", None),
            ("DD SHORTMONTH YYYY", "Published: 29 MAY 2026, by us", Some(day)),
            ("LONGMONTH DD, YYYY", "may 29, 2026", Some(day)),
            ("DD.MM.YY", "29.05.26", Some(day)),
            ("YYYY-MM-DD HH:NN:SS", "2026-05-29 07:08:09", Some(at)),
            ("EPOCHSECONDS", "t=1780038489", Some(at)),
            ("AUTNDATE", "1780038489", Some(at)),
            ("#ISODATETIME", "2026-05-29T07:08:09Z", Some(at)),
            ("#FULLYEAR/MM/DD", "2026/05/29", Some(day)),
            ("YYYY/MM/DD", "2026/13/29 or 2026/02/30 or 2026/05/29", Some(day)),
            ("YYYY/MM/DD", "none", None),
        ] {
            let found = Mask::parse(mask).expect("it is a mask").find(text);
            assert_eq!(found.map(|date| date.at.epoch_ms()), ms, "{mask} in {text}");
        }
        for mask in ["", "YYYY", "YYYY/MM", "#ADBC YYYY/MM/DD", "HH:NN"] {
            assert_eq!(Mask::parse(mask), None, "{mask}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_looked_through(text in "\\PC{0,40}", mask in "[#YMDHNSLONGMTH/ é-]{0,20}") {
            if let Some(mask) = Mask::parse(&mask) {
                mask.find(&text);
            }
            for mask in ["YYYYMMDD", "DD SHORTMONTH YY", "EPOCHSECONDS"] {
                Mask::parse(mask).expect("it is a mask").find(&text);
            }
        }
    }
}
