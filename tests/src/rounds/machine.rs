//! One `otter-server` of an installation, with lines of its own to the arbiter and the databases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tempfile::TempDir;

use super::installation::pipeline;
use crate::otter::OtterProcess;
use crate::proxy::Proxy;
use crate::wait::wait_until;

/// How a process that has lost a lease says that it writes nothing more.
const FENCED: &str = "pipeline was fenced; it stands by";
/// A process that is stopped in the midst of anything notices within seconds that its lease is over.
const TO_NOTICE: Duration = Duration::from_secs(60);
/// How much of a log a failed round shows.
const SHOWN_LINES: usize = 60;

/// Lines that are lost together.
#[derive(Debug)]
pub(super) struct Lines(Vec<Proxy>);

/// How lines are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Connections break, and no new ones can be made.
    Cut,
    /// Connections stay, and nothing arrives; what was sent arrives in the end, late.
    Silent,
}

/// A process and what it needs, which outlives it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) otter: OtterProcess,
    pub(super) to_arbiter: Lines,
    pub(super) to_databases: Lines,
    config: String,
    folder: TempDir,
}

impl Lines {
    pub(super) async fn start(ports: &[u16]) -> Self {
        let mut lines = Vec::with_capacity(ports.len());
        for port in ports {
            lines.push(Proxy::start(*port).await);
        }
        Self(lines)
    }

    /// The ports of this end.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.0.iter().map(Proxy::port).collect()
    }

    pub(super) fn lose(&self, loss: Loss) {
        for line in &self.0 {
            match loss {
                Loss::Cut => line.cut(),
                Loss::Silent => line.silence(),
            }
        }
    }

    pub(super) fn mend(&self) {
        self.0.iter().for_each(Proxy::mend);
    }
}

impl Machine {
    /// Starts a process over these lines with a configuration that names them.
    pub(super) fn start(config: String, to_arbiter: Lines, to_databases: Lines) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let otter = OtterProcess::run(folder.path(), &config);
        Self { otter, to_arbiter, to_databases, config, folder }
    }

    /// Starts the process again after its death.
    pub(super) fn start_again(&mut self) {
        self.otter = OtterProcess::run(self.folder.path(), &self.config);
    }

    /// A place in the log: what is said from now on lies behind it.
    pub(super) fn mark(&self) -> usize {
        self.otter.log().len()
    }

    /// The pipelines whose leases this process believes to hold, and whether it runs them.
    pub(super) fn holds(&self) -> BTreeMap<String, bool> {
        let mut holds = BTreeMap::new();
        for line in self.otter.log().lines() {
            let Some(pipeline) = pipeline_of(line) else { continue };
            if line.contains(" lease won ") {
                holds.insert(pipeline.to_owned(), false);
            } else if line.contains(" pipeline running ") {
                holds.insert(pipeline.to_owned(), true);
            } else if line.contains(" pipeline will try again ") {
                holds.insert(pipeline.to_owned(), false);
            } else if [" pipeline halted ", " pipeline stopped "]
                .iter()
                .any(|end| line.contains(end))
            {
                holds.remove(pipeline);
            }
        }
        holds
    }

    /// How often the process has said something.
    pub(super) fn count(&self, text: &str) -> usize {
        self.otter.log().matches(text).count()
    }

    /// Waits until each of these pipelines was fenced here, since a place in the log.
    ///
    /// # Panics
    /// Where one is not.
    pub(super) async fn wait_until_fenced(&mut self, pipelines: &[usize], since: usize) {
        let expected: BTreeSet<String> = pipelines.iter().map(|number| pipeline(*number)).collect();
        let what = format!("the stale process is fenced in each of {expected:?}");
        wait_until(&what, TO_NOTICE, async || {
            let log = self.otter.log();
            let said = log.get(since..).unwrap_or_default();
            let fenced: BTreeSet<String> = said
                .lines()
                .filter(|line| line.contains(FENCED))
                .filter_map(|line| pipeline_of(line).map(str::to_owned))
                .collect();
            expected.is_subset(&fenced)
        })
        .await;
    }

    /// Asserts that the process runs and has met nothing but the loss of leases.
    ///
    /// # Panics
    /// Where it has.
    pub(super) fn assert_sound(&mut self) {
        self.otter.assert_runs();
        for line in self.otter.log().lines() {
            let is_end = line.contains("pipeline halted") && !line.contains("fault=fenced");
            let is_fault = line.contains("panicked") || line.contains("a fault of otter-server");
            assert!(!is_end && !is_fault, "{line}");
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            let log = self.otter.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
            println!(
                "process {}, its whole log is kept in {}:\n{}",
                self.otter.id(),
                self.folder.path().display(),
                shown.join("\n")
            );
        }
    }
}

/// The pipeline that a line of a log is about.
fn pipeline_of(line: &str) -> Option<&str> {
    let (_, behind) = line.split_once(" pipeline=")?;
    behind.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_its_pipeline() {
        let line = "2026-11-22T10:00:00Z  INFO lease won pipeline=p03 term=7";
        assert_eq!(pipeline_of(line), Some("p03"));
        assert_eq!(pipeline_of("INFO stopping signal=SIGTERM"), None);
    }
}
