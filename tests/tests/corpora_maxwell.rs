//! Maxwell's cases: statements on real servers, and the lines that `otter-server tail` prints of
//! them, in their order and in their exact number.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder. Maxwell's DDL is read
//! by `corpora_ddl`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and reports by printing"
)]

#[path = "corpora_maxwell/case.rs"]
mod case;
#[path = "corpora_maxwell/exceptions.rs"]
mod exceptions;
#[path = "corpora_maxwell/json.rs"]
mod json;
#[path = "corpora_maxwell/run.rs"]
mod run;

use std::path::PathBuf;

use otter_tests::corpora;
use otter_tests::testbed::FLAVORS;

use case::Case;
use exceptions::steps;
use run::{Run, files};

/// Rows in the tables of Maxwell's schemas, which its cases leave empty. In Maxwell's format.
const SCHEMAS: &str = include_str!("corpora_maxwell/schemas.case");

fn maxwell(folder: &str) -> PathBuf {
    corpora::folder().join("maxwell").join(folder)
}

#[tokio::test]
async fn the_lines_of_tail_are_maxwells_in_order_and_exact_count() {
    let schemas = files(&maxwell("schema"));
    assert_eq!(schemas.len(), 6);
    let cases: Vec<Case> = files(&maxwell("json"))
        .iter()
        .map(|(name, text)| Case::read(name, text).unwrap_or_else(|error| panic!("{error}")))
        .collect();
    assert_eq!(cases.len(), 11);
    let own = Case::read("schemas.case", SCHEMAS).unwrap();
    let (mut runs, mut equal, mut own_equal) = (0, 0, 0);
    for flavor in FLAVORS {
        for metadata in ["FULL", "MINIMAL"] {
            let mut run = Run::start(flavor, metadata).await;
            let mut excepted_lines = 0;
            for case in &cases {
                let (expected, excepted) = steps(case, flavor);
                run.renew(&schemas).await;
                let lines = run.execute(case).await;
                let place = format!("{flavor} {metadata} {}", case.name);
                equal += run.compare(&place, &expected, &lines);
                excepted_lines += excepted;
                runs += 1;
            }
            assert_eq!(excepted_lines, exceptions::count_for(flavor), "each exception is met");
            let (expected, _) = steps(&own, flavor);
            run.renew(&schemas).await;
            let lines = run.execute(&own).await;
            own_equal += run.compare(&format!("{flavor} {metadata}"), &expected, &lines);
        }
    }
    let listed = exceptions::count();
    println!(
        "maxwell: {} files, {runs} cases, {equal} lines equal, {listed} listed exceptions",
        cases.len()
    );
    println!("maxwell: {own_equal} lines of our own in its schemas equal");
    // 43 lines are expected; 10 of them are copies or marks of copies, 2 more come untold.
    assert_eq!((runs, equal, listed), (44, 4 * 35, 18));
    assert_eq!(own_equal, 4 * 10);
}
