//! The schema change that a pipeline is about to execute, or executed last.

use super::{Claim, Held, Store};
use crate::mysql::conn::ApplyConn;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::string;

/// What was seen before a schema change began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Where its transaction begins at the source.
    pub(crate) place: String,
    /// The statement as the target was to execute it.
    pub(crate) statement: String,
    /// Which server that was.
    pub(crate) server: String,
    pub(crate) footprint: String,
}

impl Store {
    pub(crate) async fn read_intent(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<Option<Intent>, MySqlLoadError> {
        let text = format!(
            "SELECT `place`, `statement`, `server`, `footprint` FROM {} WHERE `pipeline` = {}",
            self.ddl, self.pipeline
        );
        let rows = conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        let row = rows.into_iter().next().map(Vec::into_iter);
        let intent = row.and_then(|mut cells| {
            let mut next = || cells.next()?;
            Some(Intent { place: next()?, statement: next()?, server: next()?, footprint: next()? })
        });
        Ok(intent)
    }

    /// Stores an intent, unless another loader holds the checkpoint (FENCE-1).
    pub(crate) async fn write_intent(
        &self,
        conn: &mut dyn ApplyConn,
        held: (&Claim, &Held),
        intent: &Intent,
    ) -> Result<(), MySqlLoadError> {
        self.lock(conn).await?;
        if !self.is_held(conn, held).await? {
            return Err(MySqlLoadError::CheckpointMoved);
        }
        let text = format!(
            "REPLACE INTO {} (`pipeline`, `place`, `statement`, `server`, `footprint`) \
             VALUES ({}, {}, {}, {}, {}); COMMIT",
            self.ddl,
            self.pipeline,
            string(&intent.place),
            string(&intent.statement),
            string(&intent.server),
            string(&intent.footprint),
        );
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }

    /// Forgets the intent: its statement has done nothing.
    pub(crate) async fn forget_intent(
        &self,
        conn: &mut dyn ApplyConn,
    ) -> Result<(), MySqlLoadError> {
        let text = format!("DELETE FROM {} WHERE `pipeline` = {}", self.ddl, self.pipeline);
        conn.query(&text).await.map(drop).map_err(MySqlLoadError::plain)
    }
}
