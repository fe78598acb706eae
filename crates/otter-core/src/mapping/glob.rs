//! One part of a table pattern: a name with the wildcards `*` and `?` and ranges like `[00-31]`, or a
//! regular expression.
//!
//! Separate from the pattern, so that matching, rewriting and overlap are shown to be right on
//! plain text. Letters compare exactly, as servers on Linux do.

mod expression;
mod number_range;
mod overlap;

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

pub(super) use expression::Expression;
pub(super) use number_range::NumberRange;

/// A name in which `*` stands for any number of characters, `?` for one, and a range for a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    /// Invariant: no two neighbouring `Any`, since they mean the same as one; but for an
    /// expression, one `Any` for each of its groups, or one for all of it.
    pieces: Vec<Piece>,
    /// What names look like where it is not the pieces that tell.
    expression: Option<Arc<Expression>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Literal(char),
    Range(NumberRange),
    One,
    Any,
}

/// How narrow a pattern is; the greater one wins where two match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Specificity {
    pub(super) exact_parts: usize,
    pub(super) literals: usize,
    pub(super) ranges: usize,
    /// How many numbers the ranges stand for.
    pub(super) numbers: Reverse<u128>,
    pub(super) ones: usize,
    pub(super) stars: Reverse<usize>,
}

impl Glob {
    pub(super) fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut pieces: Vec<Piece> = pieces.into_iter().collect();
        pieces.dedup_by(|next, previous| *next == Piece::Any && *previous == Piece::Any);
        Self { pieces, expression: None }
    }

    pub(super) fn from_expression(expression: Expression) -> Self {
        let pieces = vec![Piece::Any; expression.groups().max(1)];
        Self { pieces, expression: Some(Arc::new(expression)) }
    }

    /// Whether a regular expression tells what names look like.
    pub(super) fn is_expression(&self) -> bool {
        self.expression.is_some()
    }

    /// Whether two names may have the same captures: groups need not stand for all of a name.
    pub(super) fn forgets(&self) -> bool {
        self.expression.as_ref().is_some_and(|expression| expression.groups() > 0)
    }

    /// The name itself, where there is no wildcard.
    pub(super) fn exact(&self) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(letter) => Some(*letter),
                Piece::Range(_) | Piece::One | Piece::Any => None,
            })
            .collect()
    }

    /// Whether every name matches.
    pub(super) fn is_any(&self) -> bool {
        self.expression.is_none() && self.pieces == [Piece::Any]
    }

    /// What each wildcard stands for in this name, in order; `None` where the name does not
    /// match. From left to right each `*` takes as little and each range as much as it can, so that
    /// the answer is one.
    pub(super) fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        if let Some(expression) = &self.expression {
            return expression.captures(name);
        }
        let letters: Vec<(usize, char)> = name.char_indices().collect();
        let fits = self.fitting_ends(&letters);
        let byte = |index: usize| letters.get(index).map_or(name.len(), |(byte, _)| *byte);
        let mut taken = Vec::new();
        let mut at = 0;
        if !fits.get(0, 0) {
            return None;
        }
        for (index, piece) in self.pieces.iter().enumerate() {
            let fits_behind = |length: &usize| fits.get(index + 1, at + length);
            let length = match piece {
                Piece::Literal(_) | Piece::One => 1,
                Piece::Any => (0..=letters.len() - at).find(fits_behind)?,
                Piece::Range(range) => {
                    let rest = letters.get(at..).unwrap_or_default();
                    let lengths = range.lengths(rest.iter().map(|(_, letter)| *letter));
                    lengths.filter(fits_behind).last()?
                }
            };
            if !matches!(piece, Piece::Literal(_)) {
                taken.push(name.get(byte(at)..byte(at + length))?);
            }
            at += length;
        }
        Some(taken)
    }

    /// Which pieces, up to the end, match the text from which letter on.
    fn fitting_ends(&self, letters: &[(usize, char)]) -> Table {
        let mut fits = Table::new(self.pieces.len() + 1, letters.len() + 1);
        fits.set(self.pieces.len(), letters.len());
        for (index, piece) in self.pieces.iter().enumerate().rev() {
            for at in (0..=letters.len()).rev() {
                let rest = letters.get(at..).unwrap_or_default();
                let next = rest.first().map(|(_, letter)| *letter);
                let matches = match piece {
                    Piece::Literal(wanted) => next == Some(*wanted) && fits.get(index + 1, at + 1),
                    Piece::One => next.is_some() && fits.get(index + 1, at + 1),
                    Piece::Any => {
                        fits.get(index + 1, at) || (next.is_some() && fits.get(index, at + 1))
                    }
                    Piece::Range(range) => range
                        .lengths(rest.iter().map(|(_, letter)| *letter))
                        .any(|length| fits.get(index + 1, at + length)),
                };
                if matches {
                    fits.set(index, at);
                }
            }
        }
        fits
    }

    /// The name with these texts in the place of its wildcards; texts too many are left out.
    pub(super) fn fill(&self, captures: &[&str]) -> String {
        let mut captures = captures.iter();
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(letter) => name.push(*letter),
                Piece::Range(_) | Piece::One | Piece::Any => {
                    name.push_str(captures.next().copied().unwrap_or(""));
                }
            }
        }
        name
    }

    /// Whether both have the same wildcards in the same order.
    pub(super) fn has_wildcards_of(&self, other: &Self) -> bool {
        self.wildcards().eq(other.wildcards())
    }

    /// Whether names of this pattern tell what to write for the wildcards of the other.
    pub(super) fn becomes(&self, to: &Self) -> bool {
        let is_own = self == to || !to.is_expression();
        is_own && (to.exact().is_some() || to.has_wildcards_of(self))
    }

    /// The last range, its place among the wildcards, and the pattern without it.
    pub(super) fn without_last_range(&self) -> Option<(NumberRange, usize, Self)> {
        if self.is_expression() {
            return None;
        }
        let ranges = self.pieces.iter().enumerate().rev();
        let (index, range) = ranges.into_iter().find_map(|(index, piece)| match piece {
            Piece::Range(range) => Some((index, *range)),
            Piece::Literal(_) | Piece::One | Piece::Any => None,
        })?;
        let mut pieces = self.pieces.clone();
        let behind = pieces.split_off(index);
        let rest = Self { pieces: pieces.clone(), expression: None };
        pieces.extend(behind.into_iter().skip(1));
        Some((range, rest.wildcard_count(), Self { pieces, expression: None }))
    }

    /// Whether some name matches both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        overlap::meet(self, other)
    }

    /// Whether every name that matches the other matches this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        overlap::covers(self, other)
    }

    /// The number of wildcards.
    pub(super) fn wildcard_count(&self) -> usize {
        self.wildcards().count()
    }

    pub(super) fn specificity(&self) -> Specificity {
        let count = |wanted: fn(&Piece) -> bool| self.pieces.iter().filter(|p| wanted(p)).count();
        Specificity {
            exact_parts: usize::from(self.wildcards().next().is_none()),
            literals: count(|piece| matches!(piece, Piece::Literal(_))),
            ranges: count(|piece| matches!(piece, Piece::Range(_))),
            numbers: Reverse(self.numbers()),
            ones: count(|piece| *piece == Piece::One),
            stars: Reverse(if self.is_expression() {
                0
            } else {
                count(|piece| *piece == Piece::Any)
            }),
        }
    }

    fn numbers(&self) -> u128 {
        let count = |piece: &Piece| match piece {
            Piece::Range(range) => range.count(),
            Piece::Literal(_) | Piece::One | Piece::Any => 1,
        };
        self.pieces.iter().map(count).fold(1, u128::saturating_mul)
    }

    fn wildcards(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| !matches!(piece, Piece::Literal(_)))
    }
}

/// Truths by row and column.
struct Table {
    cells: Vec<bool>,
    columns: usize,
}

impl Table {
    fn new(rows: usize, columns: usize) -> Self {
        Self { cells: vec![false; rows * columns], columns }
    }

    fn get(&self, row: usize, column: usize) -> bool {
        column < self.columns
            && self.cells.get(row * self.columns + column).copied().unwrap_or(false)
    }

    fn set(&mut self, row: usize, column: usize) {
        if let Some(cell) = self.cells.get_mut(row * self.columns + column) {
            *cell = true;
        }
    }
}

impl Specificity {
    /// The specificity of two parts together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            exact_parts: self.exact_parts + other.exact_parts,
            literals: self.literals + other.literals,
            ranges: self.ranges + other.ranges,
            numbers: Reverse(self.numbers.0.saturating_mul(other.numbers.0)),
            ones: self.ones + other.ones,
            stars: Reverse(self.stars.0 + other.stars.0),
        }
    }
}

impl fmt::Display for Glob {
    /// Writes the part as it can be read again: quoted where a letter would mean something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(expression) = &self.expression {
            return write!(f, "/{}/", expression.text().replace('/', "\\/"));
        }
        let special = |letter: char| {
            letter.is_whitespace() || matches!(letter, '.' | '*' | '?' | '`' | '[' | ']' | '/')
        };
        let mut quoted = false;
        for piece in &self.pieces {
            let quote = matches!(piece, Piece::Literal(letter) if special(*letter));
            if quote != quoted {
                f.write_str("`")?;
                quoted = quote;
            }
            match piece {
                Piece::Literal('`') => f.write_str("``")?,
                Piece::Literal(letter) => write!(f, "{letter}")?,
                Piece::Range(range) => write!(f, "{range}")?,
                Piece::One => f.write_str("?")?,
                Piece::Any => f.write_str("*")?,
            }
        }
        if quoted { f.write_str("`") } else { Ok(()) }
    }
}
