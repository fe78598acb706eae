//! `scripts/soak huge`: one transaction of 1,000,000 rows (about 200 MB) on both servers.
//!
//! `--rows N` (1000000), `--limit-mib N` (256), `--flavors mariadb,mysql`.
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
use otter_tests::huge_transaction::carry_out;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let limit_mib = arguments.number("limit-mib", 256);
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        let report = carry_out(flavor, arguments.number("rows", 1_000_000)).await;
        assert!(
            report.peak_kib < limit_mib * 1024,
            "the peak memory of {} MiB stays under {limit_mib} MiB",
            report.peak_kib / 1024
        );
    }
}
