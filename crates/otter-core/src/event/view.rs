//! Rows as they are shown: without dropped columns, and with columns that are the same in every
//! row.
//!
//! Nothing is copied and nothing is allocated per row: a view tells for each column in which cell
//! of the row's image its value is, or which constant it is.

use crate::rows::{RowArena, RowArenaBuilder};
use crate::value::Value;

/// Which value each column of a row shows.
#[derive(Debug)]
pub struct ColumnView {
    /// Cells of one row image in the arena.
    width: usize,
    shown: Box<[Shown]>,
    constants: RowArena,
}

#[derive(Debug, Clone, Copy)]
enum Shown {
    /// A cell of the row's image.
    Cell(usize),
    /// A cell of the constants.
    Constant(usize),
}

impl ColumnView {
    /// A view of images with `width` cells that shows those in `kept`, in this order, and then the
    /// constants. Returns `None` where an image has no such cell, or the constants are too long.
    ///
    /// ```
    /// use otter_core::event::ColumnView;
    /// use otter_core::Value;
    ///
    /// assert!(ColumnView::new(3, &[0, 2], &[Value::Text(b"03")]).is_some());
    /// assert!(ColumnView::new(3, &[3], &[]).is_none());
    /// ```
    #[must_use]
    pub fn new(width: usize, kept: &[usize], constants: &[Value<'_>]) -> Option<Self> {
        if kept.iter().any(|index| *index >= width) {
            return None;
        }
        let mut arena = RowArenaBuilder::new();
        for value in constants {
            arena.push(Some(*value)).ok()?;
        }
        let cells = kept.iter().copied().map(Shown::Cell);
        let shown = cells.chain((0..constants.len()).map(Shown::Constant)).collect();
        Some(Self { width, shown, constants: arena.finish() })
    }

    /// Cells of one row image in the arena.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The cell of a row's image that a column shows; `None` for a constant, and where there is no
    /// such column.
    pub(crate) fn cell(&self, column: usize) -> Option<usize> {
        match self.shown.get(column)? {
            Shown::Cell(cell) => Some(*cell),
            Shown::Constant(_) => None,
        }
    }

    /// The number of columns that are shown.
    pub(super) fn column_count(&self) -> usize {
        self.shown.len()
    }

    /// The value of a column in the image that begins at `first`.
    #[inline]
    pub(super) fn value<'a>(
        &'a self,
        arena: &'a RowArena,
        first: usize,
        column: usize,
    ) -> Option<Value<'a>> {
        match self.shown.get(column)? {
            Shown::Cell(index) => arena.value(first + index),
            Shown::Constant(index) => self.constants.value(*index),
        }
    }

    /// What this view shows of what `inner` shows.
    pub(super) fn of(&self, inner: &Self) -> Option<Self> {
        let mut arena = RowArenaBuilder::new();
        for constants in [&inner.constants, &self.constants] {
            for index in 0..constants.len() {
                arena.push(constants.value(index)).ok()?;
            }
        }
        let shown = self.shown.iter().map(|shown| match shown {
            Shown::Cell(index) => inner.shown.get(*index).copied(),
            Shown::Constant(index) => Some(Shown::Constant(inner.constants.len() + index)),
        });
        let shown = shown.collect::<Option<_>>()?;
        Some(Self { width: inner.width, shown, constants: arena.finish() })
    }
}
