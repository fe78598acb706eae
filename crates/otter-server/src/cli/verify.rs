//! `verify` on the command line.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use otter_core::TableName;

use super::quarantine::parse_table;
use super::{PositionOf, load};
use crate::exit::Exit;
use crate::status::StatusFormat;
use crate::verify::{self, Repair, VerifyWishes};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    of: PositionOf,
    /// Only this table, by its name in the source or in the target; may be given several times
    #[arg(long = "table", value_name = "DB.TABLE", value_parser = parse_table)]
    tables: Vec<TableName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The most rows that differ, of each table, that are printed; all are counted
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    rows: u32,
    /// Print no values: keys as digests, and the names of columns
    #[arg(long)]
    no_values: bool,
    /// Tell what would mend the rows that differ, and with --yes copy them from the source again
    #[arg(long, conflicts_with = "json")]
    repair: bool,
    /// Read so many rows a second of each side at most
    #[arg(long, value_name = "N")]
    rows_per_second: Option<NonZeroU64>,
    /// Compare nothing: tell what was found last, and when each table was last equal
    #[arg(long, conflicts_with_all = ["repair", "no_values", "rows", "rows_per_second"])]
    last: bool,
    /// With `--last`: a table whose last proof is older counts as not proven, and the exit code is 6
    #[arg(long, value_name = "SECONDS", requires = "last")]
    max_age: Option<u64>,
    /// With `--repair`: do it
    #[arg(long, requires = "repair")]
    yes: bool,
}

impl VerifyArgs {
    /// Does what is asked.
    pub(super) async fn answer(self) -> Exit {
        let Some(config) = load(&self.of.config) else { return Exit::Usage };
        let wishes = VerifyWishes {
            tables: self.tables,
            format: if self.json { StatusFormat::Json } else { StatusFormat::Text },
            rows: usize::try_from(self.rows).unwrap_or(usize::MAX),
            shows_values: !self.no_values,
            rows_per_second: self.rows_per_second,
            max_age: self.max_age.map(Duration::from_secs),
            repair: match (self.repair, self.yes) {
                (false, _) => Repair::No,
                (true, false) => Repair::Preview,
                (true, true) => Repair::Yes,
            },
        };
        if self.last {
            return verify::last(&config, self.of.pipeline.as_deref(), &wishes).await;
        }
        verify::verify(&config, self.of.pipeline.as_deref(), &wishes).await
    }
}
