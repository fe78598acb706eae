//! What a process publishes: one row for its session, written over the connection of those that ask,
//! so that the renewal of leases never waits for it.

use std::sync::Arc;
use std::time::Duration;

use otter_core::Causes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::conn::Conn;
use super::desk;
use super::error::SqlArbiterError;
use super::shared::Shared;
use crate::holding::Alive;
use crate::report::{Published, Reports};

/// Publishes until the answer is dropped, or the arbiter is closed.
pub(super) fn publish(shared: &Arc<Shared>, alive: &Arc<Alive>, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    let mut is_closed = alive.0.subscribe();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            // Closing ends the session, and deletes the row.
            _ = is_closed.wait_for(|is_closed| *is_closed) => {}
            () = write_again_and_again(&shared, published, every) => {}
        }
    });
    reports
}

async fn write_again_and_again(
    shared: &Shared,
    mut published: watch::Receiver<Published>,
    every: Duration,
) {
    let mut is_failing = false;
    // The text, and the session that it was written under.
    let mut written: Option<(Published, String)> = None;
    loop {
        let text = Published::clone(&published.borrow_and_update());
        // The row is void with its session: under another one it is written again.
        let session = shared.holding.session().filter(|session| session.is_valid());
        let due = session.filter(|session| match &written {
            Some((before, token)) => *before != text || *token != session.token,
            None => !text.is_empty(),
        });
        if let Some(session) = due {
            match execute(shared, shared.world.texts.report(&session.token, &text)).await {
                Ok(()) => {
                    is_failing = false;
                    written = Some((text, session.token.clone()));
                }
                Err(error) if is_failing => {
                    debug!(error = %Causes(&error), "progress cannot be published");
                }
                Err(error) => {
                    warn!(error = %Causes(&error), "progress cannot be published; it is tried again");
                    is_failing = true;
                }
            }
        }
        sleep(every).await;
        if published.has_changed().is_err() {
            break;
        }
    }
    let Some((_, token)) = written else { return };
    if execute(shared, shared.world.texts.forget_report(&token)).await.is_err() {
        debug!("what was published is void with the session");
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
