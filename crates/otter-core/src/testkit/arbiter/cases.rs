//! The cases of the arbiters' suite.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::suite::define_suite;
use super::ArbiterFixture;
use crate::arbiter::{Arbiter, Campaign, Holder, Lease, PipelineId, Role, Side};

fn side(pipeline: &str) -> Side {
    Side::target(PipelineId::new(pipeline))
}

async fn won(arbiter: &dyn Arbiter, side: &Side) -> Lease {
    match arbiter.try_campaign(side).await.expect("the arbiter answers") {
        Campaign::Won(lease) => lease,
        Campaign::Held(holder) => panic!("{side} is held by {holder}"),
    }
}

async fn held(arbiter: &dyn Arbiter, side: &Side) -> Holder {
    match arbiter.try_campaign(side).await.expect("the arbiter answers") {
        Campaign::Won(lease) => panic!("{side} was won under term {}", lease.term()),
        Campaign::Held(holder) => holder,
    }
}

define_suite! {
    $
    /// Makes a test of each case of [`testkit::arbiter`](crate::testkit::arbiter) for an
    /// [`ArbiterFixture`](crate::testkit::arbiter::ArbiterFixture).
    suite arbiter_suite in arbiter::cases;

    /// ARB-1: the identity stays the same for ever, for all nodes.
    async fn all_nodes_see_one_identity(fixture: &impl ArbiterFixture) {
        let first = fixture.node().await.arbiter();
        let id = first.id().clone();
        drop(first);
        let second = fixture.node().await.arbiter();
        assert_eq!(*second.id(), id);
        assert!(!id.as_str().is_empty());
    }

    /// ARB-2: a free side is won, and the lease says whose and what it is.
    async fn a_free_side_is_won(fixture: &impl ArbiterFixture) {
        let arbiter = fixture.node().await.arbiter();
        let lease = won(&*arbiter, &side("a")).await;
        assert!(lease.is_held());
        assert_eq!(lease.arbiter(), arbiter.id());
        assert_eq!(*lease.side(), side("a"));
        assert!(lease.duration() > Duration::ZERO);
    }

    /// ARB-3: asking for a held side says who holds it, and changes nothing.
    async fn a_held_side_names_its_holder(fixture: &impl ArbiterFixture) {
        let (one, other) = (fixture.node().await.arbiter(), fixture.node().await.arbiter());
        let lease = won(&*one, &side("a")).await;
        for arbiter in [&one, &other] {
            let holder = held(&**arbiter, &side("a")).await;
            assert_eq!(holder.term, lease.term());
            assert!(!holder.name.is_empty());
        }
        assert!(lease.is_held());
    }

    /// ARB-4: at most one lease of a side is held at a time, and each has a higher term.
    async fn at_most_one_holds_and_terms_rise(fixture: &impl ArbiterFixture) {
        const NODES: usize = 4;
        const ROUNDS: usize = 5;
        let holders = Arc::new(AtomicUsize::new(0));
        let mut nodes = JoinSet::new();
        let highest = Arc::new(tokio::sync::Mutex::new(None));
        for _ in 0..NODES {
            let (holders, highest) = (Arc::clone(&holders), Arc::clone(&highest));
            let arbiter = fixture.node().await.arbiter();
            nodes.spawn(async move {
                for _ in 0..ROUNDS {
                    let lease = arbiter.campaign(&side("a")).await.expect("the arbiter answers");
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two hold at once");
                    let before = highest.lock().await.replace(lease.term());
                    assert!(before < Some(lease.term()), "{before:?}, then {}", lease.term());
                    tokio::task::yield_now().await;
                    assert!(lease.is_held());
                    holders.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
        while let Some(ended) = nodes.join_next().await {
            ended.expect("no node panics");
        }
    }

    /// ARB-5: terms rise across restarts of every node.
    async fn terms_outlive_all_nodes(fixture: &impl ArbiterFixture) {
        let mut last = None;
        for _ in 0..3 {
            let node = fixture.node().await;
            let lease = node.arbiter().campaign(&side("a")).await.expect("the arbiter answers");
            assert!(last < Some(lease.term()));
            last = Some(lease.term());
        }
    }

    /// ARB-6: dropping a lease gives the side up at once, not when its time is over.
    async fn a_dropped_lease_frees_the_side_at_once(fixture: &impl ArbiterFixture) {
        let (one, other) = (fixture.node().await.arbiter(), fixture.node().await.arbiter());
        let lease = won(&*one, &side("a")).await;
        let duration = lease.duration();
        let waiting = tokio::spawn(async move { other.campaign(&side("a")).await });
        // The other one gets to wait first; whether it does changes nothing.
        tokio::task::yield_now().await;
        let term = lease.term();
        let dropped_at = Instant::now();
        drop(lease);
        let next = waiting.await.expect("no panic").expect("the arbiter answers");
        let took = dropped_at.elapsed();
        assert!(next.term() > term);
        assert!(took < duration / 2, "it took {took:?} of {duration:?}");
    }

    /// ARB-7: each role of each pipeline is a side of its own.
    async fn sides_do_not_touch_each_other(fixture: &impl ArbiterFixture) {
        let arbiter = fixture.node().await.arbiter();
        let long = "long".repeat(100);
        let names = ["a", "A", "b", "a/b", "a b", "a.b", "../a", "täglich", "日次", long.as_str()];
        let mut leases = Vec::new();
        for name in names {
            for role in [Role::Source, Role::Target] {
                let side = Side { pipeline: PipelineId::new(name), role };
                leases.push(won(&*arbiter, &side).await);
            }
        }
        assert!(leases.iter().all(Lease::is_held));
        let sides: BTreeSet<&Side> = leases.iter().map(Lease::side).collect();
        assert_eq!(sides.len(), 2 * names.len());
    }

    /// ARB-8: a lease lasts as long as its holder lives.
    async fn a_lease_is_kept_while_its_holder_lives(fixture: &impl ArbiterFixture) {
        let (one, other) = (fixture.node().await.arbiter(), fixture.node().await.arbiter());
        let lease = won(&*one, &side("a")).await;
        let waited = timeout(3 * lease.duration(), lease.lost()).await;
        assert!(waited.is_err(), "the lease was lost");
        assert!(lease.is_held());
        assert_eq!(held(&*other, &side("a")).await.term, lease.term());
    }

    /// ARB-9: a frozen holder's lease ends by time, before anybody else has the side.
    async fn a_frozen_holder_is_followed_after_its_lease(fixture: &impl ArbiterFixture) {
        let (frozen, other) = (fixture.node().await, fixture.node().await.arbiter());
        let lease = won(&*frozen.arbiter(), &side("a")).await;
        frozen.freeze().await;
        let next = other.campaign(&side("a")).await.expect("the arbiter answers");
        assert!(!lease.is_held(), "two hold at once");
        assert!(next.term() > lease.term());
        assert!(next.is_held());
        lease.lost().await;
    }

    /// ARB-10: a holder that wakes up late stays without the side and harms nobody.
    async fn a_thawed_holder_stays_lost(fixture: &impl ArbiterFixture) {
        let (frozen, other) = (fixture.node().await, fixture.node().await.arbiter());
        let lease = won(&*frozen.arbiter(), &side("a")).await;
        frozen.freeze().await;
        let next = other.campaign(&side("a")).await.expect("the arbiter answers");
        frozen.thaw().await;
        lease.lost().await;
        assert!(!lease.is_held());
        // Giving the old lease back must not give the new one away.
        drop(lease);
        let waited = timeout(2 * next.duration(), next.lost()).await;
        assert!(waited.is_err(), "the new lease was lost");
        assert!(next.is_held());
        assert_eq!(held(&*frozen.arbiter(), &side("a")).await.term, next.term());
    }

    /// ARB-11: a node that wakes up in time keeps its lease.
    async fn a_short_freeze_costs_nothing(fixture: &impl ArbiterFixture) {
        let node = fixture.node().await;
        let lease = won(&*node.arbiter(), &side("a")).await;
        node.freeze().await;
        sleep(lease.duration() / 20).await;
        node.thaw().await;
        let waited = timeout(2 * lease.duration(), lease.lost()).await;
        assert!(waited.is_err(), "the lease was lost");
        assert!(lease.is_held());
    }

    /// ARB-12: a campaign waits for the holder, however long.
    async fn a_campaign_waits_for_the_holder(fixture: &impl ArbiterFixture) {
        let (one, other) = (fixture.node().await.arbiter(), fixture.node().await.arbiter());
        let lease = won(&*one, &side("a")).await;
        let target = side("a");
        let mut campaign = std::pin::pin!(other.campaign(&target));
        assert!(timeout(2 * lease.duration(), &mut campaign).await.is_err());
        assert!(lease.is_held());
        let term = lease.term();
        drop(lease);
        assert!(campaign.await.expect("the arbiter answers").term() > term);
    }

    /// ARB-13: a campaign that is dropped at any moment leaves the side free.
    async fn a_dropped_campaign_holds_nothing(fixture: &impl ArbiterFixture) {
        const MOMENTS: u32 = 20;
        let (one, other) = (fixture.node().await.arbiter(), fixture.node().await.arbiter());
        let duration = won(&*one, &side("a")).await.duration();
        for moment in 0..MOMENTS {
            let patience = Duration::from_micros(1 << (moment / 2));
            let _ = timeout(patience, one.campaign(&side("a"))).await;
        }
        let asked_at = Instant::now();
        let lease = other.campaign(&side("a")).await.expect("the arbiter answers");
        assert!(asked_at.elapsed() < duration / 2, "it took {:?}", asked_at.elapsed());
        assert!(lease.is_held());
    }

    /// ARB-14: two campaigns of one node are as those of two nodes.
    async fn one_node_never_holds_a_side_twice(fixture: &impl ArbiterFixture) {
        let arbiter = fixture.node().await.arbiter();
        let lease = won(&*arbiter, &side("a")).await;
        let term = lease.term();
        assert_eq!(held(&*arbiter, &side("a")).await.term, term);
        drop(lease);
        let again = arbiter.campaign(&side("a")).await.expect("the arbiter answers");
        assert!(again.term() > term, "{} after {term}", again.term());
    }
}
