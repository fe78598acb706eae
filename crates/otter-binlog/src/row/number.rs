//! Floating-point numbers as the server prints them inside JSON.
//!
//! MySQL: `my_gcvt` in `strings/dtoa.cc`: the shortest digits that give the number back, plain
//! where the exponent is between -14 and 15, otherwise `1e20` without a plus sign.

use std::io::Write as _;

/// Beyond this many places before the point the server prefers an exponent.
const MOST_PLACES: i32 = 15;

/// Appends a number as a JSON document shows it; whole numbers get `.0`.
pub(crate) fn write_json_double(number: f64, output: &mut Vec<u8>) {
    let begin = output.len();
    write_double(number, output);
    let text = output.get(begin..).unwrap_or_default();
    if !text.iter().any(|letter| matches!(letter, b'.' | b'e')) {
        output.extend_from_slice(b".0");
    }
}

fn write_double(number: f64, output: &mut Vec<u8>) {
    let mut buffer = [0_u8; 40];
    let mut room = buffer.as_mut_slice();
    // 17 digits, sign, point and exponent always fit.
    let _ = write!(room, "{number:e}");
    let left = room.len();
    let text = buffer.get(..buffer.len() - left).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    let Some((mantissa, exponent)) = text.split_once('e') else {
        // JSON holds neither infinities nor NaN.
        output.extend_from_slice(b"0");
        return;
    };
    let (mantissa, negative) = match mantissa.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (mantissa, false),
    };
    if negative {
        output.push(b'-');
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (head, tail) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let length = i32::try_from(tail.len() + 1).unwrap_or(i32::MAX);
    // Places before the point, as the server counts them.
    let places = exponent + 1;
    let plain = places > -MOST_PLACES && (places <= MOST_PLACES || length > places);
    if !plain {
        output.extend_from_slice(mantissa.as_bytes());
        let _ = write!(output, "e{exponent}");
    } else if places <= 0 {
        output.extend_from_slice(b"0.");
        output.extend((places..0).map(|_| b'0'));
        output.extend_from_slice(head.as_bytes());
        output.extend_from_slice(tail.as_bytes());
    } else {
        let digits = head.bytes().chain(tail.bytes()).chain(std::iter::repeat(b'0'));
        let count = usize::try_from(places.max(length)).unwrap_or(0);
        for (index, digit) in digits.take(count).enumerate() {
            if i32::try_from(index) == Ok(places) {
                output.push(b'.');
            }
            output.push(digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: f64) -> String {
        let mut output = Vec::new();
        write_json_double(number, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn numbers_look_as_on_mysql_9() {
        for (number, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.0, "0.0"),
            (2.5, "2.5"),
            (0.1, "0.1"),
            (1e14, "100000000000000.0"),
            (1e14 + 0.5, "100000000000000.5"),
            (1e15, "1e15"),
            (1e20, "1e20"),
            (123_456_789_012_345_680_000.0, "1.2345678901234568e20"),
            (1.5e300, "1.5e300"),
            (1e-14, "0.00000000000001"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (0.100_000_001_490_116_12, "0.10000000149011612"),
            (-12.25, "-12.25"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    proptest! {
        #[test]
        fn the_text_gives_the_number_back(bits: u64) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                prop_assert_eq!(text(number).parse::<f64>().unwrap().to_bits(), bits);
            } else {
                prop_assert_eq!(text(number), "0.0");
            }
        }
    }
}
