//! Taking back what was changed in the index since a target transaction began.

use super::index::{Held, HeldId, HeldIndex};

/// What undoes one change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undo {
    /// Puts a row in the place of what is there of it.
    Put(HeldId, Held),
    /// Lets a row wait for what it waited for.
    Cause(HeldId, Option<HeldId>),
}

impl HeldIndex {
    /// Begins to note what would undo each change but additions.
    pub(super) fn begin(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// Keeps the changes since [`begin`](Self::begin).
    pub(super) fn keep(&mut self) {
        self.journal = None;
    }

    /// Takes the changes since [`begin`](Self::begin) back.
    pub(super) fn roll_back(&mut self) {
        for undo in self.journal.take().into_iter().flatten().rev() {
            match undo {
                Undo::Put(id, Held { touch, cause }) => {
                    self.remove(id);
                    self.add(id, touch, cause);
                }
                Undo::Cause(id, cause) => self.set_cause(id, cause),
            }
        }
    }

    pub(super) fn note(&mut self, undo: Undo) {
        if let Some(journal) = &mut self.journal {
            journal.push(undo);
        }
    }
}
