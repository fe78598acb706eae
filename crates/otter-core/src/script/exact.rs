//! Numbers that a script's own types do not hold exactly: DECIMAL and large unsigned ones.
//!
//! They are compared digit by digit, with each other and with the script's numbers. To calculate,
//! a script asks for a number with a fraction.

use std::cmp::Ordering;

use rhai::{Engine, EvalAltResult, FLOAT, INT};

/// A decimal number of any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    negative: bool,
    /// Without zeros in front.
    whole: String,
    /// Without zeros behind.
    fraction: String,
}

impl Exact {
    /// Reads `-12.50`; `None` for what is no such number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { negative, whole, fraction })
    }

    fn from_int(number: INT) -> Option<Self> {
        Self::parse(&number.to_string())
    }

    /// The shortest decimal number that means the same; `None` for infinities and what is no number.
    fn from_float(number: FLOAT) -> Option<Self> {
        number.is_finite().then(|| Self::parse(&number.to_string())).flatten()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = |left: &Self, right: &Self| {
            (left.whole.len().cmp(&right.whole.len()))
                .then_with(|| left.whole.cmp(&right.whole))
                .then_with(|| left.fraction.cmp(&right.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let whole = if self.whole.is_empty() { "0" } else { &self.whole };
        let point = if self.fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{}", self.fraction)
    }
}

/// An operator, and whether it holds for an order.
type Operator = (&'static str, fn(Ordering) -> bool);

const OPERATORS: [Operator; 6] = [
    ("==", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<", Ordering::is_lt),
    ("<=", Ordering::is_le),
    (">", Ordering::is_gt),
    (">=", Ordering::is_ge),
];

/// Teaches an engine to compare and to convert exact numbers.
pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Exact>("decimal");
    for (name, holds) in OPERATORS {
        engine.register_fn(name, move |left: Exact, right: Exact| holds(left.compare(&right)));
        let against = move |left: Option<Exact>, right: Option<Exact>| match (left, right) {
            (Some(left), Some(right)) => holds(left.compare(&right)),
            // As with NaN, nothing holds but that they differ.
            (None, _) | (_, None) => name == "!=",
        };
        engine.register_fn(name, move |left: Exact, right: INT| {
            against(Some(left), Exact::from_int(right))
        });
        engine.register_fn(name, move |left: INT, right: Exact| {
            against(Exact::from_int(left), Some(right))
        });
        engine.register_fn(name, move |left: Exact, right: FLOAT| {
            against(Some(left), Exact::from_float(right))
        });
        engine.register_fn(name, move |left: FLOAT, right: Exact| {
            against(Exact::from_float(left), Some(right))
        });
        engine.register_fn(name, move |left: Exact, (): ()| against(Some(left), None));
        engine.register_fn(name, move |(): (), right: Exact| against(None, Some(right)));
    }
    engine.register_fn("to_string", |number: Exact| number.text());
    engine.register_fn("to_float", |number: Exact| -> Result<FLOAT, Box<EvalAltResult>> {
        number.text().parse().map_err(|_| Box::new(EvalAltResult::from("no number")))
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(left: &str, right: &str) -> Ordering {
        Exact::parse(left).unwrap().compare(&Exact::parse(right).unwrap())
    }

    #[test]
    fn numbers_compare_by_their_value_and_not_by_their_letters() {
        for (left, right, expected) in [
            ("1.50", "1.5", Ordering::Equal),
            ("-0.00", "0", Ordering::Equal),
            ("0009", "10", Ordering::Less),
            ("0.25", "0.3", Ordering::Less),
            ("-2", "-1.9", Ordering::Less),
            ("-1", "1", Ordering::Less),
            ("18446744073709551615", "9223372036854775807", Ordering::Greater),
        ] {
            assert_eq!(order(left, right), expected, "{left} {right}");
            assert_eq!(order(right, left), expected.reverse(), "{right} {left}");
        }
        for text in ["", "-", "1e5", "1.2.3", "x", "--1"] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
        assert_eq!(Exact::parse("-007.250").unwrap().text(), "-7.25");
    }

    proptest! {
        #[test]
        fn whole_and_fractional_numbers_keep_their_order(a: i64, b: i64, scale in 0u32..6) {
            let (left, right) = (Exact::from_int(a).unwrap(), Exact::from_int(b).unwrap());
            prop_assert_eq!(left.compare(&right), a.cmp(&b));
            let unit = 10i64.pow(scale);
            let text = |n: i64| {
                let (whole, rest) = (n.unsigned_abs() / unit.unsigned_abs(), n.unsigned_abs() % unit.unsigned_abs());
                format!("{}{whole}.{rest:0width$}", if n < 0 { "-" } else { "" }, width = scale as usize)
            };
            prop_assert_eq!(order(&text(a), &text(b)), a.cmp(&b));
        }
    }
}
