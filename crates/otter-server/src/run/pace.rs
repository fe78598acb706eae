//! How fast a pipeline may go, which changes while it runs: by the operator's word, and by how its
//! target bears it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{DatabaseUrl, Stop, ThrottleHandle, ThrottleLimits};
use otter_sink::health::{HealthLimits, Strain, TargetHealth};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, error, info, warn};

use crate::config::{Config, PipelineConfig};

/// How often a target is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many looks in a row must find nothing before loading goes on.
const LOOKS_BEFORE_RELEASE: u32 = 3;
/// How often a strain is told at most.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// What the configuration says about a pipeline's speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pace {
    limits: ThrottleLimits,
    brake: HealthLimits,
    /// How fast its tables are compared all the while; `None` where they are not.
    pub(super) verify: Option<NonZeroU64>,
}

/// The paces of all pipelines of this process, by their names.
#[derive(Debug)]
pub(super) struct Paces(HashMap<String, watch::Sender<Pace>>);

impl Pace {
    fn of(pipeline: &PipelineConfig) -> Self {
        Self {
            limits: pipeline.limits.throttle,
            brake: pipeline.brake.clone(),
            verify: pipeline.verify,
        }
    }
}

impl Paces {
    pub(super) fn new(config: &Config) -> Self {
        let pace = |one: &PipelineConfig| (one.name.clone(), watch::Sender::new(Pace::of(one)));
        Self(config.pipelines.iter().map(pace).collect())
    }

    pub(super) fn of(&self, pipeline: &PipelineConfig) -> watch::Receiver<Pace> {
        match self.0.get(&pipeline.name) {
            Some(sender) => sender.subscribe(),
            None => watch::Sender::new(Pace::of(pipeline)).subscribe(),
        }
    }

    /// Reads the file again and takes from it what can change while pipelines run.
    pub(super) fn read_again(&self, config: &Config) {
        let later = match Config::load(&config.file) {
            Ok(later) => later,
            Err(error) => {
                error!(%error, "the configuration cannot be read again; everything stays as it is");
                return;
            }
        };
        if !config.differs_live_only(&later) {
            warn!(
                "the configuration has changed in more than rows_per_second, mb_per_second, \
                 brake and verify_rows_per_second: the rest holds from the next start on"
            );
        }
        let mut changed = 0;
        for pipeline in &later.pipelines {
            let Some(sender) = self.0.get(&pipeline.name) else { continue };
            let pace = Pace::of(pipeline);
            let has_changed = sender.send_if_modified(|now| {
                let differs = *now != pace;
                *now = pace;
                differs
            });
            changed += usize::from(has_changed);
        }
        info!(pipelines_changed = changed, "configuration read again");
    }
}

/// Keeps a pipeline to its pace. Ends by being dropped.
pub(super) async fn keep(
    pipeline: &PipelineConfig,
    mut pace: watch::Receiver<Pace>,
    handle: ThrottleHandle,
    stop: &Stop,
) -> Infallible {
    let mut is_known = false;
    loop {
        let now = pace.borrow_and_update().clone();
        handle.set(now.limits);
        if is_known {
            tell(&pipeline.name, &now);
        }
        is_known = true;
        let never = async {
            if now.brake.is_any() {
                match brake(&pipeline.name, &pipeline.to.url, &now.brake, &handle).await {}
            }
            handle.release();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            () = stop.asked() => break,
            // The other end lives as long as the process.
            Ok(()) = pace.changed() => {}
            never = never => match never {},
        }
    }
    // What was read and not paid for is read again by the next run.
    handle.end();
    std::future::pending().await
}

fn tell(pipeline: &str, now: &Pace) {
    let shown = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
    info!(
        pipeline,
        rows_per_second = shown(now.limits.rows_per_second.map(u64::from)),
        bytes_per_second = shown(now.limits.bytes_per_second.map(u64::from)),
        brake = now.brake.is_any(),
        verify_rows_per_second = shown(now.verify.map(u64::from)),
        "limits changed"
    );
}

/// Holds loading back while the target is strained.
async fn brake(
    pipeline: &str,
    target: &DatabaseUrl,
    limits: &HealthLimits,
    handle: &ThrottleHandle,
) -> Infallible {
    let mut health = TargetHealth::new(target.clone(), limits.clone());
    let mut looks = interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Another brake may have held it before this one.
    let held_since = handle.is_held().then(Instant::now);
    let mut pedal = Pedal { held_since, good_looks: 0, told_at: held_since };
    loop {
        looks.tick().await;
        match health.look().await {
            Some(strain) => pedal.press(pipeline, &strain, handle),
            None => pedal.ease(pipeline, handle),
        }
    }
}

/// Whether loading is held back, and what was said about it.
struct Pedal {
    held_since: Option<Instant>,
    /// How many looks in a row have found nothing.
    good_looks: u32,
    /// A target at its limit would fill the log.
    told_at: Option<Instant>,
}

impl Pedal {
    fn press(&mut self, pipeline: &str, strain: &Strain, handle: &ThrottleHandle) {
        handle.hold();
        self.held_since.get_or_insert_with(Instant::now);
        self.good_looks = 0;
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= BETWEEN_WARNINGS) {
            warn!(pipeline, reason = %strain, "the target is strained; loading is held back");
            self.told_at = Some(Instant::now());
        } else {
            debug!(pipeline, reason = %strain, "the target is strained");
        }
    }

    fn ease(&mut self, pipeline: &str, handle: &ThrottleHandle) {
        self.good_looks += 1;
        if self.held_since.is_some() && self.good_looks < LOOKS_BEFORE_RELEASE {
            return;
        }
        handle.release();
        let Some(since) = self.held_since.take() else { return };
        let held_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Whoever was warned is told.
        if self.told_at.is_some_and(|told_at| told_at >= since) {
            info!(pipeline, held_ms, "the target bears load again; loading goes on");
        } else {
            debug!(pipeline, held_ms, "the target bears load again");
        }
    }
}
