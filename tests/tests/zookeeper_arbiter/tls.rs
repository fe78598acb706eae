//! A server that is reached over TLS, and asks for certificates.

use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperTls};
use otter_core::{Arbiter, Fault, PipelineId, Side, Verdict};
use otter_tests::zookeeper::{Ensemble, TlsFiles};

use crate::place::place;

const LEASE: Duration = Duration::from_secs(10);

/// A certificate for 127.0.0.1 that serves as a client's too.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connection").join(name)
}

#[tokio::test]
async fn leases_are_kept_over_tls_and_whoever_has_no_certificate_is_told() {
    let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let files = TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() };
    let server = Ensemble::start_with_tls(&files).await;
    let here = place(&[server.secure_port(0)], "/otter");
    let side = Side::target(PipelineId::new("shop"));

    let identity = Some((certificate.clone(), key));
    let ours = here.clone().with_tls(ZooKeeperTls { ca: ca.clone(), identity });
    let arbiter = ZooKeeperArbiter::open(&ours, LEASE).await.unwrap();
    let lease = arbiter.campaign(&side).await.unwrap();
    let findings = ZooKeeperArbiter::check(&ours, LEASE, &side).await;
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{findings:#?}");
    assert!(lease.is_held());

    let nobody = here.clone().with_tls(ZooKeeperTls { ca, identity: None });
    // Its own certificate did not sign it.
    let stranger = here.clone().with_tls(ZooKeeperTls { ca: certificate, identity: None });
    for poor in [nobody, stranger] {
        let error = ZooKeeperArbiter::open(&poor, LEASE).await.unwrap_err();
        assert!(error.to_string().contains("over TLS: "), "{error}");
        assert!(error.to_string().contains("its ports for TLS"), "{error}");
        assert_eq!(otter_core::Error::from(error).fault(), Fault::Transient);
    }
    // Without TLS a port for TLS says nothing.
    let plain = ZooKeeperArbiter::open(&here, Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(otter_core::Error::from(plain).fault(), Fault::Transient);
    arbiter.close().await;
}
