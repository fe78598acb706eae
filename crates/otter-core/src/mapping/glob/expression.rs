//! A regular expression as one part of a pattern, in the syntax of the crate `regex`.
//!
//! It matches whole names. Beside the engine that matches there is the expression's syntax tree, from
//! which it is decided which names two patterns have in common.

use std::hash::{Hash, Hasher};
use std::str::FromStr;

use regex_syntax::hir::{Hir, HirKind};

/// More than any list of names needs; beyond it, comparing two expressions would take its time.
const MOST_STATES: u64 = 1_000;

/// What one part of a name looks like.
#[derive(Debug, Clone)]
pub(in crate::mapping) struct Expression {
    text: String,
    regex: regex::Regex,
    pub(super) tree: Hir,
}

impl Expression {
    /// As it was written, without the slashes.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The number of groups.
    pub(super) fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// What the groups stand for in this name, or the whole of it where there are none; `None`
    /// where the name does not match.
    pub(super) fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        if self.groups() == 0 {
            return self.regex.is_match(name).then(|| vec![name]);
        }
        let found = self.regex.captures(name)?;
        Some(found.iter().skip(1).map(|group| group.map_or("", |group| group.as_str())).collect())
    }
}

impl FromStr for Expression {
    /// What is wrong with it.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tree = regex_syntax::parse(text).map_err(|error| match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            error => error.to_string(),
        })?;
        if !tree.properties().look_set().is_empty() {
            return Err("it must match the whole name anyway: leave ^, $ and \\b out".to_owned());
        }
        if text.is_empty() {
            return Err("it matches no name: write .* for all".to_owned());
        }
        if states(&tree) > MOST_STATES {
            return Err(format!("it stands for more than {MOST_STATES} characters"));
        }
        let regex = regex::Regex::new(&format!(r"\A(?:{text})\z"))
            .map_err(|_| "it is too large, or has a comment without an end".to_owned())?;
        Ok(Self { text: text.to_owned(), regex, tree })
    }
}

/// About how many states it takes.
fn states(tree: &Hir) -> u64 {
    let sum = |parts: &[Hir]| parts.iter().map(states).fold(1, u64::saturating_add);
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(text) => u64::try_from(text.0.len()).unwrap_or(u64::MAX),
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
            states(&repetition.sub).saturating_add(1).saturating_mul(times)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
