//! `MySqlLoader` on real servers: the conformance suite, fencing, poison, values and load.
#![allow(
    unreachable_pub,
    clippy::manual_let_else,
    clippy::redundant_closure_for_method_calls,
    clippy::excessive_precision,
    clippy::map_unwrap_or,
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "tests describe themselves by their names"
)]

/// Makes a test for each server of a case that gets a place of its own.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn case($place: Place) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn mariadb() {
                    case(Place::new(otter_server::sandbox::Flavor::MariaDb).await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn mysql() {
                    case(Place::new(otter_server::sandbox::Flavor::MySql).await).await;
                }
            }
        )*
    };
}

#[path = "loader/checkpoint.rs"]
mod checkpoint;
#[path = "loader/columns.rs"]
mod columns;
#[path = "loader/contention.rs"]
mod contention;
#[path = "loader/crash.rs"]
mod crash;
#[path = "loader/ddl.rs"]
mod ddl;
#[path = "loader/fencing.rs"]
mod fencing;
#[path = "loader/inversions.rs"]
mod inversions;
#[path = "loader/keyless.rs"]
mod keyless;
#[path = "loader/lanes.rs"]
mod lanes;
#[path = "loader/line.rs"]
mod line;
#[path = "loader/load_data.rs"]
mod load_data;
#[path = "loader/mark.rs"]
mod mark;
#[path = "loader/net.rs"]
mod net;
#[path = "loader/parallel.rs"]
mod parallel;
#[path = "loader/place.rs"]
mod place;
#[path = "loader/poison.rs"]
mod poison;
#[path = "loader/preflight.rs"]
mod preflight;
#[path = "loader/quarantine.rs"]
mod quarantine;
#[path = "loader/quarantine_suite.rs"]
mod quarantine_suite;
#[path = "loader/random_values.rs"]
mod random_values;
#[path = "loader/schema_log.rs"]
mod schema_log;
#[path = "loader/source.rs"]
mod source;
#[path = "loader/suite.rs"]
mod suite;
#[path = "loader/values.rs"]
mod values;
