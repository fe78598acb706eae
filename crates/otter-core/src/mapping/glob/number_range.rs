//! `[00-31]` in a pattern: the numbers from one to another, written with leading zeros up to the
//! width of the first.

use std::fmt;

/// More digits than this would not fit into the number; no server's names have as many.
const MOST_DIGITS: usize = 18;

/// Numbers from `low` to `high`, written with at least `width` digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::mapping) struct NumberRange {
    low: u64,
    /// Invariant: not less than `low`.
    high: u64,
    /// Invariant: 1 to `MOST_DIGITS`, and `low` has no more digits.
    width: usize,
}

impl NumberRange {
    /// Reads `00-31`. The larger number may have more digits than the smaller one, but no zeros in
    /// front of them: `[8-12]` stands for 8, 9, 10, 11 and 12.
    pub(in crate::mapping) fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once('-')?;
        let is_number = |text: &str| {
            (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(low) || !is_number(high) {
            return None;
        }
        let range = Self { low: low.parse().ok()?, high: high.parse().ok()?, width: low.len() };
        (range.low <= range.high && range.written(range.high) == high).then_some(range)
    }

    /// All numbers as they are written, in order.
    pub(in crate::mapping) fn names(self) -> impl Iterator<Item = String> {
        (self.low..=self.high).map(move |number| self.written(number))
    }

    /// The place of a number among them.
    pub(in crate::mapping) fn place(self, number: i64) -> Option<usize> {
        let number = u64::try_from(number).ok().filter(|it| (self.low..=self.high).contains(it))?;
        usize::try_from(number - self.low).ok()
    }

    /// How many numbers there are.
    pub(in crate::mapping) fn count(self) -> u128 {
        u128::from(self.high - self.low) + 1
    }

    /// The lengths of the beginnings of a text that are such numbers, the shortest first.
    pub(super) fn lengths(self, text: impl Iterator<Item = char>) -> impl Iterator<Item = usize> {
        let digits = text.map_while(|letter| letter.to_digit(10)).take(MOST_DIGITS);
        let read = digits.scan(0u64, |value, digit| {
            *value = *value * 10 + u64::from(digit);
            Some(*value)
        });
        read.enumerate().filter_map(move |(index, value)| {
            let length = index + 1;
            let is_number = (self.low..=self.high).contains(&value);
            (is_number && self.written_length(value) == length).then_some(length)
        })
    }

    /// The same numbers as sequences of digits from one to another.
    pub(super) fn shapes(self) -> Vec<Vec<(char, char)>> {
        let longest = self.written_length(self.high);
        let mut shapes = Vec::new();
        for length in self.width..=longest {
            let power = |digits: usize| {
                u32::try_from(digits).ok().and_then(|digits| 10u64.checked_pow(digits))
            };
            let least = if length == self.width { 0 } else { power(length - 1).unwrap_or(0) };
            let most = power(length).map_or(u64::MAX, |power| power - 1);
            let (low, high) = (self.low.max(least), self.high.min(most));
            if low <= high {
                let text = |number: u64| format!("{number:0length$}").chars().collect::<Vec<_>>();
                shapes.extend(split(&text(low), &text(high)));
            }
        }
        shapes
    }

    fn written(self, number: u64) -> String {
        format!("{number:0width$}", width = self.width)
    }

    fn written_length(self, number: u64) -> usize {
        self.written(number).len()
    }
}

/// The texts of digits between two of the same length.
fn split(low: &[char], high: &[char]) -> Vec<Vec<(char, char)>> {
    let (Some((first, low_rest)), Some((last, high_rest))) =
        (low.split_first(), high.split_first())
    else {
        return vec![Vec::new()];
    };
    let behind = |digit: char, shapes: Vec<Vec<(char, char)>>| {
        shapes.into_iter().map(move |shape| {
            let mut whole = vec![(digit, digit)];
            whole.extend(shape);
            whole
        })
    };
    if first == last {
        return behind(*first, split(low_rest, high_rest)).collect();
    }
    let filled = |digit: char| vec![digit; low_rest.len()];
    let mut shapes: Vec<_> = behind(*first, split(low_rest, &filled('9'))).collect();
    let digit = |letter: char, step: i32| {
        let digit = i32::try_from(letter.to_digit(10)?).ok()? + step;
        char::from_digit(u32::try_from(digit).ok()?, 10)
    };
    if let (Some(next), Some(before)) = (digit(*first, 1), digit(*last, -1))
        && next <= before
    {
        let mut middle = vec![(next, before)];
        middle.extend(low_rest.iter().map(|_| ('0', '9')));
        shapes.push(middle);
    }
    shapes.extend(behind(*last, split(&filled('0'), high_rest)));
    shapes
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}-{}]", self.written(self.low), self.written(self.high))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has(range: NumberRange, text: &str) -> bool {
        range.lengths(text.chars()).any(|length| length == text.len())
    }

    #[test]
    fn a_range_is_two_numbers_the_smaller_one_first() {
        for text in ["00-31", "0-31", "8-12", "08-112", "5-5", "000-000"] {
            let range = NumberRange::parse(text).unwrap();
            assert_eq!(range.to_string(), format!("[{text}]"));
        }
        for text in ["", "1", "a-b", "3-1", "00-7", "1-", "-1", "0-031", "1-2-3", "+1-+2"] {
            assert_eq!(NumberRange::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_means_its_numbers_with_the_zeros_of_the_first(
            low in 0u64..300, more in 0u64..1500, width in 1usize..4, text in "[0-9]{1,5}",
        ) {
            let (low, high) = (format!("{low:0width$}"), format!("{:0width$}", low + more));
            let range = NumberRange::parse(&format!("{low}-{high}")).unwrap();
            let width = low.len();
            let value: u64 = text.parse().unwrap();
            let expected = (range.low..=range.high).contains(&value)
                && format!("{value:0width$}") == text;
            prop_assert_eq!(has(range, &text), expected);
            let digits: Vec<char> = text.chars().collect();
            let in_shapes = range.shapes().into_iter().any(|shape| {
                shape.len() == digits.len()
                    && shape.iter().zip(&digits).all(|((a, b), digit)| a <= digit && digit <= b)
            });
            prop_assert_eq!(in_shapes, expected);
        }
    }
}
