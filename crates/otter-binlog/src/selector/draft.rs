//! A transaction while it is being read.

use std::sync::Arc;

use otter_core::{
    Ddl, Event, FilePlace, Gtid, Origin, Part, RowArena, RowFlags, RowKind, RowsEvent, SourceTime,
    Table, Transaction, TransactionEnd,
};

use super::error::SelectError;
use crate::event::gtid::MariaDbRole;

/// Rows in the arena that is still being written.
#[derive(Debug)]
pub(crate) struct RowRun {
    table: Arc<Table>,
    kind: RowKind,
    flags: RowFlags,
    first_cell: usize,
    row_count: usize,
}

impl RowRun {
    /// The index of the cell behind the last row.
    fn end(&self) -> usize {
        let images = if self.kind == RowKind::Update { 2 } else { 1 };
        self.first_cell + self.row_count * images * self.table.columns.len()
    }
}

/// One event of the transaction.
#[derive(Debug)]
pub(crate) enum Piece {
    Rows(RowRun),
    Done(Event),
}

/// A savepoint: what there was when it was set.
#[derive(Debug)]
struct Savepoint {
    name: String,
    pieces: usize,
    rows: u64,
}

/// A transaction of which some events have been read.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) gtid: Option<Gtid>,
    /// Where its first event begins.
    pub(crate) start: FilePlace,
    /// Microseconds since 1970.
    pub(crate) committed_at: u64,
    /// The server that wrote it first.
    pub(crate) server_id: u32,
    pub(crate) origin: Option<Origin>,
    /// BEGIN has come, so that only a COMMIT ends it.
    pub(crate) begun: bool,
    pub(crate) role: MariaDbRole,
    /// A row event has come, of whatever table.
    pub(crate) has_seen_rows: bool,
    /// It was applied before and is read only to be recognised.
    pub(crate) is_known: bool,
    /// It lies before what is wanted, and is read only to find its end.
    pub(crate) is_passed: bool,
    /// It may have to wait for a decision, so that nothing of it is handed out before its end.
    pub(crate) is_xa: bool,
    /// Why its rows are not held, which matters only if it is committed.
    failure: Option<Box<SelectError>>,
    pieces: Vec<Piece>,
    /// Rows that were read, those handed out included.
    rows: u64,
    handed_out: u64,
    fragments: u32,
    savepoints: Vec<Savepoint>,
    /// Runs before this piece are not extended: a savepoint stands between.
    barrier: usize,
}

impl Draft {
    pub(crate) fn new(gtid: Option<Gtid>, start: FilePlace, committed_at: u64) -> Self {
        Self {
            gtid,
            start,
            committed_at,
            server_id: 0,
            origin: None,
            begun: false,
            role: MariaDbRole::Plain,
            has_seen_rows: false,
            is_known: false,
            is_passed: false,
            is_xa: false,
            failure: None,
            pieces: Vec::new(),
            rows: 0,
            handed_out: 0,
            fragments: 0,
            savepoints: Vec::new(),
            barrier: 0,
        }
    }

    pub(crate) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Whether what is there may be handed out before the rest has come.
    pub(crate) fn may_go_in_fragments(&self) -> bool {
        !self.is_xa && self.has_pieces()
    }

    /// Drops the rows, which are asked for only if the transaction is committed.
    pub(crate) fn lose(&mut self, failure: SelectError) {
        self.pieces.clear();
        self.barrier = 0;
        self.failure = Some(Box::new(failure));
    }

    /// Whether its rows are not held.
    pub(crate) fn is_lost(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn take_failure(&mut self) -> Option<SelectError> {
        self.failure.take().map(|failure| *failure)
    }

    /// Whether rows of the arena that is being written belong to it.
    pub(crate) fn has_open_rows(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Rows(_)))
    }

    /// Whether anything was found in it that is or was to be handed out.
    pub(crate) fn has_content(&self) -> bool {
        self.fragments > 0 || !self.pieces.is_empty()
    }

    /// The rows that were read.
    pub(crate) fn row_count(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_fragmented(&self) -> bool {
        self.fragments > 0
    }

    /// Adds rows of a table, to the last run where they go on in it.
    pub(crate) fn push_rows(
        &mut self,
        table: &Arc<Table>,
        (kind, flags): (RowKind, RowFlags),
        first_cell: usize,
        row_count: usize,
    ) {
        self.rows += u64::try_from(row_count).unwrap_or(u64::MAX);
        let may_extend = self.pieces.len() > self.barrier;
        if let Some(Piece::Rows(last)) = self.pieces.last_mut().filter(|_| may_extend)
            && last.kind == kind
            && last.flags == flags
            && Arc::ptr_eq(&last.table, table)
            && last.end() == first_cell
        {
            last.row_count += row_count;
            return;
        }
        let table = Arc::clone(table);
        self.pieces.push(Piece::Rows(RowRun { table, kind, flags, first_cell, row_count }));
    }

    pub(crate) fn push_ddl(&mut self, ddl: Ddl) {
        self.pieces.push(Piece::Done(Event::Ddl(ddl)));
    }

    pub(crate) fn set_savepoint(&mut self, name: &str) {
        // A name that is used again replaces the older one. Servers compare names without case.
        let name = name.to_lowercase();
        self.savepoints.retain(|known| known.name != name);
        self.barrier = self.pieces.len();
        self.savepoints.push(Savepoint { name, pieces: self.pieces.len(), rows: self.rows });
    }

    /// Takes back what came behind the savepoint.
    pub(crate) fn roll_back_to(&mut self, name: &str) -> Result<(), SelectError> {
        let name = name.to_lowercase();
        let Some(place) = self.savepoints.iter().position(|known| known.name == name) else {
            // Servers log no savepoint that is set before anything else is logged: then there is
            // nothing to take back, or a name was misread.
            if self.has_content() {
                return Err(SelectError::UnknownSavepoint { place: self.start.clone() });
            }
            return Ok(());
        };
        self.savepoints.truncate(place + 1);
        let Some((pieces, rows)) = self.savepoints.get(place).map(|it| (it.pieces, it.rows)) else {
            return Ok(());
        };
        if rows < self.handed_out {
            return Err(SelectError::RolledBack { place: self.start.clone() });
        }
        self.pieces.truncate(pieces);
        self.rows = rows;
        self.barrier = pieces;
        Ok(())
    }

    /// Takes back everything.
    pub(crate) fn roll_back(&mut self) -> Result<(), SelectError> {
        if self.handed_out > 0 {
            return Err(SelectError::RolledBack { place: self.start.clone() });
        }
        self.pieces.clear();
        self.rows = 0;
        self.barrier = 0;
        Ok(())
    }

    /// Gives the runs their arena, which is not written any more.
    pub(crate) fn seal(&mut self, arena: &Arc<RowArena>) -> Result<(), SelectError> {
        for piece in &mut self.pieces {
            let Piece::Rows(run) = piece else { continue };
            let rows = RowsEvent::new(
                Arc::clone(&run.table),
                run.kind,
                Arc::clone(arena),
                run.first_cell,
                run.row_count,
            );
            let rows = rows.ok_or(SelectError::Bug("rows are not in their arena"))?;
            let rows = rows.with_flags(run.flags).with_server_id(self.server_id);
            *piece = Piece::Done(Event::Rows(rows));
        }
        Ok(())
    }

    fn take_events(&mut self) -> Vec<Event> {
        for savepoint in &mut self.savepoints {
            savepoint.pieces = 0;
        }
        self.barrier = 0;
        let sealed = |piece| match piece {
            Piece::Done(event) => Some(event),
            Piece::Rows(_) => None,
        };
        std::mem::take(&mut self.pieces).into_iter().filter_map(sealed).collect()
    }

    /// What is there so far, sealed, as a fragment.
    pub(crate) fn take_fragment(&mut self) -> Transaction {
        let part = Part::Fragment { index: self.fragments, last: false };
        let rows_before = self.handed_out;
        self.fragments = self.fragments.saturating_add(1);
        self.handed_out = self.rows;
        Transaction {
            gtid: self.gtid.clone(),
            start: self.start.clone(),
            committed_at: SourceTime(self.committed_at),
            origin: self.origin.clone(),
            part,
            rows_before,
            events: self.take_events(),
            end: None,
        }
    }

    /// The whole or the last fragment, sealed.
    pub(crate) fn finish(mut self, end: TransactionEnd) -> Transaction {
        let part = match self.fragments {
            0 => Part::Whole,
            index => Part::Fragment { index, last: true },
        };
        Transaction {
            part,
            rows_before: self.handed_out,
            events: self.take_events(),
            gtid: self.gtid,
            start: self.start,
            committed_at: SourceTime(self.committed_at),
            origin: self.origin,
            end: Some(end),
        }
    }
}
