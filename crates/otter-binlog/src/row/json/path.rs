//! Paths into JSON documents as MySQL writes them into its binlog: `$.name."a key"[3][last-1]`.

use super::BROKEN;
use crate::row::codec::ValueError;

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// The value of a key.
    Member(String),
    /// A place counted from the first element.
    FromStart(usize),
    /// A place counted from the last element.
    FromEnd(usize),
}

impl Leg {
    /// MySQL: `Json_array_index`. Places beyond either end are that end; the flag says whether an
    /// element is there.
    pub(super) fn place(&self, length: usize) -> Option<(usize, bool)> {
        match self {
            Self::Member(_) => None,
            Self::FromStart(index) => Some(((*index).min(length), *index < length)),
            Self::FromEnd(index) => {
                let place = length.checked_sub(1).and_then(|last| last.checked_sub(*index));
                Some((place.unwrap_or(0), place.is_some()))
            }
        }
    }
}

/// Reads a path that names exactly one place; wildcards and ranges do not.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Leg>, ValueError> {
    let text = std::str::from_utf8(text).map_err(|_| BROKEN)?;
    let mut rest = text.strip_prefix('$').ok_or(BROKEN)?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        let leg;
        (leg, rest) = if let Some(quoted) = rest.strip_prefix(".\"") {
            quoted_member(quoted)?
        } else if let Some(name) = rest.strip_prefix('.') {
            member(name)?
        } else {
            cell(rest.strip_prefix('[').ok_or(BROKEN)?)?
        };
        legs.push(leg);
    }
    Ok(legs)
}

fn member(text: &str) -> Result<(Leg, &str), ValueError> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).ok_or(BROKEN)?;
    if name.is_empty() || name.contains(['*', '"', ' ']) {
        return Err(BROKEN);
    }
    Ok((Leg::Member(name.to_owned()), rest))
}

fn cell(text: &str) -> Result<(Leg, &str), ValueError> {
    let (index, rest) = text.split_once(']').ok_or(BROKEN)?;
    let number = |digits: &str| match digits.as_bytes() {
        [] => Err(BROKEN),
        bytes if bytes.iter().all(u8::is_ascii_digit) => digits.parse().map_err(|_| BROKEN),
        _ => Err(BROKEN),
    };
    let leg = match index.strip_prefix("last") {
        Some("") => Leg::FromEnd(0),
        Some(back) => Leg::FromEnd(number(back.strip_prefix('-').ok_or(BROKEN)?)?),
        None => Leg::FromStart(number(index)?),
    };
    Ok((leg, rest))
}

/// A key that is no identifier stands in quotes, escaped as a JSON string is.
fn quoted_member(text: &str) -> Result<(Leg, &str), ValueError> {
    let mut name = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next().ok_or(BROKEN)? {
            '"' => return Ok((Leg::Member(name), letters.as_str())),
            '\\' => name.push(escaped(&mut letters)?),
            letter => name.push(letter),
        }
    }
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Result<char, ValueError> {
    Ok(match letters.next().ok_or(BROKEN)? {
        letter @ ('"' | '\\' | '/') => letter,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let first = four_digits(letters)?;
            let code = match first {
                // The first half of a pair.
                0xd800..0xdc00 => {
                    if (letters.next(), letters.next()) != (Some('\\'), Some('u')) {
                        return Err(BROKEN);
                    }
                    let second = four_digits(letters)?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    0x1_0000 + ((first - 0xd800) << 10) + low.ok_or(BROKEN)?
                }
                code => code,
            };
            char::from_u32(code).ok_or(BROKEN)?
        }
        _ => return Err(BROKEN),
    })
}

fn four_digits(letters: &mut std::str::Chars<'_>) -> Result<u32, ValueError> {
    (0..4).try_fold(0, |number, _| {
        let digit = letters.next().and_then(|letter| letter.to_digit(16)).ok_or(BROKEN)?;
        Ok(number << 4 | digit)
    })
}
