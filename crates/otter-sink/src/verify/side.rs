//! The questions that are asked of one table of one server. Pure: texts only.

use super::canonical::{Literal, Shape};
use crate::mysql::names::string;

/// What a range of rows with a row that cannot be computed adds up to, at least: more than all
/// checksums of two thousand million rows.
pub(super) const TOO_LARGE: u128 = 9_223_372_036_854_775_807;

/// Between values. It makes a text of bytes of all of them: beside a literal, texts of two character
/// sets would be converted, or refused.
const BORDER: &str = "CAST('#' AS BINARY)";

/// A key's values, as the server prints them.
pub(super) type KeyText = Vec<String>;

/// One table of one server, as it is compared.
#[derive(Debug)]
pub(super) struct Side {
    quoted: String,
    /// The checksum of a row.
    checksum: String,
    /// The checksum of a row without its documents, and the documents.
    settled: Vec<String>,
    values: Vec<String>,
    key: Vec<KeyPart>,
}

/// A column of the key.
#[derive(Debug)]
pub(super) struct KeyPart {
    select: String,
    /// The column and how its values are written; `None` for a constant.
    column: Option<(String, Literal)>,
}

/// A range of rows: behind the one border, up to and with the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: Option<KeyText>,
    pub(super) through: Option<KeyText>,
}

impl KeyPart {
    pub(super) fn new(value: &str, name: String, literal: Option<Literal>, hex: bool) -> Self {
        let select = if hex { format!("HEX({value})") } else { value.to_owned() };
        Self { select, column: literal.map(|literal| (name, literal)) }
    }
}

impl Side {
    /// A table whose columns have these values, as expressions.
    pub(super) fn new(
        quoted: String,
        columns: &[(String, String)],
        shapes: &[Shape],
        key: Vec<KeyPart>,
    ) -> Self {
        let all: Vec<(&(String, String), &Shape)> = columns.iter().zip(shapes).collect();
        let without: Vec<_> = all.iter().filter(|(_, shape)| !shape.document).copied().collect();
        let documents = all.iter().filter(|(_, shape)| shape.document);
        let mut settled = vec![checksum(&without)];
        settled.extend(documents.map(|((value, _), _)| value.clone()));
        let values = all.iter().map(|((value, _), shape)| shown(value, shape)).collect();
        Self { quoted, checksum: checksum(&all), settled, values, key }
    }

    /// How many rows a range has, and the sum of their checksums.
    pub(super) fn sums(&self, range: &Range) -> Option<String> {
        Some(format!(
            "SELECT COUNT(*), COALESCE(SUM(IFNULL({}, {TOO_LARGE})), 0) FROM {}{}",
            self.checksum,
            self.quoted,
            self.within(range)?
        ))
    }

    /// Keys and checksums of all rows of a range.
    pub(super) fn list(&self, range: &Range) -> Option<String> {
        let key = self.key_list();
        let within = self.within(range)?;
        Some(format!("SELECT {key}, {} FROM {}{within}", self.checksum, self.quoted))
    }

    /// The key of the row that is so many rows behind a border, as far as ranges are made of it.
    pub(super) fn border(&self, range: &Range, offset: u64, ranged: usize) -> Option<String> {
        let parts = self.key.get(..ranged)?;
        let select: Vec<&str> = parts.iter().map(|part| part.select.as_str()).collect();
        let order: Vec<&str> =
            parts.iter().filter_map(|part| Some(part.column.as_ref()?.0.as_str())).collect();
        Some(format!(
            "SELECT {} FROM {}{} ORDER BY {} LIMIT 1 OFFSET {offset}",
            select.join(", "),
            self.quoted,
            self.within(range)?,
            order.join(", ")
        ))
    }

    /// The least and the greatest value of the key's first column.
    pub(super) fn ends(&self) -> Option<String> {
        let (column, _) = self.key.first()?.column.as_ref()?;
        Some(format!("SELECT MIN({column}), MAX({column}) FROM {}", self.quoted))
    }

    /// What is needed to settle rows with these keys: key, checksum without documents, documents.
    pub(super) fn rows(&self, keys: &[&KeyText]) -> Option<String> {
        Some(format!(
            "SELECT {}, {} FROM {} WHERE {}",
            self.key_list(),
            self.settled.join(", "),
            self.quoted,
            self.any_of(keys)?
        ))
    }

    /// All values of rows with these keys, behind the key.
    pub(super) fn shown_rows(&self, keys: &[&KeyText]) -> Option<String> {
        Some(format!(
            "SELECT {}, {} FROM {} WHERE {}",
            self.key_list(),
            self.values.join(", "),
            self.quoted,
            self.any_of(keys)?
        ))
    }

    /// Of rows without a key: in each of so many parts, by checksum, how many, and their sum.
    pub(super) fn parts(&self, count: u64) -> String {
        let sum = &self.checksum;
        format!(
            "SELECT MOD({sum}, {count}), COUNT(*), COALESCE(SUM(IFNULL({sum}, {TOO_LARGE})), 0) \
             FROM {} GROUP BY 1",
            self.quoted
        )
    }

    /// Of rows without a key: how many there are of each checksum, in these of so many parts.
    pub(super) fn groups(&self, parts: &[u64], count: u64) -> String {
        let (sum, list) = (&self.checksum, numbers(parts));
        format!(
            "SELECT {sum}, COUNT(*) FROM {} WHERE MOD({sum}, {count}) IN ({list}) GROUP BY 1",
            self.quoted
        )
    }

    /// Of rows without a key: how many there are of each of these checksums.
    pub(super) fn counts(&self, sums: &[u64]) -> String {
        let (sum, list) = (&self.checksum, numbers(sums));
        format!("SELECT {sum}, COUNT(*) FROM {} WHERE {sum} IN ({list}) GROUP BY 1", self.quoted)
    }

    /// All values of one row with this checksum.
    pub(super) fn sample(&self, sum: u64) -> String {
        format!(
            "SELECT {} FROM {} WHERE {} = {sum} LIMIT 1",
            self.values.join(", "),
            self.quoted,
            self.checksum
        )
    }

    /// A key as literals with commas between them, without constants.
    pub(super) fn written_key(&self, key: &KeyText) -> Option<String> {
        let parts = self.key.iter().zip(key);
        let parts = parts.filter_map(|(part, value)| Some((part.column.as_ref()?, value)));
        let written = parts.map(|((_, literal), value)| written(literal, value));
        Some(written.collect::<Option<Vec<_>>>()?.join(","))
    }

    fn key_list(&self) -> String {
        let parts: Vec<&str> = self.key.iter().map(|part| part.select.as_str()).collect();
        parts.join(", ")
    }

    fn within(&self, range: &Range) -> Option<String> {
        let after = range.after.as_ref().map(|key| self.beyond(key, ">"));
        let through = range.through.as_ref().map(|key| self.beyond(key, "<"));
        Some(match (after, through) {
            (None, None) => String::new(),
            (Some(one), None) | (None, Some(one)) => format!(" WHERE {}", one?),
            (Some(one), Some(other)) => format!(" WHERE {} AND {}", one?, other?),
        })
    }

    /// `>` behind a key, `<` up to and with it: first column by column, since servers use no index
    /// for a comparison of rows.
    fn beyond(&self, key: &KeyText, sign: &str) -> Option<String> {
        let last = key.len().checked_sub(1)?;
        let mut text = String::new();
        for (place, (part, value)) in self.key.iter().zip(key).enumerate().rev() {
            let (column, literal) = part.column.as_ref()?;
            let value = written(literal, value)?;
            text = match (place == last, sign) {
                (true, "<") => format!("{column} <= {value}"),
                (true, _) => format!("{column} {sign} {value}"),
                (false, _) => {
                    format!("{column} {sign}= {value} AND ({column} {sign} {value} OR ({text}))")
                }
            };
        }
        Some(text)
    }

    fn any_of(&self, keys: &[&KeyText]) -> Option<String> {
        let columns: Vec<(usize, &(String, Literal))> = self
            .key
            .iter()
            .enumerate()
            .filter_map(|(place, part)| Some((place, part.column.as_ref()?)))
            .collect();
        if let [(place, (column, literal))] = columns.as_slice() {
            let values = keys.iter().map(|key| written(literal, key.get(*place)?));
            let values: Vec<String> = values.collect::<Option<_>>()?;
            return Some(format!("{column} IN ({})", values.join(",")));
        }
        let one = |key: &&KeyText| {
            let parts = columns.iter().map(|(place, (column, literal))| {
                Some(format!("{column} = {}", written(literal, key.get(*place)?)?))
            });
            Some(format!("({})", parts.collect::<Option<Vec<_>>>()?.join(" AND ")))
        };
        Some(keys.iter().map(one).collect::<Option<Vec<_>>>()?.join(" OR "))
    }
}

/// The checksum of a row. The text of all values can be read back in one way only: values that may
/// hold anything come with their lengths, and which ones are NULL stands behind. The outer checksum
/// is one of digits: it undoes that equal changes of two rows change their checksums alike.
fn checksum(columns: &[(&(String, String), &Shape)]) -> String {
    let (mut parts, mut lengths, mut nulls, mut guards) = (vec![], vec![], vec![], vec![]);
    for ((value, name), shape) in columns {
        match shape.large {
            true => parts.push(format!("CRC32({value})")),
            false => parts.push(value.clone()),
        }
        if shape.measured {
            lengths.push(format!("LENGTH({value})"));
        }
        if shape.nullable {
            nulls.push(format!("ISNULL({name})"));
        }
        if let Some(factor) = shape.grows {
            guards.push(format!("LENGTH({name})*{factor}>@@max_allowed_packet"));
        }
    }
    // The last one ends where the lengths begin, and the lengths are told by the others.
    parts.extend(lengths);
    if !nulls.is_empty() {
        parts.push(format!("CONCAT({})", nulls.join(",")));
    }
    if parts.is_empty() {
        return "0".to_owned();
    }
    let sum = format!("CRC32(CRC32(CONCAT_WS({BORDER},{})))", parts.join(","));
    if guards.is_empty() { sum } else { format!("IF({},NULL,{sum})", guards.join(" OR ")) }
}

/// A value in hexadecimal, for people. A number's own HEX would be another thing.
fn shown(value: &str, shape: &Shape) -> String {
    match shape.measured || shape.large {
        true => format!("HEX({value})"),
        false => format!("HEX(CAST({value} AS CHAR))"),
    }
}

/// A value of a key in SQL; `None` where the server did not print what it should.
fn written(literal: &Literal, value: &str) -> Option<String> {
    let is_hex = || value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number =
        || !value.is_empty() && value.bytes().all(|byte| b"+-.0123456789eE".contains(&byte));
    match literal {
        Literal::Number => is_number().then(|| value.to_owned()),
        Literal::Quoted => Some(string(value)),
        Literal::Text(charset) => is_hex().then(|| format!("_{charset} X'{value}'")),
        Literal::Bytes => is_hex().then(|| format!("X'{value}'")),
    }
}

fn numbers(list: &[u64]) -> String {
    let texts: Vec<String> = list.iter().map(u64::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests;
