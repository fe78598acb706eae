//! A point in time by a source's clock, and how an operator writes one.

use std::fmt;
use std::str::FromStr;

use crate::position::ParsePositionError;
use crate::temporal::Timestamp;

const MICROS: u64 = 1_000_000;

/// Microseconds since 1970 by the source's clock. For display, and for finding a place where a
/// person wants to begin (CLOCK-1).
///
/// ```
/// use otter_core::SourceTime;
///
/// let time: SourceTime = "2026-11-21T08:00:00+01:00".parse().expect("it is a point in time");
/// assert_eq!(time.to_string(), "2026-11-21T07:00:00Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceTime(pub u64);

impl SourceTime {
    /// From whole seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / MICROS
    }
}

impl fmt::Display for SourceTime {
    /// Writes the point in time in UTC, with a fraction where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u32::try_from(self.seconds()).unwrap_or(u32::MAX);
        let micros = u32::try_from(self.0 % MICROS).unwrap_or(0);
        let time = Timestamp { seconds, micros, digits: 0 }.to_utc();
        let date = time.date;
        write!(f, "{:04}-{:02}-{:02}T", date.year, date.month, date.day)?;
        write!(f, "{:02}:{:02}:{:02}", time.hour, time.minute, time.second)?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("Z")
    }
}

impl FromStr for SourceTime {
    type Err = ParsePositionError;

    /// Reads `2026-11-21T07:00:00Z`, with a fraction of up to six digits and an offset such as
    /// `+08:00` instead of `Z`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| ParsePositionError::Time(text.to_owned()))
    }
}

/// Whether a text begins as a date with a time behind it. No GTID and no file does.
pub(crate) fn looks_like_time(text: &str) -> bool {
    matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't', ..])
}

fn parse(text: &str) -> Option<SourceTime> {
    if !looks_like_time(text) || !text.is_ascii() {
        return None;
    }
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (year, month, day) =
        (number(date.get(..4)?)?, number(date.get(5..7)?)?, number(date.get(8..)?)?);
    let [hour, minute, second] = three(clock)?;
    if !is_date(year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local = days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => local,
        (sign, offset) => {
            let [hours, minutes] = two(offset)?;
            let offset = (hours <= 14 && minutes <= 59).then_some(hours * 3_600 + minutes * 60)?;
            if sign == "+" { local.checked_sub(offset)? } else { local + offset }
        }
    };
    if fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let micros = number(&format!("{fraction:0<6}"))?;
    Some(SourceTime(seconds * MICROS + micros))
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `07:00:00`
fn three(clock: &str) -> Option<[u64; 3]> {
    let (hour, rest) = clock.split_once(':')?;
    let [minute, second] = two(rest)?;
    (hour.len() == 2).then_some([number(hour)?, minute, second])
}

/// `08:00`
fn two(text: &str) -> Option<[u64; 2]> {
    let (first, second) = text.split_once(':')?;
    (first.len() == 2 && second.len() == 2).then_some([number(first)?, number(second)?])
}

fn is_date(year: u64, month: u64, day: u64) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    year >= 1970 && (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// The conversion is Howard Hinnant's `days_from_civil`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_in_time_are_read_with_zone_and_fraction() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T07:00:00Z", 1_795_244_400_000_000),
            ("2026-11-21T15:00:00.25+08:00", 1_795_244_400_250_000),
            ("2026-11-21T01:30:00-05:30", 1_795_244_400_000_000),
            ("2024-02-29t23:59:59.000001z", 1_709_251_199_000_001),
        ] {
            assert_eq!(text.parse(), Ok(SourceTime(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "2026-11-21",
            "2026-11-21T07:00:00",
            "2026-11-21 07:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T7:00:00Z",
            "2026-11-21T07:00:00+8",
            "2026-11-21T07:00:00.1234567Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-21Tß0:00:00Z",
        ] {
            assert!(text.parse::<SourceTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(seconds in 1_u64..0xffff_ffff, micros in 0_u64..1_000_000) {
            let time = SourceTime(seconds * MICROS + micros);
            prop_assert_eq!(time.to_string().parse::<SourceTime>().unwrap(), time);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9TZ:.+-]{0,30}") {
            let _ = text.parse::<SourceTime>();
        }
    }
}
