//! Puts pipelines together from their parts: the one place that knows every crate.
//!
//! Nothing is opened or connected here but the arbiter.

use std::sync::Arc;

use otter_arbitrate::{LocalArbiter, SqlArbiter};
use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{
    Arbiter, ArbiterId, AtStart, Pipeline, PipelineId, PipelineOptions, Result, Route, Throttle,
};
use otter_sink::{LoaderOptions, MySqlLoader, TargetSchemaLog};

use crate::config::{ArbiterKind, Config, PipelineConfig};

/// The schema in the target that holds checkpoints and marks.
pub(crate) const SCHEMA: &str = "otter";

/// The arbiter of an installation, which may have something to give back at the end.
#[derive(Debug)]
pub(crate) struct OpenArbiter {
    pub(crate) arbiter: Arc<dyn Arbiter>,
    shared: Option<SqlArbiter>,
}

impl OpenArbiter {
    /// Gives all leases back and waits until others can have them; a few seconds at most.
    pub(crate) async fn close(self) {
        if let Some(shared) = self.shared {
            shared.close().await;
        }
    }
}

/// Opens the arbiter of an installation, making its folder or tables where they are missing.
pub(crate) async fn arbiter(config: &Config) -> Result<OpenArbiter> {
    let lease = config.arbiter.lease;
    match &config.arbiter.kind {
        ArbiterKind::Local { path } => {
            let arbiter = LocalArbiter::open(path)?.with_lease(lease);
            Ok(OpenArbiter { arbiter: Arc::new(arbiter), shared: None })
        }
        ArbiterKind::MySql { url } => {
            let arbiter = SqlArbiter::open(url, lease).await?;
            Ok(OpenArbiter { arbiter: Arc::new(arbiter.clone()), shared: Some(arbiter) })
        }
    }
}

/// The identity of an installation's arbiter; `None` where it has none yet.
pub(crate) async fn arbiter_id(config: &Config) -> Result<Option<ArbiterId>> {
    match &config.arbiter.kind {
        ArbiterKind::Local { path } => Ok(LocalArbiter::peek(path)?),
        ArbiterKind::MySql { url } => Ok(SqlArbiter::peek(url).await?),
    }
}

/// Puts a pipeline together, ready to run.
pub(crate) fn pipeline(
    config: &PipelineConfig,
    arbiter: Arc<dyn Arbiter>,
    at_start: AtStart,
) -> Pipeline {
    let id = PipelineId::new(config.name.as_str());
    let options = PipelineOptions {
        start: config.start.clone(),
        memory_bytes: config.limits.memory_bytes,
        group_rows: config.limits.rows_at_once(),
        group_bytes: config.limits.bytes_at_once(),
        at_start,
        ..PipelineOptions::default()
    };
    // The limits are those of the configuration for as long as it runs.
    let (loader, _) = Throttle::new(Arc::new(loader(id.clone(), config)), config.limits.throttle);
    Pipeline::new(id.clone(), arbiter, selector_with_log(&id, config), loader)
        .transform(Route::new(config.mappings.clone()))
        .options(options)
}

fn loader(id: PipelineId, config: &PipelineConfig) -> MySqlLoader {
    let mut options = LoaderOptions::default();
    options.schema = Arc::from(SCHEMA);
    options.group_rows = config.limits.group_rows;
    options.group_bytes = config.limits.group_bytes;
    options.connections = config.limits.connections;
    options.source_site = Some(Arc::from(config.from.site.as_str()));
    options.ddl = config.ddl;
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
    options.own_schema = SCHEMA.to_owned();
    options.max_event = config.limits.max_event_bytes;
    options
}
