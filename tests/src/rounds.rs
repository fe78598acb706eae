//! Rounds of mishaps: several `otter-server` with one configuration share pipelines under load, while
//! their processes, their lines and their arbiter break, one thing in each round.
//!
//! After each round all is drained: every row must be at the target once, every pipeline in the hands
//! of one process that runs it, and every process that lost a lease must have been fenced. Where a
//! mishap takes a holder away, another one must have taken the target over within the lease and
//! five seconds.

mod arbiter_servers;
mod installation;
mod load;
mod machine;
mod mishap;
mod restart;
mod round;
mod takeover;

use std::collections::BTreeMap;
use std::time::Duration;

use otter_server::sandbox::Flavor;
use tokio::time::{Instant, sleep};

pub use arbiter_servers::ArbiterIn;
use installation::Installation;
pub use mishap::Mishap;
pub use restart::{RestartReport, rolling_restart};

use crate::random::Random;

/// What a take-over may take beyond the lease.
const GRACE: Duration = Duration::from_secs(5);
/// Long enough for some rows to be under way whenever something happens.
const LONGEST_CALM_MS: u64 = 1_500;

/// How an installation is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the leases are kept.
    pub arbiter: ArbiterIn,
    /// The kinds of servers of source and target.
    pub pairing: (Flavor, Flavor),
    /// How long a lease lasts.
    pub lease: Duration,
    /// How many pipelines there are, each over a database of its own; at most 100.
    pub pipelines: usize,
    /// How many processes share them.
    pub processes: usize,
    /// Transactions per second over all pipelines.
    pub rate: u32,
    /// The seed of everything that is left to chance.
    pub seed: u64,
}

/// What is to happen.
#[derive(Debug, Clone)]
pub struct Plan {
    /// To what it happens.
    pub setup: Setup,
    /// How many mishaps.
    pub rounds: usize,
    /// Of which kinds; each comes as often as every other, as far as the number of rounds allows.
    pub mishaps: Vec<Mishap>,
    /// How long the arbiter is away, longer than a lease.
    pub outage: Duration,
}

/// What has happened.
#[derive(Debug, Default)]
pub struct Report {
    /// How often, by kind.
    pub rounds: BTreeMap<&'static str, u64>,
    /// The longest take-over of each kind that has some.
    pub longest_take_overs: BTreeMap<&'static str, Duration>,
    /// Take-overs measured, one for each pipeline that had lost its holder.
    pub take_overs: u64,
    /// Pipelines that were fenced in a process that had lost their leases.
    pub fenced: u64,
    /// Transactions that the source acknowledged.
    pub transactions: u64,
    /// Rows compared, in all drains together.
    pub rows: u64,
}

/// Carries out a plan.
///
/// # Panics
/// Where a promise is broken; the logs of all processes are kept then.
pub async fn carry_out(plan: &Plan) -> Report {
    println!("{plan:?}");
    let mut random = Random::new(plan.setup.seed);
    let mut here = Box::pin(Installation::start(&plan.setup)).await;
    let mut report = Report::default();
    let began = Instant::now();
    let mut holders = here.settle().await;
    for (round, mishap) in deal(plan, &mut random).into_iter().enumerate() {
        // Pace, not waiting: rows are under way when something happens.
        sleep(Duration::from_millis(random.below(LONGEST_CALM_MS))).await;
        println!("round {round} at {:.0} s: {mishap}", began.elapsed().as_secs_f64());
        let outcome = Box::pin(here.befall(mishap, plan.outage, &holders, &mut random)).await;
        let rows = here.drain_and_compare().await;
        holders = here.settle().await;
        println!("  {outcome}; {rows} rows equal");
        report.rows += rows;
        report.add(mishap, &outcome);
    }
    report.transactions = here.end().await;
    println!("{report}");
    report
}

/// The kinds of all rounds, in a random order.
fn deal(plan: &Plan, random: &mut Random) -> Vec<Mishap> {
    let kinds: Vec<Mishap> =
        plan.mishaps.iter().copied().filter(|mishap| mishap.befalls(plan.setup.arbiter)).collect();
    assert!(!kinds.is_empty(), "no kind of round is left");
    let mut rounds = Vec::with_capacity(plan.rounds);
    while rounds.len() < plan.rounds {
        let mut left = kinds.clone();
        while !left.is_empty() {
            let pick = random.below(u64::try_from(left.len()).unwrap_or(1));
            rounds.push(left.swap_remove(usize::try_from(pick).unwrap_or(0)));
        }
    }
    rounds.truncate(plan.rounds);
    rounds
}

impl Report {
    fn add(&mut self, mishap: Mishap, outcome: &round::Outcome) {
        *self.rounds.entry(mishap.word()).or_default() += 1;
        self.fenced += outcome.fenced;
        self.take_overs += outcome.take_overs;
        if let Some(took) = outcome.longest_take_over {
            let longest = self.longest_take_overs.entry(mishap.word()).or_default();
            *longest = took.max(*longest);
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (word, count) in &self.rounds {
            write!(f, "{count:>6} × {word}")?;
            match self.longest_take_overs.get(word) {
                Some(took) => writeln!(f, ", longest take-over {:.2} s", took.as_secs_f64())?,
                None => writeln!(f)?,
            }
        }
        write!(
            f,
            "{} take-overs, {} stale writers fenced, {} transactions, {} rows compared: all equal",
            self.take_overs, self.fenced, self.transactions, self.rows
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arbiter: ArbiterIn, rounds: usize) -> Plan {
        let setup = Setup {
            arbiter,
            pairing: (Flavor::MariaDb, Flavor::MySql),
            lease: Duration::from_secs(4),
            pipelines: 12,
            processes: 3,
            rate: 50,
            seed: 1,
        };
        Plan { setup, rounds, mishaps: Mishap::ALL.to_vec(), outage: Duration::from_secs(6) }
    }

    #[test]
    fn every_kind_has_its_turn_and_the_order_is_the_seeds() {
        let plan = plan(ArbiterIn::ZooKeeper, 2 * Mishap::ALL.len());
        let rounds = deal(&plan, &mut Random::new(7));
        for mishap in Mishap::ALL {
            let count = rounds.iter().filter(|dealt| **dealt == mishap).count();
            assert_eq!(count, 2, "{mishap}");
        }
        assert_eq!(rounds, deal(&plan, &mut Random::new(7)));
        assert_ne!(rounds, deal(&plan, &mut Random::new(8)));
    }

    #[test]
    fn a_database_has_no_subtree() {
        let rounds = deal(&plan(ArbiterIn::Database, 40), &mut Random::new(7));
        assert_eq!(rounds.len(), 40);
        assert!(!rounds.contains(&Mishap::SubtreeDeleted));
    }
}
