//! Two servers of which only the source has tables, and the pipeline that copies them.

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{execute, start_pair};
use otter_tests::wait::wait_until;

/// The rights that an initial copy needs, as docs/operations.md says.
const RIGHTS: &str = "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, CREATE, REFERENCES ON store.* \
    TO otter@'%'";

/// A source with the database `store` and a target without it.
pub(crate) async fn shelf(pairing: (Flavor, Flavor)) -> Scene {
    let (source, target) = start_pair(pairing).await;
    on(Scene::on(source, target).await).await
}

/// The same on servers that run already.
pub(crate) async fn on(mut scene: Scene) -> Scene {
    execute(
        &scene.source,
        "CREATE DATABASE store CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; \
         GRANT SELECT ON store.* TO otter@'%'",
    )
    .await;
    execute(&scene.target, RIGHTS).await;
    scene.replace("start = \"now\"\n", "initial_copy = true\n");
    scene.replace("shop.*", "store.*");
    scene
}

/// Whether all tables are copied, by the record in the target.
pub(crate) async fn is_finished(scene: &Scene) -> bool {
    let query = "SELECT COUNT(*) = SUM(`state` = 'done') FROM otter.`copy`";
    number(&scene.target, query).await == 1
}

/// Waits until all tables are copied.
pub(crate) async fn wait_for_copy(scene: &Scene, otter: &OtterProcess) {
    wait_until("all tables are copied", 2 * DEADLINE, async || {
        let log = otter.log();
        assert!(!log.contains("halted"), "{log}");
        is_finished(scene).await
    })
    .await;
}

/// Writes a row at the source and waits until it is at the target.
pub(crate) async fn drain(scene: &Scene, otter: &OtterProcess, id: u64) {
    execute(&scene.source, &format!("INSERT INTO store.sentinel VALUES ({id})")).await;
    let query = format!("SELECT COUNT(*) FROM store.sentinel WHERE id = {id}");
    wait_until("the sentinel arrives", 2 * DEADLINE, async || {
        let log = otter.log();
        assert!(!log.contains("halted"), "{log}");
        number(&scene.target, &query).await == 1
    })
    .await;
}

/// How long a kill waits.
pub(crate) fn pause(below: u64, random: &mut otter_tests::random::Random) -> Duration {
    Duration::from_millis(40 + random.below(below))
}
