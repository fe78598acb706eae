//! Reading from a place that only its transactions tell: those before it are passed by undecoded.
//! And the borders of files, where no server announces them.

use otter_core::{FilePlace, GtidSet, Position, SourceTime};

use super::Assembler;
use super::batches::MOST_IN_CACHE;
use super::spare::{Spare, spare_for};
use crate::event::control::Rotate;
use crate::selector::draft::Draft;
use crate::selector::error::SelectError;
use crate::selector::tape::FILE_BEGIN;

/// How many arenas are used again: a caller looks at one batch while the next is read.
const ARENAS: usize = 2;

/// Which transactions are passed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passing {
    /// None.
    Nothing,
    /// Those of this set.
    Set(GtidSet),
    /// All before the first one that was committed at this time or later.
    Before(SourceTime),
    /// None any more: the first one of its time was found behind this position.
    Found(Box<Position>),
}

impl Assembler {
    /// Passes these transactions by: the position moves over them, and nothing of them is given.
    pub(crate) fn pass_by(&mut self, passing: Passing) {
        self.passing = passing;
    }

    /// The position before the first transaction of the time, once it has begun.
    pub(crate) fn found(&self) -> Option<&Position> {
        match &self.passing {
            Passing::Found(position) => Some(position),
            Passing::Nothing | Passing::Set(_) | Passing::Before(_) => None,
        }
    }

    /// Decides it for a transaction that begins.
    pub(super) fn passes_by(&mut self, draft: &Draft) -> Result<bool, SelectError> {
        match &self.passing {
            Passing::Nothing | Passing::Found(_) => Ok(false),
            Passing::Set(set) => match &draft.gtid {
                Some(gtid) => Ok(set.contains(gtid)),
                None => Err(SelectError::BadPlace {
                    place: set.to_string(),
                    problem: format!(
                        "the transaction at {} has no GTID, so that whether it is in the set \
                         cannot be told; begin at a file and offset",
                        draft.start
                    ),
                }),
            },
            Passing::Before(time) => {
                let is_before = draft.committed_at < time.0;
                if !is_before {
                    self.passing = Passing::Found(Box::new(self.position.clone()));
                }
                Ok(is_before)
            }
        }
    }

    /// Counts the bytes that pass instead of believing the headers: what is read is a file, in
    /// which every event takes its room, and which may be a copy under another name.
    pub(crate) fn count_bytes(&mut self) {
        self.tape.count_bytes();
    }

    /// Keeps the memory of arenas that come back, as far as they are no larger than a batch or a
    /// fragment usually is. Not where a budget counts what is held.
    pub(crate) fn use_memory_again(&mut self) {
        self.use_memory(spare_for(&self.options, ARENAS));
    }

    /// Writes rows to this memory.
    pub(super) fn use_memory(&mut self, mut spare: Spare) {
        self.arena = spare.take();
        self.spare = spare;
        self.most_finished = MOST_IN_CACHE;
    }

    /// Goes on at a place in a file that nothing has announced.
    pub(crate) fn move_to(&mut self, place: &FilePlace) {
        self.tape.rotate(Rotate { file: &place.file, offset: place.offset });
        if self.draft.is_none() && self.expected.is_none() && self.replay.is_none() {
            let place = self.tape.here();
            if !self.undecided.is_waiting() {
                self.position.resume_from.file = Some(place.clone());
            }
            self.position.applied_through.file = Some(place);
        }
    }

    /// Moves the position over the head of a file, so that a source that has written nothing but a
    /// head since is known to be read to its end.
    pub(super) fn follow_head(&mut self) {
        let here = self.tape.here();
        let is_settled = !self.undecided.holds_back();
        let place = &self.position.resume_from;
        let in_head = place.last.as_ref().is_none_or(|last| last.start.file != here.file)
            // A dump by GTIDs may begin before the place that is known.
            && place.file.as_ref().is_none_or(|file| *file != here && here.covers(file) == Some(true));
        let is_free = self.draft.is_none()
            && self.expected.is_none()
            && self.replay.is_none()
            && !self.tape.counts_bytes();
        if is_free && is_settled && in_head {
            self.position.resume_from.file = Some(here.clone());
            self.position.applied_through.file = Some(here);
            self.has_moved = true;
        }
    }

    /// Begins another file.
    pub(crate) fn begin_file(&mut self, name: &str) {
        self.tables.clear();
        self.move_to(&FilePlace::new(name, FILE_BEGIN));
    }

    /// Ends a file: drops a transaction that it does not finish and tells where that begins. No
    /// server lets a transaction go on in another file.
    pub(crate) fn end_file(&mut self) -> Result<Option<FilePlace>, SelectError> {
        let unfinished = self.draft.as_ref().map(|draft| draft.start.clone());
        self.carry = None;
        self.payload = None;
        self.drop_unfinished()?;
        Ok(unfinished)
    }
}
