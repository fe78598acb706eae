//! The identity of a subtree: its id is made once, and made again as the same where somebody who
//! knows it finds it gone.
//!
//! Terms of one id must rise, or a lease would be granted that the checkpoint refuses. They are
//! transactions of the ensemble, so that a deleted subtree takes none of them back; an ensemble
//! that was made anew does. Whoever knows the id also knows how far the ensemble had counted, and
//! proves by a transaction of its own that it has counted further.

use otter_core::ArbiterId;
use tracing::warn;
use zookeeper_client::{Client, Error as ClientError};

use super::error::ZooKeeperArbiterError;
use super::tree::Tree;
use crate::known::Known;
use crate::random::random_name;

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// An id that nobody else has.
pub(super) fn new_id() -> Result<ArbiterId> {
    let random = random_name().map_err(ZooKeeperArbiterError::NoRandomness)?;
    Ok(ArbiterId::new(format!("zookeeper-{random}")))
}

impl Tree {
    /// The id of the subtree: as it stands there, or as this machine remembers it. `None` where it
    /// would be a new arbiter.
    pub(super) async fn reopen_id(
        &self,
        client: &Client,
        known: Option<&Known>,
    ) -> Result<Option<ArbiterId>> {
        if let Some(id) = self.read_id(client).await? {
            if let Some(known) = known.filter(|known| known.id == id) {
                // Somebody who remembers less may have made it again in an ensemble made anew.
                if self.probe(client).await? <= known.seen {
                    return Err(self.not_the_same(known, Some(id)).await);
                }
                self.note_seen(known.seen);
            }
            self.make_folders(client).await?;
            return Ok(Some(id));
        }
        let Some(known) = known else { return Ok(None) };
        let made = self.make_id_again(client, &known.id, known.seen).await?;
        if made.is_none() {
            self.not_the_same(known, None).await;
        }
        Ok(made)
    }

    /// Puts what this machine remembers aside: the ensemble has counted less.
    async fn not_the_same(&self, known: &Known, found: Option<ArbiterId>) -> ZooKeeperArbiterError {
        warn!(
            arbiter = %known.id, place = %self.place,
            "the ensemble has counted fewer transactions than this machine remembers: it was made \
             anew, and the arbiter is not the same"
        );
        self.place.spot().refute(&known.id).await;
        let (place, ours) = (self.place.to_string(), known.id.clone());
        ZooKeeperArbiterError::Rebuilt { place, ours, found }
    }

    /// Makes a missing id again, and returns the one that is there then; `None` where the ensemble
    /// has not counted further than to `seen`.
    pub(super) async fn make_id_again(
        &self,
        client: &Client,
        id: &ArbiterId,
        seen: u64,
    ) -> Result<Option<ArbiterId>> {
        // INVARIANT FENCE-1: no term is granted under this id that was granted before.
        if self.probe(client).await? <= seen {
            return Ok(None);
        }
        let found = self.make_id(client, id).await?;
        if found == *id {
            warn!(arbiter = %id, place = %self.place, "the arbiter's nodes were gone; they are made \
                 again as the same arbiter");
        }
        Ok(Some(found))
    }

    /// Makes a node that ends with this session, where the arbiter's nodes are or will be, and
    /// deletes it; returns the transaction that made it.
    pub(super) async fn probe(&self, client: &Client) -> Result<u64> {
        let name = random_name().map_err(ZooKeeperArbiterError::NoRandomness)?;
        let mut folder = self.leases_path();
        loop {
            let path = format!("{folder}/check-{name}");
            let stat = match client.create(&path, b"check", &self.ephemeral()).await {
                Ok((stat, _)) => stat,
                Err(ClientError::NoNode) if !folder.is_empty() => {
                    folder.truncate(folder.rfind('/').unwrap_or(0));
                    continue;
                }
                Err(error) => return Err(self.failed(&path)(error)),
            };
            match client.delete(&path, None).await {
                Ok(()) | Err(ClientError::NoNode) => {}
                Err(error) => return Err(self.failed(&path)(error)),
            }
            return self.term(&stat, &path);
        }
    }
}
