//! The rows that a target does not take, kept in the target beside the checkpoint.
//!
//! `quarantine` has one row for each held row; what the row holds is in `quarantine_piece`, in pieces
//! that pass through any packet. Numbers grow with the order of holding and are never used again.

use super::held_row::{COLUMNS, HeldFilter, HeldRow, Verdict, Wanted};
use super::{Claim, Held, Store};
use crate::mysql::conn::{ApplyConn, ConnError, TextRow};
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::string;

/// The bytes of a row in one piece: twice as many digits fit in every packet.
const PIECE: usize = 128 << 10;

/// So many pieces are read at once.
const PIECES_AT_ONCE: usize = 64;

/// What an operator did, without values (SECRET-1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuditEntry<'a> {
    /// Who ran the command, as the operator's machine tells.
    pub(crate) operator: &'a str,
    pub(crate) action: &'a str,
    pub(crate) subject: &'a str,
}

impl Store {
    /// Holds a row, and returns its number. A transaction must be open.
    pub(crate) async fn hold(
        &self,
        conn: &mut dyn ApplyConn,
        row: &HeldRow,
        bytes: &[u8],
    ) -> Result<u64, MySqlLoadError> {
        let optional = |text: &Option<String>| match text {
            Some(text) => string(text),
            None => "NULL".to_owned(),
        };
        let text = format!(
            "INSERT INTO {} (`pipeline`, `database`, `table`, `kind`, `key_columns`, `gtid`, \
             `place`, `ordinal`, `origin`, `code`, `reason`, `remedy`, `cause`, `tries`, \
             `held_time`, `edited`) VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, 0, \
             UTC_TIMESTAMP(6), 0); SELECT LAST_INSERT_ID()",
            self.quarantine,
            self.pipeline,
            string(&row.table.database),
            string(&row.table.table),
            string(&row.kind),
            string(&row.key),
            optional(&row.gtid),
            string(&row.place),
            row.ordinal,
            optional(&row.origin),
            string(&row.verdict.code),
            string(&row.verdict.reason),
            string(&row.verdict.remedy),
            row.cause.map_or_else(|| "NULL".to_owned(), |cause| cause.to_string()),
        );
        let rows = conn.query(&text).await.map_err(untold)?;
        let id = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
        let id = id.ok_or_else(|| bad("the server gives no number to a held row"))?;
        self.write_pieces(conn, (id, false), bytes).await?;
        Ok(id)
    }

    async fn write_pieces(
        &self,
        conn: &mut dyn ApplyConn,
        (id, is_edited): (u64, bool),
        bytes: &[u8],
    ) -> Result<(), MySqlLoadError> {
        for (number, piece) in bytes.chunks(PIECE).enumerate() {
            let mut text = format!(
                "INSERT INTO {} (`id`, `edited`, `piece`, `bytes`) VALUES ({id}, {}, {number}, X'",
                self.quarantine_piece,
                u8::from(is_edited)
            );
            text.extend(
                piece
                    .iter()
                    .flat_map(|byte| {
                        [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16))
                    })
                    .flatten(),
            );
            text.push_str("')");
            conn.query(&text).await.map_err(untold)?;
        }
        Ok(())
    }

    /// The held rows, in order. Where the schema or the table may not be there yet, none.
    pub(crate) async fn held_rows(
        &self,
        conn: &mut dyn ApplyConn,
        filter: &HeldFilter,
    ) -> Result<Vec<HeldRow>, MySqlLoadError> {
        let text = format!(
            "SELECT {COLUMNS} FROM {} WHERE {} ORDER BY `id`",
            self.quarantine,
            self.condition(filter)
        );
        match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => Ok(Vec::new()),
            rows => rows.map_err(MySqlLoadError::plain)?.iter().map(parse).collect(),
        }
    }

    /// How many rows are held; none where the table is not there yet.
    pub(crate) async fn count_held(&self, conn: &mut dyn ApplyConn) -> Result<u64, MySqlLoadError> {
        let text = format!(
            "SELECT COUNT(*) FROM {} WHERE `pipeline` = {}",
            self.quarantine, self.pipeline
        );
        match conn.query(&text).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => Ok(0),
            rows => {
                let rows = rows.map_err(MySqlLoadError::plain)?;
                let count = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
                count.ok_or_else(|| bad("the held rows cannot be counted"))
            }
        }
    }

    /// A held row, locked until the open transaction ends; `None` where it is gone.
    pub(crate) async fn lock_held(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
    ) -> Result<Option<HeldRow>, MySqlLoadError> {
        let condition = self.condition(&HeldFilter::Ids(vec![id]));
        let text =
            format!("SELECT {COLUMNS} FROM {} WHERE {condition} FOR UPDATE", self.quarantine);
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        rows.first().map(parse).transpose()
    }

    /// What a held row holds: as it was, or as an operator has edited it.
    pub(crate) async fn held_bytes(
        &self,
        conn: &mut dyn ApplyConn,
        (id, is_edited): (u64, bool),
    ) -> Result<Vec<u8>, MySqlLoadError> {
        let mut bytes = Vec::new();
        let mut next = 0_u64;
        loop {
            let text = format!(
                "SELECT HEX(`bytes`) FROM {} WHERE `id` = {id} AND `edited` = {} \
                 AND `piece` >= {next} ORDER BY `piece` LIMIT {PIECES_AT_ONCE}",
                self.quarantine_piece,
                u8::from(is_edited)
            );
            let rows = conn.query(&text).await.map_err(untold)?;
            for row in &rows {
                let digits = row.first().and_then(Option::as_ref);
                let digits = digits.ok_or_else(|| bad("a piece of a held row is NULL"))?;
                push_hex(&mut bytes, digits).ok_or_else(|| bad("a piece is no bytes"))?;
                next += 1;
            }
            if rows.len() < PIECES_AT_ONCE {
                return Ok(bytes);
            }
        }
    }

    /// The numbers of rows with which something is to be done, in order.
    pub(crate) async fn wishes(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Vec<u64>, MySqlLoadError> {
        let text = format!(
            "SELECT `id` FROM {} WHERE `pipeline` = {} AND `wanted` IS NOT NULL ORDER BY `id`",
            self.quarantine, self.pipeline
        );
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let id = |row: &TextRow| row.first()?.as_ref()?.parse().ok();
        rows.iter().map(|row| id(row).ok_or_else(|| bad("a number is none"))).collect()
    }

    /// Notes what the operator wants, and returns how many rows that is.
    pub(crate) async fn want(
        &self,
        conn: &mut dyn ApplyConn,
        wanted: Wanted,
        filter: &HeldFilter,
    ) -> Result<u64, MySqlLoadError> {
        let condition = self.condition(filter);
        let text = format!(
            "UPDATE {} SET `wanted` = '{}' WHERE {condition}; \
             SELECT COUNT(*) FROM {} WHERE {condition}",
            self.quarantine,
            wanted.word(),
            self.quarantine,
        );
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let count = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
        count.ok_or_else(|| bad("the held rows cannot be counted"))
    }

    /// Keeps an edited row beside the one that was held, and wants it to be tried.
    pub(crate) async fn edit(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
        bytes: &[u8],
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "DELETE FROM {} WHERE `id` = {id} AND `edited` = 1; \
             UPDATE {} SET `edited` = 1, `wanted` = 'retry' WHERE `id` = {id}",
            self.quarantine_piece, self.quarantine
        );
        conn.query(&text).await.map_err(untold)?;
        self.write_pieces(conn, (id, true), bytes).await
    }

    /// Notes that a row was tried and is still not taken.
    pub(crate) async fn note_refusal(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
        verdict: &Verdict,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "UPDATE {} SET `tries` = `tries` + 1, `tried_time` = UTC_TIMESTAMP(6), \
             `wanted` = NULL, `cause` = NULL, `code` = {}, `reason` = {}, `remedy` = {} \
             WHERE `id` = {id}",
            self.quarantine,
            string(&verdict.code),
            string(&verdict.reason),
            string(&verdict.remedy)
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Notes that a row waits behind another one.
    pub(crate) async fn note_cause(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
        cause: u64,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "UPDATE {} SET `wanted` = NULL, `cause` = {cause} WHERE `id` = {id}",
            self.quarantine
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Forgets a row: it is in the target now, or nobody wants it.
    pub(crate) async fn release(
        &self,
        conn: &mut dyn ApplyConn,
        id: u64,
    ) -> Result<(), MySqlLoadError> {
        let text = format!(
            "DELETE FROM {} WHERE `id` = {id}; DELETE FROM {} WHERE `id` = {id}",
            self.quarantine_piece, self.quarantine
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Forgets the rows that an operator has given up, unless another loader holds the checkpoint
    /// (FENCE-1) or there are others, whose number is returned.
    pub(crate) async fn release_given_up(
        &self,
        conn: &mut dyn ApplyConn,
        held: (&Claim, &Held),
    ) -> Result<u64, MySqlLoadError> {
        let _ = self.lock(conn).await?;
        if !self.is_held(conn, held).await? {
            return Err(MySqlLoadError::CheckpointMoved);
        }
        let (rows, pieces) = (&self.quarantine, &self.quarantine_piece);
        let pipeline = &self.pipeline;
        let text = format!(
            "DELETE FROM {pieces} WHERE `id` IN (SELECT `id` FROM {rows} \
             WHERE `pipeline` = {pipeline} AND `wanted` = 'drop'); \
             DELETE FROM {rows} WHERE `pipeline` = {pipeline} AND `wanted` = 'drop'"
        );
        conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let kept = self.count_held(conn).await?;
        let end = if kept == 0 { "COMMIT" } else { "ROLLBACK" };
        conn.query(end).await.map_err(MySqlLoadError::plain)?;
        Ok(kept)
    }

    /// Writes down who looked at or asked for what; never a value (SECRET-1).
    pub(crate) async fn audit(
        &self,
        conn: &mut dyn ApplyConn,
        entry: AuditEntry<'_>,
    ) -> Result<(), MySqlLoadError> {
        let AuditEntry { operator, action, subject } = entry;
        let text = format!(
            "INSERT INTO {} (`time`, `account`, `operator`, `pipeline`, `action`, `subject`) \
             VALUES (UTC_TIMESTAMP(6), USER(), {}, {}, {}, {})",
            self.audit,
            string(operator),
            self.pipeline,
            string(action),
            string(subject)
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    fn condition(&self, filter: &HeldFilter) -> String {
        let mut text = format!("`pipeline` = {}", self.pipeline);
        match filter {
            HeldFilter::All => {}
            HeldFilter::Ids(ids) if ids.is_empty() => text.push_str(" AND FALSE"),
            HeldFilter::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
                text.push_str(&format!(" AND `id` IN ({})", ids.join(", ")));
            }
            HeldFilter::Table(name) => text.push_str(&format!(
                // A server that folds the case of names may have written them otherwise.
                " AND (`database` = {database} AND `table` = {table} \
                 OR @@lower_case_table_names <> 0 AND LOWER(`database`) = LOWER({database}) \
                 AND LOWER(`table`) = LOWER({table}))",
                database = string(&name.database),
                table = string(&name.table)
            )),
        }
        text
    }
}

/// The error of a statement that holds a row's bytes, or answers them: the server is not quoted
/// (SECRET-1).
pub(super) fn untold(error: ConnError) -> MySqlLoadError {
    let error = MySqlLoadError::plain(error);
    if let MySqlLoadError::Server { number, .. } = error {
        let message = "a held row cannot be written or read".to_owned();
        return MySqlLoadError::Server { number, message };
    }
    if let MySqlLoadError::Lost { .. } = error {
        let cause = "the connection was lost at a held row".to_owned();
        return MySqlLoadError::Lost { cause };
    }
    error
}

pub(super) fn bad(what: &str) -> MySqlLoadError {
    MySqlLoadError::BadQuarantine { what: what.to_owned() }
}

fn parse(row: &TextRow) -> Result<HeldRow, MySqlLoadError> {
    HeldRow::parse(row).ok_or_else(|| bad("one of its rows cannot be read"))
}

pub(super) fn push_hex(bytes: &mut Vec<u8>, digits: &str) -> Option<()> {
    for [high, low] in digits.as_bytes().as_chunks::<2>().0 {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    digits.len().is_multiple_of(2).then_some(())
}
