//! How fast tables are read at most.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// So many tables are looked at in a second at most, where there is a bound: each costs questions of
/// its own.
const TABLES_PER_SECOND: u64 = 20;
/// After that servers are shown that somebody is there.
const A_WHILE: Duration = Duration::from_secs(30);

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

    /// Takes in what a table costs whatever it holds.
    pub(super) fn owe_for_table(&mut self) {
        let least = self.rows_per_second.map_or(0, |rate| rate.get() / TABLES_PER_SECOND);
        self.owe(least);
    }

    /// Waits until what was read is paid for, but no longer than a while; tells whether it is. Time that
    /// the servers took to read it counts.
    pub(super) async fn pay_some(&mut self) -> bool {
        let owed = std::mem::take(&mut self.owed);
        let Some(rate) = self.rows_per_second else { return true };
        self.paid_at += due(owed, rate);
        let now = Instant::now();
        if self.paid_at > now + A_WHILE {
            sleep_until(now + A_WHILE).await;
            return false;
        }
        if self.paid_at > now {
            sleep_until(self.paid_at).await;
        } else {
            // Nothing is saved up for a burst.
            self.paid_at = now;
        }
        true
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
            assert!(pace.pay_some().await);
        }
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_servers_save_nothing_up() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.owe(10);
        assert!(pace.pay_some().await);
        let began = Instant::now();
        pace.owe(500);
        assert!(pace.pay_some().await);
        assert_eq!(began.elapsed(), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_nobody_waits() {
        let mut pace = Pace::new(None);
        let began = Instant::now();
        pace.owe(u64::MAX);
        pace.owe_for_table();
        assert!(pace.pay_some().await);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn long_waits_come_in_parts() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        let began = Instant::now();
        pace.owe(100_000);
        let mut parts = 0;
        while !pace.pay_some().await {
            parts += 1;
        }
        assert_eq!((parts, began.elapsed()), (3, Duration::from_secs(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn empty_tables_cost_something() {
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        let began = Instant::now();
        for _ in 0..TABLES_PER_SECOND {
            pace.owe_for_table();
            assert!(pace.pay_some().await);
        }
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
