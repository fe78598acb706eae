//! Settings of the source without which nothing can be read, or not everything.

use tracing::warn;

use super::error::SelectError;
use super::options::RowsNeeded;
use crate::connection::{DumpError, ServerInfo};

const FORMAT: &str = "binlog_format";
const IMAGE: &str = "binlog_row_image";

/// Refuses a source whose binlog does not hold what is needed.
pub(super) fn check(info: &ServerInfo, needed: RowsNeeded) -> Result<(), SelectError> {
    if !info.log_bin {
        return Err(DumpError::NoBinlog.into());
    }
    let images = match needed {
        RowsNeeded::Whole => {
            let remedy = "run SET GLOBAL binlog_format = ROW on the source, write it into its \
                          configuration, and reconnect the applications";
            refuse_unless(FORMAT, info.binlog_format.as_deref(), &["ROW"], remedy)?;
            &["FULL"][..]
        }
        RowsNeeded::AsLogged => &["FULL", "MINIMAL", "NOBLOB"],
    };
    let remedy = "run SET GLOBAL binlog_row_image = FULL on the source, write it into its \
                  configuration, and reconnect the applications";
    refuse_unless(IMAGE, info.binlog_row_image.as_deref(), images, remedy)
}

/// Warns of what will end a reading that is allowed to begin.
pub(super) fn warn_of(info: &ServerInfo, needed: RowsNeeded) {
    let format = info.binlog_format.as_deref().unwrap_or("ROW");
    if needed == RowsNeeded::AsLogged && !format.eq_ignore_ascii_case("ROW") {
        warn!(
            binlog_format = format,
            "the source may log changes as statements, and the first of them ends the reading: \
             run SET GLOBAL binlog_format = ROW on the source and reconnect the applications"
        );
    }
}

/// A server that does not have the variable has nothing else to offer.
fn refuse_unless(
    variable: &'static str,
    value: Option<&str>,
    allowed: &[&str],
    remedy: &'static str,
) -> Result<(), SelectError> {
    match value {
        Some(value) if !allowed.iter().any(|one| value.eq_ignore_ascii_case(one)) => {
            Err(SelectError::Setting { variable, value: value.to_owned(), remedy })
        }
        _ => Ok(()),
    }
}
