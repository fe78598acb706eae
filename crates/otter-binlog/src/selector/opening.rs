//! Whether the source is the one that a position is about, and where the dump begins.
//!
//! A position names the last transaction that was read. The dump begins with that very
//! transaction, so that a source that was reset, restored or replaced is noticed before anything
//! new is read from it.

use std::time::Duration;

use otter_core::{FilePlace, Fingerprint, Gtid, GtidSet, Place, Position};
use tracing::{debug, warn};

use super::assembler::SourceFacts;
use super::error::SelectError;
use super::status::{
    BinlogFile, binlog_files, has_mysql_gtids, mariadb_gtids_at, mysql_sets, oldest, subtract,
};
use super::tape::FILE_BEGIN;
use crate::connection::{Connection, DumpError, DumpStart, Flavor, ServerInfo};
use crate::schema::compile::Naming;
use crate::schema::reader::quote;

/// How long a transaction that was sent may take to be executed. Waiting is only for a source that
/// has lost it anyway.
const EXECUTION_LIMIT: Duration = Duration::from_secs(3);

/// The greatest offset that the request for a dump can hold.
const REQUEST_LIMIT: u64 = 0xffff_ffff;

/// What is asked for, and the place up to which everything is passed over.
type Begin = (DumpStart, Option<FilePlace>);

/// How to begin.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) start: DumpStart,
    /// The place up to which everything is passed over, where the dump must begin before it.
    pub(super) ahead: Option<FilePlace>,
    /// What the first transaction must look like.
    pub(super) expected: Option<Fingerprint>,
    pub(super) facts: SourceFacts,
    /// Whether a source that has nothing to send has lost the expected transaction.
    pub(super) is_lost_when_idle: bool,
}

/// Checks the source's identity and finds the place to begin.
pub(super) async fn open_at(
    connection: &mut Connection,
    info: &ServerInfo,
    from: &Position,
) -> Result<Opening, SelectError> {
    check_source(info, from)?;
    check_halves(from)?;
    let place = &from.resume_from;
    let (begin, expected, is_lost_when_idle) = match &place.gtids {
        Some(set @ GtidSet::MySql(_)) => {
            let applied = from.applied_through.gtids.as_ref().unwrap_or(set);
            let (start, expected) = by_mysql_gtids(connection, info, place, [set, applied]).await?;
            ((start, None), expected, false)
        }
        Some(GtidSet::MariaDb(_)) | None => {
            check_applied(connection, from).await?;
            let (begin, expected) = by_file(connection, info, place).await?;
            (begin, expected, true)
        }
    };
    let folds = info.variable("lower_case_table_names").is_some_and(|value| value != "0");
    let facts = SourceFacts {
        folds_names: folds,
        tracks_gtids: matches!(place.gtids, Some(GtidSet::MySql(_))),
        naming: Naming::Real,
    };
    let (start, ahead) = begin;
    Ok(Opening { start, ahead, expected, facts, is_lost_when_idle })
}

fn check_source(info: &ServerInfo, from: &Position) -> Result<(), SelectError> {
    let Some(expected) = from.source.as_deref() else { return Ok(()) };
    let found = info.server_uuid.as_deref().unwrap_or("without server_uuid");
    if expected == found {
        return Ok(());
    }
    Err(SelectError::OtherServer { expected: expected.to_owned(), found: found.to_owned() })
}

/// What was applied behind the place where reading begins is told by its last transaction.
fn check_halves(from: &Position) -> Result<(), SelectError> {
    if from.is_settled() || from.applied_through.last.is_some() {
        return Ok(());
    }
    Err(SelectError::BadPlace {
        place: from.applied_through.to_string(),
        problem: format!(
            "reading begins at {}, and where to stop leaving out what is applied is not known",
            from.resume_from
        ),
    })
}

/// While an XA transaction waits, what was applied ends behind the place where reading begins: the
/// source must still have all of it.
async fn check_applied(connection: &mut Connection, from: &Position) -> Result<(), SelectError> {
    let Some(applied) = &from.applied_through.file else { return Ok(()) };
    if from.is_settled() {
        return Ok(());
    }
    let files = binlog_files(connection).await?;
    match find(&files, applied) {
        Some(holder) if applied.offset <= holder.size => Ok(()),
        Some(holder) => Err(SelectError::OtherHistory {
            what: format!("{} has only {} bytes", applied.file, holder.size),
        }),
        None => Err(missing(&files, applied)),
    }
}

async fn by_mysql_gtids(
    connection: &mut Connection,
    info: &ServerInfo,
    place: &Place,
    [set, applied]: [&GtidSet; 2],
) -> Result<(DumpStart, Option<Fingerprint>), SelectError> {
    if info.flavor() != Flavor::MySql {
        return Err(DumpError::OtherFlavor { server: info.flavor() }.into());
    }
    if !has_mysql_gtids(info) {
        return Err(DumpError::NoGtids.into());
    }
    // MySQL: with semi-synchronous replication, and for a moment in every group commit, a
    // transaction is sent before it is in the executed set.
    for set in [set, applied] {
        wait_for(connection, set).await?;
    }
    let (executed, purged) = mysql_sets(connection).await?;
    for set in [set, applied] {
        if executed.covers(set) != Some(true) {
            let lost = subtract(connection, &set.to_string(), &executed.to_string()).await;
            let what = format!("it has not executed {lost}");
            return Err(SelectError::OtherHistory { what });
        }
    }
    if set.covers(&purged) != Some(true) {
        let what = subtract(connection, &purged.to_string(), &set.to_string()).await;
        return Err(SelectError::Purged { what, oldest: oldest(connection).await });
    }
    let everything = |set: &GtidSet| DumpStart::MySqlGtid(set.to_string());
    let Some(last) = &place.last else { return Ok((everything(set), None)) };
    let Some(gtid @ Gtid::MySql { .. }) = &last.gtid else { return Ok((everything(set), None)) };
    if purged.contains(gtid) {
        warn!(%gtid, "the last transaction read is purged: the source is taken for the same");
        return Ok((everything(set), None));
    }
    let mut without = set.clone();
    without.remove(gtid);
    Ok((everything(&without), Some(last.clone())))
}

/// Waits a little until the set is executed; whether it is, is asked afterwards.
async fn wait_for(connection: &mut Connection, set: &GtidSet) -> Result<(), SelectError> {
    let seconds = EXECUTION_LIMIT.as_secs();
    let sql = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET({}, {seconds})", quote(&set.to_string()));
    connection.query(&sql).await?;
    Ok(())
}

async fn by_file(
    connection: &mut Connection,
    info: &ServerInfo,
    place: &Place,
) -> Result<(Begin, Option<Fingerprint>), SelectError> {
    if matches!(place.gtids, Some(GtidSet::MariaDb(_))) && info.flavor() != Flavor::MariaDb {
        return Err(DumpError::OtherFlavor { server: info.flavor() }.into());
    }
    let Some(file) = &place.file else {
        let start = match &place.gtids {
            Some(gtids) => DumpStart::MariaDbGtid(gtids.to_string()),
            // Nothing at all is known: everything that there is.
            None => DumpStart::File { name: String::new(), offset: FILE_BEGIN },
        };
        return Ok(((start, None), None));
    };
    let files = binlog_files(connection).await?;
    if let Some(last) = &place.last {
        if let Some(holder) = find(&files, &last.start) {
            // The transaction itself must be there, not only the place where it began.
            if last.start.offset >= holder.size {
                return Err(SelectError::OtherHistory {
                    what: format!("{} has only {} bytes", last.start.file, holder.size),
                });
            }
            return Ok((from_file(&last.start, REQUEST_LIMIT), Some(last.clone())));
        }
        check_gtids(connection, info, place, file).await?;
        warn!(
            file = %last.start.file,
            "the file of the last transaction read is purged: the source is taken for the same"
        );
    }
    if place.last.is_none() {
        check_gtids(connection, info, place, file).await?;
    }
    match find(&files, file) {
        Some(holder) if file.offset <= holder.size => Ok((from_file(file, REQUEST_LIMIT), None)),
        Some(holder) => Err(SelectError::OtherHistory {
            what: format!("{} has only {} bytes", file.file, holder.size),
        }),
        None => Err(missing(&files, file)),
    }
}

/// MariaDB: where the last transaction cannot be read again, the server still knows which GTIDs
/// were before the place.
async fn check_gtids(
    connection: &mut Connection,
    info: &ServerInfo,
    place: &Place,
    file: &FilePlace,
) -> Result<(), SelectError> {
    let (Flavor::MariaDb, Some(gtids)) = (info.flavor(), &place.gtids) else { return Ok(()) };
    let Some(found) = mariadb_gtids_at(connection, file).await else { return Ok(()) };
    if found.covers(gtids) == Some(true) && gtids.covers(&found) == Some(true) {
        return Ok(());
    }
    Err(SelectError::OtherHistory {
        what: format!("before {file} it has {found} where {gtids} was read"),
    })
}

/// A file behind all others was never written by this source; one before them was purged.
fn missing(files: &[BinlogFile], place: &FilePlace) -> SelectError {
    let newest = files.last().map(|file| FilePlace::new(file.name.as_str(), file.size));
    match newest {
        Some(newest) if newest.covers(place) == Some(true) => SelectError::Purged {
            what: place.file.to_string(),
            oldest: files.first().map_or_else(|| "nothing".into(), |file| file.name.clone()),
        },
        newest => SelectError::OtherHistory {
            what: match newest {
                Some(newest) => format!("its newest file is {}, not {}", newest.file, place.file),
                None => "it has no binlog files".to_owned(),
            },
        },
    }
}

fn find<'a>(files: &'a [BinlogFile], place: &FilePlace) -> Option<&'a BinlogFile> {
    files.iter().find(|file| *file.name == *place.file)
}

/// A place behind `limit` is reached from the file's beginning: what lies before it is sent and
/// passed over, and the transaction before it is still recognised.
fn from_file(place: &FilePlace, limit: u64) -> Begin {
    let name = place.file.to_string();
    if place.offset <= limit {
        return (DumpStart::File { name, offset: place.offset }, None);
    }
    debug!(%place, "no server can be asked for this offset: the file is read from its beginning");
    (DumpStart::File { name, offset: FILE_BEGIN }, Some(place.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_no_request_can_name_is_reached_from_the_file_s_beginning() {
        let begin = |offset, limit| {
            let (start, ahead) = from_file(&FilePlace::new("b.000007", offset), limit);
            let DumpStart::File { name, offset } = start else { panic!("a file") };
            assert_eq!(name, "b.000007");
            (offset, ahead.map(|place| place.offset))
        };
        assert_eq!(begin(1000, 1000), (1000, None));
        assert_eq!(begin(1001, 1000), (4, Some(1001)));
        assert_eq!(begin(u64::from(u32::MAX), REQUEST_LIMIT), (u64::from(u32::MAX), None));
        assert_eq!(begin(1 << 32, REQUEST_LIMIT), (4, Some(1 << 32)));
    }
}
