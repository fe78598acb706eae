//! Which columns a script names: read from its text, before it runs.
//!
//! So a wrong name is known before the first row, and only what is asked for is converted.

use std::sync::Arc;

use rhai::Position;

use super::error::{ScriptError, place};

/// The columns that a script asks for, each once, in the order of the text.
pub(super) fn columns(text: &str) -> Result<Vec<Arc<str>>, ScriptError> {
    let mut scanner = Scanner { letters: text.chars().collect(), at: 0 };
    let mut columns: Vec<Arc<str>> = Vec::new();
    let mut before = None;
    while let Some(letter) = scanner.peek(0) {
        match letter {
            '/' if scanner.peek(1) == Some('/') => scanner.skip_line(),
            '/' if scanner.peek(1) == Some('*') => scanner.skip_comment(),
            '"' => {
                scanner.text()?;
                before = Some('"');
            }
            // A single letter in the language, which is unequal to every number and text.
            '\'' => return Err(scanner.error_of_text()),
            '`' => return Err(scanner.error_of_text()),
            '#' if matches!(scanner.peek(1), Some('"' | '#')) => {
                return Err(scanner.error_of_text());
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                let start = scanner.at;
                let word = scanner.word();
                if word == "row" && before != Some('.') {
                    let column = scanner.column(start)?;
                    if !columns.iter().any(|known| **known == *column) {
                        columns.push(Arc::from(column));
                    }
                }
                before = Some('a');
            }
            letter => {
                if !letter.is_whitespace() {
                    // A range is two points, and no property.
                    let is_range = letter == '.' && before == Some('.');
                    before = Some(if is_range { '…' } else { letter });
                }
                scanner.at += 1;
            }
        }
    }
    Ok(columns)
}

struct Scanner {
    letters: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|letter| letter != '\n') {
            self.at += 1;
        }
    }

    /// Comments may hold comments.
    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while let Some(letter) = self.peek(0) {
            match (letter, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a text in quotes.
    fn text(&mut self) -> Result<String, ScriptError> {
        let mut text = String::new();
        self.at += 1;
        while let Some(letter) = self.peek(0) {
            self.at += 1;
            match letter {
                '"' => return Ok(text),
                '\\' => {
                    text.extend(self.peek(0));
                    self.at += 1;
                }
                letter => text.push(letter),
            }
        }
        Err(self.error_of_text())
    }

    fn word(&mut self) -> String {
        let rest = self.letters.get(self.at..).unwrap_or_default();
        let is_part = |letter: &&char| letter.is_alphanumeric() || **letter == '_';
        let word: String = rest.iter().take_while(is_part).collect();
        self.at += word.chars().count();
        word
    }

    fn skip_blanks(&mut self) {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Reads `.name` or `["name"]` behind `row`.
    fn column(&mut self, start: usize) -> Result<String, ScriptError> {
        self.skip_blanks();
        let next = self.peek(0);
        self.at += 1;
        self.skip_blanks();
        let name = match (next, self.peek(0)) {
            (Some('.'), _) => self.word(),
            (Some('['), Some('"')) => {
                let name = self.text()?;
                self.skip_blanks();
                if self.peek(0) != Some(']') {
                    return Err(self.error_of_row(start));
                }
                self.at += 1;
                name
            }
            _ => return Err(self.error_of_row(start)),
        };
        if name.is_empty() { Err(self.error_of_row(start)) } else { Ok(name) }
    }

    fn error_of_row(&self, at: usize) -> ScriptError {
        ScriptError::BareRow { place: self.place(at) }
    }

    fn error_of_text(&self) -> ScriptError {
        ScriptError::Text { place: self.place(self.at) }
    }

    fn place(&self, at: usize) -> String {
        let before = self.letters.get(..at).unwrap_or(&self.letters);
        let line = before.iter().filter(|letter| **letter == '\n').count() + 1;
        let letter = before.iter().rev().take_while(|letter| **letter != '\n').count() + 1;
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        place(Position::new(short(line), short(letter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_that_a_script_names_are_found() {
        for (text, expected) in [
            ("true", &[][..]),
            ("row.a == 1 && row . b > row.a", &["a", "b"]),
            ("row[\"order no\"] == \"row.x\" // row.y", &["order no"]),
            ("/* row.a /* row.b */ row.c */ row.d", &["d"]),
            ("let arrow = 1; x.row.y; row_z; row.Größe == row.e", &["Größe", "e"]),
            ("0..row.n in 1..=row.m", &["n", "m"]),
        ] {
            let found = columns(text).unwrap();
            let found: Vec<&str> = found.iter().map(|name| &**name).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_row_that_is_not_asked_for_a_column_is_refused_with_its_place() {
        for text in
            ["row", "let r = row;", "row.", "row[x]", "row[\"a\" + \"b\"]", "f(row)", "row?.a"]
        {
            let error = columns(&format!("true;\n {text}")).unwrap_err();
            assert!(matches!(error, ScriptError::BareRow { .. }), "{text} {error}");
            assert!(error.to_string().starts_with("line 2, letter "), "{error}");
        }
        for text in ["`${row.a}`", "\"open", "#\"raw\"#", "row.a == 'x'"] {
            assert!(matches!(columns(text), Err(ScriptError::Text { .. })), "{text}");
        }
    }
}
