//! Memory of rows that nobody looks at any more, used again.
//!
//! Only where the caller has asked for it: what is kept is not counted in a budget. Memory that
//! goes back to the system costs more to get again than the rows cost that are written to it.

use std::sync::Arc;

use otter_core::{RowArena, RowArenaBuilder};

/// A caller looks at one batch while the next is read.
const MOST: usize = 2;

/// Arenas that were handed out.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// Those larger than this are not kept.
    limit: usize,
    handed_out: Vec<Arc<RowArena>>,
}

impl Spare {
    /// Keeps arenas up to this size in bytes from now on.
    pub(super) fn allow(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// An empty arena: the first that has come back, or a new one.
    pub(super) fn take(&mut self) -> RowArenaBuilder {
        let back = self.handed_out.iter().position(|arena| Arc::strong_count(arena) == 1);
        let back = back.and_then(|at| Arc::into_inner(self.handed_out.remove(at)));
        back.map(RowArena::recycle).unwrap_or_default()
    }

    /// Remembers an arena that is handed out.
    pub(super) fn keep(&mut self, arena: &Arc<RowArena>) {
        if arena.byte_size() > self.limit || arena.is_empty() {
            return;
        }
        if self.handed_out.len() >= MOST {
            // The caller keeps its rows, so that they never come back.
            self.handed_out.remove(0);
        }
        self.handed_out.push(Arc::clone(arena));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena() -> Arc<RowArena> {
        let mut arena = RowArenaBuilder::new();
        arena.push(Some(otter_core::Value::Text(b"abc"))).unwrap();
        Arc::new(arena.finish())
    }

    #[test]
    fn memory_is_used_again_only_when_nobody_looks_at_it() {
        let mut spare = Spare::default();
        spare.allow(1 << 20);
        let first = arena();
        spare.keep(&first);
        assert_eq!(spare.take().finish().byte_size(), 0);
        let size = first.byte_size();
        drop(first);
        let again = spare.take();
        assert!(again.is_empty());
        assert_eq!(again.finish().byte_size(), size);
        assert_eq!(spare.take().finish().byte_size(), 0);
    }

    #[test]
    fn memory_that_is_too_large_or_not_wanted_is_not_kept() {
        let mut spare = Spare::default();
        spare.keep(&arena());
        assert!(spare.handed_out.is_empty());
        spare.allow(1 << 20);
        (0..5).for_each(|_| spare.keep(&arena()));
        assert_eq!(spare.handed_out.len(), MOST);
    }
}
