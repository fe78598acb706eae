//! Text of a source as it may be shown at a terminal.

use std::borrow::Cow;

/// The text without control characters, with which a name or a statement could change what the
/// terminal shows: they are escaped, and lines behind the first are indented.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => safe.push_str("\n    "),
            '\t' => safe.push(letter),
            letter if letter.is_control() => safe.extend(letter.escape_default()),
            letter => safe.push(letter),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(shown("Käse → x"), "Käse → x");
        assert_eq!(shown("a\u{1b}[2J\r\u{9b}b\u{7f}"), r"a\u{1b}[2J\r\u{9b}b\u{7f}");
        assert_eq!(shown("CREATE\n\tTABLE"), "CREATE\n    \tTABLE");
    }
}
