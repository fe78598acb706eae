//! An installation: two database servers, an arbiter, several processes, and a load.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use otter_core::{PipelineId, Side};
use otter_server::sandbox::Server;
use tokio::time::{Instant, sleep};

use super::Setup;
use super::arbiter_servers::ArbiterServers;
use super::load::{Load, TABLES, schema};
use super::machine::{Lines, Machine};
use crate::comparison::assert_tables_equal;
use crate::query::number;
use crate::testbed::{self, execute};
use crate::wait::wait_until;

/// Far more than it takes to share everything out and to catch up, even on a loaded machine.
const TO_SETTLE: Duration = Duration::from_secs(90);
const TO_DRAIN: Duration = Duration::from_secs(90);
/// A look asks the arbiter and reads all logs.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// How long the processes may take to end.
const TO_END: Duration = Duration::from_secs(60);

/// The name of a pipeline.
pub(super) fn pipeline(number: usize) -> String {
    format!("p{number:02}")
}

/// The name of its database, on both sides.
pub(super) fn database(number: usize) -> String {
    format!("d{number:02}")
}

/// Who holds each pipeline: the number of a machine.
pub(super) type Holders = Vec<usize>;

/// Everything that a round is about.
#[derive(Debug)]
pub(super) struct Installation {
    pub(super) target: Server,
    pub(super) arbiter: ArbiterServers,
    pub(super) machines: Vec<Machine>,
    pub(super) lease: Duration,
    source: Server,
    load: Load,
    sides: Vec<Side>,
    drains: u64,
}

impl Installation {
    /// Starts everything, and the load as soon as all pipelines have begun.
    pub(super) async fn start(setup: &Setup) -> Self {
        let ((source, target), arbiter) = tokio::join!(
            testbed::start_pair(setup.pairing),
            Box::pin(ArbiterServers::start(setup.arbiter, setup.pairing.0)),
        );
        for number in 0..setup.pipelines {
            let tables = schema(&database(number));
            execute(&source, &tables).await;
            execute(&target, &tables).await;
        }
        let mut machines = Vec::with_capacity(setup.processes);
        for _ in 0..setup.processes {
            let to_arbiter = Lines::start(&arbiter.ports()).await;
            let to_databases = Lines::start(&[source.port(), target.port()]).await;
            let lines = arbiter.config_lines(&to_arbiter.ports());
            let config = config(setup, (&source, &target), (&to_databases.ports(), &lines));
            machines.push(Machine::start(config, to_arbiter, to_databases));
        }
        let sides = (0..setup.pipelines).map(|n| Side::target(PipelineId::new(pipeline(n))));
        let sides = sides.collect();
        // What is written before a pipeline has its first position is not its work.
        let has_begun = "SELECT COUNT(*) FROM otter.checkpoint WHERE resume_from IS NOT NULL";
        let all = u64::try_from(setup.pipelines).unwrap_or(u64::MAX);
        wait_until("all pipelines begin", TO_SETTLE, async || {
            let looked_for = "SELECT COUNT(*) FROM information_schema.tables \
                              WHERE table_schema = 'otter' AND table_name = 'checkpoint'";
            number(&target, looked_for).await == 1 && number(&target, has_begun).await == all
        })
        .await;
        let load = (setup.rate, setup.seed);
        let load = Load::start(&source.connect_options(), setup.pipelines, load);
        let lease = setup.lease;
        Self { target, arbiter, machines, lease, source, load, sides, drains: 0 }
    }

    /// Waits until every pipeline is held by one process and runs there and nowhere else, and all
    /// have equally many, but for the remainder.
    ///
    /// # Panics
    /// Where it does not come to that, or a process has met more than the loss of leases.
    pub(super) async fn settle(&mut self) -> Holders {
        let deadline = Instant::now() + TO_SETTLE;
        loop {
            for machine in &mut self.machines {
                machine.assert_sound();
            }
            match self.look().await {
                Ok(holders) => return holders,
                Err(why) => assert!(Instant::now() < deadline, "not settled: {why}"),
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Who holds what, where the arbiter and all processes agree.
    async fn look(&self) -> Result<Holders, String> {
        let status = self.arbiter.status(&self.sides).await;
        let status = status.ok_or("the arbiter does not answer")?;
        let mut holders = Vec::with_capacity(self.sides.len());
        for (number, held) in status.sides.iter().enumerate() {
            let name = pipeline(number);
            let holder = held.as_ref().ok_or_else(|| format!("nobody holds {name}"))?;
            let holder = &holder.holder.name;
            let is_theirs =
                |machine: &Machine| holder.ends_with(&format!("process {}", machine.otter.id()));
            let index = self.machines.iter().position(is_theirs);
            holders.push(index.ok_or_else(|| format!("a dead process holds {name}: {holder}"))?);
        }
        for (index, machine) in self.machines.iter().enumerate() {
            let held = self.held_by(&holders, index);
            let expected: BTreeMap<String, bool> =
                held.iter().map(|number| (pipeline(*number), true)).collect();
            let believed = machine.holds();
            if believed != expected {
                return Err(format!("machine {index} has {believed:?}, and should {expected:?}"));
            }
        }
        let counts = (0..self.machines.len()).map(|index| self.held_by(&holders, index).len());
        let counts: Vec<usize> = counts.collect();
        let (fewest, most) = (counts.iter().min(), counts.iter().max());
        match (fewest, most) {
            (Some(fewest), Some(most)) if most - fewest <= 1 => Ok(holders),
            _ => Err(format!("shares of {counts:?}")),
        }
    }

    /// The pipelines that a machine holds.
    pub(super) fn held_by(&self, holders: &[usize], machine: usize) -> Vec<usize> {
        let held = holders.iter().enumerate().filter(|(_, holder)| **holder == machine);
        held.map(|(number, _)| number).collect()
    }

    /// Holds the load until all that was written has arrived, and compares everything; returns the
    /// number of rows.
    ///
    /// # Panics
    /// Where it does not arrive, or not once.
    pub(super) async fn drain_and_compare(&mut self) -> u64 {
        let held = self.load.hold().await;
        self.drain().await;
        let mut rows = 0;
        for number in 0..self.sides.len() {
            let database = database(number);
            let tables = TABLES.map(|table| format!("{database}.{table}"));
            let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
            rows += assert_tables_equal(&self.source, &self.target, &tables).await;
        }
        // Both sides could be wrong in the same way: the load knows what it has written.
        let count = |number: usize| format!("(SELECT COUNT(*) FROM {}.journal)", database(number));
        let counts: Vec<String> = (0..self.sides.len()).map(count).collect();
        let counts = format!("SELECT CONCAT_WS(',', {})", counts.join(", "));
        let written: Vec<String> = (0..self.sides.len())
            .map(|number| self.load.journal_rows(number).to_string())
            .collect();
        let found = crate::query::text(&self.target, &counts).await;
        assert_eq!(found, written.join(","), "the rows of the journals at the target");
        drop(held);
        rows
    }

    /// Writes a row for each pipeline, and waits until all have arrived: everything before them
    /// is there too. Tells how long it took.
    ///
    /// # Panics
    /// Where they do not arrive.
    pub(super) async fn drain(&mut self) -> Duration {
        self.drains += 1;
        let id = self.drains;
        let (mut rows, mut counts) = (String::new(), Vec::new());
        for number in 0..self.sides.len() {
            let table = format!("{}.sentinel", database(number));
            // Writing to a string cannot fail.
            let _ = write!(rows, "INSERT INTO {table} VALUES ({id});");
            counts.push(format!("(SELECT COUNT(*) FROM {table} WHERE id = {id})"));
        }
        let began = Instant::now();
        execute(&self.source, &rows).await;
        let query = format!("SELECT {}", counts.join(" + "));
        let all = u64::try_from(self.sides.len()).unwrap_or(u64::MAX);
        let arrived = async || number(&self.target, &query).await == all;
        wait_until("everything arrives", TO_DRAIN, arrived).await;
        began.elapsed()
    }

    /// Ends the load and all processes in order; returns how many transactions were written.
    ///
    /// # Panics
    /// Where a process does not end well.
    pub(super) async fn end(mut self) -> u64 {
        self.drain_and_compare().await;
        let Self { load, mut machines, .. } = self;
        let transactions = load.end().await;
        for machine in &mut machines {
            machine.otter.terminate_and_expect_success(TO_END).await;
        }
        transactions
    }
}

/// The configuration of one machine, which reaches everything over lines of its own.
fn config(
    setup: &Setup,
    (source, target): (&Server, &Server),
    (ports, arbiter): (&[u16], &str),
) -> String {
    let url = |server: &Server, at: usize| {
        let url = server.url();
        let (before, _) = url.rsplit_once(':').expect("the URL names a port");
        format!("{before}:{}", ports[at])
    };
    let mut config = format!(
        "[arbiter]\n{arbiter}lease_ms = {}\n\n\
         [[databases]]\nname = \"source\"\nurl = \"{}\"\n\
         [[databases]]\nname = \"target\"\nurl = \"{}\"\n\n[[channels]]\nname = \"all\"\n",
        setup.lease.as_millis(),
        url(source, 0),
        url(target, 1)
    );
    for number in 0..setup.pipelines {
        // Writing to a string cannot fail.
        let _ = write!(
            config,
            "[[channels.pipelines]]\nname = \"{}\"\nfrom = \"source\"\nto = \"target\"\n\
             start = \"now\"\nconnections = 2\ntables = [ {{ from = \"{}.*\" }} ]\n",
            pipeline(number),
            database(number)
        );
    }
    config
}
