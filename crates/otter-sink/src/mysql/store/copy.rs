//! The table that tells how far the initial copy is.
//!
//! Only pipelines that copy have it. The row without a table stands for the whole: where it is
//! missing, the pipeline began without a copy.

use otter_core::{CopyRecord, CopyStage, CopyStep, TableName};

use super::{MAX_NAME, Store};
use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::connect::ServerFacts;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::{qualified, string};
use crate::mysql::options::{Existing, LoaderOptions};
use crate::mysql::plan::{Expect, Script};

/// The columns of `copy`, in the order in which they are read.
const COLUMNS: &str = "`database`, `table`, `state`, `resume_key`, `rows`, `bytes`, \
     `estimated_rows`, `problem`";

/// How long a table has taken, in whole seconds.
const SECONDS: &str = "TIMESTAMPDIFF(SECOND, `begun_time`, `written_time`)";

/// How far a table is.
#[derive(Debug, Clone)]
pub(crate) struct StoredCopy {
    pub(crate) record: CopyRecord,
    /// From its beginning to what was written of it last; of one that waits, since it was noted.
    pub(crate) seconds: u64,
}

/// What the row without a table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// The pipeline began without a copy.
    Missing,
    /// Tables are to be copied.
    Open,
    /// All were copied.
    Finished,
}

impl Store {
    fn copy(&self) -> String {
        qualified(&self.schema, "copy")
    }

    pub(super) fn copy_statement(&self) -> String {
        let name = |column| format!("{column} VARCHAR({MAX_NAME}) NOT NULL");
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({}, {}, {}, `state` VARCHAR(16) NOT NULL, \
             `resume_key` LONGTEXT NULL, `rows` BIGINT UNSIGNED NOT NULL, \
             `bytes` BIGINT UNSIGNED NOT NULL, `estimated_rows` BIGINT UNSIGNED NOT NULL, \
             `problem` TEXT NULL, `begun_time` DATETIME(6) NOT NULL, \
             `written_time` DATETIME(6) NOT NULL, \
             PRIMARY KEY (`pipeline`, `database`, `table`)) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            self.copy(),
            name("`pipeline`"),
            name("`database`"),
            name("`table`"),
        )
    }

    /// Makes the table where it is missing.
    pub(crate) async fn ensure_copy(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        self.make((&[&self.copy()], &[self.copy_statement()]), conn, facts).await
    }

    /// Reads how far the copy is; nothing where there is no such table.
    pub(crate) async fn read_copy(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<(Header, Vec<StoredCopy>), MySqlLoadError> {
        let text = format!(
            "SELECT {COLUMNS}, {SECONDS} FROM {} WHERE `pipeline` = {} ORDER BY `database`, `table`",
            self.copy(),
            self.pipeline
        );
        let rows = match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146 | 1142)) => Vec::new(),
            rows => rows.map_err(MySqlLoadError::plain)?,
        };
        let mut header = Header::Missing;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            let stored = parse(row).ok_or_else(|| MySqlLoadError::Copy {
                what: format!("cannot go on: a row of {} cannot be read", self.copy()),
            })?;
            if !stored.record.table.table.is_empty() {
                records.push(stored);
            } else if stored.record.stage == CopyStage::Done {
                header = Header::Finished;
            } else {
                header = Header::Open;
            }
        }
        Ok((header, records))
    }

    /// Looks whether a pipeline that is taken over may go on with or without a copy.
    pub(crate) async fn settle_copy(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
        (options, has_begun): (&LoaderOptions, bool),
    ) -> Result<(), MySqlLoadError> {
        let wanted = options.initial_copy;
        if wanted.is_some() {
            self.ensure_copy(conn, facts).await?;
        }
        if !has_begun {
            return Ok(());
        }
        let (header, records) = self.read_copy(conn).await?;
        // What the stream has brought of a table that waits was left out.
        let waits = records.iter().any(|stored| stored.record.stage != CopyStage::Done);
        let header = if waits { Header::Open } else { header };
        let what = match (wanted, header) {
            (Some(_), Header::Missing) => {
                "cannot begin: the pipeline has run without it, and its tables are there already. \
                 Leave initial_copy out; or give the pipeline another name, so that it begins anew; \
                 or copy new tables by a pipeline of their own"
            }
            (None, Header::Open) => {
                "is not finished: write initial_copy = true into the configuration until \
                 `otter-server status` shows that all tables are copied"
            }
            (Some(_), Header::Open | Header::Finished)
            | (None, Header::Missing | Header::Finished) => return Ok(()),
        };
        Err(MySqlLoadError::Copy { what: what.to_owned() })
    }

    /// Forgets what an earlier pipeline of this name has copied, and notes that this one copies.
    pub(crate) async fn begin_copy(
        &self,
        conn: &mut dyn ApplyConn,
        wanted: Option<Existing>,
    ) -> Result<(), MySqlLoadError> {
        let copy = self.copy();
        match conn.query(&format!("DELETE FROM {copy} WHERE `pipeline` = {}", self.pipeline)).await
        {
            Err(error) if wanted.is_none() && matches!(error.number(), Some(1146 | 1142)) => {}
            answer => drop(answer.map_err(MySqlLoadError::plain)?),
        }
        if wanted.is_none() {
            return Ok(());
        }
        let header = CopyRecord::new(TableName::new("", ""), CopyStage::Waiting);
        let text = self.record_text(&header);
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// The statement that writes a record.
    fn record_text(&self, record: &CopyRecord) -> String {
        let text_or_null = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), string);
        let after = text_or_null(record.after.as_deref());
        let problem = text_or_null(record.problem.as_deref());
        format!(
            "INSERT INTO {} (`pipeline`, {COLUMNS}, `begun_time`, `written_time`) VALUES \
             ({}, {}, {}, '{}', {after}, {}, {}, {}, {problem}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) \
             ON DUPLICATE KEY UPDATE \
             `begun_time` = IF(`state` = 'waiting', VALUES(`begun_time`), `begun_time`), \
             `resume_key` = IF(`state` = 'waiting' AND VALUES(`state`) = 'waiting', \
             COALESCE(VALUES(`resume_key`), `resume_key`), VALUES(`resume_key`)), \
             `state` = VALUES(`state`), `rows` = VALUES(`rows`), \
             `bytes` = VALUES(`bytes`), \
             `estimated_rows` = VALUES(`estimated_rows`), `problem` = VALUES(`problem`), \
             `written_time` = VALUES(`written_time`)",
            self.copy(),
            self.pipeline,
            string(&record.table.database),
            string(&record.table.table),
            record.stage.word(),
            record.rows,
            record.bytes,
            record.estimated,
        )
    }

    /// The statement that notes tables which wait, where nothing is known of them.
    pub(crate) fn note_text(&self, records: &[CopyRecord]) -> String {
        let rows: Vec<_> = records
            .iter()
            .map(|record| {
                format!(
                    "({}, {}, {}, 'waiting', NULL, 0, 0, {}, NULL, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
                    self.pipeline,
                    string(&record.table.database),
                    string(&record.table.table),
                    record.estimated
                )
            })
            .collect();
        format!(
            "INSERT INTO {} (`pipeline`, {COLUMNS}, `begun_time`, `written_time`) VALUES {} \
             ON DUPLICATE KEY UPDATE `table` = VALUES(`table`)",
            self.copy(),
            rows.join(", ")
        )
    }

    /// The statement that notes of one that waits what its tables in the target come from; the stream may
    /// not have brought its record yet.
    pub(crate) fn made_text(&self, table: &TableName, from: &str) -> String {
        format!(
            "INSERT INTO {} (`pipeline`, {COLUMNS}, `begun_time`, `written_time`) VALUES \
             ({}, {}, {}, 'waiting', {}, 0, 0, 0, NULL, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) \
             ON DUPLICATE KEY UPDATE \
             `resume_key` = IF(`state` = 'waiting', VALUES(`resume_key`), `resume_key`)",
            self.copy(),
            self.pipeline,
            string(&table.database),
            string(&table.table),
            string(from),
        )
    }

    /// The question what is noted of that.
    pub(crate) fn made_from_text(&self, table: &TableName) -> String {
        format!("SELECT `resume_key` FROM {} WHERE {}", self.copy(), self.waiting(table))
    }

    fn waiting(&self, table: &TableName) -> String {
        format!(
            "`pipeline` = {} AND `database` = {} AND `table` = {} AND `state` = 'waiting'",
            self.pipeline,
            string(&table.database),
            string(&table.table)
        )
    }

    /// Appends what a step of the copy writes, in the transaction of the rows before it.
    pub(crate) fn push_copy_step(&self, script: &mut Script, step: &CopyStep) {
        let header = |stage| CopyRecord::new(TableName::new("", ""), stage);
        match step {
            CopyStep::Table { record, emptied } => {
                for table in emptied.iter() {
                    let table = qualified(&table.database, &table.table);
                    script.push(Expect::Nothing).push_str(&format!("DELETE FROM {table}"));
                }
                if record.stage == CopyStage::Forgotten {
                    let text = format!(
                        "DELETE FROM {} WHERE `pipeline` = {} AND `database` = {} AND `table` = {}",
                        self.copy(),
                        self.pipeline,
                        string(&record.table.database),
                        string(&record.table.table)
                    );
                    script.push(Expect::Nothing).push_str(&text);
                    return;
                }
                script.push(Expect::Nothing).push_str(&self.record_text(record));
                if record.stage == CopyStage::Copying && record.after.is_none() {
                    let text = self.record_text(&header(CopyStage::Copying));
                    script.push(Expect::Nothing).push_str(&text);
                }
            }
            CopyStep::Finished => {
                let text = self.record_text(&header(CopyStage::Done));
                script.push(Expect::Nothing).push_str(&text);
            }
            // Whatever it is, it must not be lost: the statement does not exist.
            _ => script.push(Expect::Nothing).push_str("SIGNAL SQLSTATE '45000'"),
        }
    }
}

fn parse(row: &TextRow) -> Option<StoredCopy> {
    let [
        Some(database),
        Some(table),
        Some(state),
        after,
        Some(rows),
        Some(bytes),
        Some(estimated),
        problem,
        Some(seconds),
    ] = row.as_slice()
    else {
        return None;
    };
    let record = CopyRecord {
        table: TableName::new(database.as_str(), table.as_str()),
        stage: CopyStage::of_word(state)?,
        after: after.as_deref().map(Into::into),
        rows: rows.parse().ok()?,
        bytes: bytes.parse().ok()?,
        estimated: estimated.parse().ok()?,
        problem: problem.as_deref().map(Into::into),
    };
    // A clock that was set back makes no time that is to come.
    let seconds: i64 = seconds.parse().ok()?;
    Some(StoredCopy { record, seconds: u64::try_from(seconds).unwrap_or(0) })
}
