//! Who looked at rows: the table `audit` of the target's schema, never a value (SECRET-1).

use std::time::Duration;

use otter_core::{DatabaseUrl, PipelineId, Result};

use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, ServerFacts, SessionTimes};
use crate::mysql::store::{AuditEntry, MAX_NAME, Store};

/// How long the server keeps the connection between two statements.
const IDLE: Duration = Duration::from_secs(60);
/// How long a row lock or an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The list of looks and wishes of one pipeline's operators, over a connection to the target.
#[derive(Debug)]
pub struct Audit {
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
    store: Store,
}

impl Audit {
    /// Connects to the target of a pipeline.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where the target cannot be reached,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in.
    pub async fn open(url: &DatabaseUrl, schema: &str, pipeline: &PipelineId) -> Result<Self> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, facts) = connect::open(url, times).await?;
        Ok(Self { conn, facts, store: Store::new(schema, pipeline.as_str()) })
    }

    /// Writes down that this operator looks at this, with the time by the target's clock and the
    /// account; the table is made where it is missing. Nobody checks who the operator is; what is
    /// longer than 190 letters is cut. Neither may hold values of rows.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Fault::Fatal`](otter_core::Fault::Fatal) where the account may not
    /// make or write the table.
    pub async fn note(&mut self, operator: &str, (action, subject): (&str, &str)) -> Result<()> {
        self.store.ensure_audit(&mut *self.conn, &self.facts).await?;
        let operator: String = operator.chars().take(MAX_NAME).collect();
        let entry = AuditEntry { operator: &operator, action, subject };
        Ok(self.store.audit(&mut *self.conn, entry).await?)
    }

    /// Ends the connection in an orderly way.
    pub async fn close(self) {
        self.conn.goodbye().await;
    }
}
