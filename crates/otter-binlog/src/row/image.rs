//! Row images: which columns are there, which are NULL, and the values one after the other.

mod partial;

use std::sync::Arc;

use otter_core::{RowArenaBuilder, RowKind, Table, TableName};

use super::codec::{Codec, ValueError, read_value};
use crate::cursor::Cursor;
use crate::event::rows::RowsHead;
use crate::event::table_map::is_set;

/// How rows of one table map are read.
#[derive(Debug)]
pub(crate) struct RowPlan {
    pub(crate) table: Arc<Table>,
    /// One per column of the table.
    pub(crate) codecs: Box<[Codec]>,
    /// Whether differences of a document that is not there are a value, and no error.
    pub(crate) takes_changes: bool,
}

impl RowPlan {
    /// The same plan, by which differences of a JSON document that is not there are read as what
    /// they are.
    pub(crate) fn taking_changes(mut self, takes_changes: bool) -> Self {
        self.takes_changes = takes_changes;
        self
    }

    /// The same plan, under which no compressed value may unfold to more than `most` bytes: a
    /// thousandth of it may stand in the row.
    pub(crate) fn within(mut self, most: usize) -> Self {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        for codec in &mut self.codecs {
            if let Codec::Compressed { limit, .. } = codec {
                *limit = most.min(*limit);
            }
        }
        self
    }
}

/// Why a row cannot be read. It names table and column, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// One value.
    #[error("column `{column}` of `{table}` cannot be read")]
    Value {
        /// The table.
        table: TableName,
        /// The column's name.
        column: Arc<str>,
        /// What is wrong.
        source: ValueError,
    },
    /// The rows are of another number of columns than the table map.
    #[error("the rows of `{table}` have {rows} columns, its table map has {map}")]
    Width {
        /// The table.
        table: TableName,
        /// Columns of the rows.
        rows: usize,
        /// Columns of the table map.
        map: usize,
    },
    /// The images hold no column at all, so that nobody can say how many rows there are.
    #[error("the rows of `{table}` hold no column at all: set binlog_row_image=FULL on the source")]
    NoColumns {
        /// The table.
        table: TableName,
    },
    /// A document is logged as differences, and the document before the change is not there.
    #[error(
        "column `{column}` of `{table}` is logged as differences of a JSON document that the row's \
         image before the change does not hold: run SET GLOBAL binlog_row_value_options = '' or \
         SET GLOBAL binlog_row_image = FULL on the source, reconnect the applications, compare \
         both sides and start the pipeline afresh behind it"
    )]
    NoDocument {
        /// The table.
        table: TableName,
        /// The column's name.
        column: Arc<str>,
    },
    /// An update says that it is written in a way that nobody knew of.
    #[error("an update of `{table}` has options that are not known: {options:#x}")]
    UnknownOptions {
        /// The table.
        table: TableName,
        /// The options' bits.
        options: u64,
    },
    /// The bitmap of NULLs is cut off.
    #[error("a row of `{table}` is cut off")]
    Cut {
        /// The table.
        table: TableName,
    },
}

/// Which columns an image holds.
#[derive(Debug, Clone, Copy)]
struct Shape<'a> {
    present: &'a [u8],
    /// How many there are.
    count: usize,
}

impl<'a> Shape<'a> {
    fn new(present: &'a [u8], width: usize) -> Self {
        let count = if width.is_multiple_of(8) && present.iter().all(|byte| *byte == 0xff) {
            width
        } else {
            (0..width).filter(|index| is_set(present, *index)).count()
        };
        Self { present, count }
    }
}

/// Reads the rows of one event, some at a time.
#[derive(Debug)]
pub(crate) struct RowReader<'a> {
    plan: &'a RowPlan,
    kind: RowKind,
    first: Shape<'a>,
    second: Shape<'a>,
    has_differences: bool,
    rows: Cursor<'a>,
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(plan: &'a RowPlan, head: &RowsHead<'a>) -> Result<Self, ImageError> {
        let width = plan.codecs.len();
        if head.width != width {
            let table = plan.table.name.clone();
            return Err(ImageError::Width { table, rows: head.width, map: width });
        }
        let first = Shape::new(head.present, width);
        let second = Shape::new(head.present_after, width);
        if first.count == 0 && second.count == 0 {
            return Err(ImageError::NoColumns { table: plan.table.name.clone() });
        }
        let has_differences = head.has_differences;
        let rows = Cursor::new(head.rows);
        Ok(Self { plan, kind: head.kind, first, second, has_differences, rows })
    }

    /// The bytes of the rows that were not read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rows.peek()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rows.is_empty()
    }

    /// Reads rows until the event ends or the arena holds `limit` bytes; returns their number.
    /// One row is read in any case.
    pub(crate) fn read(
        &mut self,
        arena: &mut RowArenaBuilder,
        limit: usize,
    ) -> Result<usize, ImageError> {
        let mut count = 0;
        while !self.rows.is_empty() {
            self.read_row(arena)?;
            count += 1;
            if arena.byte_size() >= limit {
                break;
            }
        }
        Ok(count)
    }

    #[inline]
    fn read_row(&mut self, arena: &mut RowArenaBuilder) -> Result<(), ImageError> {
        let (plan, rows) = (self.plan, &mut self.rows);
        if self.has_differences {
            return partial::read_row(plan, self.first, self.second, rows, arena);
        }
        read_image(plan, self.first, rows, arena)?;
        if self.kind == RowKind::Update {
            read_image(plan, self.second, rows, arena)?;
        }
        Ok(())
    }
}

#[inline]
fn read_image(
    plan: &RowPlan,
    shape: Shape<'_>,
    rows: &mut Cursor<'_>,
    arena: &mut RowArenaBuilder,
) -> Result<(), ImageError> {
    let Ok(nulls) = rows.bytes(shape.count.div_ceil(8)) else {
        return Err(ImageError::Cut { table: plan.table.name.clone() });
    };
    let result = if shape.count == plan.codecs.len() {
        read_full(plan, nulls, rows, arena)
    } else {
        read_partial(plan, shape, nulls, rows, arena)
    };
    result.map_err(|(index, source)| value_error(plan, index, source))
}

/// Every column is there: the usual case, without a look at the bitmap of columns.
#[inline]
fn read_full(
    plan: &RowPlan,
    nulls: &[u8],
    rows: &mut Cursor<'_>,
    arena: &mut RowArenaBuilder,
) -> Result<(), (usize, ValueError)> {
    for (index, codec) in plan.codecs.iter().enumerate() {
        let result = if is_set(nulls, index) {
            arena.push(Some(otter_core::Value::Null)).map_err(ValueError::from)
        } else {
            read_value(*codec, rows, arena)
        };
        result.map_err(|source| (index, source))?;
    }
    Ok(())
}

fn read_partial(
    plan: &RowPlan,
    shape: Shape<'_>,
    nulls: &[u8],
    rows: &mut Cursor<'_>,
    arena: &mut RowArenaBuilder,
) -> Result<(), (usize, ValueError)> {
    // NULLs are counted among the columns that are there.
    let mut place = 0;
    for (index, codec) in plan.codecs.iter().enumerate() {
        let result = if !is_set(shape.present, index) {
            arena.push(None).map_err(ValueError::from)
        } else {
            place += 1;
            if is_set(nulls, place - 1) {
                arena.push(Some(otter_core::Value::Null)).map_err(ValueError::from)
            } else {
                read_value(*codec, rows, arena)
            }
        };
        result.map_err(|source| (index, source))?;
    }
    Ok(())
}

#[cold]
fn value_error(plan: &RowPlan, index: usize, source: ValueError) -> ImageError {
    let column = plan.table.columns.get(index).map_or_else(|| "?".into(), |it| it.name.clone());
    ImageError::Value { table: plan.table.name.clone(), column, source }
}

#[cfg(test)]
mod tests;
