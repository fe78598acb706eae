//! From changes to statements: which text the target executes and what it must answer.
//!
//! Pure. Source order is kept; runs of neighbours of one kind in one table become one statement.
//! A planner stops whenever a text is large enough and goes on in the next one, so that memory is
//! bounded whatever the size of a transaction (MEM-1).

mod cascade;
mod in_copy;
mod lenience;
mod load;
mod lookup;
mod net;
mod resync;
mod rows;
mod run;
mod script;

use std::collections::HashSet;

use otter_core::{CopyStep, Event, InCopy, Part, RowKind, RowsEvent, Transaction};

pub(crate) use lookup::TablePlans;
use run::Run;
pub(crate) use script::{Expect, RowsOf, Script, Step};

use super::group::row_count;
use super::net::{NetRow, compact};
use super::refusal::Reason;
use super::store::Store;

/// How much goes into one text and one statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The size at which a text is sent, with its data.
    pub(crate) text_bytes: usize,
    /// The server's `max_allowed_packet`.
    pub(crate) packet_bytes: usize,
    pub(crate) insert_rows: usize,
    pub(crate) delete_keys: usize,
    /// How many new rows of a table go.
    pub(crate) new_rows: NewRows,
    /// The fewest that go that way; 0 for never.
    pub(crate) load_rows: usize,
}

/// How many new rows of a table go to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewRows {
    /// As literals of INSERTs.
    Inserts,
    /// As lines of `LOAD DATA LOCAL`.
    Lines,
    /// As parameters of one INSERT: MariaDB's bulk execution.
    Parameters,
}

/// Room in a packet for the command's head, with two bytes for each parameter of a row, and what the
/// server adds to it.
const PACKET_SLACK: usize = 4096;

/// The most rows that are compacted at once: each takes some hundred bytes meanwhile (MEM-1).
pub(super) const MOST_COMPACTED: u64 = 32_000;

/// How rows become statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Each row has its net change, where that is possible; the counts of rows are then those of
    /// the statements, not of the source.
    Compacted,
    /// Neighbours are joined.
    Joined,
    /// Each row has a statement of its own, so that a refusal names exactly one.
    SingleRows,
}

/// Whether a planner has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The text is large enough; there may be more.
    More,
    /// All is planned.
    All,
}

/// A row that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanError {
    pub(crate) of: RowsOf,
    pub(crate) reason: Reason,
}

/// Everything that a planner needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planning<'a> {
    pub(crate) tables: &'a TablePlans,
    pub(crate) store: &'a Store,
    pub(crate) limits: Limits,
    pub(crate) detail: Detail,
    /// Whether tables that are copied may hold rows that the source does not have.
    pub(crate) keeps_rows: bool,
    /// The origin and the slot of the mark that the transaction holds.
    pub(crate) mark: (&'a str, u16),
}

/// Plans some transactions, text by text.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    planning: Planning<'a>,
    transactions: &'a [Transaction],
    /// Where the next row is: transaction, event, row in the event, row in the transaction.
    transaction: usize,
    event: usize,
    row: usize,
    ordinal: u64,
    /// Whether the session checks foreign keys at the end of what was planned.
    checks_foreign_keys: bool,
    /// What the present rows have to do with the initial copy of their table.
    copy: InCopy,
    run: Option<Run>,
    /// Room for the text of a value.
    scratch: String,
    /// Net changes, the next one last; and whose plans they are.
    net: Vec<NetRow<'a>>,
    compacted: HashSet<usize>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        planning: Planning<'a>,
        transactions: &'a [Transaction],
        checks_foreign_keys: bool,
    ) -> Self {
        let mut net = match planning.detail {
            Detail::Compacted if row_count(transactions) <= MOST_COMPACTED => {
                compact(transactions, planning.tables)
            }
            Detail::Compacted | Detail::Joined | Detail::SingleRows => Default::default(),
        };
        net.rows.reverse();
        Self {
            planning,
            transactions,
            net: net.rows,
            compacted: net.tables,
            transaction: 0,
            event: 0,
            row: 0,
            ordinal: transactions.first().map_or(0, |first| first.rows_before),
            checks_foreign_keys,
            copy: InCopy::No,
            run: None,
            scratch: String::new(),
        }
    }

    /// Whether the session checks foreign keys once everything planned is executed.
    pub(crate) fn checks_foreign_keys(&self) -> bool {
        self.checks_foreign_keys
    }

    /// Appends statements until the text is large enough or all is planned.
    pub(crate) fn fill(&mut self, script: &mut Script) -> Result<Filled, PlanError> {
        if self.fill_net(script)? == Filled::More {
            return Ok(Filled::More);
        }
        while let Some(transaction) = self.transactions.get(self.transaction) {
            let Some(event) = transaction.events.get(self.event) else {
                self.transaction += 1;
                self.event = 0;
                self.ordinal =
                    self.transactions.get(self.transaction).map_or(0, |next| next.rows_before);
                continue;
            };
            match event {
                Event::Rows(rows) => {
                    if self.fill_rows(rows, script)? == Filled::More {
                        return Ok(Filled::More);
                    }
                }
                // The loader decides about schema changes before rows are planned.
                Event::Ddl(_) => {}
                // Written with the checkpoint's move.
                Event::Copy(_) if transaction.part == Part::Copied => {}
                Event::Copy(step) => {
                    self.close_run(script);
                    if matches!(step, CopyStep::Table { emptied, .. } if !emptied.is_empty()) {
                        // The copy brings rows that refer to these again.
                        self.switch_checks(false, script);
                    }
                    self.planning.store.push_copy_step(script, step);
                }
                Event::Resync(step) => {
                    self.close_run(script);
                    self.planning.store.push_resync_step(script, step);
                }
                _ => {
                    return Err(PlanError { of: self.here(0, None), reason: Reason::UnknownEvent });
                }
            }
            self.event += 1;
            self.row = 0;
        }
        self.close_run(script);
        Ok(Filled::All)
    }

    fn fill_rows(&mut self, rows: &RowsEvent, script: &mut Script) -> Result<Filled, PlanError> {
        let Some(table) = self.planning.tables.find(rows.table()) else {
            // The loader reads every definition before it plans.
            let reason = Reason::UnknownEvent;
            return Err(PlanError { of: self.here(0, Some(rows.kind())), reason });
        };
        if self.compacted.contains(&table) {
            let rows = rows.row_count() - self.row;
            self.ordinal += u64::try_from(rows).unwrap_or(u64::MAX);
            return Ok(Filled::All);
        }
        let flags = rows.flags();
        self.copy = flags.copy;
        let checks = !flags.no_foreign_key_checks;
        // Rows of one table may come before those of another that they refer to.
        let comes_early = self.copy != InCopy::No && rows.kind() == RowKind::Insert;
        // What is copied again goes and comes alone: rows that refer to it are not its business.
        let comes_early = comes_early || self.copy == InCopy::Resynced;
        self.switch_checks(checks && !comes_early, script);
        for change in rows.changes().skip(self.row) {
            let of = self.here(table, Some(rows.kind()));
            let fits = self.append(of, script, |planner, script| match planner.copy {
                InCopy::No => planner.write_change(of, change, script),
                InCopy::Streamed | InCopy::Copied => {
                    planner.write_in_copy(of, change, checks, script)
                }
                InCopy::Mended | InCopy::Resynced => {
                    planner.write_again(of, change, checks, script)
                }
            })?;
            if !fits {
                return Ok(Filled::More);
            }
            self.row += 1;
            self.ordinal += 1;
            if script.size() >= self.planning.limits.text_bytes {
                self.close_run(script);
                return Ok(Filled::More);
            }
        }
        Ok(Filled::All)
    }

    /// Writes one row, unless that makes the text too large for a packet: then it is as before.
    fn append(
        &mut self,
        of: RowsOf,
        script: &mut Script,
        write: impl FnOnce(&mut Self, &mut Script) -> Result<(), Reason>,
    ) -> Result<bool, PlanError> {
        let start = script.mark();
        let end = self.open_end();
        write(self, script).map_err(|reason| PlanError { of, reason })?;
        let bytes = script.len() + self.bytes_to_end() + PACKET_SLACK;
        if bytes <= self.planning.limits.packet_bytes {
            return Ok(true);
        }
        if !script.has_rows_before(start) {
            let limit = self.planning.limits.packet_bytes;
            return Err(PlanError { of, reason: Reason::TooLarge { bytes, limit } });
        }
        // The row goes alone into the next text.
        script.return_to(start);
        self.forget_run(end, script);
        Ok(false)
    }

    fn switch_checks(&mut self, check: bool, script: &mut Script) {
        if self.checks_foreign_keys == check {
            return;
        }
        self.close_run(script);
        script.push(Expect::Nothing).push_str(if check {
            "SET SESSION foreign_key_checks=1"
        } else {
            "SET SESSION foreign_key_checks=0"
        });
        self.checks_foreign_keys = check;
    }

    /// The next row's place.
    fn here(&self, table: usize, kind: Option<RowKind>) -> RowsOf {
        RowsOf {
            table,
            transaction: self.transaction,
            ordinal: self.ordinal + 1,
            kind: kind.unwrap_or(RowKind::Insert),
            rows: 1,
        }
    }
}

#[cfg(test)]
mod tests;
