//! Puts pipelines together from their parts: the one place that knows every crate.
//!
//! Nothing is opened or connected here but the arbiter.

use std::sync::Arc;
use std::time::Duration;

use otter_arbitrate::{
    ArbiterStatus, LocalArbiter, Reports, SqlArbiter, Wanted, Wishes, ZooKeeperArbiter,
};
use otter_binlog::copy::{CopySelector, ResyncSelector};
use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{
    Arbiter, ArbiterId, AtStart, Join, Pipeline, PipelineId, PipelineOptions, Result, Route, Side,
    Throttle, ThrottleHandle,
};
use otter_sink::{
    LoaderOptions, Mode, MySqlLoader, TargetCopyLog, TargetResyncLog, TargetSchemaLog,
};

use crate::config::{ArbiterKind, Config, PipelineConfig};

/// The schema in the target that holds checkpoints and marks.
pub(crate) const SCHEMA: &str = "otter";

/// The table in the same schema of a source into which requests to copy rows again are inserted.
const REQUESTS: &str = "resync";

/// Why rows are not copied again in fast mode.
pub(crate) const NOT_IN_FAST_MODE: &str =
    "the pipeline runs with mode = \"fast\": set mode = \"strict\", start it again, and ask again";

/// The arbiter of an installation, which may have something to give back at the end.
#[derive(Debug)]
pub(crate) struct OpenArbiter {
    pub(crate) arbiter: Arc<dyn Arbiter>,
    opened: Opened,
}

#[derive(Debug)]
enum Opened {
    Local(LocalArbiter),
    MySql(SqlArbiter),
    ZooKeeper(ZooKeeperArbiter),
}

impl OpenArbiter {
    /// The same arbiter, where it tells processes of each other.
    pub(crate) fn shared(&self) -> Option<Arc<dyn Join>> {
        match &self.opened {
            Opened::Local(_) => None,
            Opened::MySql(arbiter) => Some(Arc::new(arbiter.clone())),
            Opened::ZooKeeper(arbiter) => Some(Arc::new(arbiter.clone())),
        }
    }

    /// Follows what operators want of the pipelines.
    pub(crate) fn wishes(&self) -> Wishes {
        match &self.opened {
            Opened::Local(arbiter) => arbiter.wishes(),
            Opened::MySql(arbiter) => arbiter.wishes(),
            Opened::ZooKeeper(arbiter) => arbiter.wishes(),
        }
    }

    /// Publishes what this process is doing, at most once in the time `every`.
    pub(crate) fn reports(&self, every: Duration) -> Reports {
        match &self.opened {
            Opened::Local(arbiter) => arbiter.reports(every),
            Opened::MySql(arbiter) => arbiter.reports(every),
            Opened::ZooKeeper(arbiter) => arbiter.reports(every),
        }
    }

    /// Gives all leases back and waits until others can have them; a few seconds at most.
    pub(crate) async fn close(self) {
        match self.opened {
            Opened::Local(_) => {}
            Opened::MySql(arbiter) => arbiter.close().await,
            Opened::ZooKeeper(arbiter) => arbiter.close().await,
        }
    }
}

/// Opens the arbiter of an installation, making its folder, tables or nodes where they are missing.
pub(crate) async fn arbiter(config: &Config) -> Result<OpenArbiter> {
    let lease = config.arbiter.lease;
    Ok(match &config.arbiter.kind {
        ArbiterKind::Local { path } => {
            let arbiter = LocalArbiter::open(path)?.with_lease(lease);
            OpenArbiter { arbiter: Arc::new(arbiter.clone()), opened: Opened::Local(arbiter) }
        }
        ArbiterKind::MySql { url, path } => {
            let arbiter = SqlArbiter::open_remembering(url, path, lease).await?;
            OpenArbiter { arbiter: Arc::new(arbiter.clone()), opened: Opened::MySql(arbiter) }
        }
        ArbiterKind::ZooKeeper { place } => {
            in_zookeeper(ZooKeeperArbiter::open(place, lease).await?)
        }
    })
}

/// An arbiter that was opened already.
pub(crate) fn in_zookeeper(arbiter: ZooKeeperArbiter) -> OpenArbiter {
    OpenArbiter { arbiter: Arc::new(arbiter.clone()), opened: Opened::ZooKeeper(arbiter) }
}

/// The identity of an installation's arbiter; `None` where it has none yet.
pub(crate) async fn arbiter_id(config: &Config) -> Result<Option<ArbiterId>> {
    Ok(arbiter_status(config, &[]).await?.id)
}

/// What the arbiter of an installation knows about these sides; changes nothing.
pub(crate) async fn arbiter_status(config: &Config, sides: &[Side]) -> Result<ArbiterStatus> {
    Ok(match &config.arbiter.kind {
        ArbiterKind::Local { path } => LocalArbiter::status(path, sides)?,
        ArbiterKind::MySql { url, path } => {
            let mut found = SqlArbiter::status(url, sides).await?;
            if found.id.is_none() {
                found.id = SqlArbiter::remembered(url, path).await;
            }
            found
        }
        ArbiterKind::ZooKeeper { place } => ZooKeeperArbiter::status(place, sides).await?,
    })
}

/// Writes what is wanted of a pipeline, for all processes of an installation.
pub(crate) async fn want(config: &Config, pipeline: &PipelineId, wanted: Wanted) -> Result<()> {
    match &config.arbiter.kind {
        ArbiterKind::Local { path } => LocalArbiter::want(path, pipeline, wanted)?,
        ArbiterKind::MySql { url, .. } => SqlArbiter::want(url, pipeline, wanted).await?,
        ArbiterKind::ZooKeeper { place } => ZooKeeperArbiter::want(place, pipeline, wanted).await?,
    }
    Ok(())
}

/// Puts a pipeline together, ready to run, and tells how fast it may go.
pub(crate) fn pipeline(
    config: &PipelineConfig,
    arbiter: Arc<dyn Arbiter>,
    at_start: AtStart,
) -> (Pipeline, ThrottleHandle) {
    let id = PipelineId::new(config.name.as_str());
    let options = PipelineOptions {
        start: config.start.clone(),
        memory_bytes: config.limits.memory_bytes,
        group_rows: config.limits.rows_at_once(),
        group_bytes: config.limits.bytes_at_once(),
        at_start,
        ..PipelineOptions::default()
    };
    let loader = Arc::new(loader(id.clone(), config));
    let (loader, handle) = Throttle::new(loader, config.limits.throttle);
    let selector = selector_with_log(&id, config);
    let mappings = config.mappings.clone();
    let requests = Arc::new(TargetResyncLog::new(config.to.url.clone(), SCHEMA, &id));
    let mut selector = match config.initial_copy {
        None => ResyncSelector::new(selector, mappings, requests),
        Some(copies) => {
            let rules = (mappings.clone(), copies.existing);
            let log = TargetCopyLog::new(config.to.url.clone(), SCHEMA, &id, rules);
            let selector = CopySelector::new(selector, mappings.clone(), Arc::new(log))
                .with_on_unreadable(copies.on_unreadable);
            ResyncSelector::around_copy(selector, mappings, requests)
        }
    };
    if config.mode == Mode::Fast {
        selector = selector.refuse(NOT_IN_FAST_MODE);
    }
    let pipeline = Pipeline::new(id, arbiter, selector, loader);
    (pipeline.transform(Route::new(config.mappings.clone())).options(options), handle)
}

fn loader(id: PipelineId, config: &PipelineConfig) -> MySqlLoader {
    let mut options = LoaderOptions::default();
    options.schema = Arc::from(SCHEMA);
    options.group_rows = config.limits.group_rows;
    options.group_bytes = config.limits.group_bytes;
    options.connections = config.limits.connections;
    options.mode = config.mode;
    options.source_site = Some(Arc::from(config.from.site.as_str()));
    options.ddl = config.ddl;
    options.initial_copy = config.initial_copy.map(|copies| copies.existing);
    options.on_poison = config.on_poison;
    options.quarantine_rows = config.quarantine_rows.unwrap_or(options.quarantine_rows);
    MySqlLoader::new(id, config.to.url.clone(), options)
}

/// The reader of a pipeline's source, which remembers its schema in the target.
fn selector_with_log(id: &PipelineId, config: &PipelineConfig) -> BinlogSelector {
    let mut options = selector_options(config);
    let url = config.to.url.clone();
    options.schema_log = Arc::new(TargetSchemaLog::new(url, SCHEMA, id.clone()));
    BinlogSelector::new(options)
}

/// The reader of a pipeline's source, to find positions.
pub(crate) fn selector(config: &PipelineConfig) -> BinlogSelector {
    BinlogSelector::new(selector_options(config))
}

fn selector_options(config: &PipelineConfig) -> SelectorOptions {
    let mappings = config.mappings.clone();
    let mut options = SelectorOptions::new(config.from.url.clone(), mappings.filter());
    options.databases = Arc::new(move |database| mappings.touches_database(database));
    options.own_schema = Some(SCHEMA.to_owned());
    options.request_table = Some(REQUESTS.to_owned());
    options.max_event = config.limits.max_event_bytes;
    options
}
