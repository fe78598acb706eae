//! What a source says about its binlogs and GTIDs.

use otter_core::{FilePlace, GtidSet};

use super::error::SelectError;
use crate::connection::{Connection, DumpStart, Flavor, ResultSet, ServerInfo};
use crate::schema::reader::quote;

/// The end of the binlog, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BinlogEnd {
    pub(crate) place: FilePlace,
    /// MySQL's executed set; empty where there are no GTIDs.
    pub(crate) executed: String,
}

/// A binlog file that the source still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BinlogFile {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Whether positions are GTID sets of MySQL.
pub(crate) fn has_mysql_gtids(info: &ServerInfo) -> bool {
    info.flavor() == Flavor::MySql
        && info.gtid_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("ON"))
}

fn text(result: &ResultSet, column: &str) -> String {
    result.first(column).unwrap_or_default().to_owned()
}

/// Where the binlog ends now.
pub(crate) async fn binlog_end(
    connection: &mut Connection,
    info: &ServerInfo,
) -> Result<BinlogEnd, SelectError> {
    // MySQL 8.2 brought the new words and 8.4 took the old ones away.
    let is_new = info.flavor() == Flavor::MySql && info.version.is_at_least(8, 2, 0);
    let sql = if is_new { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let result = connection.query(sql).await?;
    let file = text(&result, "File");
    if file.is_empty() {
        return Err(crate::connection::DumpError::NoBinlog.into());
    }
    let offset = text(&result, "Position").parse().unwrap_or(super::tape::FILE_BEGIN);
    let executed = text(&result, "Executed_Gtid_Set");
    Ok(BinlogEnd { place: FilePlace::new(file, offset), executed })
}

/// Where a dump begins that has nothing to send.
pub(crate) async fn binlog_end_for_trial(
    connection: &mut Connection,
    info: &ServerInfo,
) -> Result<DumpStart, SelectError> {
    let end = binlog_end(connection, info).await?;
    Ok(if has_mysql_gtids(info) {
        DumpStart::MySqlGtid(end.executed)
    } else {
        DumpStart::File { name: end.place.file.to_string(), offset: end.place.offset }
    })
}

/// The files, oldest first.
pub(super) async fn binlog_files(
    connection: &mut Connection,
) -> Result<Vec<BinlogFile>, SelectError> {
    let result = connection.query("SHOW BINARY LOGS").await?;
    let file = |row: &crate::connection::Row| {
        let size = row.text(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        row.text(0).map(|name| BinlogFile { name: name.to_owned(), size })
    };
    Ok(result.rows().iter().filter_map(file).collect())
}

/// The oldest file for messages; reading the list needs a right that reading itself does not.
pub(super) async fn oldest(connection: &mut Connection) -> String {
    match binlog_files(connection).await {
        Ok(files) => files.first().map_or_else(|| "nothing".to_owned(), |file| file.name.clone()),
        Err(_) => "not known (the account may not list binlogs)".to_owned(),
    }
}

/// MySQL's executed and purged sets.
pub(super) async fn mysql_sets(
    connection: &mut Connection,
) -> Result<(GtidSet, GtidSet), SelectError> {
    let sql = "SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged";
    let result = connection.query(sql).await?;
    Ok((mysql_set(&text(&result, "executed"))?, mysql_set(&text(&result, "purged"))?))
}

pub(super) fn mysql_set(set: &str) -> Result<GtidSet, SelectError> {
    GtidSet::parse_mysql(set).map_err(|error| SelectError::BadPlace {
        place: set.to_owned(),
        problem: format!("the source says it, but {error}"),
    })
}

/// MySQL: what is in one set and not in the other, for messages.
pub(super) async fn subtract(connection: &mut Connection, set: &str, other: &str) -> String {
    let sql = format!("SELECT GTID_SUBTRACT({}, {}) AS rest", quote(set), quote(other));
    match connection.query(&sql).await {
        Ok(result) => text(&result, "rest"),
        Err(_) => set.to_owned(),
    }
}

/// MariaDB: the GTIDs before a place in a file; `None` where it cannot tell.
pub(super) async fn mariadb_gtids_at(
    connection: &mut Connection,
    place: &FilePlace,
) -> Option<GtidSet> {
    let sql = format!("SELECT BINLOG_GTID_POS({}, {}) AS gtids", quote(&place.file), place.offset);
    let result = connection.query(&sql).await.ok()?;
    GtidSet::parse_mariadb(result.first("gtids")?).ok().filter(|set| !set.is_empty())
}
