//! One part of a table pattern: a name with the wildcards `*` and `?`.
//!
//! Separate from the pattern, so that matching, rewriting and overlap are shown to be right on
//! plain text. Letters compare exactly, as servers on Linux do.

use std::cmp::Reverse;
use std::fmt;

/// A name in which `*` stands for any number of characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    /// Invariant: no two neighbouring `Any`, since they mean the same as one.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Literal(char),
    One,
    Any,
}

/// How narrow a pattern is; the greater one wins where two match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Specificity {
    pub(super) exact_parts: usize,
    pub(super) literals: usize,
    pub(super) ones: usize,
    pub(super) stars: Reverse<usize>,
}

impl Glob {
    pub(super) fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut pieces: Vec<Piece> = pieces.into_iter().collect();
        pieces.dedup_by(|next, previous| *next == Piece::Any && *previous == Piece::Any);
        Self { pieces }
    }

    /// The name itself, where there is no wildcard.
    pub(super) fn exact(&self) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(letter) => Some(*letter),
                Piece::One | Piece::Any => None,
            })
            .collect()
    }

    /// Whether every name matches.
    pub(super) fn is_any(&self) -> bool {
        self.pieces == [Piece::Any]
    }

    /// What each wildcard stands for in this name, in order; `None` where the name does not
    /// match. Every `*` but the last takes as little as it can, so that the answer is one.
    pub(super) fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let letters: Vec<(usize, char)> = name.char_indices().collect();
        let mut taken: Vec<(usize, usize)> = Vec::new();
        // The last `*`: the piece behind it and the index of its capture.
        let mut star: Option<(usize, usize)> = None;
        let (mut piece, mut at) = (0, 0);
        loop {
            match self.pieces.get(piece) {
                None if at == letters.len() => break,
                Some(Piece::Any) => {
                    star = Some((piece + 1, taken.len()));
                    taken.push((at, at));
                    piece += 1;
                    continue;
                }
                Some(Piece::One) if at < letters.len() => {
                    taken.push((at, at + 1));
                    piece += 1;
                    at += 1;
                    continue;
                }
                Some(Piece::Literal(wanted))
                    if letters.get(at).is_some_and(|(_, letter)| letter == wanted) =>
                {
                    piece += 1;
                    at += 1;
                    continue;
                }
                None | Some(Piece::One | Piece::Literal(_)) => {}
            }
            // What follows the last `*` does not fit here: it takes one letter more.
            let (behind, capture) = star?;
            taken.truncate(capture + 1);
            let (_, end) = taken.last_mut()?;
            if *end == letters.len() {
                return None;
            }
            *end += 1;
            at = *end;
            piece = behind;
        }
        let byte = |index: usize| letters.get(index).map_or(name.len(), |(byte, _)| *byte);
        taken.into_iter().map(|(start, end)| name.get(byte(start)..byte(end))).collect()
    }

    /// The name with these texts in the place of its wildcards; texts too many are left out.
    pub(super) fn fill(&self, captures: &[&str]) -> String {
        let mut captures = captures.iter();
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(letter) => name.push(*letter),
                Piece::One | Piece::Any => name.push_str(captures.next().copied().unwrap_or("")),
            }
        }
        name
    }

    /// Whether both have the same wildcards in the same order.
    pub(super) fn has_wildcards_of(&self, other: &Self) -> bool {
        self.wildcards().eq(other.wildcards())
    }

    /// Whether some name matches both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        // `reach[j]` tells whether the pieces seen of ours and the first j of theirs can stand
        // for the same text.
        let mut reach: Vec<bool> = Vec::with_capacity(other.pieces.len() + 1);
        reach.push(true);
        for theirs in &other.pieces {
            let before = reach.last().copied().unwrap_or(false);
            reach.push(before && *theirs == Piece::Any);
        }
        for ours in &self.pieces {
            let mut next = Vec::with_capacity(reach.len());
            next.push(reach.first().copied().unwrap_or(false) && *ours == Piece::Any);
            for (theirs, pair) in other.pieces.iter().zip(reach.windows(2)) {
                let [diagonal, above] = pair else { break };
                let left = next.last().copied().unwrap_or(false);
                next.push(match (ours, theirs) {
                    (Piece::Any, _) | (_, Piece::Any) => *diagonal || *above || left,
                    (Piece::One, _) | (_, Piece::One) => *diagonal,
                    (Piece::Literal(mine), Piece::Literal(yours)) => *diagonal && mine == yours,
                });
            }
            reach = next;
        }
        reach.last().copied().unwrap_or(false)
    }

    pub(super) fn specificity(&self) -> Specificity {
        let count = |wanted: fn(&Piece) -> bool| self.pieces.iter().filter(|p| wanted(p)).count();
        Specificity {
            exact_parts: usize::from(self.wildcards().next().is_none()),
            literals: count(|piece| matches!(piece, Piece::Literal(_))),
            ones: count(|piece| *piece == Piece::One),
            stars: Reverse(count(|piece| *piece == Piece::Any)),
        }
    }

    fn wildcards(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| !matches!(piece, Piece::Literal(_)))
    }
}

impl Specificity {
    /// The specificity of two parts together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            exact_parts: self.exact_parts + other.exact_parts,
            literals: self.literals + other.literals,
            ones: self.ones + other.ones,
            stars: Reverse(self.stars.0 + other.stars.0),
        }
    }
}

impl fmt::Display for Glob {
    /// Writes the part as it can be read again: quoted where a letter would mean something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
                Piece::One => f.write_str("?")?,
                Piece::Any => f.write_str("*")?,
            }
        }
        if quoted { f.write_str("`") } else { Ok(()) }
    }
}
