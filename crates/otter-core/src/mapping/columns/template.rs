//! A constant's text, in which `{1}` stands for what a wildcard matched.

use std::str::FromStr;
use std::sync::Arc;

use crate::mapping::MappingError;
use crate::table::TableName;

/// A text with places for names of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Arc<str>),
    /// The wildcard's number, from 1 on.
    Wildcard(usize),
    Database,
    Table,
}

/// What the places stand for.
#[derive(Debug)]
pub(in crate::mapping) struct Names<'a> {
    pub(in crate::mapping) source: &'a TableName,
    pub(in crate::mapping) captures: &'a [&'a str],
}

impl Template {
    /// The greatest number of a wildcard that is asked for.
    pub(super) fn most_wildcards(&self) -> usize {
        let number = |piece: &Piece| match piece {
            Piece::Wildcard(number) => *number,
            Piece::Text(_) | Piece::Database | Piece::Table => 0,
        };
        self.0.iter().map(number).max().unwrap_or(0)
    }

    pub(super) fn fill(&self, names: &Names<'_>) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            filled.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Wildcard(number) => {
                    names.captures.get(number - 1).copied().unwrap_or_default()
                }
                Piece::Database => &names.source.database,
                Piece::Table => &names.source.table,
            });
        }
        filled
    }
}

impl FromStr for Template {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || MappingError::Template(text.to_owned());
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(behind) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                plain.push_str(brace.get(..1).unwrap_or_default());
                rest = behind;
                continue;
            }
            let inside = brace.strip_prefix('{').and_then(|brace| brace.split_once('}'));
            let (name, behind) = inside.ok_or_else(invalid)?;
            let piece = match name {
                "database" => Piece::Database,
                "table" => Piece::Table,
                number => match number.parse() {
                    Ok(number) if number > 0 => Piece::Wildcard(number),
                    Ok(_) | Err(_) => return Err(invalid()),
                },
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(Arc::from(std::mem::take(&mut plain))));
            }
            pieces.push(piece);
            rest = behind;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(Arc::from(plain)));
        }
        Ok(Self(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let source = TableName::new("legacy", "item_03");
        text.parse::<Template>().unwrap().fill(&Names { source: &source, captures: &["03", "x"] })
    }

    #[test]
    fn places_are_filled_and_doubled_braces_are_braces() {
        for (text, expected) in [
            ("", ""),
            ("shard", "shard"),
            ("{1}", "03"),
            ("s{1}-{2}!", "s03-x!"),
            ("{database}.{table}", "legacy.item_03"),
            ("{{1}} {{{1}}}", "{1} {03}"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn braces_that_mean_nothing_are_refused() {
        for text in ["{", "}", "{}", "{0}", "{name}", "{1", "a}b", "{-1}", "{{1}"] {
            let error = text.parse::<Template>().unwrap_err();
            assert_eq!(error, MappingError::Template(text.to_owned()), "{text}");
        }
    }
}
