//! Whether some text matches two patterns, and whether all that matches one matches the other: both
//! as automata, walked side by side.

use std::collections::{BTreeSet, HashSet};

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

/// Whether every text that matches `part` matches `whole` too.
///
/// The states of `whole` that a text reaches are walked as a set (the subset construction), beside
/// one state of `part`.
pub(super) fn covers(whole: &Glob, part: &Glob) -> bool {
    let (whole, part) = (Automaton::of(whole), Automaton::of(part));
    let start = (0, whole.closed(BTreeSet::from([0])));
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some((at, reached)) = open.pop() {
        if at + 1 == part.0.len() && !reached.contains(&(whole.0.len() - 1)) {
            return false;
        }
        let Some(state) = part.0.get(at) else { continue };
        let skips = state.skips.iter().map(|next| (*next, reached.clone()));
        let steps = state.steps.iter().flat_map(|(letters, next)| {
            let kinds = whole.kinds_of_letters(&reached, *letters);
            kinds.into_iter().map(|letter| (*next, whole.behind(&reached, letter)))
        });
        for pair in skips.chain(steps) {
            if seen.insert(pair.clone()) {
                open.push(pair);
            }
        }
    }
    true
}

impl Automaton {
    /// These states and all that are reached from them without a letter.
    fn closed(&self, mut states: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut open: Vec<usize> = states.iter().copied().collect();
        while let Some(state) = open.pop() {
            let skips = self.0.get(state).map(|state| state.skips.as_slice()).unwrap_or_default();
            open.extend(skips.iter().copied().filter(|next| states.insert(*next)));
        }
        states
    }

    fn steps(&self, states: &BTreeSet<usize>) -> impl Iterator<Item = &((char, char), usize)> {
        states.iter().filter_map(|state| self.0.get(*state)).flat_map(|state| &state.steps)
    }

    /// The states behind a letter.
    fn behind(&self, states: &BTreeSet<usize>, letter: char) -> BTreeSet<usize> {
        let taking = |((low, high), _): &&((char, char), usize)| (*low..=*high).contains(&letter);
        self.closed(self.steps(states).filter(taking).map(|(_, next)| *next).collect())
    }

    /// One letter of each kind that these states tell apart, out of those from one to another.
    fn kinds_of_letters(
        &self,
        states: &BTreeSet<usize>,
        (low, high): (char, char),
    ) -> BTreeSet<char> {
        let starts = self.steps(states).flat_map(|((first, last), _)| [Some(*first), above(*last)]);
        let within = starts.flatten().filter(|letter| (low..=high).contains(letter));
        within.chain([low]).collect()
    }
}

/// The letter that follows.
fn above(letter: char) -> Option<char> {
    (letter..=char::MAX).nth(1)
}
