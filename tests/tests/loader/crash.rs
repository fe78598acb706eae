//! A server that dies takes committed changes and their position along together, or neither.

use std::time::Duration;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{Fault, Load};
use otter_server::sandbox::Flavor;
use otter_sink::{LoaderOptions, MySqlLoader};
use otter_tests::random::Random;
use otter_tests::{query, testbed};
use tokio::sync::watch;

use crate::source::{INT, Source, insert, pair, table, update};

/// Loads until the server is gone; the source's next step is wherever the load broke off. Each step
/// that is committed is counted.
async fn load_until_it_breaks(
    loader: &MySqlLoader,
    mut source: Source,
    from: i64,
    committed: watch::Sender<u64>,
) {
    let pairs = table("shop", "pair", &[("id", INT), ("n", INT)]);
    for step in from.. {
        let events = vec![
            insert(&pairs, &[pair(step, step)]),
            update(&pairs, pair(0, step - 1), pair(0, step)),
        ];
        if let Err(error) = loader.load(source.batch(vec![events]), &lease(1)).await {
            assert_eq!(error.fault(), Fault::Transient, "{error}");
            return;
        }
        committed.send_modify(|count| *count += 1);
    }
}

async fn crash_again_and_again(flavor: Flavor) {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    let mut random = Random::new(seed);
    // Not shared: it dies.
    let mut server = testbed::server(flavor).target().start().await;
    testbed::execute(
        &server,
        "CREATE DATABASE shop; CREATE TABLE shop.pair (id INT PRIMARY KEY, n INT); \
         INSERT INTO shop.pair VALUES (0, 0)",
    )
    .await;
    let url = server.url().parse().unwrap();
    let loader = MySqlLoader::new(pipeline(), url, LoaderOptions::default());
    assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
    loader.begin(&Source::new().position(), &lease(1)).await.unwrap();
    let mut steps = 0;
    for _ in 0..5 {
        let found = loader.resume(&lease(1)).await.unwrap().unwrap();
        let mut source = Source::new();
        steps = 0;
        while source.position() != found {
            let _ = source.batch(vec![Vec::new()]);
            steps += 1;
        }
        // The position tells exactly what is in the table.
        let shown =
            "SELECT COUNT(*) - 1, MAX(id), (SELECT n FROM shop.pair WHERE id = 0) FROM shop.pair";
        let steps_as_text = steps.to_string();
        assert_eq!(query::texts(&server, shown).await, [[&*steps_as_text; 3]]);
        let (committed, mut seen) = watch::channel(0);
        let kill = async {
            // Somewhere in a step, and none of the rounds in vain.
            let goal = 1 + random.below(40);
            seen.wait_for(|count| *count >= goal).await.unwrap();
            tokio::time::sleep(Duration::from_micros(random.below(10_000))).await;
            server.kill9().unwrap();
        };
        tokio::join!(load_until_it_breaks(&loader, source, steps + 1, committed), kill);
        server.start_again().await.unwrap();
    }
    assert!(steps > 0, "something was loaded between two crashes");
    loader.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_crash_the_position_tells_what_mariadb_holds() {
    crash_again_and_again(Flavor::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_crash_the_position_tells_what_mysql_holds() {
    crash_again_and_again(Flavor::MySql).await;
}
