//! Passing the stream on: what becomes of changes to tables that are not copied as a whole yet.

use std::collections::BTreeSet;

use otter_core::{
    Batch, CopyRecord, CopyStage, CopyStep, Ddl, Event, InCopy, RowKind, RowsEvent, TableName,
    Transaction,
};
use tracing::warn;

use super::answers::PAUSE;
use super::error::CopyError;
use super::renames::{changes_of, drop_of, drop_of_database, renames};
use super::run::{OpenTable, Run};
use super::window::{Untaken, is_whole};
use crate::history::SchemaChange;
use crate::history::statement::ColumnAction;
use crate::selector::OWN_SCHEMA;
use crate::statement::Dialect;
use crate::statement::tokens::Tokens;

/// What is left of an event.
#[derive(Debug)]
pub(super) enum Passed {
    Event(Event),
    Nothing,
}

/// What a batch means for tables, beside its rows.
#[derive(Default)]
pub(super) struct Notes {
    /// Tables that are made by the stream: all their rows come with it.
    pub(super) made: Vec<TableName>,
    /// Tables that are gone.
    gone: Vec<TableName>,
    /// What is written down with the schema change.
    pub(super) steps: Vec<Event>,
    /// Lanes that read what is of no use any more.
    spoiled: BTreeSet<usize>,
    /// Tables of which rows may have come to stand before the place where their copy goes on.
    pub(super) moved: BTreeSet<TableName>,
}

impl Run {
    /// Passes a batch on, or as much of it as comes before the place at which the stream waits.
    pub(super) fn pass(&mut self, mut batch: Batch) -> Result<(), CopyError> {
        if self.is_over() && !has_ddl(&batch) {
            self.hand_out(batch);
            return Ok(());
        }
        if let Some(count) = self.count_before_the_end(&batch) {
            if count == 0 {
                self.stash = Some(batch);
                return Ok(());
            }
            if let Some(front) = batch.split_at(count) {
                self.stash = Some(batch);
                batch = front;
            }
        }
        // A schema change stands alone, so that what is written down of it stands next to it.
        while let Some(front) = cut(&mut batch) {
            self.pass_part(front)?;
        }
        self.pass_part(batch)
    }

    fn pass_part(&mut self, mut batch: Batch) -> Result<(), CopyError> {
        let mut notes = Notes::default();
        let was_over = self.is_over();
        for transaction in &mut batch.transactions {
            self.pass_transaction(transaction, &mut notes)?;
        }
        let is_between = !self.is_in_fragment;
        let mut steps = notes.steps;
        for table in notes.made {
            if is_between && self.known.insert(table.clone()) {
                steps.push(step(table, CopyStage::Done));
            }
        }
        for table in notes.gone {
            self.open.remove(&table);
            self.known.remove(&table);
            steps.push(step(table, CopyStage::Forgotten));
        }
        if self.open.is_empty() && !was_over {
            steps.push(Event::Copy(CopyStep::Finished));
        }
        // INVARIANT EXACT-1: in the transaction of the schema change itself, which stands alone. Whatever
        // keeps it from being executed, it means the same when it comes again.
        if let Some(transaction) = batch.transactions.last_mut() {
            transaction.events.extend(steps);
        }
        self.hand_out(batch);
        for index in notes.spoiled {
            self.read_again(index)?;
        }
        Ok(())
    }

    fn hand_out(&mut self, batch: Batch) {
        if let Some(last) = batch.transactions.last() {
            self.newest = last.committed_at;
        }
        if has_ddl(&batch) {
            self.changing.clone_from(&batch.through);
        }
        match &batch.through {
            Some(through) => {
                self.position.clone_from(through);
                self.is_in_fragment = false;
            }
            None => self.is_in_fragment = true,
        }
        self.ready.push_back(batch);
    }

    /// How many transactions come before the place at which the stream waits; `None` for all.
    fn count_before_the_end(&self, batch: &Batch) -> Option<usize> {
        let snapshot = self.holding()?.snapshot.as_ref().filter(|_| !self.is_in_fragment)?;
        batch.transactions.iter().position(|transaction| snapshot.is_before(transaction))
    }

    fn pass_transaction(
        &mut self,
        transaction: &mut Transaction,
        notes: &mut Notes,
    ) -> Result<(), CopyError> {
        let events = std::mem::take(&mut transaction.events);
        for event in events {
            let passed = match event {
                Event::Rows(rows) => self.pass_rows(rows, transaction, notes)?,
                Event::Ddl(ddl) => self.pass_ddl(ddl, notes)?,
                other @ (Event::Copy(_) | _) => Passed::Event(other),
            };
            if let Passed::Event(event) = passed {
                transaction.events.push(event);
            }
        }
        for table in std::mem::take(&mut notes.moved) {
            // Written with what moved them, so that it is not forgotten.
            transaction.events.extend(self.begin_again(&table, notes));
        }
        Ok(())
    }

    fn pass_rows(
        &mut self,
        rows: RowsEvent,
        transaction: &Transaction,
        notes: &mut Notes,
    ) -> Result<Passed, CopyError> {
        let name = &rows.table().name;
        let stage = self.open.get(name).map(|open| open.record.stage);
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(flight) = lane.holding().filter(|flight| flight.may_lack(transaction)) else {
                continue;
            };
            // What goes with other rows is told by those.
            let follows =
                rows.kind() != RowKind::Insert && self.source.follows(flight.table(), name);
            if follows || (lane.is_about(name) && flight.whole.is_some()) {
                notes.spoiled.insert(index);
            }
        }
        if !self.open.is_empty() && self.source.moves_others(&rows, true) {
            let copying = self.open.iter().filter(|(table, open)| {
                open.record.stage == CopyStage::Copying && self.source.follows(table, name)
            });
            notes.moved.extend(copying.map(|(table, _)| table.clone()));
        }
        match stage {
            None if self.is_unknown(name) && !notes.made.contains(name) => {
                self.take_up_unknown(name.clone(), notes);
                return Ok(Passed::Nothing);
            }
            None | Some(CopyStage::Done | CopyStage::Forgotten) => {
                return Ok(Passed::Event(Event::Rows(self.unchecked(rows))));
            }
            Some(CopyStage::Waiting) => return Ok(Passed::Nothing),
            Some(CopyStage::Copying) => {}
        }
        if !is_whole(&rows) {
            return Err(CopyError::PartialRow { table: name.clone() });
        }
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, it)| it.is_about(name)) {
            let Some(flight) = lane.job.flight() else { continue };
            let Some(key) = &flight.definition.key else { continue };
            match flight.window.touch(&rows, key) {
                Ok(()) => {}
                Err(Untaken::Full | Untaken::OtherKey) => {
                    notes.spoiled.insert(index);
                }
            }
        }
        let mut flags = rows.flags();
        flags.copy = InCopy::Streamed;
        Ok(Passed::Event(Event::Rows(rows.with_flags(flags))))
    }

    /// Has a table copied from its beginning once more, of which rows were given other keys without a word
    /// in the binlog: they may stand now where it was read already.
    fn begin_again(&mut self, table: &TableName, notes: &mut Notes) -> Option<Event> {
        let about = self.lanes.iter().enumerate().filter(|(_, lane)| lane.is_about(table));
        notes.spoiled.extend(about.map(|(index, _)| index));
        let open = self.open.get_mut(table).filter(|open| open.record.after.is_some())?;
        let (after, rows, bytes) = (None, 0, 0);
        open.record = CopyRecord { after, rows, bytes, ..open.record.clone() };
        Some(step_of(open.record.clone()))
    }

    /// Rows of a table that is copied, which may refer to rows of one that is not: tables refer to each
    /// other in a ring.
    fn unchecked(&self, rows: RowsEvent) -> RowsEvent {
        let is_open = |parent: &TableName| self.open.contains_key(parent);
        if self.open.is_empty()
            || rows.kind() == RowKind::Delete
            || self.source.is_free(&rows.table().name, is_open)
            || self.source.moves_others(&rows, false)
        {
            return rows;
        }
        let mut flags = rows.flags();
        flags.no_foreign_key_checks = true;
        rows.with_flags(flags)
    }

    fn pass_ddl(&mut self, mut ddl: Ddl, notes: &mut Notes) -> Result<Passed, CopyError> {
        let pairs = renames(&ddl);
        if !pairs.is_empty() {
            self.relate(&mut ddl)?;
            return Ok(self.pass_renames(ddl, &pairs, notes));
        }
        let is_drop = ddl.kind.starts_with("DROP TABLE") || ddl.kind.starts_with("DROP DATABASE");
        if is_drop {
            self.forget_dropped(&ddl, notes);
        }
        let tables: Vec<TableName> = if ddl.tables.is_empty() {
            let open = self.open.keys().filter(|name| is_drop && name.database == ddl.database);
            open.cloned().collect()
        } else {
            ddl.tables.clone()
        };
        let refers = !is_drop && self.relate(&mut ddl)?;
        let stages: Vec<_> =
            tables.iter().map(|name| self.open.get(name).map(|open| open.record.stage)).collect();
        if stages.iter().all(Option::is_none) {
            if !is_drop {
                return Ok(self.pass_other(ddl, refers, notes));
            }
            // The target may never have had it.
            let is_unknown = tables.iter().any(|name| self.is_unknown(name));
            let ddl = match ddl.tables.is_empty() {
                true => drop_of_database(ddl),
                false if is_unknown => drop_of(ddl, &tables),
                false => ddl,
            };
            return Ok(Passed::Event(Event::Ddl(ddl)));
        }
        // Of one that waits the target may have a table that the copy has made.
        let is_made = |name: &&TableName| {
            let open = self.open.get(name).filter(|_| is_drop);
            open.is_some_and(|open| open.made.is_some() && open.record.stage == CopyStage::Waiting)
        };
        let made: BTreeSet<&TableName> = tables.iter().filter(is_made).collect();
        let waits = |(name, stage): (&TableName, &Option<CopyStage>)| {
            *stage == Some(CopyStage::Waiting) && !made.contains(name)
        };
        let there = tables.iter().zip(&stages).filter(|one| !waits(*one));
        let there: Vec<TableName> = there.map(|(name, _)| name.clone()).collect();
        let is_left_out = !ddl.tables.is_empty() && there.is_empty();
        let is_plain = is_drop || tables.len() == 1;
        if !is_plain {
            return Err(unfollowed(&ddl, &tables));
        }
        if stages.contains(&Some(CopyStage::Copying)) && numbers_rows(&ddl) {
            // The target would number those of the rows that it has.
            return Err(unfollowed(&ddl, &tables));
        }
        if !is_drop && !self.source.logs_cascades && names_foreign_keys(&ddl) {
            // What is known of them is of today: rows may have moved by one that was there before.
            notes.moved.extend(tables.iter().cloned());
        }
        for lane in &mut self.lanes {
            if lane.job.table().is_some_and(|table| tables.contains(table)) {
                lane.drop_job(PAUSE);
            }
        }
        for name in &tables {
            if let Some(open) = self.open.get_mut(name) {
                open.definition = None;
                open.is_away &= is_drop;
            }
        }
        // Made again at once: it goes on being copied, as the table that it is then.
        notes.gone.retain(|name| is_drop || !tables.contains(name));
        if is_drop {
            notes.gone.extend(tables.iter().filter(|name| self.open.contains_key(name)).cloned());
        }
        if is_left_out {
            tell_left_out(&ddl);
            return Ok(Passed::Nothing);
        }
        let ddl = if ddl.tables.is_empty() {
            // The target may have none of its tables yet, and not the database either.
            drop_of_database(ddl)
        } else if there.len() == tables.len()
            && !there.iter().any(|name| made.contains(name) || self.is_unknown(name))
        {
            ddl
        } else {
            drop_of(ddl, &there)
        };
        Ok(Passed::Event(Event::Ddl(ddl)))
    }

    /// Forgets tables that are dropped while others are not copied yet: whatever takes such a name is
    /// another table, which may be made like one that waits.
    fn forget_dropped(&self, ddl: &Ddl, notes: &mut Notes) {
        if self.is_over() {
            return;
        }
        let is_dropped = |name: &&TableName| match ddl.tables.is_empty() {
            true => name.database == ddl.database,
            false => ddl.tables.contains(name),
        };
        notes.gone.extend(self.known.iter().filter(is_dropped).cloned());
    }

    /// Whether a table is carried and neither the copy's log nor a list of tables has told of it: it was
    /// there only before the source was asked for its tables.
    pub(super) fn is_unknown(&self, name: &TableName) -> bool {
        *name.database != *OWN_SCHEMA
            && !self.known.contains(name)
            && !self.open.contains_key(name)
            && self.setting.mappings.is_mapped(name)
    }

    /// Takes up a table of which the stream tells first.
    fn take_up_unknown(&mut self, name: TableName, notes: &mut Notes) {
        let open = OpenTable::unknown(name.clone());
        notes.steps.push(step_of(open.record.clone()));
        self.look_at = open.again_at;
        self.open.insert(name, open);
    }
}

fn unfollowed(ddl: &Ddl, tables: &[TableName]) -> CopyError {
    let tables: Vec<_> = tables.iter().map(ToString::to_string).collect();
    CopyError::Ddl { kind: ddl.kind.to_string(), tables: tables.join(", ") }
}

/// Whether a statement gives rows numbers, as the server finds them.
fn numbers_rows(ddl: &Ddl) -> bool {
    let numbers = |change: &SchemaChange| {
        let SchemaChange::AlterTable(alter) = change else { return false };
        alter.columns.iter().any(
            |action| matches!(action, ColumnAction::Add { column, .. } if column.auto_increment),
        )
    };
    changes_of(ddl).iter().any(numbers)
}

/// Whether a statement may make a foreign key, or take one away.
fn names_foreign_keys(ddl: &Ddl) -> bool {
    let mut tokens = Tokens::new(ddl.statement.as_bytes(), Dialect::default());
    tokens.any(|token| ["FOREIGN", "CONSTRAINT", "REFERENCES"].iter().any(|word| token.is(word)))
}

pub(super) fn step(table: TableName, stage: CopyStage) -> Event {
    step_of(CopyRecord::new(table, stage))
}

pub(super) fn step_of(record: CopyRecord) -> Event {
    Event::Copy(CopyStep::Table { record, emptied: std::sync::Arc::default() })
}

pub(super) fn tell_left_out(ddl: &Ddl) {
    let tables: Vec<_> = ddl.tables.iter().map(ToString::to_string).collect();
    warn!(
        kind = &*ddl.kind,
        tables = tables.join(", "),
        "a schema change is left out: the table is copied as it is afterwards"
    );
}

fn has_ddl(batch: &Batch) -> bool {
    batch.transactions.iter().any(is_ddl)
}

fn is_ddl(transaction: &Transaction) -> bool {
    transaction.events.iter().any(|event| matches!(event, Event::Ddl(_)))
}

/// What comes before the first schema change, or the schema change itself; nothing where there is none,
/// or it stands alone.
fn cut(batch: &mut Batch) -> Option<Batch> {
    let place = batch.transactions.iter().position(is_ddl)?;
    batch.split_at(place.max(1))
}
