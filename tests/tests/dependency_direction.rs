//! Which crate may know which: the direction that docs and design promise.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate of the workspace may depend on, tests of its own included.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("otter-core", &[]),
    ("otter-mysql", &["otter-core"]),
    ("otter-binlog", &["otter-core", "otter-mysql"]),
    ("otter-arbitrate", &["otter-core"]),
    ("otter-sink", &["otter-core", "otter-mysql"]),
    ("otter-server", &["otter-core", "otter-binlog", "otter-arbitrate", "otter-sink"]),
    (
        "otter-examples",
        &[
            "otter-core",
            "otter-binlog",
            "otter-arbitrate",
            "otter-sink",
            "otter-server",
            "otter-tests",
        ],
    ),
    (
        "otter-tests",
        &["otter-core", "otter-binlog", "otter-arbitrate", "otter-sink", "otter-server"],
    ),
];
/// Crates that never leave this repository, so that published ones cannot need them.
const UNPUBLISHED: [&str; 2] = ["otter-examples", "otter-tests"];

struct Package {
    dependencies: BTreeSet<String>,
    published: bool,
}

fn packages() -> BTreeMap<String, Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed = metadata["packages"].as_array().unwrap();
    listed.iter().map(|package| (name(package), read(package))).collect()
}

fn name(value: &Value) -> String {
    value["name"].as_str().unwrap().to_owned()
}

fn read(package: &Value) -> Package {
    let dependencies = package["dependencies"].as_array().unwrap();
    let inside = |dependency: &&Value| dependency["path"].is_string();
    let mut names: BTreeSet<String> = dependencies.iter().filter(inside).map(name).collect();
    // A crate may switch features of its own on for its own tests.
    names.remove(&name(package));
    // `publish` is null where a crate goes anywhere, and an empty list where it goes nowhere.
    let published = package["publish"].is_null();
    Package { dependencies: names, published }
}

#[test]
fn every_crate_knows_only_those_below_it() {
    let packages = packages();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a new crate needs a place in this table");
    for (name, allowed) in ALLOWED {
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let known = &packages[name].dependencies;
        let wrong: Vec<&String> = known.difference(&allowed).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn the_testbed_and_the_examples_are_not_published() {
    for (name, package) in packages() {
        assert_eq!(package.published, !UNPUBLISHED.contains(&name.as_str()), "{name}");
    }
}
