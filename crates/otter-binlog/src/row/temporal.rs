//! Dates and times in their stored forms, old and new.
//!
//! MySQL: `sql-common/my_time.cc`; the forms with fractions are big-endian and sort as bytes.

use otter_core::{Date, DateTime, Time, Timestamp};

use super::codec::ValueError;
use crate::cursor::Cursor;

/// Bytes of the fraction for 0 to 6 declared digits.
pub(crate) fn fraction_width(digits: u8) -> Option<usize> {
    [0, 1, 1, 2, 2, 3, 3].get(usize::from(digits)).copied()
}

/// The unit of a stored fraction in microseconds.
fn fraction_unit(width: usize) -> u64 {
    [1_000_000, 10_000, 100, 1].get(width).copied().unwrap_or(1)
}

/// The bits of `word` from `shift` on, `count` of them.
#[inline]
fn field(word: u64, shift: u32, count: u32) -> u64 {
    word >> shift & ((1 << count) - 1)
}

#[inline]
fn small(word: u64) -> u8 {
    u8::try_from(word).unwrap_or(u8::MAX)
}

#[inline]
fn micros(fraction: u64, width: usize) -> Result<u32, ValueError> {
    let micros = fraction * fraction_unit(width);
    match u32::try_from(micros) {
        Ok(micros) if width == 0 || micros < 1_000_000 => Ok(if width == 0 { 0 } else { micros }),
        _ => Err(ValueError::Malformed("a fraction of a second is a second or more")),
    }
}

/// A date: day in five bits, month in four, year in fifteen, little-endian.
#[inline]
pub(crate) fn read_date(cursor: &mut Cursor<'_>) -> Result<Date, ValueError> {
    let word = u64::from(cursor.u24()?);
    date(field(word, 9, 15), field(word, 5, 4), field(word, 0, 5))
}

#[inline]
fn date(year: u64, month: u64, day: u64) -> Result<Date, ValueError> {
    match u16::try_from(year) {
        Ok(year) if year <= 9999 && month <= 12 && day <= 31 => {
            Ok(Date { year, month: small(month), day: small(day) })
        }
        _ => Err(ValueError::Malformed("a date is none")),
    }
}

fn date_time(date: Date, clock: [u64; 3], micros: u32, digits: u8) -> Result<DateTime, ValueError> {
    let [hour, minute, second] = clock;
    if hour > 23 || minute > 59 || second > 59 {
        return Err(ValueError::Malformed("a time of day is none"));
    }
    Ok(DateTime {
        date,
        hour: small(hour),
        minute: small(minute),
        second: small(second),
        micros,
        digits,
    })
}

/// The packed form of a date with time: year and month as one number, then day, hour, minute and
/// second in bits, then the fraction.
fn unpack_date_time(word: u64, micros: u32, digits: u8) -> Result<DateTime, ValueError> {
    let year_month = word >> 22;
    let date = date(year_month / 13, year_month % 13, field(word, 17, 5))?;
    date_time(date, [field(word, 12, 5), field(word, 6, 6), field(word, 0, 6)], micros, digits)
}

/// DATETIME since MySQL 5.6: five bytes with the highest bit set, then the fraction.
#[inline]
pub(crate) fn read_date_time(
    cursor: &mut Cursor<'_>,
    digits: u8,
    width: usize,
) -> Result<DateTime, ValueError> {
    const POSITIVE: u64 = 1 << 39;
    let word = cursor.uint_be(5)?;
    let fraction = micros(cursor.uint_be(width)?, width)?;
    let Some(word) = word.checked_sub(POSITIVE) else {
        return Err(ValueError::Malformed("a date with time is negative"));
    };
    unpack_date_time(word, fraction, digits)
}

/// DATETIME before MySQL 5.6: the decimal number YYYYMMDDhhmmss.
pub(crate) fn read_old_date_time(cursor: &mut Cursor<'_>) -> Result<DateTime, ValueError> {
    let number = cursor.u64()?;
    let (day, clock) = (number / 1_000_000, number % 1_000_000);
    let date = date(day / 10_000, day / 100 % 100, day % 100)?;
    date_time(date, [clock / 10_000, clock / 100 % 100, clock % 100], 0, 0)
}

/// TIME since MySQL 5.6: three bytes and the fraction as one number, shifted so that it sorts.
#[inline]
pub(crate) fn read_time(
    cursor: &mut Cursor<'_>,
    digits: u8,
    width: usize,
) -> Result<Time, ValueError> {
    let bits = 8 * (3 + u32::try_from(width).map_err(|_| ValueError::Short)?);
    let stored = cursor.uint_be(3 + width)?.cast_signed();
    // MySQL: a negative time counts down from the zero point, fraction and all, so that the two
    // parts must not be read apart (the fraction borrows).
    let signed = stored - (1_i64 << (bits - 1));
    let (word, fraction_bits) = (signed.unsigned_abs(), bits - 24);
    let fraction = micros(word & ((1 << fraction_bits) - 1), width)?;
    time(signed < 0, word >> fraction_bits, fraction, digits)
}

/// Ten bits of hours, six of minutes, six of seconds.
fn time(negative: bool, word: u64, micros: u32, digits: u8) -> Result<Time, ValueError> {
    let (hours, minutes, seconds) = (field(word, 12, 10), field(word, 6, 6), field(word, 0, 6));
    if word >> 22 != 0 || minutes > 59 || seconds > 59 {
        return Err(ValueError::Malformed("a time is none"));
    }
    let hours = u16::try_from(hours).unwrap_or(u16::MAX);
    Ok(Time { negative, hours, minutes: small(minutes), seconds: small(seconds), micros, digits })
}

/// TIME before MySQL 5.6: the signed decimal number hhmmss in three bytes.
pub(crate) fn read_old_time(cursor: &mut Cursor<'_>) -> Result<Time, ValueError> {
    let word = cursor.u24()?;
    let signed = (word << 8).cast_signed() >> 8;
    let number = u64::from(signed.unsigned_abs());
    let word = ((number / 10_000) << 12) | ((number / 100 % 100) << 6) | (number % 100);
    if number / 100 % 100 > 59 || number % 100 > 59 || number / 10_000 > 838 {
        return Err(ValueError::Malformed("a time is none"));
    }
    time(signed < 0, word, 0, 0)
}

/// TIMESTAMP since MySQL 5.6: big-endian seconds, unsigned (MariaDB 11.5 goes on to 2106), and the
/// fraction.
#[inline]
pub(crate) fn read_timestamp(
    cursor: &mut Cursor<'_>,
    digits: u8,
    width: usize,
) -> Result<Timestamp, ValueError> {
    let seconds = u32::from_be_bytes(cursor.array()?);
    let micros = micros(cursor.uint_be(width)?, width)?;
    Ok(Timestamp { seconds, micros, digits })
}

/// TIMESTAMP before MySQL 5.6: little-endian seconds.
pub(crate) fn read_old_timestamp(cursor: &mut Cursor<'_>) -> Result<Timestamp, ValueError> {
    Ok(Timestamp { seconds: cursor.u32()?, micros: 0, digits: 0 })
}

/// YEAR: one byte, counted from 1900; 0 is the year 0000.
#[inline]
pub(crate) fn read_year(cursor: &mut Cursor<'_>) -> Result<u16, ValueError> {
    Ok(match cursor.u8()? {
        0 => 0,
        year => 1900 + u16::from(year),
    })
}

/// The eight bytes of a temporal inside a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonTemporal {
    Date(Date),
    DateTime(DateTime),
    Time(Time),
}

/// What a temporal inside JSON is declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonTemporalKind {
    Date,
    DateTime,
    Time,
}

/// Reads a temporal of a JSON document: a signed little-endian number, 24 bits of it the fraction.
pub(crate) fn unpack_json(kind: JsonTemporalKind, packed: i64) -> Result<JsonTemporal, ValueError> {
    const DIGITS: u8 = 6;
    let word = packed.unsigned_abs();
    let (high, fraction) = (word >> 24, micros(word & 0xff_ffff, 3)?);
    Ok(match kind {
        JsonTemporalKind::Date => JsonTemporal::Date(unpack_date_time(high, fraction, 0)?.date),
        JsonTemporalKind::DateTime => {
            JsonTemporal::DateTime(unpack_date_time(high, fraction, DIGITS)?)
        }
        JsonTemporalKind::Time => JsonTemporal::Time(time(packed < 0, high, fraction, DIGITS)?),
    })
}

#[cfg(test)]
mod tests;
