//! Events in, batches out: the part of the selector that never waits.
//!
//! It is fed one raw event at a time and puts transactions together. Where it needs something that
//! must be waited for (a table's definition, room in the budget), it says so and is asked again
//! afterwards; nothing is lost meanwhile, so that the selector may be dropped at any wait.

mod ahead;
mod apart;
mod batches;
mod borders;
mod ddl;
mod events;
mod passing;
mod queries;
mod replay;
mod rows;
mod spare;
mod xa;

use std::collections::HashSet;
use std::sync::Arc;

use otter_core::{Budget, Fingerprint, GtidSet, Permit, Position, RowArenaBuilder};

use super::draft::Draft;
use super::error::SelectError;
use super::lessons::Lessons;
use super::options::ReadOptions;
use super::room::Room;
use super::tables::{Tables, Use};
use super::tape::Tape;
use super::tracker::Tracker;
use crate::event::Format;
use crate::event::payload::Payload;
use crate::event::pieces::Pieces;
use crate::event::table_map::TableMap;
use crate::schema::compile::Naming;
use crate::schema::{SchemaTable, compile};

pub(crate) use apart::Apart;
use batches::{Finished, MOST_TRANSACTIONS};
pub(crate) use passing::Passing;
use replay::Replay;
use rows::Carry;
pub(crate) use spare::Spare;
use xa::Undecided;

/// What is known of the source and does not change while it is read.
#[derive(Debug, Clone)]
pub(crate) struct SourceFacts {
    /// Names are compared in lower case there.
    pub(crate) folds_names: bool,
    /// Positions carry MySQL's GTIDs.
    pub(crate) tracks_gtids: bool,
    /// Where the names of columns come from.
    pub(crate) naming: Naming,
}

/// A table map that waits for its table's definition.
pub(crate) struct WantedTable {
    pub(crate) map: TableMap,
    raw: Box<[u8]>,
    is_mark: bool,
    pub(crate) place: otter_core::FilePlace,
}

/// The outermost event around an inner one: what a fingerprint is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    start: u64,
    timestamp: u32,
    server_id: u32,
    checksum: u32,
}

/// Puts transactions together.
pub(crate) struct Assembler {
    options: ReadOptions,
    facts: SourceFacts,
    /// What a `time_zone` of `SYSTEM` means at the source.
    pub(super) system_time_zone: Option<std::sync::Arc<str>>,
    /// Whether differences of JSON documents that are not there are values.
    pub(crate) takes_changes: bool,
    format: Format,
    tape: Tape,
    tables: Tables,
    /// The transaction that is being read.
    draft: Option<Draft>,
    /// Transactions of the next batch.
    finished: Vec<Finished>,
    most_finished: usize,
    finished_rows: usize,
    arena: RowArenaBuilder,
    room: Room,
    /// Bytes of sealed arenas that the draft still holds, with their room.
    sealed_bytes: usize,
    /// Where the arena stood when the draft began.
    draft_begin: usize,
    /// Behind the last transaction.
    position: Position,
    /// Behind the last batch.
    handed_out: Position,
    /// What is in no batch since the last transaction that is in one.
    passed: Option<GtidSet>,
    has_moved: bool,
    /// Rows of an event for which there was no room.
    carry: Option<Carry>,
    wanted: Option<WantedTable>,
    payload: Option<(Payload, Seal)>,
    /// Rows of which not all pieces have come.
    pieces: Option<Pieces>,
    /// The transaction by which the source is to be recognised, until it has come.
    expected: Option<Fingerprint>,
    /// The place up to which events are passed over unread.
    ahead: Option<otter_core::FilePlace>,
    /// Which transactions are passed by.
    passing: Passing,
    /// What each table looks like here, where rows do not tell it themselves.
    tracker: Option<Tracker>,
    /// Definitions that a DDL has made stale.
    stale: Stale,
    lessons: Lessons,
    /// Those of MariaDB that were passed by, and told.
    sequences: HashSet<otter_core::TableName>,
    /// XA transactions that are prepared and not decided.
    undecided: Undecided,
    /// What was applied already and is read again, until it has all come.
    replay: Option<Replay>,
    scratch: Vec<u8>,
    spare: Spare,
}

impl std::fmt::Debug for Assembler {
    /// Shows where it is; everything else may hold row values (SECRET-1).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler")
            .field("tape", &self.tape)
            .field("finished", &self.finished.len())
            .field("arena", &self.arena)
            .finish_non_exhaustive()
    }
}

/// Which definitions may be wrong from now on.
#[derive(Debug, Default)]
pub(crate) enum Stale {
    #[default]
    Nothing,
    Tables(Vec<otter_core::TableName>),
    Everything,
}

impl Stale {
    /// So many names are kept apart; with more, everything is read again.
    const MOST_TABLES: usize = 1_000;

    /// Adds what another one holds.
    pub(crate) fn join(&mut self, other: Self) {
        match other {
            Self::Nothing => {}
            Self::Tables(tables) => self.add(&tables),
            Self::Everything => *self = Self::Everything,
        }
    }

    fn add(&mut self, tables: &[otter_core::TableName]) {
        match self {
            Self::Everything => {}
            Self::Tables(stale) if stale.len() < Self::MOST_TABLES => {
                stale.extend_from_slice(tables);
            }
            Self::Tables(_) => *self = Self::Everything,
            Self::Nothing => *self = Self::Tables(tables.to_vec()),
        }
    }
}

impl Assembler {
    /// Begins at a position. `expected` is the last transaction before it, where the stream
    /// begins with that one.
    pub(crate) fn new(
        options: impl Into<ReadOptions>,
        facts: SourceFacts,
        position: Position,
        expected: Option<Fingerprint>,
        budget: Budget,
    ) -> Self {
        let tape = match &position.resume_from.file {
            Some(place) => Tape::new(&place.file, place.offset),
            None => Tape::new("", super::tape::FILE_BEGIN),
        };
        Self {
            options: options.into(),
            facts,
            system_time_zone: None,
            takes_changes: false,
            format: Format::default(),
            tape,
            tables: Tables::default(),
            draft: None,
            finished: Vec::new(),
            most_finished: MOST_TRANSACTIONS,
            finished_rows: 0,
            arena: RowArenaBuilder::new(),
            room: Room::new(budget),
            sealed_bytes: 0,
            draft_begin: 0,
            handed_out: position.clone(),
            passed: None,
            undecided: Undecided::behind(&position),
            replay: Replay::of(&position),
            position,
            has_moved: false,
            carry: None,
            wanted: None,
            payload: None,
            pieces: None,
            expected,
            ahead: None,
            passing: Passing::Nothing,
            tracker: None,
            stale: Stale::Nothing,
            lessons: Lessons::default(),
            sequences: HashSet::new(),
            scratch: Vec::new(),
            spare: Spare::default(),
        }
    }

    /// Heeds what an earlier reading has taught.
    pub(crate) fn heed(&mut self, lessons: Lessons) {
        self.lessons = lessons;
    }

    /// Whether the transaction by which the source is recognised has come, or none was expected.
    pub(crate) fn is_recognised(&self) -> bool {
        self.expected.is_none()
    }

    /// The table map that waits for a definition.
    pub(crate) fn wanted(&self) -> Option<&WantedTable> {
        self.wanted.as_ref()
    }

    /// Behind the last transaction that was read.
    pub(crate) fn position(&self) -> &Position {
        &self.position
    }

    /// Tables are looked up in this schema from now on.
    pub(crate) fn track(&mut self, tracker: Tracker) {
        self.tracker = Some(tracker);
    }

    pub(crate) fn tracker(&mut self) -> Option<&mut Tracker> {
        self.tracker.as_mut()
    }

    /// Answers [`wanted`](Self::wanted) from the tracked schema, where it knows the table.
    pub(crate) fn define_as_tracked(&mut self) {
        let Some(wanted) = self.wanted.take() else { return };
        if !self.plan_as_tracked(&wanted) {
            self.wanted = Some(wanted);
        }
    }

    /// Whether the tracked schema tells the table and fits its rows.
    fn plan_as_tracked(&mut self, wanted: &WantedTable) -> bool {
        let known = self.tracker.as_ref().and_then(|it| it.table(&wanted.map.name));
        known.is_some_and(|table| self.plan(wanted, Some(&table)).is_ok())
    }

    /// Definitions that must not be taken from memory any more.
    pub(crate) fn take_stale(&mut self) -> Stale {
        std::mem::take(&mut self.stale)
    }

    /// Answers [`wanted`](Self::wanted). After an error it is still wanted, so that another
    /// definition may be tried.
    pub(crate) fn define(&mut self, schema: Option<&SchemaTable>) -> Result<(), SelectError> {
        let Some(wanted) = self.wanted.take() else { return Ok(()) };
        let result = self.plan(&wanted, schema);
        if result.is_err() && self.replay.is_none() {
            self.wanted = Some(wanted);
            return result;
        }
        self.or_lose_rows(result)
    }

    fn plan(
        &mut self,
        wanted: &WantedTable,
        schema: Option<&SchemaTable>,
    ) -> Result<(), SelectError> {
        let plan = compile(&wanted.map, schema, self.facts.naming, self.format.mariadb)
            .map_err(|source| SelectError::Schema { place: wanted.place.clone(), source })?
            .within(self.options.max_event)
            .taking_changes(self.takes_changes);
        let what = if wanted.is_mark {
            Use::Mark(Arc::new(plan))
        } else if self.format.mariadb && rows::is_sequence(&plan.table) {
            self.tell_of_sequence(&plan.table.name);
            Use::Sequence
        } else {
            Use::Wanted(Arc::new(plan))
        };
        self.tables.insert(wanted.map.id, wanted.raw.clone(), what);
        Ok(())
    }

    /// Whether rows wait that were received already.
    pub(crate) fn has_carry(&self) -> bool {
        self.carry.is_some()
    }

    /// Whether events wait inside a compressed transaction.
    pub(crate) fn has_payload(&self) -> bool {
        self.payload.is_some()
    }

    fn used_bytes(&self) -> usize {
        self.sealed_bytes + self.arena.byte_size()
    }

    /// Whether another row may be decoded, taking more room where it is free.
    pub(crate) fn find_room(&mut self) -> bool {
        if self.used_bytes() < self.room.bytes() || self.room.try_grow() {
            return true;
        }
        // Those of an XA transaction stay here until its end.
        if self.has_finished() || self.draft.as_ref().is_some_and(Draft::has_pieces) {
            return false;
        }
        // INVARIANT MEM-1: what fills the room was rolled back; nobody else could free it.
        self.arena = RowArenaBuilder::new();
        self.sealed_bytes = 0;
        self.draft_begin = 0;
        self.room.bytes() > 0
    }

    /// What must be waited for where [`find_room`](Self::find_room) found none.
    pub(crate) fn wanted_room(&self) -> (Budget, usize) {
        self.room.wanted()
    }

    /// Adds room that was waited for.
    pub(crate) fn add_room(&mut self, permit: Permit) {
        self.room.add(permit);
    }

    /// Whether anything is here that takes room and may be handed out.
    pub(crate) fn holds_rows(&self) -> bool {
        !self.finished.is_empty() || self.draft.as_ref().is_some_and(Draft::may_go_in_fragments)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod xa_tests;
