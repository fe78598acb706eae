//! Memory of rows that nobody looks at any more, used again.
//!
//! Only where the caller has asked for it: what is kept is not counted in a budget. Memory that
//! goes back to the system costs more to get again than the rows cost that are written to it.

use std::sync::Arc;

use otter_core::{RowArena, RowArenaBuilder};

use crate::selector::options::ReadOptions;

/// Arenas that were handed out, and empty ones.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    /// Those larger than this are not kept.
    limit: usize,
    /// How many are remembered that were handed out.
    most: usize,
    handed_out: Vec<Arc<RowArena>>,
    empty: Option<RowArenaBuilder>,
}

impl Spare {
    /// Keeps so many arenas of up to `limit` bytes.
    pub(super) fn of(most: usize, limit: usize) -> Self {
        Self { limit, most, handed_out: Vec::new(), empty: None }
    }

    /// An empty arena: the last that has come back, since it may still be in the processor's cache,
    /// or a new one with as much room as the last one had.
    pub(super) fn take(&mut self) -> RowArenaBuilder {
        if let Some(empty) = self.empty.take() {
            return empty;
        }
        let back = self.handed_out.iter().rposition(|arena| Arc::strong_count(arena) == 1);
        let back = back.and_then(|at| Arc::into_inner(self.handed_out.remove(at)));
        back.map_or_else(|| self.another(), RowArena::recycle)
    }

    fn another(&self) -> RowArenaBuilder {
        self.handed_out.last().map(|arena| arena.another()).unwrap_or_default()
    }

    /// Remembers an arena that is handed out.
    pub(super) fn keep(&mut self, arena: &Arc<RowArena>) {
        if arena.byte_size() > self.limit || arena.is_empty() {
            return;
        }
        if self.handed_out.len() >= self.most {
            // The caller keeps its rows, so that they never come back.
            self.handed_out.remove(0);
        }
        self.handed_out.push(Arc::clone(arena));
    }

    /// Keeps an arena whose rows nobody wants.
    pub(super) fn give_back(&mut self, arena: RowArenaBuilder) {
        let arena = arena.finish();
        if arena.byte_size() <= self.limit {
            self.empty = Some(arena.recycle());
        }
    }
}

/// Keeps so many arenas, as far as they are no larger than a batch or a fragment usually is.
pub(super) fn spare_for(options: &ReadOptions, most: usize) -> Spare {
    let usual = options.batch_bytes.max(options.fragment_bytes);
    Spare::of(most, usual.saturating_mul(2))
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
        let mut spare = Spare::of(2, 1 << 20);
        assert_eq!(spare.take().finish().byte_size(), 0);
        let first = arena();
        spare.keep(&first);
        assert_eq!(spare.take().finish().byte_size(), first.byte_size(), "as much, but another");
        assert_eq!((first.len(), spare.handed_out.len()), (1, 1));
        drop(first);
        assert!(spare.take().is_empty());
        assert!(spare.handed_out.is_empty());
        assert_eq!(spare.take().finish().byte_size(), 0);
    }

    #[test]
    fn memory_that_is_too_large_or_not_wanted_is_not_kept() {
        let mut spare = Spare::default();
        spare.keep(&arena());
        assert!(spare.handed_out.is_empty());
        let mut spare = Spare::of(2, 1 << 20);
        (0..5).for_each(|_| spare.keep(&arena()));
        assert_eq!(spare.handed_out.len(), 2);
    }

    #[test]
    fn memory_that_was_never_handed_out_is_used_first() {
        let written = || {
            let mut arena = RowArenaBuilder::new();
            arena.push(Some(otter_core::Value::Text(&[7; 1000]))).unwrap();
            arena
        };
        let mut spare = Spare::of(2, 2000);
        spare.give_back(written());
        let again = spare.take();
        assert!(again.is_empty());
        assert!(again.finish().byte_size() >= 1000);
        let mut spare = Spare::of(2, 500);
        spare.give_back(written());
        assert_eq!(spare.take().finish().byte_size(), 0);
    }
}
