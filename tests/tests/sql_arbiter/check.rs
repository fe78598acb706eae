//! What `check` says about an arbiter's server, and that it changes nothing.

use std::time::Duration;

use otter_arbitrate::SqlArbiter;
use otter_core::{Arbiter, Finding, Join, PipelineId, Side, Verdict};
use otter_tests::query::{number, text};
use otter_tests::testbed::{self, FLAVORS, execute, shared};
use otter_tests::wait::wait_until;

use crate::place::{new_schema, url};

fn side() -> Side {
    Side::target(PipelineId::new("shop"))
}

fn find<'f>(findings: &'f [Finding], what: &str) -> &'f Finding {
    findings
        .iter()
        .find(|finding| finding.what.contains(what))
        .unwrap_or_else(|| panic!("{what:?} in {findings:#?}"))
}

#[tokio::test]
async fn a_server_without_the_schema_passes_and_nothing_is_made() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let findings = SqlArbiter::check(&url(&server.url(), &schema), &side()).await;
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Pass), "{findings:#?}");
        assert!(find(&findings, "can be made").detail.contains("first start"));
        let schemata = format!(
            "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='{schema}'"
        );
        assert_eq!(number(server, &schemata).await, 0);
    }
}

#[tokio::test]
async fn rights_are_tried_without_leaving_anything_and_a_holder_is_named() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let all = url(&server.url(), &schema);
        let arbiter = SqlArbiter::open(&all, Duration::from_secs(60)).await.unwrap();
        let findings = SqlArbiter::check(&all, &side()).await;
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Pass), "{findings:#?}");
        let lease = arbiter.campaign(&side()).await.unwrap();
        let terms = format!("SELECT CONCAT(last_term, ' ', id) FROM {schema}.arbiter");
        let before = text(server, &terms).await;
        let findings = SqlArbiter::check(&all, &side()).await;
        assert_eq!(find(&findings, "no process holds").verdict, Verdict::Warn, "{findings:#?}");
        assert!(find(&findings, "no process holds").detail.contains("process"), "{findings:#?}");
        assert_eq!(text(server, &terms).await, before);
        for table in ["arbiter_session", "arbiter_lease"] {
            assert_eq!(number(server, &format!("SELECT COUNT(*) FROM {schema}.{table}")).await, 1);
        }
        execute(
            server,
            &format!(
                "CREATE USER r_{schema}@'%' IDENTIFIED BY 'x'; \
                 GRANT SELECT ON {schema}.* TO r_{schema}@'%'"
            ),
        )
        .await;
        let poor = url(&server.url_as(&format!("r_{schema}"), "x"), &schema);
        let findings = SqlArbiter::check(&poor, &side()).await;
        let finding = find(&findings, "may write");
        assert_eq!(finding.verdict, Verdict::Fail, "{findings:#?}");
        assert!(finding.remedy.as_deref().unwrap().contains("GRANT ALL"), "{finding:?}");
        assert!(lease.is_held());
    }
}

/// An earlier version made fewer tables; its account needs CREATE for those of this one.
#[tokio::test]
async fn tables_that_are_missing_after_an_upgrade_are_told_with_the_right_that_makes_them() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let all = url(&server.url(), &schema);
        SqlArbiter::open(&all, Duration::from_secs(60)).await.unwrap().close().await;
        let rights = format!(
            "CREATE USER u_{schema}@'%' IDENTIFIED BY 'x'; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.* TO u_{schema}@'%'; \
             DROP TABLE {schema}.arbiter_node"
        );
        execute(server, &rights).await;
        let poor = url(&server.url_as(&format!("u_{schema}"), "x"), &schema);
        let findings = SqlArbiter::check(&poor, &side()).await;
        let finding = find(&findings, "tables are there or can be made");
        assert_eq!(finding.verdict, Verdict::Warn, "{findings:#?}");
        assert!(finding.detail.contains("which an earlier version did not have"), "{finding:?}");
        assert!(finding.remedy.as_deref().unwrap().contains("GRANT ALL"), "{finding:?}");
        let error = SqlArbiter::open(&poor, Duration::from_secs(3)).await.unwrap_err();
        assert!(error.to_string().contains("GRANT"), "{error}");
        let findings = SqlArbiter::check(&all, &side()).await;
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Pass), "{findings:#?}");
    }
}

#[tokio::test]
async fn processes_that_are_present_are_named() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let here = url(&server.url(), &schema);
        let arbiter = SqlArbiter::open(&here, Duration::from_secs(6)).await.unwrap();
        let presence = arbiter.join().await.unwrap();
        wait_until("it is present", Duration::from_secs(60), async || {
            presence.nodes().borrow().len() == 1
        })
        .await;
        let findings = SqlArbiter::check(&here, &side()).await;
        let seen = find(&findings, "can be seen");
        assert!(seen.detail.starts_with("one process shares pipelines: host "), "{seen:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_takes_no_writes_fails() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).arg("--read-only=ON").start().await;
        execute(
            &server,
            "CREATE USER otter@'%' IDENTIFIED BY 'x'; GRANT ALL ON otter.* TO otter@'%'",
        )
        .await;
        let url = url(&server.url_as("otter", "x"), "otter");
        let findings = SqlArbiter::check(&url, &side()).await;
        assert_eq!(find(&findings, "takes writes").verdict, Verdict::Fail, "{findings:#?}");
        let error = SqlArbiter::open(&url, Duration::from_secs(3)).await.unwrap_err();
        assert!(error.to_string().contains("to the primary"), "{error}");
        drop(server);
        let findings = SqlArbiter::check(&url, &side()).await;
        let finding = find(&findings, "server answers");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.detail.contains("cannot be reached"), "{finding:?}");
    }
}
