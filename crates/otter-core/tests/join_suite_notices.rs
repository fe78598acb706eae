//! The suite of arbiters that tell processes of each other notices one that breaks a promise.
#![allow(
    clippy::large_futures,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::testkit::arbiter::Node;
use otter_core::testkit::join::{JoinFixture, JoiningNode, cases};
use otter_core::testkit::memory::MemoryArbiter;
use otter_core::testkit::suite::{Clock, Fixture, Running, run};
use otter_core::{
    Arbiter, ArbiterId, Campaign, Holder, Join, Lease, Nodes, Presence, Result, Side, Term,
};
use tokio::sync::watch;
use tokio::time::sleep;

const LEASE: Duration = Duration::from_secs(10);

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weakness {
    /// None is: what is noticed below is not the wrapper.
    Nothing,
    /// Each node sees itself first.
    OwnFirst,
    /// A presence outlasts its guard.
    Lasting,
    /// A presence is not renewed.
    Fading,
    /// Nodes are ordered by their keys, so that one that was away has its old place.
    OldPlaces,
    /// A holder is told again though it is known.
    Repeating,
    /// Waiting for a side takes it.
    Grasping,
}

/// Which promise is broken.
trait Break: Send + Sync + 'static {
    const WEAKNESS: Weakness;
}

struct Weak<B>(MemoryArbiter, PhantomData<B>);
struct WeakNode(WeakArbiter);

#[derive(Debug, Clone)]
struct WeakArbiter {
    inner: MemoryArbiter,
    weakness: Weakness,
    taken: Arc<tokio::sync::Mutex<Option<Lease>>>,
}

impl WeakArbiter {
    /// The nodes as a weak arbiter shows them.
    fn shown(&self, nodes: &Nodes, own: &str) -> Nodes {
        let mut shown = nodes.to_vec();
        match self.weakness {
            Weakness::OwnFirst => shown.sort_by_key(|node| *node.key != *own),
            Weakness::OldPlaces => shown.sort_by_key(|node| (node.key.len(), node.key.clone())),
            Weakness::Nothing
            | Weakness::Lasting
            | Weakness::Fading
            | Weakness::Repeating
            | Weakness::Grasping => {}
        }
        shown.into()
    }
}

#[async_trait]
impl Arbiter for WeakArbiter {
    fn id(&self) -> &ArbiterId {
        self.inner.id()
    }
    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        self.inner.try_campaign(side).await
    }
    async fn campaign(&self, side: &Side) -> Result<Lease> {
        self.inner.campaign(side).await
    }
}

#[async_trait]
impl Join for WeakArbiter {
    async fn join(&self) -> Result<Presence> {
        let presence = self.inner.join().await?;
        let key: Arc<str> = presence.key().into();
        let mut nodes = presence.nodes();
        let (sender, shown) = watch::channel(Nodes::default());
        let (this, own) = (self.clone(), Arc::clone(&key));
        tokio::spawn(async move {
            loop {
                let seen = nodes.borrow_and_update().clone();
                sender.send_replace(this.shown(&seen, &own));
                if nodes.changed().await.is_err() {
                    return;
                }
            }
        });
        let guard: Box<dyn Send + Sync> = match self.weakness {
            Weakness::Lasting => {
                std::mem::forget(presence);
                Box::new(())
            }
            Weakness::Fading => {
                tokio::spawn(async move {
                    sleep(LEASE).await;
                    drop(presence);
                });
                Box::new(())
            }
            Weakness::Nothing
            | Weakness::OwnFirst
            | Weakness::OldPlaces
            | Weakness::Repeating
            | Weakness::Grasping => Box::new(presence),
        };
        Ok(Presence::new(key, shown, guard))
    }

    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>> {
        if self.weakness == Weakness::Repeating
            && let Some(holder) = self.inner.holder(side)
        {
            return Ok(Some(holder));
        }
        let found = self.inner.holder_other_than(side, known).await?;
        if self.weakness == Weakness::Grasping
            && let Campaign::Won(lease) = self.inner.try_campaign(side).await?
        {
            *self.taken.lock().await = Some(lease);
        }
        Ok(found)
    }
}

#[async_trait]
impl<B: Break> Fixture for Weak<B> {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryArbiter::new(LEASE), PhantomData)
    }
}

#[async_trait]
impl<B: Break> JoinFixture for Weak<B> {
    async fn joining_node(&self) -> Box<dyn JoiningNode> {
        let (inner, taken) = (self.0.node("a node"), Arc::default());
        Box::new(WeakNode(WeakArbiter { inner, weakness: B::WEAKNESS, taken }))
    }
}

#[async_trait]
impl Node for WeakNode {
    fn arbiter(&self) -> Arc<dyn Arbiter> {
        Arc::new(self.0.clone())
    }
    async fn freeze(&self) {
        self.0.inner.freeze();
    }
    async fn thaw(&self) {
        self.0.inner.thaw();
    }
}

#[async_trait]
impl JoiningNode for WeakNode {
    fn join(&self) -> Arc<dyn Join> {
        Arc::new(self.0.clone())
    }
}

fn assert_notices<B: Break>(
    name: &'static str,
    case: impl for<'a> FnOnce(&'a Weak<B>) -> Running<'a> + Send + 'static,
) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run::<Weak<B>>(name, case)));
    assert!(outcome.is_err(), "{name} does not notice {:?}", B::WEAKNESS);
}

macro_rules! notices {
    ($test:ident: $weakness:ident by $case:ident) => {
        #[test]
        fn $test() {
            struct Broken;
            impl Break for Broken {
                const WEAKNESS: Weakness = Weakness::$weakness;
            }
            assert_notices::<Broken>(stringify!($case), |fixture| Box::pin(cases::$case(fixture)));
        }
    };
}

struct Sound;
impl Break for Sound {
    const WEAKNESS: Weakness = Weakness::Nothing;
}

mod without_a_weakness {
    otter_core::join_suite!(super::Weak<super::Sound>);
}

notices!(an_order_of_each_its_own_is_noticed: OwnFirst by all_see_all_in_the_order_of_joining);
notices!(a_presence_that_stays_is_noticed: Lasting by a_dropped_presence_is_over);
notices!(a_presence_that_fades_is_noticed: Fading by a_node_is_present_while_it_lives);
notices!(an_old_place_is_noticed: OldPlaces by a_frozen_node_goes_and_comes_back_as_the_youngest);
notices!(a_holder_told_again_is_noticed: Repeating by a_change_of_hands_is_told);
notices!(a_side_taken_by_waiting_is_noticed: Grasping by a_change_of_hands_is_told);
