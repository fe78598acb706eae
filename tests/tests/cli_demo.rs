//! `otter-server demo`: the first thing anyone sees.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::Command;
use std::time::Duration;

use otter_tests::otter::{OtterProcess, program};
use otter_tests::scene::assert_clean;
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::PAIRINGS;

/// Two installations, the load, and the comparison, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(180);

#[tokio::test]
async fn the_demo_ends_with_equal_sides_on_every_pairing() {
    let folder = tempfile::tempdir().unwrap();
    for (source, target) in PAIRINGS {
        let arguments =
            ["demo", "--seconds", "3", "--source", source.name(), "--target", target.name()];
        let ended = OtterProcess::run_to_end(folder.path(), &arguments, DEADLINE).await;
        assert_eq!(ended.code, Some(0), "{source} to {target}:\n{}{}", ended.stdout, ended.stderr);
        assert_clean(&ended);
        assert!(ended.stderr.is_empty(), "{}", ended.stderr);
        for text in [
            "[[channels.pipelines]]",
            "${OTTER_PASSWORD}",
            "   2 s  source ",
            "order_items",
            "Both sides are equal, byte for byte.",
        ] {
            assert!(ended.stdout.contains(text), "{text:?} in:\n{}", ended.stdout);
        }
        assert_eq!(ended.stdout.matches("  equal\n").count(), 6, "{}", ended.stdout);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn sigint_ends_the_load_and_both_sides_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = OtterProcess::start(folder.path(), &["demo", "--rate", "100"]);
    demo.wait_for_log("   1 s  source ", DEADLINE).await;
    signals::send(demo.id(), Signal::INT);
    assert_eq!(demo.wait_for_exit(DEADLINE).await, Some(0), "{}", demo.log());
    assert!(demo.log().contains("Both sides are equal"), "{}", demo.log());
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_ways_to_get_it() {
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new(program())
        .args(["demo", "--source", "mysql"])
        .env("OTTER_MYSQL_BIN", nowhere.path())
        .env("OTTER_CACHE", nowhere.path())
        .env("PATH", nowhere.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    for text in ["no mysql server", "install MySQL", "scripts/demo"] {
        assert!(error.contains(text), "{text:?} in {error}");
    }
}
