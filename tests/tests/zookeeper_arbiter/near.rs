//! Servers that are near are asked first, the others where those are away.

use std::time::Duration;

use otter_arbitrate::ZooKeeperArbiter;
use otter_core::{Arbiter, PipelineId, Side};
use otter_tests::proxy::Proxy;
use otter_tests::wait::wait_for;
use tokio::time::timeout;

use crate::place::{new_path, place, shared};

const LEASE: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(60);
/// By chance alone, all of them would begin with the near one in one run of 32.
const SESSIONS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_begin_with_who_is_near_and_elsewhere_where_nobody_is() {
    let server = shared().await;
    let (near, far) = (Proxy::start(server.port(0)).await, Proxy::start(server.port(0)).await);
    let here = place(&[far.port(), near.port()], &new_path());
    let here = here.with_near([format!("127.0.0.1:{}", near.port())]).unwrap();
    let side = |number: usize| Side::target(PipelineId::new(format!("p{number}")));
    let mut held = Vec::new();
    for number in 0..SESSIONS {
        let arbiter = ZooKeeperArbiter::open(&here, LEASE).await.unwrap();
        let lease = arbiter.campaign(&side(number)).await.unwrap();
        held.push((arbiter, lease));
    }
    far.silence();
    for (_, lease) in &held {
        assert!(timeout(LEASE / 4, lease.lost()).await.is_err(), "it was asked far away");
    }
    far.mend();
    near.silence();
    for (number, (arbiter, lease)) in held.into_iter().enumerate() {
        lease.lost().await;
        drop(lease);
        let again = wait_for("a lease from far away", DEADLINE, async || {
            arbiter.campaign(&side(number)).await.ok()
        })
        .await;
        assert!(again.is_held());
        // Whoever opens it now finds nobody near.
        let new = timeout(LEASE, ZooKeeperArbiter::open(&here, LEASE)).await;
        new.expect("it is open in time").unwrap();
    }
}
