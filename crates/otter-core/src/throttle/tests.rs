use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::sleep;

use super::*;
use crate::budget::Budget;
use crate::testkit::history::History;
use crate::testkit::item::insert;
use crate::testkit::lease::{ending_lease, lease};
use crate::testkit::memory::MemoryTarget;

fn limits(rows: u64, bytes: u64) -> ThrottleLimits {
    ThrottleLimits {
        rows_per_second: NonZeroU64::new(rows),
        bytes_per_second: NonZeroU64::new(bytes),
    }
}

/// A history of so many transactions of ten rows.
fn history(transactions: i64) -> History {
    let mut history = History::new();
    for first in 0..transactions {
        history.commit((0..10).map(|row| insert(first * 10 + row, "x")).collect());
    }
    history
}

async fn begun(limits: ThrottleLimits) -> (Throttle, ThrottleHandle) {
    let (loader, handle) = Throttle::new(Arc::new(MemoryTarget::new().loader()), limits);
    loader.resume(&lease(1)).await.unwrap();
    loader.begin(&History::new().position(0), &lease(1)).await.unwrap();
    (loader, handle)
}

async fn load(loader: &Throttle, history: &History, step: usize) -> Duration {
    let begun = Instant::now();
    let _ = loader.load(history.batch(step..step + 1), &lease(1)).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_until_the_rows_before_it_are_paid_for() {
    let history = history(4);
    let (loader, _handle) = begun(limits(5, 0)).await;
    assert_eq!(load(&loader, &history, 0).await, Duration::ZERO);
    let waited = load(&loader, &history, 1).await;
    assert!((2_000..2_010).contains(&waited.as_millis()), "{waited:?}");
    // Time that passes pays, but nothing is saved up.
    sleep(Duration::from_secs(60)).await;
    assert_eq!(load(&loader, &history, 2).await, Duration::ZERO);
    let waited = load(&loader, &history, 3).await;
    assert!((2_000..2_010).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn bytes_are_paid_for_as_well_and_the_longer_wait_counts() {
    let history = history(2);
    let (loader, _handle) = begun(limits(5, 1_024)).await;
    let mut batch = history.batch(0..1);
    batch.permit = Budget::new(1 << 20).acquire(10 << 10).await;
    let _ = loader.load(batch, &lease(1)).await.unwrap();
    let waited = load(&loader, &history, 1).await;
    assert!((10_000..10_010).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_at_once_also_for_what_waits() {
    let history = history(3);
    let (loader, handle) = begun(limits(1, 0)).await;
    let _ = load(&loader, &history, 0).await;
    let later = async {
        sleep(Duration::from_secs(5)).await;
        handle.set(limits(50, 0));
    };
    // Half is paid for after five seconds, and the rest at fifty a second.
    let (waited, ()) = tokio::join!(load(&loader, &history, 1), later);
    assert!((5_100..5_120).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(handle.limits(), limits(50, 0));
    handle.set(ThrottleLimits::default());
    assert_eq!(load(&loader, &history, 2).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_wait() {
    let history = history(2);
    let (loader, _handle) = begun(limits(1, 0)).await;
    let _ = load(&loader, &history, 0).await;
    let (lease, end) = ending_lease(1);
    let begun = Instant::now();
    let later = async {
        sleep(Duration::from_secs(1)).await;
        end.end();
    };
    let (outcome, ()) = tokio::join!(loader.load(history.batch(1..2), &lease), later);
    assert_eq!(outcome.unwrap_err().fault(), crate::Fault::Fenced);
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_never_held_open() {
    let history = history(2);
    let (loader, _handle) = begun(limits(1, 0)).await;
    let begun = Instant::now();
    for fragment in history.fragments(0, 3) {
        let _ = loader.load(fragment, &lease(1)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(load(&loader, &history, 1).await.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_waits_whatever_the_limits_until_it_is_released() {
    let history = history(2);
    let (loader, handle) = begun(ThrottleLimits::default()).await;
    handle.hold();
    let later = async {
        sleep(Duration::from_secs(100)).await;
        assert!(handle.is_held());
        handle.release();
    };
    let (waited, ()) = tokio::join!(load(&loader, &history, 0), later);
    assert_eq!(waited.as_secs(), 100);
    assert_eq!(load(&loader, &history, 1).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nobody_waits_and_whoever_need_not_is_loaded() {
    let history = history(3);
    let (loader, handle) = begun(limits(1, 0)).await;
    let begun = Instant::now();
    let later = async {
        sleep(Duration::from_secs(2)).await;
        handle.end();
    };
    let _ = load(&loader, &history, 0).await;
    let lease = lease(1);
    let (outcome, ()) = tokio::join!(loader.load(history.batch(1..2), &lease), later);
    assert_eq!(outcome.unwrap_err().fault(), crate::Fault::Transient);
    assert_eq!(begun.elapsed().as_secs(), 2);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(load(&loader, &history, 1).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_a_quarter_of_a_second_allows_is_wanted_at_once() {
    let (loader, handle) = begun(ThrottleLimits::default()).await;
    assert_eq!(loader.appetite(), Appetite::default());
    handle.set(limits(100, 0));
    assert_eq!(loader.appetite(), Appetite { rows: 25, bytes: usize::MAX });
    handle.set(limits(0, 1 << 20));
    assert_eq!(loader.appetite(), Appetite { rows: usize::MAX, bytes: 256 << 10 });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_owed_for_what_was_loaded_without_a_limit() {
    let history = history(2);
    let (loader, handle) = begun(ThrottleLimits::default()).await;
    let _ = load(&loader, &history, 0).await;
    handle.set(limits(1, 0));
    assert_eq!(load(&loader, &history, 1).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_takes_no_longer_under_a_lower_limit() {
    let history = history(2);
    let (loader, handle) = begun(limits(10, 0)).await;
    let _ = load(&loader, &history, 0).await;
    handle.set(limits(1, 0));
    let waited = load(&loader, &history, 1).await;
    assert!((1_000..1_010).contains(&waited.as_millis()), "{waited:?}");
}

/// Counts the pings that reach it.
#[derive(Debug)]
struct Pinged(Arc<AtomicU32>, crate::testkit::memory::MemoryLoad);

#[async_trait]
impl Load for Pinged {
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
        self.1.resume(lease).await
    }
    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
        self.1.begin(at, lease).await
    }
    async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded> {
        self.1.load(batch, lease).await
    }
    async fn ping(&self, lease: &Lease) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.ping(lease).await
    }
    async fn close(&self) {
        self.1.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_keeps_the_target_s_connections_alive() {
    let history = history(2);
    let pings = Arc::new(AtomicU32::new(0));
    let inner = Pinged(Arc::clone(&pings), MemoryTarget::new().loader());
    let (loader, _handle) = Throttle::new(Arc::new(inner), limits(1, 0));
    let (lease, _end) = ending_lease(1);
    loader.resume(&lease).await.unwrap();
    loader.begin(&history.position(0), &lease).await.unwrap();
    for step in 0..2 {
        let _ = loader.load(history.batch(step..step + 1), &lease).await.unwrap();
    }
    // Ten seconds of waiting, a lease of ten seconds; the third time it is loaded instead.
    assert_eq!(pings.load(Ordering::Relaxed), 2);
}
