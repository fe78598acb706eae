//! `resync` on the command line.

use std::sync::Arc;

use clap::Args;
use otter_core::{ResyncRequest, ResyncWish, TableName};

use super::quarantine::parse_table;
use super::{ConfigArgs, load};
use crate::exit::Exit;
use crate::resync::{self, Asking};
use crate::status::StatusFormat;
use crate::terminal::complain;

#[derive(Debug, Args)]
pub(super) struct ResyncArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// The table, by its name in the source: shop.item
    #[arg(value_name = "TABLE", value_parser = parse_table,
          required_unless_present_any = ["list", "cancel"])]
    table: Option<TableName>,
    /// Only the row with this key: its values in the key's order with commas between them, 17 or
    /// 'a b',17; may be given several times. Where the source has no such row, the target's goes
    #[arg(long = "key", value_name = "KEY", allow_hyphen_values = true)]
    keys: Vec<String>,
    /// Of a key other than the primary one, the columns that `--key` gives values of: region,number
    #[arg(long, value_name = "COLUMNS", requires = "keys", value_delimiter = ',')]
    key_columns: Vec<String>,
    /// Only the rows for which this holds at the source: price > 100. Rows that only the target has
    /// stay
    #[arg(long = "where", value_name = "SQL", conflicts_with = "keys")]
    condition: Option<String>,
    /// Do it
    #[arg(long)]
    yes: bool,
    /// Wait until it is done, and tell how far it is
    #[arg(long, requires = "yes")]
    wait: bool,
    /// Print what was asked for, and how far it is
    #[arg(long, conflicts_with_all = ["table", "cancel", "keys", "condition", "yes"])]
    list: bool,
    /// With `--list`: print JSON
    #[arg(long, requires = "list")]
    json: bool,
    /// Give up the request with this number; what was copied stays
    #[arg(long, value_name = "ID", conflicts_with_all = ["table", "keys", "condition", "yes"])]
    cancel: Option<u64>,
}

impl ResyncArgs {
    /// Does what is asked.
    pub(super) async fn answer(self) -> Exit {
        let Some(config) = load(&self.config) else { return Exit::Usage };
        if let Some(id) = self.cancel {
            return resync::cancel(&config, &self.pipeline, id).await;
        }
        let Some(table) = self.table else {
            let format = if self.json { StatusFormat::Json } else { StatusFormat::Text };
            return resync::list(&config, &self.pipeline, format).await;
        };
        if self.keys.iter().any(|key| key.contains('\n')) {
            complain("a key of --key holds the end of a line: write its text as X'…'");
            return Exit::Usage;
        }
        let wish = match self.condition {
            Some(condition) => ResyncWish::Where(condition.into()),
            None if self.keys.is_empty() => ResyncWish::All,
            None => {
                let columns: Arc<[Arc<str>]> =
                    self.key_columns.iter().map(|name| Arc::from(name.trim())).collect();
                ResyncWish::Keys { columns, keys: self.keys.join("\n").into() }
            }
        };
        let asking = match (self.yes, self.wait) {
            (false, _) => Asking::Preview,
            (true, false) => Asking::Ask,
            (true, true) => Asking::Wait,
        };
        resync::ask(&config, &self.pipeline, (&ResyncRequest { table, wish }, asking)).await
    }
}
