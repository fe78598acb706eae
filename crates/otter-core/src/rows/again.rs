//! Room for rows after those that were there: memory that is used again, or as much of it anew.

use super::{RowArena, RowArenaBuilder};

impl RowArena {
    /// An empty builder with as much room as this arena takes.
    #[must_use]
    pub fn another(&self) -> RowArenaBuilder {
        RowArenaBuilder::with_capacity(self.cells.capacity(), self.bytes.capacity())
    }

    /// The buffers of this arena without their content, to be written anew.
    #[must_use]
    pub fn recycle(self) -> RowArenaBuilder {
        let Self { mut cells, mut bytes } = self;
        cells.clear();
        bytes.clear();
        RowArenaBuilder { cells, bytes }
    }
}
