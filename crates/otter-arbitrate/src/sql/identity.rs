//! The identity of an arbiter in a database: its id is made once, and made again as the same where this
//! machine remembers it and its tables are gone.
//!
//! Terms are counted in the same row as the id, so that both are lost together. They go on far above
//! what this machine has seen.

use otter_core::ArbiterId;
use otter_core::database_url::DatabaseUrl;
use tracing::warn;

use super::conn::{Conn, TextRow};
use super::error::SqlArbiterError;
use super::text::{LAYOUT, Texts};
use crate::known::Known;
use crate::random::random_name;

/// Other processes may have been granted terms that this machine has not seen; nobody is granted so
/// many in between. Terms are counted with 64 bits.
const TERMS_UNSEEN: u64 = 1_000_000;

/// An arbiter as its tables tell it.
pub(super) struct Found {
    pub(super) id: ArbiterId,
    pub(super) last_term: u64,
}

/// Makes the tables that are missing.
pub(super) async fn make_missing(conn: &mut Conn, texts: &Texts) -> sqlx::Result<()> {
    let rows = conn.query(texts.look_for_tables()).await?;
    let (has_schema, tables) = count_tables(&rows);
    if tables < ALL_TABLES {
        if !has_schema {
            conn.query(texts.make_schema()).await?;
        }
        conn.query(texts.make_tables()).await?;
    }
    Ok(())
}

/// The arbiter's id: read where it is there, else made with its tables: as this machine remembers it,
/// or from randomness.
pub(super) async fn open_id(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
    known: Option<&Known>,
) -> Result<Found, SqlArbiterError> {
    let failed = |error: sqlx::Error| SqlArbiterError::asking(url, texts.schema(), &error);
    make_missing(conn, texts).await.map_err(failed)?;
    let place = format!("{}/{}", url.address(), texts.schema());
    let above = known.map_or(0, |known| known.seen.saturating_add(TERMS_UNSEEN));
    if let Some(found) = read_id(conn, url, texts).await? {
        let is_older = |known: &&Known| known.id == found.id && known.seen > found.last_term;
        if known.filter(is_older).is_none() {
            return Ok(found);
        }
        warn!(arbiter = %found.id, %place, "the arbiter's records are older than what this machine \
             remembers; terms go on above");
        conn.query(texts.raise_terms(above)).await.map_err(failed)?;
        return Ok(Found { last_term: found.last_term.max(above), ..found });
    }
    let id = match known {
        Some(known) => known.id.to_string(),
        None => format!("mysql-{}", random_name().map_err(SqlArbiterError::NoRandomness)?),
    };
    conn.query(texts.make_id(&id, above)).await.map_err(failed)?;
    // Another process may have been first: its id is the one.
    let what = "no arbiter id, though it has just been written";
    let found = read_id(conn, url, texts).await?;
    let found = found.ok_or_else(|| SqlArbiterError::BadAnswer { place: place.clone(), what })?;
    if known.is_some_and(|known| known.id == found.id) {
        warn!(arbiter = %found.id, %place, "the arbiter's tables were gone; they are made again as \
             the same arbiter");
    }
    Ok(found)
}

pub(super) async fn peek_id(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
) -> Result<Option<ArbiterId>, SqlArbiterError> {
    match read_id(conn, url, texts).await {
        Err(error) if error.is_missing_table() => Ok(None),
        outcome => Ok(outcome?.map(|found| found.id)),
    }
}

pub(super) async fn read_id(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
) -> Result<Option<Found>, SqlArbiterError> {
    let rows = conn
        .query(texts.read_id())
        .await
        .map_err(|error| SqlArbiterError::asking(url, texts.schema(), &error))?;
    let Some([Some(id), Some(layout), Some(last_term)]) = rows.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let place = || format!("{}/{}", url.address(), texts.schema());
    if *layout != LAYOUT.to_string() {
        let found = layout.clone();
        return Err(SqlArbiterError::Layout { place: place(), found, known: LAYOUT });
    }
    let what = "a last term that is no number";
    let bad = |_| SqlArbiterError::BadAnswer { place: place(), what };
    let last_term = last_term.parse().map_err(bad)?;
    Ok(Some(Found { id: ArbiterId::new(id.as_str()), last_term }))
}

pub(super) const ALL_TABLES: u32 = 6;

/// Whether the schema is there, and how many of its tables.
pub(super) fn count_tables(rows: &[TextRow]) -> (bool, u32) {
    let Some([Some(schemata), Some(tables)]) = rows.first().map(Vec::as_slice) else {
        return (false, 0);
    };
    (schemata != "0", tables.parse().unwrap_or(0))
}
