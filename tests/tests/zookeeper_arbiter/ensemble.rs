//! An ensemble of three that loses servers.

use std::time::Duration;

use otter_arbitrate::ZooKeeperArbiter;
use otter_core::{Arbiter, Fault, Lease, PipelineId, Side};
use otter_tests::wait::wait_for;
use otter_tests::zookeeper::Ensemble;
use tokio::time::timeout;

use crate::place::{new_path, shared};

const LEASE: Duration = Duration::from_secs(15);
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
    let arbiter = ZooKeeperArbiter::open(&ensemble.addresses(), "/otter", LEASE).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_rise_across_a_new_leader() {
    let mut ensemble = Ensemble::start(3).await;
    let arbiter = ZooKeeperArbiter::open(&ensemble.addresses(), "/otter", LEASE).await.unwrap();
    let before = arbiter.campaign(&side(0)).await.unwrap();
    let leader = wait_for("a leader", DEADLINE, async || ensemble.leader().await).await;
    ensemble.kill9(leader);
    wait_for("a new leader", DEADLINE, async || ensemble.leader().await).await;
    let term = before.term();
    drop(before);
    let next = wait_for("a lease", DEADLINE, async || arbiter.campaign(&side(0)).await.ok()).await;
    assert!(next.term() > term, "{} after {term}", next.term());
}

#[tokio::test]
async fn what_cannot_work_is_told_with_the_remedy() {
    let address = format!("127.0.0.1:{}", shared().port(0));
    let long = Duration::from_secs(3_600);
    let error = ZooKeeperArbiter::open(&address, &new_path(), long).await.unwrap_err();
    assert!(error.to_string().contains("maxSessionTimeout"), "{error}");
    let error = ZooKeeperArbiter::open(&address, "otter", LEASE).await.unwrap_err();
    assert!(error.to_string().contains("such as /otter"), "{error}");
    let nobody = ZooKeeperArbiter::open("127.0.0.1:1", "/otter", LEASE).await.unwrap_err();
    let nobody = otter_core::Error::from(nobody);
    assert_eq!(nobody.fault(), Fault::Transient);
    assert!(nobody.to_string().contains("majority"), "{nobody}");
}

#[tokio::test]
async fn looking_makes_nothing() {
    let (address, path) = (format!("127.0.0.1:{}", shared().port(0)), new_path());
    assert_eq!(ZooKeeperArbiter::peek(&address, &path, LEASE).await.unwrap(), None);
    let arbiter = ZooKeeperArbiter::open(&address, &path, LEASE).await.unwrap();
    let peeked = ZooKeeperArbiter::peek(&address, &path, LEASE).await.unwrap();
    assert_eq!(peeked.as_ref(), Some(arbiter.id()));
    let place = (address.as_str(), path.as_str());
    assert_eq!(ZooKeeperArbiter::holder_of(place, LEASE, &side(0)).await.unwrap(), None);
    let lease = arbiter.campaign(&side(0)).await.unwrap();
    let holder = ZooKeeperArbiter::holder_of(place, LEASE, &side(0)).await.unwrap().unwrap();
    assert_eq!(holder.term, lease.term());
    assert!(holder.name.contains("process"), "{holder}");
}
