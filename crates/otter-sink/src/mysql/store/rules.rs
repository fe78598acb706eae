//! What decides about the lanes of tables, noted before their rows go in lanes.
//!
//! Only pipelines in fast mode have the table.

use std::collections::BTreeSet;

use super::tables::patiently;
use super::{Claim, Held, MAX_NAME, Store};
use crate::mysql::conn::{ApplyConn, ConnError};
use crate::mysql::connect::ServerFacts;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::{qualified, string};

/// A table of the target with the digest of a rule by which rows of it find their lanes. Several
/// source tables that flow into one may have several.
pub(crate) type NotedRule = (String, String);

/// Room for two names of 64 letters in backticks, all of which may be backticks themselves.
const MOST_QUOTED: usize = 270;

impl Store {
    fn lanes(&self) -> String {
        qualified(&self.schema, "lanes")
    }

    fn lanes_statement(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (`pipeline` VARCHAR({MAX_NAME}) NOT NULL, \
             `table` VARCHAR({MOST_QUOTED}) NOT NULL, `rule` VARCHAR(64) NOT NULL, \
             PRIMARY KEY (`pipeline`, `table`, `rule`)) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            self.lanes()
        )
    }

    /// Makes the table of rules where it is missing.
    pub(crate) async fn ensure_lanes(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        match patiently(conn, &format!("SELECT 1 FROM {} WHERE FALSE", self.lanes())).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.number(), Some(1146 | 1142)) => {}
            Err(error) => return Err(MySqlLoadError::plain(error)),
        }
        let statement = self.lanes_statement();
        match patiently(conn, &statement).await {
            Ok(_) => Ok(()),
            Err(ConnError::Server(server)) if matches!(server.number, 1044 | 1142 | 1227) => {
                let remedy = format!("{statement}; {}", self.set_up_by_hand(&facts.account));
                Err(MySqlLoadError::MissingRight { number: server.number, remedy })
            }
            Err(error) => Err(MySqlLoadError::plain(error)),
        }
    }

    pub(crate) async fn read_rules(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<BTreeSet<NotedRule>, MySqlLoadError> {
        let text = format!(
            "SELECT `table`, `rule` FROM {} WHERE `pipeline` = {}",
            self.lanes(),
            self.pipeline
        );
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let pair = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter();
            Some((cells.next()??, cells.next()??))
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Adds rules, or puts them in the place of all others, unless another loader holds the
    /// checkpoint (FENCE-1).
    pub(crate) async fn write_rules(
        &self,
        conn: &mut dyn ApplyConn,
        held: (&Claim, &Held),
        (rules, others): (&[NotedRule], Others),
    ) -> Result<(), MySqlLoadError> {
        let _ = self.lock(conn).await?;
        if !self.is_held(conn, held).await? {
            return Err(MySqlLoadError::CheckpointMoved);
        }
        let mut text = String::new();
        if others == Others::Forgotten {
            text.push_str(&format!(
                "DELETE FROM {} WHERE `pipeline` = {}; ",
                self.lanes(),
                self.pipeline
            ));
        }
        for (table, rule) in rules {
            text.push_str(&format!(
                "INSERT INTO {} (`pipeline`, `table`, `rule`) VALUES ({}, {}, {}); ",
                self.lanes(),
                self.pipeline,
                string(table),
                string(rule)
            ));
        }
        text.push_str("COMMIT");
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }
}

/// What becomes of the rules that were noted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Kept,
    Forgotten,
}
