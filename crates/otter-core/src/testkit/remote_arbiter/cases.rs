//! The cases of the suite of arbiters that ask a server.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::super::suite::define_suite;
use super::RemoteArbiterFixture;
use crate::arbiter::{Arbiter, Campaign, Lease, PipelineId, Side};
use crate::fault::Fault;

/// How often a node asks again that could not reach the server.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);

fn side(pipeline: &str) -> Side {
    Side::target(PipelineId::new(pipeline))
}

async fn won(arbiter: &dyn Arbiter, side: &Side) -> Lease {
    match arbiter.try_campaign(side).await.expect("the arbiter answers") {
        Campaign::Won(lease) => lease,
        Campaign::Held(holder) => panic!("{side} is held by {holder}"),
    }
}

/// Campaigns as a patient node does: what is transient is asked again. The suite's time limit
/// ends it.
async fn won_at_last(arbiter: &dyn Arbiter, side: &Side) -> Lease {
    loop {
        match arbiter.campaign(side).await {
            Ok(lease) => return lease,
            Err(error) => assert_eq!(error.fault(), Fault::Transient, "{error}"),
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

async fn is_kept(lease: &Lease, time: Duration) {
    assert!(timeout(time, lease.lost()).await.is_err(), "the lease was lost");
    assert!(lease.is_held());
}

define_suite! {
    $
    /// Makes a test of each case of
    /// [`testkit::remote_arbiter`](crate::testkit::remote_arbiter) for a
    /// [`RemoteArbiterFixture`](crate::testkit::remote_arbiter::RemoteArbiterFixture).
    suite remote_arbiter_suite in remote_arbiter::cases;

    /// ARB-20: a line that is cut and restored before the lease is over interrupts nothing.
    async fn a_short_cut_interrupts_nothing(fixture: &impl RemoteArbiterFixture) {
        let node = fixture.remote_node().await;
        let lease = won(&*node.arbiter(), &side("a")).await;
        for _ in 0..2 {
            node.cut().await;
            is_kept(&lease, lease.duration() / 4).await;
            node.restore().await;
            is_kept(&lease, lease.duration()).await;
        }
        // What was cut is not only kept, but whole: other sides can be had, and given back.
        let other = won(&*node.arbiter(), &side("b")).await;
        assert!(other.is_held());
    }

    /// ARB-21: a line that stays cut costs the lease when its time is over, and not before.
    async fn a_long_cut_costs_the_lease_at_its_end(fixture: &impl RemoteArbiterFixture) {
        let (node, other) = (fixture.remote_node().await, fixture.remote_node().await);
        let lease = won(&*node.arbiter(), &side("a")).await;
        let cut_at = Instant::now();
        node.cut().await;
        let arbiter = other.arbiter();
        let next = tokio::spawn(async move { won_at_last(&*arbiter, &side("a")).await });
        lease.lost().await;
        let took = cut_at.elapsed();
        assert!(!lease.is_held());
        assert!(took >= lease.duration() / 3, "the lease was lost after {took:?}");
        let limit = lease.duration() * 5 / 4;
        assert!(took <= limit, "the loss was told after {took:?}");
        let next = next.await.expect("no panic");
        assert!(next.term() > lease.term());
        node.restore().await;
        drop(lease);
        is_kept(&next, next.duration()).await;
        drop(next);
        // The node that was cut off is one like others again.
        let again = won_at_last(&*node.arbiter(), &side("a")).await;
        assert!(again.is_held());
    }

    /// ARB-22: a node that cannot reach the server says so, with a fault that may heal.
    async fn a_node_that_is_cut_off_says_so(fixture: &impl RemoteArbiterFixture) {
        let node = fixture.remote_node().await;
        let arbiter = node.arbiter();
        drop(won(&*arbiter, &side("a")).await);
        node.cut().await;
        let error = arbiter.try_campaign(&side("a")).await.expect_err("nobody answers");
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        node.restore().await;
        let lease = won_at_last(&*arbiter, &side("a")).await;
        assert!(lease.is_held());
    }

    /// ARB-23: a lease that the server ended is lost soon, and never comes back.
    async fn an_expired_lease_is_noticed(fixture: &impl RemoteArbiterFixture) {
        let node = fixture.remote_node().await;
        let arbiter = node.arbiter();
        let lease = won(&*arbiter, &side("a")).await;
        fixture.expire(&side("a")).await;
        let limit = lease.duration();
        timeout(limit, lease.lost()).await.expect("the loss is noticed in time");
        assert!(!lease.is_held());
        let next = won_at_last(&*arbiter, &side("a")).await;
        assert!(next.term() > lease.term());
        drop(lease);
        is_kept(&next, next.duration()).await;
    }

    /// ARB-24: a lease whose record was deleted is lost soon; later terms are higher all the same,
    /// and other leases of the node go on.
    async fn a_deleted_record_costs_one_lease_and_no_term(fixture: &impl RemoteArbiterFixture) {
        let node = fixture.remote_node().await;
        let arbiter = node.arbiter();
        let lease = won(&*arbiter, &side("a")).await;
        let other = won(&*arbiter, &side("b")).await;
        fixture.forget(&side("a")).await;
        let limit = lease.duration();
        timeout(limit, lease.lost()).await.expect("the loss is noticed in time");
        let next = won_at_last(&*arbiter, &side("a")).await;
        assert!(next.term() > lease.term());
        drop(lease);
        is_kept(&next, next.duration()).await;
        assert!(other.is_held());
    }

    /// ARB-25: where everything was deleted and made anew, leases are lost, nothing is granted
    /// under the old identity, and the new one differs.
    async fn a_rebuilt_arbiter_is_another_one(fixture: &impl RemoteArbiterFixture) {
        let node = fixture.remote_node().await;
        let arbiter = node.arbiter();
        let lease = won(&*arbiter, &side("a")).await;
        fixture.rebuild().await;
        let limit = lease.duration();
        timeout(limit, lease.lost()).await.expect("the loss is noticed in time");
        let error = arbiter.try_campaign(&side("a")).await.expect_err("it is not this one");
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("position adopt"), "{error}");
        let fresh = fixture.remote_node().await.arbiter();
        assert_ne!(fresh.id(), arbiter.id());
        assert!(won(&*fresh, &side("a")).await.is_held());
    }

    /// ARB-26: a server that is killed and comes back before the lease is over interrupts nothing.
    async fn a_server_that_is_soon_back_interrupts_nothing(fixture: &impl RemoteArbiterFixture) {
        let (node, other) = (fixture.remote_node().await, fixture.remote_node().await);
        let lease = won(&*node.arbiter(), &side("a")).await;
        fixture.kill().await;
        fixture.revive().await;
        is_kept(&lease, lease.duration() * 3 / 2).await;
        // And the server still knows whose it is.
        let asked = other.arbiter().try_campaign(&side("a")).await.expect("it answers again");
        assert!(matches!(asked, Campaign::Held(holder) if holder.term == lease.term()));
    }

    /// ARB-27: whoever waits while the server is away goes on waiting, and wins when it is back.
    async fn a_waiting_node_outlasts_the_server(fixture: &impl RemoteArbiterFixture) {
        let (node, other) = (fixture.remote_node().await, fixture.remote_node().await);
        let lease = won(&*node.arbiter(), &side("a")).await;
        let term = lease.term();
        let arbiter = other.arbiter();
        let waiting = tokio::spawn(async move { won_at_last(&*arbiter, &side("a")).await });
        fixture.kill().await;
        lease.lost().await;
        fixture.revive().await;
        let next = waiting.await.expect("no panic");
        assert!(next.term() > term);
        is_kept(&next, next.duration()).await;
    }
}
