//! `scripts/soak huge`: one huge transaction on both servers, killed in the midst: 1,000,000 rows of
//! 200 bytes, 2 GB in rows of 10 KB, and 5,000,000 updates of one row each.
//!
//! `--kinds rows,wide,updates`, `--scale PERCENT` (100) of the numbers, `--kill yes|no` (yes),
//! `--limit-mib N` (256), `--flavors mariadb,mysql`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use otter_server::sandbox::Flavor;
use otter_tests::arguments::Arguments;
use otter_tests::huge_transaction::{Huge, carry_out};

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let limit_mib = arguments.number("limit-mib", 256);
    let scale = arguments.number("scale", 100);
    let kill = arguments.text("kill", "yes") == "yes";
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        for kind in arguments.text("kinds", "rows,wide,updates").split(',') {
            let huge = match kind {
                "rows" => Huge::Rows(10_000 * scale),
                "wide" => Huge::Wide(2_000 * scale),
                "updates" => Huge::Updates(50_000 * scale),
                other => panic!("--kinds {other}: rows, wide or updates"),
            };
            let report = carry_out(flavor, huge, kill).await;
            assert!(
                report.peak_kib < limit_mib * 1024,
                "the peak memory of {} MiB stays under {limit_mib} MiB",
                report.peak_kib / 1024
            );
        }
    }
}
