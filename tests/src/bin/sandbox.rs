//! One sandbox server for a developer: `cargo run -p otter-tests --bin sandbox --
//! mariadb|mysql [OPTION OF THE SERVER]...`
//!
//! Prints its URL, its process id and its folder, one in a line, and ends when
//! its standard input does.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a tool for tests and developers"
)]

use otter_server::sandbox::Flavor;
use otter_tests::testbed;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let flavor = arguments.next().expect("mariadb or mysql");
    let flavor: Flavor = flavor.parse().expect("mariadb or mysql");
    let server = testbed::server(flavor).with(|options| options.args(arguments)).start().await;
    println!("{}", server.url());
    println!("{}", server.pid().expect("it runs"));
    println!("{}", server.data_dir().parent().expect("a folder of its own").display());
    let mut ignored = Vec::new();
    tokio::io::stdin().read_to_end(&mut ignored).await.expect("standard input can be read");
}
