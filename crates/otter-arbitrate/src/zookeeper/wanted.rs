//! What is wanted of pipelines: a node below `paused` for each that shall rest, and a watch on all of
//! them for each process.

use std::collections::BTreeSet;
use std::sync::Arc;

use otter_core::{Causes, PipelineId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zookeeper_client::{Client, Error as ClientError, OneshotWatcher};

use super::desk::{Connected, Shared};
use super::error::ZooKeeperArbiterError;
use super::tree::Tree;
use crate::holding::Alive;
use crate::name::{escape, unescape};
use crate::wanted::{self, Paused, Wanted, Wishes};

/// After a failure the next try follows after this part of a lease.
const TRIES_PER_LEASE: u32 = 12;

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// Follows what is wanted, until nobody does any more or the arbiter is closed.
pub(super) fn follow(shared: &Arc<Shared>, alive: &Alive) -> Wishes {
    let (sender, receiver) = watch::channel(None);
    let shared = Arc::clone(shared);
    alive.spawn(async move {
        tokio::select! {
            biased;
            () = sender.closed() => {}
            () = see_again_and_again(&shared, &sender) => {}
        }
    });
    Wishes::new(receiver)
}

async fn see_again_and_again(shared: &Shared, sender: &watch::Sender<Paused>) {
    let mut is_failing = false;
    loop {
        let Err(error) = see(shared, sender).await else {
            is_failing = false;
            continue;
        };
        if let ZooKeeperArbiterError::Rebuilt { .. } = error {
            // What was wanted is gone: whoever rests asks for its side, and is told.
            wanted::tell(sender, BTreeSet::new());
        }
        if is_failing {
            debug!(error = %Causes(&error), "what is wanted of pipelines cannot be read");
        } else {
            warn!(error = %Causes(&error), "what is wanted of pipelines cannot be read; it is looked \
                 for again");
        }
        is_failing = true;
        sleep(shared.holding.lease / TRIES_PER_LEASE).await;
    }
}

/// Looks at all nodes, and waits until one comes or goes.
async fn see(shared: &Shared, sender: &watch::Sender<Paused>) -> Result<()> {
    let limit = shared.holding.answer_limit();
    let Ok(looked) = timeout(limit, Box::pin(look(shared))).await else {
        return Err(ZooKeeperArbiterError::Late { servers: shared.tree.servers(), limit });
    };
    let (connected, paused, watcher) = looked?;
    wanted::tell(sender, paused);
    let mut over = connected.over.subscribe();
    tokio::select! {
        biased;
        _ = over.wait_for(|over| *over) => {}
        _ = watcher.changed() => {}
    }
    Ok(())
}

async fn look(shared: &Shared) -> Result<(Connected, BTreeSet<PipelineId>, OneshotWatcher)> {
    let connected = shared.connect().await?;
    let client = &connected.client;
    loop {
        if let Some((paused, watcher)) = shared.tree.watch_paused(client).await? {
            return Ok((connected, paused, watcher));
        }
        // Somebody has deleted the subtree, and what was wanted with it.
        shared.require_ours(client).await?;
        shared.tree.make_folders(client).await?;
    }
}

impl Tree {
    /// Writes what is wanted of a pipeline.
    pub(super) async fn want(
        &self,
        client: &Client,
        pipeline: &PipelineId,
        wanted: Wanted,
    ) -> Result<()> {
        let path = format!("{}/{}", self.paused_path(), escape(pipeline.as_str()));
        match wanted {
            Wanted::Paused => {
                let made = client.mkdir(&path, &self.persistent()).await;
                made.map_err(self.failed(&path))
            }
            Wanted::Running => self.remove(client, path).await,
        }
    }

    /// The pipelines that shall rest.
    pub(super) async fn paused(&self, client: &Client) -> Result<BTreeSet<PipelineId>> {
        let folder = self.paused_path();
        match client.list_children(&folder).await {
            Ok(names) => Ok(pipelines(&names)),
            Err(ClientError::NoNode) => Ok(BTreeSet::new()),
            Err(error) => Err(self.failed(&folder)(error)),
        }
    }

    /// The pipelines that shall rest, and a watch that tells when one comes or goes; `None` where the
    /// subtree is gone.
    async fn watch_paused(
        &self,
        client: &Client,
    ) -> Result<Option<(BTreeSet<PipelineId>, OneshotWatcher)>> {
        let folder = self.paused_path();
        match client.list_and_watch_children(&folder).await {
            Ok((names, watcher)) => Ok(Some((pipelines(&names), watcher))),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&folder)(error)),
        }
    }
}

/// Nodes that somebody else has made there are no pipelines.
fn pipelines(names: &[String]) -> BTreeSet<PipelineId> {
    names.iter().filter_map(|name| unescape(name)).map(PipelineId::new).collect()
}
