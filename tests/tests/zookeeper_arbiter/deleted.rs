//! A subtree that somebody deletes: while processes work, and while none does.

use std::time::Duration;

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::{Arbiter, Campaign, Fault, Join, Lease, PipelineId, Presence, Side, Verdict};
use otter_tests::wait::{wait_for, wait_until};
use otter_tests::zookeeper::{Ensemble, delete_subtree};
use tokio::time::{Instant, timeout};
use zookeeper_client::{Acls, Client, CreateMode};

use crate::place::{new_path, place, shared};

const LEASE: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(60);

fn side(name: &str) -> Side {
    Side::target(PipelineId::new(name))
}

async fn open(place: &ZooKeeperPlace) -> ZooKeeperArbiter {
    ZooKeeperArbiter::open(place, LEASE).await.unwrap()
}

async fn delete(place: &ZooKeeperPlace) {
    delete_subtree(&place.servers().join(","), place.root()).await;
}

async fn is_lost(lease: &Lease) {
    timeout(LEASE, lease.lost()).await.expect("the loss is noticed in time");
    assert!(!lease.is_held());
}

async fn see_each_other(presences: &[&Presence]) {
    wait_until("all see each other", DEADLINE, async || {
        presences.iter().all(|one| one.nodes().borrow().len() == presences.len())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_while_processes_work_is_made_again_as_the_same_arbiter() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let (one, other) = (open(&here).await, open(&here).await);
    let (here_too, there_too) = (one.join().await.unwrap(), other.join().await.unwrap());
    see_each_other(&[&here_too, &there_too]).await;
    for _ in 0..3 {
        let leases = [
            one.campaign(&side("a")).await.unwrap(),
            one.campaign(&side("b")).await.unwrap(),
            other.campaign(&side("c")).await.unwrap(),
        ];
        delete(&here).await;
        for lease in &leases {
            is_lost(lease).await;
        }
        let again = one.campaign(&side("c")).await.unwrap();
        assert!(leases.iter().all(|lease| lease.term() < again.term()));
        let asked = other.try_campaign(&side("c")).await.unwrap();
        assert!(matches!(asked, Campaign::Held(holder) if holder.term == again.term()));
        assert_eq!(ZooKeeperArbiter::peek(&here).await.unwrap().as_ref(), Some(one.id()));
        see_each_other(&[&here_too, &there_too]).await;
        // What they know may be what they knew before.
        wait_until("both are present again", DEADLINE, async || {
            ZooKeeperArbiter::status(&here, &[]).await.unwrap().nodes.len() == 2
        })
        .await;
    }
}

/// Nodes vanish one by one, in any order, while they are being made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_on_deleting_is_outlasted() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let (one, other) = (open(&here).await, open(&here).await);
    let presences = (one.join().await.unwrap(), other.join().await.unwrap());
    let client = Client::connect(&here.servers()[0]).await.unwrap();
    let until = Instant::now() + LEASE / 2;
    let deleting = async {
        while Instant::now() < until {
            for name in ["/arbiter", "/leases/a@target", "/leases", "/nodes", ""] {
                // Some of them hold others, or are gone.
                let _ = client.delete(&format!("{}{name}", here.root()), None).await;
            }
            for key in
                client.list_children(&format!("{}/nodes", here.root())).await.unwrap_or_default()
            {
                let _ = client.delete(&format!("{}/nodes/{key}", here.root()), None).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let asking = async {
        while Instant::now() < until {
            for arbiter in [&one, &other] {
                match arbiter.try_campaign(&side("a")).await {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.fault(), Fault::Transient, "{error}"),
                }
            }
        }
    };
    tokio::join!(deleting, asking);
    see_each_other(&[&presences.0, &presences.1]).await;
    let lease = one.campaign(&side("a")).await.unwrap();
    assert!(timeout(LEASE, lease.lost()).await.is_err(), "the lease was lost");
    assert_eq!(ZooKeeperArbiter::peek(&here).await.unwrap().as_ref(), Some(one.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_while_nobody_works_is_made_again_by_whoever_remembers() {
    let server = shared().await;
    let state = tempfile::tempdir().unwrap();
    let stranger = place(&server.ports(), &new_path());
    let here = stranger.clone().with_state(state.path().join("otter-state"));
    let arbiter = open(&here).await;
    let id = arbiter.id().clone();
    let term = arbiter.campaign(&side("a")).await.unwrap().term();
    arbiter.close().await;
    delete(&here).await;

    // Somebody who does not know it leaves it to others.
    assert!(ZooKeeperArbiter::reopen(&stranger, LEASE).await.unwrap().is_none());
    assert_eq!(ZooKeeperArbiter::peek(&stranger).await.unwrap(), None);
    assert_eq!(ZooKeeperArbiter::peek(&here).await.unwrap().as_ref(), Some(&id));
    let findings = ZooKeeperArbiter::check(&here, LEASE, &side("a")).await;
    let gone = findings.iter().find(|finding| finding.detail.contains("makes it again, as"));
    let gone = gone.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(gone.verdict, Verdict::Warn);
    assert!(gone.detail.contains(id.as_str()), "{gone:?}");

    // Two at once make one.
    let (one, other) = tokio::join!(open(&here), open(&here));
    assert_eq!((one.id(), other.id()), (&id, &id));
    let again = one.campaign(&side("a")).await.unwrap();
    assert!(again.term() > term, "{} after {term}", again.term());
    let stranger = ZooKeeperArbiter::reopen(&stranger, LEASE).await.unwrap();
    assert_eq!(stranger.expect("it is there again").id(), &id);
}

/// The servers lost all that they knew: terms would begin anew under the old id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_that_was_made_anew_is_another_arbiter() {
    let mut server = Ensemble::start(1).await;
    let state = tempfile::tempdir().unwrap();
    let here = place(&server.ports(), "/otter").with_state(state.path());
    // So that the ensemble has counted further than the new one soon will.
    let client = Client::connect(&here.servers()[0]).await.unwrap();
    let anybody = CreateMode::Persistent.with_acls(Acls::anyone_all());
    for number in 0..1_000 {
        client.create(&format!("/node-{number}"), b"", &anybody).await.unwrap();
    }
    drop(client);
    let stopped = open(&here).await;
    let former = stopped.id().clone();
    stopped.close().await;
    let running = open(&place(&server.ports(), "/otter")).await;
    assert_eq!(running.id(), &former);
    let lease = running.campaign(&side("a")).await.unwrap();

    server.kill_and_forget(0);
    server.start_again(0).await;
    is_lost(&lease).await;
    let error = wait_for("a refusal", DEADLINE, async || {
        let error = running.try_campaign(&side("a")).await.err()?;
        (error.fault() == Fault::Fatal).then_some(error)
    })
    .await;
    assert!(error.to_string().contains("position adopt"), "{error}");
    let findings = ZooKeeperArbiter::check(&here, LEASE, &side("a")).await;
    let anew = findings.iter().find(|finding| finding.detail.contains("made anew"));
    assert_eq!(anew.map(|finding| finding.verdict), Some(Verdict::Fail), "{findings:#?}");

    assert!(ZooKeeperArbiter::reopen(&here, LEASE).await.unwrap().is_none());
    // What was remembered is put aside, so that time proves nothing.
    assert!(state.path().join("zookeeper-arbiter.refuted").exists());
    let anew = open(&here).await;
    assert_ne!(anew.id(), &former);
    anew.close().await;
    let again = open(&here).await;
    assert_eq!(again.id(), anew.id());
}
