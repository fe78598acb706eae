//! Taking a target over: exactly one connection may write for a pipeline.
//!
//! 1. Who may: the checkpoint's term decides, by a plain read, so that nobody is killed by a
//!    loader that is late itself.
//! 2. The named lock: each writing connection holds one for as long as it lives. Whoever has it is
//!    killed, and we wait until the server has given it up, which it does after the rollback.
//! 3. The claim: under a locking read the term is judged again and ours is written.
//!
//! Two loaders with the same term can only come from an arbiter that granted it twice. The random
//! `holder` tells them apart: each may claim a term once, the later one takes over, and the earlier
//! one, which finds its own term under another holder, is fenced and does not come back. After a
//! claim every write is a compare-and-set on arbiter, term, holder and sequence, so that even a
//! lost named lock lets nothing through.

use std::cmp::Ordering;
use std::time::Duration;

use otter_core::{ArbiterId, Lease, Term};
use tokio::time::{Instant, sleep};

use super::conn::{ApplyConn, ConnError};
use super::connect::{Flavour, ServerFacts};
use super::error::MySqlLoadError;
use super::group::pause_before;
use super::lanes::Standing;
use super::names::string;
use super::plan::Step;
use super::store::{Claim, Held, Store, StoredCheckpoint};

/// How often a claim is tried that meets locks.
const CLAIM_TRIES: u32 = 8;

/// What a claim found.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    pub(crate) held: Held,
    /// Where the lanes stand; `None` before the first position.
    pub(crate) standing: Option<Standing>,
}

/// Everything that a take-over needs to know.
pub(crate) struct TakeOver<'a> {
    pub(crate) store: &'a Store,
    pub(crate) facts: &'a ServerFacts,
    pub(crate) lease: &'a Lease,
    pub(crate) holder: &'a str,
    /// The most connections that will write at once.
    pub(crate) slots: u16,
    /// The term that this loader claimed last, as far as it knows.
    pub(crate) claimed: &'a mut Option<Term>,
    /// How long a killed predecessor may take to disappear.
    pub(crate) patience: Duration,
}

impl TakeOver<'_> {
    /// Makes this connection the pipeline's only writer.
    pub(crate) async fn run(
        &mut self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Claimed, MySqlLoadError> {
        self.store.ensure(conn, self.facts).await?;
        let stored = self.store.read(conn).await?;
        self.judge(&stored)?;
        let slots = stored.iter().map(|row| row.slots).fold(self.slots, u16::max);
        for slot in 0..slots {
            self.lock_slot(conn, slot).await?;
        }
        let mut is_new = stored.is_empty();
        for attempt in 1..CLAIM_TRIES {
            match self.claim(conn, is_new).await {
                // Nothing is committed, or the term would be noted.
                Err(MySqlLoadError::Contention { .. })
                    if *self.claimed != Some(self.lease.term()) =>
                {
                    conn.query("ROLLBACK").await.map_err(MySqlLoadError::plain)?;
                    sleep(pause_before(attempt)).await;
                    is_new = self.store.read(conn).await?.is_empty();
                }
                outcome => return outcome,
            }
        }
        self.claim(conn, is_new).await
    }

    fn pipeline(&self) -> &str {
        self.lease.side().pipeline.as_str()
    }

    /// Whether the stored claim lets ours follow.
    fn judge(&self, stored: &[StoredCheckpoint]) -> Result<(), MySqlLoadError> {
        if !self.lease.is_held() {
            return Err(MySqlLoadError::LeaseOver { term: self.lease.term() });
        }
        // All lanes bear one claim, or the checkpoint is refused below.
        match stored.first() {
            Some(row) => {
                self.judge_claim(row)?;
                self.standing(stored).map(drop)
            }
            None => Ok(()),
        }
    }

    fn standing(&self, stored: &[StoredCheckpoint]) -> Result<Option<Standing>, MySqlLoadError> {
        Standing::of(stored).map_err(|what| self.bad(&what))
    }

    fn judge_claim(&self, row: &StoredCheckpoint) -> Result<(), MySqlLoadError> {
        if row.arbiter != self.lease.arbiter().as_str() {
            return Err(MySqlLoadError::ForeignArbiter {
                pipeline: self.pipeline().to_owned(),
                found: ArbiterId::new(row.arbiter.as_str()),
                ours: self.lease.arbiter().clone(),
            });
        }
        let ours = self.lease.term();
        match row.term.cmp(&ours.0) {
            Ordering::Less => Ok(()),
            Ordering::Greater => Err(MySqlLoadError::Superseded { ours, found: Term(row.term) }),
            // Our own claim, seen again after a transient fault; or one that an operator freed.
            Ordering::Equal if row.holder == self.holder || row.holder.is_empty() => Ok(()),
            Ordering::Equal if *self.claimed == Some(ours) => {
                Err(MySqlLoadError::TakenTwice { term: ours })
            }
            Ordering::Equal => {
                tracing::error!(
                    pipeline = self.pipeline(),
                    term = %ours,
                    "the arbiter granted one term twice"
                );
                Ok(())
            }
        }
    }

    fn bad(&self, what: &str) -> MySqlLoadError {
        MySqlLoadError::BadCheckpoint {
            pipeline: self.pipeline().to_owned(),
            what: what.to_owned(),
        }
    }

    /// Takes the named lock of a slot, killing whoever has it.
    async fn lock_slot(&self, conn: &mut dyn ApplyConn, slot: u16) -> Result<(), MySqlLoadError> {
        let name = string(&lock_name(self.store.schema(), self.pipeline(), slot));
        let deadline = Instant::now() + self.patience;
        let mut wait_seconds = 0;
        loop {
            // INVARIANT FENCE-1: the server waits for the end of the killed session, and gives
            // the lock away only after that session was rolled back.
            let got = single(conn, &format!("SELECT GET_LOCK({name}, {wait_seconds})")).await?;
            if got == Some(1) {
                return Ok(());
            }
            wait_seconds = 1;
            if Instant::now() >= deadline {
                return Err(MySqlLoadError::PredecessorStays { seconds: self.patience.as_secs() });
            }
            // Somebody with a higher term may have come meanwhile, and must not be killed.
            let stored = self.store.read(conn).await?;
            self.judge(&stored)?;
            if let Some(id) = single(conn, &format!("SELECT IS_USED_LOCK({name})")).await? {
                self.kill(conn, id).await?;
            }
        }
    }

    async fn kill(&self, conn: &mut dyn ApplyConn, connection: u64) -> Result<(), MySqlLoadError> {
        tracing::info!(
            pipeline = %self.lease.side().pipeline,
            term = %self.lease.term(),
            connection,
            "ending the predecessor's connection"
        );
        match conn.query(&format!("KILL {connection}")).await {
            Ok(_) => Ok(()),
            // 1094: it is gone by itself.
            Err(error) if error.number() == Some(1094) => Ok(()),
            Err(ConnError::Server(server)) if matches!(server.number, 1095 | 1227) => {
                let right = match self.facts.flavour {
                    Flavour::MySql => "CONNECTION_ADMIN",
                    Flavour::MariaDb => "CONNECTION ADMIN",
                };
                Err(MySqlLoadError::MissingRight {
                    number: server.number,
                    remedy: format!("GRANT {right} ON *.* TO {}", self.facts.account),
                })
            }
            Err(error) => Err(MySqlLoadError::plain(error)),
        }
    }

    /// Writes our claim under a locking read.
    async fn claim(
        &mut self,
        conn: &mut dyn ApplyConn,
        is_new: bool,
    ) -> Result<Claimed, MySqlLoadError> {
        let stored = if is_new {
            // A lock of rows that are not there is one of the gap, where other pipelines insert theirs.
            conn.query("START TRANSACTION").await.map_err(MySqlLoadError::plain)?;
            Vec::new()
        } else {
            self.store.lock(conn).await?
        };
        self.judge(&stored)?;
        let claim = Claim {
            arbiter: self.lease.arbiter().as_str().to_owned(),
            term: self.lease.term().0,
            holder: self.holder.to_owned(),
        };
        let text = match stored.first() {
            Some(_) => self.store.claim_text(&claim, self.slots),
            None => self.store.insert_text(&claim, self.slots),
        };
        let mut done = Vec::with_capacity(1);
        match conn.execute(&[Step::of(text)], &mut done).await {
            // Another loader inserted the row since we looked.
            Err(error) if error.number() == Some(1062) => {
                return Err(MySqlLoadError::Contention { tries: 1 });
            }
            outcome => outcome.map_err(MySqlLoadError::plain)?,
        }
        let held = match stored.as_slice() {
            [] => Held::one(0, 0),
            rows => Held::new(rows.iter().map(|row| (row.lane, row.sequence)).collect()),
        };
        if done.iter().map(|done| done.affected_rows).ne([held.count()]) {
            return Err(MySqlLoadError::CheckpointMoved);
        }
        if !self.lease.is_held() {
            return Err(MySqlLoadError::LeaseOver { term: self.lease.term() });
        }
        // Noted before the outcome is known: a claim that was committed must not be made again.
        *self.claimed = Some(self.lease.term());
        conn.query("COMMIT").await.map_err(MySqlLoadError::plain)?;
        Ok(Claimed { claim, held, standing: self.standing(&stored)? })
    }
}

/// Hands the named lock of a slot from the connection that took the target over to another one.
pub(crate) async fn hand_slot_over(
    from: &mut dyn ApplyConn,
    to: &mut dyn ApplyConn,
    name: &str,
) -> Result<(), MySqlLoadError> {
    let name = string(name);
    single(from, &format!("SELECT RELEASE_LOCK({name})")).await?;
    // A connection of ours that has ended just now may not be gone yet.
    match single(to, &format!("SELECT GET_LOCK({name}, 2)")).await? {
        Some(1) => Ok(()),
        // Whoever has it takes the target over, or has died and is not gone yet.
        Some(_) | None => Err(MySqlLoadError::Lost {
            cause: "another connection took the lock of a writing connection".to_owned(),
        }),
    }
}

/// The one number of a one-row answer; `None` for NULL.
async fn single(conn: &mut dyn ApplyConn, text: &str) -> Result<Option<u64>, MySqlLoadError> {
    let rows = conn.query(text).await.map_err(MySqlLoadError::plain)?;
    Ok(rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok()))
}

/// The name of a slot's lock: at most 64 letters, the same in every version and on every machine.
pub(crate) fn lock_name(schema: &str, pipeline: &str, slot: u16) -> String {
    // FNV-1a with 128 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): stable and short; it need
    // not withstand an adversary.
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let slot = slot.to_string();
    for part in [schema, pipeline, &slot] {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("otter:{hash:032x}")
}

#[cfg(test)]
mod tests;
