//! How fast tables are read at most.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Rows are read first and paid for afterwards, by waiting.
#[derive(Debug)]
pub(super) struct Pace {
    rows_per_second: Option<NonZeroU64>,
    /// When all that was read until now is paid for.
    paid_at: Instant,
    owed: u64,
}

impl Pace {
    pub(super) fn new(rows_per_second: Option<NonZeroU64>) -> Self {
        Self { rows_per_second, paid_at: Instant::now(), owed: 0 }
    }

    /// Takes in rows that a statement has read.
    pub(super) fn owe(&mut self, rows: u64) {
        self.owed = self.owed.saturating_add(rows);
    }

    /// Waits until what was read is paid for. Time that the servers took to read it counts.
    pub(super) async fn pay(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        let Some(rate) = self.rows_per_second else { return };
        self.paid_at += due(owed, rate);
        let now = Instant::now();
        if self.paid_at > now {
            sleep_until(self.paid_at).await;
        } else {
            // Nothing is saved up for a burst.
            self.paid_at = now;
        }
    }
}

/// How long so many rows may take.
fn due(rows: u64, rate: NonZeroU64) -> Duration {
    let micros = u128::from(rows) * 1_000_000 / u128::from(rate.get());
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_are_paid_for_by_waiting_and_time_at_work_counts() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        let began = Instant::now();
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(60)).await;
            pace.owe(60);
            pace.owe(40);
            pace.pay().await;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_servers_save_nothing_up() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.owe(10);
        pace.pay().await;
        let began = Instant::now();
        pace.owe(500);
        pace.pay().await;
        assert_eq!(began.elapsed(), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_nobody_waits() {
        let mut pace = Pace::new(None);
        let began = Instant::now();
        pace.owe(u64::MAX);
        pace.pay().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
