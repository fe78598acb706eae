//! Dates and times with MySQL's full domain: zero dates, partial dates, negative times.
//!
//! Fields are kept as they are stored; nothing is normalised and no calendar is consulted, so
//! that a value which the source accepted is carried unchanged.

use std::fmt;

/// A calendar date; month and day may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 0 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

/// A signed duration or time of day, up to ±838:59:59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Time {
    /// Whether the value is below zero.
    pub negative: bool,
    /// 0 to 838.
    pub hours: u16,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// Millionths of a second.
    pub micros: u32,
    /// Declared fraction digits, 0 to 6.
    pub digits: u8,
}

/// A date with a time of day, without a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Millionths of a second.
    pub micros: u32,
    /// Declared fraction digits, 0 to 6.
    pub digits: u8,
}

/// A point in time: seconds since 1970 in UTC. Zero seconds and zero micros are MySQL's
/// `0000-00-00 00:00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: u32,
    /// Millionths of a second.
    pub micros: u32,
    /// Declared fraction digits, 0 to 6.
    pub digits: u8,
}

/// Writes `.fff` with `digits` digits.
fn write_fraction(f: &mut fmt::Formatter<'_>, micros: u32, digits: u8) -> fmt::Result {
    let digits = digits.min(6);
    if digits == 0 {
        return Ok(());
    }
    let scaled = micros / 10_u32.pow(6 - u32::from(digits));
    write!(f, ".{scaled:0width$}", width = usize::from(digits))
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        write!(f, "{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds)?;
        write_fraction(f, self.micros, self.digits)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}:{:02}", self.date, self.hour, self.minute, self.second)?;
        write_fraction(f, self.micros, self.digits)
    }
}

impl Timestamp {
    /// Whether this is the zero timestamp.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.seconds == 0 && self.micros == 0
    }

    /// The fields of this point in time in UTC; the zero timestamp gives the zero date.
    ///
    /// The conversion is Howard Hinnant's `civil_from_days`
    /// (<https://howardhinnant.github.io/date_algorithms.html>).
    #[must_use]
    pub fn to_utc(&self) -> DateTime {
        if self.is_zero() {
            return DateTime { digits: self.digits, ..DateTime::default() };
        }
        let days = self.seconds / 86_400;
        let rest = self.seconds % 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u32::from(month <= 2);
        let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        DateTime {
            date: Date {
                year: u16::try_from(year).unwrap_or(u16::MAX),
                month: small(month),
                day: small(day),
            },
            hour: small(rest / 3_600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
            micros: self.micros,
            digits: self.digits,
        }
    }
}

impl fmt::Display for Timestamp {
    /// Writes the point in time in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_utc(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_shown_in_utc_from_zero_to_2106() {
        let show = |seconds, micros, digits| Timestamp { seconds, micros, digits }.to_string();
        assert_eq!(show(0, 0, 0), "0000-00-00 00:00:00");
        assert_eq!(show(0, 500_000, 1), "1970-01-01 00:00:00.5");
        assert_eq!(show(951_782_400, 0, 0), "2000-02-29 00:00:00");
        assert_eq!(show(2_147_483_647, 999_999, 6), "2038-01-19 03:14:07.999999");
        assert_eq!(show(u32::MAX, 0, 3), "2106-02-07 06:28:15.000");
    }

    #[test]
    fn the_declared_digits_are_kept() {
        let time =
            Time { negative: true, hours: 838, minutes: 59, seconds: 1, micros: 10_000, digits: 2 };
        assert_eq!(time.to_string(), "-838:59:01.01");
        let zero = DateTime { digits: 3, ..DateTime::default() };
        assert_eq!(zero.to_string(), "0000-00-00 00:00:00.000");
    }
}
