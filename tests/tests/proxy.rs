//! The bad line of the testbed: it must break exactly when it is told to.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use otter_tests::proxy::Proxy;
use otter_tests::testbed;
use otter_tests::wait::wait_until;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Executor};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

async fn ask(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql("SELECT 1")).await.map(drop)
}

#[tokio::test]
async fn a_line_carries_delays_falls_silent_and_is_cut_and_mended() {
    let server = testbed::mariadb().start().await;
    let line = Proxy::start(server.port()).await;
    assert!(
        line.url(&format!("{}/shop", server.url())).ends_with(&format!(":{}/shop", line.port()))
    );
    let options: MySqlConnectOptions = server.connect_options().port(line.port());
    let mut connection = options.connect().await.unwrap();

    line.delay(Duration::from_millis(50));
    let began = Instant::now();
    ask(&mut connection).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(100), "both directions take 50 ms");
    line.delay(Duration::ZERO);

    line.silence();
    let mut answer = Box::pin(ask(&mut connection));
    assert!(timeout(Duration::from_millis(200), &mut answer).await.is_err(), "no answer");
    line.mend();
    timeout(DEADLINE, answer).await.unwrap().unwrap();

    line.cut();
    timeout(DEADLINE, ask(&mut connection)).await.unwrap().unwrap_err();
    options.connect().await.unwrap_err();
    line.mend();
    wait_until("the mended line carries again", DEADLINE, async || options.connect().await.is_ok())
        .await;
}
