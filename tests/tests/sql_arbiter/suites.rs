//! All three conformance suites on both servers.

use std::time::Duration;

use async_trait::async_trait;
use otter_arbitrate::SqlArbiter;
use otter_core::Side;
use otter_core::testkit::arbiter::{ArbiterFixture, Node};
use otter_core::testkit::join::{JoinFixture, JoiningNode};
use otter_core::testkit::remote_arbiter::{RemoteArbiterFixture, RemoteNode};
use otter_core::testkit::suite::Fixture;
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, shared};
use tokio::sync::Mutex;

use crate::place::{Line, Lines, new_schema, url};

/// Long enough to be renewed on a busy machine, short enough for a suite.
const LEASE: Duration = Duration::from_secs(5);
/// A killed server must be back within it.
const LONG_LEASE: Duration = Duration::from_secs(15);

/// A schema on the server that all cases share.
struct Schema {
    server: &'static Server,
    name: String,
    lines: Lines,
}

impl Schema {
    fn on(flavor: Flavor) -> Self {
        Self { server: shared(flavor), name: new_schema(), lines: Lines::default() }
    }

    async fn line(&self) -> Line {
        self.lines.add((self.server.port(), &self.server.url()), &self.name, LEASE).await
    }
}

/// A server of the case's own, to be killed.
struct OwnServer {
    server: Mutex<Server>,
    name: String,
    lines: Lines,
}

impl OwnServer {
    async fn start(flavor: Flavor) -> Self {
        let server = testbed::server(flavor).start().await;
        Self { server: Mutex::new(server), name: new_schema(), lines: Lines::default() }
    }

    async fn line(&self) -> Line {
        let (port, url) = {
            let server = self.server.lock().await;
            (server.port(), server.url())
        };
        self.lines.add((port, &url), &self.name, LONG_LEASE).await
    }

    async fn execute(&self, statements: &str) {
        testbed::execute(&*self.server.lock().await, statements).await;
    }

    async fn expire(&self, side: &Side) {
        let name = &self.name;
        self.execute(&format!(
            "UPDATE {name}.arbiter_session s JOIN {name}.arbiter_lease l ON l.token = s.token \
             SET s.expires = UTC_TIMESTAMP(6) WHERE l.side = '{side}'"
        ))
        .await;
    }

    async fn forget(&self, side: &Side) {
        let name = &self.name;
        self.execute(&format!("DELETE FROM {name}.arbiter_lease WHERE side = '{side}'")).await;
    }

    async fn rebuild(&self) {
        let name = &self.name;
        self.execute(&format!("DROP DATABASE {name}")).await;
        let url = url(&self.server.lock().await.url(), name);
        let anew = SqlArbiter::open(&url, LONG_LEASE).await.expect("the arbiter opens");
        anew.close().await;
    }
}

macro_rules! suites_on {
    ($flavor:expr) => {
        use super::*;

        mod usual {
            use super::*;

            struct Here(Schema);

            #[async_trait]
            impl Fixture for Here {
                const LIMIT: Duration = Duration::from_secs(120);
                async fn start() -> Self {
                    Self(Schema::on($flavor))
                }
            }

            #[async_trait]
            impl ArbiterFixture for Here {
                async fn node(&self) -> Box<dyn Node> {
                    Box::new(self.0.line().await)
                }
            }

            #[async_trait]
            impl JoinFixture for Here {
                async fn joining_node(&self) -> Box<dyn JoiningNode> {
                    Box::new(self.0.line().await)
                }
            }

            otter_core::arbiter_suite!(Here);
            otter_core::join_suite!(Here);
        }

        mod remote {
            use super::*;

            struct Here(OwnServer);

            #[async_trait]
            impl Fixture for Here {
                const LIMIT: Duration = Duration::from_secs(180);
                async fn start() -> Self {
                    Self(OwnServer::start($flavor).await)
                }
            }

            #[async_trait]
            impl ArbiterFixture for Here {
                async fn node(&self) -> Box<dyn Node> {
                    Box::new(self.0.line().await)
                }
            }

            #[async_trait]
            impl RemoteArbiterFixture for Here {
                async fn remote_node(&self) -> Box<dyn RemoteNode> {
                    Box::new(self.0.line().await)
                }
                async fn expire(&self, side: &Side) {
                    self.0.expire(side).await;
                }
                async fn forget(&self, side: &Side) {
                    self.0.forget(side).await;
                }
                async fn rebuild(&self) {
                    self.0.rebuild().await;
                }
                async fn kill(&self) {
                    self.0.server.lock().await.kill9().expect("the server can be killed");
                }
                async fn revive(&self) {
                    let mut server = self.0.server.lock().await;
                    server.start_again().await.expect("the server starts again");
                }
            }

            otter_core::remote_arbiter_suite!(Here);
        }
    };
}

mod mariadb {
    suites_on!(Flavor::MariaDb);
}

mod mysql {
    suites_on!(Flavor::MySql);
}
