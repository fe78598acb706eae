//! Names: when two are the same, and one copy of each in memory.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// The server's `lower_case_table_names`: how it compares names of tables and databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableNames {
    /// 0: names differ by case.
    #[default]
    CaseSensitive,
    /// 1: names are kept in lower case.
    Lowercase,
    /// 2: names are kept as written and compared without case.
    CaseInsensitive,
}

impl TableNames {
    /// From the variable's value; what is not 1 or 2 is 0.
    #[must_use]
    pub fn from_variable(value: u8) -> Self {
        match value {
            1 => Self::Lowercase,
            2 => Self::CaseInsensitive,
            _ => Self::CaseSensitive,
        }
    }

    /// The variable's value.
    #[must_use]
    pub fn variable(self) -> u8 {
        match self {
            Self::CaseSensitive => 0,
            Self::Lowercase => 1,
            Self::CaseInsensitive => 2,
        }
    }

    /// What the name is found by.
    pub(super) fn key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::CaseSensitive => name.into(),
            Self::Lowercase | Self::CaseInsensitive => fold(name),
        }
    }

    /// How the name is kept.
    pub(super) fn kept(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::CaseSensitive | Self::CaseInsensitive => name.into(),
            Self::Lowercase => fold(name),
        }
    }
}

/// A name in lower case, letter by letter as servers do it.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name.into()
        };
    }
    name.chars().map(fold_letter).collect::<String>().into()
}

fn fold_letter(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        // A letter that becomes two keeps its case, since the server maps one to one.
        _ => letter,
    }
}

/// Whether two names of columns or keys are the same: case never counts.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!a.is_ascii() || !b.is_ascii()) && fold(a) == fold(b)
}

/// One shared copy of each name: `id` occurs in ten thousand tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    names: HashSet<Arc<str>>,
    /// Above this size, names that nobody uses any more are let go.
    limit: usize,
}

impl Names {
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        if self.names.len() >= self.limit {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.limit = self.names.len().saturating_mul(2).max(1024);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    pub(super) fn replace(&mut self, name: &mut Arc<str>) {
        *name = self.share(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_letter_by_letter_without_case() {
        assert!(same("Id", "iD") && same("ИМЯ", "имя") && !same("a", "b"));
        assert!(!same("İ", "i"), "a dotted capital I is two letters in lower case");
        assert_eq!(TableNames::Lowercase.kept("Ab"), "ab");
        assert_eq!(TableNames::CaseInsensitive.kept("Ab"), "Ab");
        assert_eq!(TableNames::CaseInsensitive.key("Ab"), "ab");
        assert_eq!(TableNames::CaseSensitive.key("Ab"), "Ab");
    }

    #[test]
    fn one_copy_of_a_name_is_kept_while_it_is_used() {
        let mut names = Names::default();
        let first = names.share("id");
        assert!(Arc::ptr_eq(&first, &names.share("id")));
        for number in 0..5000 {
            names.share(&format!("column_{number}"));
        }
        assert!(names.names.len() <= 1025, "{} names are kept", names.names.len());
        assert!(Arc::ptr_eq(&first, &names.share("id")));
    }
}
