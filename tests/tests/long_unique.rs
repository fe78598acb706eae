//! MariaDB's unique keys over more than a key holds: a hidden column in the source's binlog.

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{self, execute};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_with_a_unique_blob_arrive() {
    for target in testbed::FLAVORS {
        let (source, target) = testbed::start_pair((Flavor::MariaDb, target)).await;
        let scene = Scene::on(source, target).await;
        for (server, keys) in [(&scene.source, ", UNIQUE (b), UNIQUE (t)"), (&scene.target, "")] {
            let table = format!(
                "CREATE TABLE shop.long_key (id INT PRIMARY KEY, b BLOB, t TEXT CHARACTER SET utf8mb4{keys});
                 CREATE TABLE shop.no_key (id INT, b BLOB{})",
                keys.replace(", UNIQUE (t)", "")
            );
            execute(server, &table).await;
        }
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.long_key VALUES (1, 'a', 'A'), (2, NULL, 'B'), (3, 'c', NULL), (4, 'd', 'D');
             UPDATE shop.long_key SET b = REPEAT('b', 9000), t = 'b' WHERE id = 2;
             DELETE FROM shop.long_key WHERE id = 1;
             REPLACE INTO shop.long_key VALUES (5, 'c', 'e');
             INSERT INTO shop.no_key VALUES (1, 'a'), (2, 'b');
             UPDATE shop.no_key SET b = 'c' WHERE id = 1; DELETE FROM shop.no_key WHERE id = 2;
             INSERT INTO shop.item VALUES (1, 'last', 0)",
        )
        .await;
        scene.wait_for_items(1).await;
        let tables = ["shop.long_key", "shop.no_key"];
        assert_eq!(assert_tables_equal(&scene.source, &scene.target, &tables).await, 4);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Nothing in such a binlog tells a hidden column from one that was added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_carry_their_definition_halt_with_the_remedy() {
    let pairing = (Flavor::MariaDb, Flavor::MariaDb);
    let (source, target) = testbed::start_pair(pairing).await;
    execute(&source, "SET GLOBAL binlog_row_metadata = MINIMAL").await;
    let scene = Scene::on(source, target).await;
    for server in [&scene.source, &scene.target] {
        execute(server, "CREATE TABLE shop.long_key (id INT PRIMARY KEY, b BLOB, UNIQUE (b))")
            .await;
    }
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO shop.long_key VALUES (1, 'a')").await;
    assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(3));
    let log = otter.log();
    assert!(log.contains("UNIQUE key of MariaDB's over a BLOB"), "{log}");
    assert!(log.contains("SET GLOBAL binlog_row_metadata = FULL"), "{log}");
}
