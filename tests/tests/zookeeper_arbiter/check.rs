//! What is told about a subtree: why it cannot serve, who holds what, and that looking makes
//! nothing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace, ZooKeeperTls};
use otter_core::database_url::Secret;
use otter_core::{Arbiter, Fault, Finding, Join, PipelineId, Side, Verdict};
use otter_tests::wait::wait_until;
use otter_tests::zookeeper::Ensemble;
use zookeeper_client::{Acls, Client, CreateMode};

use crate::place::{new_path, place, shared};

const LEASE: Duration = Duration::from_secs(15);
const PASSWORD: &str = "s3same-0pen";

fn side(name: &str) -> Side {
    Side::target(PipelineId::new(name))
}

fn find<'f>(findings: &'f [Finding], what: &str) -> &'f Finding {
    findings
        .iter()
        .find(|finding| finding.what.contains(what))
        .unwrap_or_else(|| panic!("{what:?} in {findings:#?}"))
}

async fn check(place: &ZooKeeperPlace) -> Vec<Finding> {
    ZooKeeperArbiter::check(place, LEASE, &side("shop")).await
}

/// The names of all nodes below the root of the tree.
async fn nodes(place: &ZooKeeperPlace) -> Vec<String> {
    let client = Client::connect(&place.servers()[0]).await.unwrap();
    let (mut found, mut next) = (Vec::new(), vec![String::new()]);
    while let Some(parent) = next.pop() {
        let asked = if parent.is_empty() { "/" } else { &parent };
        for child in client.list_children(asked).await.unwrap() {
            next.push(format!("{parent}/{child}"));
        }
        found.push(parent);
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_cannot_work_is_told_with_the_remedy() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let long = Duration::from_secs(3_600);
    let error = ZooKeeperArbiter::open(&here, long).await.unwrap_err();
    assert!(error.to_string().contains("maxSessionTimeout"), "{error}");
    let nobody = ZooKeeperArbiter::open(&place(&[1], "/otter"), LEASE).await.unwrap_err();
    let nobody = otter_core::Error::from(nobody);
    assert_eq!(nobody.fault(), Fault::Transient);
    assert!(nobody.to_string().contains("majority"), "{nobody}");
    let ca = PathBuf::from("/nowhere/ca.pem");
    let tls = here.with_tls(ZooKeeperTls { ca, identity: None });
    let error = otter_core::Error::from(ZooKeeperArbiter::open(&tls, LEASE).await.unwrap_err());
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn a_sound_place_passes_and_checking_leaves_nothing() {
    // Alone on it, so that all nodes can be compared.
    let server = Ensemble::start(1).await;
    let here = place(&server.ports(), &new_path());
    let before = nodes(&here).await;
    let findings = check(&here).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Pass), "{findings:#?}");
    assert!(find(&findings, "can be made").detail.contains("first start"), "{findings:#?}");
    assert!(find(&findings, "version").detail.contains("127.0.0.1"), "{findings:#?}");
    assert!(find(&findings, "sessions").detail.contains("18 s for leases of 15 s"));
    assert_eq!(ZooKeeperArbiter::peek(&here).await.unwrap(), None);
    assert_eq!(nodes(&here).await, before);

    let arbiter = ZooKeeperArbiter::open(&here, LEASE).await.unwrap();
    assert_eq!(ZooKeeperArbiter::peek(&here).await.unwrap().as_ref(), Some(arbiter.id()));
    let before = nodes(&here).await;
    let findings = check(&here).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Pass), "{findings:#?}");
    assert!(find(&findings, "can be made").detail.contains(arbiter.id().as_str()));
    assert_eq!(nodes(&here).await, before);
    let _lease = arbiter.campaign(&side("shop")).await.unwrap();
    let findings = check(&here).await;
    let held = find(&findings, "no process holds");
    assert_eq!(held.verdict, Verdict::Warn);
    assert!(held.detail.contains("process"), "{held:?}");
    assert_eq!(find(&findings, "can be seen").detail, "no process shares pipelines now");
    let presence = arbiter.join().await.unwrap();
    wait_until("it is present", Duration::from_secs(60), async || {
        presence.nodes().borrow().len() == 1
    })
    .await;
    let findings = check(&here).await;
    let seen = find(&findings, "can be seen");
    assert!(seen.detail.starts_with("one process shares pipelines: host "), "{seen:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_a_warning_and_all_of_them_a_failure() {
    let server = shared().await;
    let one = server.port(0);
    let findings = check(&place(&[one, 1], &new_path())).await;
    let away = find(&findings, "all servers");
    assert_eq!(away.verdict, Verdict::Warn);
    assert!(away.detail.contains("127.0.0.1:1: "), "{away:?}");
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{findings:#?}");
    let findings = check(&place(&[1], &new_path())).await;
    let reached = find(&findings, "begins a session");
    assert_eq!(reached.verdict, Verdict::Fail);
    assert!(reached.detail.contains("cannot be reached"), "{reached:?}");
}

#[tokio::test]
async fn leases_that_need_other_sessions_than_there_are_are_told() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let long = ZooKeeperArbiter::check(&here, Duration::from_secs(3_600), &side("shop")).await;
    let finding = find(&long, "as long as the leases need");
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(finding.detail.contains("maxSessionTimeout"), "{finding:?}");
}

/// With a user the nodes are that user's alone, and whoever is somebody else is told.
#[tokio::test]
async fn a_user_has_the_subtree_alone() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let ours = here.clone().with_login("otter", Secret::new(PASSWORD));
    let arbiter = ZooKeeperArbiter::open(&ours, LEASE).await.unwrap();
    let lease = arbiter.campaign(&side("shop")).await.unwrap();
    let findings = check(&ours).await;
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{findings:#?}");
    let other = here.clone().with_login("otter", Secret::new("wrong"));
    for stranger in [&here, &other] {
        let error = ZooKeeperArbiter::open(stranger, LEASE).await.unwrap_err();
        assert!(error.to_string().contains("no right to use"), "{error}");
        let error = otter_core::Error::from(error);
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
        let findings = check(stranger).await;
        let finding = find(&findings, "can be made and deleted");
        assert_eq!(finding.verdict, Verdict::Fail, "{findings:#?}");
        assert!(finding.detail.contains("setAcl"), "{finding:?}");
    }
    assert!(lease.is_held());
    assert!(!format!("{arbiter:?}").contains(PASSWORD));
}

/// Somebody may look but not write: the root is there, and its rights are the administrator's.
#[tokio::test]
async fn a_subtree_that_may_only_be_read_fails() {
    let server = shared().await;
    let path = new_path();
    let (root, _) = path.rsplit_once('/').unwrap();
    let here = place(&server.ports(), root);
    let client = Client::connect(&here.servers()[0]).await.unwrap();
    let poor = CreateMode::Persistent.with_acls(Acls::anyone_read());
    client.create(root, b"", &poor).await.unwrap();
    let findings = check(&here).await;
    assert_eq!(find(&findings, "can be made and deleted").verdict, Verdict::Fail, "{findings:#?}");
}

#[tokio::test]
async fn who_holds_what_is_told_with_term_and_time() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path());
    let sides = [side("a"), side("b"), side("c")];
    let status = ZooKeeperArbiter::status(&here, &sides).await.unwrap();
    assert_eq!((status.id, status.sides), (None, vec![None, None, None]));
    let arbiter = ZooKeeperArbiter::open(&here, LEASE).await.unwrap();
    let lease = arbiter.campaign(&sides[1]).await.unwrap();
    let status = ZooKeeperArbiter::status(&here, &sides).await.unwrap();
    assert_eq!(status.id.as_ref(), Some(arbiter.id()));
    let [None, Some(held), None] = status.sides.as_slice() else { panic!("{status:?}") };
    assert_eq!(held.holder.term, lease.term());
    assert!(held.holder.name.contains("process"), "{held:?}");
    assert_eq!((held.lease, held.until), (Some(LEASE), None));
    #[allow(clippy::disallowed_methods, reason = "both clocks are this machine's")]
    let age = SystemTime::now().duration_since(held.since.unwrap()).unwrap();
    assert!(age < Duration::from_secs(60), "{age:?}");
}
