//! What the arbiter stores, and how little it writes.

use std::sync::Arc;
use std::time::Duration;

use otter_arbitrate::SqlArbiter;
use otter_core::{Arbiter, Fault, Lease, PipelineId, Side};
use otter_server::sandbox::Flavor;
use otter_tests::query::{number, text, texts};
use otter_tests::testbed::{self, FLAVORS, execute, shared};
use tokio::time::{Instant, sleep, timeout};

use crate::place::{new_schema, url};

const LEASE: Duration = Duration::from_secs(3);

fn side(pipeline: &str) -> Side {
    Side::target(PipelineId::new(pipeline))
}

async fn hold(arbiter: &SqlArbiter, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    for number in 0..count {
        leases.push(arbiter.campaign(&side(&format!("p{number}"))).await.unwrap());
    }
    leases
}

/// The server counts rows that were changed in a table; nobody else uses this schema.
#[tokio::test]
async fn one_renewal_in_a_third_of_the_lease_serves_all_leases_of_a_process() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let arbiter = SqlArbiter::open(&url(&server.url(), &schema), LEASE).await.unwrap();
        let leases = hold(&arbiter, 50).await;
        let session = format!("SELECT expires FROM {schema}.arbiter_session");
        let all_leases = format!("SELECT * FROM {schema}.arbiter_lease");
        let before = texts(server, &all_leases).await;
        let (began, mut renewals) = (Instant::now(), 0);
        let mut last = text(server, &session).await;
        while began.elapsed() < 3 * LEASE {
            sleep(Duration::from_millis(100)).await;
            let now = text(server, &session).await;
            renewals += u32::from(now != last);
            last = now;
        }
        assert!((6..=10).contains(&renewals), "{renewals} renewals in three leases");
        assert_eq!(texts(server, &all_leases).await, before, "a lease's own row is not written");
        assert!(leases.iter().all(Lease::is_held));
        drop(leases);
        arbiter.close().await;
        let rest = format!("SELECT COUNT(*) FROM {schema}.arbiter_session");
        assert_eq!(number(server, &rest).await, 0, "a closed arbiter leaves no session");
    }
}

#[tokio::test]
async fn closing_frees_all_sides_at_once() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let url = url(&server.url(), &schema);
        let (one, other) = (
            SqlArbiter::open(&url, Duration::from_secs(60)).await.unwrap(),
            SqlArbiter::open(&url, Duration::from_secs(60)).await.unwrap(),
        );
        let leases = hold(&one, 3).await;
        let held = other.campaign(&side("held")).await.unwrap();
        let one = Arc::new(one);
        let waiting = tokio::spawn({
            let one = Arc::clone(&one);
            async move { one.campaign(&side("held")).await }
        });
        assert!(timeout(Duration::from_secs(2), one.campaign(&side("held"))).await.is_err());
        one.close().await;
        assert!(leases.iter().all(|lease| !lease.is_held()));
        let ended = timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
        let error = ended.unwrap_err();
        assert!(error.to_string().contains("was closed"), "{error}");
        drop(held);
        assert_eq!(hold(&other, 3).await.len(), 3);
        let error = one.try_campaign(&side("p0")).await.unwrap_err();
        assert!(error.to_string().contains("was closed"), "{error}");
    }
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_one_identity() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let url = url(&server.url(), &schema);
        assert_eq!(SqlArbiter::peek(&url).await.unwrap(), None);
        let opened = futures::future::join_all((0..8).map(|_| SqlArbiter::open(&url, LEASE))).await;
        let ids: Vec<String> =
            opened.iter().map(|arbiter| arbiter.as_ref().unwrap().id().to_string()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(SqlArbiter::peek(&url).await.unwrap().unwrap().to_string(), ids[0]);
    }
}

#[tokio::test]
async fn tables_of_another_layout_are_refused() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let url = url(&server.url(), &schema);
        SqlArbiter::open(&url, LEASE).await.unwrap().close().await;
        execute(server, &format!("UPDATE {schema}.arbiter SET layout = 2")).await;
        let error = otter_core::Error::from(SqlArbiter::open(&url, LEASE).await.unwrap_err());
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(error.to_string().contains("same version"), "{error}");
    }
}

#[tokio::test]
async fn no_error_and_no_debug_output_holds_the_password() {
    const PASSWORD: &str = "s3same-0pen";
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let wrong = url(&server.url_as("nobody", PASSWORD), &schema);
        let error = SqlArbiter::open(&wrong, LEASE).await.unwrap_err();
        for text in [format!("{error}"), format!("{error:?}")] {
            assert!(!text.contains(PASSWORD), "{text}");
            assert!(text.contains("nobody"), "{text}");
        }
        execute(
            server,
            &format!(
                "CREATE USER keeper_{schema}@'%' IDENTIFIED BY '{PASSWORD}'; \
                 GRANT ALL ON {schema}.* TO keeper_{schema}@'%'"
            ),
        )
        .await;
        let right = url(&server.url_as(&format!("keeper_{schema}"), PASSWORD), &schema);
        let arbiter = SqlArbiter::open(&right, LEASE).await.unwrap();
        let lease = arbiter.campaign(&side("a")).await.unwrap();
        for text in [format!("{arbiter:?}"), format!("{lease:?}")] {
            assert!(!text.contains(PASSWORD), "{text}");
        }
        for table in ["arbiter", "arbiter_session", "arbiter_lease"] {
            let rows = texts(server, &format!("SELECT * FROM {schema}.{table}")).await;
            assert!(!format!("{rows:?}").contains(PASSWORD), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_right_is_told_with_the_grant() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        execute(server, &format!("CREATE USER poor_{schema}@'%' IDENTIFIED BY 'x'")).await;
        let url = url(&server.url_as(&format!("poor_{schema}"), "x"), &schema);
        let error = SqlArbiter::open(&url, LEASE).await.unwrap_err().to_string();
        assert!(error.contains(&format!("GRANT ALL ON `{schema}`.*")), "{error}");
    }
}

/// The statements must fit servers that log statements, and those that insist on GTIDs.
#[tokio::test]
async fn a_server_that_logs_statements_serves_as_well() {
    let server = testbed::mariadb().arg("--binlog-format=STATEMENT").start().await;
    let arbiter = SqlArbiter::open(&url(&server.url(), "otter"), LEASE).await.unwrap();
    let lease = arbiter.campaign(&side("a")).await.unwrap();
    sleep(LEASE).await;
    assert!(lease.is_held());
    drop(lease);
    arbiter.close().await;
    assert_eq!(server.flavor(), Flavor::MariaDb);
}
