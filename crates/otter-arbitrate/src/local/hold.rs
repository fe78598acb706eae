//! What a holder keeps: its locked file, and until when its lease lasts.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otter_core::arbiter::LeaseParts;
use otter_core::{Causes, Lease, Side, Term};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::error::LocalArbiterError;
use super::files::SideFiles;
use super::grant::World;
use super::record::{LeaseRecord, write_expiry};
use crate::machine::BootTime;

/// A lease is renewed this often while it lasts, so that one late renewal does not end it.
const RENEWALS_PER_LEASE: u32 = 3;
/// After a failed renewal the next one follows sooner: this many fit into a lease.
const TRIES_PER_LEASE: u32 = 12;

/// A granted side. Dropping it gives the side up.
#[derive(Debug)]
pub(super) struct Hold {
    file: File,
    files: SideFiles,
    record: LeaseRecord,
    /// Milliseconds of the boot clock. Never later than what the file says.
    expires: AtomicU64,
}

/// Why a lease is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Loss {
    #[error("its time was over before it was renewed")]
    Late,
    #[error("a higher term was granted")]
    Superseded,
    #[error("the record of the grant is gone")]
    Vanished,
}

/// A renewal that did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenewError {
    /// For ever: the lease is lost.
    #[error(transparent)]
    Lost(#[from] Loss),
    /// For now: the lease may be renewed while it lasts.
    #[error(transparent)]
    Failed(#[from] LocalArbiterError),
}

impl Hold {
    pub(super) fn new(
        file: File,
        files: SideFiles,
        record: LeaseRecord,
        expires: BootTime,
    ) -> Self {
        Self { file, files, record, expires: AtomicU64::new(expires.0) }
    }

    pub(super) fn term(&self) -> Term {
        self.record.term
    }

    fn expires(&self) -> BootTime {
        BootTime(self.expires.load(Ordering::Acquire))
    }

    /// Whether the lease's time is not over.
    pub(super) fn is_valid(&self) -> bool {
        BootTime::now() < self.expires()
    }

    /// Makes the lease last from now on, where its time is not over.
    pub(super) fn renew(&self, side: &Side, lease: Duration) -> Result<(), RenewError> {
        let old = self.expires();
        let now = BootTime::now();
        if now >= old {
            return Err(Loss::Late.into());
        }
        let new = now.after(lease);
        let path = self.files.holder(self.term());
        write_expiry(&self.file, new).map_err(|error| LocalArbiterError::io(&path, error))?;
        // Who wants the side reads the clock first and the expiry then. Where the new expiry was
        // written before the old one passed, nobody can have seen the old one as passed. Where it
        // was not (we were frozen in between), somebody may have: the lease is lost.
        if BootTime::now() >= old {
            return Err(Loss::Late.into());
        }
        match LeaseRecord::read(&self.files.record(), side)? {
            Some(record) if record == self.record => {}
            Some(_) => return Err(Loss::Superseded.into()),
            None => return Err(Loss::Vanished.into()),
        }
        self.expires.store(new.0, Ordering::Release);
        Ok(())
    }

    /// Makes the lease that the holder sees, and keeps it renewed until it is dropped.
    pub(super) fn into_lease(self, side: Side, world: Arc<World>) -> Lease {
        let hold = Arc::new(self);
        let (lost_sender, lost) = watch::channel(false);
        let validity = Arc::clone(&hold);
        let parts = LeaseParts {
            arbiter: world.arbiter.clone(),
            side: side.clone(),
            term: hold.term(),
            duration: world.lease,
            lost,
            still_valid: Box::new(move || validity.is_valid()),
            guard: Box::new(Guard {
                hold: Arc::clone(&hold),
                renewal: tokio::spawn(keep(hold, side, world, lost_sender)),
            }),
        };
        Lease::new(parts)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Closing unlocks as well, but a process that was forked meanwhile would keep the lock.
        let _ = self.file.unlock();
    }
}

/// Ends the renewal and unlocks the file when the lease is dropped.
struct Guard {
    hold: Arc<Hold>,
    renewal: JoinHandle<()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.renewal.abort();
        // A renewal under way may still hold the file; what it writes means nothing without the
        // lock.
        let _ = self.hold.file.unlock();
    }
}

/// Renews until the lease is lost; tells so by the sender, which also tells when it is dropped.
async fn keep(hold: Arc<Hold>, side: Side, world: Arc<World>, lost: watch::Sender<bool>) {
    let mut is_failing = false;
    loop {
        let renewals = if is_failing { TRIES_PER_LEASE } else { RENEWALS_PER_LEASE };
        sleep(world.lease / renewals).await;
        match renew_in_time(&hold, &side, &world).await {
            Ok(()) => is_failing = false,
            Err(RenewError::Failed(error)) if hold.is_valid() => {
                if !is_failing {
                    let remaining_ms = millis(hold.expires().remaining());
                    warn!(%side, term = %hold.term(), remaining_ms, error = %Causes(&error),
                        "lease not renewed; it is tried again while it lasts");
                }
                is_failing = true;
            }
            Err(error) => {
                warn!(%side, term = %hold.term(), reason = %Causes(&error), "lease lost");
                lost.send_replace(true);
                return;
            }
        }
    }
}

/// Renews off the runtime, and stops waiting for a disk that hangs when the lease is over.
async fn renew_in_time(hold: &Arc<Hold>, side: &Side, world: &World) -> Result<(), RenewError> {
    #[cfg(test)]
    if world.frozen.load(Ordering::Acquire) {
        sleep(hold.expires().remaining()).await;
        return Err(Loss::Late.into());
    }
    let remaining = hold.expires().remaining();
    let (worker, side, lease) = (Arc::clone(hold), side.clone(), world.lease);
    let renewal = tokio::task::spawn_blocking(move || worker.renew(&side, lease));
    match timeout(remaining, renewal).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(gone)) => Err(LocalArbiterError::RuntimeGone(gone).into()),
        Err(_) => Err(Loss::Late.into()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
