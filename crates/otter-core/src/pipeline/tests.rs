use std::collections::VecDeque;
use std::sync::Mutex as StdMutex;

use async_trait::async_trait;

use super::*;
use crate::arbiter::{ArbiterId, Campaign, Term};
use crate::batch::{Batch, Part, SourceTime, Transaction};
use crate::budget::{Budget, Permit};
use crate::position::{FilePlace, Place, Position};
use crate::stage::Loaded;
use crate::stop::StopHandle;

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
        Ok(Loaded { through: batch.through, rows: 0, transactions })
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
async fn without_checkpoint_and_start_the_pipeline_says_what_is_missing() {
    let memory = Memory::default();
    let mut pipeline = pipeline(Vec::new(), &memory);
    pipeline.options.start = None;
    let (_handle, stop) = StopHandle::new();
    let error = pipeline.run(stop).await.unwrap_err();
    assert!(matches!(error.cause(), Some(PipelineError::NoStart)));
}
