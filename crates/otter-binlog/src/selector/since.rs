//! Where a point in time is in a live source's files: a binary search over their first events, then
//! one file is read without decoding a row.

use otter_core::{Budget, FilePlace, GtidSet, Place, Position, SourceTime};

use super::assembler::{Assembler, Passing, SourceFacts};
use super::error::SelectError;
use super::options::{ReadOptions, SelectorOptions};
use super::status::{binlog_files, has_mysql_gtids};
use super::tape::FILE_BEGIN;
use crate::bisection::Bisection;
use crate::connection::{
    AtEnd, Connection, DumpError, DumpRequest, DumpStart, DumpStream, Flavor, ServerInfo,
};
use crate::event::EventKind;
use crate::event::head::{Head, HeadReader};
use crate::schema::compile::Naming;

/// The place before the first transaction that was committed at the time or later.
pub(super) async fn since(
    options: &SelectorOptions,
    connection: &mut Connection,
    info: &ServerInfo,
    time: SourceTime,
) -> Result<Position, SelectError> {
    let clock = connection.query("SELECT UNIX_TIMESTAMP() AS now").await?;
    let now = clock.first("now").and_then(|now| now.parse().ok()).unwrap_or(u64::MAX);
    if time.seconds() > now {
        let problem = format!(
            "it lies in the future: the source's clock says {}",
            SourceTime::from_seconds(now)
        );
        return Err(SelectError::BadPlace { place: time.to_string(), problem });
    }
    let files = binlog_files(connection).await?;
    let mut search = Bisection::over(files.len());
    while let Some(index) = search.next() {
        let Some(file) = files.get(index) else { break };
        let head = head(options, info, &file.name).await?;
        // In the second in which it was begun, the file before it may still have been written.
        search.answer(u64::from(head.begun_at.unwrap_or(0)) < time.seconds());
    }
    let file = files.get(search.found().unwrap_or(0)).ok_or(DumpError::NoBinlog)?;
    let head = head(options, info, &file.name).await?;
    scan(options, info, FilePlace::new(file.name.as_str(), FILE_BEGIN), head, time).await
}

async fn dump(
    options: &SelectorOptions,
    info: &ServerInfo,
    place: &FilePlace,
) -> Result<DumpStream, SelectError> {
    let connection = Connection::connect(&options.url).await?;
    let start = DumpStart::File { name: place.file.to_string(), offset: place.offset };
    let mut request = DumpRequest::new(start);
    request.heartbeat = options.heartbeat;
    request.max_event = options.max_event;
    request.at_end = AtEnd::Stop;
    // MariaDB: without offsets in the headers only complete files give the right place.
    request.annotate_rows = info.variable("binlog_legacy_event_pos") == Some("OFF");
    Ok(DumpStream::start(connection, info, &request).await?)
}

/// The first events of a file.
pub(super) async fn head(
    options: &SelectorOptions,
    info: &ServerInfo,
    name: &str,
) -> Result<Head, SelectError> {
    let place = FilePlace::new(name, FILE_BEGIN);
    let mut stream = dump(options, info, &place).await?;
    let mut reader = HeadReader::default();
    while let Some(bytes) = stream.next_event().await? {
        let kind = EventKind(bytes.get(4).copied().unwrap_or(0));
        let fail = |source| SelectError::Event { place: place.clone(), kind, source };
        if !reader.take(bytes).map_err(fail)? {
            break;
        }
    }
    Ok(reader.finish())
}

/// Reads from the beginning of a file until the first transaction of the time, or to the end.
async fn scan(
    options: &SelectorOptions,
    info: &ServerInfo,
    file: FilePlace,
    head: Head,
    time: SourceTime,
) -> Result<Position, SelectError> {
    let tracks_gtids = has_mysql_gtids(info);
    // MariaDB: an empty list says as little as none.
    let is_wanted = |set: &GtidSet| match info.flavor() {
        Flavor::MySql => tracks_gtids,
        Flavor::MariaDb => !set.is_empty(),
    };
    let gtids = head.gtids.filter(is_wanted);
    let begin = Place { gtids, file: Some(file.clone()), last: None };
    let facts = SourceFacts { folds_names: false, tracks_gtids, naming: Naming::Numbered };
    let nothing = ReadOptions { max_event: options.max_event, ..ReadOptions::new(|_| false) };
    let position = Position::at(None, begin);
    // Nothing is held: no row is wanted.
    let budget = Budget::new(nothing.fragment_bytes);
    let mut assembler = Assembler::new(nothing, facts, position, None, budget);
    assembler.pass_by(Passing::Before(time));
    let mut stream = dump(options, info, &file).await?;
    while assembler.found().is_none() {
        // What is inside a compressed transaction, if anything, cannot begin one.
        while assembler.has_payload() {
            drop(assembler.feed_payload()?);
        }
        let Some(bytes) = stream.next_event().await? else { break };
        drop(assembler.feed(bytes)?);
    }
    Ok(assembler.found().unwrap_or(assembler.position()).clone())
}
