//! Settings of the source without which nothing can be read, or not everything.

use super::error::SelectError;
use crate::connection::{DumpError, ServerInfo};

/// Refuses a source whose binlog does not hold what is needed.
pub(super) fn check(info: &ServerInfo) -> Result<(), SelectError> {
    if !info.log_bin {
        return Err(DumpError::NoBinlog.into());
    }
    refuse_unless(
        "binlog_format",
        info.binlog_format.as_deref(),
        "ROW",
        "run SET GLOBAL binlog_format = ROW on the source, write it into its configuration, and \
         reconnect the applications",
    )?;
    refuse_unless(
        "binlog_row_image",
        info.binlog_row_image.as_deref(),
        "FULL",
        "run SET GLOBAL binlog_row_image = FULL on the source, write it into its configuration, \
         and reconnect the applications",
    )
}

/// A server that does not have the variable has nothing else to offer.
fn refuse_unless(
    variable: &'static str,
    value: Option<&str>,
    needed: &str,
    remedy: &'static str,
) -> Result<(), SelectError> {
    match value {
        Some(value) if !value.eq_ignore_ascii_case(needed) => {
            Err(SelectError::Setting { variable, value: value.to_owned(), remedy })
        }
        _ => Ok(()),
    }
}
