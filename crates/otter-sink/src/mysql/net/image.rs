//! A row put together from several images of it.

use otter_core::{Row, Value};

/// A row as its newest image tells it, and older ones where that leaves columns out.
#[derive(Debug, Clone)]
pub(crate) struct Image<'a> {
    newest: Row<'a>,
    /// Oldest first; empty where the newest image has all that is wanted.
    older: Vec<Row<'a>>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(row: Row<'a>) -> Self {
        Self { newest: row, older: Vec::new() }
    }

    /// Lays a newer image over this one.
    pub(crate) fn lay(&mut self, newer: Row<'a>) {
        let before = std::mem::replace(&mut self.newest, newer);
        if newer.values().all(|value| value.is_some()) {
            self.older.clear();
        } else {
            self.older.push(before);
        }
    }

    /// The newest image alone.
    pub(super) fn newest(&self) -> Row<'a> {
        self.newest
    }

    /// The value of the column at `index`; `None` where no image holds it.
    pub(crate) fn value(&self, index: usize) -> Option<Value<'a>> {
        self.newest
            .value(index)
            .or_else(|| self.older.iter().rev().find_map(|older| older.value(index)))
    }
}
