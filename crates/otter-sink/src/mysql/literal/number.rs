//! Numbers as text, without the formatting machinery where it costs.

use super::Unwritable;

/// Appends a signed integer.
pub(super) fn push_signed(text: &mut String, value: i64) {
    if value < 0 {
        text.push('-');
    }
    push_unsigned(text, value.unsigned_abs());
}

/// Appends an unsigned integer.
pub(super) fn push_unsigned(text: &mut String, mut value: u64) {
    // u64::MAX has 20 digits.
    let mut digits = ['0'; 20];
    let mut first = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = digit(value % 10);
        value /= 10;
        first -= 1;
        if value == 0 {
            break;
        }
    }
    text.extend(digits.iter().skip(first));
}

/// Appends a number with leading zeros up to `width` digits.
pub(super) fn push_padded(text: &mut String, value: u32, width: u32) {
    let mut rest = width;
    while rest > 1 && u64::from(value) < 10_u64.pow(rest - 1) {
        text.push('0');
        rest -= 1;
    }
    push_unsigned(text, u64::from(value));
}

/// Appends a floating-point number with the fewest digits that give the same bits again. The
/// exponent makes the server read it as a DOUBLE and not as a DECIMAL.
pub(super) fn push_float(text: &mut String, value: f64) -> Result<(), Unwritable> {
    use std::fmt::Write;

    if !value.is_finite() {
        return Err(Unwritable("is no finite number"));
    }
    if value == 0.0 && value.is_sign_negative() {
        // MariaDB: -0e0 is plain zero, the text '-0' keeps the sign where the server can.
        text.push_str("'-0'");
        return Ok(());
    }
    // Writing into a String cannot fail.
    let _ = write!(text, "{value:e}");
    Ok(())
}

fn digit(value: u64) -> char {
    // Only called with 0 to 9.
    u32::try_from(value).ok().and_then(|value| char::from_digit(value, 10)).unwrap_or('0')
}
