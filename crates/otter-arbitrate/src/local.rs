//! Arbitration among the processes of one machine, in a directory.
//!
//! Every side has a durable record of the last term granted, and its holder keeps a file locked
//! and says in it when its lease ends. A holder that died leaves no lock and is followed at once;
//! one that is frozen leaves its lock, and is followed when its lease is over. Nothing here is
//! ever decided by the wall clock, or by the clock of another machine.
//!
//! ```text
//! STATE/arbiter                       the arbiter's id, made once
//! STATE/sides/NAME/@target/lease      the last grant: term, holder, boot
//! STATE/sides/NAME/@target/guard      locked while a term is granted
//! STATE/sides/NAME/@target/holder.N   locked by the holder of term N; when its lease ends
//! STATE/paused/NAME                   an operator wants this pipeline to rest
//! STATE/reports/SIDE                  what the holder of a side tells about it
//! ```

pub(crate) mod durable;
mod error;
mod files;
mod grant;
mod hold;
mod record;
mod reports;
mod wanted;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::{Arbiter, ArbiterId, Campaign, Holder, Lease, PipelineId, Result, Side};
use tokio::time::sleep;
use tracing::info;

pub use error::LocalArbiterError;
use files::SideFiles;
use grant::{Asked, World};

use crate::machine;
use crate::random::random_name;
use crate::report::{Found, Reports};
use crate::status::{ArbiterStatus, HeldSide};
use crate::wanted::{Wanted, Wishes};

/// Long enough for a busy machine to renew in time, short enough to follow a frozen process soon.
const DEFAULT_LEASE: Duration = Duration::from_secs(10);
/// Shorter leases would be lost to the scheduler of a busy machine.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// A lock tells nobody when it goes away, so waiting means looking. A look costs four system
/// calls, and four times a second nobody notices.
const LONGEST_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// A grant takes a few milliseconds; whoever meets another's looks again so soon, so often.
const GRANT_LOOK_INTERVAL: Duration = Duration::from_millis(5);
const GRANT_LOOKS: u32 = 20;

/// Decides among the processes of one machine who runs a side; the default of embedders.
///
/// The directory must be on a local disk and serve one machine only. Cloning is cheap, and any
/// number of arbiters, in one process or in many, may use one directory. Unix only: it needs
/// `flock`.
///
/// ```no_run
/// use std::time::Duration;
/// use otter_arbitrate::LocalArbiter;
/// use otter_core::{Arbiter, PipelineId, Side};
///
/// # async fn run() -> otter_core::Result<()> {
/// let arbiter = LocalArbiter::open("/var/lib/shop/otter")?.with_lease(Duration::from_secs(5));
/// let lease = arbiter.campaign(&Side::target(PipelineId::new("shop"))).await?;
/// assert!(lease.is_held());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LocalArbiter {
    state: PathBuf,
    world: Arc<World>,
}

impl LocalArbiter {
    /// Opens the arbiter of a state directory, which is made with its parents where it is not
    /// there. Reads and writes a few files; call it before the busy part of a program.
    ///
    /// # Errors
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where the directory cannot be made, written or
    /// locked, naming the remedy.
    pub fn open(state: impl Into<PathBuf>) -> Result<Self, LocalArbiterError> {
        let state = state.into();
        durable::create_folder(&state)?;
        let world = World {
            arbiter: open_id(&state)?,
            holder: machine::holder_name(),
            boot: machine::boot_id(),
            lease: DEFAULT_LEASE,
            #[cfg(test)]
            frozen: std::sync::atomic::AtomicBool::new(false),
        };
        Ok(Self { state, world: Arc::new(world) })
    }

    /// Sets how long a lease lasts after its last renewal, at least 100 ms; 10 s by default. A
    /// lease is renewed three times in that time. All users of a directory may differ.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        let world = &self.world;
        self.world = Arc::new(World {
            arbiter: world.arbiter.clone(),
            holder: world.holder.clone(),
            boot: world.boot.clone(),
            lease: lease.max(SHORTEST_LEASE),
            #[cfg(test)]
            frozen: std::sync::atomic::AtomicBool::new(false),
        });
        self
    }

    /// The id of the arbiter of a state directory, which is only looked at; `None` where nobody
    /// has opened it yet.
    ///
    /// # Errors
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it cannot be read.
    pub fn peek(state: &Path) -> Result<Option<ArbiterId>, LocalArbiterError> {
        read_id(&state.join("arbiter"))
    }

    /// Who holds a side of a state directory, which is only looked at; `None` where nobody does.
    ///
    /// # Errors
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it cannot be read.
    pub fn holder_of(state: &Path, side: &Side) -> Result<Option<Holder>, LocalArbiterError> {
        grant::holder(&SideFiles::new(state, side), side, &machine::boot_id())
    }

    /// Who holds these sides of a state directory, in their order, as its files tell: only the
    /// processes of this machine are known there. Changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn status(state: &Path, sides: &[Side]) -> Result<ArbiterStatus, LocalArbiterError> {
        let id = Self::peek(state)?;
        let held = |side: &Side| -> Result<_, LocalArbiterError> {
            let holder = Self::holder_of(state, side)?;
            Ok(holder.map(|holder| HeldSide { holder, since: None, until: None, lease: None }))
        };
        let held: Vec<Option<HeldSide>> = sides.iter().map(held).collect::<Result<_, _>>()?;
        let mut reports = Vec::with_capacity(sides.len());
        for (side, held) in sides.iter().zip(&held) {
            let Some(held) = held else {
                reports.push(None);
                continue;
            };
            let text = reports::read(state, &side.to_string())?;
            reports.push(Found::read([text.as_str()]).of(side, held.holder.term));
        }
        let paused = wanted::paused(state)?;
        Ok(ArbiterStatus { id, sides: held, reports, nodes: Vec::new(), paused })
    }

    /// Writes what is wanted of a pipeline into a state directory, for all processes that use it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Fault::Fatal`](otter_core::Fault::Fatal) where the name is too
    /// long for a file.
    pub fn want(
        state: &Path,
        pipeline: &PipelineId,
        wanted: Wanted,
    ) -> Result<(), LocalArbiterError> {
        wanted::want(state, pipeline, wanted)
    }

    /// Follows what is wanted of pipelines, from within a tokio runtime. A change is seen within a
    /// second.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        wanted::follow(&self.state)
    }

    /// Publishes what this process tells about the sides that it holds, from within a tokio runtime:
    /// a file for each, written at most once in the time `every`.
    pub fn reports(&self, every: Duration) -> Reports {
        reports::publish(&self.state, every)
    }

    async fn ask(&self, side: &Side) -> Result<Asked, LocalArbiterError> {
        let files = SideFiles::new(&self.state, side);
        let (world, side) = (Arc::clone(&self.world), side.clone());
        // Where this future is dropped, the outcome is dropped with it and gives the side up.
        tokio::task::spawn_blocking(move || grant::ask(&files, &side, &world))
            .await
            .map_err(LocalArbiterError::RuntimeGone)?
    }
}

#[async_trait]
impl Arbiter for LocalArbiter {
    fn id(&self) -> &ArbiterId {
        &self.world.arbiter
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        let mut looks = 0;
        loop {
            let term = match self.ask(side).await? {
                Asked::Held(holder) => return Ok(Campaign::Held(holder)),
                Asked::Granted(hold) if hold.is_valid() => {
                    return Ok(Campaign::Won(
                        hold.into_lease(side.clone(), Arc::clone(&self.world)),
                    ));
                }
                // We were frozen while we granted ourselves the side: it is over already.
                Asked::Granted(hold) => hold.term(),
                Asked::Busy(term) => term,
            };
            looks += 1;
            if looks == GRANT_LOOKS {
                let name = "a process that is granting itself the side".to_owned();
                return Ok(Campaign::Held(Holder { name, term }));
            }
            sleep(GRANT_LOOK_INTERVAL).await;
        }
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        let interval = LONGEST_LOOK_INTERVAL.min(self.world.lease / 10);
        let mut told: Option<Holder> = None;
        loop {
            match self.try_campaign(side).await? {
                Campaign::Won(lease) => return Ok(lease),
                Campaign::Held(holder) if told.as_ref() == Some(&holder) => {}
                Campaign::Held(holder) => {
                    info!(%side, %holder, "side is held; waiting");
                    told = Some(holder);
                }
            }
            sleep(interval).await;
        }
    }
}

/// The arbiter's id: read where it is there, else made from randomness.
fn open_id(state: &Path) -> Result<ArbiterId, LocalArbiterError> {
    let path = state.join("arbiter");
    if let Some(id) = read_id(&path)? {
        return Ok(id);
    }
    let random = || random_name().map_err(LocalArbiterError::NoRandomness);
    let (id, temp) = (random()?, format!("arbiter.new.{}", random()?));
    durable::create(&path, &state.join(temp), &format!("local-{id}\n"))?;
    // Another process may have been first: its id is the one.
    read_id(&path)?.ok_or_else(|| LocalArbiterError::corrupt(&path, "it went away again"))
}

fn read_id(path: &Path) -> Result<Option<ArbiterId>, LocalArbiterError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LocalArbiterError::io(path, error)),
    };
    match text.strip_suffix('\n') {
        Some(id) if !id.is_empty() && id.is_ascii() => Ok(Some(ArbiterId::new(id))),
        Some(_) | None => Err(LocalArbiterError::corrupt(path, "it holds no arbiter id")),
    }
}

#[cfg(test)]
mod tests;
