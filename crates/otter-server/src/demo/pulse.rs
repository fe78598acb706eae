//! The lag as a user would feel it: from a commit at the source until it can be read at the
//! target.
//!
//! Binlogs of MariaDB know whole seconds only, so the demo measures by itself: it changes one
//! row at the source and looks at the target until it is there.

use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::load::Done;

/// Five times a second is often enough for a picture and seldom enough to cost nothing.
const BETWEEN_BEATS: Duration = Duration::from_millis(200);
/// Between two looks at the target; part of the measured lag.
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

/// Sends the lag of every beat until nobody listens. Ends by being dropped, too.
pub(super) async fn measure(
    source: MySqlConnectOptions,
    target: MySqlConnectOptions,
    lags: mpsc::Sender<Duration>,
    done: Arc<Done>,
) -> Result<(), sqlx::Error> {
    let mut source = MySqlConnection::connect_with(&source).await?;
    let mut target = MySqlConnection::connect_with(&target).await?;
    let mut beat = 0;
    loop {
        beat += 1;
        set(&mut source, beat).await?;
        let committed = Instant::now();
        done.updated_one();
        while read(&mut target).await? < beat {
            sleep(BETWEEN_LOOKS).await;
        }
        if lags.send(committed.elapsed()).await.is_err() {
            return Ok(());
        }
        sleep(BETWEEN_BEATS).await;
    }
}

/// Waits until everything that the source has committed can be read at the target: target
/// transactions commit in source order (TXN-1), so the last beat is the last to arrive.
pub(super) async fn last_beat(
    source: &mut MySqlConnection,
    target: &mut MySqlConnection,
) -> Result<(), sqlx::Error> {
    /// Greater than any beat that a demo of years could send.
    const LAST: u64 = 1 << 62;
    set(source, LAST).await?;
    while read(target).await? < LAST {
        sleep(BETWEEN_LOOKS * 10).await;
    }
    Ok(())
}

async fn set(source: &mut MySqlConnection, beat: u64) -> Result<(), sqlx::Error> {
    let statement = format!("UPDATE shop.pulse SET beat = {beat} WHERE id = 1");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(source).await?;
    Ok(())
}

/// The last beat that arrived; 0 before the first.
async fn read(target: &mut MySqlConnection) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("SELECT beat FROM shop.pulse").fetch_optional(target).await?;
    row.map_or(Ok(0), |row| row.try_get(0))
}
