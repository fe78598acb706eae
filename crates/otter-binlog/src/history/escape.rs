//! Escapes for the texts that this module writes: SQL literals, and fields of its own format.

use std::borrow::Cow;

/// The inside of a SQL text literal.
pub(super) fn sql_text(text: &str) -> Cow<'_, str> {
    if !text.contains(['\'', '\\']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('\'', "''").into()
}

/// A field of a line: without tabs and line ends, and `\-` where it is empty.
pub(super) fn field(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return "\\-".into();
    }
    if !text.contains(['\\', '\t', '\n', '\r']) {
        return text.into();
    }
    let mut field = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        match letter {
            '\\' => field.push_str("\\\\"),
            '\t' => field.push_str("\\t"),
            '\n' => field.push_str("\\n"),
            '\r' => field.push_str("\\r"),
            other => field.push(other),
        }
    }
    field.into()
}

/// What [`field`] was made of; `None` where it is no field.
pub(super) fn unfield(field: &str) -> Option<Cow<'_, str>> {
    if field == "\\-" {
        return Some("".into());
    }
    if !field.contains('\\') {
        return (!field.is_empty()).then_some(field.into());
    }
    let mut text = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next()? {
            '\\' => text.push('\\'),
            't' => text.push('\t'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            _ => return None,
        }
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_field_gives_its_text_back_and_fits_a_line(text in any::<String>()) {
            let written = field(&text);
            prop_assert!(!written.contains(['\t', '\n', '\r']) && !written.is_empty());
            prop_assert_eq!(unfield(&written).unwrap(), text.as_str());
        }

        #[test]
        fn any_text_is_a_field_or_none(text in any::<String>()) {
            let _ = unfield(&text);
        }
    }
}
