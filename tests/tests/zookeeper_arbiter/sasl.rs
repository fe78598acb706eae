//! Servers that know their users: SASL with DIGEST-MD5.

use std::time::Duration;

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::database_url::Secret;
use otter_core::{Arbiter, Fault, PipelineId, Side, Verdict};
use otter_tests::zookeeper::Ensemble;
use zookeeper_client::{Client, SaslOptions};

use crate::place::{new_path, place, shared};

const LEASE: Duration = Duration::from_secs(10);
const USER: &str = "otter";
const PASSWORD: &str = "s3same-0pen";

fn side() -> Side {
    Side::target(PipelineId::new("shop"))
}

/// The text of the first finding that fails.
async fn failure(place: &ZooKeeperPlace) -> String {
    let findings = ZooKeeperArbiter::check(place, LEASE, &side()).await;
    let failed = findings.iter().find(|finding| finding.verdict == Verdict::Fail);
    failed.unwrap_or_else(|| panic!("no failure in {findings:#?}")).detail.clone()
}

#[tokio::test]
async fn a_user_that_the_servers_know_has_the_nodes_alone() {
    let server = Ensemble::start_with_sasl(USER, PASSWORD).await;
    let anybody = place(&server.ports(), "/otter");
    let ours = anybody.clone().with_sasl(USER, Secret::new(PASSWORD));
    let arbiter = ZooKeeperArbiter::open(&ours, LEASE).await.unwrap();
    let lease = arbiter.campaign(&side()).await.unwrap();
    let findings = ZooKeeperArbiter::check(&ours, LEASE, &side()).await;
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{findings:#?}");

    let options = SaslOptions::digest_md5(USER, PASSWORD);
    let client = Client::connector().with_sasl(options).connect(&server.addresses()).await.unwrap();
    for node in ["/otter", "/otter/arbiter", "/otter/leases/shop@target"] {
        let (acls, _) = client.get_acl(node).await.unwrap();
        let whose: Vec<_> = acls.iter().map(|acl| (acl.scheme(), acl.id())).collect();
        assert_eq!(whose, [("sasl", USER)], "{node}");
    }

    let error = ZooKeeperArbiter::open(&anybody, LEASE).await.unwrap_err();
    assert!(error.to_string().contains("has no right to use /otter"), "{error}");
    // ZooKeeper takes the session of a user that it does not know, as nobody's.
    for (user, password, expected) in [
        (USER, "wrong-0ne", "does not let otter in"),
        ("stranger", PASSWORD, "stranger has no right to use"),
    ] {
        let wrong = anybody.clone().with_sasl(user, Secret::new(password));
        let told = failure(&wrong).await;
        assert!(told.contains(expected) && told.contains("check user and password"), "{told}");
        let error = ZooKeeperArbiter::open(&wrong, LEASE).await.unwrap_err();
        for text in [told, format!("{error} {error:?}")] {
            assert!(!text.contains("wrong-0ne") && !text.contains(PASSWORD), "{text}");
        }
        assert_eq!(otter_core::Error::from(error).fault(), Fault::Fatal);
    }
    assert!(lease.is_held());
}

/// It would take the session, and the nodes would be nobody's.
#[tokio::test]
async fn servers_that_check_nobody_are_told() {
    let server = shared().await;
    let here = place(&server.ports(), &new_path()).with_sasl(USER, Secret::new(PASSWORD));
    let told = failure(&here).await;
    assert!(told.contains("JAAS") && told.contains("authProvider.1"), "{told}");
    let error = ZooKeeperArbiter::open(&here, LEASE).await.unwrap_err();
    assert_eq!(otter_core::Error::from(error).fault(), Fault::Fatal);
}
