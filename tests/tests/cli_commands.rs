//! `otter-server check`, `position` and the command line itself, through the real program.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;

use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_found, assert_told};
use otter_tests::testbed::{FLAVORS, PAIRINGS, execute, start_pair};
use serde_json::Value;

async fn otter(arguments: &[&str]) -> otter_tests::otter::Ended {
    let folder = tempfile::tempdir().unwrap();
    OtterProcess::run_to_end(folder.path(), arguments, DEADLINE).await
}

#[tokio::test]
async fn the_command_line_explains_itself_and_refuses_what_it_does_not_know() {
    let version = otter(&["--version"]).await;
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.starts_with("otter-server "), "{}", version.stdout);
    let help = otter(&["--help"]).await;
    for text in ["run", "check", "demo", "position", "Exit codes", "5  another process holds"] {
        assert!(help.stdout.contains(text), "{text:?} in {}", help.stdout);
    }
    for wrong in [&["run", "--nowait"][..], &["dance"], &["demo", "--source", "oracle"], &[]] {
        assert_eq!(otter(wrong).await.code, Some(2), "{wrong:?}");
    }
    let missing = otter(&["run"]).await;
    assert_told(&missing, 2, &["otter.toml: cannot read the configuration", "--config"]);
}

#[tokio::test]
async fn a_sound_pair_passes_every_check_and_nothing_is_changed() {
    for pairing in PAIRINGS {
        let (source, target) = start_pair(pairing).await;
        let scene = Scene::on(source, target).await;
        let ended = scene.command(&["check"]).await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.ends_with(" 0 warn, 0 fail\n"), "{}", ended.stdout);
        let left: Vec<_> = fs::read_dir(scene.folder()).unwrap().collect();
        assert_eq!(left.len(), 1, "only the configuration: {left:?}");
        let schemas = "SELECT COUNT(*) FROM information_schema.schemata \
                       WHERE schema_name = 'otter'";
        assert_eq!(otter_tests::query::number(&scene.target, schemas).await, 0);
    }
}

#[tokio::test]
async fn check_prints_the_same_as_json() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    scene.replace("start = \"now\"\n", "");
    let ended = scene.command(&["check", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    let json: Value = serde_json::from_str(&ended.stdout).expect(&ended.stdout);
    assert_eq!(json["fail"], 1);
    let pipeline = &json["pipelines"][0];
    assert_eq!((&pipeline["pipeline"], &pipeline["from"]), (&"shop".into(), &"source".into()));
    let findings = pipeline["findings"].as_array().unwrap();
    let failed = findings.iter().find(|finding| finding["verdict"] == "fail").unwrap();
    assert_eq!(failed["about"], "start");
    assert!(failed["remedy"].as_str().unwrap().starts_with("start = \"now\""), "{failed}");
    assert_found(&scene.command(&["check"]).await, &["start", "no checkpoint"]);
    assert_told(&scene.command(&["run"]).await, 3, &["start", "no checkpoint", "\"now\""]);
}

#[tokio::test]
async fn the_position_of_a_pipeline_is_shown() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let before = scene.command(&["position", "show"]).await;
        assert_eq!(before.code, Some(0), "{}", before.stderr);
        assert!(before.stdout.contains("no checkpoint yet"), "{}", before.stdout);
        assert!(!scene.folder().join("otter-state").exists(), "showing makes no folder");

        run_once(&scene, 1).await;
        let after = scene.command(&["position", "show", "shop"]).await;
        assert_eq!(after.code, Some(0), "{}", after.stderr);
        for text in ["pipeline shop: source → target", "binlog.000001:", "term", "this install"] {
            assert!(after.stdout.contains(text), "{text:?} in:\n{}", after.stdout);
        }
        let unknown = scene.command(&["position", "show", "shoop"]).await;
        assert_told(&unknown, 2, &["no pipeline `shoop`", "shop"]);
    }
}

/// Lets the pipeline carry one item.
async fn run_once(scene: &Scene, id: usize) {
    let mut otter = scene.run().await;
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'item', 1)")).await;
    scene.wait_for_items(id).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn a_checkpoint_of_a_lost_state_folder_is_adopted_by_hand() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        run_once(&scene, 1).await;
        fs::remove_dir_all(scene.folder().join("otter-state")).unwrap();

        assert_found(&scene.command(&["check"]).await, &["arbiter", "position adopt -c"]);
        let refused = scene.command(&["run"]).await;
        assert_told(&refused, 3, &["belongs to arbiter", "position adopt"]);
        let shown = scene.command(&["position", "show"]).await;
        assert!(shown.stdout.contains("another installation's"), "{}", shown.stdout);

        let adopted = scene.command(&["position", "adopt"]).await;
        assert_eq!(adopted.code, Some(0), "{}", adopted.stderr);
        assert!(adopted.stdout.contains("pipeline shop: adopted at"), "{}", adopted.stdout);
        let again = scene.command(&["position", "adopt", "shop"]).await;
        assert!(again.stdout.contains("this installation's already"), "{}", again.stdout);
        run_once(&scene, 2).await;
    }
}

#[tokio::test]
async fn lanes_are_shown_adopted_and_given_up() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        run_once(&scene, 1).await;
        let shown = async |scene: &Scene| scene.command(&["position", "show"]).await.stdout;
        assert!(!shown(&scene).await.contains("lanes"));
        scene.replace("start =", "mode = \"fast\"\nconnections = 3\nstart =");
        run_once(&scene, 2).await;
        let text = shown(&scene).await;
        assert!(text.contains("3, all at this position"), "{text}");
        fs::remove_dir_all(scene.folder().join("otter-state")).unwrap();
        let adopted = scene.command(&["position", "adopt"]).await;
        assert_eq!(adopted.code, Some(0), "{}", adopted.stderr);
        run_once(&scene, 3).await;
        scene.replace("mode = \"fast\"", "mode = \"strict\"");
        run_once(&scene, 4).await;
        assert!(!shown(&scene).await.contains("lanes"));
    }
}

#[tokio::test]
async fn a_running_pipeline_is_not_adopted() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let mut otter = scene.run().await;
    let refused = scene.command(&["position", "adopt"]).await;
    assert_told(&refused, 5, &["`shop` is held by", "stop that process"]);
    let refused = scene.command(&["position", "set", "shop", "--to", "earliest", "--yes"]).await;
    assert_told(&refused, 5, &["`shop` is held by", "stop that process"]);
    otter.terminate_and_expect_success(DEADLINE).await;
}

fn assert_previewed(ended: &otter_tests::otter::Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("note: nothing was changed"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_position_is_set_after_it_is_told_what_that_means() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let none = scene.command(&["position", "set", "shop", "--to", "now"]).await;
        assert_told(&none, 1, &["no checkpoint", "`start`"]);
        run_once(&scene, 1).await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'later', 1)").await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (3, 'later', 1)").await;

        let shown = scene.command(&["position", "show"]).await.stdout;
        let told = scene.command(&["position", "set", "shop", "--to", "now"]).await;
        assert_previewed(&told);
        assert!(told.stdout.contains("skips        2 transactions: "), "{}", told.stdout);
        assert_eq!(scene.command(&["position", "show"]).await.stdout, shown);

        let mut otter = scene.run().await;
        scene.wait_for_items(3).await;
        execute(&scene.target, "DELETE FROM shop.item WHERE id = 3").await;
        otter.terminate_and_expect_success(DEADLINE).await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (4, 'later', 1)").await;
        let set = scene.command(&["position", "set", "shop", "--to", "now", "--yes"]).await;
        assert_eq!(set.code, Some(0), "{}", set.stderr);
        assert!(set.stdout.contains("skips        1 transaction: "), "{}", set.stdout);
        assert!(set.stdout.contains("pipeline shop: set to "), "{}", set.stdout);
        let again = scene.command(&["position", "set", "shop", "--to", "now"]).await;
        assert!(again.stdout.contains("means        nothing"), "{}", again.stdout);
        execute(&scene.source, "INSERT INTO shop.item VALUES (5, 'item', 1)").await;
        let mut otter = scene.run().await;
        scene.wait_for_items(3).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let ids: Vec<_> = scene.items().await.into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(ids, ["1", "2", "5"]);

        let back = scene.command(&["position", "set", "shop", "--to", "earliest"]).await;
        assert_previewed(&back);
        assert!(back.stdout.contains("repeats "), "{}", back.stdout);
        let gone = scene.command(&["position", "set", "shop", "--to", "binlog.000999:4"]).await;
        assert_eq!(gone.code, Some(1), "{}", gone.stdout);
    }
}

#[tokio::test]
async fn a_target_that_does_not_answer_is_told_by_every_command() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    scene.target.stop().await.unwrap();
    for arguments in [&["position", "show"][..], &["position", "adopt"]] {
        assert_told(&scene.command(arguments).await, 1, &["`shop`", "nothing listens at"]);
    }
    assert_found(&scene.command(&["check"]).await, &["target", "nothing listens at"]);
    assert!(!scene.config.is_empty() && scene.config.contains(PASSWORD));
}
