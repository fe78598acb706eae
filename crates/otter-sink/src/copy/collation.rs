//! Collations under the names of the other kind of server.
//!
//! MySQL's defaults begin with `0900` and MariaDB's with `uca1400`. Each has a counterpart that tells
//! the same texts apart, but for letters that only one version of Unicode knows. What has none stays
//! as it is, and the target says whether it has it.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use crate::mysql::conn::{ApplyConn, ConnError};
use crate::mysql::names::string;

/// `ER_COLLATION_CHARSET_MISMATCH`: the collation is there, but not for this literal.
const OTHER_CHARSET: u16 = 1253;
/// `ER_UNKNOWN_COLLATION`.
const UNKNOWN: u16 = 1273;

/// A collation, and what stands for it at the other kind of server, the best first.
static COUNTERPARTS: [(&str, &[&str]); 12] = [
    ("utf8mb4_0900_ai_ci", &["utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_unicode_520_nopad_ci"]),
    ("utf8mb4_0900_as_ci", &["utf8mb4_uca1400_nopad_as_ci"]),
    ("utf8mb4_0900_as_cs", &["utf8mb4_uca1400_nopad_as_cs"]),
    ("utf8mb4_0900_bin", &["utf8mb4_nopad_bin"]),
    ("utf8mb4_uca1400_ai_ci", &["utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_ci"]),
    ("utf8mb4_uca1400_as_ci", &["utf8mb4_0900_as_ci"]),
    ("utf8mb4_uca1400_as_cs", &["utf8mb4_0900_as_cs"]),
    ("utf8mb4_uca1400_nopad_ai_ci", &["utf8mb4_0900_ai_ci"]),
    ("utf8mb4_uca1400_nopad_as_ci", &["utf8mb4_0900_as_ci"]),
    ("utf8mb4_uca1400_nopad_as_cs", &["utf8mb4_0900_as_cs"]),
    ("utf8mb4_unicode_520_nopad_ci", &["utf8mb4_0900_ai_ci"]),
    ("utf8mb4_nopad_bin", &["utf8mb4_0900_bin"]),
];

/// What a target calls the collations of a source, as far as it was asked.
#[derive(Debug, Default)]
pub(crate) struct Collations {
    /// `None` where the target has nothing for it.
    known: BTreeMap<String, Option<String>>,
}

impl Collations {
    /// What the target calls a collation of the other kind of server: the same where it has it;
    /// `None` where it has nothing for it.
    pub(crate) async fn name(
        &mut self,
        conn: &mut dyn ApplyConn,
        collation: &str,
    ) -> Result<Option<String>, ConnError> {
        if let Some(known) = self.known.get(collation) {
            return Ok(known.clone());
        }
        let mut found = None;
        for name in std::iter::once(collation).chain(counterparts(collation).iter().copied()) {
            if is_there(conn, name).await? {
                found = Some(name.to_owned());
                break;
            }
        }
        self.known.insert(collation.to_owned(), found.clone());
        Ok(found)
    }

    /// A definition with the names that the target has. What it has nothing for stays, so that the
    /// target names it when it refuses.
    pub(crate) async fn translate(
        &mut self,
        conn: &mut dyn ApplyConn,
        definition: &str,
    ) -> Result<String, ConnError> {
        let mut text = String::with_capacity(definition.len());
        let mut end = 0;
        for at in collations_of(definition) {
            let word = definition.get(at.clone()).unwrap_or_default();
            let name = self.name(conn, word).await?;
            text.push_str(definition.get(end..at.start).unwrap_or_default());
            text.push_str(name.as_deref().unwrap_or(word));
            end = at.end;
        }
        text.push_str(definition.get(end..).unwrap_or_default());
        Ok(text)
    }

    /// Which names have become others, for the log.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known.iter().filter_map(|(from, to)| {
            let to = to.as_deref()?;
            (to != from).then_some((from.as_str(), to))
        })
    }
}

/// Whether the target has a collation of this name.
pub(crate) async fn is_there(conn: &mut dyn ApplyConn, name: &str) -> Result<bool, ConnError> {
    match conn.query(&format!("SELECT '' COLLATE {}", string(name))).await {
        Ok(_) => Ok(true),
        Err(error) if error.number() == Some(OTHER_CHARSET) => Ok(true),
        Err(error) if error.number() == Some(UNKNOWN) => Ok(false),
        Err(error) => Err(error),
    }
}

fn counterparts(collation: &str) -> &'static [&'static str] {
    let found = COUNTERPARTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(collation));
    found.map(|(_, others)| *others).unwrap_or_default()
}

/// Where collations stand in a definition: the words behind COLLATE, outside of quotes and comments.
fn collations_of(definition: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut letters = definition.char_indices().peekable();
    let mut is_next = false;
    while let Some((start, letter)) = letters.next() {
        if is_of_word(letter) {
            let mut end = start + letter.len_utf8();
            while let Some((at, letter)) = letters.next_if(|(_, letter)| is_of_word(*letter)) {
                end = at + letter.len_utf8();
            }
            if is_next {
                found.push(start..end);
                is_next = false;
            } else {
                let word = definition.get(start..end).unwrap_or_default();
                is_next = word.eq_ignore_ascii_case("COLLATE");
            }
            continue;
        }
        match letter {
            '\'' | '"' | '`' => {
                skip_quoted(&mut letters, letter);
                is_next = false;
            }
            '/' if letters.next_if(|(_, letter)| *letter == '*').is_some() => {
                skip_comment(&mut letters);
            }
            '=' => {}
            _ if letter.is_whitespace() => {}
            _ => is_next = false,
        }
    }
    found
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$')
}

/// A quote that stands twice ends the text and begins it again.
fn skip_quoted(letters: &mut Peekable<CharIndices<'_>>, quote: char) {
    while let Some((_, letter)) = letters.next() {
        if letter == quote {
            return;
        }
        if letter == '\\' && quote != '`' {
            letters.next();
        }
    }
}

fn skip_comment(letters: &mut Peekable<CharIndices<'_>>) {
    while let Some((_, letter)) = letters.next() {
        if letter == '*' && letters.next_if(|(_, letter)| *letter == '/').is_some() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(definition: &str) -> Vec<&str> {
        let found = collations_of(definition).into_iter();
        found.map(|at| definition.get(at).unwrap()).collect()
    }

    #[test]
    fn collations_stand_behind_their_word() {
        let definition = "CREATE TABLE `t` (\n  `a` varchar(9) CHARACTER SET utf8mb4 COLLATE \
             utf8mb4_0900_as_cs NOT NULL,\n  `b` int GENERATED ALWAYS AS \
             ((`a` collate utf8mb4_bin)) VIRTUAL\n) DEFAULT CHARSET=utf8mb4 \
             COLLATE=utf8mb4_0900_ai_ci COMMENT='ü'";
        assert_eq!(words(definition), ["utf8mb4_0900_as_cs", "utf8mb4_bin", "utf8mb4_0900_ai_ci"]);
    }

    #[test]
    fn names_texts_and_comments_are_no_collations() {
        for definition in [
            "`COLLATE a` int, `COLLATE` int, `x``COLLATE b` int",
            "DEFAULT 'COLLATE c' COMMENT 'it''s COLLATE d'",
            r"DEFAULT 'a\' COLLATE e' COMMENT 'x\\'",
            "/*!80000 COLLATE f */ a int /* COLLATE=g */",
            "xCOLLATE h, COLLATE_ i, COLLATE, j",
        ] {
            assert_eq!(words(definition), [""; 0], "{definition}");
        }
        assert_eq!(words(r"DEFAULT 'x\\' COLLATE=a"), ["a"]);
        assert_eq!(words("/* ' */ COLLATE a"), ["a"]);
    }

    #[test]
    fn counterparts_lead_to_the_other_kind_of_server() {
        assert_eq!(counterparts("utf8mb4_0900_bin"), ["utf8mb4_nopad_bin"]);
        assert_eq!(counterparts("utf8mb4_uca1400_as_cs"), ["utf8mb4_0900_as_cs"]);
        assert_eq!(counterparts("utf8mb4_de_pb_0900_ai_ci"), [""; 0]);
        for (name, others) in COUNTERPARTS {
            assert!(others.iter().all(|other| is_new(other) != is_new(name)), "{name}");
        }
    }

    /// Whether it is MySQL's.
    fn is_new(name: &str) -> bool {
        name.contains("_0900_") || name == "utf8mb4_unicode_520_ci"
    }
}
