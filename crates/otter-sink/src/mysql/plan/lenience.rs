//! Values that a strict session refuses even where the source has them: an ENUM's error value on
//! MySQL.
//!
//! Such a row goes alone, in a session that is not strict, and nothing else may have been changed on
//! its way: each error value gives one warning, and what is left are those that the server gives for
//! the names of character sets that it means to drop. How many these are it says itself.

use otter_core::Value;

use super::{Expect, Planner, RowsOf, Script};
use crate::mysql::connect::{LENIENT_SQL_MODE, SQL_MODE};
use crate::mysql::fit::TablePlan;
use crate::mysql::literal::needs_lenience;

/// How many of a row's values a strict session refuses.
pub(super) fn lenient_count<'v>(
    plan: &TablePlan,
    value_of: impl Fn(usize) -> Option<Value<'v>>,
) -> usize {
    let columns = plan.columns.iter().enumerate();
    let needy = columns.filter(|(index, column)| {
        column.written && value_of(*index).is_some_and(|value| needs_lenience(value, column))
    });
    needy.count()
}

/// Makes the session lenient where there are such values.
pub(super) fn begin_lenience(values: usize, script: &mut Script) {
    if values > 0 {
        let text = script.push(Expect::Nothing);
        text.push_str(&format!("SET SESSION sql_mode='{LENIENT_SQL_MODE}'"));
    }
}

impl Planner<'_> {
    /// Makes the session strict again behind the statement that begins at `start`, and makes sure
    /// that it has written everything else as it is.
    pub(super) fn end_lenience(
        &self,
        of: RowsOf,
        values: usize,
        start: usize,
        script: &mut Script,
    ) {
        let named = named_charsets(script.text().get(start..).unwrap_or_default());
        script.push(Expect::Nothing).push_str("GET DIAGNOSTICS @otter_warnings = NUMBER");
        script.push(Expect::Nothing).push_str(&format!("SET SESSION sql_mode='{SQL_MODE}'"));
        let mut condition = format!("@otter_warnings = {values}");
        if !named.is_empty() {
            // A statement without a table would leave the warnings before it in their place.
            let text = script.push(Expect::Nothing);
            self.planning.store.push_no_rows(text, &named.join(", "));
            script.push(Expect::Nothing).push_str("GET DIAGNOSTICS @otter_names = NUMBER");
            condition.push_str(" + @otter_names");
        }
        let text = script.push(Expect::Unchanged(of));
        self.planning.store.push_assertion(text, self.planning.mark, &condition);
    }
}

/// Expressions that name the character sets which a statement names, each as often.
fn named_charsets(statement: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut rest = statement;
    while let Some(letter) = rest.chars().next() {
        rest = match letter {
            '\'' | '`' => behind_quote(rest, letter),
            _ if rest.starts_with(" USING ") => {
                let (name, behind) = word(rest.get(" USING ".len()..).unwrap_or_default());
                named.push(format!("CONVERT('' USING {name})"));
                behind
            }
            '_' => {
                let (name, behind) = word(rest.get(1..).unwrap_or_default());
                if behind.starts_with(" X'") {
                    named.push(format!("_{name} X''"));
                }
                behind
            }
            _ if letter.is_ascii_alphanumeric() => word(rest).1,
            _ => rest.get(letter.len_utf8()..).unwrap_or_default(),
        };
    }
    named
}

/// A word and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// What is behind a text in quotes; a quote in it is doubled, or behind a backslash.
fn behind_quote(text: &str, quote: char) -> &str {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == '\'' {
            letters.next();
        } else if letter == quote {
            // The second of a pair begins a text of its own, which comes to the same.
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_sets_are_found_outside_of_texts_and_names() {
        let insert = r"INSERT INTO `a_b _x X` (`_ucs2 X'`) VALUES (_ucs2 X'0041',X'5F','it''s \\',_utf8mb3 X'',' _gbk X\' ')";
        assert_eq!(named_charsets(insert), ["_ucs2 X''", "_utf8mb3 X''"]);
        let update = "UPDATE `t` SET `e` = 0 WHERE CAST(`a` AS BINARY) <=> \
                      CAST(CONVERT(_gbk X'C4' USING utf8mb3) AS BINARY) LIMIT 1";
        assert_eq!(named_charsets(update), ["_gbk X''", "CONVERT('' USING utf8mb3)"]);
        assert!(named_charsets("UPDATE `t` SET `n_1` = 1").is_empty());
    }
}
