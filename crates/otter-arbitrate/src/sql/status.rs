//! Who holds what, read from the tables for people.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_core::database_url::DatabaseUrl;
use otter_core::{Holder, Side, Term};

use super::conn::{Conn, TextRow};
use super::error::SqlArbiterError;
use super::peek_id;
use super::text::Texts;
use crate::status::{ArbiterStatus, HeldSide};

pub(super) async fn status(
    conn: &mut Conn,
    url: &DatabaseUrl,
    texts: &Texts,
    sides: &[Side],
) -> Result<ArbiterStatus, SqlArbiterError> {
    let Some(id) = peek_id(conn, url, texts).await? else {
        return Ok(ArbiterStatus { id: None, sides: vec![None; sides.len()] });
    };
    let rows = conn.query(texts.status()).await;
    let rows = rows.map_err(|error| SqlArbiterError::asking(url, texts.schema(), &error))?;
    let mut held = HashMap::new();
    for row in &rows {
        let (side, found) = read(row).ok_or_else(|| SqlArbiterError::BadAnswer {
            place: format!("{}/{}", url.address(), texts.schema()),
            what: "a lease without a term or times",
        })?;
        held.insert(side, found);
    }
    let sides = sides.iter().map(|side| held.remove(&side.to_string())).collect();
    Ok(ArbiterStatus { id: Some(id), sides })
}

fn read(row: &TextRow) -> Option<(String, HeldSide)> {
    let [Some(side), Some(term), Some(holder), Some(since), Some(until)] = row.as_slice() else {
        return None;
    };
    let holder = Holder { name: holder.clone(), term: Term(term.parse().ok()?) };
    let (since, until) = (Some(time(since)?), Some(time(until)?));
    Some((side.clone(), HeldSide { holder, since, until, lease: None }))
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
