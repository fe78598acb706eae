//! `quarantine` on the command line.

use clap::{Args, Subcommand};
use otter_core::TableName;
use otter_sink::quarantine::{NewValue, Selection};

use super::{ConfigArgs, PositionOf, load};
use crate::exit::Exit;
use crate::quarantine::{self, Act};
use crate::status::StatusFormat;
use crate::terminal::complain;

#[derive(Debug, Args)]
pub(super) struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// Print which rows are held and why, without their values
    List {
        #[command(flatten)]
        of: PositionOf,
        /// Only rows of this table of the target: shop.item
        #[arg(long, value_name = "TABLE", value_parser = parse_table)]
        table: Option<TableName>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print held rows with their values, one line of JSON each
    ///
    /// Each look is written to the table `otter.audit` of the target: who, when, which rows.
    Show(HeldRows),
    /// Try held rows again
    ///
    /// The running pipeline does it within a second or, when nothing is to load, within a third of
    /// its lease; without one it is done when the pipeline starts. Rows that wait behind one that is
    /// taken follow in order.
    Retry(HeldRows),
    /// Replace values of a held row, and try it again
    Edit {
        #[command(flatten)]
        config: ConfigArgs,
        /// The pipeline
        #[arg(value_name = "PIPELINE")]
        pipeline: String,
        /// The row's number
        #[arg(value_name = "ID")]
        id: u64,
        /// A column's new value: title=short
        #[arg(long = "set", value_name = "COLUMN=VALUE", required_unless_present = "null")]
        set: Vec<String>,
        /// A column that becomes NULL
        #[arg(long = "null", value_name = "COLUMN")]
        null: Vec<String>,
    },
    /// Give held rows up, and try those that wait behind them
    Drop(HeldRows),
}

#[derive(Debug, Args)]
struct HeldRows {
    #[command(flatten)]
    config: ConfigArgs,
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Their numbers
    #[arg(value_name = "ID", required_unless_present_any = ["table", "all"])]
    ids: Vec<u64>,
    /// All rows of this table of the target: shop.item
    #[arg(long, value_name = "TABLE", conflicts_with = "ids", value_parser = parse_table)]
    table: Option<TableName>,
    /// All rows of the pipeline
    #[arg(long, conflicts_with_all = ["ids", "table"])]
    all: bool,
}

pub(super) fn parse_table(text: &str) -> Result<TableName, String> {
    match text.split_once('.') {
        Some((database, table)) if !database.is_empty() && !table.is_empty() => {
            Ok(TableName::new(database, table))
        }
        Some(_) | None => Err("write DATABASE.TABLE".to_owned()),
    }
}

impl QuarantineArgs {
    /// Does what is asked.
    pub(super) async fn answer(self) -> Exit {
        let (config, pipeline, act) = match self.command {
            QuarantineCommand::List { of, table, json } => {
                let Some(config) = load(&of.config) else { return Exit::Usage };
                let which = table.map_or(Selection::All, Selection::Table);
                let format = if json { StatusFormat::Json } else { StatusFormat::Text };
                return quarantine::list(&config, of.pipeline.as_deref(), &which, format).await;
            }
            QuarantineCommand::Edit { config, pipeline, id, set, null } => {
                let mut values = Vec::new();
                for text in set {
                    let Some((column, value)) = text.split_once('=') else {
                        complain("--set takes COLUMN=VALUE");
                        return Exit::Usage;
                    };
                    values.push((column.to_owned(), NewValue::Text(value.to_owned())));
                }
                values.extend(null.into_iter().map(|column| (column, NewValue::Null)));
                (config, pipeline, Act::Edit { id, values })
            }
            QuarantineCommand::Show(rows) => rows.into_act(Act::Show),
            QuarantineCommand::Retry(rows) => rows.into_act(Act::Retry),
            QuarantineCommand::Drop(rows) => rows.into_act(Act::Drop),
        };
        let Some(config) = load(&config) else { return Exit::Usage };
        quarantine::act(&config, &pipeline, act).await
    }
}

impl HeldRows {
    fn into_act(self, act: fn(Selection) -> Act) -> (ConfigArgs, String, Act) {
        let which = match self.table {
            Some(table) => Selection::Table(table),
            None if self.all => Selection::All,
            None => Selection::Ids(self.ids),
        };
        (self.config, self.pipeline, act(which))
    }
}
