//! A schema for one case, on a server that cases share or on one of its own, and nodes with lines
//! of their own to it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use otter_arbitrate::SqlArbiter;
use otter_core::testkit::arbiter::Node;
use otter_core::testkit::join::JoiningNode;
use otter_core::testkit::remote_arbiter::RemoteNode;
use otter_core::{Arbiter, DatabaseUrl, Join};
use otter_tests::proxy::Proxy;

/// A schema's name that no other test of this process has.
pub fn new_schema() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("arbiter_{}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// The URL of a schema.
pub fn url(server_url: &str, schema: &str) -> DatabaseUrl {
    format!("{server_url}/{schema}").parse().expect("the sandbox writes proper URLs")
}

/// A process with a line of its own to the server.
pub struct Line {
    proxy: Arc<Proxy>,
    arbiter: SqlArbiter,
}

/// The lines of a case: a case may drop a node and go on with its arbiter.
#[derive(Default)]
pub struct Lines(Mutex<Vec<Arc<Proxy>>>);

impl Lines {
    pub async fn add(&self, server: (u16, &str), schema: &str, lease: Duration) -> Line {
        let (port, server_url) = server;
        let proxy = Arc::new(Proxy::start(port).await);
        self.0.lock().unwrap().push(Arc::clone(&proxy));
        let url = url(&proxy.url(server_url), schema);
        let arbiter = SqlArbiter::open(&url, lease).await.expect("the arbiter opens");
        Line { proxy, arbiter }
    }
}

#[async_trait]
impl Node for Line {
    fn arbiter(&self) -> Arc<dyn Arbiter> {
        Arc::new(self.arbiter.clone())
    }
    async fn freeze(&self) {
        self.proxy.silence();
    }
    async fn thaw(&self) {
        self.proxy.mend();
    }
}

#[async_trait]
impl JoiningNode for Line {
    fn join(&self) -> Arc<dyn Join> {
        Arc::new(self.arbiter.clone())
    }
}

#[async_trait]
impl RemoteNode for Line {
    async fn cut(&self) {
        self.proxy.cut();
    }
    async fn restore(&self) {
        self.proxy.mend();
    }
}
