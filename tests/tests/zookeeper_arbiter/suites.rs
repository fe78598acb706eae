//! All three conformance suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_arbitrate::ZooKeeperArbiter;
use otter_core::Side;
use otter_core::testkit::arbiter::{ArbiterFixture, Node};
use otter_core::testkit::join::{JoinFixture, JoiningNode};
use otter_core::testkit::remote_arbiter::{RemoteArbiterFixture, RemoteNode};
use otter_core::testkit::suite::Fixture;
use otter_tests::zookeeper::Ensemble;
use tokio::sync::Mutex;
use zookeeper_client::{Acls, Client, CreateMode};

use crate::place::{Lines, new_path, place, shared};

/// Long enough to be renewed on a busy machine, short enough for a suite.
const LEASE: Duration = Duration::from_secs(2);
/// A killed server must be back within it.
const LONG_LEASE: Duration = Duration::from_secs(12);

mod usual {
    use super::*;

    /// A subtree of the server that all cases share.
    struct Subtree {
        server: Arc<Ensemble>,
        path: String,
        lines: Lines,
    }

    #[async_trait]
    impl Fixture for Subtree {
        const LIMIT: Duration = Duration::from_secs(120);
        async fn start() -> Self {
            Self { server: shared().await, path: new_path(), lines: Lines::default() }
        }
    }

    #[async_trait]
    impl ArbiterFixture for Subtree {
        async fn node(&self) -> Box<dyn Node> {
            Box::new(self.lines.add(self.server.port(0), &self.path, LEASE).await)
        }
    }

    #[async_trait]
    impl JoinFixture for Subtree {
        async fn joining_node(&self) -> Box<dyn JoiningNode> {
            Box::new(self.lines.add(self.server.port(0), &self.path, LEASE).await)
        }
    }

    otter_core::arbiter_suite!(Subtree);
    otter_core::join_suite!(Subtree);
}

mod remote {
    use super::*;

    /// A server of the case's own, to be killed.
    struct OwnServer {
        server: Mutex<Ensemble>,
        path: String,
        lines: Lines,
        arbiters: Mutex<Vec<ZooKeeperArbiter>>,
    }

    impl OwnServer {
        async fn client(&self) -> Client {
            let addresses = self.server.lock().await.addresses();
            Client::connect(&addresses).await.expect("the server answers")
        }

        fn node_of(&self, side: &Side) -> String {
            format!("{}/leases/{}", self.path, side.to_string().replace('/', "@"))
        }
    }

    #[async_trait]
    impl Fixture for OwnServer {
        const LIMIT: Duration = Duration::from_secs(180);
        async fn start() -> Self {
            Self {
                server: Mutex::new(Ensemble::start(1).await),
                path: new_path(),
                lines: Lines::default(),
                arbiters: Mutex::default(),
            }
        }
    }

    #[async_trait]
    impl ArbiterFixture for OwnServer {
        async fn node(&self) -> Box<dyn Node> {
            let port = self.server.lock().await.port(0);
            Box::new(self.lines.add(port, &self.path, LONG_LEASE).await)
        }
    }

    #[async_trait]
    impl RemoteArbiterFixture for OwnServer {
        async fn remote_node(&self) -> Box<dyn RemoteNode> {
            let port = self.server.lock().await.port(0);
            let line = self.lines.add(port, &self.path, LONG_LEASE).await;
            self.arbiters.lock().await.push(line.arbiter.clone());
            Box::new(line)
        }

        /// Whoever takes a session over may close it.
        async fn expire(&self, side: &Side) {
            let stat = self.client().await.check_stat(&self.node_of(side)).await;
            let owner = stat.expect("the server answers").expect("it is held").ephemeral_owner;
            let addresses = self.server.lock().await.addresses();
            for arbiter in self.arbiters.lock().await.iter() {
                let Some(session) = arbiter.session_info().await else { continue };
                if session.id().0 == owner {
                    let client = Client::connector().with_session(session).connect(&addresses);
                    drop(client.await.expect("the session can be taken over"));
                    return;
                }
            }
            panic!("nobody holds {side}");
        }

        async fn forget(&self, side: &Side) {
            let client = self.client().await;
            client.delete(&self.node_of(side), None).await.expect("the node can be deleted");
        }

        /// In one transaction: a process that works would make the same arbiter again.
        async fn rebuild(&self) {
            let client = self.client().await;
            let (leases, id) = (format!("{}/leases", self.path), format!("{}/arbiter", self.path));
            let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
            let mut writer = client.new_multi_writer();
            for name in client.list_children(&leases).await.expect("the server answers") {
                writer.add_delete(&format!("{leases}/{name}"), None).expect("a path");
            }
            for (node, content) in [(&leases, ""), (&id, "zookeeper-anew 1")] {
                writer.add_delete(node, None).expect("a path");
                writer.add_create(node, content.as_bytes(), &persistent).expect("a path");
            }
            writer.commit().await.expect("all is made anew");
            let port = self.server.lock().await.port(0);
            let anew = ZooKeeperArbiter::open(&place(&[port], &self.path), LONG_LEASE).await;
            anew.expect("the arbiter opens").close().await;
        }

        async fn kill(&self) {
            self.server.lock().await.kill9(0);
        }

        async fn revive(&self) {
            self.server.lock().await.start_again(0).await;
        }
    }

    otter_core::remote_arbiter_suite!(OwnServer);
}
