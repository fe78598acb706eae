//! Whether some text matches two patterns, and whether all that matches one matches the other: both
//! as automata, walked side by side.

use std::collections::{BTreeSet, HashSet};

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::{Glob, Piece};

/// A pattern as states; the last one accepts.
struct Automaton(Vec<State>);

#[derive(Default)]
struct State {
    /// States that are reached without a letter.
    skips: Vec<usize>,
    /// States that are reached by a letter from one to another. Invariant: in order, and apart.
    steps: Vec<((char, char), usize)>,
}

const EVERY: (char, char) = ('\0', char::MAX);

impl Automaton {
    fn of(glob: &Glob) -> Self {
        let mut states = vec![State::default()];
        if let Some(expression) = &glob.expression {
            let end = add_tree(&mut states, 0, &expression.tree);
            let last = add_state(&mut states);
            add(&mut states, end, |state| state.skips.push(last));
            return Self(states);
        }
        for piece in &glob.pieces {
            let start = states.len() - 1;
            match piece {
                Piece::Literal(letter) => extend(&mut states, start, &[(*letter, *letter)]),
                Piece::One => extend(&mut states, start, &[EVERY]),
                Piece::Any => {
                    let hub = add_meeting(&mut states, &[start]);
                    add(&mut states, hub, |state| state.steps.push((EVERY, hub)));
                    // Whatever goes on from here must not meet the letters above.
                    add_meeting(&mut states, &[hub]);
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

fn add_state(states: &mut Vec<State>) -> usize {
    states.push(State::default());
    states.len() - 1
}

/// Adds what the tree matches from a state on; returns the state behind it.
fn add_tree(states: &mut Vec<State>, start: usize, tree: &Hir) -> usize {
    match tree.kind() {
        // Expressions that look around are refused.
        HirKind::Empty | HirKind::Look(_) => start,
        HirKind::Literal(text) => {
            let text = String::from_utf8_lossy(&text.0);
            let letters: Vec<_> = text.chars().map(|letter| (letter, letter)).collect();
            extend(states, start, &letters);
            if letters.is_empty() { start } else { states.len() - 1 }
        }
        HirKind::Class(class) => {
            let end = add_state(states);
            for letters in ranges(class) {
                add(states, start, |state| state.steps.push((letters, end)));
            }
            end
        }
        HirKind::Repetition(repetition) => add_repetition(states, start, repetition),
        HirKind::Capture(capture) => add_tree(states, start, &capture.sub),
        HirKind::Concat(parts) => {
            parts.iter().fold(start, |from, part| add_tree(states, from, part))
        }
        HirKind::Alternation(parts) => {
            let ends: Vec<usize> = parts
                .iter()
                .map(|part| {
                    let first = add_state(states);
                    add(states, start, |state| state.skips.push(first));
                    add_tree(states, first, part)
                })
                .collect();
            add_meeting(states, &ends)
        }
    }
}

fn add_repetition(states: &mut Vec<State>, start: usize, repetition: &Repetition) -> usize {
    let mut from = start;
    for _ in 0..repetition.min {
        from = add_tree(states, from, &repetition.sub);
    }
    let Some(most) = repetition.max else {
        let hub = add_meeting(states, &[from]);
        let end = add_tree(states, hub, &repetition.sub);
        add(states, end, |state| state.skips.push(hub));
        // Whatever goes on from here must not lead back.
        return add_meeting(states, &[hub]);
    };
    let mut ends = vec![from];
    for _ in repetition.min..most {
        from = add_tree(states, from, &repetition.sub);
        ends.push(from);
    }
    add_meeting(states, &ends)
}

/// Adds a state that is reached from all of these without a letter.
fn add_meeting(states: &mut Vec<State>, ends: &[usize]) -> usize {
    let meeting = add_state(states);
    for end in ends {
        add(states, *end, |state| state.skips.push(meeting));
    }
    meeting
}

fn ranges(class: &Class) -> Vec<(char, char)> {
    match class {
        Class::Unicode(class) => {
            class.ranges().iter().map(|range| (range.start(), range.end())).collect()
        }
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .map(|range| (char::from(range.start()), char::from(range.end())))
            .collect(),
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
        for pair in alone.chain(beside).chain(together(mine, theirs)) {
            if seen.insert(pair) {
                open.push(pair);
            }
        }
    }
    false
}

/// Where one letter leads from both states. The letters of a state are in order and apart.
fn together(mine: &State, theirs: &State) -> Vec<(usize, usize)> {
    let (mut left, mut right) = (mine.steps.iter().peekable(), theirs.steps.iter().peekable());
    let mut pairs = Vec::new();
    while let (Some(((from, to), next)), Some(((low, high), other))) = (left.peek(), right.peek()) {
        if from <= high && low <= to && pairs.last() != Some(&(*next, *other)) {
            pairs.push((*next, *other));
        }
        if to < high {
            left.next();
        } else {
            right.next();
        }
    }
    pairs
}

/// More letters looked at would take its time; nobody writes such patterns.
const MOST_LOOKS: usize = 3_000_000;

/// Whether every text that matches `part` matches `whole` too. Where that would take too long, the
/// answer is no.
///
/// The states of `whole` that a text reaches are walked as a set (the subset construction), beside
/// one state of `part`.
pub(super) fn covers(whole: &Glob, part: &Glob) -> bool {
    let (whole, part) = (Automaton::of(whole), Automaton::of(part));
    let start = (0, whole.closed(BTreeSet::from([0])));
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    let mut looks = 0;
    while let Some((at, reached)) = open.pop() {
        if at + 1 == part.0.len() && !reached.contains(&(whole.0.len() - 1)) {
            return false;
        }
        let Some(state) = part.0.get(at) else { continue };
        let skips = state.skips.iter().map(|next| (*next, reached.clone()));
        let steps = state.steps.iter().flat_map(|(letters, next)| {
            let kinds = whole.kinds_of_letters(&reached, *letters);
            looks += kinds.len() * reached.len();
            let is_bearable = looks <= MOST_LOOKS;
            let kinds = kinds.into_iter().filter(move |_| is_bearable);
            kinds.map(|letter| (*next, whole.behind(&reached, letter))).collect::<Vec<_>>()
        });
        for pair in skips.chain(steps) {
            if seen.insert(pair.clone()) {
                open.push(pair);
            }
        }
        if looks > MOST_LOOKS {
            return false;
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
        let states = states.iter().filter_map(|state| self.0.get(*state));
        let taking = states.filter_map(|state| {
            let at = state.steps.partition_point(|((_, high), _)| *high < letter);
            state.steps.get(at).filter(|((low, _), _)| *low <= letter).map(|(_, next)| *next)
        });
        self.closed(taking.collect())
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
