//! `otter-server verify --repair`: rows that differ are copied from the source again.
//!
//! Nothing here writes to a user's table: the keys of rows that differ are asked for as requests, which
//! the pipeline carries out in order with the stream. Afterwards they are compared once more. The
//! preview shows rows, for the operator who asks.

use otter_core::{PipelineId, Result, ResyncRequest, ResyncWish};
use otter_sink::Mode;
use otter_sink::resync::ResyncDesk;
use otter_sink::verify::{Difference, DifferenceKind, Report, Shown, State, TableReport};

use super::{VerifyWishes, print, verify_one};
use crate::assemble::{NOT_IN_FAST_MODE, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::operator::operator;
use crate::resync::wait;
use crate::terminal::{complain, write};

/// The most rows of a table that are mended between two looks: their keys are in memory.
pub(super) const MOST_ROWS: usize = 10_000;
/// Keys in one request.
const KEYS: usize = 500;
/// How often what is left is mended once more.
const ROUNDS: u32 = 20;

/// Whether differences are mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// They are only reported.
    No,
    /// What would be done is told.
    Preview,
    /// They are mended.
    Yes,
}

/// Tells what would be done about the differences of a pipeline, or does it. Returns how it stands
/// afterwards.
pub(super) async fn repair(
    config: &Config,
    pipeline: &PipelineConfig,
    (found, wishes): (Report, &VerifyWishes),
) -> Result<Exit> {
    if found.state() != State::Different {
        return Ok(super::exit_of(&found));
    }
    if pipeline.mode == Mode::Fast {
        complain(format_args!("pipeline `{}`: {NOT_IN_FAST_MODE}", pipeline.name));
        return Ok(Exit::Failed);
    }
    if wishes.repair == Repair::Preview {
        write(&preview(&found, wishes));
        return Ok(Exit::Failed);
    }
    let mut found = found;
    for _ in 0..ROUNDS {
        let before = count(&found);
        let exit = mend(config, pipeline, &found).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        found = Box::pin(verify_one(config, pipeline, wishes)).await?;
        // What cannot be mended is left as it is, and told.
        if found.state() != State::Different || count(&found) >= before {
            break;
        }
    }
    let wishes = &super::as_may_be_seen(pipeline, (&found, wishes)).await;
    write(&print::as_text(&pipeline.name, &found, wishes));
    if found.state() == State::Different {
        complain(format_args!(
            "pipeline `{}`: not all differences are mended; `otter-server resync {} --list` tells of \
             requests that were refused",
            pipeline.name, pipeline.name
        ));
    }
    Ok(super::exit_of(&found))
}

/// Differences of rows that may be mended.
fn count(report: &Report) -> u64 {
    report.tables.iter().map(|table| table.missing + table.extra + table.different).sum()
}

/// Asks for all rows that differ, and waits until they are copied.
async fn mend(config: &Config, pipeline: &PipelineConfig, report: &Report) -> Result<Exit> {
    let id = PipelineId::new(pipeline.name.as_str());
    let mut desk = ResyncDesk::open(&pipeline.to.url, SCHEMA, &id).await?;
    let mut numbers = Vec::new();
    for table in &report.tables {
        for request in requests(table) {
            numbers.push(desk.ask(&request, &operator()).await?);
        }
    }
    let exit = if numbers.is_empty() {
        complain(format_args!(
            "pipeline `{}`: none of these rows can be copied again by a key",
            pipeline.name
        ));
        Exit::Failed
    } else {
        let waited = wait(&mut desk, (config, pipeline), &numbers).await?;
        // What was refused is seen by the next look at the rows.
        if waited == Exit::Unproven { waited } else { Exit::Done }
    };
    desk.close().await;
    Ok(exit)
}

/// The requests that mend a table: rows too many go first, since they may hold what others need.
fn requests(table: &TableReport) -> Vec<ResyncRequest> {
    let is_extra = |one: &&Difference| one.kind == DifferenceKind::Extra;
    let is_other =
        |one: &&Difference| matches!(one.kind, DifferenceKind::Missing | DifferenceKind::Different);
    let all = table.differences.iter();
    let extra: Vec<_> =
        all.clone().filter(is_extra).filter_map(|one| one.at_source.as_ref()).collect();
    let other: Vec<_> = all.filter(is_other).filter_map(|one| one.at_source.as_ref()).collect();
    let mut requests = Vec::new();
    for some in extra.chunks(KEYS).chain(other.chunks(KEYS)) {
        let Some(first) = some.first() else { continue };
        let keys: Vec<&str> = some.iter().map(|key| key.values.as_str()).collect();
        let columns = std::sync::Arc::clone(&first.columns);
        let wish = ResyncWish::Keys { columns, keys: keys.join("\n").into() };
        requests.push(ResyncRequest { table: first.table.clone(), wish });
    }
    requests
}

/// The statements that would bring the target's rows to what the source has now.
fn preview(report: &Report, wishes: &VerifyWishes) -> String {
    let mut text = String::from(
        "-- What it comes to, as the rows are now; each is copied again as a whole, in order with the \
         stream:\n",
    );
    for table in &report.tables {
        let mut left = 0_u64;
        for (number, one) in table.differences.iter().enumerate() {
            if one.at_source.is_none() {
                left += one.times;
            } else if number < wishes.rows
                && let Some(statement) = statement(table, one, wishes.shows_values)
            {
                text.push_str(&statement);
            }
        }
        if table.differences.len() > wishes.rows {
            let more = table.differences.len() - wishes.rows;
            text.push_str(&format!(
                "-- {}: and {more} more; --rows shows more of them\n",
                table.target
            ));
        }
        if left > 0 {
            text.push_str(&format!(
                "-- {}: {left} rows cannot be copied again by a key: it has none at the source, or \
                 several tables flow into it\n",
                table.target
            ));
        }
    }
    text.push_str("Nothing is done without --yes\n");
    text
}

fn statement(table: &TableReport, difference: &Difference, shows_values: bool) -> Option<String> {
    let name = format!("{}.{}", quoted(&table.target.database), quoted(&table.target.table));
    let value = |shown: &Shown| if shows_values { literal(shown) } else { "?".to_owned() };
    let pair = |name: &str, shown: &Shown| format!("{} = {}", quoted(name), value(shown));
    let key: Vec<String> = difference.key.iter().map(|(name, shown)| pair(name, shown)).collect();
    let key = key.join(" AND ");
    let columns = &difference.columns;
    Some(match difference.kind {
        DifferenceKind::Extra => format!("DELETE FROM {name} WHERE {key};\n"),
        DifferenceKind::Different => {
            let set: Vec<String> =
                columns.iter().map(|column| pair(&column.name, &column.source)).collect();
            format!("UPDATE {name} SET {} WHERE {key};\n", set.join(", "))
        }
        DifferenceKind::Missing => {
            let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
            let values: Vec<String> = columns.iter().map(|column| value(&column.source)).collect();
            format!("INSERT INTO {name} ({}) VALUES ({});\n", names.join(", "), values.join(", "))
        }
        DifferenceKind::Unsettled => return None,
    })
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value as SQL; no terminal obeys it.
fn literal(shown: &Shown) -> String {
    let hex = |bytes: &[u8]| -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("X'{digits}'")
    };
    match shown {
        Shown::Absent | Shown::Null => "NULL".to_owned(),
        Shown::Text(text) if text.chars().any(char::is_control) => hex(text.as_bytes()),
        Shown::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Shown::Bytes(bytes) => hex(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_that_no_terminal_obeys() {
        let text = |text: &str| literal(&Shown::Text(text.to_owned()));
        assert_eq!(text("it's \\ "), "'it''s \\\\ '");
        assert_eq!(text("\u{1b}"), "X'1B'");
        assert_eq!(literal(&Shown::Null), "NULL");
        assert_eq!(literal(&Shown::Bytes(vec![0, 255])), "X'00FF'");
    }
}
