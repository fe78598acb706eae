//! White space and comments, plain and versioned.

use super::Lexer;
use crate::connection::Flavor;

impl Lexer<'_> {
    pub(super) fn skip_blanks(&mut self) {
        while let Some(byte) = self.ahead(0) {
            match byte {
                0 | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'#' => self.skip_line(),
                b'-' if self.begins_line_comment() => self.skip_line(),
                b'/' if self.ahead(1) == Some(b'*') => self.comment(),
                b'*' if self.in_comment && self.ahead(1) == Some(b'/') => {
                    self.in_comment = false;
                    self.at += 2;
                }
                _ => return,
            }
        }
    }

    /// Two dashes are a comment only before a space, a control character or the end.
    fn begins_line_comment(&self) -> bool {
        self.ahead(1) == Some(b'-') && self.ahead(2).is_none_or(|byte| byte <= b' ' || byte == 0x7f)
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    }

    /// Handles `/*`: skips a comment, or enters one whose content is executed.
    fn comment(&mut self) {
        let is_mariadb = self.dialect.flavor == Flavor::MariaDb;
        let (mark, marked_mariadb) = match (self.ahead(2), self.ahead(3)) {
            (Some(b'!'), _) => (3, false),
            (Some(b'M'), Some(b'!')) if is_mariadb => (4, true),
            _ => return self.skip_comment(false),
        };
        let digits = (0..6)
            .take_while(|index| self.ahead(mark + index).is_some_and(|byte| byte.is_ascii_digit()))
            .count();
        // Fewer than five digits are no version but the beginning of the content.
        let version_length = if digits >= 5 { digits } else { 0 };
        let version = (0..version_length).try_fold(0_u32, |version, index| {
            let digit = self.ahead(mark + index)?.checked_sub(b'0')?;
            version.checked_mul(10)?.checked_add(u32::from(digit))
        });
        let version = version.filter(|_| version_length > 0);
        if self.dialect.executes(version, marked_mariadb) {
            self.in_comment = true;
            self.at += mark + version_length;
        } else {
            self.skip_comment(true);
        }
    }

    /// Skips to behind `*/`; a versioned comment that is not executed may hold plain ones.
    fn skip_comment(&mut self, may_nest: bool) {
        self.at += 2;
        while let Some(byte) = self.ahead(0) {
            match (byte, self.ahead(1)) {
                (b'*', Some(b'/')) => {
                    self.at += 2;
                    return;
                }
                (b'/', Some(b'*')) if may_nest => self.skip_comment(false),
                _ => self.at += 1,
            }
        }
    }
}
