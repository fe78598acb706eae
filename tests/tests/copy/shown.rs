//! How far a copy is, as `otter-server copy` tells it.

use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::scene::{DEADLINE, Scene, assert_clean};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::execute;
use otter_tests::wait::wait_until;
use serde_json::Value;

async fn told(scene: &Scene) -> Value {
    let ended = scene.command(&["copy", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    all[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_copy_is_can_be_seen() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    let rows: Vec<String> = (1..=3_000).map(|id| format!("({id}, 'x', 1)")).collect();
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES {}", rows.join(","))).await;
    scene.write_config();
    assert_eq!(told(&scene).await["state"], "none");

    scene.replace("start = \"now\"", "initial_copy = true\nrows_per_second = 200");
    let mut otter = scene.run().await;
    wait_until("the table is half copied", DEADLINE, async || {
        let report = told(&scene).await;
        let tables = report["tables"].as_array().expect("tables");
        tables.iter().any(|table| {
            table["table"] == "shop.item"
                && table["state"] == "copying"
                && table["rows"].as_u64().is_some_and(|rows| rows < 3_000)
        })
    })
    .await;
    assert_eq!(told(&scene).await["state"], "copying");
    let text = scene.command(&["copy", "shop"]).await.stdout;
    assert!(text.starts_with("pipeline shop: ") && text.contains(" tables, "), "{text}");
    assert!(text.contains("  shop.item  copying, "), "{text}");

    // Whoever follows sees its end.
    let folder = scene.folder().to_owned();
    let following = tokio::spawn(async move {
        let follow = ["copy", "--follow", "-c", "otter.toml"];
        OtterProcess::run_to_end(&folder, &follow, DEADLINE).await
    });
    scene.replace("\nrows_per_second = 200", "");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
    let ended = following.await.expect("it ends");
    assert_clean(&ended);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("  shop.item  done, 3000 rows, 25.2 KiB"), "{ended:?}");
    let report = told(&scene).await;
    assert_eq!(report["state"], "done");
    let tables = report["tables"].as_array().expect("tables");
    let item = tables.iter().find(|table| table["table"] == "shop.item").expect("the table");
    // The digits of the keys, and `x` and `1.00` in each row.
    let digits: usize = (1..=3_000).map(|id: u32| id.to_string().len()).sum();
    assert_eq!(item["bytes"], digits + 5 * 3_000, "{item}");
    otter.terminate_and_expect_success(DEADLINE).await;

    // One that nobody runs is not waited for.
    execute(&scene.target, "UPDATE otter.`copy` SET state = 'copying' WHERE `table` = 'item'")
        .await;
    let ended = scene.command(&["copy", "--follow"]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("no process runs pipeline `shop`"), "{ended:?}");
}
