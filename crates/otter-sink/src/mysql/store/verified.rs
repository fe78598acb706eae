//! The table of what was found when tables were compared last, and when each was last equal.

use std::time::Duration;

use otter_core::TableName;

use super::{MAX_NAME, Store};
use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::connect::ServerFacts;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::{identifier, qualified, string};

/// What a row says, in the order in which it is read; the ages are by the target's clock.
const COLUMNS: &str = "`database`, `table`, `state`, `source_rows`, `target_rows`, `missing`, `extra`, \
     `different`, `unsettled`, `reason`, `looked_time`, \
     TIMESTAMPDIFF(SECOND, `looked_time`, UTC_TIMESTAMP(6)), \
     TIMESTAMPDIFF(SECOND, `begun_time`, UTC_TIMESTAMP(6)), `equal_time`, `equal_position`, \
     TIMESTAMPDIFF(SECOND, `equal_time`, UTC_TIMESTAMP(6))";

/// What is known of one table of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredVerdict {
    pub(crate) table: TableName,
    pub(crate) state: String,
    /// Rows at the source and at the target; missing, extra, different and unsettled ones.
    pub(crate) counts: [u64; 6],
    pub(crate) reason: Option<String>,
    /// When the last look began that came to its end, and how long ago that is.
    pub(crate) looked: Option<(String, u64)>,
    /// How long ago a look began last.
    pub(crate) begun_seconds_ago: u64,
    pub(crate) equal: Option<StoredProof>,
}

/// When a table was last equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredProof {
    pub(crate) time: String,
    pub(crate) seconds_ago: u64,
    pub(crate) position: Option<String>,
}

/// What is written of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finding<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) state: &'a str,
    pub(crate) is_equal: bool,
    pub(crate) counts: [u64; 6],
    pub(crate) reason: Option<&'a str>,
    pub(crate) position: Option<&'a str>,
    /// How long ago the look began.
    pub(crate) took: Duration,
}

/// Why there is no place to write what was found: no schema, no table, no right, no writing at all.
const NO_PLACE: [u16; 5] = [1049, 1146, 1142, 1044, 1290];

impl Store {
    fn verified(&self) -> String {
        qualified(&self.schema, "verified")
    }

    /// The statements that make the table.
    pub(super) fn verified_statements(&self) -> [String; 2] {
        let name = |column| format!("{column} VARCHAR({MAX_NAME}) NOT NULL");
        let count = |column| format!("{column} BIGINT UNSIGNED NOT NULL");
        [
            format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(&self.schema)),
            format!(
                "CREATE TABLE IF NOT EXISTS {} ({}, {}, {}, `state` VARCHAR(16) NOT NULL, {}, {}, \
                 {}, {}, {}, {}, `reason` LONGTEXT NULL, `begun_time` DATETIME(6) NOT NULL, \
                 `looked_time` DATETIME(6) NULL, `equal_time` DATETIME(6) NULL, `equal_position` LONGTEXT NULL, \
                 PRIMARY KEY (`pipeline`, `database`, `table`)) \
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
                self.verified(),
                name("`pipeline`"),
                name("`database`"),
                name("`table`"),
                count("`source_rows`"),
                count("`target_rows`"),
                count("`missing`"),
                count("`extra`"),
                count("`different`"),
                count("`unsettled`"),
            ),
        ]
    }

    /// Makes the table where it is missing.
    pub(crate) async fn ensure_verified(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        let table = self.verified();
        self.make((&[&table], &self.verified_statements()), conn, facts).await
    }

    /// Notes that a look at a table begins; of one that was never looked at, that nothing is known.
    pub(crate) async fn begin_verdict(
        &self,
        conn: &mut dyn ApplyConn,
        (table, state, reason): (&TableName, &str, &str),
    ) -> Result<(), MySqlLoadError> {
        let statement = format!(
            "INSERT INTO {} (`pipeline`, `database`, `table`, `state`, `source_rows`, \
             `target_rows`, `missing`, `extra`, `different`, `unsettled`, `reason`, `begun_time`) \
             VALUES ({}, {}, {}, {}, 0, 0, 0, 0, 0, 0, {}, UTC_TIMESTAMP(6)) \
             ON DUPLICATE KEY UPDATE `begun_time` = VALUES(`begun_time`)",
            self.verified(),
            self.pipeline,
            string(&table.database),
            string(&table.table),
            string(state),
            string(reason),
        );
        conn.query(&statement).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Writes what was found of a table over what an earlier look has found, and tells whether there
    /// is a place to write it.
    pub(crate) async fn write_verdict(
        &self,
        conn: &mut dyn ApplyConn,
        finding: &Finding<'_>,
    ) -> Result<bool, MySqlLoadError> {
        let text = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), string);
        // What is proven held when the look began.
        let began = format!("UTC_TIMESTAMP(6) - INTERVAL {} MICROSECOND", finding.took.as_micros());
        let (equal, mut kept) = match finding.is_equal {
            true => (
                format!("{began}, {}", text(finding.position)),
                vec!["equal_time", "equal_position"],
            ),
            // The last time that it was equal stays.
            false => ("NULL, NULL".to_owned(), Vec::new()),
        };
        let counts = ["source_rows", "target_rows", "missing", "extra", "different", "unsettled"];
        kept.extend(counts.into_iter().chain(["state", "reason", "begun_time"]));
        // The last one, since the others look at it; a look that began earlier tells nothing new.
        kept.push("looked_time");
        let kept: Vec<String> = kept
            .into_iter()
            .map(|column| {
                format!(
                    "`{column}` = IF(`looked_time` > VALUES(`looked_time`), `{column}`, \
                     VALUES(`{column}`))"
                )
            })
            .collect();
        let numbers = finding.counts.map(|count| count.to_string()).join(", ");
        let statement = format!(
            "INSERT INTO {} (`pipeline`, `database`, `table`, `state`, {}, `reason`, `begun_time`, \
             `looked_time`, `equal_time`, `equal_position`) VALUES ({}, {}, {}, {}, {numbers}, {}, \
             {began}, {began}, {equal}) ON DUPLICATE KEY UPDATE {}",
            self.verified(),
            counts.map(|column| format!("`{column}`")).join(", "),
            self.pipeline,
            string(&finding.table.database),
            string(&finding.table.table),
            string(finding.state),
            text(finding.reason),
            kept.join(", "),
        );
        match conn.query(&statement).await {
            Ok(_) => Ok(true),
            Err(error) if error.number().is_some_and(|it| NO_PLACE.contains(&it)) => Ok(false),
            Err(error) => Err(MySqlLoadError::plain(error)),
        }
    }

    /// Reads what is known of all tables, in the order of their names; nothing where there is no such
    /// table.
    pub(crate) async fn read_verdicts(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Vec<StoredVerdict>, MySqlLoadError> {
        let table = self.verified();
        let text = format!(
            "SELECT {COLUMNS} FROM {table} WHERE `pipeline` = {} ORDER BY `database`, `table`",
            self.pipeline
        );
        let rows = match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => Vec::new(),
            rows => rows.map_err(MySqlLoadError::plain)?,
        };
        let parsed = rows.iter().map(|row| parse(row).ok_or_else(|| unreadable(&table)));
        parsed.collect()
    }

    /// Forgets a table.
    pub(crate) async fn forget_verdict(
        &self,
        conn: &mut dyn ApplyConn,
        table: &TableName,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "DELETE FROM {} WHERE `pipeline` = {} AND `database` = {} AND `table` = {}",
            self.verified(),
            self.pipeline,
            string(&table.database),
            string(&table.table)
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Gives all tables of one state another one, with the reason; nothing where there is no place to
    /// write it.
    pub(crate) async fn doubt_verdicts(
        &self,
        conn: &mut dyn ApplyConn,
        (from, to): (&str, &str),
        reason: &str,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "UPDATE {} SET `state` = {}, `reason` = {} WHERE `pipeline` = {} AND `state` = {}",
            self.verified(),
            string(to),
            string(reason),
            self.pipeline,
            string(from)
        );
        match conn.query(&text).await {
            Err(error) if error.number().is_some_and(|it| NO_PLACE.contains(&it)) => Ok(()),
            done => done.map(drop).map_err(MySqlLoadError::plain),
        }
    }
}

/// What to do where a later version has written what was found.
pub(crate) fn unreadable(table: &str) -> MySqlLoadError {
    let remedy = "drop that table, which is made again";
    MySqlLoadError::BadRow { table: table.to_owned(), remedy }
}

fn parse(row: &TextRow) -> Option<StoredVerdict> {
    let [
        Some(database),
        Some(table),
        Some(state),
        counts @ ..,
        reason,
        looked,
        ago,
        begun,
        time,
        position,
        since,
    ] = row.as_slice()
    else {
        return None;
    };
    let number = |cell: &Option<String>| cell.as_ref()?.parse::<u64>().ok();
    // A clock that was set back makes no time that is to come.
    let age = |cell: &Option<String>| {
        let seconds: i64 = cell.as_ref()?.parse().ok()?;
        Some(u64::try_from(seconds).unwrap_or(0))
    };
    let counts: Vec<u64> = counts.iter().map(number).collect::<Option<_>>()?;
    let equal = match time {
        None => None,
        Some(time) => Some(StoredProof {
            time: time.clone(),
            seconds_ago: age(since)?,
            position: position.clone(),
        }),
    };
    Some(StoredVerdict {
        table: TableName::new(database.as_str(), table.as_str()),
        state: state.clone(),
        counts: counts.try_into().ok()?,
        reason: reason.clone(),
        looked: match looked {
            None => None,
            Some(looked) => Some((looked.clone(), age(ago)?)),
        },
        begun_seconds_ago: age(begun)?,
        equal,
    })
}
