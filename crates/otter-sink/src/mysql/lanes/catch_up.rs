//! After an interruption lanes differ: each transaction is applied for the lanes that lack it.
//!
//! All of them belong to the one piece that was interrupted, since everything else moves all lanes
//! at once: so each row belongs to the lane that it belonged to then, and rows of lanes that have
//! theirs already are left out. Whatever says otherwise was changed by somebody else, and halts the
//! pipeline.

use otter_core::budget::Permit;
use otter_core::{Batch, Lease, Loaded, Position, Transaction};

use super::cut::{Cutting, has_ddl};
use super::run::{renumber, wanted_rows};
use super::split::only;
use super::{Standing, diverged};
use crate::mysql::error::MySqlLoadError;
use crate::mysql::group::Group;
use crate::mysql::session::{Advance, Session};

impl Session {
    /// Applies the first transactions of a batch as long as some lane has them; returns how many
    /// they were, and the rows that other lanes lacked.
    pub(in crate::mysql) async fn catch_up(
        &mut self,
        batch: &Batch,
        through: &Position,
        lease: &Lease,
    ) -> Result<(usize, u64), MySqlLoadError> {
        let (mut done, mut rows) = (0, 0);
        while let Some(standing) = self.standing.take() {
            let rest = batch.transactions.split_at(done).1;
            let Some(first) = rest.first() else {
                self.standing = self.pass(standing, through, lease).await?;
                return Ok((done, rows));
            };
            let lacking = lanes_without(&standing, first)?;
            if lacking.len() == usize::from(self.lane_count()) {
                let behind = self.position_behind(std::slice::from_ref(first), through)?;
                require_same_order(&standing, &lacking, &behind)?;
                tracing::info!("the lanes are at one place again");
                return Ok((done, rows));
            }
            if has_ddl(first) {
                return Err(diverged("a schema change is in some of them alone"));
            }
            let is_alike = |next: &&Transaction| {
                next.origin == first.origin
                    && !has_ddl(next)
                    && standing.lanes_without(next).as_deref() == Some(&lacking)
            };
            let (transactions, behind) = rest.split_at(rest.iter().take_while(is_alike).count());
            let through = self.place_behind(transactions, behind, through)?;
            require_same_order(&standing, &lacking, &through)?;
            let group = Group { transactions, through: &through };
            rows += Box::pin(self.load_lacking(group, &lacking, lease)).await?;
            done += transactions.len();
            self.standing = Some(standing.with(&lacking, &through));
        }
        Ok((done, rows))
    }

    /// Applies a fragment of a transaction that some lane has; `None` where none has it.
    pub(in crate::mysql) async fn catch_up_fragment(
        &mut self,
        batch: &Batch,
        lease: &Lease,
    ) -> Result<Option<Loaded>, MySqlLoadError> {
        let Some(standing) = &self.standing else { return Ok(None) };
        let [transaction] = batch.transactions.as_slice() else { return Ok(None) };
        let lacking = lanes_without(standing, transaction)?;
        if lacking.len() == usize::from(self.lane_count()) {
            self.standing = None;
            return Ok(None);
        }
        if has_ddl(transaction) {
            return Err(diverged("a schema change is in some of them alone"));
        }
        let alone = std::slice::from_ref(transaction);
        self.learn_tables(alone).await?;
        let wanted = self.wanted(alone, &lacking).await?.pop().unwrap_or_default();
        let is_wanted = |row: usize| wanted.get(row).copied().unwrap_or(false);
        let share = Batch {
            after: batch.after.clone(),
            through: batch.through.clone(),
            transactions: vec![only(transaction, is_wanted)],
            permit: Permit::none(),
        };
        let mut all = self.held.clone();
        self.held = all.only(|lane| lacking.contains(&lane));
        let outcome = Box::pin(self.load_fragment(&share, lease)).await;
        all.take_in(&self.held);
        self.held = all;
        let loaded = outcome.map_err(|error| renumber(error, alone, |_, row| is_wanted(row)))?;
        if let Some(through) = &loaded.through {
            let standing = self.standing.take().map(|standing| standing.with(&lacking, through));
            self.standing = standing.filter(Standing::differ);
        }
        Ok(Some(loaded))
    }

    async fn load_lacking(
        &mut self,
        group: Group<'_>,
        lacking: &[u16],
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        self.learn_tables(group.transactions).await?;
        let wanted = self.wanted(group.transactions, lacking).await?;
        self.load_wanted(group, &wanted, lacking, lease).await
    }

    /// Which rows of each transaction belong to lanes that lack it.
    async fn wanted(
        &mut self,
        transactions: &[Transaction],
        lacking: &[u16],
    ) -> Result<Vec<Vec<bool>>, MySqlLoadError> {
        let mut cutting = Cutting::new(&self.tables, self.lane_count(), usize::MAX);
        let mut lanes = Vec::new();
        for transaction in transactions {
            lanes.extend(cutting.lanes_of(transaction).ok_or_else(|| {
                diverged("a transaction that only some of them have is none that they share out")
            })?);
        }
        let rules = cutting.rules();
        self.require_rules(&rules).await?;
        Ok(wanted_rows(transactions, &lanes, |lane| lacking.contains(&lane)))
    }

    /// Moves the lanes that stand before the end of a batch that holds nothing more.
    async fn pass(
        &mut self,
        standing: Standing,
        through: &Position,
        lease: &Lease,
    ) -> Result<Option<Standing>, MySqlLoadError> {
        let behind = standing.lanes_behind(through).ok_or_else(elsewhere)?;
        if !behind.is_empty() {
            let mut all = self.held.clone();
            self.held = all.only(|lane| behind.contains(&lane));
            self.move_position(Advance { through, source_time: None }, lease).await?;
            all.take_in(&self.held);
            self.held = all;
        }
        self.position = Some(through.clone());
        Ok(Some(standing.with(&behind, through)).filter(Standing::differ))
    }
}

fn lanes_without(
    standing: &Standing,
    transaction: &Transaction,
) -> Result<Vec<u16>, MySqlLoadError> {
    let lacking = standing.lanes_without(transaction).ok_or_else(elsewhere)?;
    // INVARIANT LOSS-1: the pipeline stands where one lane at least lacks what comes.
    if lacking.is_empty() {
        return Err(diverged("no lane lacks a transaction that comes behind the least of them"));
    }
    Ok(lacking)
}

/// INVARIANT EXACT-1: lanes that move on must not fall behind where they are, or what they have is
/// applied to them again: that would be so where the source gives its transactions in another order.
fn require_same_order(
    standing: &Standing,
    lanes: &[u16],
    at: &Position,
) -> Result<(), MySqlLoadError> {
    if standing.would_lose(lanes, at) {
        return Err(diverged("the source has its transactions in another order than before"));
    }
    Ok(())
}

fn elsewhere() -> MySqlLoadError {
    diverged("the source's place cannot be compared with theirs")
}
