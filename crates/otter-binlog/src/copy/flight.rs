//! What is being read of a table, until it is in the stream.

use std::collections::VecDeque;
use std::sync::Arc;

use otter_core::{FilePlace, Position, Prepared, TableName, Transaction};

use super::definition::Definition;
use super::pieces::{End, Piece};
use super::run::TABLES_AT_ONCE;
use super::snapshot::Snapshot;
use super::window::Window;
use crate::errand::Errand;

/// What the copy does now.
#[derive(Debug)]
pub(super) enum Job {
    /// Nothing.
    Idle,
    /// It asks what a table is.
    Defining(TableName),
    /// The table is known as it was at a place that the stream has not reached.
    Defined { definition: Arc<Definition>, high: FilePlace, due: Box<Due> },
    /// It reads.
    Reading(Box<Flight>),
}

/// What is done at the target before a table's turn comes.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Behind the newest schema change that was handed out when the stream had come to the table's place,
    /// where there was one: those that come later are of other tables.
    pub(super) changing: Option<Option<Position>>,
    /// The target is made ready.
    pub(super) preparing: Errand<Prepared>,
}

/// A part of a table that is read.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) definition: Arc<Definition>,
    /// The whole table is read, and goes into one target transaction.
    pub(super) whole: Option<Prepared>,
    /// The stream waits at the snapshot's end until everything is here.
    pub(super) holds: bool,
    /// So many rows were asked for.
    pub(super) limit: u64,
    pub(super) window: Window,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) pieces: VecDeque<Piece>,
    pub(super) end: Option<End>,
    /// Pieces that are in the stream.
    pub(super) emitted: u32,
    /// Rows of a whole table that are in the stream.
    pub(super) rows: u64,
    /// Bytes of their values.
    pub(super) bytes: u64,
}

impl Flight {
    pub(super) fn new(definition: Arc<Definition>, limit: u64) -> Self {
        Self {
            definition,
            whole: None,
            holds: false,
            limit,
            window: Window::one_of(TABLES_AT_ONCE),
            snapshot: None,
            pieces: VecDeque::new(),
            end: None,
            emitted: 0,
            rows: 0,
            bytes: 0,
        }
    }

    pub(super) fn table(&self) -> &TableName {
        &self.definition.table.name
    }

    /// Whether a transaction that comes before the snapshot's end may be missing from it.
    pub(super) fn may_lack(&self, transaction: &Transaction) -> bool {
        let Some(snapshot) = &self.snapshot else { return true };
        snapshot.may_lack(transaction).unwrap_or_else(|| snapshot.is_before(transaction))
    }
}

impl Job {
    /// The table that it is about.
    pub(super) fn table(&self) -> Option<&TableName> {
        match self {
            Self::Idle => None,
            Self::Defining(table) => Some(table),
            Self::Defined { definition, .. } => Some(&definition.table.name),
            Self::Reading(flight) => Some(flight.table()),
        }
    }

    /// What is done for the table at the target.
    pub(super) fn due(&mut self) -> Option<&mut Due> {
        match self {
            Self::Defined { due, .. } => Some(due),
            Self::Idle | Self::Defining(_) | Self::Reading(_) => None,
        }
    }

    pub(super) fn flight(&mut self) -> Option<&mut Flight> {
        match self {
            Self::Reading(flight) => Some(flight),
            Self::Idle | Self::Defining(_) | Self::Defined { .. } => None,
        }
    }
}
