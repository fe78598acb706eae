//! What a process publishes: one node below `reports`, which lives as long as its session.

use std::sync::Arc;
use std::time::Duration;

use otter_core::Causes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zookeeper_client::{Client, Error as ClientError};

use super::desk::{Connected, Shared};
use super::error::ZooKeeperArbiterError;
use super::tree::Tree;
use crate::holding::Alive;
use crate::report::{Published, Reports};

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// Publishes until the answer is dropped, or the arbiter is closed.
pub(super) fn publish(shared: &Arc<Shared>, alive: &Arc<Alive>, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    let mut is_closed = alive.0.subscribe();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            // Closing ends the session, and the node with it.
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
    let mut written: Option<Connected> = None;
    loop {
        // Nothing is written while nothing is held: no session is begun to tell nothing.
        let text = Arc::clone(&published.borrow_and_update());
        if written.is_some() || !text.is_empty() {
            match write(shared, &text).await {
                Ok(connected) => {
                    is_failing = false;
                    written = Some(connected);
                }
                Err(error) if is_failing => {
                    debug!(error = %Causes(&error), "progress cannot be published");
                }
                Err(error) => {
                    warn!(error = %Causes(&error), "progress cannot be published; it is tried again");
                    (is_failing, written) = (true, None);
                }
            }
        }
        sleep(every).await;
        if published.has_changed().is_err() {
            break;
        }
        if is_failing {
            continue;
        }
        let over = async {
            match &written {
                // The node goes with its session.
                Some(connected) => {
                    let mut over = connected.over.subscribe();
                    let _ = over.wait_for(|over| *over).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = over => {}
            changed = published.changed() => if changed.is_err() { break },
        }
    }
    if let Some(connected) = written {
        let goodbye = shared.tree.delete_report(&connected.client);
        let limit = shared.holding.answer_limit();
        match timeout(limit, Box::pin(goodbye)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => debug!("what was published goes with the session"),
        }
    }
}

async fn write(shared: &Shared, text: &str) -> Result<Connected> {
    let limit = shared.holding.answer_limit();
    let work = async {
        let connected = shared.connect().await?;
        while !shared.tree.write_report(&connected.client, text).await? {
            // Somebody has deleted the subtree.
            shared.require_ours(&connected.client).await?;
            shared.tree.make_folders(&connected.client).await?;
        }
        Ok(connected)
    };
    match timeout(limit, Box::pin(work)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ZooKeeperArbiterError::Late { servers: shared.tree.servers(), limit }),
    }
}

impl Tree {
    /// The node of a session, which no other session has.
    fn report_path(&self, client: &Client) -> String {
        format!("{}/{:016x}", self.reports_path(), client.session_id().0)
    }

    /// Writes what a process tells; false where the subtree is gone.
    async fn write_report(&self, client: &Client, text: &str) -> Result<bool> {
        let path = self.report_path(client);
        match client.set_data(&path, text.as_bytes(), None).await {
            Ok(_) => return Ok(true),
            Err(ClientError::NoNode) => {}
            Err(error) => return Err(self.failed(&path)(error)),
        }
        match client.create(&path, text.as_bytes(), &self.ephemeral()).await {
            // Whoever was faster is an earlier request of ours that was not answered.
            Ok(_) | Err(ClientError::NodeExists) => Ok(true),
            Err(ClientError::NoNode) => Ok(false),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    async fn delete_report(&self, client: &Client) -> Result<()> {
        let path = self.report_path(client);
        match client.delete(&path, None).await {
            Ok(()) | Err(ClientError::NoNode) => Ok(()),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// What all processes tell.
    pub(super) async fn reports(&self, client: &Client) -> Result<Vec<String>> {
        let folder = self.reports_path();
        let names = match client.list_children(&folder).await {
            Ok(names) => names,
            Err(ClientError::NoNode) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&folder)(error)),
        };
        let mut texts = Vec::with_capacity(names.len());
        for name in names {
            let path = format!("{folder}/{name}");
            match client.get_data(&path).await {
                Ok((text, _)) => texts.push(String::from_utf8_lossy(&text).into_owned()),
                Err(ClientError::NoNode) => {}
                Err(error) => return Err(self.failed(&path)(error)),
            }
        }
        Ok(texts)
    }
}
