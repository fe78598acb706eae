//! The tables in which a target keeps checkpoints and marks, and the texts that touch them.
//!
//! `checkpoint` has one row per pipeline and lane: strict mode uses lane 0 alone. `mark` has one row per
//! pipeline, origin and slot (a slot is one writing connection). Nothing here decides who may
//! write; `takeover` does.

mod checkpoint;
mod copy;
mod held;
mod held_images;
mod held_row;
mod intent;
mod quarantine;
mod resync;
mod rules;
mod tables;
mod verified;

use otter_core::{Position, SourceTime, Timestamp};

use super::conn::{ApplyConn, ConnError, TextRow};
use super::error::MySqlLoadError;
use super::names::{qualified, string};
pub(crate) use checkpoint::StoredCheckpoint;
use checkpoint::parse_checkpoint;
pub(crate) use copy::{Header, StoredCopy};
pub(crate) use held::Held;
pub(crate) use held_images::HeldImage;
pub(crate) use held_row::{HeldFilter, HeldRow, Verdict, Wanted};
pub(crate) use intent::Intent;
pub(crate) use quarantine::AuditEntry;
pub(crate) use resync::Requests;
pub(crate) use rules::{NotedRule, Others};
pub(crate) use verified::{Finding, StoredVerdict, unreadable};

/// The version of a checkpoint of one lane.
pub(crate) const FORMAT: u16 = 1;

/// The version of a checkpoint of several lanes. It stands for the function by which rows find
/// their lanes as well: whoever changes that counts on.
pub(crate) const FORMAT_OF_LANES: u16 = 2;

/// The longest name that is stored, in letters: three of them fit InnoDB's 3,072 bytes of key.
pub(crate) const MAX_NAME: usize = 190;

/// The columns of `checkpoint`.
pub(crate) const CHECKPOINT: [&str; 13] = [
    "`pipeline`",
    "`lane`",
    "`format`",
    "`arbiter`",
    "`term`",
    "`holder`",
    "`slots`",
    "`sequence`",
    "`source`",
    "`resume_from`",
    "`applied_through`",
    "`source_time`",
    "`applied_time`",
];

/// The columns of `mark`.
pub(crate) const MARK: [&str; 4] = ["`pipeline`", "`origin`", "`slot`", "`counter`"];

/// The columns of `quarantine` that have no default.
pub(crate) const QUARANTINE: [&str; 13] = [
    "`pipeline`",
    "`database`",
    "`table`",
    "`kind`",
    "`key_columns`",
    "`place`",
    "`ordinal`",
    "`code`",
    "`reason`",
    "`remedy`",
    "`tries`",
    "`held_time`",
    "`edited`",
];

/// The columns of `quarantine_piece`.
pub(crate) const QUARANTINE_PIECE: [&str; 4] = ["`id`", "`edited`", "`piece`", "`bytes`"];

/// The columns of `audit` that have no default.
pub(crate) const AUDIT: [&str; 6] =
    ["`time`", "`account`", "`operator`", "`pipeline`", "`action`", "`subject`"];

/// The schema and one pipeline's place in it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    schema: String,
    checkpoint: String,
    mark: String,
    schema_log: String,
    ddl: String,
    quarantine: String,
    quarantine_piece: String,
    audit: String,
    name: String,
    /// The pipeline's name as a literal.
    pipeline: String,
}

/// Who holds the checkpoint: the condition of every write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) arbiter: String,
    pub(crate) term: u64,
    /// A random number per loader, so that a term granted twice is noticed.
    pub(crate) holder: String,
}

impl Store {
    pub(crate) fn new(schema: &str, pipeline: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            checkpoint: qualified(schema, "checkpoint"),
            mark: qualified(schema, "mark"),
            schema_log: qualified(schema, "schema_log"),
            ddl: qualified(schema, "ddl"),
            quarantine: qualified(schema, "quarantine"),
            quarantine_piece: qualified(schema, "quarantine_piece"),
            audit: qualified(schema, "audit"),
            name: pipeline.to_owned(),
            pipeline: string(pipeline),
        }
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// The pipeline's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table of the schema log.
    pub(crate) fn schema_log(&self) -> &str {
        &self.schema_log
    }

    /// The pipeline's name as a literal.
    pub(crate) fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Reads all lanes of the pipeline.
    pub(crate) async fn read(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Vec<StoredCheckpoint>, MySqlLoadError> {
        self.parse(conn.query(&self.select_text("")).await)
    }

    /// As [`read`](Self::read), where the schema may not be there yet.
    pub(crate) async fn read_if_there(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Vec<StoredCheckpoint>, MySqlLoadError> {
        match conn.query(&self.select_text("")).await {
            Err(error) if matches!(error.number(), Some(1049 | 1146)) => Ok(Vec::new()),
            answer => self.parse(answer),
        }
    }

    /// Begins a transaction and reads all lanes, so that nobody else can change them.
    pub(crate) async fn lock(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Vec<StoredCheckpoint>, MySqlLoadError> {
        let text = format!("START TRANSACTION; {}", self.select_text(" FOR UPDATE"));
        self.parse(conn.query(&text).await)
    }

    fn parse(
        &self,
        rows: Result<Vec<TextRow>, ConnError>,
    ) -> Result<Vec<StoredCheckpoint>, MySqlLoadError> {
        rows.map_err(MySqlLoadError::plain)?
            .iter()
            .map(|row| {
                parse_checkpoint(row).ok_or_else(|| MySqlLoadError::BadCheckpoint {
                    pipeline: self.pipeline.clone(),
                    what: "its row cannot be read".to_owned(),
                })
            })
            .collect()
    }

    fn select_text(&self, lock: &str) -> String {
        format!(
            "SELECT {} FROM {} WHERE `pipeline` = {} ORDER BY `lane`{lock}",
            CHECKPOINT.join(", "),
            self.checkpoint,
            self.pipeline
        )
    }

    /// Inserts lane 0 for a pipeline that has never been here.
    pub(crate) fn insert_text(&self, claim: &Claim, slots: u16) -> String {
        format!(
            "INSERT INTO {} (`pipeline`, `lane`, `format`, `arbiter`, `term`, `holder`, `slots`, \
             `sequence`, `applied_time`) VALUES ({}, 0, {FORMAT}, {}, {}, {}, {slots}, 0, \
             UTC_TIMESTAMP(6))",
            self.checkpoint,
            self.pipeline,
            string(&claim.arbiter),
            claim.term,
            string(&claim.holder),
        )
    }

    /// Writes a new claim over the one that was read under a lock, in all lanes.
    pub(crate) fn claim_text(&self, claim: &Claim, slots: u16) -> String {
        format!(
            "UPDATE {} SET `arbiter` = {}, `term` = {}, `holder` = {}, `slots` = {slots} \
             WHERE `pipeline` = {}",
            self.checkpoint,
            string(&claim.arbiter),
            claim.term,
            string(&claim.holder),
            self.pipeline,
        )
    }

    /// The condition under which the checkpoint is ours and as we left it.
    fn held_text(&self, (claim, held): (&Claim, &Held)) -> String {
        let mut text = format!(
            "`pipeline` = {} AND `arbiter` = {} AND `term` = {} AND `holder` = {} AND ",
            self.pipeline,
            string(&claim.arbiter),
            claim.term,
            string(&claim.holder),
        );
        held.push_condition(&mut text);
        text
    }

    /// Appends the compare-and-set that moves the checkpoint: one matched row for each lane, or we
    /// are fenced.
    pub(crate) fn push_advance(
        &self,
        text: &mut String,
        held: (&Claim, &Held),
        position: &Position,
        source_time: Option<SourceTime>,
    ) {
        text.push_str("UPDATE ");
        text.push_str(&self.checkpoint);
        text.push_str(" SET `sequence` = `sequence` + 1");
        push_position(text, position);
        if let Some(time) = source_time {
            text.push_str(&format!(", `source_time` = '{}'", as_utc(time)));
        }
        text.push_str(", `applied_time` = UTC_TIMESTAMP(6) WHERE ");
        text.push_str(&self.held_text(held));
    }

    /// Gives the pipeline so many lanes, all at one place, and commits. All its rows must be locked.
    pub(crate) fn shape_text(&self, position: &Position, sequence: u64, lanes: u16) -> String {
        let Self { checkpoint, pipeline, .. } = self;
        let format = if lanes == 1 { FORMAT } else { FORMAT_OF_LANES };
        let mut text =
            format!("UPDATE {checkpoint} SET `sequence` = {sequence}, `format` = {format}");
        push_position(&mut text, position);
        text.push_str(&format!(" WHERE `pipeline` = {pipeline} AND `lane` = 0"));
        text.push_str(&format!(
            "; DELETE FROM {checkpoint} WHERE `pipeline` = {pipeline} AND `lane` > 0"
        ));
        let columns = CHECKPOINT.join(", ");
        for lane in 1..lanes {
            let copied = columns.replacen("`lane`", &lane.to_string(), 1);
            text.push_str(&format!(
                "; INSERT INTO {checkpoint} ({columns}) SELECT {copied} FROM {checkpoint} \
                 WHERE `pipeline` = {pipeline} AND `lane` = 0"
            ));
        }
        text.push_str("; COMMIT");
        text
    }

    /// Appends the mark: the first row event of every target transaction. The counter always
    /// changes, since under minimal row images an unchanged row is not logged.
    pub(crate) fn push_mark(&self, text: &mut String, origin: &str, slot: u16) {
        text.push_str(&format!(
            "INSERT INTO {} (`pipeline`, `origin`, `slot`, `counter`) VALUES ({}, {}, {slot}, 1) \
             ON DUPLICATE KEY UPDATE `counter` = `counter` + 1",
            self.mark,
            self.pipeline,
            string(origin),
        ));
    }

    /// Whether the checkpoint is still ours and as we left it.
    pub(crate) async fn is_held(
        &self,
        conn: &mut dyn ApplyConn,
        held: (&Claim, &Held),
    ) -> Result<bool, MySqlLoadError> {
        let (_, lanes) = held;
        let text =
            format!("SELECT COUNT(*) FROM {} WHERE {}", self.checkpoint, self.held_text(held));
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let count = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
        Ok(count == Some(lanes.count()))
    }

    /// Appends a statement that reads these expressions and returns no rows.
    pub(crate) fn push_no_rows(&self, text: &mut String, expressions: &str) {
        text.push_str(&format!("SELECT {expressions} FROM {} LIMIT 0", self.mark));
    }

    /// Appends a statement that matches one row only where `condition` holds: the mark's, which the
    /// transaction has locked already.
    pub(crate) fn push_assertion(&self, text: &mut String, mark: (&str, u16), condition: &str) {
        let (origin, slot) = mark;
        text.push_str(&format!(
            "UPDATE {} SET `counter` = `counter` WHERE `pipeline` = {} AND `origin` = {} \
             AND `slot` = {slot} AND {condition}",
            self.mark,
            self.pipeline,
            string(origin)
        ));
    }
}

/// Appends the columns of a position to the list of what is set.
fn push_position(text: &mut String, position: &Position) {
    text.push_str(", `source` = ");
    match &position.source {
        Some(source) => text.push_str(&string(source)),
        None => text.push_str("NULL"),
    }
    text.push_str(", `resume_from` = ");
    text.push_str(&string(&position.resume_from.to_string()));
    text.push_str(", `applied_through` = ");
    text.push_str(&string(&position.applied_through.to_string()));
}

/// A source's time as DATETIME(6) in UTC.
fn as_utc(time: SourceTime) -> String {
    let seconds = u32::try_from(time.0 / 1_000_000).unwrap_or(u32::MAX);
    let micros = u32::try_from(time.0 % 1_000_000).unwrap_or(0);
    Timestamp { seconds, micros, digits: 6 }.to_string()
}
