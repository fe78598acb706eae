//! The table of requests to copy rows again.
//!
//! It is made by whoever asks first. Requests are done in the order of their numbers; finished ones are
//! kept for a while, so that whoever asked can see what became of them.

use otter_core::{ResyncRecord, ResyncRequest, ResyncStage, ResyncStep, ResyncWish, TableName};

use super::{MAX_NAME, Store};
use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::connect::ServerFacts;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::{identifier, qualified, string};
use crate::mysql::plan::{Expect, Script};

/// The columns of `resync_request` that are read, in their order.
const COLUMNS: &str = "`id`, `database`, `table`, `kind`, `key_columns`, `wish`, `state`, \
     `resume_key`, `rows`, `bytes`, `estimated_rows`, `gone_keys`, `reason`, `operator`, \
     `asked_time`, `written_time`";

/// What to do about a request that cannot be read.
const REMEDY: &str = "delete it there, and ask again";

/// So long finished requests are kept.
const KEPT_DAYS: u32 = 7;

/// Of a finished request its values of rows are not kept (SECRET-1).
const FORGET_ROWS: &str = "`wish` = NULL, `resume_key` = NULL,";

/// A request as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredRequest {
    pub(crate) request: ResyncRequest,
    pub(crate) record: ResyncRecord,
    pub(crate) operator: String,
    /// By the target's clock, in UTC.
    pub(crate) asked_time: String,
    pub(crate) written_time: String,
}

/// Which requests are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// The oldest that is not finished.
    First,
    All,
}

impl Store {
    fn resync(&self) -> String {
        qualified(&self.schema, "resync_request")
    }

    /// The statements that make the table.
    pub(super) fn resync_statements(&self) -> [String; 2] {
        let name = |column| format!("{column} VARCHAR({MAX_NAME}) NOT NULL");
        [
            format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(&self.schema)),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {}, {}, {}, \
                 `kind` VARCHAR(16) NOT NULL, `key_columns` LONGTEXT NULL, `wish` LONGTEXT NULL, \
                 `state` VARCHAR(16) NOT NULL, `resume_key` LONGTEXT NULL, \
                 `rows` BIGINT UNSIGNED NOT NULL, `bytes` BIGINT UNSIGNED NOT NULL, \
                 `estimated_rows` BIGINT UNSIGNED NOT NULL, \
                 `gone_keys` BIGINT UNSIGNED NOT NULL, `reason` LONGTEXT NULL, {}, \
                 `asked_time` DATETIME(6) NOT NULL, `written_time` DATETIME(6) NOT NULL, \
                 KEY `open` (`pipeline`, `state`, `id`)) \
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
                self.resync(),
                name("`pipeline`"),
                name("`database`"),
                name("`table`"),
                name("`operator`"),
            ),
        ]
    }

    /// Makes the table where it is missing.
    pub(crate) async fn ensure_resync(
        &self,
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
    ) -> Result<(), MySqlLoadError> {
        let table = self.resync();
        self.make((&[&table], &self.resync_statements()), conn, facts).await
    }

    /// Reads requests in the order of their numbers; none where there is no such table.
    pub(crate) async fn read_requests(
        &self,
        conn: &mut dyn ApplyConn,
        which: Requests,
    ) -> Result<Vec<StoredRequest>, MySqlLoadError> {
        let which = match which {
            Requests::First => " AND `state` IN ('waiting', 'copying') ORDER BY `id` LIMIT 1",
            Requests::All => " ORDER BY `id`",
        };
        let table = self.resync();
        let text =
            format!("SELECT {COLUMNS} FROM {table} WHERE `pipeline` = {}{which}", self.pipeline);
        let rows = match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146 | 1142 | 1044)) => Vec::new(),
            rows => rows.map_err(MySqlLoadError::plain)?,
        };
        let parsed = rows.into_iter().map(|row| {
            parse(row)
                .ok_or_else(|| MySqlLoadError::BadRow { table: table.clone(), remedy: REMEDY })
        });
        parsed.collect()
    }

    /// Writes a request, and returns its number.
    pub(crate) async fn write_request(
        &self,
        conn: &mut dyn ApplyConn,
        (request, operator): (&ResyncRequest, &str),
    ) -> Result<u64, MySqlLoadError> {
        let text =
            format!("{}; SELECT LAST_INSERT_ID()", self.request_text(request, &string(operator)));
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let id = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
        id.ok_or_else(|| MySqlLoadError::BadRow { table: self.resync(), remedy: REMEDY })
    }

    /// Gives a request up, and tells whether it was open.
    pub(crate) async fn cancel_request(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
    ) -> Result<bool, MySqlLoadError> {
        let text = format!(
            "UPDATE {} SET `state` = 'refused', `reason` = 'cancelled', {FORGET_ROWS} \
             `written_time` = UTC_TIMESTAMP(6) WHERE `pipeline` = {} AND `id` = {id} \
             AND `state` IN ('waiting', 'copying'); SELECT ROW_COUNT()",
            self.resync(),
            self.pipeline
        );
        let rows = match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => return Ok(false),
            rows => rows.map_err(MySqlLoadError::plain)?,
        };
        Ok(rows.first().and_then(|row| row.first()?.as_deref()) == Some("1"))
    }

    /// Forgets all requests: they were about an earlier pipeline of this name.
    pub(crate) async fn forget_requests(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "DELETE FROM {} WHERE `pipeline` = {} AND `state` = 'copying'",
            self.resync(),
            self.pipeline
        );
        match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1146 | 1142)) => Ok(()),
            answer => answer.map(drop).map_err(MySqlLoadError::plain),
        }
    }

    /// The statement that writes a request; the operator is a literal.
    fn request_text(&self, request: &ResyncRequest, operator: &str) -> String {
        let (columns, wish) = match &request.wish {
            ResyncWish::All => (None, None),
            ResyncWish::Where(condition) => (None, Some(&**condition)),
            ResyncWish::Keys { columns, keys } if columns.is_empty() => (None, Some(&**keys)),
            ResyncWish::Keys { columns, keys } => (Some(columns.join("\n")), Some(&**keys)),
        };
        let optional = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), string);
        format!(
            "INSERT INTO {} (`pipeline`, `database`, `table`, `kind`, `key_columns`, `wish`, \
             `state`, `rows`, `bytes`, `estimated_rows`, `gone_keys`, `operator`, `asked_time`, \
             `written_time`) VALUES ({}, {}, {}, '{}', {}, {}, 'waiting', 0, 0, 0, 0, {operator}, \
             UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            self.resync(),
            self.pipeline,
            string(&request.table.database),
            string(&request.table.table),
            request.wish.word(),
            optional(columns.as_deref()),
            optional(wish),
        )
    }

    /// Appends what a step of a resync writes, in the transaction of the rows before it.
    pub(crate) fn push_resync_step(&self, script: &mut Script, step: &ResyncStep) {
        match step {
            ResyncStep::Asked(request) => {
                let text = self.request_text(request, "'the source'");
                script.push(Expect::Nothing).push_str(&text);
            }
            ResyncStep::Moved(record) => {
                let optional = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), string);
                let table = self.resync();
                let place = if record.stage.is_finished() {
                    FORGET_ROWS.to_owned()
                } else {
                    format!("`resume_key` = {},", optional(record.after.as_deref()))
                };
                let text = format!(
                    "UPDATE {table} SET `state` = '{}', {place} `rows` = {}, `bytes` = {}, \
                     `estimated_rows` = {}, `gone_keys` = {}, `reason` = {}, \
                     `written_time` = UTC_TIMESTAMP(6) WHERE `pipeline` = {} AND `id` = {} \
                     AND `state` IN ('waiting', 'copying')",
                    record.stage.word(),
                    record.rows,
                    record.bytes,
                    record.estimated,
                    record.gone,
                    optional(record.reason.as_deref()),
                    self.pipeline,
                    record.id,
                );
                script.push(Expect::Nothing).push_str(&text);
                if record.stage.is_finished() {
                    let text = format!(
                        "DELETE FROM {table} WHERE `pipeline` = {} \
                         AND `state` IN ('done', 'refused') \
                         AND `written_time` < UTC_TIMESTAMP(6) - INTERVAL {KEPT_DAYS} DAY",
                        self.pipeline
                    );
                    script.push(Expect::Nothing).push_str(&text);
                }
            }
            // Whatever it is, it must not be lost: the statement does not exist.
            _ => script.push(Expect::Nothing).push_str("SIGNAL SQLSTATE '45000'"),
        }
    }
}

fn parse(row: TextRow) -> Option<StoredRequest> {
    let mut cells = row.into_iter();
    let mut next = || cells.next();
    let id = next()??.parse().ok()?;
    let table = TableName::new(next()??, next()??);
    let kind = next()??;
    let columns = next()?;
    let wish = next()?;
    let stage = ResyncStage::of_word(&next()??)?;
    // Only a finished request has forgotten what was wished.
    let wish = wish.or_else(|| stage.is_finished().then(String::new));
    let wish = match kind.as_str() {
        "all" => ResyncWish::All,
        "where" => ResyncWish::Where(wish?.into()),
        "keys" => {
            let columns = columns.unwrap_or_default();
            let columns = columns.split('\n').filter(|name| !name.is_empty()).map(Into::into);
            ResyncWish::Keys { columns: columns.collect(), keys: wish?.into() }
        }
        _ => return None,
    };
    let after = next()?.map(Into::into);
    let rows = next()??.parse().ok()?;
    let bytes = next()??.parse().ok()?;
    let estimated = next()??.parse().ok()?;
    let gone = next()??.parse().ok()?;
    let reason = next()?.map(Into::into);
    Some(StoredRequest {
        request: ResyncRequest { table, wish },
        record: ResyncRecord { id, stage, after, rows, bytes, estimated, gone, reason },
        operator: next()??,
        asked_time: next()??,
        written_time: next()??,
    })
}
