//! Rows on their way into pieces that the stream takes one by one.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{Budget, Permit, RowArena, RowArenaBuilder};
use tokio::sync::mpsc;

use super::definition::Definition;
use super::error::CopyError;
use super::value;
use super::worker::{Answer, Refused};
use crate::connection::Row;

/// Rows in the order of the key.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) arena: Arc<RowArena>,
    pub(super) rows: usize,
    /// Bytes of their values, as the source sent them.
    pub(super) sent_bytes: u64,
    /// The place of the last row in the key.
    pub(super) last: Option<Arc<str>>,
    /// Which of the keys that were asked for its rows have.
    pub(super) found: Vec<usize>,
    pub(super) permit: Permit,
}

/// How much was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) rows: u64,
    pub(super) bytes: usize,
    pub(super) took: Duration,
}

/// Rows on their way into pieces.
pub(super) struct Pieces<'a> {
    definition: &'a Definition,
    /// Whether the place of the last row in the key is wanted.
    has_place: bool,
    budget: &'a Budget,
    piece_bytes: usize,
    arena: RowArenaBuilder,
    rows: usize,
    sent_bytes: u64,
    found: Vec<usize>,
    permit: Option<Permit>,
    all: End,
}

impl<'a> Pieces<'a> {
    /// Pieces of so many bytes of a table; `has_place` where the place of the last row is wanted.
    pub(super) fn new(
        definition: &'a Definition,
        has_place: bool,
        (budget, piece_bytes): (&'a Budget, usize),
    ) -> Self {
        Self {
            definition,
            has_place,
            budget,
            piece_bytes,
            arena: RowArenaBuilder::new(),
            rows: 0,
            sent_bytes: 0,
            found: Vec::new(),
            permit: None,
            all: End { rows: 0, bytes: 0, took: Duration::ZERO },
        }
    }

    /// Takes all rows, and hands them on as pieces.
    pub(super) async fn take(
        mut self,
        mut rows: mpsc::Receiver<Row>,
        answers: &mpsc::Sender<Answer>,
    ) -> Result<End, Refused> {
        while let Some(row) = rows.recv().await {
            if self.permit.is_none() {
                // INVARIANT MEM-1: the copy has a budget of its own, so that the stream never waits
                // for rows that wait for the stream.
                self.permit = Some(self.budget.acquire(self.piece_bytes).await);
            }
            self.add(&row)?;
            if self.arena.byte_size() >= self.piece_bytes {
                self.hand_on(answers).await?;
            }
        }
        if self.rows > 0 {
            self.hand_on(answers).await?;
        }
        Ok(self.all)
    }

    fn add(&mut self, row: &Row) -> Result<(), CopyError> {
        let columns = self.definition.columns.iter().zip(&self.definition.types);
        for (index, (column, column_type)) in columns.enumerate() {
            let value = row.bytes(index);
            let length = value.map_or(0, <[u8]>::len);
            self.sent_bytes += u64::try_from(length).unwrap_or(u64::MAX);
            value::push(&mut self.arena, column, column_type, value).map_err(
                |value::Unreadable| CopyError::Table {
                    table: self.definition.table.name.clone(),
                    problem: format!(
                        "a value of column {} cannot be read: look at its values at the source, or \
                         leave the table out of the mapping (`except`)",
                        column.name
                    ),
                },
            )?;
        }
        // Behind the columns stands which key it is, where keys were asked for.
        let tag: Option<usize> =
            row.text(self.definition.columns.len()).and_then(|tag| tag.parse().ok());
        self.found.extend(tag);
        self.rows += 1;
        Ok(())
    }

    async fn hand_on(&mut self, answers: &mpsc::Sender<Answer>) -> Result<(), Refused> {
        let arena = Arc::new(std::mem::take(&mut self.arena).finish());
        let rows = std::mem::take(&mut self.rows);
        let bytes = arena.byte_size();
        let mut permit = self.permit.take().unwrap_or_else(Permit::none);
        permit.shrink_to(bytes);
        self.all.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        self.all.bytes += bytes;
        let first = (rows - 1) * self.definition.columns.len();
        let key = self.definition.key.as_ref().filter(|_| self.has_place);
        let last = match key {
            Some(key) => Some(key.place(|index| arena.value(first + index)).ok_or_else(|| {
                CopyError::Table {
                    table: self.definition.table.name.clone(),
                    problem: "a value of its key cannot be written as SQL (NaN, an infinity, or text that is \
                              not of its character set): correct the row, or leave the table out of \
                              the mapping (`except`)"
                        .to_owned(),
                }
            })?),
            None => None,
        };
        let found = std::mem::take(&mut self.found);
        let sent_bytes = std::mem::take(&mut self.sent_bytes);
        let piece = Piece { arena, rows, sent_bytes, last, found, permit };
        answers.send(Answer::Piece(piece)).await.map_err(|_| Refused::Gone)
    }
}
