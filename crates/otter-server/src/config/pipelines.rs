//! `[[channels.pipelines]]`: one direction each, from one database to another.

use std::num::NonZeroU64;

use otter_core::Start;
use otter_core::mapping::Mappings;
use otter_core::nearest::nearest;
use otter_sink::health::HealthLimits;
use otter_sink::{DdlPolicies, Mode, OnPoison};

use super::brake;
use super::databases::Database;
use super::ddl;
use super::error::{ConfigError, Problem};
use super::initial_copy::{self, InitialCopy};
use super::limits::{self, Limits};
use super::mappings;
use super::names::{Names, check_name};

use super::section::{Keys, Located, Section};

pub(super) const KEYS: Keys = Keys {
    known: &[
        "name",
        "from",
        "to",
        "start",
        "mode",
        "on_poison",
        "quarantine_rows",
        "ddl",
        "tables",
        "except",
        "ghost_tables",
        "initial_copy",
        "memory_mb",
        "max_event_mb",
        "group_rows",
        "group_mb",
        "connections",
        "rows_per_second",
        "mb_per_second",
        "brake",
        "verify_rows_per_second",
    ],
    not_built: &[],
};

/// Each takes some hundred bytes of memory.
const MOST_QUARANTINE_ROWS: u64 = 10_000_000;

/// One direction.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Its name, unique in the installation: the checkpoint in the target bears it.
    pub name: String,
    /// The channel that it belongs to.
    pub channel: String,
    /// Where it reads.
    pub from: Database,
    /// Where it writes.
    pub to: Database,
    /// Where it begins where the target has no checkpoint.
    pub start: Option<Start>,
    /// How it copies its tables first; `None` where it does not.
    pub initial_copy: Option<InitialCopy>,
    /// What it does about rows that the target does not take.
    pub on_poison: OnPoison,
    /// The most rows that it may hold in quarantine; `None` for the loader's own number.
    pub quarantine_rows: Option<usize>,
    /// How the source's order shows in the target.
    pub mode: Mode,
    /// What it does about schema changes.
    pub ddl: DdlPolicies,
    /// Which tables it carries, and where to.
    pub mappings: Mappings,
    /// How much it holds at a time.
    pub limits: Limits,
    /// When its target bears no more.
    pub brake: HealthLimits,
    /// How fast its tables are compared all the while; `None` where they are not.
    pub verify: Option<NonZeroU64>,
    /// The line that it begins in.
    pub line: usize,
}

/// Reads the pipelines of one channel.
pub(super) fn read(
    channel: &str,
    sections: &[Section<'_>],
    databases: &[Database],
    names: &mut Names,
) -> Result<Vec<PipelineConfig>, ConfigError> {
    sections.iter().map(|section| pipeline(channel, section, databases, names)).collect()
}

fn pipeline(
    channel: &str,
    section: &Section<'_>,
    databases: &[Database],
    names: &mut Names,
) -> Result<PipelineConfig, ConfigError> {
    let name = section.required_text("name", "name = \"hangzhou-virginia\"")?;
    check_name(section, "name", &name)?;
    names.add(section, &name)?;
    let name = name.value;
    let mode = mode(section)?;
    let initial_copy = initial_copy::read(section)?;
    let from = database(section, "from", "from = \"hangzhou\"", databases)?;
    let to = database(section, "to", "to = \"virginia\"", databases)?;
    if from.name == to.name {
        let problem = Problem::ToItself { section: section.title(), database: to.name.clone() };
        return Err(section.error("to", problem));
    }
    let ddl = ddl::read(section)?;
    Ok(PipelineConfig {
        name,
        channel: channel.to_owned(),
        from: from.clone(),
        to: to.clone(),
        start: initial_copy::start(section, initial_copy, start(section)?)?,
        initial_copy,
        on_poison: on_poison(section)?,
        quarantine_rows: quarantine_rows(section)?,
        mode,
        ddl,
        mappings: mappings::read(section, ddl)?,
        limits: limits::read(section)?,
        brake: brake::read(section)?,
        verify: limits::verify(section)?,
        line: section.line(),
    })
}

fn mode(section: &Section<'_>) -> Result<Mode, ConfigError> {
    let mode = match section.text("mode")?.as_ref().map(|mode| mode.value.as_str()) {
        None | Some("strict") => Mode::Strict,
        Some("fast") => Mode::Fast,
        Some(_) => return Err(section.bad_value("mode", "\"strict\" or \"fast\"")),
    };
    // What waits in quarantine keeps what comes behind it waiting, which only source order tells.
    let policy = section.text("on_poison")?;
    if mode == Mode::Fast && policy.is_some_and(|policy| policy.value == "quarantine") {
        let problem = Problem::Together {
            one: "mode = \"fast\"",
            other: "on_poison = \"quarantine\"",
            section: section.title(),
            instead: "write `mode = \"strict\"`, or `on_poison = \"halt\"`",
        };
        return Err(section.error("mode", problem));
    }
    Ok(mode)
}

fn on_poison(section: &Section<'_>) -> Result<OnPoison, ConfigError> {
    match section.text("on_poison")?.as_ref().map(|policy| policy.value.as_str()) {
        None | Some("halt") => Ok(OnPoison::Halt),
        Some("quarantine") => Ok(OnPoison::Quarantine),
        Some(_) => Err(section.bad_value("on_poison", "\"halt\" or \"quarantine\"")),
    }
}

fn quarantine_rows(section: &Section<'_>) -> Result<Option<usize>, ConfigError> {
    let rows = section.whole("quarantine_rows", 1..=MOST_QUARANTINE_ROWS)?;
    Ok(rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)))
}

fn database<'d>(
    section: &Section<'_>,
    key: &'static str,
    example: &'static str,
    databases: &'d [Database],
) -> Result<&'d Database, ConfigError> {
    let Located { value: name, .. } = section.required_text(key, example)?;
    if let Some(database) = databases.iter().find(|database| database.name == name) {
        return Ok(database);
    }
    let known: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
    let near = nearest(&name, &known).cloned();
    let problem =
        Problem::UnknownDatabase { key, name, section: section.title(), nearest: near, known };
    Err(section.error(key, problem))
}

fn start(section: &Section<'_>) -> Result<Option<Start>, ConfigError> {
    let Some(start) = section.text("start")? else { return Ok(None) };
    if start.value.trim().is_empty() {
        return Err(section.bad_value("start", "\"now\", \"earliest\" or a position"));
    }
    start.value.parse::<Start>().map(Some).map_err(|error| {
        let section_title = section.title();
        section.error("start", Problem::Start { section: section_title, error })
    })
}
