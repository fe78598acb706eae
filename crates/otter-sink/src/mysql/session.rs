//! One claimed connection and what is known about the target behind it.
//!
//! A session exists only between a successful take-over and the first error: what a failed
//! session did last is told by the checkpoint, to the next one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use otter_core::{DatabaseUrl, Event, Lease, Part, Position, SourceTime, Table, Transaction};

use tokio::time::Instant;

use super::connect::SessionTimes;
use super::error::MySqlLoadError;
use super::fit::fit;
use super::fragment::OpenFragment;
use super::lanes::Standing;
use super::line::{BEGIN, COMMIT, Known, Line, Refusal, Setback, require_held};
use super::options::{Existing, LoaderOptions};
use super::plan::{Detail, Expect, Filled, Limits, Planner, Planning, TablePlans};
use super::quarantine::Quarantine;
use super::row_place::RowPlace;
use super::store::{Claim, Held, NotedRule, Store};
use super::target::read_table;
use super::usual::Usual;

/// A connection that holds the pipeline's claim.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) line: Line,
    pub(super) store: Store,
    pub(super) options: LoaderOptions,
    /// The origin of changes without one: the source's own site.
    pub(super) source_site: Arc<str>,
    pub(super) claim: Claim,
    /// The lanes that the next target transaction moves: all of them, and in strict mode there is
    /// only one.
    pub(super) held: Held,
    pub(super) position: Option<Position>,
    /// Where lanes stand, as long as they differ; `position` is then the least.
    pub(super) standing: Option<Standing>,
    /// Whether rows are loaded for some of the lanes only: nothing is held then, and nothing settled.
    pub(super) is_apart: bool,
    /// What this session has noted about lanes; `None` as long as it has noted nothing.
    pub(super) rules: Option<BTreeSet<NotedRule>>,
    pub(super) tables: TablePlans,
    pub(super) quarantine: Quarantine,
    pub(super) fragment: Option<OpenFragment>,
    /// The request to copy rows again that was refused last.
    pub(super) refused_request: Option<u64>,
    /// Further connections, which write groups beside the first.
    pub(super) helpers: Vec<Line>,
    /// Until when no further connection is tried.
    pub(super) no_helper_before: Option<Instant>,
    /// How many rows of the present batch make a group.
    pub(super) rows_per_group: usize,
    /// How long a group takes to execute, of late.
    pub(super) usual_time: Usual,
    /// Where those are opened.
    pub(super) target: (DatabaseUrl, SessionTimes),
}

/// What every writing connection works by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a LoaderOptions,
    pub(super) source_site: &'a str,
    pub(super) claim: &'a Claim,
    pub(super) tables: &'a TablePlans,
}

/// Where the checkpoint moves to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advance<'a> {
    pub(super) through: &'a Position,
    pub(super) source_time: Option<SourceTime>,
}

impl<'a> Desk<'a> {
    fn limits(&self, line: &Line) -> Limits {
        let packet_bytes = line.facts.max_packet;
        Limits {
            // A text plus one row shall fit in a packet wherever the row alone does.
            text_bytes: self.options.text_bytes.min(packet_bytes / 2),
            packet_bytes,
            insert_rows: self.options.insert_rows.max(1),
            delete_keys: self.options.delete_keys.max(1),
            new_rows: line.facts.new_rows,
            load_rows: self.options.load_rows,
        }
    }

    pub(super) fn known(&self) -> Known<'a> {
        Known { tables: self.tables, store: self.store }
    }

    /// Starts a target transaction in the line's script, with the mark first (LOOP-1).
    pub(super) fn begin_script(&self, line: &mut Line, first: &Transaction) {
        line.script.clear();
        line.script.push(Expect::Nothing).push_str(BEGIN);
        let (origin, slot) = (self.origin(Some(first)), line.slot);
        self.store.push_mark(line.script.push(Expect::Nothing), origin, slot);
    }

    /// The site that wrote a transaction first.
    fn origin<'t>(&self, transaction: Option<&'t Transaction>) -> &'t str
    where
        'a: 't,
    {
        let origin = transaction.and_then(|transaction| transaction.origin.as_ref());
        origin.map_or(self.source_site, |origin| &*origin.0)
    }

    /// Executes what the script holds already, the rows of the transactions and, where one is
    /// given, the checkpoint's move from a sequence.
    pub(super) async fn execute(
        &self,
        line: &mut Line,
        transactions: &[Transaction],
        detail: Detail,
        advance: Option<(Advance<'_>, &Held)>,
        lease: &Lease,
    ) -> Result<(), Setback> {
        self.execute_behind(line, (transactions, detail), advance, std::future::ready(true), lease)
            .await
    }

    /// As [`execute`](Self::execute); what fits in one text is planned at once, and goes to the target
    /// when `predecessors` allow it. Where they do not, nothing was executed.
    pub(super) async fn execute_behind(
        &self,
        line: &mut Line,
        (transactions, detail): (&[Transaction], Detail),
        advance: Option<(Advance<'_>, &Held)>,
        predecessors: impl Future<Output = bool> + Send,
        lease: &Lease,
    ) -> Result<(), Setback> {
        let limits = self.limits(line);
        let Self { tables, store, .. } = *self;
        let mark = (self.origin(transactions.first()), line.slot);
        let keeps_rows = self.options.initial_copy == Some(Existing::Keep);
        let planning = Planning { tables, store, limits, detail, keeps_rows, mark };
        let mut planner = Planner::new(planning, transactions, line.checks_foreign_keys);
        let mut filled = planner.fill(&mut line.script)?;
        if !predecessors.await {
            return Err(Setback::Contention);
        }
        while filled == Filled::More {
            line.run(lease, self.known()).await?;
            filled = planner.fill(&mut line.script)?;
        }
        if let Some((advance, held)) = advance {
            if line.script.size() >= limits.text_bytes {
                line.run(lease, self.known()).await?;
            }
            self.push_copy_steps(line, transactions);
            self.push_advance(line, advance, held);
        }
        if line.script.size() > 0 {
            line.run(lease, self.known()).await?;
        }
        line.checks_foreign_keys = planner.checks_foreign_keys();
        Ok(())
    }

    pub(super) fn push_advance(&self, line: &mut Line, advance: Advance<'_>, held: &Held) {
        let text = line.script.push(Expect::Checkpoint(held.count()));
        self.store.push_advance(text, (self.claim, held), advance.through, advance.source_time);
    }

    /// Appends how far the initial copy is with rows that may execute before others are committed:
    /// groups at once must not wait for each other's record.
    fn push_copy_steps(&self, line: &mut Line, transactions: &[Transaction]) {
        let copied = transactions.iter().filter(|one| one.part == Part::Copied);
        for event in copied.flat_map(|transaction| &transaction.events) {
            if let Event::Copy(step) = event {
                self.store.push_copy_step(&mut line.script, step);
            }
        }
    }

    /// Moves the checkpoint and commits what is open on the line, which are these transactions.
    pub(super) async fn move_and_commit(
        &self,
        line: &mut Line,
        transactions: &[Transaction],
        (advance, held): (Advance<'_>, &Held),
        lease: &Lease,
    ) -> Result<(), Setback> {
        line.script.clear();
        self.push_copy_steps(line, transactions);
        self.push_advance(line, advance, held);
        line.run(lease, self.known()).await?;
        commit(line, lease).await?;
        Ok(())
    }
}

/// Commits what is open.
pub(super) async fn commit(line: &mut Line, lease: &Lease) -> Result<(), MySqlLoadError> {
    // INVARIANT FENCE-1: the last look at the lease; from here on the checkpoint's row lock keeps a
    // successor waiting.
    require_held(lease)?;
    // INVARIANT EXACT-1: whatever goes wrong now, the outcome is unknown. The session ends, and the
    // next one reads from the checkpoint what was committed.
    line.conn.query(COMMIT).await.map_err(MySqlLoadError::plain)?;
    Ok(())
}

impl Session {
    /// Reads and checks the target's definition of every table that the rows go to. Rows of one that
    /// does not fit may be held.
    pub(super) async fn learn_tables(
        &mut self,
        transactions: &[Transaction],
    ) -> Result<(), MySqlLoadError> {
        for event in transactions.iter().flat_map(|transaction| &transaction.events) {
            let Event::Rows(rows) = event else { continue };
            let table = rows.table();
            if self.quarantine.is_known_unfit(table) {
                continue;
            }
            match self.learn_table(table).await {
                Ok(()) => self.quarantine.fits(table),
                Err(error) => self.hold_table(table, error)?,
            }
        }
        Ok(())
    }

    /// Reads and checks the target's definition of a table, where that is not done yet.
    pub(super) async fn learn_table(&mut self, table: &Arc<Table>) -> Result<(), MySqlLoadError> {
        if self.tables.find(table).is_none() {
            let target = read_table(&mut *self.line.conn, &table.name).await?;
            self.tables.insert(fit(table, target)?);
        }
        Ok(())
    }

    /// The main connection, and what every connection writes by.
    pub(super) fn parts(&mut self) -> (&mut Line, &mut [Line], Desk<'_>) {
        let Self { line, helpers, store, options, source_site, claim, tables, .. } = self;
        (line, helpers, Desk { store, options, source_site, claim, tables })
    }

    /// Starts a target transaction in the script, with the mark first (LOOP-1).
    pub(super) fn begin_script(&mut self, first: &Transaction) {
        let (line, _, desk) = self.parts();
        desk.begin_script(line, first);
    }

    /// Executes what the script holds already, the rows of the transactions and, where one is
    /// given, the checkpoint's move.
    pub(super) async fn execute(
        &mut self,
        transactions: &[Transaction],
        detail: Detail,
        advance: Option<Advance<'_>>,
        lease: &Lease,
    ) -> Result<(), Setback> {
        let held = self.held.clone();
        let (line, _, desk) = self.parts();
        let advance = advance.map(|advance| (advance, &held));
        desk.execute(line, transactions, detail, advance, lease).await
    }

    /// Commits what is open, with the position that the script has written.
    pub(super) async fn commit(
        &mut self,
        through: &Position,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        commit(&mut self.line, lease).await?;
        self.held.advance(1);
        self.position = Some(through.clone());
        self.quarantine.tell_open(self.store.name());
        Ok(())
    }

    /// Rolls back and makes the session as it was at its start.
    pub(super) async fn rollback(&mut self) -> Result<(), MySqlLoadError> {
        self.fragment = None;
        self.quarantine.forget_open();
        self.line.roll_back().await
    }

    /// Moves the position where there is nothing else to write.
    pub(super) async fn move_position(
        &mut self,
        advance: Advance<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        self.line.script.clear();
        let text = self.line.script.push(Expect::Checkpoint(self.held.count()));
        let held = (&self.claim, &self.held);
        self.store.push_advance(text, held, advance.through, advance.source_time);
        let known = Known { tables: &self.tables, store: &self.store };
        // Outside of a transaction the statement commits by itself.
        match self.line.run(lease, known).await {
            Ok(_) => {
                self.held.advance(1);
                self.position = Some(advance.through.clone());
                Ok(())
            }
            Err(Setback::Stop(error)) => Err(error),
            // The statement has no rows that could be refused, but may meet a lock.
            Err(Setback::Contention | Setback::Refused(_)) => {
                Err(MySqlLoadError::Contention { tries: 1 })
            }
        }
    }

    /// Keeps connections alive that have rested for a sixth of the lease: the server ends those that
    /// rest for two thirds of it, or for a whole second less.
    pub(super) async fn keep_alive(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        self.ping_rested(lease.duration() / 6).await
    }

    /// Asks for nothing on the connections that have rested for so long.
    ///
    /// A further one that has ended, as where one group took longer than the others could rest, is
    /// let go: nothing is open on it, and another is opened when there is work for it.
    pub(super) async fn ping_rested(&mut self, rested: Duration) -> Result<(), MySqlLoadError> {
        if self.line.used_at.elapsed() >= rested {
            self.line.ping().await?;
        }
        for index in 0..self.helpers.len() {
            let Some(line) = self.helpers.get_mut(index) else { break };
            if line.used_at.elapsed() >= rested
                && let Err(error) = line.ping().await
            {
                tracing::debug!(%error, "a further connection to the target has ended");
                // Their slots are numbered by their places.
                self.helpers.truncate(index);
                break;
            }
        }
        Ok(())
    }

    /// How many rows are held.
    pub(super) fn held_rows(&self) -> u64 {
        u64::try_from(self.quarantine.len()).unwrap_or(u64::MAX)
    }

    /// Ends all connections in an orderly way; the server rolls back what is open on them.
    pub(super) async fn goodbye(self) {
        let lines = std::iter::once(self.line).chain(self.helpers);
        join_all(lines.map(|line| line.conn.goodbye())).await;
    }

    /// Makes sure that a refusal is ours to report: not where another loader has moved the
    /// checkpoint, and the rows with it (FENCE-1).
    pub(super) async fn require_claim(&mut self) -> Result<(), MySqlLoadError> {
        if self.store.is_held(&mut *self.line.conn, (&self.claim, &self.held)).await? {
            Ok(())
        } else {
            Err(MySqlLoadError::CheckpointMoved)
        }
    }

    /// The error that names the refused row.
    pub(super) fn name_row(
        &self,
        refusal: Refusal,
        transactions: &[Transaction],
    ) -> MySqlLoadError {
        let Refusal { of, reason, .. } = refusal;
        let (Some(plan), Some(transaction)) =
            (self.tables.plan(of.table), transactions.get(of.transaction))
        else {
            return MySqlLoadError::Malformed { what: "it holds an event that cannot be loaded" };
        };
        let place = RowPlace {
            table: plan.source.name.clone(),
            key: plan.key_names(),
            kind: of.kind,
            ordinal: of.ordinal,
            start: transaction.start.clone(),
            gtid: transaction.gtid.clone(),
        };
        MySqlLoadError::Refused { place: Box::new(place), reason }
    }
}
