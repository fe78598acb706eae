//! A limit on how fast a target is written to.
//!
//! A batch is loaded as soon as everything before it is paid for, and then paid for itself: so many
//! rows and bytes at so many per second. Nothing is saved up while nothing is loaded. The loader wants
//! no more at once than a quarter of a second allows, so that the pipeline cuts between transactions.

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
use crate::stage::{Appetite, Load, Loaded};

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
/// They hold on average: what comes at once is loaded at once. In a pipeline that is what a quarter
/// of a second allows, or one transaction, which is never cut. While it waits, the loader below is kept alive.
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
    /// How many are paid for in a second.
    rate: Option<NonZeroU64>,
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

impl Throttle {
    /// Puts limits in front of a loader.
    #[must_use]
    pub fn new(inner: Arc<dyn Load>, limits: ThrottleLimits) -> (Self, ThrottleHandle) {
        let (handle, control) = ThrottleHandle::new(limits);
        let nothing = Dues { left: 0, rate: None, since: Instant::now() };
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
                Ok(()) = control.changed() => current = *control.borrow_and_update(),
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
        let limits = self.control.borrow().limits;
        debt.rows.add(rows, limits.rows_per_second);
        debt.bytes.add(bytes, limits.bytes_per_second);
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
    /// Owes so many more; nothing where there is no limit.
    fn add(&mut self, count: u64, rate: Option<NonZeroU64>) {
        self.pay(rate, Instant::now());
        if rate.is_some() {
            self.left = self.left.saturating_add(count);
        }
    }

    /// Pays up to now; returns how long the rest takes.
    ///
    /// What is owed takes no longer under a lower limit than under that which it was loaded under.
    fn pay(&mut self, rate: Option<NonZeroU64>, now: Instant) -> Duration {
        self.pay_at_its_rate(now);
        if let (Some(before), Some(after)) = (self.rate, rate)
            && after < before
        {
            let left = u128::from(self.left) * u128::from(after.get()) / u128::from(before.get());
            self.left = u64::try_from(left).unwrap_or(u64::MAX);
        }
        self.rate = rate;
        let Some(rate) = rate.filter(|_| self.left > 0) else {
            self.left = 0;
            return Duration::ZERO;
        };
        time_for(self.left, rate).saturating_sub(now.saturating_duration_since(self.since))
    }

    fn pay_at_its_rate(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since).as_nanos();
        let paid = self.rate.map(|rate| (rate, elapsed.saturating_mul(u128::from(rate.get()))));
        match paid.map(|(rate, paid)| (rate, u64::try_from(paid / NANOS))) {
            Some((rate, Ok(paid))) if paid < self.left => {
                self.left -= paid;
                // What a part of one has been paid stays paid.
                self.since += time_for(paid, rate);
            }
            Some(_) | None => {
                self.left = 0;
                self.since = now;
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
        self.pay_for(&batch, lease).await?;
        self.inner.load(batch, lease).await
    }

    async fn ping(&self, lease: &Lease) -> Result<()> {
        self.inner.ping(lease).await
    }

    /// What a quarter of a second allows.
    fn appetite(&self) -> Appetite {
        let limits = self.control.borrow().limits;
        let quarter = |rate: Option<NonZeroU64>| {
            let quarter = rate.map(|rate| usize::try_from(rate.get() / 4).unwrap_or(usize::MAX));
            quarter.unwrap_or(usize::MAX)
        };
        let below = self.inner.appetite();
        Appetite {
            rows: quarter(limits.rows_per_second).min(below.rows),
            bytes: quarter(limits.bytes_per_second).min(below.bytes),
        }
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
