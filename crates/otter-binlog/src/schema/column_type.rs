//! `COLUMN_TYPE` of `information_schema`: `int(10) unsigned`, `enum('a','it''s')`.

use std::sync::Arc;

/// Whether the type is declared UNSIGNED (ZEROFILL implies it).
pub(crate) fn is_unsigned(column_type: &str) -> bool {
    let behind = column_type.rsplit(')').next().unwrap_or_default();
    behind.split_ascii_whitespace().any(|word| word == "unsigned")
}

/// The labels of an ENUM or SET.
pub(crate) fn labels(column_type: &str) -> Option<Arc<[Arc<str>]>> {
    let (kind, rest) = column_type.split_once('(')?;
    if !matches!(kind.trim(), "enum" | "set") {
        return None;
    }
    let mut labels: Vec<Arc<str>> = Vec::new();
    let mut letters = rest.chars().peekable();
    loop {
        // A quote begins each label; quotes inside are doubled.
        if letters.next()? != '\'' {
            return None;
        }
        let mut label = String::new();
        loop {
            match letters.next()? {
                '\'' if letters.next_if_eq(&'\'').is_none() => break,
                // MySQL: `append_unescaped` writes these four, whatever the SQL mode.
                '\\' => label.push(match letters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    letter => letter,
                }),
                letter => label.push(letter),
            }
        }
        labels.push(label.into());
        match letters.next()? {
            ',' => {}
            ')' => return Some(labels.into()),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signs_are_read_with_and_without_display_width() {
        assert!(is_unsigned("int unsigned"));
        assert!(is_unsigned("bigint(20) unsigned zerofill"));
        assert!(is_unsigned("decimal(10,2) unsigned"));
        assert!(!is_unsigned("int(11)"));
        assert!(!is_unsigned("enum('unsigned')"));
    }

    #[test]
    fn labels_keep_quotes_commas_and_parentheses() {
        let read = |text: &str| labels(text).map(|labels| labels.join("|"));
        assert_eq!(read("enum('a','it''s',')','b,c','')"), Some("a|it's|)|b,c|".into()));
        assert_eq!(read("set('x')"), Some("x".into()));
        assert_eq!(read(r"enum('b\\c','n\nl','z\0z')"), Some("b\\c|n\nl|z\0z".into()));
        assert_eq!(read("varchar(3)"), None);
        assert_eq!(read("enum('a'"), None);
        assert_eq!(read("enum()"), None);
    }

    fn escape(label: &str) -> String {
        label
            .replace('\\', r"\\")
            .replace('\n', r"\n")
            .replace('\r', r"\r")
            .replace('\0', r"\0")
            .replace('\'', "''")
    }

    proptest! {
        #[test]
        fn all_labels_come_back(expected in prop::collection::vec("(.|\n|\r|\\\\){0,8}", 1..9)) {
            let quoted: Vec<String> =
                expected.iter().map(|label| format!("'{}'", escape(label))).collect();
            let read = labels(&format!("enum({})", quoted.join(","))).unwrap();
            prop_assert!(read.iter().map(|label| &**label).eq(expected.iter().map(String::as_str)));
        }
    }
}
