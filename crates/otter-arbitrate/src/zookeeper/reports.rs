//! What a process publishes: one node below `reports`, which lives as long as its session.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::debug;
use zookeeper_client::{Client, Error as ClientError};

use super::desk::{Connected, Shared};
use super::error::ZooKeeperArbiterError;
use super::tree::Tree;
use crate::holding::Alive;
use crate::report::{self, Place, Published, Reports};

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// Publishes until the answer is dropped, or the arbiter is closed, whose session ends the node.
pub(super) fn publish(shared: &Arc<Shared>, alive: &Alive, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    let node = Node { shared: Arc::clone(shared), written: None };
    alive.spawn(report::keep(node, published, every));
    reports
}

/// The node of this process.
struct Node {
    shared: Arc<Shared>,
    /// What stands there, and the session that it goes with.
    written: Option<(Published, Connected)>,
}

impl Place for Node {
    type Error = ZooKeeperArbiterError;

    async fn write(&mut self, text: &Published) -> Result<()> {
        let is_there = match &self.written {
            Some((before, connected)) => before == text && !*connected.over.borrow(),
            // No session is begun to tell nothing.
            None => text.is_empty(),
        };
        if !is_there {
            let connected = write(&self.shared, text).await?;
            self.written = Some((Published::clone(text), connected));
        }
        Ok(())
    }

    async fn forget(self) {
        let Some((_, connected)) = self.written else { return };
        let tree = &self.shared.tree;
        let goodbye = tree.remove(&connected.client, tree.report_path(&connected.client));
        let limit = self.shared.holding.answer_limit();
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

    /// What all processes tell.
    pub(super) async fn reports(&self, client: &Client) -> Result<Vec<String>> {
        let folder = self.reports_path();
        let names = match client.list_children(&folder).await {
            Ok(names) => names,
            Err(ClientError::NoNode) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&folder)(error)),
        };
        let mut texts = Vec::with_capacity(names.len());
        // All are asked for before the first answer.
        let asked = names.into_iter().map(|name| {
            let path = format!("{folder}/{name}");
            (client.get_data(&path), path)
        });
        for (answer, path) in asked.collect::<Vec<_>>() {
            match answer.await {
                Ok((text, _)) => texts.push(String::from_utf8_lossy(&text).into_owned()),
                Err(ClientError::NoNode) => {}
                Err(error) => return Err(self.failed(&path)(error)),
            }
        }
        Ok(texts)
    }
}
