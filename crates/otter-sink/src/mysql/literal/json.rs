//! Whether a JSON document prints as it was written once the target has read it.
//!
//! MySQL's documents may hold DECIMALs, but a number in JSON text is read as an integer or a
//! DOUBLE: `1.10` would come back as `1.1`. Such a document is refused, never approximated.

use super::Unwritable;

/// A number that would come back as another text.
const DECIMAL: Unwritable = Unwritable("holds a DECIMAL number, which JSON text cannot carry");

/// Checks every number outside of strings.
pub(super) fn check_numbers(document: &str) -> Result<(), Unwritable> {
    let mut rest = document;
    while let Some(start) = rest.find(|letter: char| letter == '"' || is_number(letter)) {
        let (_, from) = rest.split_at(start);
        rest = if from.starts_with('"') { skip_string(from) } else { skip_number(from)? };
    }
    Ok(())
}

fn is_number(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '-'
}

/// What follows the string that begins here.
fn skip_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

fn skip_number(text: &str) -> Result<&str, Unwritable> {
    let is_part = |letter: char| is_number(letter) || matches!(letter, '.' | 'e' | 'E' | '+');
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let comes_back = if number.contains(['e', 'E']) {
        // Only a DOUBLE is printed with an exponent.
        true
    } else if number.contains('.') {
        number.parse::<f64>().is_ok_and(|double| is_text_of(double, number))
    } else {
        number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok()
    };
    if comes_back { Ok(rest) } else { Err(DECIMAL) }
}

fn is_text_of(double: f64, number: &str) -> bool {
    let shortest = double.to_string();
    number.strip_suffix(".0").is_some_and(|whole| whole == shortest) || number == shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_integers_come_back_and_decimals_do_not() {
        for document in [
            "1.0",
            "-0.0",
            "0.1",
            "0.00001",
            "1e20",
            "1.5e-7",
            "18446744073709551615",
            "-5",
            r#"{"a": [1.5, "1.10 \" 1.10", null], "1.10": true}"#,
            "\"1.10\"",
            "{}",
        ] {
            assert_eq!(check_numbers(document), Ok(()), "{document}");
        }
        for document in ["1.10", "[0.10]", "12345678901234567890.12", "99999999999999999999"] {
            assert_eq!(check_numbers(document), Err(DECIMAL), "{document}");
        }
    }
}
