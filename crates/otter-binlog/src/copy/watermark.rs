//! A row at the source by which it is known what a snapshot holds, where there are no GTIDs.
//!
//! MySQL commits in the order of its binlog (`binlog_order_commits`): once a row of ours is committed,
//! everything that the binlog held before it was written can be seen. The binlog's end alone does not
//! tell: a transaction is in the binlog a moment before it can be seen.

use otter_core::{Classify, Fault};

use super::error::CopyError;
use crate::connection::{Connection, ConnectionError, ServerInfo};

const TABLE: &str = "`otter`.`watermark`";
/// Sessions write into rows of their own, so that they do not wait for each other.
const WRITE: &str = "INSERT INTO `otter`.`watermark` (`slot`, `counter`) \
     VALUES (CONNECTION_ID() MOD 256, 1) ON DUPLICATE KEY UPDATE `counter` = `counter` + 1";
const MAKE: [&str; 2] = [
    "CREATE DATABASE IF NOT EXISTS `otter`",
    "CREATE TABLE IF NOT EXISTS `otter`.`watermark` (`slot` SMALLINT UNSIGNED NOT NULL PRIMARY KEY, \
     `counter` BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB",
];
const UNORDERED: &str = "binlog_order_commits is OFF: set it to ON";
/// `ER_BAD_DB_ERROR`, `ER_NO_SUCH_TABLE`.
const MISSING: [u16; 2] = [1049, 1146];

/// What an administrator runs at the source where the account may not make the table itself.
pub(super) fn set_up_by_hand() -> String {
    format!("{}; {}; GRANT SELECT, INSERT, UPDATE ON {TABLE} TO the account", MAKE[0], MAKE[1])
}

/// Whether the row could be written, without writing it: how, or why not.
pub(super) async fn look(
    connection: &mut Connection,
    info: &ServerInfo,
) -> Result<Result<&'static str, String>, ConnectionError> {
    if !orders_commits(info) {
        return Ok(Err(UNORDERED.to_owned()));
    }
    let trial = format!("UPDATE {TABLE} SET `counter` = 0 WHERE FALSE");
    match connection.execute(&trial).await {
        Ok(()) => Ok(Ok("otter.watermark can be written")),
        Err(error) if error.fault() == Fault::Transient => Err(error),
        Err(error) => {
            let code = error.server_error().map(|server| server.code);
            Ok(match code.is_some_and(|code| MISSING.contains(&code)) {
                true => Ok("otter.watermark will be made"),
                false => Err(error.to_string()),
            })
        }
    }
}

fn orders_commits(info: &ServerInfo) -> bool {
    info.variable("binlog_order_commits").is_none_or(|it| !it.eq_ignore_ascii_case("OFF"))
}

/// Commits a row behind all that is in the binlog now; the table is made where it is missing.
pub(super) async fn write(connection: &mut Connection, info: &ServerInfo) -> Result<(), CopyError> {
    let refused = |problem: String| {
        let mode = info.gtid_mode.clone().unwrap_or_else(|| "OFF".to_owned());
        CopyError::NoGtids { mode, problem, remedy: set_up_by_hand() }
    };
    if !orders_commits(info) {
        return Err(refused(UNORDERED.to_owned()));
    }
    for is_last in [false, true] {
        match connection.execute(WRITE).await {
            Ok(()) => return Ok(()),
            Err(error) if error.fault() == Fault::Transient => return Err(error.into()),
            Err(error) => {
                let code = error.server_error().map(|server| server.code);
                if is_last || !code.is_some_and(|code| MISSING.contains(&code)) {
                    return Err(refused(error.to_string()));
                }
            }
        }
        for statement in MAKE {
            match connection.execute(statement).await {
                Ok(()) => {}
                Err(error) if error.fault() == Fault::Transient => return Err(error.into()),
                Err(error) => return Err(refused(error.to_string())),
            }
        }
    }
    Ok(())
}
