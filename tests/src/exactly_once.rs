//! The main promise under fire: a workload runs at the source while Otter, the target and the
//! source are killed or frozen at random moments; after a drain both sides must be equal.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};

use crate::comparison;
use crate::otter::OtterProcess;
use crate::query;
use crate::random::Random;
use crate::workload::{SCHEMA, TABLES, Workload, WorkloadOptions};

/// The values of `mode` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Source order.
    Strict,
    /// Lanes.
    Fast,
    /// One after the other, at each start of `otter-server`, with other numbers of lanes.
    Changing,
}

impl Mode {
    /// The lines of the configuration of the start with this number.
    fn lines(self, start: u64) -> &'static str {
        match (self, start % 4) {
            (Self::Strict, _) | (Self::Changing, 2) => "mode = \"strict\"\n",
            (Self::Fast, _) | (Self::Changing, 0) => "mode = \"fast\"\n",
            (Self::Changing, 1) => "mode = \"fast\"\nconnections = 3\n",
            (Self::Changing, _) => "mode = \"fast\"\nconnections = 7\n",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "strict" => Ok(Self::Strict),
            "fast" => Ok(Self::Fast),
            "changing" => Ok(Self::Changing),
            other => Err(format!("{other} is not strict, fast or changing")),
        }
    }
}

/// What happens to the pipeline while the workload runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The source's kind of server.
    pub source: Flavor,
    /// The target's kind of server.
    pub target: Flavor,
    /// `kill -9` of `otter-server`.
    pub otter_kills: u64,
    /// `kill -9` of the target.
    pub target_kills: u64,
    /// `kill -9` of the source.
    pub source_kills: u64,
    /// How the target is written, as in the configuration.
    pub mode: Mode,
    /// The seed of the moments and of the workload.
    pub seed: u64,
    /// Connections of the workload.
    pub connections: u64,
    /// Transactions per second of each connection; `None` for as many as it can.
    pub rate_per_connection: Option<u64>,
}

/// What a run did.
#[derive(Debug)]
pub struct Report {
    /// Transactions that the source acknowledged.
    pub transactions: u64,
    /// How long the workload ran.
    pub took: Duration,
    /// Rows compared.
    pub rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Otter,
    Target,
    Source,
}

/// Two servers with the workload's tables and a configuration between them.
#[derive(Debug)]
pub struct Site {
    /// The source.
    pub source: Server,
    /// The target.
    pub target: Server,
    /// The configuration of the pipeline `shop` between them.
    pub config: String,
    folder: tempfile::TempDir,
}

impl Site {
    /// Starts both servers, creates the tables on both, and writes the configuration.
    pub async fn start(source: Flavor, target: Flavor) -> Self {
        let options =
            |flavor, id| ServerOptions::new(flavor, id).fast().arg("--binlog-row-metadata=FULL");
        let (source, target) =
            tokio::join!(Server::start(options(source, 1)), Server::start(options(target, 2)));
        let (source, target) =
            (source.expect("the source starts"), target.expect("the target starts"));
        source.execute(SCHEMA).await.expect("the source takes the tables");
        target.execute(SCHEMA).await.expect("the target takes the tables");
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Small groups, so that several execute at once whenever there is something to catch up.
        let config = config(&source, &target, 2_000) + "group_rows = 50\n";
        Self { source, target, config, folder }
    }

    /// The folder in which `otter-server` runs and keeps its leases.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `otter-server run` on the configuration.
    #[must_use]
    pub fn run_otter(&self) -> OtterProcess {
        OtterProcess::run(self.folder(), &self.config)
    }

    /// Writes a row at the source and waits until it is at the target: everything before it is
    /// there too.
    pub async fn drain(&self, id: u64, deadline: Duration) {
        self.source
            .execute(&format!("INSERT INTO shop.sentinel VALUES ({id})"))
            .await
            .expect("the source takes the sentinel");
        let began = Instant::now();
        let query = format!("SELECT COUNT(*) FROM shop.sentinel WHERE id = {id}");
        while query::number(&self.target, &query).await != 1 {
            assert!(began.elapsed() < deadline, "the pipeline drains within {deadline:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Compares the workload's tables; returns the number of rows.
    pub async fn assert_equal(&self) -> u64 {
        comparison::assert_tables_equal(&self.source, &self.target, &TABLES).await
    }
}

/// The configuration of one pipeline `shop` over the workload's tables.
#[must_use]
pub fn config(source: &Server, target: &Server, lease_ms: u64) -> String {
    pipeline(&source.url(), &target.url(), lease_ms)
}

/// The same without TLS, as native replication and the clients beside which Otter is measured: MySQL
/// offers TLS, and Otter takes it where its URL does not tell.
#[must_use]
pub fn plain_config(source: &Server, target: &Server, lease_ms: u64) -> String {
    let plain = |server: &Server| format!("{}/?ssl-mode=disabled", server.url());
    pipeline(&plain(source), &plain(target), lease_ms)
}

fn pipeline(source: &str, target: &str, lease_ms: u64) -> String {
    format!(
        "[arbiter]\nkind = \"local\"\nlease_ms = {lease_ms}\n\n\
         [[databases]]\nname = \"source\"\nurl = \"{source}\"\n\
         [[databases]]\nname = \"target\"\nurl = \"{target}\"\n\n\
         [[channels]]\nname = \"shop\"\n\
         [[channels.pipelines]]\nname = \"shop\"\nfrom = \"source\"\nto = \"target\"\n\
         start = \"now\"\ntables = [{{ from = \"shop.*\" }}]\n"
    )
}

/// Carries out a plan and compares both sides.
///
/// # Panics
/// Where a side differs, a process ends by itself, or the pipeline does not drain.
pub async fn carry_out(plan: &Plan) -> Report {
    println!("plan: {plan:?}");
    let mut site = Site::start(plan.source, plan.target).await;
    let config = site.config.clone();
    let mut starts = 0;
    let mut run_otter = |site: &mut Site| {
        site.config = config.clone() + plan.mode.lines(starts);
        starts += 1;
        site.run_otter()
    };
    let mut otter = run_otter(&mut site);
    // `start = "now"`: what is written before the pipeline has its first position is not its work.
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;
    let workload = Workload::start(
        &site.source.connect_options(),
        &WorkloadOptions {
            connections: plan.connections,
            seed: plan.seed,
            rate_per_connection: plan.rate_per_connection,
        },
    );
    let mut random = Random::new(plan.seed);
    let mut restarts = 0_u64;
    for (round, victim) in victims(plan, &mut random).into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(150 + random.below(850))).await;
        // Like a service manager: a process that could not reach the target at its start (it was
        // killed just then) ends and is started again; any other end is a failure.
        if let Some(code) = otter.exit_code() {
            assert!(otter.log().contains("fault=transient"), "ended with {code}:\n{}", otter.log());
            otter = run_otter(&mut site);
            restarts += 1;
        }
        match victim {
            Victim::Otter => {
                otter.kill9();
                otter = run_otter(&mut site);
            }
            Victim::Target => restart(&mut site.target).await,
            Victim::Source => restart(&mut site.source).await,
        }
        println!(
            "round {round}: {victim:?} killed, {} transactions so far",
            workload.transactions()
        );
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let totals = workload.stop().await;
    if otter.exit_code().is_some() {
        otter = run_otter(&mut site);
        restarts += 1;
    }
    site.drain(1, Duration::from_secs(120)).await;
    let rows = site.assert_equal().await;
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
    let per_second = totals.transactions.saturating_mul(1_000)
        / u64::try_from(totals.took.as_millis()).unwrap_or(1).max(1);
    println!(
        "equal: {} transactions in {:.1} s ({per_second}/s), {rows} rows compared, \
         {restarts} restarts by the service manager, seed {}",
        totals.transactions,
        totals.took.as_secs_f64(),
        plan.seed
    );
    Report { transactions: totals.transactions, took: totals.took, rows }
}

async fn restart(server: &mut Server) {
    server.kill9().expect("the server is killed");
    server.start_again().await.expect("the server starts again");
}

/// All victims of the plan in a random order.
fn victims(plan: &Plan, random: &mut Random) -> Vec<Victim> {
    let mut left = [plan.otter_kills, plan.target_kills, plan.source_kills];
    let mut order = Vec::new();
    while left.iter().sum::<u64>() > 0 {
        let mut pick = random.below(left.iter().sum());
        for (count, victim) in left.iter_mut().zip([Victim::Otter, Victim::Target, Victim::Source])
        {
            if pick < *count {
                *count -= 1;
                order.push(victim);
                break;
            }
            pick -= *count;
        }
    }
    order
}
