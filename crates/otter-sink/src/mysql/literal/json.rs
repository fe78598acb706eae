//! JSON documents as expressions that give the same document.
//!
//! MySQL's documents may hold DECIMALs, but a number in JSON text is read as an integer or a
//! DOUBLE: `1.10` would come back as `1.1`. Documents with such numbers are therefore built by
//! `JSON_ARRAY` and `JSON_OBJECT`, which keep a DECIMAL as it is.

use super::Unwritable;
use crate::mysql::names::push_string;

/// Where a document is not what a server prints.
const BROKEN: Unwritable = Unwritable("is no JSON text");

/// Containers inside each other; MySQL has no more than 100.
const DEEPEST: usize = 100;

/// Appends an expression of the document's value, which is text where `JSON` columns take it.
pub(super) fn push_document(text: &mut String, document: &str) -> Result<(), Unwritable> {
    if is_carried(document) {
        push_string(text, document);
        return Ok(());
    }
    push_typed(text, document)
}

/// Appends an expression of type JSON.
pub(super) fn push_typed(text: &mut String, document: &str) -> Result<(), Unwritable> {
    if is_carried(document) {
        push_cast(text, document);
        return Ok(());
    }
    let document = document.trim();
    if document.starts_with(['[', '{']) {
        push_value(text, document, DEEPEST)?;
    } else {
        text.push_str("CAST(");
        push_decimal(text, document)?;
        text.push_str(" AS JSON)");
    }
    Ok(())
}

fn push_cast(text: &mut String, document: &str) {
    text.push_str("CAST(");
    push_string(text, document);
    text.push_str(" AS JSON)");
}

/// Appends an argument of a constructor for the value that begins here; gives what follows it.
fn push_value<'d>(text: &mut String, from: &'d str, depth: usize) -> Result<&'d str, Unwritable> {
    let from = from.trim_start();
    let rest = skip_value(from)?;
    let value = from.strip_suffix(rest).ok_or(BROKEN)?;
    if is_carried(value) {
        push_cast(text, value);
        return Ok(rest);
    }
    let inner = depth.checked_sub(1).ok_or(BROKEN)?;
    match value.as_bytes().first() {
        Some(b'[') => {
            text.push_str("JSON_ARRAY(");
            let mut items = value.get(1..).ok_or(BROKEN)?.trim_start();
            while !items.starts_with(']') {
                items = push_value(text, items, inner)?;
                items = push_separator(text, items)?;
            }
            text.push(')');
        }
        Some(b'{') => {
            text.push_str("JSON_OBJECT(");
            let mut members = value.get(1..).ok_or(BROKEN)?.trim_start();
            while !members.starts_with('}') {
                let behind = skip_value(members)?;
                text.push_str("JSON_UNQUOTE(");
                push_string(text, members.strip_suffix(behind).ok_or(BROKEN)?);
                text.push_str("),");
                let member = behind.trim_start().strip_prefix(':').ok_or(BROKEN)?;
                members = push_value(text, member, inner)?;
                members = push_separator(text, members)?;
            }
            text.push(')');
        }
        // A literal with a point, or with more digits than an integer has, is a DECIMAL.
        _ => push_decimal(text, value)?,
    }
    Ok(rest)
}

/// Appends a literal of type DECIMAL: digits and at most one point, and nothing else.
fn push_decimal(text: &mut String, number: &str) -> Result<(), Unwritable> {
    let number = number.trim();
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(BROKEN);
    }
    text.push_str(number);
    Ok(())
}

/// Goes on behind a comma, or stays before the end of the container.
fn push_separator<'d>(text: &mut String, from: &'d str) -> Result<&'d str, Unwritable> {
    let from = from.trim_start();
    if let Some(next) = from.strip_prefix(',') {
        text.push(',');
        return Ok(next.trim_start());
    }
    if from.starts_with([']', '}']) { Ok(from) } else { Err(BROKEN) }
}

/// What follows the value that begins here.
fn skip_value(from: &str) -> Result<&str, Unwritable> {
    let from = from.trim_start();
    match from.as_bytes().first() {
        Some(b'"') => Ok(skip_string(from)),
        Some(b'[' | b'{') => {
            let mut depth = 0usize;
            let mut rest = from;
            loop {
                let at = rest.find(['"', '[', ']', '{', '}']).ok_or(BROKEN)?;
                let (_, here) = rest.split_at(at);
                if here.starts_with('"') {
                    rest = skip_string(here);
                    continue;
                }
                depth = if here.starts_with(['[', '{']) { depth + 1 } else { depth - 1 };
                rest = here.get(1..).ok_or(BROKEN)?;
                if depth == 0 {
                    return Ok(rest);
                }
            }
        }
        Some(_) => {
            let end = from.find([',', ']', '}', ':']);
            let end = end.unwrap_or(from.len());
            let (scalar, rest) = from.split_at(end);
            if scalar.trim().is_empty() { Err(BROKEN) } else { Ok(rest) }
        }
        None => Err(BROKEN),
    }
}

/// Whether every number outside of strings comes back as it is from JSON text.
pub(super) fn is_carried(document: &str) -> bool {
    let mut rest = document;
    while let Some(start) = rest.find(|letter: char| letter == '"' || is_number(letter)) {
        let (_, from) = rest.split_at(start);
        rest = if from.starts_with('"') {
            skip_string(from)
        } else {
            let (comes_back, rest) = skip_number(from);
            if !comes_back {
                return false;
            }
            rest
        };
    }
    true
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

/// Whether the number that begins here comes back as it is, and what follows it.
fn skip_number(text: &str) -> (bool, &str) {
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
    (comes_back, rest)
}

fn is_text_of(double: f64, number: &str) -> bool {
    let shortest = double.to_string();
    number.strip_suffix(".0").is_some_and(|whole| whole == shortest) || number == shortest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::names::string;

    fn document(document: &str) -> String {
        let mut text = String::new();
        push_document(&mut text, document).unwrap();
        text
    }

    #[test]
    fn doubles_and_integers_are_carried_by_text() {
        for text in [
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
            assert_eq!(document(text), string(text));
        }
    }

    #[test]
    fn decimals_are_written_as_literals_of_their_own() {
        assert_eq!(document("1.10"), "CAST(1.10 AS JSON)");
        assert_eq!(document("[0.10, []]"), "JSON_ARRAY(0.10,CAST('[]' AS JSON))");
        assert_eq!(document("12345678901234567890.12"), "CAST(12345678901234567890.12 AS JSON)");
        assert_eq!(document("[99999999999999999999]"), "JSON_ARRAY(99999999999999999999)");
        assert_eq!(
            document(r#"{"a": {"it's": -1.50, "b": [1, "]"]}, "\"c": null, "d": true}"#),
            r#"JSON_OBJECT(JSON_UNQUOTE('"a"'),JSON_OBJECT(JSON_UNQUOTE('"it''s"'),-1.50,"#
                .to_owned()
                + r#"JSON_UNQUOTE('"b"'),CAST('[1, "]"]' AS JSON)),"#
                + r#"JSON_UNQUOTE('"\\"c"'),CAST('null' AS JSON),JSON_UNQUOTE('"d"'),CAST('true' AS JSON))"#
        );
    }

    #[test]
    fn text_that_is_no_document_is_refused() {
        for text in [
            "1.10; x",
            "[1.10) x]",
            "1.10.5",
            "[1.10",
            "{1.10}",
            "[1.10 1.10]",
            "[1.10,",
            "{\"a\" 1.10}",
            "[,1.10]",
        ] {
            let mut written = String::new();
            assert!(push_document(&mut written, text).is_err(), "{text}: {written}");
        }
        let deep = format!("{}1.10{}", "[".repeat(101), "]".repeat(101));
        assert!(push_document(&mut String::new(), &deep).is_err());
    }
}
