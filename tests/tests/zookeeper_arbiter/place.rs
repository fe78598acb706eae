//! A subtree for one case, and nodes with lines of their own to the server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use otter_arbitrate::ZooKeeperArbiter;
use otter_core::Arbiter;
use otter_core::testkit::arbiter::Node;
use otter_core::testkit::remote_arbiter::RemoteNode;
use otter_tests::proxy::Proxy;
use otter_tests::zookeeper::Ensemble;

/// The server that cases share.
pub fn shared() -> &'static Ensemble {
    static SERVER: OnceLock<Ensemble> = OnceLock::new();
    // On a thread of its own, since the caller's runtime is at work.
    SERVER.get_or_init(|| {
        let start = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system has room for one more runtime")
                .block_on(Ensemble::start(1))
        };
        std::thread::spawn(start).join().expect("the server starts")
    })
}

/// A path that no other test of this process has.
pub fn new_path() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("/case-{}/otter", LAST.fetch_add(1, Ordering::Relaxed))
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
        self.0.lock().unwrap().push(Arc::clone(&proxy));
        let address = format!("127.0.0.1:{}", proxy.port());
        let arbiter = ZooKeeperArbiter::open(&address, path, lease).await;
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
impl RemoteNode for Line {
    async fn cut(&self) {
        self.proxy.cut();
    }
    async fn restore(&self) {
        self.proxy.mend();
    }
}
