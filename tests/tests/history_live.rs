//! The tracked schema against real servers: random DDL, applied as the server wrote it to its
//! binlog, must give after every statement what `information_schema` tells.
//!
//! The statements are the same in every run; `OTTER_SEED` gives others, `OTTER_DDL_STATEMENTS` more.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

#[path = "history_live/definition.rs"]
mod definition;
#[path = "history_live/follower.rs"]
mod follower;
#[path = "history_live/generator.rs"]
mod generator;
#[path = "history_live/judge.rs"]
mod judge;

use otter_server::sandbox::Flavor;
use otter_tests::random::Random;
use otter_tests::testbed;

use follower::Follower;
use generator::Generator;

/// Enough that every kind of statement is accepted several times.
const STATEMENTS: usize = 500;

async fn random_ddl_is_tracked(flavor: Flavor) {
    let seed = Random::given_seed().unwrap_or(1);
    let wanted = std::env::var("OTTER_DDL_STATEMENTS").ok();
    let wanted: usize = wanted.and_then(|text| text.parse().ok()).unwrap_or(STATEMENTS);
    println!("{flavor}: OTTER_SEED={seed}");
    // Without metadata in the table maps: this is what the tracked schema is for.
    let server = testbed::server(flavor).arg("--innodb-stats-auto-recalc=OFF").start().await;
    let mut follower = Follower::start(&server, flavor, seed).await;
    let mut generator = Generator::new(flavor, Random::new(seed));
    let (mut accepted, mut refused) = (0, 0);
    while accepted < wanted {
        assert!(refused < 20 * wanted, "the server refuses nearly everything: OTTER_SEED={seed}");
        let statement = generator.next(follower.schema());
        if follower.run(&statement).await {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    follower.compare_everything().await;
    println!(
        "{flavor}: {accepted} statements followed ({refused} refused by the server), {} tables and \
         {} columns compared; kinds: {:?}",
        follower.tables_compared, follower.columns_compared, follower.kinds
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn random_ddl_on_mysql_is_tracked() {
    random_ddl_is_tracked(Flavor::MySql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_ddl_on_mariadb_is_tracked() {
    random_ddl_is_tracked(Flavor::MariaDb).await;
}
