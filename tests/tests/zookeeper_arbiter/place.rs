//! A subtree for one case, and nodes with lines of their own to the server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::testkit::arbiter::Node;
use otter_core::testkit::join::JoiningNode;
use otter_core::testkit::remote_arbiter::RemoteNode;
use otter_core::{Arbiter, Join};
use otter_tests::proxy::Proxy;
use otter_tests::zookeeper::Ensemble;
use tokio::sync::Mutex;

/// The server that the cases of this process share; gone when the last of them drops it.
pub async fn shared() -> Arc<Ensemble> {
    static SERVER: Mutex<Weak<Ensemble>> = Mutex::const_new(Weak::new());
    let mut server = SERVER.lock().await;
    match server.upgrade() {
        Some(running) => running,
        None => {
            let started = Arc::new(Ensemble::start(1).await);
            *server = Arc::downgrade(&started);
            started
        }
    }
}

/// A path that no other test of this process has.
pub fn new_path() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("/case-{}/otter", LAST.fetch_add(1, Ordering::Relaxed))
}

/// A subtree of servers of this machine.
pub fn place(ports: &[u16], path: &str) -> ZooKeeperPlace {
    let servers = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    ZooKeeperPlace::new(servers, path).expect("addresses and a path")
}

/// A process with a line of its own to the server.
pub struct Line {
    proxy: Arc<Proxy>,
    pub arbiter: ZooKeeperArbiter,
}

/// The lines of a case: a case may drop a node and go on with its arbiter.
#[derive(Default)]
pub struct Lines(Mutex<Vec<Arc<Proxy>>>);

impl Lines {
    pub async fn add(&self, port: u16, path: &str, lease: Duration) -> Line {
        let proxy = Arc::new(Proxy::start(port).await);
        self.0.lock().await.push(Arc::clone(&proxy));
        let place = place(&[proxy.port()], path);
        let arbiter = ZooKeeperArbiter::open(&place, lease).await;
        Line { proxy, arbiter: arbiter.expect("the arbiter opens") }
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
