//! `otter-server status`: who holds each pipeline, since when, under which term, until when; what it
//! is doing, and how far behind; and which processes share them.
//!
//! It asks the arbiter, and the targets how many rows are held in quarantine; it changes nothing.
//! What a pipeline is doing is what its process has published some seconds ago; where it goes on is
//! what `position show` tells. Times are those of the arbiter's clock.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_arbitrate::{ArbiterStatus, HeldSide, PresentNode, Report, Wanted};
use otter_core::{ArbiterId, PipelineId, Side, SourceTime};
use otter_sink::copy::{self, CopyProgress};
use otter_sink::quarantine::Quarantine;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::assemble;
use crate::config::{ArbiterKind, Config, PipelineConfig};
use crate::exit::Exit;
use crate::terminal::{Colour, complain, is_terminal, paint, write};

/// What the status is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints who holds the pipelines; [`Exit::Failed`] where the arbiter cannot tell.
pub(crate) async fn status(config: &Config, format: StatusFormat) -> Exit {
    let sides: Vec<Side> = config
        .pipelines
        .iter()
        .map(|pipeline| Side::target(PipelineId::new(pipeline.name.as_str())))
        .collect();
    let found = match assemble::arbiter_status(config, &sides).await {
        Ok(found) => found,
        Err(error) => {
            complain(error);
            return Exit::Failed;
        }
    };
    let held = held_rows(config).await;
    let copies = copies(config).await;
    let kind = &config.arbiter.kind;
    let told = Told { kind, sides: &sides, found: &found, held: &held, copies: &copies };
    write(&match format {
        StatusFormat::Text => told.as_text(is_terminal()),
        StatusFormat::Json => format!("{:#}\n", told.as_json()),
    });
    Exit::Done
}

/// What there is to tell.
struct Told<'a> {
    kind: &'a ArbiterKind,
    sides: &'a [Side],
    found: &'a ArbiterStatus,
    /// The rows in quarantine, of each pipeline; `None` where its target does not tell.
    held: &'a [Option<u64>],
    /// How far the initial copy of each pipeline is; `None` where it has none, or its target does
    /// not tell.
    copies: &'a [Option<CopyProgress>],
}

/// How long a target may take to tell how many rows it holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many rows each target holds in quarantine.
async fn held_rows(config: &Config) -> Vec<Option<u64>> {
    let count = async |pipeline: &PipelineConfig| {
        let id = PipelineId::new(pipeline.name.as_str());
        let mut desk = Quarantine::open(&pipeline.to.url, assemble::SCHEMA, &id).await.ok()?;
        let count = desk.count().await.ok();
        desk.close().await;
        count
    };
    let mut held = Vec::with_capacity(config.pipelines.len());
    for pipeline in &config.pipelines {
        held.push(timeout(PATIENCE, count(pipeline)).await.ok().flatten());
    }
    held
}

/// How far the initial copy of each pipeline is.
async fn copies(config: &Config) -> Vec<Option<CopyProgress>> {
    let mut copies = Vec::with_capacity(config.pipelines.len());
    for pipeline in &config.pipelines {
        let id = PipelineId::new(pipeline.name.as_str());
        let asking = copy::progress(&pipeline.to.url, assemble::SCHEMA, &id);
        let asked = pipeline.initial_copy.is_some();
        let told = if asked { timeout(PATIENCE, asking).await.ok() } else { None };
        copies.push(told.and_then(Result::ok).flatten());
    }
    copies
}

/// One line of the table of pipelines.
type Cells = [String; 7];

impl Told<'_> {
    fn held(&self) -> impl Iterator<Item = (&Side, Option<&HeldSide>, Option<&Report>)> {
        let told = self.found.reports.iter().map(Option::as_ref);
        let held = self.found.sides.iter().map(Option::as_ref).zip(told);
        self.sides.iter().zip(held).map(|(side, (held, told))| (side, held, told))
    }

    fn wanted(&self, side: &Side) -> Wanted {
        let is_paused = self.found.paused.contains(&side.pipeline);
        if is_paused { Wanted::Paused } else { Wanted::Running }
    }

    fn as_text(&self, is_terminal: bool) -> String {
        let id = self.found.id.as_ref().map_or("not used yet", ArbiterId::as_str);
        let mut text = format!("arbiter {id}, in {}\n", self.place());
        let titles = ["pipeline", "state", "lag", "holder", "term", "since", "until"];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(self.held().map(|(side, held, told)| cells(side, held, told)));
        print_table(&mut text, &rows, is_terminal);
        if !self.found.nodes.is_empty() {
            let mut rows = vec![["process", "pipelines"].map(str::to_owned)];
            rows.extend(
                self.found.nodes.iter().map(|one| [one.name.clone(), one.held.to_string()]),
            );
            text.push('\n');
            print_table(&mut text, &rows, is_terminal);
        }
        for side in self.sides.iter().filter(|side| self.wanted(side) == Wanted::Paused) {
            let _ = writeln!(
                text,
                "pipeline {0}: paused; `otter-server resume {0}` lets it run again",
                side.pipeline
            );
        }
        for (side, held) in self.sides.iter().zip(self.held) {
            let Some(rows) = held.filter(|rows| *rows > 0) else { continue };
            let _ = writeln!(
                text,
                "pipeline {}: {rows} rows are held in quarantine; `otter-server quarantine list` \
                 shows why",
                side.pipeline
            );
        }
        for (side, copy) in self.sides.iter().zip(self.copies) {
            let Some(copy) = copy else { continue };
            let _ = writeln!(
                text,
                "pipeline {}: initial copy: {} of {} tables, {} of about {} rows",
                side.pipeline, copy.done, copy.tables, copy.rows, copy.estimated_rows
            );
            if copy.hindered > 0 {
                let _ = writeln!(
                    text,
                    "pipeline {}: {} tables cannot be copied as they are; `otter-server copy` shows why",
                    side.pipeline, copy.hindered
                );
            }
        }
        if !self.kind.is_shared() {
            text.push_str(
                "kind = \"local\": only the processes of this machine are known, and neither \
                 since when nor until when\n",
            );
        }
        text
    }

    /// Where the arbiter keeps its leases.
    fn place(&self) -> String {
        match self.kind {
            ArbiterKind::Local { path } => path.display().to_string(),
            ArbiterKind::MySql { url, .. } => {
                format!("{}/{}", url.address(), url.database().unwrap_or(assemble::SCHEMA))
            }
            ArbiterKind::ZooKeeper { place } => place.to_string(),
        }
    }

    fn as_json(&self) -> Value {
        let pipelines: Vec<Value> = self
            .held()
            .zip(self.held.iter().zip(self.copies))
            .map(|((side, held, told), (rows, copy))| {
                json!({
                    "pipeline": side.pipeline.as_str(),
                    "side": side.role.to_string(),
                    "holder": held.map(|held| held.holder.name.as_str()),
                    "term": held.map(|held| held.holder.term.0),
                    "since": held.and_then(|held| held.since).map(time),
                    "until": held.and_then(|held| held.until).map(time),
                    "lease_ms": held.and_then(|held| held.lease).map(millis),
                    "state": told.map(Report::state_word),
                    "lag_ms": told.and_then(|told| told.lag).map(millis),
                    "committed_at": told
                        .and_then(|told| told.committed_at)
                        .map(|time| time.to_string()),
                    "position": told.map(|told| told.position.as_str()),
                    "rows": told.map(|told| told.rows),
                    "transactions": told.map(|told| told.transactions),
                    "retries": told.map(|told| told.retries),
                    "wanted": self.wanted(side).to_string(),
                    "quarantine_rows": rows,
                    "initial_copy": copy.map(|copy| json!({
                        "tables_done": copy.done,
                        "tables": copy.tables,
                        "rows": copy.rows,
                        "bytes": copy.bytes,
                        "estimated_rows": copy.estimated_rows,
                        "tables_hindered": copy.hindered,
                    })),
                })
            })
            .collect();
        let process = |one: &PresentNode| json!({ "name": one.name, "pipelines": one.held });
        let processes: Vec<Value> = self.found.nodes.iter().map(process).collect();
        json!({
            "arbiter": self.found.id.as_ref().map(ArbiterId::as_str),
            "kind": self.kind.word(),
            "place": self.place(),
            "pipelines": pipelines,
            "processes": processes,
        })
    }
}

fn cells(side: &Side, held: Option<&HeldSide>, told: Option<&Report>) -> Cells {
    let pipeline = side.pipeline.to_string();
    let unknown = || "-".to_owned();
    let Some(held) = held else {
        let (nobody, none) = ("nobody".to_owned(), String::new);
        return [pipeline, unknown(), unknown(), nobody, none(), none(), none()];
    };
    let state = told.map_or_else(unknown, |told| told.state_word().to_owned());
    let lag = told.and_then(|told| told.lag).map_or_else(unknown, span);
    let until = match (held.until, held.lease) {
        (Some(until), _) => time(until),
        (None, Some(lease)) => format!("{} s after its last sign of life", lease.as_secs_f32()),
        (None, None) => "not known".to_owned(),
    };
    let since = held.since.map_or_else(|| "not known".to_owned(), time);
    [pipeline, state, lag, held.holder.name.clone(), held.holder.term.to_string(), since, until]
}

/// A span of time for people, in two units at most.
fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Adds a table whose first row is its title.
fn print_table<const N: usize>(text: &mut String, rows: &[[String; N]], is_terminal: bool) {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row.get(column).map_or(0, |cell| width(cell)));
        lengths.max().unwrap_or(0)
    });
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, length) in row.iter().zip(widths) {
            let room = length.saturating_sub(width(cell)) + 2;
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell}{:room$}", "");
        }
        let is_title = number == 0;
        let line = paint(Colour::Bold, line.trim_end(), is_terminal && is_title);
        let _ = writeln!(text, "{line}");
    }
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

/// A point in time in UTC.
fn time(time: SystemTime) -> String {
    // Whole seconds are enough for people, and the same for every arbiter.
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    SourceTime::from_seconds(seconds).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use otter_core::{Holder, State, Term};

    use super::*;

    fn held(until: Option<SystemTime>, lease: Option<Duration>) -> HeldSide {
        let holder = Holder { name: "host db7, process 4711".to_owned(), term: Term(12) };
        let since = Some(UNIX_EPOCH + Duration::from_secs(1_763_712_000));
        HeldSide { holder, since, until, lease }
    }

    fn found() -> ArbiterStatus {
        let until = UNIX_EPOCH + Duration::from_millis(1_763_712_010_900);
        ArbiterStatus {
            id: Some(ArbiterId::new("mysql-1")),
            sides: vec![
                Some(held(Some(until), None)),
                None,
                Some(held(None, Some(Duration::from_millis(2_500)))),
            ],
            reports: vec![Some(report()), None, None],
            nodes: vec![
                PresentNode { name: "host db7, process 4711".to_owned(), held: 2 },
                PresentNode { name: "host db8, process 12".to_owned(), held: 0 },
            ],
            paused: BTreeSet::from([PipelineId::new("hangzhou-virginia")]),
        }
    }

    fn report() -> Report {
        Report {
            side: Side::target(PipelineId::new("a")),
            term: Term(12),
            state: State::Running,
            lag: Some(Duration::from_secs(75)),
            committed_at: Some(SourceTime::from_seconds(1_763_712_000)),
            rows: 7,
            transactions: 3,
            retries: 0,
            position: "mariadb:0-1-7".to_owned(),
        }
    }

    #[test]
    fn spans_are_told_in_units_that_people_use() {
        for (millis, told) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_500, "1 s"),
            (59_999, "59 s"),
            (75_000, "1 min 15 s"),
            (7_380_000, "2 h 3 min"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), told);
        }
    }

    fn sides() -> Vec<Side> {
        ["a", "hangzhou-virginia", "c"].map(|name| Side::target(PipelineId::new(name))).to_vec()
    }

    fn kind() -> ArbiterKind {
        let url = "mysql://otter:hunter2@10.0.0.9/leases".parse().unwrap();
        ArbiterKind::MySql { url, path: "/var/lib/otter".into() }
    }

    #[test]
    fn the_table_tells_who_since_when_and_until_when() {
        let (kind, sides, found) = (kind(), sides(), found());
        let held = [None, Some(0), Some(3)];
        let told =
            Told { kind: &kind, sides: &sides, found: &found, held: &held, copies: &[None; 3] };
        let text = "\
arbiter mysql-1, in 10.0.0.9:3306/leases
pipeline           state    lag         holder                  term  since                 until
a                  running  1 min 15 s  host db7, process 4711  12    2025-11-21T08:00:00Z  2025-11-21T08:00:10Z
hangzhou-virginia  -        -           nobody
c                  -        -           host db7, process 4711  12    2025-11-21T08:00:00Z  2.5 s after its last sign of life

process                 pipelines
host db7, process 4711  2
host db8, process 12    0
pipeline hangzhou-virginia: paused; `otter-server resume hangzhou-virginia` lets it run again
pipeline c: 3 rows are held in quarantine; `otter-server quarantine list` shows why
";
        assert_eq!(told.as_text(false), text);
    }

    #[test]
    fn json_says_the_same_and_null_for_nobody() {
        let (kind, sides, found) = (kind(), sides(), found());
        let held = [None, Some(0), Some(3)];
        let json =
            Told { kind: &kind, sides: &sides, found: &found, held: &held, copies: &[None; 3] }
                .as_json();
        assert_eq!((&json["arbiter"], &json["kind"]), (&json!("mysql-1"), &json!("mysql")));
        let expected = json!({
            "pipeline": "a", "side": "target", "holder": "host db7, process 4711", "term": 12,
            "since": "2025-11-21T08:00:00Z", "until": "2025-11-21T08:00:10Z", "lease_ms": null,
            "state": "running", "lag_ms": 75_000, "committed_at": "2025-11-21T08:00:00Z",
            "position": "mariadb:0-1-7", "rows": 7, "transactions": 3, "retries": 0,
            "wanted": "running", "quarantine_rows": null, "initial_copy": null,
        });
        assert_eq!(json["pipelines"][0], expected);
        assert_eq!(json["pipelines"][1]["holder"], Value::Null);
        assert_eq!(json["pipelines"][1]["wanted"], "paused");
        assert_eq!(json["pipelines"][2]["lease_ms"], 2_500);
        assert_eq!(json["processes"][1], json!({ "name": "host db8, process 12", "pipelines": 0 }));
        assert_eq!(json["pipelines"][2]["quarantine_rows"], 3);
    }

    #[test]
    fn a_local_arbiter_says_that_it_knows_this_machine_only() {
        let kind = ArbiterKind::Local { path: "/var/lib/otter".into() };
        let (nodes, paused) = (Vec::new(), BTreeSet::new());
        let found =
            ArbiterStatus { id: None, sides: vec![None], reports: vec![None], nodes, paused };
        let sides = &sides()[..1];
        let text = Told { kind: &kind, sides, found: &found, held: &[None], copies: &[None] }
            .as_text(false);
        assert!(text.starts_with("arbiter not used yet, in /var/lib/otter\n"), "{text}");
        assert!(text.contains("only the processes of this machine"), "{text}");
    }
}
