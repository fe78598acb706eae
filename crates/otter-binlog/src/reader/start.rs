//! Where a start is in the files.

use otter_core::{FilePlace, GtidSet, Place, SourceTime, Start};

use super::error::ReadError;
use super::files::BinlogFiles;
use crate::bisection::Bisection;
use crate::selector::assembler::Passing;
use crate::selector::tape::FILE_BEGIN;

/// How to begin.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) index: usize,
    pub(super) offset: u64,
    /// What came before it, where that is known.
    pub(super) gtids: Option<GtidSet>,
    pub(super) passing: Passing,
    /// Whether `gtids` with those of the transactions read make a position: not where reading
    /// begins in the middle of a file of MySQL, whose sets have gaps.
    pub(super) is_complete: bool,
}

pub(super) fn find(
    files: &BinlogFiles,
    start: &Start,
    max_event: usize,
) -> Result<Beginning, ReadError> {
    match start {
        Start::Earliest => at_file(files, 0, Passing::Nothing, max_event),
        Start::Now => {
            let (index, offset) = (files.last(), files.size(files.last())?.max(FILE_BEGIN));
            Ok(inside(index, offset, None))
        }
        Start::At(Place { file: Some(place), gtids, .. }) => {
            at_place(files, place, gtids.clone(), max_event)
        }
        Start::At(Place { gtids: Some(gtids), .. }) => by_gtids(files, gtids, max_event),
        Start::At(_) => at_file(files, 0, Passing::Nothing, max_event),
        Start::Since(time) => by_time(files, *time, max_event),
    }
}

fn inside(index: usize, offset: u64, gtids: Option<GtidSet>) -> Beginning {
    let is_complete = gtids.is_some();
    Beginning { index, offset, gtids, passing: Passing::Nothing, is_complete }
}

fn at_file(
    files: &BinlogFiles,
    index: usize,
    passing: Passing,
    max_event: usize,
) -> Result<Beginning, ReadError> {
    // An empty set says as little as none: a server without GTIDs writes it too.
    let gtids = files.head(index, max_event)?.gtids.filter(|set| !set.is_empty());
    Ok(Beginning { index, offset: FILE_BEGIN, gtids, passing, is_complete: true })
}

fn at_place(
    files: &BinlogFiles,
    place: &FilePlace,
    gtids: Option<GtidSet>,
    max_event: usize,
) -> Result<Beginning, ReadError> {
    let Some(index) = files.index_of(&place.file) else {
        return Err(ReadError::NoSuchFile {
            file: place.file.to_string(),
            first: files.name(0),
            last: files.name(files.last()),
        });
    };
    let size = files.size(index)?;
    if place.offset > size {
        return Err(ReadError::BehindEnd { place: place.clone(), size });
    }
    if place.offset <= FILE_BEGIN {
        return at_file(files, index, Passing::Nothing, max_event);
    }
    Ok(inside(index, place.offset, gtids))
}

/// The last file that begins with no more than the set holds.
fn by_gtids(files: &BinlogFiles, set: &GtidSet, max_event: usize) -> Result<Beginning, ReadError> {
    let before = |index: usize| {
        let head = files.head(index, max_event)?;
        head.gtids.ok_or_else(|| ReadError::NoGtids {
            file: files.name(index),
            problem: "it does not tell which GTIDs came before it; begin at a file and offset",
        })
    };
    let mut search = Bisection::over(files.paths().len());
    while let Some(index) = search.next() {
        let holds = set.covers(&before(index)?).ok_or_else(|| ReadError::NoGtids {
            file: files.name(index),
            problem: "one is of MySQL and the other of MariaDB",
        })?;
        search.answer(holds);
    }
    let Some(index) = search.found() else {
        let (first, before) = (files.name(0), before(0)?.to_string());
        return Err(ReadError::Purged { first, before });
    };
    Ok(Beginning {
        index,
        offset: FILE_BEGIN,
        gtids: Some(set.clone()),
        passing: Passing::Set(set.clone()),
        is_complete: true,
    })
}

/// The last file that was begun before the time. What is in the files before it was committed
/// before it was begun.
fn by_time(
    files: &BinlogFiles,
    time: SourceTime,
    max_event: usize,
) -> Result<Beginning, ReadError> {
    let mut search = Bisection::over(files.paths().len());
    while let Some(index) = search.next() {
        let begun = files.head(index, max_event)?.begun_at.unwrap_or(0);
        search.answer(is_begun_before(begun, time));
    }
    at_file(files, search.found().unwrap_or(0), Passing::Before(time), max_event)
}

/// Whether a file was begun in a second before that of the time: in the same one the file before it
/// may still have been written.
pub(crate) fn is_begun_before(begun_at: u32, time: SourceTime) -> bool {
    u64::from(begun_at) < time.seconds()
}
