//! Turns a start into a position of the source as it is now.

use otter_core::{FilePlace, GtidSet, Place, Position, Start};
use tracing::warn;

use super::error::SelectError;
use super::options::SelectorOptions;
use super::status::{
    binlog_end, binlog_files, has_mysql_gtids, mariadb_gtids_at, mysql_set, mysql_sets, oldest,
    subtract,
};
use super::tape::FILE_BEGIN;
use crate::connection::{Connection, DumpError, Flavor, ServerInfo};

pub(super) async fn locate(
    options: &SelectorOptions,
    start: &Start,
) -> Result<Position, SelectError> {
    let mut connection = Connection::connect(&options.url).await?;
    let info = connection.server_info().await?;
    super::checks::check(&info, options.rows_needed)?;
    let place = match start {
        Start::Now => {
            let place = now(&mut connection, &info).await?;
            tell_of_undecided(&mut connection).await;
            place
        }
        Start::Earliest => earliest(&mut connection, &info).await?,
        Start::At(place) => at(&mut connection, &info, place).await?,
        Start::Since(time) => {
            let since = super::since::since(options, &mut connection, &info, *time);
            let position = Box::pin(since).await?;
            connection.close().await;
            return Ok(Position {
                source: info.server_uuid.as_deref().map(Into::into),
                ..position
            });
        }
    };
    connection.close().await;
    Ok(Position::at(info.server_uuid.as_deref().map(Into::into), place))
}

async fn now(connection: &mut Connection, info: &ServerInfo) -> Result<Place, SelectError> {
    let end = binlog_end(connection, info).await?;
    let gtids = match info.flavor() {
        Flavor::MySql if has_mysql_gtids(info) => Some(mysql_set(&end.executed)?),
        Flavor::MySql => None,
        Flavor::MariaDb => mariadb_gtids_at(connection, &end.place).await,
    };
    Ok(Place { gtids, file: Some(end.place), last: None })
}

/// The rows of XA transactions that are prepared already lie before a start now.
async fn tell_of_undecided(connection: &mut Connection) {
    // MySQL: the list needs a right that reading does not (XA_RECOVER_ADMIN).
    let Ok(list) = connection.query("XA RECOVER").await else { return };
    let count = list.rows().len();
    if count > 0 {
        warn!(
            count,
            "XA transactions are prepared at the source and not decided: their rows lie before \
             the start, so the pipeline halts when one is committed; begin at an earlier position, \
             or when XA RECOVER lists none"
        );
    }
}

async fn earliest(connection: &mut Connection, info: &ServerInfo) -> Result<Place, SelectError> {
    if has_mysql_gtids(info) {
        let (_, purged) = mysql_sets(connection).await?;
        return Ok(Place::from_gtids(purged));
    }
    let files = binlog_files(connection).await?;
    let first = files.first().ok_or(DumpError::NoBinlog)?;
    let file = FilePlace::new(first.name.as_str(), FILE_BEGIN);
    let gtids = match info.flavor() {
        Flavor::MariaDb => mariadb_gtids_at(connection, &file).await,
        Flavor::MySql => None,
    };
    Ok(Place { gtids, file: Some(file), last: None })
}

/// Checks a place that an operator has given.
async fn at(
    connection: &mut Connection,
    info: &ServerInfo,
    place: &Place,
) -> Result<Place, SelectError> {
    match (&place.gtids, &place.file) {
        (Some(GtidSet::MySql(_)), _) if info.flavor() == Flavor::MySql => {
            at_gtids(connection, info, place).await
        }
        (Some(GtidSet::MariaDb(_)), None) if info.flavor() == Flavor::MariaDb => Ok(place.clone()),
        (Some(GtidSet::MariaDb(_)) | None, Some(file)) => {
            at_file(connection, file).await?;
            let gtids = match info.flavor() {
                Flavor::MariaDb => mariadb_gtids_at(connection, file).await,
                // INVARIANT LOSS-1: a set that lacks what came before would ask for all of it
                // again, so a place in a file stays one.
                Flavor::MySql => None,
            };
            Ok(Place { gtids: gtids.or(place.gtids.clone()), ..place.clone() })
        }
        (Some(_), _) => Err(DumpError::OtherFlavor { server: info.flavor() }.into()),
        (None, None) => Err(SelectError::BadPlace {
            place: "(nothing)".to_owned(),
            problem: "it names neither GTIDs nor a file".to_owned(),
        }),
    }
}

async fn at_gtids(
    connection: &mut Connection,
    info: &ServerInfo,
    place: &Place,
) -> Result<Place, SelectError> {
    if !has_mysql_gtids(info) {
        return Err(DumpError::NoGtids.into());
    }
    let Some(gtids) = &place.gtids else { return Ok(place.clone()) };
    let (executed, purged) = mysql_sets(connection).await?;
    if executed.covers(gtids) != Some(true) {
        let beyond = subtract(connection, &gtids.to_string(), &executed.to_string()).await;
        let problem = format!("the source has not executed {beyond}");
        return Err(SelectError::BadPlace { place: gtids.to_string(), problem });
    }
    if gtids.covers(&purged) != Some(true) {
        let what = subtract(connection, &purged.to_string(), &gtids.to_string()).await;
        return Err(SelectError::Purged { what, oldest: oldest(connection).await });
    }
    Ok(place.clone())
}

async fn at_file(connection: &mut Connection, place: &FilePlace) -> Result<(), SelectError> {
    let files = binlog_files(connection).await?;
    let Some(file) = files.iter().find(|file| *file.name == *place.file) else {
        let oldest = files.first().map_or_else(|| "nothing".into(), |file| file.name.clone());
        return Err(SelectError::Purged { what: place.file.to_string(), oldest });
    };
    if place.offset < FILE_BEGIN || place.offset > file.size {
        let problem = format!("the file has {} bytes and begins at {FILE_BEGIN}", file.size);
        return Err(SelectError::BadPlace { place: place.to_string(), problem });
    }
    Ok(())
}
