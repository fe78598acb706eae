//! What a process publishes: one row for its session, written over the connection of those that ask,
//! so that the renewal of leases never waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::debug;

use super::conn::Conn;
use super::desk;
use super::error::SqlArbiterError;
use super::shared::Shared;
use crate::holding::Alive;
use crate::report::{self, Place, Published, Reports};

/// Publishes until the answer is dropped, or the arbiter is closed, which deletes the row.
pub(super) fn publish(shared: &Arc<Shared>, alive: &Alive, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    let row = Row { shared: Arc::clone(shared), written: None };
    alive.spawn(report::keep(row, published, every));
    reports
}

/// The row of this process.
struct Row {
    shared: Arc<Shared>,
    /// What stands there, and the session that it was written under.
    written: Option<(Published, String)>,
}

impl Place for Row {
    type Error = SqlArbiterError;

    async fn write(&mut self, text: &Published) -> Result<(), SqlArbiterError> {
        let session = self.shared.holding.session().filter(|session| session.is_valid());
        let Some(session) = session else { return Ok(()) };
        // The row is void with its session: under another one it is written again.
        let is_there = match &self.written {
            Some((before, token)) => before == text && *token == session.token,
            None => text.is_empty(),
        };
        if is_there {
            return Ok(());
        }
        let texts = &self.shared.world.texts;
        let is_first = self.written.as_ref().is_none_or(|(_, token)| *token != session.token);
        if is_first {
            execute(&self.shared, texts.forget_dead_reports()).await?;
        }
        execute(&self.shared, texts.report(&session.token, text)).await?;
        self.written = Some((Published::clone(text), session.token.clone()));
        Ok(())
    }

    async fn forget(self) {
        let Some((_, token)) = self.written else { return };
        let text = self.shared.world.texts.forget_report(&token);
        if execute(&self.shared, text).await.is_err() {
            debug!("what was published is void with the session");
        }
    }
}

async fn execute(shared: &Shared, text: String) -> Result<(), SqlArbiterError> {
    let limit = shared.holding.answer_limit();
    let work = async {
        let mut slot = shared.desk.lock().await;
        // Taken out, so that a connection is gone whose call was dropped or failed.
        let mut conn = match slot.take() {
            Some(conn) => conn,
            None => Conn::open(&shared.world.url, shared.holding.lease).await?,
        };
        desk::query(&mut conn, shared, text).await?;
        *slot = Some(conn);
        Ok(())
    };
    match timeout(limit, Box::pin(work)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SqlArbiterError::Late { address: shared.world.url.address(), limit }),
    }
}
