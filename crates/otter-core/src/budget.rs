//! The byte budget that bounds a pipeline's memory (MEM-1).
//!
//! A permit is taken before bytes are read and travels inside the batch that holds them; when
//! the batch is dropped, whoever waits for room goes on. Nothing else bounds memory, so nothing
//! may hold row data without a permit.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits are counted in units of this size, since a semaphore counts in `u32`.
const UNIT_BYTES: usize = 1024;

/// How many bytes of row data may be in flight.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    total: u32,
}

/// Room for some bytes; given back when dropped.
#[derive(Debug)]
#[must_use = "dropping a permit gives its room back while the bytes may still be there"]
pub struct Permit {
    /// At most one of each budget.
    held: Vec<OwnedSemaphorePermit>,
    /// Bytes that are counted elsewhere while the room stays here.
    lent: usize,
    /// Bytes that are counted here while their room is elsewhere.
    borrowed: usize,
}

impl Budget {
    /// A budget of `bytes`, rounded up to whole KiB and at least one.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1))
            .unwrap_or(u32::MAX)
            .min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { units: Arc::new(Semaphore::new(usize::try_from(total).unwrap_or(1))), total }
    }

    /// The whole budget in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        usize::try_from(self.total).unwrap_or(usize::MAX).saturating_mul(UNIT_BYTES)
    }

    /// The bytes that nobody holds.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.units.available_permits().saturating_mul(UNIT_BYTES)
    }

    /// Waits for room for `bytes`; more than the whole budget takes the whole budget, so that
    /// one large event can pass alone.
    ///
    /// # Cancel safety
    /// Cancel safe; a dropped wait loses its place in the queue.
    pub async fn acquire(&self, bytes: usize) -> Permit {
        let units = self.units_for(bytes);
        // The semaphore is never closed, so that an error cannot happen; without a permit the
        // bytes would merely go uncounted.
        Permit::of(Arc::clone(&self.units).acquire_many_owned(units).await.ok())
    }

    /// Takes room for `bytes` if it is free now.
    pub fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        let units = self.units_for(bytes);
        let held = Arc::clone(&self.units).try_acquire_many_owned(units).ok()?;
        Some(Permit::of(Some(held)))
    }

    fn units_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.total)
    }
}

impl Permit {
    /// A permit for nothing, for batches made outside a pipeline.
    pub fn none() -> Self {
        Self::of(None)
    }

    fn of(held: Option<OwnedSemaphorePermit>) -> Self {
        Self { held: held.into_iter().collect(), lent: 0, borrowed: 0 }
    }

    fn held_bytes(&self) -> usize {
        let units = self.held.iter().map(OwnedSemaphorePermit::num_permits).sum::<usize>();
        units.saturating_mul(UNIT_BYTES)
    }

    /// The bytes that are counted here; the room for them is rounded up to whole KiB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held_bytes().saturating_sub(self.lent).saturating_add(self.borrowed)
    }

    /// Gives back what exceeds `bytes`, rounded up to whole KiB.
    pub fn shrink_to(&mut self, bytes: usize) {
        let mut kept = bytes.div_ceil(UNIT_BYTES);
        for held in &mut self.held {
            let excess = held.num_permits().saturating_sub(kept);
            drop(held.split(excess));
            kept -= held.num_permits();
        }
    }

    /// Counts `bytes` of this permit for a part of what it holds, which goes first; at most all of
    /// them. The room stays here until the whole is gone, since parts may lie in one piece of memory.
    pub fn share(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes());
        let given = bytes.min(self.borrowed);
        self.borrowed -= given;
        self.lent += bytes - given;
        Self { held: Vec::new(), lent: 0, borrowed: bytes }
    }

    /// Whether parts of what this permit holds have gone already.
    pub(crate) fn has_shared(&self) -> bool {
        self.lent > 0
    }

    /// Joins another permit to this one, of the same budget or of another.
    pub fn merge(&mut self, other: Self) {
        self.lent += other.lent;
        self.borrowed += other.borrowed;
        for more in other.held {
            let is_same =
                |held: &&mut OwnedSemaphorePermit| Arc::ptr_eq(held.semaphore(), more.semaphore());
            match self.held.iter_mut().find(is_same) {
                Some(held) => held.merge(more),
                None => self.held.push(more),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_permit_gives_its_room_back() {
        let budget = Budget::new(4096);
        let permit = budget.acquire(3000).await;
        assert_eq!(budget.free_bytes(), 1024);
        assert!(budget.try_acquire(2048).is_none());
        drop(permit);
        assert!(budget.try_acquire(4096).is_some());
    }

    #[tokio::test]
    async fn a_permit_gives_back_what_it_does_not_need() {
        let budget = Budget::new(8192);
        let mut permit = budget.acquire(8192).await;
        permit.shrink_to(1025);
        assert_eq!(budget.free_bytes(), 6144);
        permit.shrink_to(8192);
        assert_eq!(budget.free_bytes(), 6144);
        permit.shrink_to(0);
        assert_eq!(budget.free_bytes(), 8192);
    }

    #[tokio::test]
    async fn shares_are_counted_apart_and_their_room_goes_with_the_whole() {
        let budget = Budget::new(8192);
        let mut permit = budget.acquire(8192).await;
        let mut part = permit.share(3000);
        assert_eq!((part.bytes(), permit.bytes()), (3000, 5192));
        let small = part.share(1000);
        assert_eq!((small.bytes(), part.bytes()), (1000, 2000));
        part.merge(small);
        drop(part);
        assert_eq!(budget.free_bytes(), 0);
        assert_eq!(permit.share(1 << 20).bytes(), 5192);
        assert_eq!(permit.bytes(), 0);
        drop(permit);
        assert_eq!(budget.free_bytes(), 8192);
        assert_eq!(Permit::none().share(1024).bytes(), 0);
    }

    #[tokio::test]
    async fn shares_that_come_together_again_are_the_whole() {
        let budget = Budget::new(8192);
        let mut permit = budget.acquire(8192).await;
        let mut part = permit.share(3000);
        part.merge(permit);
        assert_eq!(part.bytes(), 8192);
        drop(part);
        assert_eq!(budget.free_bytes(), 8192);
    }

    #[tokio::test]
    async fn permits_of_two_budgets_join_and_give_back_to_each() {
        let (one, other) = (Budget::new(4096), Budget::new(8192));
        let mut permit = one.acquire(2048).await;
        permit.merge(other.acquire(4096).await);
        permit.merge(one.acquire(1024).await);
        assert_eq!(permit.bytes(), 7168);
        assert_eq!((one.free_bytes(), other.free_bytes()), (1024, 4096));
        permit.shrink_to(4096);
        assert_eq!((permit.bytes(), one.free_bytes(), other.free_bytes()), (4096, 1024, 7168));
        drop(permit);
        assert_eq!((one.free_bytes(), other.free_bytes()), (4096, 8192));
    }

    #[tokio::test]
    async fn an_event_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(4096);
        let mut permit = budget.acquire(1 << 20).await;
        assert_eq!(budget.free_bytes(), 0);
        permit.merge(Permit::none());
        drop(permit);
        assert_eq!(budget.free_bytes(), 4096);
    }
}
