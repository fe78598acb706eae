//! Who holds what, read from the tables for people.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_core::database_url::DatabaseUrl;
use otter_core::{Holder, PipelineId, Side, Term};

use super::conn::{Conn, TextRow};
use super::error::SqlArbiterError;
use super::identity::peek_id;
use super::text::Texts;
use crate::report;
use crate::status::{ArbiterStatus, HeldSide, PresentNode};

pub(super) async fn status(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
    sides: &[Side],
) -> Result<ArbiterStatus, SqlArbiterError> {
    let Some(id) = peek_id(conn, url, texts).await? else {
        let sides = vec![None; sides.len()];
        let (nodes, paused) = (Vec::new(), BTreeSet::new());
        let reports = vec![None; sides.len()];
        return Ok(ArbiterStatus { id: None, sides, reports, nodes, paused });
    };
    let failed = |error: sqlx::Error| SqlArbiterError::asking(url, texts.schema(), &error);
    let bad = |what| SqlArbiterError::BadAnswer {
        place: format!("{}/{}", url.address(), texts.schema()),
        what,
    };
    let rows = conn.query(texts.status()).await.map_err(failed)?;
    let mut held = HashMap::new();
    for row in &rows {
        let (side, found) = read(row).ok_or_else(|| bad("a lease without a term or times"))?;
        held.insert(side, found);
    }
    let found: Vec<Option<Found>> =
        sides.iter().map(|side| held.remove(&side.to_string())).collect();
    // Tables that an earlier version did not have are as good as empty.
    let rows = rows_if_any(conn.query(texts.nodes()).await.map_err(failed))?;
    let mut nodes = Vec::with_capacity(rows.len());
    for row in rows {
        let [Some(name), Some(token)] = row.as_slice() else {
            return Err(bad("a node without a name"));
        };
        let held = found.iter().flatten().filter(|found| found.token == *token).count();
        nodes.push(PresentNode { name: name.clone(), held });
    }
    let rows = rows_if_any(conn.query(texts.paused()).await.map_err(failed))?;
    let name = |row: TextRow| row.into_iter().next().flatten();
    let paused = rows.into_iter().filter_map(name).map(PipelineId::new).collect();
    let is_any_held = found.iter().any(Option::is_some);
    let rows = if is_any_held {
        rows_if_any(conn.query(texts.reports()).await.map_err(failed))?
    } else {
        Vec::new()
    };
    let told = report::Found::read(rows.iter().flatten().flatten().map(String::as_str));
    let of =
        |(side, found): (&Side, &Option<Found>)| told.of(side, found.as_ref()?.held.holder.term);
    let reports = sides.iter().zip(&found).map(of).collect();
    let sides = found.into_iter().map(|found| found.map(|found| found.held)).collect();
    Ok(ArbiterStatus { id: Some(id), sides, reports, nodes, paused })
}

/// The rows of a table; none where it is not there.
fn rows_if_any(
    rows: Result<Vec<TextRow>, SqlArbiterError>,
) -> Result<Vec<TextRow>, SqlArbiterError> {
    match rows {
        Err(error) if error.is_missing_table() => Ok(Vec::new()),
        rows => rows,
    }
}

/// A side that is held, and the session that holds it.
struct Found {
    held: HeldSide,
    token: String,
}

fn read(row: &TextRow) -> Option<(String, Found)> {
    let [Some(side), Some(term), Some(holder), Some(since), Some(until), Some(token)] =
        row.as_slice()
    else {
        return None;
    };
    let holder = Holder { name: holder.clone(), term: Term(term.parse().ok()?) };
    let (since, until) = (Some(time(since)?), Some(time(until)?));
    let held = HeldSide { holder, since, until, lease: None };
    Some((side.clone(), Found { held, token: token.clone() }))
}

/// Seconds since 1970, with a fraction.
fn time(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds.parse().ok()?, micros.checked_mul(1_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_fraction() {
        let after = |text| time(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap());
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("7.5"), Some(Duration::from_millis(7_500)));
        assert_eq!(after("7.123456"), Some(Duration::from_micros(7_123_456)));
        for text in ["", "x", "7.x", "-1"] {
            assert_eq!(after(text), None, "{text}");
        }
    }
}
