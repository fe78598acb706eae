//! Whether some text matches two patterns: both as automata, walked side by side.

use std::collections::HashSet;

use super::{Glob, Piece};

/// A pattern as states; the last one accepts.
struct Automaton(Vec<State>);

#[derive(Default)]
struct State {
    /// States that are reached without a letter.
    skips: Vec<usize>,
    /// States that are reached by a letter from one to another.
    steps: Vec<((char, char), usize)>,
}

const EVERY: (char, char) = ('\0', char::MAX);

impl Automaton {
    fn of(glob: &Glob) -> Self {
        let mut states = vec![State::default()];
        for piece in &glob.pieces {
            let start = states.len() - 1;
            match piece {
                Piece::Literal(letter) => extend(&mut states, start, &[(*letter, *letter)]),
                Piece::One => extend(&mut states, start, &[EVERY]),
                Piece::Any => {
                    states.push(State::default());
                    let end = states.len() - 1;
                    add(&mut states, start, |state| state.skips.push(end));
                    add(&mut states, end, |state| state.steps.push((EVERY, end)));
                }
                Piece::Range(range) => {
                    let mut ends = Vec::new();
                    for shape in range.shapes() {
                        states.push(State::default());
                        let first = states.len() - 1;
                        add(&mut states, start, |state| state.skips.push(first));
                        extend(&mut states, first, &shape);
                        ends.push(states.len() - 1);
                    }
                    states.push(State::default());
                    let end = states.len() - 1;
                    for before in ends {
                        add(&mut states, before, |state| state.skips.push(end));
                    }
                }
            }
        }
        Self(states)
    }
}

fn add(states: &mut [State], index: usize, change: impl FnOnce(&mut State)) {
    if let Some(state) = states.get_mut(index) {
        change(state);
    }
}

/// Adds one state for each letter.
fn extend(states: &mut Vec<State>, start: usize, letters: &[(char, char)]) {
    let mut from = start;
    for letter in letters {
        states.push(State::default());
        let to = states.len() - 1;
        add(states, from, |state| state.steps.push((*letter, to)));
        from = to;
    }
}

/// Whether some text matches both.
pub(super) fn meet(one: &Glob, other: &Glob) -> bool {
    let (one, other) = (Automaton::of(one), Automaton::of(other));
    let mut seen = HashSet::from([(0, 0)]);
    let mut open = vec![(0, 0)];
    while let Some((left, right)) = open.pop() {
        if left + 1 == one.0.len() && right + 1 == other.0.len() {
            return true;
        }
        let (Some(mine), Some(theirs)) = (one.0.get(left), other.0.get(right)) else { continue };
        let alone = mine.skips.iter().map(|next| (*next, right));
        let beside = theirs.skips.iter().map(|next| (left, *next));
        let together = mine.steps.iter().flat_map(|((from, to), next)| {
            let fitting =
                move |((low, high), _): &&((char, char), usize)| from <= high && low <= to;
            theirs.steps.iter().filter(fitting).map(|(_, other)| (*next, *other))
        });
        for pair in alone.chain(beside).chain(together) {
            if seen.insert(pair) {
                open.push(pair);
            }
        }
    }
    false
}
