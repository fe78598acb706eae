//! Reading a stretch of a file apart from what comes before it, so that several are read at once.
//!
//! Where nothing is in progress and nothing waits, what follows needs nothing of what came before
//! but the format of the events and the position. The position is put together afterwards.

use otter_core::position::{MariaDbGtids, MySqlGtids};
use otter_core::{Batch, Budget, FilePlace, GtidSet, Place, Position};

use super::spare::{Spare, spare_for};
use super::{Assembler, Passing, SourceFacts};
use crate::event::Format;
use crate::event::control::Rotate;
use crate::event::format::Checksum;
use crate::selector::draft::Draft;
use crate::selector::options::ReadOptions;

/// What assemblers need that read stretches of one file.
#[derive(Debug)]
pub(crate) struct Apart {
    options: ReadOptions,
    facts: SourceFacts,
    format: Format,
    passing: Passing,
    /// Empty, of the kind of the position's.
    gtids: Option<GtidSet>,
}

impl Apart {
    /// Begins at a border between transactions, with memory that is used again. Its positions tell
    /// only what it reads itself.
    pub(crate) fn begin(&self, place: FilePlace, budget: Budget, spare: Spare) -> Assembler {
        let place = Place { gtids: self.gtids.clone(), file: Some(place), last: None };
        let (options, facts) = (self.options.clone(), self.facts.clone());
        let mut assembler = Assembler::new(options, facts, Position::at(None, place), None, budget);
        assembler.format = self.format.clone();
        assembler.count_bytes();
        assembler.use_memory(spare);
        assembler.pass_by(self.passing.clone());
        assembler
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// What assemblers keep that read one stretch after the other, of which so many arenas are in
    /// use at once.
    pub(crate) fn spare(&self, arenas: usize) -> Spare {
        spare_for(&self.options, arenas)
    }
}

impl Assembler {
    /// Whether what follows may be read apart: no transaction is in progress, no XA transaction
    /// waits, and which transactions are passed by does not depend on what was read.
    pub(crate) fn may_part(&self) -> bool {
        let is_between = self.draft.is_none()
            && self.carry.is_none()
            && self.wanted.is_none()
            && self.payload.is_none();
        let is_settled =
            !self.undecided.holds_back() && self.replay.is_none() && self.expected.is_none();
        let is_independent = match self.passing {
            Passing::Nothing | Passing::Set(_) | Passing::Found(_) => self.tracker.is_none(),
            Passing::Before(_) => false,
        };
        is_between && is_settled && is_independent && self.format.checksum != Checksum::Unknown
    }

    /// Whether there is an XA transaction, whose rows may have to wait for what comes later.
    pub(crate) fn has_xa(&self) -> bool {
        self.undecided.is_waiting() || self.draft.as_ref().is_some_and(|draft: &Draft| draft.is_xa)
    }

    /// The memory to be used again; what was not handed out is forgotten.
    pub(crate) fn into_spare(self) -> Spare {
        let Self { mut spare, arena, .. } = self;
        spare.give_back(arena);
        spare
    }

    /// What stretches behind this place need.
    pub(crate) fn apart(&self) -> Apart {
        let passing = match &self.passing {
            Passing::Set(set) => Passing::Set(set.clone()),
            Passing::Nothing | Passing::Before(_) | Passing::Found(_) => Passing::Nothing,
        };
        let gtids = self.position.applied_through.gtids.as_ref().map(|set| match set {
            GtidSet::MySql(_) => GtidSet::MySql(MySqlGtids::default()),
            GtidSet::MariaDb(_) => GtidSet::MariaDb(MariaDbGtids::default()),
        });
        Apart {
            options: self.options.clone(),
            facts: self.facts.clone(),
            format: self.format.clone(),
            passing,
            gtids,
        }
    }

    /// Takes a batch that was read apart from `base` on, as if it had been read here. `None` where
    /// its positions do not fit, so that it must be read here.
    pub(crate) fn take_over(&mut self, base: &Place, mut batch: Batch) -> Option<Batch> {
        let first = batch.transactions.first_mut().and_then(|first| first.end.as_mut());
        if let (Some(first), Some(mut passed)) = (first, self.passed.take()) {
            if let Some(later) = &first.passed {
                passed.extend(later);
            }
            first.passed = Some(passed);
        }
        let place = behind(base, &batch.through.as_ref()?.applied_through)?;
        self.position = Position::at(self.position.source.take(), place);
        Some(self.batch(batch.transactions, batch.permit))
    }

    /// Moves to where reading apart from `base` on has come; whether it fits.
    pub(crate) fn follow_to(&mut self, base: &Place, reached: &Position) -> bool {
        let Some(place) = behind(base, &reached.applied_through) else { return false };
        match (&mut self.passed, &reached.applied_through.gtids) {
            (Some(passed), Some(reached)) => passed.extend(reached),
            (none, reached) => none.clone_from(reached),
        }
        self.position = Position::at(self.position.source.take(), place);
        self.has_moved = self.position != self.handed_out;
        true
    }

    /// Goes on here, behind what was read apart.
    pub(crate) fn go_on(&mut self, place: &FilePlace) {
        self.tables.clear();
        self.tape.rotate(Rotate { file: &place.file, offset: place.offset });
    }
}

/// The place behind `base` and what was read from there on.
fn behind(base: &Place, read: &Place) -> Option<Place> {
    if read.last.is_none() {
        // No transaction has ended.
        return Some(base.clone());
    }
    let gtids = match (&base.gtids, &read.gtids) {
        (Some(GtidSet::MySql(_)), Some(GtidSet::MariaDb(_)))
        | (Some(GtidSet::MariaDb(_)), Some(GtidSet::MySql(_))) => return None,
        (Some(base), Some(read)) => {
            let mut both = base.clone();
            both.extend(read);
            Some(both)
        }
        (base, read) => base.clone().or_else(|| read.clone()),
    };
    Some(Place { gtids, file: read.file.clone(), last: read.last.clone() })
}
