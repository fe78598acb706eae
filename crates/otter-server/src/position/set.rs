//! `otter-server position set`: another position, with what that means told first.

use otter_core::{
    CopyStage, DatabaseUrl, PipelineId, Place, Position, Result, Select, Start, TableName,
};
use otter_sink::checkpoint::{self, Checkpoint};
use otter_sink::copy;
use otter_sink::verify::Ledger;

use super::{hold, pipeline_named, position_text};
use crate::assemble::{self, SCHEMA};
use crate::config::Config;
use crate::exit::Exit;
use crate::preflight::open_at;
use crate::terminal::{complain, note, write};

/// Names in one line.
const MOST_NAMES: usize = 10;

/// Whether the position is set, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Preview,
    Set,
}

/// Moves a pipeline's checkpoint to where a start leads now.
pub(crate) async fn set(config: &Config, name: &str, start: &Start, wish: Wish) -> Exit {
    let Some(pipeline) = pipeline_named(config, name) else { return Exit::Usage };
    let id = PipelineId::new(pipeline.name.as_str());
    let failed = |error: &otter_core::Error| {
        complain(format_args!("pipeline `{id}`: {error}"));
        Exit::Failed
    };
    let before = match checkpoint::read(&pipeline.to.url, SCHEMA, &id).await {
        Ok(Some(before)) => before,
        Ok(None) => {
            complain(format_args!(
                "pipeline `{id}` has no checkpoint in `{}` yet: it begins at the `start` of its \
                 configuration",
                pipeline.to.name
            ));
            return Exit::Failed;
        }
        Err(error) => return failed(&error),
    };
    let wanted = match assemble::selector(pipeline).locate(start).await {
        Ok(wanted) => wanted,
        Err(error) => return failed(&error),
    };
    // As a start would begin there.
    match open_at(pipeline, &wanted).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return failed(&error),
        Err(_) => {
            complain(format_args!(
                "pipeline `{id}`: the source does not answer, so that it is not known whether it has \
                 that place; nothing was changed"
            ));
            return Exit::Failed;
        }
    }
    let open = match in_copy(&pipeline.to.url, &id).await {
        Ok(open) => open,
        Err(error) => return failed(&error),
    };
    write(&preview(&id, (&before, &wanted), &open));
    if before.position.as_ref() == Some(&wanted) {
        return Exit::Done;
    }
    if wish == Wish::Preview {
        note("nothing was changed; `--yes` sets the position");
        return Exit::Done;
    }
    let open = match assemble::arbiter(config).await {
        Ok(arbiter) => arbiter,
        Err(error) => return failed(&error),
    };
    // Held until it is done, so that no process of this installation writes meanwhile.
    let exit = match hold(&id, &open.arbiter, "set it again").await {
        Ok(lease) => {
            let set = checkpoint::set_position(&pipeline.to.url, SCHEMA, &id, &wanted).await;
            drop(lease);
            match set {
                Ok(_) => {
                    write(&format!("pipeline {id}: set to {wanted}\n"));
                    doubt(&pipeline.to.url, &id).await
                }
                Err(error) => failed(&error),
            }
        }
        Err(exit) => exit,
    };
    open.close().await;
    exit
}

/// Takes back what `verify --last` would tell of tables that were equal before.
async fn doubt(url: &DatabaseUrl, id: &PipelineId) -> Exit {
    let doubting = async {
        let mut ledger = Ledger::open(url, SCHEMA, id).await?;
        ledger.doubt("the position was set since then").await?;
        ledger.close().await;
        Ok::<_, otter_core::Error>(Exit::Done)
    };
    doubting.await.unwrap_or_else(|error| {
        complain(format_args!(
            "pipeline `{id}`: the position is set, and `verify --last` tells of tables as they were \
             before, until they are compared again: {error}"
        ));
        Exit::Failed
    })
}

/// The tables whose initial copy is not finished.
async fn in_copy(url: &DatabaseUrl, id: &PipelineId) -> Result<Vec<TableName>> {
    let Some(found) = copy::tables(url, SCHEMA, id).await? else { return Ok(Vec::new()) };
    let is_open = |stage: CopyStage| matches!(stage, CopyStage::Waiting | CopyStage::Copying);
    let open = found.tables.into_iter().filter(|table| is_open(table.stage));
    Ok(open.map(|table| table.table).collect())
}

fn preview(
    id: &PipelineId,
    (before, wanted): (&Checkpoint, &Position),
    open: &[TableName],
) -> String {
    let mut text = format!("pipeline {id}\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<12} {value}\n"));
    line("position", &position_text(before));
    line("would be", &wanted.to_string());
    if let Some(position) = &before.position {
        for (name, value) in consequences(&position.applied_through, &wanted.applied_through) {
            line(name, &value);
        }
        if position.applied_through != wanted.applied_through && !open.is_empty() {
            line("in copy", &silence(open));
        }
    }
    text
}

/// What the consequences do not say of tables that are being copied: there it is no finding that rows
/// are missing or changed.
fn silence(open: &[TableName]) -> String {
    let names: Vec<String> = open.iter().take(MOST_NAMES).map(ToString::to_string).collect();
    let more = match open.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{}{more}: there what is skipped or repeated is no finding and nobody would tell: when they \
         are copied, run `otter-server verify`, with --repair where rows differ",
        names.join(", ")
    )
}

/// What a move from one place to another leaves out and does again.
fn consequences(from: &Place, to: &Place) -> Vec<(&'static str, String)> {
    const SKIPS: &str = "their changes never arrive, and later ones of the same rows are findings";
    const REPEATS: &str = "what they insert is there already and what they delete is gone, which \
                           are findings, unless the target was set back as well";
    let counted = |count: u64| match count {
        1 => "1 transaction".to_owned(),
        count => format!("{count} transactions"),
    };
    if from == to {
        return vec![("means", "nothing: it stands there already".to_owned())];
    }
    if let Some(distance) = from.distance(to) {
        let mut told = Vec::with_capacity(2);
        if distance.ahead > 0 {
            told.push(("skips", format!("{}: {SKIPS}", counted(distance.ahead))));
        }
        if distance.behind > 0 {
            told.push(("repeats", format!("{}: {REPEATS}", counted(distance.behind))));
        }
        if told.is_empty() {
            told.push(("means", "nothing: both have the same transactions before them".to_owned()));
        }
        return told;
    }
    match (to.covers(from), from.covers(to)) {
        (Some(true), Some(true)) => {
            vec![("means", "nothing: both are the same place".to_owned())]
        }
        (Some(true), _) => vec![("skips", format!("the transactions between: {SKIPS}"))],
        (_, Some(true)) => vec![("repeats", format!("the transactions between: {REPEATS}"))],
        _ => vec![("means", "unknown: the two places cannot be compared".to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use otter_core::FilePlace;

    use super::*;

    fn told(from: &Place, to: &Place) -> String {
        let lines = consequences(from, to);
        lines.iter().map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    #[test]
    fn what_is_left_out_and_done_again_is_counted() {
        let place = |text: &str| Place::from_gtids(text.parse().unwrap());
        assert!(told(&place("0-1-10"), &place("0-1-14")).starts_with("skips 4 transactions: "));
        assert!(told(&place("0-1-10"), &place("0-1-9")).starts_with("repeats 1 transaction: "));
        assert!(told(&place("0-1-10"), &place("0-1-10")).starts_with("means nothing"));
        let both = told(&place("0-1-10,1-1-5"), &place("0-1-12,1-1-4"));
        assert!(both.contains("skips 2") && both.contains("repeats 1"), "{both}");
    }

    #[test]
    fn files_tell_the_direction_alone() {
        let place = |offset| Place::from_file(FilePlace::new("binlog.000002", offset));
        assert!(told(&place(4), &place(400)).starts_with("skips the transactions between"));
        assert!(told(&place(400), &place(4)).starts_with("repeats the transactions between"));
        let other = Place::from_file(FilePlace::new("mysql-bin.000002", 4));
        assert!(told(&place(4), &other).starts_with("means unknown"));
    }

    #[test]
    fn tables_in_copy_are_told_since_nothing_is_a_finding_there() {
        let tables: Vec<TableName> =
            (1..=12).map(|number| TableName::new("shop", format!("t{number}"))).collect();
        let text = silence(&tables);
        assert!(text.starts_with("shop.t1, ") && text.contains("shop.t10 and 2 more: "), "{text}");
        assert!(text.contains("otter-server verify"), "{text}");
        let one = silence(&tables[..1]);
        assert!(one.starts_with("shop.t1: there what is skipped"), "{one}");
    }
}
