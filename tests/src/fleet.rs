//! Processes that share many pipelines whose sources and targets are in memory: what remains is the
//! work of arbitration, to be measured.
//!
//! A program that measures starts itself again as each of the processes.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::testkit::item::insert;
use otter_core::testkit::memory::{MemorySource, MemoryTarget};
use otter_core::{
    Arbiter, AtStart, Join, Pipeline, PipelineId, PipelineOptions, Share, Shares, Side, Start,
    State, StopHandle,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::arguments::Arguments;

/// The subtree of the measurement.
const ROOT: &str = "/otter";
/// Several changes in this time are told at once.
const BETWEEN_REPORTS: Duration = Duration::from_millis(20);
/// As `otter-server` does it.
const BEFORE_THE_NEXT_TRY: Duration = Duration::from_secs(1);

/// What the processes of a fleet do.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The ensemble's servers, `host:port`, separated by commas.
    pub servers: String,
    /// How many pipelines there are.
    pub pipelines: usize,
    /// How long a lease lasts.
    pub lease: Duration,
}

/// One process of a fleet, as the one that measures sees it. Killed when it is dropped.
#[derive(Debug)]
pub struct Member {
    process: Child,
    input: ChildStdin,
    running: watch::Receiver<usize>,
}

impl Fleet {
    /// Starts a process of the fleet: this program with arguments for [`live`](Self::live). It runs
    /// the pipeline of its own number at first, and shares all when it is told to.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(&self, number: usize) -> Member {
        let program: PathBuf = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .args(["--member", &number.to_string(), "--servers", &self.servers])
            .args(["--pipelines", &self.pipelines.to_string()])
            .args(["--lease-ms", &self.lease.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program can be started again");
        let input = process.stdin.take().expect("its input is a pipe");
        let output = process.stdout.take().expect("its output is a pipe");
        let (sender, running) = watch::channel(0);
        tokio::spawn(read_reports(output, sender));
        Member { process, input, running }
    }

    /// What the arguments of a process say, and its number; `None` where it is not one of a fleet.
    ///
    /// # Panics
    /// Where they are wrong.
    #[must_use]
    pub fn from_arguments(arguments: &Arguments) -> Option<(Self, usize)> {
        let number = arguments.text("member", "");
        if number.is_empty() {
            return None;
        }
        let small = |name| usize::try_from(arguments.number(name, 0)).expect("a small number");
        let fleet = Self {
            servers: arguments.text("servers", "").to_owned(),
            pipelines: small("pipelines"),
            lease: Duration::from_millis(arguments.number("lease-ms", 10_000)),
        };
        Some((fleet, number.parse().expect("a number")))
    }

    /// Lives as a process of the fleet until its input ends.
    ///
    /// # Panics
    /// Where the arbiter cannot be opened.
    pub async fn live(self, number: usize) {
        let place = ZooKeeperPlace::new(self.servers.split(','), ROOT).expect("addresses");
        let opened = Box::pin(ZooKeeperArbiter::open(&place, self.lease)).await;
        let arbiter = Arc::new(opened.expect("the arbiter opens"));
        let sides = (0..self.pipelines).map(|n| Side::target(PipelineId::new(format!("p{n:04}"))));
        let join: Arc<dyn Join> = Arc::clone(&arbiter) as Arc<dyn Join>;
        let (shares, handles) = Shares::new(join, sides.collect(), self.lease);
        let running = watch::Sender::new(0_usize);
        tokio::spawn(report(running.subscribe()));
        tokio::spawn(async move {
            loop {
                if shares.keep().await.is_err() {
                    sleep(BEFORE_THE_NEXT_TRY).await;
                }
            }
        });
        let mut waiting = Vec::new();
        for (n, share) in handles.into_iter().enumerate() {
            let id = PipelineId::new(format!("p{n:04}"));
            let one = run(id, Arc::clone(&arbiter) as Arc<dyn Arbiter>, share, running.clone());
            if n == number {
                tokio::spawn(one);
            } else {
                waiting.push(one);
            }
        }
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        // A line tells that all are present; the end, that it is enough.
        if let Ok(Some(_)) = input.next_line().await {
            for one in waiting {
                tokio::spawn(one);
            }
            while let Ok(Some(_)) = input.next_line().await {}
        }
        // The reader of the input is a thread that nothing else ends.
        std::process::exit(0);
    }
}

impl Member {
    /// Tells it that all are present.
    ///
    /// # Panics
    /// Where it is gone.
    pub async fn go(&mut self) {
        self.input.write_all(b"go\n").await.expect("the process reads");
    }

    /// How many pipelines run in it.
    #[must_use]
    pub fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// The number of its process.
    ///
    /// # Panics
    /// Where it is gone.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub async fn kill9(mut self) {
        self.process.kill().await.expect("a child can be killed");
    }
}

/// Runs a pipeline whenever it is this process's turn.
async fn run(
    id: PipelineId,
    arbiter: Arc<dyn Arbiter>,
    mut share: Share,
    running: watch::Sender<usize>,
) {
    let (source, target) = (MemorySource::new(), MemoryTarget::new());
    source.commit(vec![insert(1, "a row")]);
    loop {
        let Ok(won) = share.campaign().await else {
            sleep(BEFORE_THE_NEXT_TRY).await;
            continue;
        };
        let pipeline =
            Pipeline::new(id.clone(), Arc::clone(&arbiter), source.selector(), target.loader())
                .options(PipelineOptions {
                    start: Some(Start::Earliest),
                    at_start: AtStart::KeepTrying,
                    ..PipelineOptions::default()
                });
        let mut progress = pipeline.progress();
        let (end, stop) = StopHandle::new();
        let mut is_counted = false;
        {
            let mut work = Box::pin(pipeline.run_with(won.lease, &stop));
            loop {
                let runs = async {
                    // It ends with the work, if it ever gets so far.
                    let _ = progress.wait_for(|now| now.state == State::Running).await;
                };
                tokio::select! {
                    biased;
                    // However it ended: it is asked for again.
                    _ = &mut work => break,
                    () = runs, if !is_counted => {
                        is_counted = true;
                        running.send_modify(|count| *count += 1);
                    }
                    () = share.is_asked_back(), if !stop.is_asked() => end.stop(),
                }
            }
        }
        if is_counted {
            running.send_modify(|count| *count -= 1);
        }
    }
}

/// Prints how many pipelines run, whenever that has changed.
async fn report(mut running: watch::Receiver<usize>) {
    while running.changed().await.is_ok() {
        println!("{}", *running.borrow_and_update());
        sleep(BETWEEN_REPORTS).await;
    }
}

async fn read_reports(output: ChildStdout, sender: watch::Sender<usize>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(count) = line.parse() {
            sender.send_replace(count);
        }
    }
    // It is dead, and runs nothing.
    sender.send_replace(0);
}
