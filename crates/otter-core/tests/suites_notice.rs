//! The loader suite notices a loader that breaks a promise.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use otter_core::Load;
use otter_core::testkit::item::{Edit, Item};
use otter_core::testkit::lease::pipeline;
use otter_core::testkit::loader::{LoaderFixture, cases};
use otter_core::testkit::memory::{MemoryTarget, Weakness};
use otter_core::testkit::quarantine::{self, QuarantineFixture};
use otter_core::testkit::suite::{Clock, Fixture, Running, run};

/// Which promise is broken.
trait Break: Send + Sync + 'static {
    const WEAKNESS: Weakness;
}

struct Weak<B>(MemoryTarget, std::marker::PhantomData<B>);

#[async_trait]
impl<B: Break> Fixture for Weak<B> {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryTarget::with_weakness(B::WEAKNESS), std::marker::PhantomData)
    }
}

#[async_trait]
impl<B: Break> LoaderFixture for Weak<B> {
    async fn loader(&self) -> Arc<dyn Load> {
        Arc::new(self.0.loader())
    }
    async fn rows(&self) -> Vec<Item> {
        self.0.items()
    }
}

/// The same with a loader that holds rows.
struct Holding<B>(MemoryTarget, std::marker::PhantomData<B>);

#[async_trait]
impl<B: Break> Fixture for Holding<B> {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryTarget::with_weakness(B::WEAKNESS), std::marker::PhantomData)
    }
}

#[async_trait]
impl<B: Break> LoaderFixture for Holding<B> {
    async fn loader(&self) -> Arc<dyn Load> {
        Arc::new(self.0.holding_loader())
    }
    async fn rows(&self) -> Vec<Item> {
        self.0.items()
    }
}

#[async_trait]
impl<B: Break> QuarantineFixture for Holding<B> {
    async fn held(&self) -> usize {
        self.0.held_count(&pipeline())
    }
    async fn retry_all(&self) {
        self.0.retry_held(&pipeline());
    }
    async fn drop_first(&self) {
        self.0.drop_first_held(&pipeline());
    }
    async fn meddle(&self, edit: Edit) {
        self.0.meddle(&edit);
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

notices!(a_missing_fence_is_noticed: NoFence by an_older_term_writes_nothing);
notices!(a_position_of_its_own_is_noticed: PositionApart by a_dropped_load_does_all_or_nothing);
notices!(a_fragment_by_itself_is_noticed: FragmentsAlone by fragments_are_committed_as_one);
notices!(skipped_poison_is_noticed: SkipsPoison by poison_commits_nothing_behind_it);
notices!(an_accepted_gap_is_noticed: TakesGaps by a_broken_chain_is_refused);

macro_rules! quarantine_notices {
    ($test:ident: $weakness:ident by $case:ident) => {
        #[test]
        fn $test() {
            struct Broken;
            impl Break for Broken {
                const WEAKNESS: Weakness = Weakness::$weakness;
            }
            let name = stringify!($case);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                run::<Holding<Broken>>(name, |fixture| Box::pin(quarantine::cases::$case(fixture)));
            }));
            assert!(outcome.is_err(), "{name} does not notice {:?}", Weakness::$weakness);
        }
    };
}

quarantine_notices!(a_forgotten_row_is_noticed: ForgetsHeld by a_refused_row_is_held_and_the_rest_is_committed);
quarantine_notices!(a_forgotten_row_is_noticed_later: ForgetsHeld by held_rows_are_known_to_a_successor);
quarantine_notices!(a_change_that_passes_is_noticed: PassesHeld by later_changes_of_a_held_key_wait);
quarantine_notices!(a_change_that_passes_is_noticed_at_a_retry: PassesHeld by a_retry_in_vain_changes_nothing);
