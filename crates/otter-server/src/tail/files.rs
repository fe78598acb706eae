//! Prints what is in binlog files.

use std::path::Path;

use otter_binlog::reader::{BinlogFiles, BinlogReader, ReadOptions};
use otter_core::Start;
use tokio::task::{block_in_place, yield_now};

use super::end::End;
use super::printer::Printer;
use super::{Extent, Failure, Wanted};
use crate::terminal::note;

/// Prints the changes of these tables from a start to an end.
pub(super) async fn print(
    path: &Path,
    extent: Extent,
    mut printer: Printer,
) -> Result<(), Failure> {
    let Extent { from, until, tables } = extent;
    let wanted = Wanted::of(tables);
    let mut options = ReadOptions::new(|_| true);
    options.filter = wanted.tables;
    options.databases = wanted.databases.unwrap_or(options.databases);
    let (start, end) = (from.unwrap_or(Start::Earliest), End::of(until.as_ref()));
    let mut reader =
        block_in_place(|| BinlogReader::open(BinlogFiles::find(path)?, &start, options))?;
    while let Some(batch) = block_in_place(|| reader.next_batch())? {
        end.check_kind(&batch.after)?;
        if super::print(&batch, &end, &mut printer)
            || batch.through.is_some_and(|through| end.is_reached(&through))
        {
            return Ok(());
        }
        // A signal is seen here.
        yield_now().await;
    }
    if let Some(place) = reader.unfinished() {
        note(format_args!(
            "the files end inside the transaction at {place}, which is not shown: its server is \
             still writing it, or has stopped in the middle"
        ));
    }
    Ok(())
}
