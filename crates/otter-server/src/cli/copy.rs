//! `copy` on the command line.

use clap::Args;

use super::{PositionOf, load};
use crate::copy;
use crate::exit::Exit;
use crate::status::StatusFormat;

#[derive(Debug, Args)]
pub(super) struct CopyArgs {
    #[command(flatten)]
    of: PositionOf,
    /// Show it until all is copied
    #[arg(long, conflicts_with = "json")]
    follow: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CopyArgs {
    /// Does what is asked.
    pub(super) async fn answer(self) -> Exit {
        let Some(config) = load(&self.of.config) else { return Exit::Usage };
        let name = self.of.pipeline.as_deref();
        if self.follow {
            return copy::follow(&config, name).await;
        }
        let format = if self.json { StatusFormat::Json } else { StatusFormat::Text };
        copy::show(&config, name, format).await
    }
}
