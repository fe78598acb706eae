//! Rows that are copied again: each part with how far its request is, and the position, in one target
//! transaction.
//!
//! Where the target does not take a part, the request is refused with the reason, and the pipeline goes
//! on: nothing of the part is written.

use std::sync::Arc;

use otter_core::{
    Classify, Event, Fault, Lease, Loaded, ResyncRecord, ResyncStage, ResyncStep, Transaction,
};

use super::error::MySqlLoadError;
use super::group::{Group, row_count};
use super::plan::Detail;
use super::session::{Advance, Session};

/// Why a part is refused of which rows are held.
pub(crate) const HELD: &str = "rows that are held in quarantine belong to it: settle them first \
     (otter-server quarantine list)";

/// How far a request is behind the rows of a transaction, where it is one of a resync.
pub(super) fn moved(transaction: &Transaction) -> Option<&ResyncRecord> {
    transaction.events.iter().find_map(|event| {
        if let Event::Resync(ResyncStep::Moved(record)) = event { Some(record) } else { None }
    })
}

/// Refuses steps of a resync that travel with whole transactions: a loader commits them alone.
pub(super) fn require_no_steps(transactions: &[Transaction]) -> Result<(), MySqlLoadError> {
    let mut events = transactions.iter().flat_map(|transaction| &transaction.events);
    if events.any(|event| matches!(event, Event::Resync(_))) {
        return Err(MySqlLoadError::Malformed { what: "a step of a resync is in no fragment" });
    }
    Ok(())
}

impl Session {
    /// Applies and commits a part of a resync, or refuses its request.
    pub(super) async fn load_resync(
        &mut self,
        group: Group<'_>,
        record: &ResyncRecord,
        lease: &Lease,
    ) -> Result<Loaded, MySqlLoadError> {
        if self.fragment.is_some() {
            return Err(MySqlLoadError::Malformed { what: "it stands between two fragments" });
        }
        let rows = if self.refused_request == Some(record.id) {
            // It was on its way when a part before it was refused.
            let advance = Advance { through: group.through, source_time: None };
            self.move_position(advance, lease).await?;
            0
        } else {
            match self.try_resync(group, lease).await? {
                Ok(rows) => rows,
                Err(why) => {
                    self.refuse_request(group, (record, why), lease).await?;
                    0
                }
            }
        };
        let held = self.held_rows();
        Ok(Loaded { through: Some(group.through.clone()), rows, transactions: 1, held })
    }

    /// Applies and commits a part; the inner error is why its request is refused.
    async fn try_resync(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<Result<u64, String>, MySqlLoadError> {
        if row_count(group.transactions) == 0 {
            return self.try_parts(group, lease).await;
        }
        let learned = match self.learn_tables(group.transactions).await {
            Ok(()) => self.ensure_relations().await,
            Err(error) => Err(error),
        };
        match learned {
            Ok(()) => {}
            Err(error) if error.fault() == Fault::Fatal => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        }
        if group.transactions.iter().any(|transaction| self.waits(transaction)) {
            return Ok(Err(HELD.to_owned()));
        }
        self.try_parts(group, lease).await
    }

    async fn try_parts(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<Result<u64, String>, MySqlLoadError> {
        let mut why = None;
        for detail in [Detail::Joined, Detail::SingleRows] {
            match self.try_group(group, detail, lease).await? {
                Ok(rows) => return Ok(Ok(rows)),
                Err(refusal) => why = Some(self.name_row(refusal, group.transactions)),
            }
        }
        Ok(Err(why.map_or_else(String::new, |why| why.to_string())))
    }

    /// Writes why a request is refused, with the position.
    async fn refuse_request(
        &mut self,
        group: Group<'_>,
        (record, why): (&ResyncRecord, String),
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        tracing::warn!(
            pipeline = self.store.name(),
            request = record.id,
            reason = why,
            "the target does not take rows that are copied again; the request is refused"
        );
        let Some(first) = group.transactions.first() else {
            return Err(MySqlLoadError::Malformed { what: "a group is empty" });
        };
        let record = ResyncRecord {
            stage: ResyncStage::Refused,
            reason: Some(Arc::from(why)),
            ..record.clone()
        };
        self.refused_request = Some(record.id);
        let step = Event::Resync(ResyncStep::Moved(record));
        let refusing = Transaction { events: vec![step], ..first.clone() };
        let group = Group { transactions: std::slice::from_ref(&refusing), through: group.through };
        match self.try_group(group, Detail::Joined, lease).await? {
            Ok(_) => Ok(()),
            Err(refusal) => Err(self.name_row(refusal, group.transactions)),
        }
    }
}
