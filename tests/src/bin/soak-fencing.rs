//! `scripts/soak fencing`: stale processes, frozen and woken, the full count on both servers.
//!
//! `--rounds N` per flavor and kind of arbiter (50), `--flavors mariadb,mysql`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use otter_server::sandbox::Flavor;
use otter_tests::arguments::Arguments;
use otter_tests::fencing::{Arbiters, freeze_and_wake};
use otter_tests::random::Random;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rounds = arguments.number("rounds", 50);
    let seed = Random::seed_from_environment();
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        for arbiters in [Arbiters::One, Arbiters::TwoThatBothSayYes] {
            freeze_and_wake(flavor, arbiters, rounds, seed).await;
        }
    }
    println!("every stale process was fenced, seed {seed}");
}
