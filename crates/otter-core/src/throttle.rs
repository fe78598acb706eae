//! A limit on how fast a target is written to.
//!
//! A batch is loaded as soon as everything before it is paid for, and then paid for itself: so many
//! rows and bytes at so many per second. Nothing is saved up while nothing is loaded.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use crate::arbiter::Lease;
use crate::batch::{Batch, Part};
use crate::fault::Result;
use crate::position::Position;
use crate::stage::{Load, Loaded};

/// How much may be loaded; `None` is as much as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ThrottleLimits {
    /// Changed rows per second.
    pub rows_per_second: Option<NonZeroU64>,
    /// Bytes of row data per second, as they are held in memory.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// Changes the limits of a [`Throttle`] while it runs.
#[derive(Debug, Clone)]
pub struct ThrottleHandle(Arc<watch::Sender<ThrottleLimits>>);

/// A loader that loads no faster than its limits.
///
/// They hold on average: a batch is never cut, and neither is a transaction, so that what comes at
/// once is at most one batch or one transaction. While it waits, the loader below is kept alive.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::sync::Arc;
/// use otter_core::{Throttle, ThrottleLimits};
/// use otter_core::testkit::memory::MemoryTarget;
///
/// let mut limits = ThrottleLimits::default();
/// limits.rows_per_second = NonZeroU64::new(5_000);
/// let (loader, handle) = Throttle::new(Arc::new(MemoryTarget::new().loader()), limits);
/// // At night as much as possible:
/// handle.set(ThrottleLimits::default());
/// # let _ = loader;
/// ```
pub struct Throttle {
    inner: Arc<dyn Load>,
    limits: watch::Receiver<ThrottleLimits>,
    debt: Mutex<Debt>,
}

/// What was loaded and is not paid for.
#[derive(Debug, Clone, Copy)]
struct Debt {
    rows: Dues,
    bytes: Dues,
}

/// A number of things that are paid for one after the other.
#[derive(Debug, Clone, Copy)]
struct Dues {
    left: u64,
    /// Since when the next one is being paid for.
    since: Instant,
}

impl ThrottleHandle {
    /// Sets other limits; they hold at once, also for what waits.
    pub fn set(&self, limits: ThrottleLimits) {
        let _ = self.0.send_replace(limits);
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> ThrottleLimits {
        *self.0.borrow()
    }
}

impl Throttle {
    /// Puts limits in front of a loader.
    #[must_use]
    pub fn new(inner: Arc<dyn Load>, limits: ThrottleLimits) -> (Self, ThrottleHandle) {
        let (sender, limits) = watch::channel(limits);
        let nothing = Dues { left: 0, since: Instant::now() };
        let debt = Mutex::new(Debt { rows: nothing, bytes: nothing });
        (Self { inner, limits, debt }, ThrottleHandle(Arc::new(sender)))
    }

    /// Waits until everything is paid for, or the lease is over.
    async fn settle(&self, debt: &mut Debt, lease: &Lease) -> Result<()> {
        let mut limits = self.limits.clone();
        let third = lease.duration() / 3;
        let mut current = *limits.borrow_and_update();
        loop {
            let wait = debt.pay(current);
            if wait.is_zero() {
                return Ok(());
            }
            tokio::select! {
                biased;
                // Loading tells what that means.
                () = lease.lost() => return Ok(()),
                // Without a handle the limits stay.
                Ok(()) = limits.changed() => {
                    let _ = debt.pay(current);
                    current = *limits.borrow_and_update();
                }
                () = sleep(wait.min(third)) => {
                    if wait > third {
                        self.inner.ping(lease).await?;
                    }
                }
            }
        }
    }
}

impl Debt {
    /// Pays up to now; returns how long the rest takes.
    fn pay(&mut self, limits: ThrottleLimits) -> Duration {
        let now = Instant::now();
        self.rows.pay(limits.rows_per_second, now).max(self.bytes.pay(limits.bytes_per_second, now))
    }
}

impl Dues {
    /// Pays up to now; returns how long the rest takes.
    fn pay(&mut self, per_second: Option<NonZeroU64>, now: Instant) -> Duration {
        let Some(rate) = per_second.filter(|_| self.left > 0) else {
            *self = Self { left: 0, since: now };
            return Duration::ZERO;
        };
        let elapsed = now.saturating_duration_since(self.since).as_nanos();
        let paid = elapsed.saturating_mul(u128::from(rate.get())) / NANOS;
        match u64::try_from(paid) {
            Ok(paid) if paid < self.left => {
                self.left -= paid;
                // What a part of one has been paid stays paid.
                self.since += time_for(paid, rate);
                time_for(self.left, rate).saturating_sub(now.saturating_duration_since(self.since))
            }
            Ok(_) | Err(_) => {
                *self = Self { left: 0, since: now };
                Duration::ZERO
            }
        }
    }
}

const NANOS: u128 = 1_000_000_000;

/// Rounded up, so that as many are paid for when the time is over.
fn time_for(count: u64, rate: NonZeroU64) -> Duration {
    let nanos = (u128::from(count) * NANOS).div_ceil(u128::from(rate.get()));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[async_trait]
impl Load for Throttle {
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
        self.inner.resume(lease).await
    }

    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
        self.inner.begin(at, lease).await
    }

    async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded> {
        let mut debt = self.debt.lock().await;
        // Amid a transaction the target holds locks, so that it is paid for afterwards.
        let is_amid = |part: &Part| matches!(part, Part::Fragment { index: 1.., .. });
        if !batch.transactions.iter().any(|transaction| is_amid(&transaction.part)) {
            self.settle(&mut debt, lease).await?;
        }
        let rows = u64::try_from(batch.row_count()).unwrap_or(u64::MAX);
        let bytes = u64::try_from(batch.permit.bytes()).unwrap_or(u64::MAX);
        debt.rows.left = debt.rows.left.saturating_add(rows);
        debt.bytes.left = debt.bytes.left.saturating_add(bytes);
        drop(debt);
        self.inner.load(batch, lease).await
    }

    async fn ping(&self, lease: &Lease) -> Result<()> {
        self.inner.ping(lease).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("limits", &*self.limits.borrow())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
