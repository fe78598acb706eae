//! How fast a pipeline may go, which changes while it runs: by the operator's word, and by how its
//! target bears it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use otter_core::{DatabaseUrl, Stop, ThrottleHandle, ThrottleLimits};
use otter_sink::health::{HealthLimits, Strain, TargetHealth};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::config::{Config, PipelineConfig};

/// How often a target is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How often a strain that lasts is told again.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// What the configuration says about a pipeline's speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pace {
    limits: ThrottleLimits,
    brake: HealthLimits,
}

/// The paces of all pipelines of this process, by their names.
#[derive(Debug)]
pub(super) struct Paces(HashMap<String, watch::Sender<Pace>>);

impl Pace {
    fn of(pipeline: &PipelineConfig) -> Self {
        Self { limits: pipeline.limits.throttle, brake: pipeline.brake.clone() }
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
                "the configuration has changed in more than rows_per_second, mb_per_second and \
                 brake: the rest holds from the next start on"
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
    let mut held: Option<Held> = None;
    loop {
        looks.tick().await;
        match (health.look().await, held.take()) {
            (Some(strain), None) => {
                handle.hold();
                held = Some(Held::told(pipeline, &strain, None));
            }
            (Some(strain), Some(before)) if before.told_at.elapsed() >= BETWEEN_WARNINGS => {
                held = Some(Held::told(pipeline, &strain, Some(before.since)));
            }
            (Some(_), before) => held = before,
            (None, Some(before)) => {
                handle.release();
                let held_ms = u64::try_from(before.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                info!(pipeline, held_ms, "the target bears load again; loading goes on");
            }
            // Another brake may have held it before this one.
            (None, None) => handle.release(),
        }
    }
}

/// Since when loading is held back, and when that was said.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: Instant,
    told_at: Instant,
}

impl Held {
    fn told(pipeline: &str, strain: &Strain, since: Option<Instant>) -> Self {
        warn!(pipeline, reason = %strain, "the target is strained; loading is held back");
        let now = Instant::now();
        Self { since: since.unwrap_or(now), told_at: now }
    }
}
