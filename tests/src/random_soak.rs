//! Random schemas under random work: whatever the source takes, the target must end up with.
//!
//! A seed decides the tables, the statements of every session, the schema changes, the settings of
//! the pipeline and when it is killed. How the sessions meet at the source is the server's affair, so
//! that a seed repeats the kind of story, not each of its words; those are in the logs of a run that
//! failed.

mod ddl;
mod equality;
mod kind;
mod session;
mod statement;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use otter_core::testkit::random::Random;
use otter_server::sandbox::{Flavor, Server};

use crate::exactly_once::config;
use crate::otter::OtterProcess;
use crate::query;
use crate::testbed;
use ddl::Changer;
use kind::Kinds;
pub use session::Tally;
use session::{Catalog, Session};
use table::Table;

/// Far more than a drain takes, even on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a run shall be; the seed decides the rest.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Statements of all sessions together.
    pub statements: u64,
    /// Whether schemas change; `None`: the seed decides.
    pub ddl: Option<bool>,
    /// Whether `otter-server` is killed; `None`: the seed decides.
    pub kills: Option<bool>,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The statements.
    pub tally: Tally,
    /// Schema changes that the source took.
    pub schema_changes: u64,
    /// How often `otter-server` was killed.
    pub kills: u64,
    /// Comparisons of all tables.
    pub comparisons: u64,
    /// Rows compared.
    pub rows: u64,
}

/// Two servers, for one run after the other.
#[derive(Debug)]
pub struct Stage {
    pairing: (Flavor, Flavor),
    source: Server,
    target: Server,
}

/// A run under way.
struct Run<'a> {
    stage: &'a Stage,
    folder: PathBuf,
    config: String,
    otter: OtterProcess,
    report: Report,
    random: Random,
}

impl Stage {
    /// Starts the servers.
    pub async fn start(pairing: (Flavor, Flavor)) -> Self {
        let (source, target) = testbed::start_pair(pairing).await;
        Self { pairing, source, target }
    }

    /// Whether the source has died, which is nobody's fault but its own.
    pub async fn has_lost_its_source(&self) -> bool {
        self.source.connect().await.is_err()
    }

    /// Tells where the servers are, for a look at them by hand.
    #[must_use]
    pub fn place(&self) -> String {
        format!("source {}, target {}", self.source.url(), self.target.url())
    }

    /// Carries out a plan.
    ///
    /// # Errors
    /// What is wrong, and where the statements are.
    ///
    /// # Panics
    /// Where a server fails.
    pub async fn carry_out(&self, plan: &Plan) -> Result<Report, String> {
        println!("{} to {}: {plan:?}", self.pairing.0, self.pairing.1);
        self.clear().await;
        let (source, target) = self.pairing;
        let name = format!("otter-random-{source}-{target}-{}", plan.seed);
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let mut random = Random::new(plan.seed);
        let changes_schemas = plan.ddl.unwrap_or(random.chance(50));
        self.set_up(&mut random).await;
        let config = self.config(changes_schemas, &mut random);
        let mut otter = OtterProcess::run(&folder, &config);
        otter.wait_for_log("pipeline running", DEADLINE).await;
        let report = Report::default();
        let mut run = Run { stage: self, folder: folder.clone(), config, otter, report, random };
        match run.tell(plan, changes_schemas).await {
            Ok(()) => {
                run.otter.terminate_and_expect_success(DEADLINE).await;
                let _ = std::fs::remove_dir_all(&folder);
                Ok(run.report)
            }
            Err(error) => {
                let log = run.otter.log();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
                Err(format!(
                    "{error}\n{}\nstatements and log: {}",
                    tail.join("\n"),
                    folder.display()
                ))
            }
        }
    }

    /// Makes both servers as they were at their start.
    async fn clear(&self) {
        let make = "DROP DATABASE IF EXISTS otter; DROP DATABASE IF EXISTS shop; \
                    CREATE DATABASE shop CHARACTER SET utf8mb4; \
                    CREATE TABLE shop.sentinel (id BIGINT PRIMARY KEY)";
        tokio::join!(testbed::execute(&self.source, make), testbed::execute(&self.target, make));
    }

    /// How the source writes its binlog.
    async fn set_up(&self, random: &mut Random) {
        let metadata = if random.chance(70) { "FULL" } else { "MINIMAL" };
        let mut text = format!("SET GLOBAL binlog_row_metadata = {metadata}");
        if self.pairing.0 == Flavor::MariaDb {
            let compress = u8::from(random.chance(25));
            text.push_str(&format!(
                "; SET GLOBAL log_bin_compress = {compress}; SET GLOBAL log_bin_compress_min_len = 10"
            ));
        }
        println!("{text}");
        testbed::execute(&self.source, &text).await;
    }

    fn config(&self, changes_schemas: bool, random: &mut Random) -> String {
        let ddl = if changes_schemas { "apply" } else { "skip" };
        let connections = 1 + random.below(4);
        let group_rows = *random.choose(&[5, 50, 50, 2_000]);
        let memory = *random.choose(&[8, 64]);
        format!(
            "{}ddl = \"{ddl}\"\nconnections = {connections}\ngroup_rows = {group_rows}\n\
             memory_mb = {memory}\n",
            config(&self.source, &self.target, 10_000)
        )
    }
}

impl Run<'_> {
    async fn tell(&mut self, plan: &Plan, changes_schemas: bool) -> Result<(), String> {
        let (source, target) = self.stage.pairing;
        let kinds = Kinds::of(source, target);
        let catalog = Catalog::default();
        self.make_tables(&kinds, &catalog, changes_schemas).await;
        let phases = 2 + self.random.below(3);
        let share =
            i64::try_from(plan.statements).unwrap_or(i64::MAX) / i64::try_from(phases).unwrap_or(1);
        let mut sessions = Vec::new();
        for number in 0..2 + self.random.below(5) {
            let log = self.folder.join(format!("session-{number}.sql"));
            sessions.push(Session::open(&self.stage.source, self.random.split(), &log).await);
        }
        let log = self.folder.join("schema.sql");
        let changer = Session::open(&self.stage.source, self.random.split(), &log).await;
        let mut changer = Changer::new(changer, kinds);
        let is_killed = plan.kills.unwrap_or(self.random.chance(40));
        for phase in 0..phases {
            let allowance = Arc::new(AtomicI64::new(share));
            let workers: Vec<_> = sessions
                .drain(..)
                .map(|it| tokio::spawn(it.work(catalog.clone(), Arc::clone(&allowance))))
                .collect();
            let stop = Arc::new(AtomicBool::new(!changes_schemas));
            let changing = tokio::spawn(changer.work(catalog.clone(), Arc::clone(&stop)));
            while is_killed && allowance.load(Ordering::Relaxed) > 0 {
                self.kill(&allowance).await?;
            }
            for worker in workers {
                sessions.push(worker.await.map_err(|error| error.to_string())?);
            }
            stop.store(true, Ordering::Relaxed);
            changer = changing.await.map_err(|error| error.to_string())?;
            self.drain(phase).await?;
            let same = source == target;
            let stage = self.stage;
            self.report.rows += equality::compare_all(&stage.source, &stage.target, same).await?;
            self.report.comparisons += 1;
        }
        for session in sessions {
            self.report.tally.add(&session.close().await);
        }
        self.report.schema_changes = changer.changes;
        self.report.tally.add(&changer.session.close().await);
        Ok(())
    }

    /// Makes a few tables: at both sides, or by the pipeline.
    async fn make_tables(&mut self, kinds: &Kinds, catalog: &Catalog, changes_schemas: bool) {
        let mut made: Vec<Table> = Vec::new();
        let count = 2 + self.random.below(4);
        while made.len() < count {
            let name = format!("t{}", made.len());
            let table = Table::any(name, kinds, &made, &mut self.random);
            let text = format!("USE shop; SET SESSION sql_mode = ''; {}", table.create());
            // A row that is too long, for example: another table is as good.
            if let Err(error) = self.stage.source.execute(&text).await {
                println!("not made: {error}: {}", table.create());
                continue;
            }
            if !changes_schemas {
                testbed::execute(&self.stage.target, &text).await;
            }
            made.push(table);
        }
        let texts: Vec<String> = made.iter().map(|table| table.create() + ";\n").collect();
        let log = self.folder.join("tables.sql");
        std::fs::write(log, texts.concat()).expect("the tables can be written down");
        catalog.change(|tables| tables.extend(made.into_iter().map(Arc::new)));
    }

    /// Kills the pipeline after a while and starts it again.
    async fn kill(&mut self, allowance: &AtomicI64) -> Result<(), String> {
        let pause = Duration::from_millis(self.random.number() % 2_500);
        let began = Instant::now();
        while began.elapsed() < pause && allowance.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.require_otter()?;
        self.otter.kill9();
        self.otter = OtterProcess::run(&self.folder, &self.config);
        self.report.kills += 1;
        Ok(())
    }

    fn require_otter(&mut self) -> Result<(), String> {
        match self.otter.exit_code() {
            None => Ok(()),
            Some(code) => Err(format!("otter-server ended with {code}")),
        }
    }

    /// Waits until everything that the source has done is done at the target.
    async fn drain(&mut self, id: usize) -> Result<(), String> {
        let sentinel = format!("INSERT INTO shop.sentinel VALUES ({id})");
        testbed::execute(&self.stage.source, &sentinel).await;
        let began = Instant::now();
        let query = format!("SELECT COUNT(*) FROM shop.sentinel WHERE id = {id}");
        while query::number(&self.stage.target, &query).await != 1 {
            self.require_otter()?;
            if began.elapsed() > DEADLINE {
                return Err(format!("the pipeline does not drain within {DEADLINE:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
