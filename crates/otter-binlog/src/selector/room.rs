//! Room in the byte budget for the rows of one batch.
//!
//! Room is taken in steps before rows are decoded, and what is over goes back when the batch is
//! cut. Nothing waits here: whoever must wait may hold no rows that nobody can free (MEM-1).

use otter_core::{Budget, Permit};

/// Enough for some thousand cells; one step is taken for hundreds of small transactions.
const STEP: usize = 256 * 1024;
/// A small budget is still taken in several steps.
const STEPS_OF_BUDGET: usize = 16;

/// Room taken from a budget.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Budget,
    permit: Permit,
    bytes: usize,
    step: usize,
}

impl Room {
    pub(crate) fn new(budget: Budget) -> Self {
        let step = STEP.min(budget.total_bytes().div_ceil(STEPS_OF_BUDGET)).max(1);
        Self { budget, permit: Permit::none(), bytes: 0, step }
    }

    /// How many bytes may be held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The room that is taken, in bytes of the budget.
    pub(crate) fn taken(&self) -> usize {
        self.permit.bytes()
    }

    /// The whole budget in bytes.
    pub(crate) fn budget_bytes(&self) -> usize {
        self.budget.total_bytes()
    }

    /// Takes one more step if it is free.
    pub(crate) fn try_grow(&mut self) -> bool {
        match self.budget.try_acquire(self.step) {
            Some(permit) => {
                self.add(permit);
                true
            }
            None => false,
        }
    }

    /// The budget and the step, for whoever may wait.
    pub(crate) fn wanted(&self) -> (Budget, usize) {
        (self.budget.clone(), self.step)
    }

    /// Adds a step that was waited for.
    pub(crate) fn add(&mut self, permit: Permit) {
        self.permit.merge(permit);
        self.bytes += self.step;
    }

    /// Hands out the room for `used` bytes; what is over goes back.
    pub(crate) fn cut(&mut self, used: usize) -> Permit {
        self.bytes = 0;
        let mut permit = std::mem::replace(&mut self.permit, Permit::none());
        permit.shrink_to(used);
        permit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_grows_in_steps_and_only_what_is_used_stays_taken() {
        let budget = Budget::new(64 * 1024);
        let mut room = Room::new(budget.clone());
        assert!(room.try_grow() && room.try_grow());
        assert_eq!((room.bytes(), budget.free_bytes()), (8 * 1024, 56 * 1024));
        let permit = room.cut(100);
        assert_eq!((room.bytes(), budget.free_bytes()), (0, 63 * 1024));
        drop(permit);
        assert_eq!(budget.free_bytes(), 64 * 1024);
    }

    #[tokio::test]
    async fn nothing_is_taken_where_nothing_is_free() {
        let budget = Budget::new(16 * 1024);
        let all = budget.acquire(16 * 1024).await;
        let mut room = Room::new(budget);
        assert!(!room.try_grow());
        drop(all);
        assert!(room.try_grow());
    }
}
