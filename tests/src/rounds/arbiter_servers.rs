//! The servers on which the arbiter is, and what can happen to them.

use std::str::FromStr;
use std::time::Duration;

use otter_arbitrate::{ArbiterStatus, SqlArbiter, ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::{DatabaseUrl, Side};
use otter_server::sandbox::{Flavor, Server};

use crate::testbed::{self, execute};
use crate::wait::wait_for;
use crate::zookeeper::{Ensemble, delete_subtree};

/// Where the leases are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArbiterIn {
    /// An ensemble of three.
    ZooKeeper,
    /// A database server that is neither source nor target.
    Database,
}

/// An ensemble that is not loaded by anything else elects a leader in a second or two.
const ELECTION: Duration = Duration::from_secs(60);
const SERVERS: usize = 3;
const ROOT: &str = "/otter";

/// The arbiter's servers.
#[derive(Debug)]
pub(super) enum ArbiterServers {
    ZooKeeper(Ensemble),
    Database(Box<Server>),
}

impl FromStr for ArbiterIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zookeeper" => Ok(Self::ZooKeeper),
            "mysql" => Ok(Self::Database),
            other => Err(format!("{other} is neither zookeeper nor mysql")),
        }
    }
}

impl ArbiterServers {
    pub(super) async fn start(kind: ArbiterIn, flavor: Flavor) -> Self {
        match kind {
            ArbiterIn::ZooKeeper => Self::ZooKeeper(Ensemble::start(SERVERS).await),
            ArbiterIn::Database => Self::Database(Box::new(testbed::server(flavor).start().await)),
        }
    }

    /// The ports of all servers.
    pub(super) fn ports(&self) -> Vec<u16> {
        match self {
            Self::ZooKeeper(ensemble) => ensemble.ports(),
            Self::Database(server) => vec![server.port()],
        }
    }

    /// The lines of `[arbiter]` that name these servers at other ports.
    pub(super) fn config_lines(&self, ports: &[u16]) -> String {
        match self {
            Self::ZooKeeper(_) => {
                let servers: Vec<String> =
                    ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
                format!("kind = \"zookeeper\"\nservers = [{}]\n", servers.join(", "))
            }
            Self::Database(server) => {
                let url = server.url();
                let (before, _) = url.rsplit_once(':').expect("the URL names a port");
                let port = ports.first().expect("a database is one server");
                format!("kind = \"mysql\"\nurl = \"{before}:{port}/otter\"\n")
            }
        }
    }

    /// Who holds these sides; `None` where nobody can tell.
    pub(super) async fn status(&self, sides: &[Side]) -> Option<ArbiterStatus> {
        match self {
            Self::ZooKeeper(ensemble) => {
                let servers = ensemble.ports().into_iter().map(|port| format!("127.0.0.1:{port}"));
                let place = ZooKeeperPlace::new(servers, ROOT).expect("addresses and a path");
                Box::pin(ZooKeeperArbiter::status(&place, sides)).await.ok()
            }
            Self::Database(server) => {
                let url = format!("{}/otter", server.url());
                let url: DatabaseUrl = url.parse().expect("the sandbox writes proper URLs");
                Box::pin(SqlArbiter::status(&url, sides)).await.ok()
            }
        }
    }

    /// Kills the server that decides. [`revive`](Self::revive) starts it again.
    pub(super) async fn kill_leader(&mut self) {
        match self {
            Self::ZooKeeper(ensemble) => {
                let leader = wait_for("a leader", ELECTION, async || ensemble.leader().await).await;
                ensemble.kill9(leader);
            }
            Self::Database(_) => self.kill_all(),
        }
    }

    /// Kills all servers.
    pub(super) fn kill_all(&mut self) {
        match self {
            Self::ZooKeeper(ensemble) => (0..SERVERS).for_each(|index| ensemble.kill9(index)),
            Self::Database(server) => server.kill9().expect("the server can be killed"),
        }
    }

    /// Starts what was killed again, and waits until it serves.
    pub(super) async fn revive(&mut self) {
        match self {
            Self::ZooKeeper(ensemble) => ensemble.revive().await,
            Self::Database(server) => {
                server.start_again().await.expect("the server starts again");
            }
        }
    }

    /// Ends the session of a process at the server.
    pub(super) async fn end_session(&self, process: u32) {
        let name = format!("process {process}");
        match self {
            Self::ZooKeeper(ensemble) => {
                let client = ensemble.client().await;
                let folder = format!("{ROOT}/nodes");
                for key in client.list_children(&folder).await.expect("the ensemble answers") {
                    let node = format!("{folder}/{key}");
                    let Ok((holder, _)) = client.get_data(&node).await else { continue };
                    if String::from_utf8_lossy(&holder).ends_with(&name) {
                        ensemble.end_session_of(&node).await;
                        return;
                    }
                }
                panic!("{name} has no session");
            }
            Self::Database(server) => {
                let end = format!(
                    "UPDATE otter.arbiter_session SET expires = UTC_TIMESTAMP(6) \
                     WHERE holder LIKE '%{name}'"
                );
                execute(server, &end).await;
            }
        }
    }

    /// Deletes all that the arbiter keeps.
    pub(super) async fn delete_everything(&self) {
        match self {
            Self::ZooKeeper(ensemble) => delete_subtree(&ensemble.addresses(), ROOT).await,
            Self::Database(server) => execute(server, "DROP DATABASE otter").await,
        }
    }
}
