//! A schema that somebody deletes, or restores from a backup, while no process works.

use std::time::Duration;

use otter_arbitrate::SqlArbiter;
use otter_core::{Arbiter, PipelineId, Side};
use otter_tests::testbed::{FLAVORS, execute, shared};

use crate::place::{new_schema, url};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_made_again_by_whoever_remembers_and_terms_go_on() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let here = url(&server.url(), &schema);
        let folder = tempfile::tempdir().unwrap();
        let side = Side::target(PipelineId::new("shop"));
        let open =
            async || SqlArbiter::open_remembering(&here, folder.path(), LEASE).await.unwrap();
        let arbiter = open().await;
        let id = arbiter.id().clone();
        let mut last = arbiter.campaign(&side).await.unwrap().term();
        arbiter.close().await;
        assert_eq!(SqlArbiter::remembered(&here, folder.path()).await.as_ref(), Some(&id));
        let backup = format!("UPDATE {schema}.arbiter SET last_term = 0");
        for damage in [format!("DROP DATABASE {schema}"), backup] {
            execute(server, &damage).await;
            // Two at once make one.
            let (one, other) = tokio::join!(open(), open());
            assert_eq!((one.id(), other.id()), (&id, &id));
            let next = one.campaign(&side).await.unwrap().term();
            assert!(next > last, "{next} after {last}, after {damage}");
            last = next;
            one.close().await;
            other.close().await;
        }
        // Somebody who does not know it makes another one.
        execute(server, &format!("DROP DATABASE {schema}")).await;
        let stranger = SqlArbiter::open(&here, LEASE).await.unwrap();
        assert_ne!(stranger.id(), &id);
        // What stands there counts, and not what was remembered.
        assert_eq!(open().await.id(), stranger.id());
    }
}

/// A failover to a replica that did not have the last grants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_granted_no_term_that_it_has_seen() {
    for flavor in FLAVORS {
        let (server, schema) = (shared(flavor), new_schema());
        let arbiter = SqlArbiter::open(&url(&server.url(), &schema), LEASE).await.unwrap();
        let side = Side::target(PipelineId::new("shop"));
        let lease = arbiter.campaign(&side).await.unwrap();
        let term = lease.term();
        drop(lease);
        execute(server, &format!("UPDATE {schema}.arbiter SET last_term = 0")).await;
        let again = arbiter.campaign(&side).await.unwrap();
        assert!(again.term() > term, "{} after {term}", again.term());
        arbiter.close().await;
    }
}
