//! `scripts/soak storm`: invariants that every reader of the target must find, in a storm of
//! writes, schema changes, locks and kills.
//!
//! `--seconds N` (600) of each of `--pairs mariadb-mariadb,mysql-mysql`; `--ddl-ms N` (400) between
//! schema changes and `--kill-ms N` (4000) between kills, 0 for none; `--intruders N` (3); `--pause-ms N` (2)
//! of each session between transactions; `--mode fast` (strict), where only the end is judged.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::arguments::Arguments;
use otter_tests::exactly_once::Mode;
use otter_tests::random::Random;
use otter_tests::storm::{Plan, carry_out};

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let pause = |name: &str, default| match arguments.number(name, default) {
        0 => None,
        pause => Some(Duration::from_millis(pause)),
    };
    let seed = Random::seed_from_environment();
    let mode: Mode = arguments.text("mode", "strict").parse().expect("strict or fast");
    let mut snapshots = 0;
    let usual = [(Flavor::MariaDb, Flavor::MariaDb), (Flavor::MySql, Flavor::MySql)];
    for pairing in arguments.pairings(&usual) {
        let plan = Plan {
            pairing,
            mode,
            seed,
            duration: Duration::from_secs(arguments.number("seconds", 600)),
            pause: pause("pause-ms", 2).unwrap_or_default(),
            schema_changes: pause("ddl-ms", 400),
            intruders: usize::try_from(arguments.number("intruders", 3)).expect("a small number"),
            kills: pause("kill-ms", 4_000),
        };
        snapshots += carry_out(&plan).await.snapshots;
    }
    let verdict = if mode == Mode::Strict { "none of them wrong" } else { "equal in the end" };
    println!("{snapshots} snapshots, {verdict}, seed {seed}");
}
