//! An ensemble of three that loses servers.

use std::time::Duration;

use otter_arbitrate::ZooKeeperArbiter;
use otter_core::{Arbiter, Lease, PipelineId, Side};
use otter_tests::proxy::Proxy;
use otter_tests::wait::wait_for;
use otter_tests::zookeeper::Ensemble;
use tokio::time::timeout;

use crate::place::place;

const LEASE: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_secs(60);

fn side(number: usize) -> Side {
    Side::target(PipelineId::new(format!("p{number}")))
}

async fn hold(arbiter: &ZooKeeperArbiter, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    for number in 0..count {
        leases.push(arbiter.campaign(&side(number)).await.unwrap());
    }
    leases
}

/// The leader goes last, as operators do it, so that one election is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_ensemble_costs_no_lease() {
    let mut ensemble = Ensemble::start(3).await;
    let arbiter = ZooKeeperArbiter::open(&place(&ensemble.ports(), "/otter"), LEASE).await.unwrap();
    let leases = hold(&arbiter, 5).await;
    let leader = wait_for("a leader", DEADLINE, async || ensemble.leader().await).await;
    for index in (0..3).filter(|index| *index != leader).chain([leader]) {
        ensemble.kill9(index);
        ensemble.start_again(index).await;
        assert!(leases.iter().all(Lease::is_held), "after the restart of server {index}");
    }
    assert!(timeout(LEASE, leases[0].lost()).await.is_err(), "a lease was lost");
    assert!(leases.iter().all(Lease::is_held));
    // And the ensemble grants and takes back as before.
    let last = leases.last().unwrap().term();
    drop(leases);
    let again = arbiter.campaign(&side(0)).await.unwrap();
    assert!(again.term() > last);
    arbiter.close().await;
    assert!(!again.is_held());
}

/// It answers what it can by itself for seconds, while its leader ends the sessions that it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_cut_off_from_its_leader_keeps_no_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    let (ensemble, lines) = Ensemble::start_with_lines().await;
    let ports = ensemble.ports();
    let open = async |port: u16| ZooKeeperArbiter::open(&place(&[port], "/otter"), LEASE).await;
    let leader = wait_for("a leader", DEADLINE, async || ensemble.leader().await).await;
    assert_ne!(leader, 0);
    let (first, second) = (open(ports[0]).await.unwrap(), open(ports[leader]).await.unwrap());
    let held = first.campaign(&side(0)).await.unwrap();
    lines.iter().for_each(Proxy::silence);
    let won = timeout(DEADLINE, second.campaign(&side(0))).await.unwrap().unwrap();
    assert!(!held.is_held(), "two hold the side");
    assert!(won.term() > held.term());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_rise_across_a_new_leader() {
    let mut ensemble = Ensemble::start(3).await;
    let arbiter = ZooKeeperArbiter::open(&place(&ensemble.ports(), "/otter"), LEASE).await.unwrap();
    let before = arbiter.campaign(&side(0)).await.unwrap();
    let leader = wait_for("a leader", DEADLINE, async || ensemble.leader().await).await;
    ensemble.kill9(leader);
    wait_for("a new leader", DEADLINE, async || ensemble.leader().await).await;
    let term = before.term();
    drop(before);
    let next = wait_for("a lease", DEADLINE, async || arbiter.campaign(&side(0)).await.ok()).await;
    assert!(next.term() > term, "{} after {term}", next.term());
}
