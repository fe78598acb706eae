//! MySQL, since 9.6, logs what its foreign keys do: the target does that, and nothing of its own.

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::scene::Scene;
use otter_tests::testbed::{self, execute};

const DEADLINE: Duration = Duration::from_secs(60);

const TABLES: &str = "
    CREATE TABLE shop.parent (id INT PRIMARY KEY, u INT UNIQUE, v INT);
    CREATE TABLE shop.kept (id INT PRIMARY KEY, p INT,
        FOREIGN KEY (p) REFERENCES parent (id) ON DELETE RESTRICT);
    CREATE TABLE shop.emptied (id INT PRIMARY KEY, p INT,
        FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE SET NULL);
    CREATE TABLE shop.carried (id INT PRIMARY KEY, p INT,
        FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE shop.grandchild (id INT PRIMARY KEY, c INT,
        FOREIGN KEY (c) REFERENCES carried (id) ON DELETE CASCADE)";

const STORY: [&str; 8] = [
    "INSERT INTO shop.parent VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0), (5, 5, 0)",
    "INSERT INTO shop.kept VALUES (1, 1)",
    "INSERT INTO shop.emptied VALUES (1, 1), (2, 2), (3, 3), (4, 4)",
    "INSERT INTO shop.carried VALUES (1, 1), (2, 2), (3, 3), (4, 4); \
     INSERT INTO shop.grandchild VALUES (1, 1), (2, 2), (3, 3), (4, 4)",
    // The parent keeps its key, and so do its children; it is logged as DELETE and INSERT.
    "REPLACE INTO shop.parent VALUES (1, 1, 7), (2, 2, 7)",
    // Another row has to go for it.
    "REPLACE INTO shop.parent VALUES (2, 5, 8)",
    "DELETE FROM shop.parent WHERE id = 3",
    "UPDATE shop.parent SET id = 40 WHERE id = 4",
];

async fn children_are_as_at_the_source(target: Flavor) {
    let (source, target) = testbed::start_pair((Flavor::MySql, target)).await;
    let scene = Scene::on(source, target).await;
    execute(&scene.source, TABLES).await;
    execute(&scene.target, TABLES).await;
    let mut otter = scene.run().await;
    for statement in STORY {
        execute(&scene.source, statement).await;
    }
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'last', 0)").await;
    scene.wait_for_items(1).await;
    let tables = ["shop.parent", "shop.kept", "shop.emptied", "shop.carried", "shop.grandchild"];
    // 3 parents, 1 kept, 4 emptied, 3 carried and 3 of theirs.
    assert_eq!(assert_tables_equal(&scene.source, &scene.target, &tables).await, 14);
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_are_left_alone_where_mysql_left_them_alone() {
    children_are_as_at_the_source(Flavor::MySql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_does_to_children_what_mysql_did() {
    children_are_as_at_the_source(Flavor::MariaDb).await;
}
