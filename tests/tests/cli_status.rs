//! `otter-server status`: who holds what, with every kind of arbiter.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_core::SourceTime;
use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_told};
use otter_tests::testbed::FLAVORS;
use otter_tests::wait::wait_for;
use otter_tests::zookeeper::Ensemble;
use serde_json::{Value, json};

const LOCAL: &str = "[arbiter]\nlease_ms = 8000\n";

async fn text(scene: &Scene) -> String {
    let ended = scene.command(&["status"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

/// What `--json` tells about the one pipeline.
async fn told(scene: &Scene) -> Value {
    let ended = scene.command(&["status", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(all["pipelines"].as_array().unwrap().len(), 1, "{all}");
    let mut one = all["pipelines"][0].clone();
    assert_eq!((&one["pipeline"], &one["side"]), (&json!("shop"), &json!("target")), "{one}");
    for key in ["arbiter", "kind", "place"] {
        one[key] = all[key].clone();
    }
    one
}

/// What is told once the holder has published that it has loaded one transaction, and waits for more.
async fn told_when_published(scene: &Scene) -> Value {
    scene.source.execute("INSERT INTO shop.item VALUES (7, 'a', 1.0)").await.unwrap();
    wait_for("what the holder publishes", DEADLINE, async || {
        let one = told(scene).await;
        (one["transactions"] == json!(1) && one["lag_ms"] == json!(0)).then_some(one)
    })
    .await
}

/// What is published says where the pipeline is, and goes with the process.
async fn progress_is_published(scene: &Scene, otter: &mut OtterProcess) {
    let one = told_when_published(scene).await;
    assert_eq!((&one["state"], &one["rows"]), (&json!("running"), &json!(1)), "{one}");
    assert_eq!(one["retries"], json!(0), "{one}");
    assert!(time(&one["committed_at"]).seconds() > 0, "{one}");
    assert!(!one["position"].as_str().unwrap().is_empty(), "{one}");
    assert!(text(scene).await.contains("\nshop      running  0 ms  host "));
    otter.terminate_and_expect_success(DEADLINE).await;
    let after = told(scene).await;
    for key in ["holder", "state", "lag_ms", "position"] {
        assert_eq!(after[key], Value::Null, "{key}: {after}");
    }
}

fn time(value: &Value) -> SourceTime {
    value.as_str().unwrap_or_else(|| panic!("no time: {value}")).parse().unwrap()
}

fn assert_held_by(told: &Value, otter: &OtterProcess) {
    let holder = told["holder"].as_str().unwrap_or_else(|| panic!("nobody: {told}"));
    assert!(holder.ends_with(&format!("process {}", otter.id())), "{told}");
    assert!(told["term"].as_u64().unwrap() > 0, "{told}");
}

#[tokio::test]
async fn a_local_arbiter_tells_what_this_machine_knows() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let before = text(&scene).await;
    assert!(before.starts_with("arbiter not used yet, in "), "{before}");
    assert!(before.contains("\nshop      -      -    nobody\n"), "{before}");
    assert!(before.ends_with("neither since when nor until when\n"), "{before}");
    let files = std::fs::read_dir(scene.folder()).unwrap().count();
    assert_eq!(files, 1, "only the configuration: status makes nothing");

    let mut otter = scene.run().await;
    let held = told(&scene).await;
    assert_eq!(
        (&held["kind"], &held["since"], &held["until"]),
        (&json!("local"), &Value::Null, &Value::Null)
    );
    assert!(held["arbiter"].as_str().unwrap().starts_with("local-"), "{held}");
    assert_held_by(&held, &otter);
    assert!(text(&scene).await.contains("not known  not known\n"));
    progress_is_published(&scene, &mut otter).await;
}

#[tokio::test]
async fn an_arbiter_in_a_database_tells_since_when_and_until_when() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        let url = scene.target.url_as("otter", PASSWORD);
        let lines = format!("[arbiter]\nkind = \"mysql\"\nurl = \"{url}\"\nlease_ms = 80000\n");
        scene.replace(LOCAL, &lines);
        let before = text(&scene).await;
        assert!(before.starts_with("arbiter not used yet, in 127.0.0.1:"), "{before}");
        let mut otter = scene.run().await;
        let held = told(&scene).await;
        assert_held_by(&held, &otter);
        assert_eq!(held["kind"], json!("mysql"));
        let lasts = time(&held["until"]).seconds() - time(&held["since"]).seconds();
        assert!((19..=120).contains(&lasts), "{held}");
        let shown = text(&scene).await;
        assert!(shown.contains(held["since"].as_str().unwrap()), "{shown}");
        progress_is_published(&scene, &mut otter).await;
        let left = number(&scene.target, "SELECT COUNT(*) FROM otter.arbiter_report").await;
        assert_eq!(left, 0);
        let after = told(&scene).await;
        assert_eq!((&after["holder"], &after["arbiter"]), (&Value::Null, &held["arbiter"]));

        scene.target.kill9().unwrap();
        let away = scene.command(&["status"]).await;
        assert_told(&away, 1, &["cannot be reached", "the arbiter's URL"]);
    }
}

#[tokio::test]
async fn an_arbiter_in_zookeeper_tells_since_when_and_how_long_at_most() {
    let (mut scene, mut ensemble) = tokio::join!(Scene::start(Flavor::MariaDb), Ensemble::start(1));
    scene.replace(LOCAL, &format!("[arbiter]\n{}lease_ms = 4000\n", ensemble.config_lines()));
    let before = text(&scene).await;
    assert!(before.starts_with("arbiter not used yet, in 127.0.0.1:"), "{before}");
    let mut otter = scene.run().await;
    let held = told(&scene).await;
    assert_held_by(&held, &otter);
    assert_eq!((&held["kind"], &held["until"]), (&json!("zookeeper"), &Value::Null));
    assert_eq!(held["lease_ms"], json!(4_000));
    assert!(time(&held["since"]).seconds() > 0);
    let shown = text(&scene).await;
    assert!(shown.contains("  4 s after its last sign of life\n"), "{shown}");
    progress_is_published(&scene, &mut otter).await;
    let after = told(&scene).await;
    assert_eq!((&after["holder"], &after["arbiter"]), (&Value::Null, &held["arbiter"]));

    ensemble.kill9(0);
    let away = scene.command(&["status"]).await;
    assert_told(&away, 1, &["cannot be reached", "a majority of the ensemble"]);
}

/// Pauses, restarts and resumes the one pipeline of a scene, whose processes are stopped at the end.
async fn pause_and_resume(scene: &Scene) {
    let insert = async |id: u32| {
        let statement = format!("INSERT INTO shop.item VALUES ({id}, 'a', 1.0)");
        scene.source.execute(&statement).await.unwrap();
    };
    let is_wanted = async |what: &str| assert_eq!(told(scene).await["wanted"], json!(what));
    let mut otter = scene.run().await;
    insert(1).await;
    scene.wait_for_items(1).await;
    is_wanted("running").await;
    let paused = scene.command(&["pause", "shop"]).await;
    assert!(paused.stdout.starts_with("pipeline shop: paused; host "), "{}", paused.stdout);
    otter.wait_for_log("pipeline is paused", DEADLINE).await;
    is_wanted("paused").await;
    assert_eq!(told(scene).await["holder"], Value::Null);
    assert!(text(scene).await.contains("`otter-server resume shop` lets it run again"));
    insert(2).await;
    // What is wanted outlives the process.
    otter.terminate_and_expect_success(DEADLINE).await;
    let mut otter = OtterProcess::run(scene.folder(), &scene.config);
    otter.wait_for_log("pipeline is paused", DEADLINE).await;
    assert!(!otter.log().contains("pipeline running"), "{}", otter.log());
    assert_eq!(scene.items().await.len(), 1);
    let again = scene.command(&["pause", "shop"]).await;
    assert_eq!(again.stdout, "pipeline shop: paused; no process holds it\n");
    let unknown = scene.command(&["resume", "shap"]).await;
    assert_told(&unknown, 2, &["has no pipeline `shap`"]);
    let resumed = scene.command(&["resume", "shop"]).await;
    assert!(resumed.stdout.starts_with("pipeline shop: resumed; "), "{}", resumed.stdout);
    scene.wait_for_items(2).await;
    is_wanted("running").await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn a_paused_pipeline_rests_until_it_is_resumed() {
    let (mut scene, ensemble) = tokio::join!(Scene::start(Flavor::MariaDb), Ensemble::start(1));
    pause_and_resume(&scene).await;
    let url = scene.target.url_as("otter", PASSWORD);
    let in_database = format!("[arbiter]\nkind = \"mysql\"\nurl = \"{url}\"\nlease_ms = 3000\n");
    let in_zookeeper = format!("[arbiter]\n{}lease_ms = 4000\n", ensemble.config_lines());
    let mut before = LOCAL.to_owned();
    for lines in [in_database, in_zookeeper] {
        scene.replace(&before, &lines);
        let adopted = scene.command(&["position", "adopt"]).await;
        assert_eq!(adopted.code, Some(0), "{}{}", adopted.stdout, adopted.stderr);
        // The pipeline carries it when it runs again.
        scene.source.execute("DELETE FROM shop.item").await.unwrap();
        pause_and_resume(&scene).await;
        before = lines;
    }
}
