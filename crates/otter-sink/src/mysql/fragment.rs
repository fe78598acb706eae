//! A transaction larger than the budget: fragment by fragment in one open target transaction.

use otter_core::{
    Batch, CopyStage, CopyStep, Event, FilePlace, InCopy, Lease, Loaded, Part, Position,
    Transaction,
};

use super::error::MySqlLoadError;
use super::group::{Group, row_count};
use super::line::{Setback, require_held};
use super::plan::{Detail, Expect};
use super::resync::moved;
use super::session::{Advance, Session};

/// The savepoint before a fragment, so that a refused row can be looked for.
const SAVEPOINT: &str = "otter_fragment";

/// The target transaction that waits for its next fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFragment {
    /// Where the source transaction begins.
    start: FilePlace,
    /// The index of the fragment that must follow.
    next: u32,
    rows: u64,
}

/// A fragment's batch, taken apart.
#[derive(Debug, Clone, Copy)]
struct Fragment<'a> {
    transaction: &'a Transaction,
    index: u32,
    /// Where the transaction ends, on its last fragment.
    through: Option<&'a Position>,
}

impl Session {
    /// Applies a fragment; the last one commits.
    pub(super) async fn load_fragment(
        &mut self,
        batch: &Batch,
        lease: &Lease,
    ) -> Result<Loaded, MySqlLoadError> {
        let fragment = take_apart(batch)?;
        self.refuse_ddl(fragment.transaction)?;
        if let Some(record) = moved(fragment.transaction)
            && let Some(through) = fragment.through
        {
            let group = Group { transactions: &batch.transactions, through };
            return Box::pin(self.load_resync(group, record, lease)).await;
        }
        let before = self.follow(fragment)?;
        if self.fragment.is_none() && !self.is_apart {
            Box::pin(self.empty_tables(fragment.transaction, lease)).await?;
        }
        if fragment.index == 0 && begins_copy(fragment.transaction) {
            // It may have been made just now, with keys that refer to tables which are known already.
            self.tables.clear();
        }
        self.learn_tables(std::slice::from_ref(fragment.transaction)).await?;
        self.ensure_relations().await?;
        self.apply(fragment, lease).await?;
        let rows = before + row_count(std::slice::from_ref(fragment.transaction));
        let Some(through) = fragment.through else {
            self.fragment = Some(OpenFragment {
                start: fragment.transaction.start.clone(),
                next: fragment.index.saturating_add(1),
                rows,
            });
            let held = self.held_rows();
            return Ok(Loaded { through: None, rows: rows - before, transactions: 0, held });
        };
        self.commit(through, lease).await?;
        self.fragment = None;
        let held = self.held_rows();
        Ok(Loaded { through: Some(through.clone()), rows: rows - before, transactions: 1, held })
    }

    /// The rows of the fragments before, where this one follows them.
    fn follow(&self, fragment: Fragment<'_>) -> Result<u64, MySqlLoadError> {
        match &self.fragment {
            None if fragment.index == 0 => Ok(0),
            Some(open)
                if open.next == fragment.index && open.start == fragment.transaction.start =>
            {
                Ok(open.rows)
            }
            None | Some(_) => {
                Err(MySqlLoadError::Malformed { what: "a fragment does not follow the one before" })
            }
        }
    }

    async fn apply(&mut self, fragment: Fragment<'_>, lease: &Lease) -> Result<(), MySqlLoadError> {
        require_held(lease)?;
        if fragment.index == 0 {
            self.begin_script(fragment.transaction);
        } else {
            self.line.script.clear();
        }
        self.line.script.push(Expect::Nothing).push_str(&format!("SAVEPOINT {SAVEPOINT}"));
        // Before anything can be refused: a savepoint that was not sent is that of the fragment
        // before, or none.
        self.run_script(lease).await?;
        if self.waits(fragment.transaction) {
            return self.apply_fragment_carefully(fragment, lease).await;
        }
        let refused = match self.execute_fragment(fragment, Detail::Compacted, lease).await {
            Ok(()) => return Ok(()),
            // The fragments before are gone with the rollback, so the whole is read again.
            Err(Setback::Contention) => return Err(MySqlLoadError::Contention { tries: 1 }),
            Err(Setback::Stop(error)) => return Err(error),
            // A net change may be refused for what another row needs: the rows tell it one by one.
            Err(Setback::Refused(refusal)) => refusal.by_load.then_some(refusal.of.table),
        };
        if is_copied(fragment.transaction) {
            return self.apply_copied(fragment, lease).await;
        }
        let alone = std::slice::from_ref(fragment.transaction);
        self.line.roll_back_to(SAVEPOINT).await?;
        // Only now: the checkpoint's move, which the text may have held, is taken back.
        self.require_claim().await?;
        self.line.script.clear();
        match self.execute_fragment(fragment, Detail::SingleRows, lease).await {
            Ok(()) => {
                self.stop_loading(refused);
                Ok(())
            }
            Err(Setback::Contention) => Err(MySqlLoadError::Contention { tries: 1 }),
            Err(Setback::Stop(error)) => Err(error),
            Err(Setback::Refused(refusal)) if self.holds(&refusal.reason) => {
                self.line.roll_back_to(SAVEPOINT).await?;
                self.line.script.clear();
                self.apply_fragment_carefully(fragment, lease).await
            }
            Err(Setback::Refused(refusal)) => Err(self.name_row(refusal, alone)),
        }
    }

    /// Applies rows of the initial copy of which the stream has brought some already: first many at
    /// once, and then one by one, so that a refusal names its row.
    async fn apply_copied(
        &mut self,
        fragment: Fragment<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let mut refused = None;
        for detail in [Detail::Joined, Detail::SingleRows] {
            self.line.roll_back_to(SAVEPOINT).await?;
            self.require_claim().await?;
            self.line.script.clear();
            match self.execute_fragment(fragment, detail, lease).await {
                Ok(()) => return Ok(()),
                Err(Setback::Contention) => return Err(MySqlLoadError::Contention { tries: 1 }),
                Err(Setback::Stop(error)) => return Err(error),
                Err(Setback::Refused(refusal)) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) => {
                Err(self.name_row(refusal, std::slice::from_ref(fragment.transaction)))
            }
            None => Ok(()),
        }
    }

    /// Applies a fragment row by row, and holds those that have to be held.
    async fn apply_fragment_carefully(
        &mut self,
        fragment: Fragment<'_>,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let applied = self.apply_carefully(fragment.transaction, lease).await;
        let outcome = match (applied, fragment.through) {
            (Ok(()), Some(through)) => {
                let source_time = Some(fragment.transaction.committed_at);
                let held = self.held.clone();
                let (line, _, desk) = self.parts();
                line.script.clear();
                desk.push_advance(line, Advance { through, source_time }, &held);
                line.run(lease, desk.known()).await.map(drop)
            }
            (applied, _) => applied,
        };
        match outcome {
            Ok(()) => Ok(()),
            // The fragments before are gone with the rollback, so the whole is read again.
            Err(Setback::Contention) => Err(MySqlLoadError::Contention { tries: 1 }),
            Err(Setback::Stop(error)) => Err(error),
            Err(Setback::Refused(refusal)) => {
                Err(self.name_row(refusal, std::slice::from_ref(fragment.transaction)))
            }
        }
    }

    /// Executes what the script holds, none of which is about rows.
    async fn run_script(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        let (line, _, desk) = self.parts();
        match line.run(lease, desk.known()).await {
            Ok(_) => Ok(()),
            Err(Setback::Stop(error)) => Err(error),
            Err(Setback::Contention | Setback::Refused(_)) => {
                Err(MySqlLoadError::Contention { tries: 1 })
            }
        }
    }

    async fn execute_fragment(
        &mut self,
        fragment: Fragment<'_>,
        detail: Detail,
        lease: &Lease,
    ) -> Result<(), Setback> {
        let advance = fragment.through.map(|through| Advance {
            through,
            source_time: Some(fragment.transaction.committed_at),
        });
        self.execute(std::slice::from_ref(fragment.transaction), detail, advance, lease).await
    }
}

/// Whether its rows are those of the initial copy.
fn is_copied(transaction: &Transaction) -> bool {
    transaction
        .events
        .iter()
        .any(|event| matches!(event, Event::Rows(rows) if rows.flags().copy == InCopy::Copied))
}

fn take_apart(batch: &Batch) -> Result<Fragment<'_>, MySqlLoadError> {
    let malformed = |what| Err(MySqlLoadError::Malformed { what });
    let [transaction] = batch.transactions.as_slice() else {
        return malformed("a fragment is not alone");
    };
    let Part::Fragment { index, last } = transaction.part else {
        return malformed("a whole transaction stands for a fragment");
    };
    match (&batch.through, last) {
        (Some(through), true) => Ok(Fragment { transaction, index, through: Some(through) }),
        (None, false) => Ok(Fragment { transaction, index, through: None }),
        (Some(_), false) => malformed("a fragment that is not the last has a position"),
        (None, true) => malformed("the last fragment has no position"),
    }
}

/// Whether the copy of a table begins with it.
fn begins_copy(transaction: &Transaction) -> bool {
    transaction.events.iter().any(|event| {
        let Event::Copy(CopyStep::Table { record, .. }) = event else { return false };
        record.stage == CopyStage::Copying && record.after.is_none()
    })
}
