//! How the tables of a target come to be there.

use tokio::time::sleep;

use super::{MAX_NAME, Store};
use crate::mysql::conn::{ApplyConn, ConnError, TextRow};
use crate::mysql::connect::ServerFacts;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::group::pause_before;
use crate::mysql::names::identifier;

/// How often a statement is tried that meets locks.
const TRIES: u32 = 8;

/// The end of a statement that makes a table.
const TAIL: &str = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

impl Store {
    /// The statements that make the schema and its tables.
    fn create_statements(&self) -> [String; 5] {
        let name = |column| format!("{column} VARCHAR({MAX_NAME}) NOT NULL");
        let pipeline = name("`pipeline`");
        [
            format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(&self.schema)),
            format!(
                "CREATE TABLE IF NOT EXISTS {} ({pipeline}, \
                 `lane` SMALLINT UNSIGNED NOT NULL, \
                 `format` SMALLINT UNSIGNED NOT NULL, \
                 {}, \
                 `term` BIGINT UNSIGNED NOT NULL, \
                 `holder` VARCHAR(64) NOT NULL, \
                 `slots` SMALLINT UNSIGNED NOT NULL, \
                 `sequence` BIGINT UNSIGNED NOT NULL, \
                 `source` VARCHAR({MAX_NAME}) NULL, \
                 `resume_from` LONGTEXT NULL, \
                 `applied_through` LONGTEXT NULL, \
                 `source_time` DATETIME(6) NULL, \
                 `applied_time` DATETIME(6) NOT NULL, \
                 PRIMARY KEY (`pipeline`, `lane`)) {TAIL}",
                self.checkpoint,
                name("`arbiter`"),
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} ({pipeline}, {}, \
                 `slot` SMALLINT UNSIGNED NOT NULL, \
                 `counter` BIGINT UNSIGNED NOT NULL, \
                 PRIMARY KEY (`pipeline`, `origin`, `slot`)) {TAIL}",
                self.mark,
                name("`origin`"),
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} ({pipeline}, \
                 `number` BIGINT UNSIGNED NOT NULL, \
                 `piece` INT UNSIGNED NOT NULL, \
                 `place` LONGTEXT NOT NULL, \
                 `text` LONGTEXT NOT NULL, \
                 PRIMARY KEY (`pipeline`, `number`, `piece`)) {TAIL}",
                self.schema_log,
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} ({pipeline}, \
                 `place` LONGTEXT NOT NULL, \
                 `statement` LONGTEXT NOT NULL, \
                 `server` LONGTEXT NOT NULL, \
                 `footprint` LONGTEXT NOT NULL, \
                 PRIMARY KEY (`pipeline`)) {TAIL}",
                self.ddl,
            ),
        ]
    }

    /// The statements that make the tables of held rows.
    fn quarantine_statements(&self) -> [String; 2] {
        let pipeline = format!("`pipeline` VARCHAR({MAX_NAME}) NOT NULL");
        [
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {pipeline}, \
                 `database` VARCHAR({MAX_NAME}) NOT NULL, \
                 `table` VARCHAR({MAX_NAME}) NOT NULL, \
                 `kind` VARCHAR(6) NOT NULL, \
                 `key_columns` LONGTEXT NOT NULL, \
                 `gtid` VARCHAR({MAX_NAME}) NULL, \
                 `place` LONGTEXT NOT NULL, \
                 `ordinal` BIGINT UNSIGNED NOT NULL, \
                 `origin` VARCHAR({MAX_NAME}) NULL, \
                 `code` VARCHAR(32) NOT NULL, \
                 `reason` LONGTEXT NOT NULL, \
                 `remedy` LONGTEXT NOT NULL, \
                 `cause` BIGINT UNSIGNED NULL, \
                 `tries` INT UNSIGNED NOT NULL, \
                 `held_time` DATETIME(6) NOT NULL, \
                 `tried_time` DATETIME(6) NULL, \
                 `wanted` VARCHAR(8) NULL, \
                 `edited` TINYINT UNSIGNED NOT NULL, \
                 KEY `wanted` (`pipeline`, `wanted`)) {TAIL}",
                self.quarantine,
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 `id` BIGINT UNSIGNED NOT NULL, \
                 `edited` TINYINT UNSIGNED NOT NULL, \
                 `piece` INT UNSIGNED NOT NULL, \
                 `bytes` LONGBLOB NOT NULL, \
                 PRIMARY KEY (`id`, `edited`, `piece`)) {TAIL}",
                self.quarantine_piece,
            ),
        ]
    }

    /// The statements that make the list of who looked at rows.
    fn audit_statements(&self) -> [String; 2] {
        let name = |column| format!("{column} VARCHAR({MAX_NAME}) NOT NULL");
        [
            format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(&self.schema)),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
                 `time` DATETIME(6) NOT NULL, {}, {}, {}, \
                 `action` VARCHAR(32) NOT NULL, \
                 `subject` LONGTEXT NOT NULL) {TAIL}",
                self.audit,
                name("`account`"),
                name("`operator`"),
                name("`pipeline`"),
            ),
        ]
    }

    /// What an administrator runs where the account may not make the schema, or write it.
    pub(crate) fn grant_all(&self, account: &str) -> String {
        format!("GRANT ALL ON {}.* TO {account}", identifier(&self.schema))
    }

    /// Makes the schema and its tables where they are missing, but those of held rows.
    pub(crate) async fn ensure(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        let tables = [&*self.checkpoint, &*self.mark, &*self.schema_log, &*self.ddl];
        self.make((&tables, &self.create_statements()), conn, facts).await
    }

    /// Makes the tables of held rows where they are missing. Only who holds rows needs them.
    pub(crate) async fn ensure_quarantine(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        let tables = [&*self.quarantine, &*self.quarantine_piece];
        self.make((&tables, &self.quarantine_statements()), conn, facts).await?;
        self.ensure_audit(conn, facts).await
    }

    /// Makes the list of who looked at rows where it is missing.
    pub(crate) async fn ensure_audit(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        self.make((&[&self.audit], &self.audit_statements()), conn, facts).await
    }

    pub(super) async fn make(
        &self,
        (tables, statements): (&[&str], &[String]),
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        let probe: Vec<_> =
            tables.iter().map(|table| format!("SELECT 1 FROM {table} WHERE FALSE")).collect();
        match patiently(conn, &probe.join("; ")).await {
            Ok(_) => return Ok(()),
            // No such table or schema; or no right to see whether there is one.
            Err(error) if matches!(error.number(), Some(1049 | 1146 | 1142 | 1044)) => {}
            Err(error) => return Err(MySqlLoadError::plain(error)),
        }
        for statement in statements {
            match patiently(conn, statement).await {
                Ok(_) => {}
                Err(ConnError::Server(server))
                    if matches!(server.number, 1044 | 1142 | 1227 | 1370) =>
                {
                    return Err(MySqlLoadError::MissingRight {
                        number: server.number,
                        remedy: self.grant_all(&facts.account),
                    });
                }
                Err(error) => return Err(MySqlLoadError::plain(error)),
            }
        }
        Ok(())
    }

    /// Empties the pipeline's schema log and what is known of its last schema change: its position
    /// was not reached by reading, so that schema changes before it may be missing there.
    pub(crate) async fn forget_schema(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<(), MySqlLoadError> {
        for table in [&self.schema_log, &self.ddl] {
            let text = format!("DELETE FROM {table} WHERE `pipeline` = {}", self.pipeline);
            match conn.query(&text).await {
                // There is none: a version without one was here.
                Err(error) if error.number() == Some(1146) => {}
                answer => drop(answer.map_err(MySqlLoadError::plain)?),
            }
        }
        Ok(())
    }
}

/// Looks for tables or makes them, again where it met locks: MySQL ends one of several that make
/// the same at once, or look for what is being made, as a deadlock, and nothing is done then.
async fn patiently(conn: &mut dyn ApplyConn, text: &str) -> Result<Vec<TextRow>, ConnError> {
    for attempt in 1..TRIES {
        match conn.query(text).await {
            // ER_LOCK_DEADLOCK.
            Err(error) if error.number() == Some(1213) => sleep(pause_before(attempt)).await,
            outcome => return outcome,
        }
    }
    conn.query(text).await
}
