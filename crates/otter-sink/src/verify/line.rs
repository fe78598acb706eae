//! A connection to one of the two databases.

use std::time::Duration;

use otter_core::{DatabaseUrl, FilePlace, GtidSet, Place, TableName};

use super::error::{Database, VerifyError};
use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::connect::{self, Flavour, ServerFacts, SessionTimes};
use crate::mysql::names::string;

/// How long the server keeps the connection while the other one works.
const IDLE: Duration = Duration::from_secs(3_600);

/// How long an answer may take: a table without a key is summed up in one statement.
const ANSWER: Duration = Duration::from_secs(6 * 3_600);

/// Nothing is locked; a schema change may keep a statement waiting.
const LOCKS: Duration = Duration::from_secs(20);

/// A connection, with whose it is.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) conn: Box<dyn ApplyConn>,
    pub(super) facts: ServerFacts,
    database: Database,
}

impl Line {
    pub(super) async fn open(url: &DatabaseUrl, database: Database) -> Result<Self, VerifyError> {
        let times = SessionTimes { idle: IDLE, row_lock: LOCKS, answer: ANSWER };
        let opened = connect::open(url, times).await;
        let (conn, facts) = opened.map_err(VerifyError::database(database))?;
        Ok(Self { conn, facts, database })
    }

    pub(super) async fn close(self) {
        self.conn.goodbye().await;
    }

    /// Shows the server that the connection is in use.
    pub(super) async fn ping(&mut self) -> Result<(), VerifyError> {
        self.rows("SELECT 1").await.map(drop)
    }

    /// The rows of a statement, which may hold values of rows: the server's words are not shown.
    pub(super) async fn rows(&mut self, text: &str) -> Result<Vec<TextRow>, VerifyError> {
        let answer = self.conn.query(text).await;
        answer.map_err(|error| VerifyError::refused(self.database, &error))
    }

    pub(super) fn answer(&self, what: &'static str) -> VerifyError {
        VerifyError::Answer { database: self.database, what }
    }

    /// The place behind all that a look before this call can have seen.
    ///
    /// MariaDB: its position is ahead of what a reader sees. MySQL: a reader may see a transaction
    /// whose GTID is not in the executed set yet, but then it is in the owned one, which is therefore
    /// asked first; where there are no GTIDs the end of the binlog is behind it.
    pub(super) async fn end(&mut self) -> Result<Place, VerifyError> {
        let mut place = Place::default();
        match self.facts.flavour {
            Flavour::MariaDb => {
                let gtids = self.value("SELECT @@GLOBAL.gtid_binlog_pos").await?;
                let gtids = GtidSet::parse_mariadb(&gtids.unwrap_or_default());
                let gtids = gtids.map_err(|_| self.answer("its GTID position"))?;
                place.gtids = Some(gtids).filter(|set| !set.is_empty());
            }
            Flavour::MySql => {
                let owned = self.value("SELECT @@GLOBAL.gtid_owned").await?.unwrap_or_default();
                let executed = self.value("SELECT @@GLOBAL.gtid_executed").await?;
                let gtids = GtidSet::parse_mysql(&executed.unwrap_or_default());
                let mut gtids = gtids.map_err(|_| self.answer("its executed GTIDs"))?;
                let owned = GtidSet::parse_mysql(&without_owners(&owned));
                gtids.extend(&owned.map_err(|_| self.answer("its owned GTIDs"))?);
                place.gtids = Some(gtids).filter(|set| !set.is_empty());
            }
        }
        // MySQL 8.2 brought the new words and 8.4 took the old ones away.
        let (words, older) = match self.facts.flavour {
            Flavour::MySql => ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"),
            Flavour::MariaDb => ("SHOW MASTER STATUS", "SHOW BINLOG STATUS"),
        };
        let mut status = self.conn.query(words).await;
        if status.is_err() {
            status = self.conn.query(older).await;
        }
        let status = status.map_err(|error| VerifyError::refused(self.database, &error))?;
        if let Some([Some(file), Some(offset), ..]) = status.first().map(Vec::as_slice) {
            let offset = offset.parse().map_err(|_| self.answer("the end of its binlog"))?;
            place.file = Some(FilePlace::new(file.as_str(), offset));
        }
        Ok(place)
    }

    /// How many rows the server believes these tables to have; 0 where it does not tell.
    pub(super) async fn estimated_rows(
        &mut self,
        tables: &[TableName],
    ) -> Result<u64, VerifyError> {
        let names = tables
            .iter()
            .map(|table| format!("({}, {})", string(&table.database), string(&table.table)));
        let text = format!(
            "SELECT CAST(SUM(TABLE_ROWS) AS UNSIGNED) FROM information_schema.TABLES \
             WHERE (TABLE_SCHEMA, TABLE_NAME) IN ({})",
            names.collect::<Vec<_>>().join(", ")
        );
        let rows = self.value(&text).await?;
        Ok(rows.and_then(|rows| rows.parse().ok()).unwrap_or(0))
    }

    async fn value(&mut self, text: &str) -> Result<Option<String>, VerifyError> {
        Ok(self.rows(text).await?.into_iter().next().and_then(|row| row.into_iter().next()?))
    }
}

/// The GTIDs of `gtid_owned`, each of which has the threads that own it behind it:
/// `3e11fa47-…:23#12:24#13`.
fn without_owners(owned: &str) -> String {
    let mut text = String::with_capacity(owned.len());
    let mut skips = false;
    for letter in owned.chars() {
        skips = letter == '#' || (skips && letter.is_ascii_digit());
        if !skips {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_gtids_are_read_without_their_owners() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let owned = format!("{uuid}:23#12:24#13#14,\n{uuid}:tag:5#7");
        assert_eq!(without_owners(&owned), format!("{uuid}:23:24,\n{uuid}:tag:5"));
        let set = GtidSet::parse_mysql(&without_owners(&owned)).unwrap();
        assert_eq!(set.to_string(), format!("{uuid}:23-24:tag:5"));
        assert_eq!(without_owners(""), "");
    }
}
