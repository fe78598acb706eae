//! A pipeline inside an application, with a transform of its own.
//!
//! `embedded SOURCE_URL TARGET_URL DATABASE` copies what changes in a database, without the tables
//! whose names begin with `tmp_`, until Ctrl-C. The target must have the same tables.
#![allow(clippy::print_stdout, reason = "a program tells its user how far it came")]

use std::sync::Arc;

use otter_arbitrate::LocalArbiter;
use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Batch, Event, Pipeline, PipelineId, Result, Start, StopHandle, Transform};
use otter_sink::{DdlPolicy, LoaderOptions, MySqlLoader};

/// Leaves temporary tables out.
#[derive(Debug)]
struct WithoutTemporary;

impl Transform for WithoutTemporary {
    fn transform(&self, mut batch: Batch) -> Result<Batch> {
        for transaction in &mut batch.transactions {
            transaction.events.retain(|event| {
                let Event::Rows(rows) = event else { return true };
                !rows.table().name.table.starts_with("tmp_")
            });
        }
        Ok(batch)
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, database] = arguments.as_slice() else {
        return Err("usage: embedded SOURCE_URL TARGET_URL DATABASE".into());
    };
    let database = database.clone();
    let id = PipelineId::new("embedded");

    let filter = Arc::new(move |table: &otter_core::TableName| *table.database == *database);
    let selector = BinlogSelector::new(SelectorOptions::new(source.parse()?, filter));
    let mut options = LoaderOptions::default();
    options.ddl = DdlPolicy::Skip.into();
    let loader = MySqlLoader::new(id.clone(), target.parse()?, options);
    let arbiter = Arc::new(LocalArbiter::open("otter-state").map_err(otter_core::Error::from)?);

    let (handle, stop) = StopHandle::new();
    let pipeline =
        Pipeline::new(id, arbiter, selector, loader).transform(WithoutTemporary).start(Start::Now);
    tokio::spawn(async move {
        // Without a signal handler there is only `kill`, after which nothing is lost either.
        let _ = tokio::signal::ctrl_c().await;
        handle.stop();
    });
    let progress = pipeline.run(stop).await?;
    println!("{} rows, now at {}", progress.rows, progress.position_text());
    Ok(())
}
