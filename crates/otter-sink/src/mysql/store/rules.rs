//! What decides about the lanes of tables, noted before their rows go in lanes.
//!
//! Only pipelines in fast mode have the table.

use std::collections::BTreeSet;

use super::{Claim, Held, MAX_NAME, Store};
use crate::mysql::conn::ApplyConn;
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

    pub(super) fn lanes_statement(&self) -> String {
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
        self.make((&[&self.lanes()], &[self.lanes_statement()]), conn, facts).await
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
