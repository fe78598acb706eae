//! Loading with rows held back: row by row where one was refused, or where one may depend on a row
//! that is held.

use std::ops::Range;

use otter_core::{Event, Lease, RowKind, RowsEvent, Transaction};

use super::coding::encode;
use super::parts::{Rows, is_understood};
use super::touch::Touch;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::group::{Group, pause_for_contention, row_count};
use crate::mysql::lanes::diverged;
use crate::mysql::line::{Refusal, Setback, require_held};
use crate::mysql::options::OnPoison;
use crate::mysql::plan::{Detail, Expect};
use crate::mysql::refusal::Reason;
use crate::mysql::session::{Advance, Session};
use crate::mysql::store::{HeldRow, Verdict};

/// The savepoint before rows of which one may be refused.
pub(super) const SAVEPOINT: &str = "otter_row";

/// So many rows are tried behind one savepoint: those before a refused one are executed again.
const ROWS_AT_ONCE: usize = 256;

/// Why a row is held, and behind which one.
type Why = (Verdict, Option<u64>);

/// The place of a row in a transaction, and why it is not applied.
struct Refused {
    number: usize,
    reason: Reason,
}

impl Session {
    /// Whether a refused row is held, and the rows behind it are loaded: never while lanes make up for
    /// what they lack.
    pub(in super::super) fn holds(&self, reason: &Reason) -> bool {
        self.options.on_poison == OnPoison::Quarantine
            && !self.is_apart
            && reason.is_about_the_row()
    }

    /// Applies and commits transactions one by one; rows that are refused, and those that depend on
    /// held ones, are held.
    pub(in super::super) async fn load_carefully(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let mut rows = 0;
        for (index, transaction) in group.transactions.iter().enumerate() {
            let alone = std::slice::from_ref(transaction);
            let through = if index + 1 == group.transactions.len() {
                group.through.clone()
            } else {
                self.position_behind(alone, group.through)?
            };
            let advance =
                Advance { through: &through, source_time: Some(transaction.committed_at) };
            self.load_one_carefully(transaction, advance, lease).await?;
            rows += row_count(alone);
        }
        Ok(rows)
    }

    async fn load_one_carefully(
        &mut self,
        transaction: &Transaction,
        advance: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let tries = self.options.contention_tries.max(1);
        for attempt in 0..tries {
            match self.attempt_carefully(transaction, advance, lease).await {
                Ok(()) => return Ok(()),
                Err(Setback::Stop(error)) => return Err(error),
                Err(Setback::Refused(refusal)) => {
                    return Err(self.name_row(refusal, std::slice::from_ref(transaction)));
                }
                Err(Setback::Contention) => {
                    self.rollback().await?;
                    pause_for_contention(attempt).await;
                }
            }
        }
        Err(MySqlLoadError::Contention { tries })
    }

    /// The mark first, the checkpoint last, as ever.
    async fn attempt_carefully(
        &mut self,
        transaction: &Transaction,
        advance: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), Setback> {
        require_held(lease)?;
        self.begin_script(transaction);
        self.run_plainly(lease).await?;
        self.apply_carefully(transaction, lease).await?;
        self.move_and_commit(advance, lease).await
    }

    /// Moves the checkpoint and commits what is open.
    pub(super) async fn move_and_commit(
        &mut self,
        advance: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), Setback> {
        let held = self.held.clone();
        let (line, _, desk) = self.parts();
        line.script.clear();
        desk.push_advance(line, advance, &held);
        line.run(lease, desk.known()).await?;
        self.commit(advance.through, lease).await?;
        Ok(())
    }

    /// Executes what the script holds, none of which is about rows.
    pub(super) async fn run_plainly(&mut self, lease: &Lease) -> Result<(), Setback> {
        let (line, _, desk) = self.parts();
        line.run(lease, desk.known()).await.map(drop)
    }

    /// Applies the rows of a transaction in the open target transaction, and holds those that have
    /// to be held. Nothing is committed, and the checkpoint is not moved.
    pub(in super::super) async fn apply_carefully(
        &mut self,
        transaction: &Transaction,
        lease: &Lease,
    ) -> Result<(), Setback> {
        if !is_understood(transaction) {
            return Err(
                MySqlLoadError::Malformed { what: "it holds an event of an unknown kind" }.into()
            );
        }
        self.line.script.clear();
        for event in &transaction.events {
            if let Event::Resync(step) = event {
                self.store.push_resync_step(&mut self.line.script, step);
            }
        }
        if self.line.script.size() > 0 {
            self.run_plainly(lease).await?;
        }
        let rows = Rows::of(transaction);
        let mut from = 0;
        while from < rows.count() {
            let most = rows.count().min(from + ROWS_AT_ONCE);
            let (end, waits) = self.first_to_hold(&rows, from..most)?;
            let refused = self.apply_part(&rows, (from, end), lease).await?;
            match (refused, waits) {
                (Some(Refused { number, reason }), _) => {
                    let verdict = Verdict::from(&reason);
                    self.hold_row(&rows, number, (verdict, None)).await?;
                    from = number + 1;
                }
                (None, Some(why)) => {
                    self.hold_row(&rows, end, why).await?;
                    from = end + 1;
                }
                (None, None) => from = end,
            }
        }
        Ok(())
    }

    /// The first of some rows that must be held untried, and why; or their end.
    fn first_to_hold(
        &self,
        rows: &Rows<'_>,
        numbers: Range<usize>,
    ) -> Result<(usize, Option<Why>), MySqlLoadError> {
        let most = numbers.end;
        if self.quarantine.is_idle() {
            return Ok((most, None));
        }
        for number in numbers {
            let (event, touch) = self.touch_of_row(rows, number)?;
            if let Some(cause) = self.quarantine.index.blocker(&touch) {
                return Ok((number, Some((waiting(cause), Some(cause)))));
            }
            if let Some(verdict) = self.quarantine.unfit.verdict(event.table()) {
                return Ok((number, Some((verdict.clone(), None))));
            }
        }
        Ok((most, None))
    }

    fn touch_of_row(
        &self,
        rows: &Rows<'_>,
        number: usize,
    ) -> Result<(RowsEvent, Touch), MySqlLoadError> {
        let malformed = MySqlLoadError::Malformed { what: "a row of it has no table" };
        let Some(row) = rows.row(number) else { return Err(malformed) };
        let touch = row.changes().next().and_then(|change| self.touch_of(&row, &change));
        match touch {
            Some(touch) => Ok((row, touch)),
            None => Err(malformed),
        }
    }

    /// Executes rows up to the first one that is refused, which is returned.
    async fn apply_part(
        &mut self,
        rows: &Rows<'_>,
        (from, mut end): (usize, usize),
        lease: &Lease,
    ) -> Result<Option<Refused>, Setback> {
        let mut refused = None;
        while from < end {
            self.line.script.clear();
            self.line.script.push(Expect::Nothing).push_str(&format!("SAVEPOINT {SAVEPOINT}"));
            // A savepoint that was not sent would be an older one.
            self.run_plainly(lease).await?;
            let part = [rows.part(from..end)];
            let refusal = match self.execute(&part, Detail::SingleRows, None, lease).await {
                Ok(()) => return Ok(refused),
                Err(Setback::Refused(refusal)) => refusal,
                Err(setback) => return Err(setback),
            };
            self.line.roll_back_to(SAVEPOINT).await?;
            self.line.script.clear();
            self.require_claim().await?;
            if !self.holds(&refusal.reason) {
                return Err(self.name_row(refusal, &part).into());
            }
            // Those before it were taken, and are executed again.
            let number = number_of(&refusal, rows.transaction());
            let number = number.filter(|number| (from..end).contains(number));
            let Some(number) = number else { return Err(self.name_row(refusal, &part).into()) };
            end = number;
            refused = Some(Refused { number, reason: refusal.reason });
        }
        Ok(refused)
    }

    /// Writes a row to the quarantine instead of its table.
    // INVARIANT ISO-1: one broken row stops no other, and is committed with them or not at all.
    async fn hold_row(
        &mut self,
        rows: &Rows<'_>,
        number: usize,
        (verdict, cause): Why,
    ) -> Result<(), Setback> {
        let limit = self.options.quarantine_rows;
        if self.quarantine.len() >= limit {
            return Err(MySqlLoadError::QuarantineFull { limit }.into());
        }
        if self.is_apart {
            // INVARIANT ORD-1: what a lane lacks is applied, or nothing more is.
            return Err(diverged("rows are held that only some of them have").into());
        }
        // The first one makes the foreign keys matter.
        self.read_relations().await?;
        let (row, touch) = self.touch_of_row(rows, number)?;
        let mut held = self.describe(rows.transaction(), &row, number);
        (held.verdict, held.cause) = (verdict, cause);
        let change = row.changes().next();
        let change = change.ok_or(MySqlLoadError::Malformed { what: "an event has no row" })?;
        let bytes = encode(&row, &change).map_err(|_| MySqlLoadError::BadQuarantine {
            what: "a row of a kind that this version does not know cannot be held".to_owned(),
        })?;
        held.id = match self.store.hold(&mut *self.line.conn, &held, &bytes).await {
            Ok(id) => id,
            Err(MySqlLoadError::Contention { .. }) => return Err(Setback::Contention),
            Err(error) => return Err(error.into()),
        };
        let is_watched = self.quarantine.watched.contains(&touch.table);
        self.quarantine.index.add(held.id, touch, cause);
        if !is_watched {
            self.quarantine.watch();
        }
        self.quarantine.open.push(held);
        Ok(())
    }

    fn describe(&self, transaction: &Transaction, rows: &RowsEvent, number: usize) -> HeldRow {
        let plan = self.tables.find(rows.table()).and_then(|index| self.tables.plan(index));
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        HeldRow {
            id: 0,
            table: plan.map_or_else(|| rows.table().name.clone(), |it| it.target.name.clone()),
            kind: kind_word(rows.kind()).to_owned(),
            key: plan.map_or_else(String::new, |plan| plan.key_names().join(", ")),
            gtid: transaction.gtid.as_ref().map(ToString::to_string),
            place: transaction.start.to_string(),
            ordinal: transaction.rows_before.saturating_add(number).saturating_add(1),
            origin: transaction.origin.as_ref().map(|origin| origin.0.to_string()),
            verdict: waiting(0),
            cause: None,
            tries: 0,
            held_time: String::new(),
            tried_time: None,
            wanted: None,
            is_edited: false,
        }
    }
}

/// Why a row that was not tried is held.
pub(super) fn waiting(cause: u64) -> Verdict {
    Verdict {
        code: "waits".to_owned(),
        reason: format!("it may depend on held row {cause}"),
        remedy: "it follows by itself when that one is gone".to_owned(),
    }
}

fn kind_word(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Insert => "insert",
        RowKind::Update => "update",
        RowKind::Delete => "delete",
    }
}

/// Which row of a transaction a refusal is about.
fn number_of(refusal: &Refusal, transaction: &Transaction) -> Option<usize> {
    let behind = refusal.of.ordinal.checked_sub(transaction.rows_before)?;
    usize::try_from(behind.checked_sub(1)?).ok()
}
