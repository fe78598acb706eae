//! The schema log of a pipeline in its target's own schema, beside the checkpoint.
//!
//! It moves with the pipeline: whichever process takes over finds it there. A record is kept in
//! pieces, since the snapshot of many thousand tables may be longer than one packet. Each call
//! opens a connection of its own; schema changes are rare.

use std::time::Duration;

use async_trait::async_trait;
use otter_core::{
    DatabaseUrl, PipelineId, Place, Result, SchemaLog, SchemaLogConflict, SchemaRecord,
};

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::connect::{self, ServerFacts, SessionTimes};
use crate::mysql::names::string;
use crate::mysql::store::Store;

/// How long the server may keep the connection between two statements.
const IDLE: Duration = Duration::from_secs(60);
/// How long a row lock may take: another process may be writing the same records.
const ROW_LOCK: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// The greatest length of a piece in bytes: far below any server's packet, also when every letter
/// of it has to be escaped.
const PIECE: usize = 256 * 1024;

/// A [`SchemaLog`] in the table `schema_log` of a target's own schema.
#[derive(Debug)]
pub struct TargetSchemaLog {
    url: DatabaseUrl,
    store: Store,
    pipeline: PipelineId,
}

impl TargetSchemaLog {
    /// The log of a pipeline in this schema of this target. Nothing is opened yet; the table is
    /// made when it is needed.
    #[must_use]
    pub fn new(url: DatabaseUrl, schema: &str, pipeline: PipelineId) -> Self {
        let store = Store::new(schema, pipeline.as_str());
        Self { url, store, pipeline }
    }

    async fn open(&self) -> Result<Desk<'_>, MySqlLoadError> {
        let times = SessionTimes { idle: IDLE, row_lock: ROW_LOCK, answer: ANSWER };
        let (conn, facts) = connect::open(&self.url, times).await?;
        Ok(Desk { log: self, conn, facts })
    }

    fn bad(&self, what: &str) -> MySqlLoadError {
        let (pipeline, what) = (self.pipeline.to_string(), what.to_owned());
        MySqlLoadError::BadSchemaLog { pipeline, what }
    }
}

#[async_trait]
impl SchemaLog for TargetSchemaLog {
    async fn load(&self) -> Result<Vec<SchemaRecord>> {
        let mut desk = self.open().await?;
        let rows = match desk.conn.query(&desk.select("")).await {
            // No such schema or table yet.
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => Vec::new(),
            rows => rows.map_err(MySqlLoadError::plain)?,
        };
        let records = desk.records(&rows)?;
        desk.conn.goodbye().await;
        Ok(records)
    }

    async fn append(&self, records: &[SchemaRecord]) -> Result<()> {
        let Some(first) = records.first() else { return Ok(()) };
        let mut desk = self.open().await?;
        desk.begin().await?;
        let behind = format!(" AND `number` >= {} FOR UPDATE", first.number);
        let rows = desk.query(&desk.select(&behind)).await?;
        let known = desk.records(&rows)?;
        for record in records {
            match known.iter().find(|known| known.number == record.number) {
                Some(known) if known == record => {}
                Some(_) => return Err(SchemaLogConflict { number: record.number }.into()),
                None => desk.insert(record).await?,
            }
        }
        Ok(desk.commit().await?)
    }

    async fn cut(&self, last: u64) -> Result<()> {
        let mut desk = self.open().await?;
        desk.begin().await?;
        desk.delete(&format!(" AND `number` > {last}")).await?;
        Ok(desk.commit().await?)
    }

    async fn restart(&self, record: &SchemaRecord) -> Result<()> {
        let mut desk = self.open().await?;
        desk.begin().await?;
        desk.delete("").await?;
        desk.insert(record).await?;
        Ok(desk.commit().await?)
    }
}

/// A connection for one piece of business.
struct Desk<'a> {
    log: &'a TargetSchemaLog,
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
}

impl Desk<'_> {
    /// Begins a transaction, making the table where it is missing.
    async fn begin(&mut self) -> Result<(), MySqlLoadError> {
        self.log.store.ensure(&mut *self.conn, &self.facts).await?;
        self.query("START TRANSACTION").await.map(drop)
    }

    async fn commit(mut self) -> Result<(), MySqlLoadError> {
        self.query("COMMIT").await?;
        self.conn.goodbye().await;
        Ok(())
    }

    async fn query(&mut self, text: &str) -> Result<Vec<TextRow>, MySqlLoadError> {
        self.conn.query(text).await.map_err(MySqlLoadError::plain)
    }

    fn select(&self, condition: &str) -> String {
        // The lock stands last.
        let (condition, lock) = match condition.strip_suffix(" FOR UPDATE") {
            Some(condition) => (condition, " FOR UPDATE"),
            None => (condition, ""),
        };
        format!(
            "SELECT `number`, `piece`, `place`, `text` FROM {} WHERE `pipeline` = {}{condition} \
             ORDER BY `number`, `piece`{lock}",
            self.log.store.schema_log(),
            self.log.store.pipeline(),
        )
    }

    async fn delete(&mut self, condition: &str) -> Result<(), MySqlLoadError> {
        let text = format!(
            "DELETE FROM {} WHERE `pipeline` = {}{condition}",
            self.log.store.schema_log(),
            self.log.store.pipeline(),
        );
        self.query(&text).await.map(drop)
    }

    async fn insert(&mut self, record: &SchemaRecord) -> Result<(), MySqlLoadError> {
        for (piece, text) in pieces(&record.text).into_iter().enumerate() {
            let text = format!(
                "INSERT INTO {} (`pipeline`, `number`, `piece`, `place`, `text`) \
                 VALUES ({}, {}, {piece}, {}, {})",
                self.log.store.schema_log(),
                self.log.store.pipeline(),
                record.number,
                string(&record.place.to_string()),
                string(text),
            );
            self.query(&text).await?;
        }
        Ok(())
    }

    /// Joins the pieces, which come in order.
    fn records(&self, rows: &[TextRow]) -> Result<Vec<SchemaRecord>, MySqlLoadError> {
        let mut records: Vec<(u64, Place, String)> = Vec::new();
        let mut next_piece = 0_u64;
        for row in rows {
            let [Some(number), Some(piece), Some(place), Some(text)] = row.as_slice() else {
                return Err(self.log.bad("one of its rows cannot be read"));
            };
            let number = number.parse().map_err(|_| self.log.bad("a number is none"))?;
            let piece: u64 = piece.parse().map_err(|_| self.log.bad("a piece has no number"))?;
            if piece == 0 {
                let place = place.parse().map_err(|_| {
                    self.log.bad(&format!("the place of record {number} is not one"))
                })?;
                records.push((number, place, text.clone()));
                next_piece = 1;
                continue;
            }
            match records.last_mut() {
                Some((last, _, whole)) if *last == number && piece == next_piece => {
                    whole.push_str(text);
                    next_piece += 1;
                }
                _ => return Err(self.log.bad(&format!("record {number} lacks a piece"))),
            }
        }
        let record = |(number, place, text): (u64, Place, String)| SchemaRecord {
            number,
            place,
            text: text.into(),
        };
        Ok(records.into_iter().map(record).collect())
    }
}

/// A text in pieces that are not too long, cut between letters; one empty piece for an empty text.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > PIECE {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_between_letters_and_make_the_text() {
        for text in [String::new(), "é".repeat(PIECE), "a".repeat(PIECE), "aé".repeat(PIECE)] {
            let pieces = pieces(&text);
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
            assert_eq!(pieces.concat(), text);
        }
    }
}
