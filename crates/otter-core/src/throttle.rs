//! A limit on how fast a target is written to.
//!
//! A batch is loaded as soon as everything before it is paid for, and then paid for itself: so many
//! rows and bytes at so many per second. Nothing is saved up while nothing is loaded. Batches are
//! cut between transactions into what a quarter of a second allows.

mod handle;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use handle::Control;
pub use handle::ThrottleHandle;

use crate::arbiter::Lease;
use crate::batch::{Batch, Part};
use crate::fault::{Classify, Fault, Result};
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

/// A loader that loads no faster than its limits.
///
/// They hold on average: a transaction is never cut, so that what comes at once is what a quarter
/// of a second allows, or one transaction. While it waits, the loader below is kept alive.
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
    control: watch::Receiver<Control>,
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

/// Why a throttled loader loads nothing.
#[derive(Debug, Clone, thiserror::Error)]
enum ThrottleError {
    #[error("loading was held back by its limits when it was to end")]
    Ended,
}

impl Classify for ThrottleError {
    fn fault(&self) -> Fault {
        match self {
            Self::Ended => Fault::Transient,
        }
    }

    fn doing(&self) -> &'static str {
        "load no faster than allowed"
    }
}

impl ThrottleLimits {
    /// How many rows of a batch a quarter of a second allows; `None` where all of them.
    fn step(&self, batch: &Batch) -> Option<usize> {
        let quarter = |rate: NonZeroU64| usize::try_from(rate.get() / 4).unwrap_or(usize::MAX);
        let by_bytes = |bytes: usize| {
            let rows = batch.row_count().saturating_mul(bytes);
            rows.checked_div(batch.permit.bytes()).unwrap_or(usize::MAX)
        };
        let rows = self.rows_per_second.map(quarter);
        let bytes = self.bytes_per_second.map(quarter).map(by_bytes);
        rows.into_iter().chain(bytes).min()
    }
}

impl Throttle {
    /// Puts limits in front of a loader.
    #[must_use]
    pub fn new(inner: Arc<dyn Load>, limits: ThrottleLimits) -> (Self, ThrottleHandle) {
        let (handle, control) = ThrottleHandle::new(limits);
        let nothing = Dues { left: 0, since: Instant::now() };
        let debt = Mutex::new(Debt { rows: nothing, bytes: nothing });
        (Self { inner, control, debt }, handle)
    }

    /// Waits until everything is paid for and nobody holds loading back, or the lease is over.
    async fn settle(&self, debt: &mut Debt, lease: &Lease) -> Result<()> {
        let mut control = self.control.clone();
        let mut current = *control.borrow_and_update();
        let third = lease.duration() / 3;
        let mut ping_at = Instant::now() + third;
        loop {
            let wait = debt.pay(current.limits);
            if wait.is_zero() && !current.is_held {
                return Ok(());
            }
            if current.has_ended {
                return Err(ThrottleError::Ended.into());
            }
            let paid_at = if current.is_held { ping_at } else { Instant::now() + wait };
            tokio::select! {
                biased;
                // Loading tells what that means.
                () = lease.lost() => return Ok(()),
                // Without a handle the limits stay.
                Ok(()) = control.changed() => {
                    let _ = debt.pay(current.limits);
                    current = *control.borrow_and_update();
                }
                () = sleep_until(paid_at.min(ping_at)) => {
                    if paid_at >= ping_at {
                        self.inner.ping(lease).await?;
                        ping_at = Instant::now() + third;
                    }
                }
            }
        }
    }

    /// Waits for what is owed, and owes for this batch.
    async fn pay_for(&self, batch: &Batch, lease: &Lease) -> Result<()> {
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
        Ok(())
    }

    async fn load_part(&self, part: Batch, sum: &mut Loaded, lease: &Lease) -> Result<()> {
        self.pay_for(&part, lease).await?;
        let loaded = self.inner.load(part, lease).await?;
        sum.through = loaded.through;
        sum.rows += loaded.rows;
        sum.transactions += loaded.transactions;
        Ok(())
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
        let mut rest = batch;
        let mut sum = Loaded::default();
        loop {
            let step = self.control.borrow().limits.step(&rest);
            let Some(front) = step.and_then(|rows| rest.split_front(rows)) else { break };
            self.load_part(front, &mut sum, lease).await?;
        }
        self.load_part(rest, &mut sum, lease).await?;
        Ok(sum)
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
            .field("control", &*self.control.borrow())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
