//! DECIMAL: groups of nine digits in four bytes, the first bit inverted, negative numbers
//! complemented.
//!
//! MySQL: `strings/decimal.cc`, `decimal2bin`.

use super::codec::ValueError;

/// Bytes that hold zero to nine digits.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const GROUP_DIGITS: usize = 9;
const GROUP_BYTES: usize = 4;
/// The most digits of a DECIMAL.
const MOST_DIGITS: u8 = 65;

/// Where the digits of a DECIMAL(precision, scale) lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecimalLayout {
    whole: usize,
    scale: usize,
    /// Bytes of the stored number, 1 to 30.
    pub(crate) length: usize,
}

impl DecimalLayout {
    /// `None` where there is no such type.
    pub(crate) fn new(precision: u8, scale: u8) -> Option<Self> {
        let whole = usize::from(precision.checked_sub(scale)?);
        let scale = usize::from(scale);
        let length = part_length(whole)? + part_length(scale)?;
        (1..=MOST_DIGITS).contains(&precision).then_some(Self { whole, scale, length })
    }

    /// Appends the number's digits with the declared number of fraction digits.
    pub(crate) fn write(&self, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
        let mut plain = [0_u8; 32];
        let stored = plain.get_mut(..self.length).ok_or(ValueError::Short)?;
        if bytes.len() != stored.len() {
            return Err(ValueError::Short);
        }
        stored.copy_from_slice(bytes);
        let first = stored.first_mut().ok_or(ValueError::Short)?;
        let negative = *first & 0x80 == 0;
        *first ^= 0x80;
        if negative {
            stored.iter_mut().for_each(|byte| *byte = !*byte);
            output.push(b'-');
        }
        let mut rest: &[u8] = stored;
        let begin = output.len();
        // The short group stands at the far end of each part.
        take_group(&mut rest, self.whole % GROUP_DIGITS, output)?;
        for _ in 0..self.whole / GROUP_DIGITS {
            take_group(&mut rest, GROUP_DIGITS, output)?;
        }
        strip_zeros(begin, output);
        if self.scale > 0 {
            output.push(b'.');
            for _ in 0..self.scale / GROUP_DIGITS {
                take_group(&mut rest, GROUP_DIGITS, output)?;
            }
            take_group(&mut rest, self.scale % GROUP_DIGITS, output)?;
        }
        Ok(())
    }
}

fn part_length(digits: usize) -> Option<usize> {
    Some(digits / GROUP_DIGITS * GROUP_BYTES + BYTES_OF_DIGITS.get(digits % GROUP_DIGITS)?)
}

fn take_group(rest: &mut &[u8], digits: usize, output: &mut Vec<u8>) -> Result<(), ValueError> {
    let width = *BYTES_OF_DIGITS.get(digits).ok_or(ValueError::Short)?;
    let (group, tail) = rest.split_at_checked(width).ok_or(ValueError::Short)?;
    *rest = tail;
    let mut number = group.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let mut text = [b'0'; GROUP_DIGITS];
    let text = text.get_mut(..digits).ok_or(ValueError::Short)?;
    for place in text.iter_mut().rev() {
        *place += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    if number != 0 {
        return Err(ValueError::Malformed("a group of digits is too large"));
    }
    output.extend_from_slice(text);
    Ok(())
}

/// Removes leading zeros behind `begin`, but leaves one digit.
fn strip_zeros(begin: usize, output: &mut Vec<u8>) {
    let digits = output.get(begin..).unwrap_or_default();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if zeros == digits.len() {
        output.truncate(begin);
        output.push(b'0');
    } else if zeros > 0 {
        output.drain(begin..begin + zeros);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A small encoder: digits of both parts, padded, group by group.
    fn encode(text: &str, precision: u8, scale: u8) -> Vec<u8> {
        let negative = text.starts_with('-');
        let (whole, fraction) = text
            .trim_start_matches('-')
            .split_once('.')
            .unwrap_or((text.trim_start_matches('-'), ""));
        let whole_digits = usize::from(precision - scale);
        let whole = format!("{whole:0>whole_digits$}");
        let whole = &whole[whole.len() - whole_digits..];
        let mut groups = vec![&whole[..whole_digits % 9]];
        groups.extend((0..whole_digits / 9).map(|i| &whole[whole_digits % 9 + i * 9..][..9]));
        groups.extend((0..fraction.len() / 9).map(|i| &fraction[i * 9..][..9]));
        groups.push(&fraction[fraction.len() / 9 * 9..]);
        let mut bytes = Vec::new();
        for group in groups {
            let number: u32 = group.parse().unwrap_or(0);
            bytes.extend_from_slice(&number.to_be_bytes()[4 - BYTES_OF_DIGITS[group.len()]..]);
        }
        if negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes[0] ^= 0x80;
        bytes
    }

    fn decode(bytes: &[u8], precision: u8, scale: u8) -> String {
        let mut output = Vec::new();
        DecimalLayout::new(precision, scale).unwrap().write(bytes, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn known_numbers_of_the_manual_are_read() {
        // The example in the server's own source: 1234567890.1234 as DECIMAL(14,4).
        let bytes = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(decode(&bytes, 14, 4), "1234567890.1234");
        let negative = bytes.map(|byte| !byte);
        assert_eq!(decode(&negative, 14, 4), "-1234567890.1234");
        assert_eq!(decode(&[0x80], 2, 0), "0");
        assert_eq!(decode(&[0x80, 0x05], 3, 2), "0.05");
    }

    #[test]
    fn impossible_types_and_digits_are_refused() {
        for (precision, scale) in [(0, 0), (66, 0), (3, 4), (255, 255)] {
            assert_eq!(DecimalLayout::new(precision, scale), None);
        }
        let layout = DecimalLayout::new(9, 0).unwrap();
        assert!(layout.write(&[0xff, 0xff, 0xff, 0xff], &mut Vec::new()).is_err());
        assert!(layout.write(&[0x80], &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn every_number_comes_back(
            whole in "[1-9][0-9]{0,34}", fraction in "[0-9]{0,30}", negative: bool,
            slack in 0_u8..5, zero_whole: bool,
        ) {
            let scale = u8::try_from(fraction.len()).unwrap();
            let precision = (u8::try_from(whole.len()).unwrap() + scale + slack).min(65);
            let whole = if zero_whole { "0".to_owned() } else { whole };
            let mut text = if scale == 0 { whole } else { format!("{whole}.{fraction}") };
            if negative {
                text.insert(0, '-');
            }
            prop_assume!(precision >= scale && usize::from(precision - scale) >= text.split('.').next().unwrap().trim_start_matches('-').len());
            prop_assert_eq!(decode(&encode(&text, precision, scale), precision, scale), text);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40), precision: u8, scale: u8,
        ) {
            if let Some(layout) = DecimalLayout::new(precision, scale) {
                let _ = layout.write(&bytes, &mut Vec::new());
                let bytes: Vec<u8> = bytes.iter().copied().cycle().take(layout.length).collect();
                let _ = layout.write(&bytes, &mut Vec::new());
            }
        }
    }
}
