//! `initial_copy` of a pipeline: whether tables are copied first, and what becomes of rows that are
//! there.

use otter_binlog::copy::OnUnreadable;
use otter_core::Start;
use otter_sink::Existing;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

const KEYS: Keys = Keys { known: &["existing", "on_unreadable"], not_built: &[] };

/// How a pipeline copies its tables first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InitialCopy {
    /// What becomes of rows that the target holds already.
    pub existing: Existing,
    /// What becomes of tables that the source refuses to read.
    pub on_unreadable: OnUnreadable,
}

/// Reads whether a pipeline copies its tables first.
pub(super) fn read(section: &Section<'_>) -> Result<Option<InitialCopy>, ConfigError> {
    let copy = if section.is_table("initial_copy") {
        let title = format!("`initial_copy` of {}", section.title());
        let Some(table) = section.table("initial_copy", &title, &KEYS)? else { return Ok(None) };
        let existing = match table.text("existing")?.as_ref().map(|word| word.value.as_str()) {
            None | Some("halt") => Existing::Halt,
            Some("keep") => Existing::Keep,
            Some("replace") => Existing::Replace,
            Some(_) => {
                return Err(table.bad_value("existing", "\"halt\", \"keep\" or \"replace\""));
            }
        };
        let unreadable = table.text("on_unreadable")?;
        let on_unreadable = match unreadable.as_ref().map(|word| word.value.as_str()) {
            None | Some("wait") => OnUnreadable::Wait,
            Some("halt") => OnUnreadable::Halt,
            Some(_) => return Err(table.bad_value("on_unreadable", "\"wait\" or \"halt\"")),
        };
        InitialCopy { existing, on_unreadable }
    } else if section.flag("initial_copy")? == Some(true) {
        InitialCopy::default()
    } else {
        return Ok(None);
    };
    refuse_what_does_not_go_together(section)?;
    Ok(Some(copy))
}

fn refuse_what_does_not_go_together(section: &Section<'_>) -> Result<(), ConfigError> {
    let rules = [
        ("mode", "fast", "mode = \"fast\"", "write `mode = \"strict\"` until all is copied"),
        (
            "on_poison",
            "quarantine",
            "on_poison = \"quarantine\"",
            "write `on_poison = \"halt\"` until all is copied",
        ),
    ];
    for (key, value, other, instead) in rules {
        if section.text(key)?.is_some_and(|found| found.value == value) {
            return Err(together(section, other, instead));
        }
    }
    Ok(())
}

fn together(section: &Section<'_>, other: &'static str, instead: &'static str) -> ConfigError {
    let one = "initial_copy";
    let problem = Problem::Together { one, other, section: section.title(), instead };
    section.error(one, problem)
}

/// A copy begins where the source is now: nothing before it is needed.
pub(super) fn start(
    section: &Section<'_>,
    copies: Option<InitialCopy>,
    start: Option<Start>,
) -> Result<Option<Start>, ConfigError> {
    match (copies, start) {
        (Some(_), None | Some(Start::Now)) => Ok(Some(Start::Now)),
        (Some(_), Some(_)) => {
            let instead = "leave `start` out: the copy holds everything before it";
            Err(together(section, "start", instead))
        }
        (None, start) => Ok(start),
    }
}
