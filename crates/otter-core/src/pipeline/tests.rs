use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Mutex as StdMutex;

use async_trait::async_trait;
use tokio::time::Instant;

use super::*;
use crate::arbiter::{ArbiterId, Campaign, Term};
use crate::batch::{Batch, Part, SourceTime, Transaction};
use crate::budget::{Budget, Permit};
use crate::position::{FilePlace, Place, Position};
use crate::stage::Loaded;
use crate::stop::StopHandle;
use crate::testkit::history::History;
use crate::testkit::item::insert;
use crate::throttle::{Throttle, ThrottleLimits};

fn at(offset: u64) -> Position {
    Position::at(None, Place::from_file(FilePlace::new("b.000001", offset)))
}

fn batch(after: u64, through: u64) -> Batch {
    Batch {
        after: at(after),
        through: Some(at(through)),
        transactions: vec![Transaction {
            gtid: None,
            start: FilePlace::new("b.000001", after),
            committed_at: SourceTime(through),
            origin: None,
            part: Part::Whole,
            rows_before: 0,
            events: Vec::new(),
            end: None,
        }],
        permit: Permit::none(),
    }
}

#[derive(Debug)]
struct Always(ArbiterId);

#[async_trait]
impl Arbiter for Always {
    fn id(&self) -> &ArbiterId {
        &self.0
    }
    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        Ok(Campaign::Won(Lease::for_ever(self.0.clone(), side.clone(), Term(1))))
    }
    async fn campaign(&self, side: &Side) -> Result<Lease> {
        Ok(Lease::for_ever(self.0.clone(), side.clone(), Term(1)))
    }
}

/// Plays batches; an error is returned once, then reading needs a new `open`.
#[derive(Debug, Default)]
struct Script(VecDeque<Result<Batch>>);

#[async_trait]
impl Select for Script {
    async fn locate(&mut self, _: &Start) -> Result<Position> {
        Ok(at(4))
    }
    async fn open(&mut self, _: &Position, _: &Budget) -> Result<()> {
        Ok(())
    }
    async fn next(&mut self) -> Result<Batch> {
        match self.0.pop_front() {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}

/// Remembers what is committed.
#[derive(Debug, Default, Clone)]
struct Memory(Arc<StdMutex<Option<Position>>>);

#[async_trait]
impl Load for Memory {
    async fn resume(&self, _: &Lease) -> Result<Option<Position>> {
        Ok(self.0.lock().unwrap().clone())
    }
    async fn begin(&self, at: &Position, _: &Lease) -> Result<()> {
        *self.0.lock().unwrap() = Some(at.clone());
        Ok(())
    }
    async fn load(&self, batch: Batch, _: &Lease) -> Result<Loaded> {
        self.0.lock().unwrap().clone_from(&batch.through);
        let transactions = u64::try_from(batch.transactions.len()).unwrap();
        Ok(Loaded { through: batch.through, transactions, ..Loaded::default() })
    }
    async fn ping(&self, _: &Lease) -> Result<()> {
        Ok(())
    }
    async fn close(&self) {}
}

fn pipeline(script: Vec<Result<Batch>>, memory: &Memory) -> Pipeline {
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    Pipeline::new(PipelineId::new("p"), arbiter, Script(script.into()), memory.clone())
        .start(Start::Now)
}

fn cut() -> Error {
    Error::new(Fault::Transient, "read", "the line is cut")
}

#[tokio::test(start_paused = true)]
async fn a_transient_fault_is_tried_again_and_a_stop_drains() {
    let memory = Memory::default();
    let pipeline = pipeline(vec![Ok(batch(4, 10)), Err(cut()), Ok(batch(10, 20))], &memory);
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let run = tokio::spawn(pipeline.run(stop));
    progress.wait_for(|progress| progress.position == Some(at(20))).await.unwrap();
    handle.stop();
    let progress = run.await.unwrap().unwrap();
    assert_eq!((progress.transactions, progress.retries), (2, 1));
    assert_eq!(progress.state, State::Ended);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_loaded_at_once_than_the_loader_wants() {
    let mut history = History::new();
    for first in 0..8 {
        history.commit((0..10).map(|row| insert(first * 10 + row, "x")).collect());
    }
    let memory = Memory(Arc::new(StdMutex::new(Some(history.position(0)))));
    let limits =
        ThrottleLimits { rows_per_second: NonZeroU64::new(100), ..ThrottleLimits::default() };
    let (loader, _handle) = Throttle::new(Arc::new(memory), limits);
    let budget = Budget::new(64 << 10);
    let mut batches = VecDeque::new();
    for steps in [0..3, 3..8] {
        let mut batch = history.batch(steps);
        batch.permit = budget.acquire(16 << 10).await;
        batches.push_back(Ok(batch));
    }
    let script = Script(batches);
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let pipeline = Pipeline::new(PipelineId::new("p"), arbiter, script, loader);
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let begun = Instant::now();
    let run = tokio::spawn(pipeline.run(stop));
    let end = Some(history.position(8));
    progress.wait_for(|progress| progress.position == end).await.unwrap();
    // A quarter of a second is 25 rows, which are two transactions. A rest goes alone, so that its
    // room ends with it; the last one is not paid for.
    assert_eq!((progress.borrow().groups, progress.borrow().transactions), (5, 8));
    assert!((700..710).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(budget.free_bytes(), 64 << 10);
    handle.stop();
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gap_between_batches_is_fatal_and_loads_nothing_behind_it() {
    let memory = Memory::default();
    let pipeline = pipeline(vec![Ok(batch(4, 10)), Ok(batch(11, 20))], &memory);
    let (_handle, stop) = StopHandle::new();
    let error = pipeline.run(stop).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(matches!(error.cause(), Some(PipelineError::Gap { .. })));
    assert_eq!(*memory.0.lock().unwrap(), Some(at(10)));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answered_ends_the_run_at_once() {
    #[derive(Debug)]
    struct Deaf;
    #[async_trait]
    impl Select for Deaf {
        async fn locate(&mut self, _: &Start) -> Result<Position> {
            Err(cut())
        }
        async fn open(&mut self, _: &Position, _: &Budget) -> Result<()> {
            Err(cut())
        }
        async fn next(&mut self) -> Result<Batch> {
            Err(cut())
        }
    }
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let memory = Memory::default();
    let pipeline =
        Pipeline::new(PipelineId::new("p"), arbiter, Deaf, memory).start(Start::Earliest);
    let (_handle, stop) = StopHandle::new();
    assert_eq!(pipeline.run(stop).await.unwrap_err().fault(), Fault::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_is_waited_for_where_the_target_knows_the_pipeline() {
    /// Answers at the third try.
    #[derive(Debug, Default)]
    struct Late(u32);
    #[async_trait]
    impl Select for Late {
        async fn locate(&mut self, _: &Start) -> Result<Position> {
            Err(cut())
        }
        async fn open(&mut self, _: &Position, _: &Budget) -> Result<()> {
            self.0 += 1;
            if self.0 < 3 { Err(cut()) } else { Ok(()) }
        }
        async fn next(&mut self) -> Result<Batch> {
            std::future::pending().await
        }
    }
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let memory = Memory(Arc::new(StdMutex::new(Some(at(10)))));
    let pipeline = Pipeline::new(PipelineId::new("p"), arbiter, Late::default(), memory);
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let run = tokio::spawn(pipeline.run(stop));
    progress.wait_for(|progress| progress.state == State::Running).await.unwrap();
    handle.stop();
    assert_eq!(run.await.unwrap().unwrap().retries, 2);
}

#[tokio::test(start_paused = true)]
async fn without_checkpoint_and_start_the_pipeline_says_what_is_missing() {
    let memory = Memory::default();
    let mut pipeline = pipeline(Vec::new(), &memory);
    pipeline.options.start = None;
    let (_handle, stop) = StopHandle::new();
    let error = pipeline.run(stop).await.unwrap_err();
    assert!(matches!(error.cause(), Some(PipelineError::NoStart)));
}

/// An arbiter that cannot be reached at first.
#[derive(Debug)]
struct Away {
    id: ArbiterId,
    refusals: std::sync::atomic::AtomicU64,
}

#[async_trait]
impl Arbiter for Away {
    fn id(&self) -> &ArbiterId {
        &self.id
    }
    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = self.refusals.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(cut());
        }
        Ok(Campaign::Won(Lease::for_ever(self.id.clone(), side.clone(), Term(1))))
    }
    async fn campaign(&self, side: &Side) -> Result<Lease> {
        match self.try_campaign(side).await? {
            Campaign::Won(lease) => Ok(lease),
            Campaign::Held(_) => std::future::pending().await,
        }
    }
}

fn pipeline_without_arbiter(memory: &Memory) -> Pipeline {
    let away = Away { id: ArbiterId::new("away"), refusals: 3.into() };
    let script = Script(vec![Ok(batch(4, 10))].into());
    Pipeline::new(PipelineId::new("p"), Arc::new(away), script, memory.clone()).start(Start::Now)
}

#[tokio::test(start_paused = true)]
async fn an_arbiter_that_is_away_ends_the_run_where_it_may_give_up() {
    let pipeline = pipeline_without_arbiter(&Memory::default());
    let progress = pipeline.progress();
    let (_handle, stop) = StopHandle::new();
    assert_eq!(pipeline.run(stop).await.unwrap_err().fault(), Fault::Transient);
    assert_eq!(progress.borrow().state, State::Ended);
    assert!(progress.borrow().error.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_arbiter_that_is_away_is_asked_again_where_it_keeps_trying() {
    let memory = Memory::default();
    let mut pipeline = pipeline_without_arbiter(&memory);
    pipeline.options.at_start = AtStart::KeepTrying;
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let run = tokio::spawn(pipeline.run(stop));
    progress.wait_for(|progress| progress.position == Some(at(10))).await.unwrap();
    handle.stop();
    assert_eq!(run.await.unwrap().unwrap().retries, 3);
}

/// A source that takes the connection and says nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Select for Silent {
    async fn locate(&mut self, _: &Start) -> Result<Position> {
        Ok(at(4))
    }
    async fn open(&mut self, _: &Position, _: &Budget) -> Result<()> {
        std::future::pending().await
    }
    async fn next(&mut self) -> Result<Batch> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_the_source_says_nothing() {
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let pipeline =
        Pipeline::new(PipelineId::new("p"), arbiter, Silent, Memory::default()).start(Start::Now);
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let run = tokio::spawn(pipeline.run(stop));
    progress.wait_for(|progress| progress.state == State::Starting).await.unwrap();
    handle.stop();
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await;
    assert!(ended.expect("the stop is heard").unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_noticed_while_the_source_says_nothing() {
    let (sender, lost) = watch::channel(false);
    let lease = Lease::new(crate::arbiter::LeaseParts {
        arbiter: ArbiterId::new("test"),
        side: Side::target(PipelineId::new("p")),
        term: Term(1),
        duration: Duration::from_secs(10),
        lost,
        still_valid: Box::new(|| true),
        guard: Box::new(()),
    });
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let pipeline =
        Pipeline::new(PipelineId::new("p"), arbiter, Silent, Memory::default()).start(Start::Now);
    let mut progress = pipeline.progress();
    let (_handle, stop) = StopHandle::new();
    let run = tokio::spawn(async move { pipeline.run_with(lease, &stop).await });
    progress.wait_for(|progress| progress.state == State::Starting).await.unwrap();
    sender.send_replace(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await;
    let error = ended.expect("the loss is noticed").unwrap().unwrap_err();
    assert_eq!(error.fault(), Fault::Fenced);
}

#[tokio::test(start_paused = true)]
async fn the_target_hears_of_us_while_the_source_is_slow_to_open() {
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Takes so long to open.
    #[derive(Debug)]
    struct Slow(Duration);
    #[async_trait]
    impl Select for Slow {
        async fn locate(&mut self, _: &Start) -> Result<Position> {
            Err(cut())
        }
        async fn open(&mut self, _: &Position, _: &Budget) -> Result<()> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }
        async fn next(&mut self) -> Result<Batch> {
            std::future::pending().await
        }
    }
    /// Counts pings.
    #[derive(Debug)]
    struct Pinged(Memory, Arc<AtomicU64>);
    #[async_trait]
    impl Load for Pinged {
        async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
            self.0.resume(lease).await
        }
        async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
            self.0.begin(at, lease).await
        }
        async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded> {
            self.0.load(batch, lease).await
        }
        async fn ping(&self, _: &Lease) -> Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        async fn close(&self) {}
    }
    let arbiter = Arc::new(Always(ArbiterId::new("test")));
    let side = Side::target(PipelineId::new("p"));
    let lease = Lease::for_ever(ArbiterId::new("test"), side, Term(1)).duration();
    let memory = Memory(Arc::new(StdMutex::new(Some(at(10)))));
    let pings = Arc::new(AtomicU64::new(0));
    let loader = Pinged(memory, Arc::clone(&pings));
    let pipeline = Pipeline::new(PipelineId::new("p"), arbiter, Slow(lease * 5), loader);
    let mut progress = pipeline.progress();
    let (handle, stop) = StopHandle::new();
    let run = tokio::spawn(pipeline.run(stop));
    progress.wait_for(|progress| progress.state == State::Running).await.unwrap();
    assert!(pings.load(Ordering::Relaxed) >= 14, "{pings:?}");
    handle.stop();
    assert_eq!(run.await.unwrap().unwrap().retries, 0);
}
