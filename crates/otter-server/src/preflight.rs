//! What can be known about a pipeline before it runs: `check` prints it, and `run` refuses to
//! begin a pipeline where something fails.
//!
//! Looks only, changes nothing.

mod start;
mod state;

use std::fmt;
use std::sync::Arc;

use otter_arbitrate::{SqlArbiter, ZooKeeperArbiter};
use otter_binlog::preflight as source;
use otter_core::mapping::TableRoute;
use otter_core::{Finding, PipelineId, Side, Table, TableName, Verdict};
use otter_sink::preflight::{self as target, CopyCheck, Marks, TargetCheck};
use otter_sink::{copy, health};

use crate::assemble::SCHEMA;
use crate::config::{ArbiterKind, Config, PipelineConfig};
pub(crate) use start::open_at;

/// The remedy of what an error says with its own remedy.
const MEND: &str = "mend what the message says, then check again";

/// All findings about one pipeline.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) pipeline: String,
    pub(crate) channel: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) findings: Vec<Noted>,
}

/// A finding, and what it is about.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) about: About,
    pub(crate) finding: Finding,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Source,
    Target,
    Arbiter,
    State,
    Start,
}

/// Looks at everything that a pipeline needs.
pub(crate) async fn look(config: &Config, pipeline: &PipelineConfig) -> Report {
    let mut report = Report::of(pipeline);
    report.add_arbiter(config, pipeline).await;
    report.add_the_rest(config, pipeline).await;
    report
}

/// The same without the arbiter, for a process that has asked it already: with thousands of pipelines
/// each question would be a session of its own.
pub(crate) async fn look_beside_arbiter(config: &Config, pipeline: &PipelineConfig) -> Report {
    let mut report = Report::of(pipeline);
    report.add_the_rest(config, pipeline).await;
    report
}

/// Whether tables are to be copied, or are being copied already.
async fn copy_check(pipeline: &PipelineConfig) -> CopyCheck {
    let Some(copies) = pipeline.initial_copy else { return CopyCheck::No };
    let id = PipelineId::new(pipeline.name.as_str());
    match copy::progress(&pipeline.to.url, SCHEMA, &id).await {
        Ok(Some(_)) => CopyCheck::Begun,
        // A target that does not answer is told by the other findings.
        Ok(None) | Err(_) => CopyCheck::Begins(copies.existing),
    }
}

impl Report {
    fn of(pipeline: &PipelineConfig) -> Self {
        Self {
            pipeline: pipeline.name.clone(),
            channel: pipeline.channel.clone(),
            from: pipeline.from.name.clone(),
            to: pipeline.to.name.clone(),
            findings: Vec::new(),
        }
    }

    async fn add_arbiter(&mut self, config: &Config, pipeline: &PipelineConfig) {
        let side = Side::target(PipelineId::new(pipeline.name.as_str()));
        match &config.arbiter.kind {
            // It is a part of the state.
            ArbiterKind::Local { .. } => {}
            ArbiterKind::MySql { url, .. } => {
                self.note(About::Arbiter, SqlArbiter::check(url, &side).await);
            }
            ArbiterKind::ZooKeeper { place } => {
                let findings = ZooKeeperArbiter::check(place, config.arbiter.lease, &side).await;
                self.note(About::Arbiter, findings);
            }
        }
    }

    async fn add_the_rest(&mut self, config: &Config, pipeline: &PipelineConfig) {
        let state = match &config.arbiter.kind {
            ArbiterKind::Local { path } => state::look(path, &pipeline.name),
            ArbiterKind::MySql { path, .. } => state::look_at_record(path),
            ArbiterKind::ZooKeeper { place } => {
                place.state().map(state::look_at_record).unwrap_or_default()
            }
        };
        self.note(About::State, state);
        self.add_databases(pipeline).await;
        // Where a database does not let us in, the start would only say so again.
        if !self.fails_in(About::Source) && !self.fails_in(About::Target) {
            self.note(About::Start, start::look(config, pipeline).await);
        }
    }

    /// The findings that keep the pipeline from running.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Noted> {
        self.findings.iter().filter(|noted| noted.finding.verdict == Verdict::Fail)
    }

    async fn add_databases(&mut self, pipeline: &PipelineConfig) {
        let filter = pipeline.mappings.filter();
        let findings = source::check_source(&pipeline.from.url, &filter).await;
        self.note(About::Source, findings);
        if pipeline.initial_copy.is_some() && !self.fails_in(About::Source) {
            let findings = otter_binlog::copy::check(&pipeline.from.url, &filter).await;
            self.note(About::Source, findings);
        }
        let tables = match source::source_tables(&pipeline.from.url, &filter).await {
            Ok(tables) => {
                self.add_unmatched(pipeline, &tables).await;
                tables
            }
            Err(error) => {
                // Where the source does not answer, that has been said.
                if !self.fails_in(About::Source) {
                    let what = "the source's tables can be read";
                    self.note(About::Source, vec![Finding::fail(what, error.to_string(), MEND)]);
                }
                Vec::new()
            }
        };
        let names: Vec<TableName> = tables.iter().map(|table| table.name.clone()).collect();
        let tables = self.map_tables(pipeline, tables);
        let check = TargetCheck {
            url: &pipeline.to.url,
            schema: SCHEMA,
            tables: &tables,
            // Two ways are not built yet.
            marks: Marks::Unread,
            ddl: pipeline.ddl,
            on_poison: pipeline.on_poison,
            copy: copy_check(pipeline).await,
        };
        self.note(About::Target, target::check_target(&check).await);
        if pipeline.initial_copy.is_some() && !self.fails_in(About::Target) {
            let urls = (&pipeline.from.url, &pipeline.to.url);
            let findings = target::check_collations(urls, &pipeline.mappings, &names);
            self.note(About::Target, Box::pin(findings).await);
        }
        self.note(About::Target, health::check(&pipeline.to.url, &pipeline.brake).await);
    }

    /// What the mapping asks for, and the source does not show.
    async fn add_unmatched(&mut self, pipeline: &PipelineConfig, tables: &[Table]) {
        let mut unmatched = pipeline.mappings.unmatched(tables.iter().map(|table| &table.name));
        if tables.is_empty() {
            // That nothing is seen has been said.
            unmatched.patterns.clear();
        }
        let findings = source::check_unmatched(&pipeline.from.url, &unmatched);
        self.note(About::Source, Box::pin(findings).await);
    }

    /// The source's tables as they are to be in the target.
    fn map_tables(&mut self, pipeline: &PipelineConfig, tables: Vec<Table>) -> Vec<Arc<Table>> {
        let mut mapped = Vec::with_capacity(tables.len());
        for table in tables {
            match pipeline.mappings.table(&Arc::new(table)) {
                Ok(route) => mapped.extend(route.iter().flat_map(TableRoute::tables).cloned()),
                Err(error) => {
                    let what = format!("{} has the columns that its mapping names", error.table());
                    let finding = Finding::fail(what, error.to_string(), MEND);
                    self.note(About::Source, vec![finding]);
                }
            }
        }
        mapped
    }

    fn note(&mut self, about: About, findings: Vec<Finding>) {
        self.findings.extend(findings.into_iter().map(|finding| Noted { about, finding }));
    }

    fn fails_in(&self, about: About) -> bool {
        self.failures().any(|noted| noted.about == about)
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Arbiter => "arbiter",
            Self::State => "state",
            Self::Start => "start",
        })
    }
}

impl fmt::Display for Noted {
    /// Writes the finding in one line, for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.finding.what)?;
        if !self.finding.detail.is_empty() {
            write!(f, ": {}", self.finding.detail)?;
        }
        match &self.finding.remedy {
            Some(remedy) => write!(f, "; to mend it: {remedy}"),
            None => Ok(()),
        }
    }
}
