//! What a transaction holds: row changes and schema changes.

mod view;

use std::ops::Range;
use std::sync::Arc;

pub use view::ColumnView;

use crate::copy::{CopyStep, InCopy};
use crate::ddl::Ddl;
use crate::resync::ResyncStep;
use crate::rows::RowArena;
use crate::table::Table;
use crate::value::Value;

/// One event of a transaction, in source order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Changes of one kind to rows of one table.
    Rows(RowsEvent),
    /// A schema change.
    Ddl(Ddl),
    /// How far the initial copy is behind the rows before it.
    Copy(CopyStep),
    /// A request to copy rows again, or how far one is behind the rows before it.
    Resync(ResyncStep),
}

/// What kind of change a [`RowsEvent`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// New rows.
    Insert,
    /// Changed rows; each has an image before and one after.
    Update,
    /// Removed rows.
    Delete,
}

/// How the source wrote the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowFlags {
    /// The session did not check foreign keys, or the server has checked them and logs itself what
    /// they cascade to: whoever applies the rows checks and cascades nothing.
    pub no_foreign_key_checks: bool,
    /// The session did not check unique keys.
    pub no_unique_checks: bool,
    /// What the rows have to do with a copy of their table.
    pub copy: InCopy,
}

/// Changes of one kind to rows of one table; the values are in a shared arena.
#[derive(Debug, Clone)]
pub struct RowsEvent {
    table: Arc<Table>,
    kind: RowKind,
    flags: RowFlags,
    /// 0 until it is told.
    server_id: u32,
    arena: Arc<RowArena>,
    first_cell: usize,
    row_count: usize,
    /// What the columns show; without it they are the cells of the images.
    view: Option<Arc<ColumnView>>,
}

/// One row image: a view into the arena.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    arena: &'a RowArena,
    first_cell: usize,
    view: Option<&'a ColumnView>,
}

/// One changed row.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A new row.
    Insert {
        /// The new row.
        after: Row<'a>,
    },
    /// A changed row.
    Update {
        /// The row as it was.
        before: Row<'a>,
        /// The row as it is.
        after: Row<'a>,
    },
    /// A removed row.
    Delete {
        /// The row as it was.
        before: Row<'a>,
    },
}

impl RowsEvent {
    /// Makes an event of `row_count` rows whose images begin at `first_cell` of the arena.
    ///
    /// Each image has one cell per column of the table; an update has two images per row, before
    /// and after. Returns `None` where the arena does not hold that many cells.
    #[must_use]
    pub fn new(
        table: Arc<Table>,
        kind: RowKind,
        arena: Arc<RowArena>,
        first_cell: usize,
        row_count: usize,
    ) -> Option<Self> {
        let images = if kind == RowKind::Update { 2 } else { 1 };
        let cells = row_count.checked_mul(images)?.checked_mul(table.columns.len())?;
        if first_cell.checked_add(cells)? > arena.len() {
            return None;
        }
        let flags = RowFlags::default();
        let view = None;
        Some(Self { table, kind, flags, server_id: 0, arena, first_cell, row_count, view })
    }

    /// The same event with these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: RowFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The same event, written first by the server with this id.
    #[must_use]
    pub fn with_server_id(mut self, server_id: u32) -> Self {
        self.server_id = server_id;
        self
    }

    /// The same rows under another definition with the same number of columns: how a mapping
    /// renames. Returns `None` where the number differs.
    #[must_use]
    pub fn with_table(mut self, table: Arc<Table>) -> Option<Self> {
        (table.columns.len() == self.table.columns.len()).then(|| {
            self.table = table;
            self
        })
    }

    /// The same rows under another definition, seen through a view: how a mapping drops columns
    /// and adds constants. Returns `None` where the view is not of rows with this number of columns,
    /// or does not show as many as the new definition has.
    #[must_use]
    pub fn with_view(mut self, table: Arc<Table>, view: Arc<ColumnView>) -> Option<Self> {
        let fits =
            view.width() == self.table.columns.len() && view.column_count() == table.columns.len();
        if !fits {
            return None;
        }
        self.view = Some(match &self.view {
            Some(inner) => Arc::new(view.of(inner)?),
            None => view,
        });
        self.table = table;
        Some(self)
    }

    /// The rows of a range, without copying them; `None` where there are none.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Option<Self> {
        if rows.is_empty() || rows.end > self.row_count {
            return None;
        }
        let first_cell = self.first_cell + rows.start * self.images() * self.width();
        Some(Self { first_cell, row_count: rows.len(), ..self.clone() })
    }

    /// What an updated row was, as a removed row.
    pub(crate) fn only_before(&self, row: usize) -> Option<Self> {
        self.only(row, 0, RowKind::Delete)
    }

    /// What an updated row is, as a new row.
    pub(crate) fn only_after(&self, row: usize) -> Option<Self> {
        self.only(row, 1, RowKind::Insert)
    }

    fn only(&self, row: usize, image: usize, kind: RowKind) -> Option<Self> {
        if self.kind != RowKind::Update || row >= self.row_count {
            return None;
        }
        let first_cell = self.first_cell + (2 * row + image) * self.width();
        Some(Self { kind, first_cell, row_count: 1, ..self.clone() })
    }

    /// Images of each row.
    fn images(&self) -> usize {
        if self.kind == RowKind::Update { 2 } else { 1 }
    }

    /// Cells of each image.
    fn width(&self) -> usize {
        self.view.as_deref().map_or(self.table.columns.len(), ColumnView::width)
    }

    /// The definition that the rows follow.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The kind of change.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// How the source wrote the rows.
    #[must_use]
    pub fn flags(&self) -> RowFlags {
        self.flags
    }

    /// The id of the server that wrote the rows first; 0 where that was not told. Known here before
    /// the transaction's [end](crate::TransactionEnd::server_id), which a fragment does not have.
    #[must_use]
    pub fn server_id(&self) -> u32 {
        self.server_id
    }

    /// The number of changed rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// The changed rows in source order.
    #[inline]
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Change<'_>> {
        (0..self.row_count).map(|index| self.change_at(index))
    }

    #[inline]
    fn change_at(&self, index: usize) -> Change<'_> {
        let view = self.view.as_deref();
        let width = self.width();
        let row = |image: usize| Row {
            table: &self.table,
            arena: &self.arena,
            first_cell: self.first_cell + image * width,
            view,
        };
        match self.kind {
            RowKind::Insert => Change::Insert { after: row(index) },
            RowKind::Update => Change::Update { before: row(2 * index), after: row(2 * index + 1) },
            RowKind::Delete => Change::Delete { before: row(index) },
        }
    }
}

impl<'a> Row<'a> {
    /// The definition that the row follows.
    #[must_use]
    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// The value of the column at `index`; `None` where the row image does not hold it.
    #[must_use]
    #[inline]
    pub fn value(&self, index: usize) -> Option<Value<'a>> {
        if index >= self.table.columns.len() {
            return None;
        }
        match self.view {
            None => self.arena.value(self.first_cell + index),
            Some(view) => view.value(self.arena, self.first_cell, index),
        }
    }

    /// The value of the column with this name; `None` where there is no such column or the row
    /// image does not hold it.
    #[must_use]
    pub fn by_name(&self, column: &str) -> Option<Value<'a>> {
        self.value(self.table.column_index(column)?)
    }

    /// All values in column order; `None` where absent.
    #[inline]
    pub fn values(&self) -> impl ExactSizeIterator<Item = Option<Value<'a>>> + use<'a> {
        let count = self.table.columns.len();
        match self.view {
            None => Values::Plain(self.arena.values(self.first_cell, count)),
            Some(view) => {
                let (arena, first) = (self.arena, self.first_cell);
                Values::Viewed((0..count).map(move |index| view.value(arena, first, index)))
            }
        }
    }
}

/// The values of a row, with or without a view.
enum Values<P, V> {
    Plain(P),
    Viewed(V),
}

impl<T, P, V> Iterator for Values<P, V>
where
    P: ExactSizeIterator<Item = T>,
    V: ExactSizeIterator<Item = T>,
{
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Self::Plain(values) => values.next(),
            Self::Viewed(values) => values.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Plain(values) => values.size_hint(),
            Self::Viewed(values) => values.size_hint(),
        }
    }
}

impl<T, P, V> ExactSizeIterator for Values<P, V>
where
    P: ExactSizeIterator<Item = T>,
    V: ExactSizeIterator<Item = T>,
{
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.table.name)
    }
}

impl<'a> Change<'a> {
    /// The row as it is afterwards; `None` for a removed one.
    #[must_use]
    #[inline]
    pub fn after(&self) -> Option<Row<'a>> {
        match self {
            Self::Insert { after } | Self::Update { after, .. } => Some(*after),
            Self::Delete { .. } => None,
        }
    }

    /// The row as it was; `None` for a new one.
    #[must_use]
    #[inline]
    pub fn before(&self) -> Option<Row<'a>> {
        match self {
            Self::Update { before, .. } | Self::Delete { before } => Some(*before),
            Self::Insert { .. } => None,
        }
    }
}
