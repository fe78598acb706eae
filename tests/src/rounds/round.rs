//! What happens in one round, and what must come of it.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::GRACE;
use super::installation::Installation;
use super::machine::{Loss, Machine};
use super::mishap::Mishap;
use super::takeover::Watch;
use crate::random::Random;

/// What has come of a round.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Pipelines that had lost their holder, and were taken over.
    pub(super) take_overs: u64,
    /// How long that took at most.
    pub(super) longest_take_over: Option<Duration>,
    /// Pipelines that were fenced where they had been held.
    pub(super) fenced: u64,
}

impl Outcome {
    fn taken_over(times: &[Duration]) -> Self {
        let take_overs = u64::try_from(times.len()).unwrap_or(u64::MAX);
        Self { take_overs, longest_take_over: times.iter().max().copied(), fenced: 0 }
    }

    fn and_fenced(self, pipelines: &[usize]) -> Self {
        Self { fenced: u64::try_from(pipelines.len()).unwrap_or(u64::MAX), ..self }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.longest_take_over {
            Some(took) => {
                write!(f, "{} taken over in {:.2} s", self.take_overs, took.as_secs_f64())?;
            }
            None => f.write_str("nothing to take over")?,
        }
        write!(f, ", {} fenced", self.fenced)
    }
}

/// Whom it befalls.
struct Victim {
    index: usize,
    /// The pipelines that it holds.
    held: Vec<usize>,
    /// Where in its log it begins.
    mark: usize,
    watch: Watch,
}

impl Installation {
    /// Lets something happen, waits until it is over, and mends what it broke.
    ///
    /// # Panics
    /// Where it takes longer than promised until all goes on.
    pub(super) async fn befall(
        &mut self,
        mishap: Mishap,
        outage: Duration,
        holders: &[usize],
        random: &mut Random,
    ) -> Outcome {
        match mishap {
            Mishap::Killed => self.kill(holders, random).await,
            Mishap::Frozen => self.freeze(holders, random).await,
            Mishap::LeaderKilled => {
                self.arbiter.kill_leader().await;
                self.some_time(random).await;
                self.arbiter.revive().await;
                Outcome::default()
            }
            Mishap::ArbiterAway => self.be_without_arbiter(outage, holders).await,
            Mishap::SubtreeDeleted => self.delete_everything(holders).await,
            Mishap::SessionEnded => {
                let victim = self.victim(holders, random).await;
                let process = self.machines[victim.index].otter.id();
                self.arbiter.end_session(process).await;
                self.taken_over_and_fenced(victim, Instant::now()).await
            }
            Mishap::CutFromArbiter | Mishap::CutFromAll => {
                self.cut_off(mishap, holders, random).await
            }
            Mishap::CutFromDatabases => {
                let victim = self.victim(holders, random).await;
                let machine = &self.machines[victim.index];
                machine.to_databases.lose(either(random));
                self.some_time(random).await;
                machine.to_databases.mend();
                Outcome::default()
            }
        }
    }

    /// Kills a process; it is started again at once, or when others have taken over.
    async fn kill(&mut self, holders: &[usize], random: &mut Random) -> Outcome {
        let victim = self.victim(holders, random).await;
        let is_back_at_once = random.below(2) == 0;
        let began = Instant::now();
        self.machines[victim.index].otter.kill9();
        if is_back_at_once {
            self.machines[victim.index].start_again();
        }
        let times = self.taken_over(victim.watch, began).await;
        if !is_back_at_once {
            self.machines[victim.index].start_again();
        }
        Outcome::taken_over(&times)
    }

    /// Freezes a process until others have taken over, and then some time; wakes it.
    async fn freeze(&mut self, holders: &[usize], random: &mut Random) -> Outcome {
        let Victim { index, held, mark, watch } = self.victim(holders, random).await;
        let began = Instant::now();
        self.machines[index].otter.pause();
        let times = self.taken_over(watch, began).await;
        assert!(began.elapsed() > self.lease / 2, "nobody takes what is held");
        self.some_time(random).await;
        self.machines[index].otter.resume();
        self.machines[index].wait_until_fenced(&held, mark).await;
        Outcome::taken_over(&times).and_fenced(&held)
    }

    /// Ends one process's way to the arbiter, and maybe to the databases too, until others have
    /// taken over and some time longer.
    async fn cut_off(&mut self, mishap: Mishap, holders: &[usize], random: &mut Random) -> Outcome {
        let Victim { index, held, mark, watch } = self.victim(holders, random).await;
        let began = Instant::now();
        let machine = &self.machines[index];
        machine.to_arbiter.lose(either(random));
        if mishap == Mishap::CutFromAll {
            machine.to_databases.lose(either(random));
        }
        let times = self.taken_over(watch, began).await;
        self.some_time(random).await;
        // What was under way, stale commits too, arrives now where the lines were silent.
        self.machines[index].to_databases.mend();
        self.machines[index].to_arbiter.mend();
        self.machines[index].wait_until_fenced(&held, mark).await;
        Outcome::taken_over(&times).and_fenced(&held)
    }

    /// Kills all of the arbiter's servers; they are back after a time in which all leases end.
    async fn be_without_arbiter(&mut self, outage: Duration, holders: &[usize]) -> Outcome {
        assert!(outage > self.lease, "the outage outlasts the leases");
        let all: Vec<usize> = (0..holders.len()).collect();
        let watch = Watch::begin(&self.target, &all).await;
        let marks: Vec<usize> = self.machines.iter().map(Machine::mark).collect();
        self.arbiter.kill_all();
        // That it is away for so long is what happens here.
        sleep(outage).await;
        self.wait_until_all_fenced(holders, &marks).await;
        self.arbiter.revive().await;
        let times = self.taken_over(watch, Instant::now()).await;
        Outcome::taken_over(&times).and_fenced(&all)
    }

    async fn delete_everything(&mut self, holders: &[usize]) -> Outcome {
        let all: Vec<usize> = (0..holders.len()).collect();
        let watch = Watch::begin(&self.target, &all).await;
        let marks: Vec<usize> = self.machines.iter().map(Machine::mark).collect();
        let began = Instant::now();
        self.arbiter.delete_everything().await;
        let times = self.taken_over(watch, began).await;
        self.wait_until_all_fenced(holders, &marks).await;
        Outcome::taken_over(&times).and_fenced(&all)
    }

    async fn wait_until_all_fenced(&mut self, holders: &[usize], marks: &[usize]) {
        for (index, mark) in marks.iter().enumerate() {
            let held = self.held_by(holders, index);
            self.machines[index].wait_until_fenced(&held, *mark).await;
        }
    }

    async fn taken_over_and_fenced(&mut self, victim: Victim, began: Instant) -> Outcome {
        let times = self.taken_over(victim.watch, began).await;
        self.machines[victim.index].wait_until_fenced(&victim.held, victim.mark).await;
        Outcome::taken_over(&times).and_fenced(&victim.held)
    }

    /// Waits until others hold what is watched, as long as is promised.
    async fn taken_over(&self, watch: Watch, began: Instant) -> Vec<Duration> {
        watch.until_taken_over(&self.target, (began, self.lease + GRACE)).await
    }

    async fn victim(&self, holders: &[usize], random: &mut Random) -> Victim {
        let count = u64::try_from(self.machines.len()).unwrap_or(1);
        let index = usize::try_from(random.below(count)).unwrap_or(0);
        let held = self.held_by(holders, index);
        let watch = Watch::begin(&self.target, &held).await;
        Victim { index, held, mark: self.machines[index].mark(), watch }
    }

    /// Up to a lease in which things stay as they are.
    async fn some_time(&self, random: &mut Random) {
        let most = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        sleep(Duration::from_millis(random.below(most))).await;
    }
}

fn either(random: &mut Random) -> Loss {
    if random.below(2) == 0 { Loss::Cut } else { Loss::Silent }
}
