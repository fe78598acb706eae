//! Passing the stream on while rows of a table are copied again.

use otter_core::{Batch, Ddl, Event, InCopy, RowKind, RowsEvent, Transaction};

use super::Inner;
use super::run::Run;
use super::touched::Coarse;
use crate::copy::window::is_whole;

impl Run {
    /// Passes a batch on, or as much of it as comes before the place at which the stream waits.
    pub(super) fn pass(&mut self, batch: Batch, inner: &Inner) {
        let Some(mut batch) = self.part_at_requests(batch, inner) else { return };
        if self.active.is_none() {
            self.hand_out(batch);
            return;
        }
        if let Some(count) = self.count_before_the_end(&batch) {
            if count == 0 {
                self.stash = Some(batch);
                return;
            }
            if let Some(front) = batch.split_at(count) {
                self.stash = Some(batch);
                batch = front;
            }
        }
        let mut is_spoiled = false;
        for transaction in &mut batch.transactions {
            let events = std::mem::take(&mut transaction.events);
            for event in events {
                let event = match event {
                    Event::Rows(rows) => {
                        Event::Rows(self.pass_rows(rows, transaction, &mut is_spoiled))
                    }
                    Event::Ddl(ddl) => {
                        self.look_at_ddl(&ddl);
                        Event::Ddl(ddl)
                    }
                    other @ (Event::Copy(_) | Event::Resync(_) | _) => other,
                };
                transaction.events.push(event);
            }
        }
        self.hand_out(batch);
        if is_spoiled {
            self.read_again();
        }
    }

    pub(super) fn hand_out(&mut self, batch: Batch) {
        if let Some(last) = batch.transactions.last() {
            self.newest = last.committed_at;
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
    fn count_before_the_end(&mut self, batch: &Batch) -> Option<usize> {
        if self.is_in_fragment {
            return None;
        }
        let flight = self.active.as_mut()?.flight()?;
        let snapshot = flight.snapshot.as_ref().filter(|_| flight.holds)?;
        let is_behind =
            |transaction: &Transaction| transaction.start.covers(&snapshot.high) == Some(true);
        batch.transactions.iter().position(is_behind)
    }

    fn pass_rows(
        &mut self,
        rows: RowsEvent,
        transaction: &Transaction,
        is_spoiled: &mut bool,
    ) -> RowsEvent {
        let Some(active) = &mut self.active else { return rows };
        let (has_begun, is_read) = (active.has_begun(), rows.table().name == active.request.table);
        let Some(prepared) = &active.prepared else {
            return if has_begun && is_read { mended(rows) } else { rows };
        };
        let is_leader = prepared.leaders.contains(&rows.table().name);
        let definition = std::sync::Arc::clone(&prepared.definition);
        let is_usable = is_whole(&rows);
        if let Some(flight) = active.flight() {
            // What goes with other rows is told by those.
            let follows = is_leader && rows.kind() != RowKind::Insert;
            *is_spoiled |= follows && flight.holds && flight.may_lack(transaction);
            if let Some(key) = definition.key.as_ref().filter(|_| is_read) {
                let is_wanted = flight.is_inexact && flight.may_lack(transaction);
                let coarse = if is_wanted { Coarse::Yes } else { Coarse::No };
                // What is not whole says too little to stand for what was read.
                *is_spoiled |= !is_usable || flight.touched.touch(&rows, key, coarse).is_err();
            }
        }
        if has_begun && is_read { mended(rows) } else { rows }
    }

    /// A table that changes is looked at again before more of it is read.
    fn look_at_ddl(&mut self, ddl: &Ddl) {
        let Some(active) = &mut self.active else { return };
        let table = &active.request.table;
        let is_about =
            ddl.tables.contains(table) || (ddl.tables.is_empty() && ddl.database == table.database);
        if is_about {
            active.prepared = None;
            self.drop_job(super::run::PAUSE);
        }
    }
}

/// Rows that take effect whatever the target has in their place; as they are, where they are not whole.
fn mended(rows: RowsEvent) -> RowsEvent {
    if !is_whole(&rows) {
        return rows;
    }
    let mut flags = rows.flags();
    flags.copy = InCopy::Mended;
    rows.with_flags(flags)
}
