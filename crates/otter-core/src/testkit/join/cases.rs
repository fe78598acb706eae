//! The cases of the suite of arbiters that tell processes of each other.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::suite::define_suite;
use super::JoinFixture;
use crate::arbiter::{Campaign, Holder, Lease, PipelineId, Side};
use crate::presence::{Join, Nodes, Presence};

fn side(pipeline: &str) -> Side {
    Side::target(PipelineId::new(pipeline))
}

async fn won(arbiter: &dyn Join, side: &Side) -> Lease {
    match arbiter.try_campaign(side).await.expect("the arbiter answers") {
        Campaign::Won(lease) => lease,
        Campaign::Held(holder) => panic!("{side} is held by {holder}"),
    }
}

async fn joined(arbiter: &dyn Join) -> Presence {
    let presence = arbiter.join().await.expect("the arbiter answers");
    let own = presence.key().to_owned();
    seen(&presence, |nodes| nodes.iter().any(|node| *node.key == *own)).await;
    presence
}

/// Waits until the nodes are so; the suite's time limit ends it.
async fn seen(presence: &Presence, are_so: impl Fn(&Nodes) -> bool) -> Nodes {
    let mut nodes = presence.nodes();
    let nodes = nodes.wait_for(|nodes| are_so(nodes)).await.expect("the arbiter lives");
    nodes.clone()
}

async fn seen_keys(presence: &Presence, keys: &[&str]) {
    seen(presence, |nodes| nodes.iter().map(|node| &*node.key).eq(keys.iter().copied())).await;
}

async fn lease_duration(arbiter: &dyn Join) -> Duration {
    won(arbiter, &side("to see how long leases last")).await.duration()
}

async fn told(arbiter: &dyn Join, known: Option<&Lease>) -> Option<Holder> {
    let known = known.map(Lease::term);
    arbiter.holder_other_than(&side("a"), known).await.expect("the arbiter answers")
}

define_suite! {
    $
    /// Makes a test of each case of [`testkit::join`](crate::testkit::join) for a
    /// [`JoinFixture`](crate::testkit::join::JoinFixture).
    suite join_suite in join::cases;

    /// JOIN-1: all that are present see all, the oldest first.
    async fn all_see_all_in_the_order_of_joining(fixture: &impl JoinFixture) {
        let nodes = [
            fixture.joining_node().await,
            fixture.joining_node().await,
            fixture.joining_node().await,
        ];
        let mut presences = Vec::new();
        for node in &nodes {
            presences.push(joined(&*node.join()).await);
        }
        let keys: Vec<&str> = presences.iter().map(Presence::key).collect();
        for presence in &presences {
            seen_keys(presence, &keys).await;
        }
    }

    /// JOIN-2: a node's name is that of the holder of its leases, its key nobody else's.
    async fn nodes_are_named_as_holders(fixture: &impl JoinFixture) {
        let (one, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let first = joined(&*one.join()).await;
        let second = joined(&*other.join()).await;
        assert_ne!(first.key(), second.key());
        let _lease = won(&*one.join(), &side("a")).await;
        let holder = told(&*other.join(), None).await.expect("it is held");
        let nodes = seen(&second, |nodes| nodes.len() == 2).await;
        let names: Vec<&str> = nodes.iter().map(|node| &*node.name).collect();
        assert_eq!(names.first(), Some(&holder.name.as_str()));
        drop(first);
        let again = joined(&*one.join()).await;
        assert!(nodes.iter().all(|node| *node.key != *again.key()), "a key was given twice");
    }

    /// JOIN-3: a presence that is dropped is over soon, and others stay.
    async fn a_dropped_presence_is_over(fixture: &impl JoinFixture) {
        let (one, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let duration = lease_duration(&*one.join()).await;
        let (first, second) = (joined(&*one.join()).await, joined(&*other.join()).await);
        seen_keys(&second, &[first.key(), second.key()]).await;
        drop(first);
        let over = timeout(duration / 2, seen_keys(&second, &[second.key()])).await;
        assert!(over.is_ok(), "it is present after half a lease");
    }

    /// JOIN-4: a node stays present while it lives, though it holds nothing.
    async fn a_node_is_present_while_it_lives(fixture: &impl JoinFixture) {
        let (one, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let duration = lease_duration(&*one.join()).await;
        let (first, second) = (joined(&*one.join()).await, joined(&*other.join()).await);
        for presence in [&first, &second] {
            seen_keys(presence, &[first.key(), second.key()]).await;
        }
        let mut nodes = second.nodes();
        nodes.mark_unchanged();
        assert!(timeout(3 * duration, nodes.changed()).await.is_err(), "{:?}", *nodes.borrow());
    }

    /// JOIN-5: a node without a sign of life goes after its lease, and comes back as the youngest.
    async fn a_frozen_node_goes_and_comes_back_as_the_youngest(fixture: &impl JoinFixture) {
        let (frozen, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let (first, second) = (joined(&*frozen.join()).await, joined(&*other.join()).await);
        seen_keys(&second, &[first.key(), second.key()]).await;
        frozen.freeze().await;
        seen_keys(&second, &[second.key()]).await;
        frozen.thaw().await;
        let nodes = seen(&second, |nodes| nodes.len() == 2).await;
        assert_eq!(nodes.first().map(|node| &*node.key), Some(second.key()));
        // And the one that was frozen sees the same.
        seen(&first, |seen| *seen == nodes).await;
    }

    /// JOIN-6: a freeze that is shorter than a lease costs no place in the order.
    async fn a_short_freeze_changes_nothing(fixture: &impl JoinFixture) {
        let (one, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let duration = lease_duration(&*one.join()).await;
        let (first, second) = (joined(&*one.join()).await, joined(&*other.join()).await);
        seen_keys(&second, &[first.key(), second.key()]).await;
        let mut nodes = second.nodes();
        nodes.mark_unchanged();
        one.freeze().await;
        sleep(duration / 20).await;
        one.thaw().await;
        assert!(timeout(2 * duration, nodes.changed()).await.is_err(), "{:?}", *nodes.borrow());
    }

    /// JOIN-7: whoever asks is told when a side changes hands, and takes nothing by asking.
    async fn a_change_of_hands_is_told(fixture: &impl JoinFixture) {
        let (one, other) = (fixture.joining_node().await.join(), fixture.joining_node().await.join());
        let lease = won(&*one, &side("a")).await;
        let holder = told(&*other, None).await.expect("it is held");
        assert_eq!(holder.term, lease.term());
        let duration = lease.duration();
        let waiting = timeout(duration, told(&*other, Some(&lease))).await;
        assert!(waiting.is_err(), "{waiting:?}, though nothing has changed");
        let (mut free, former) = (Box::pin(told(&*other, Some(&lease))), lease.term());
        assert!(timeout(Duration::from_millis(1), &mut free).await.is_err());
        drop(free);
        drop(lease);
        let known = Some(former);
        let now = other.holder_other_than(&side("a"), known).await.expect("the arbiter answers");
        assert_eq!(now, None);
        let waiting = timeout(duration, told(&*other, None)).await;
        assert!(waiting.is_err(), "{waiting:?}, though nobody has taken it");
        let again = won(&*one, &side("a")).await;
        let holder = told(&*other, None).await.expect("it is held");
        assert_eq!(holder.term, again.term());
        assert!(again.is_held());
    }

    /// JOIN-8: one who waits is told of the end of a frozen holder's lease.
    async fn the_end_of_a_frozen_holder_is_told(fixture: &impl JoinFixture) {
        let (frozen, other) = (fixture.joining_node().await, fixture.joining_node().await);
        let lease = won(&*frozen.join(), &side("a")).await;
        frozen.freeze().await;
        assert_eq!(told(&*other.join(), Some(&lease)).await, None);
        assert!(!lease.is_held(), "the side is free while its holder goes on");
    }
}
