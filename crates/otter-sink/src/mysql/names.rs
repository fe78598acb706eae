//! Identifiers and plain strings in SQL text.

/// Appends an identifier in backquotes.
pub(crate) fn push_identifier(text: &mut String, name: &str) {
    text.push('`');
    for (index, piece) in name.split('`').enumerate() {
        if index > 0 {
            text.push_str("``");
        }
        text.push_str(piece);
    }
    text.push('`');
}

/// An identifier in backquotes.
pub(crate) fn identifier(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    push_identifier(&mut text, name);
    text
}

/// `schema`.`name`.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    let mut text = identifier(schema);
    text.push('.');
    push_identifier(&mut text, name);
    text
}

/// Appends a string literal of the connection's character set, utf8mb4. The session never has
/// NO_BACKSLASH_ESCAPES.
pub(crate) fn push_string(text: &mut String, value: &str) {
    text.push('\'');
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\'' | b'\\' | 0)) {
        // The three are ASCII, so `at` is a border between letters.
        let (plain, tail) = rest.split_at(at);
        text.push_str(plain);
        let mut letters = tail.chars();
        text.push_str(match letters.next() {
            Some('\'') => "''",
            Some('\\') => "\\\\",
            _ => "\\0",
        });
        rest = letters.as_str();
    }
    text.push_str(rest);
    text.push('\'');
}

/// A string literal.
pub(crate) fn string(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    push_string(&mut text, value);
    text
}

/// What `CURRENT_USER()` tells, as a GRANT names it; `None` where it is no account.
pub(crate) fn account(told: &str) -> Option<String> {
    // The host part is behind the last @, since a user's name may hold one.
    let (user, host) = told.rsplit_once('@')?;
    Some(format!("{}@{}", string(user), string(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_quoted() {
        assert_eq!(qualified("a`b", "c"), "`a``b`.`c`");
        assert_eq!(string("it's \\ \0 你"), "'it''s \\\\ \\0 你'");
        assert_eq!(string(""), "''");
        assert_eq!(string("'"), "''''");
    }
}
