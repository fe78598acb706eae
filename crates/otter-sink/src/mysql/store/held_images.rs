//! What held rows hold, read for many of them at once.

use super::Store;
use super::quarantine::{bad, push_hex, untold};
use crate::mysql::conn::ApplyConn;
use crate::mysql::error::MySqlLoadError;
use otter_core::TableName;

/// The most rows of a page.
const PAGE: usize = 1_000;

/// About so many bytes are read by one query; one row alone may have more.
const BYTES_AT_ONCE: u64 = 4 << 20;

/// A held row, and how many bytes it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldPlace {
    pub(crate) id: u64,
    pub(crate) table: TableName,
    pub(crate) cause: Option<u64>,
    pub(crate) bytes: u64,
}

/// What a held row holds: as it was, and behind that as an operator has edited it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldImage {
    pub(crate) place: HeldPlace,
    pub(crate) is_edited: bool,
    pub(crate) bytes: Vec<u8>,
}

impl HeldImage {
    /// How many of these rows are read by one query; one at least.
    pub(crate) fn at_once(rows: &[HeldPlace]) -> usize {
        let mut bytes = 0_u64;
        let fits = |row: &&HeldPlace| {
            bytes = bytes.saturating_add(row.bytes);
            bytes <= BYTES_AT_ONCE
        };
        rows.iter().take_while(fits).count().clamp(1, rows.len().max(1))
    }
}

impl Store {
    /// Some held rows behind a number, in order; none where there are no more.
    pub(crate) async fn held_page(
        &self,
        conn: &mut dyn ApplyConn,
        behind: u64,
    ) -> Result<Vec<HeldPlace>, MySqlLoadError> {
        let text = format!(
            "SELECT q.`id`, q.`database`, q.`table`, q.`cause`, \
             (SELECT SUM(LENGTH(p.`bytes`)) FROM {} p WHERE p.`id` = q.`id`) \
             FROM {} q WHERE q.`pipeline` = {} AND q.`id` > {behind} ORDER BY q.`id` LIMIT {PAGE}",
            self.quarantine_piece, self.quarantine, self.pipeline
        );
        let rows = conn.query(&text).await.map_err(untold)?;
        let parse = |row: &Vec<Option<String>>| {
            let [Some(id), Some(database), Some(table), cause, bytes] = row.as_slice() else {
                return None;
            };
            Some(HeldPlace {
                id: id.parse().ok()?,
                table: TableName::new(database.as_str(), table.as_str()),
                cause: match cause {
                    Some(cause) => Some(cause.parse().ok()?),
                    None => None,
                },
                bytes: match bytes {
                    Some(bytes) => bytes.parse().ok()?,
                    None => 0,
                },
            })
        };
        rows.iter()
            .map(|row| parse(row).ok_or_else(|| bad("one of its rows cannot be read")))
            .collect()
    }

    /// What these rows hold, in order, each as it was first.
    pub(crate) async fn held_images(
        &self,
        conn: &mut dyn ApplyConn,
        places: &[HeldPlace],
    ) -> Result<Vec<HeldImage>, MySqlLoadError> {
        let ids: Vec<String> = places.iter().map(|place| place.id.to_string()).collect();
        let text = format!(
            "SELECT `id`, `edited`, HEX(`bytes`) FROM {} WHERE `id` IN ({}) \
             ORDER BY `id`, `edited`, `piece`",
            self.quarantine_piece,
            ids.join(", ")
        );
        let mut pieces = conn.query(&text).await.map_err(untold)?.into_iter().peekable();
        let mut images: Vec<HeldImage> = Vec::with_capacity(places.len());
        for place in places {
            // Without pieces it is a row of which nothing is known.
            let bytes = Vec::new();
            images.push(HeldImage { place: place.clone(), is_edited: false, bytes });
            let id = place.id.to_string();
            while let Some(piece) = pieces.next_if(|piece| piece.first() == Some(&Some(id.clone())))
            {
                let [_, Some(edited), Some(digits)] = piece.as_slice() else {
                    return Err(bad("a piece of a held row is NULL"));
                };
                let is_edited = edited == "1";
                if images.last().is_none_or(|last| last.is_edited != is_edited) {
                    let (place, bytes) = (place.clone(), Vec::new());
                    images.push(HeldImage { place, is_edited, bytes });
                }
                let Some(image) = images.last_mut() else { continue };
                push_hex(&mut image.bytes, digits).ok_or_else(|| bad("a piece is no bytes"))?;
            }
        }
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_rows_are_read_at_once_and_a_large_one_alone() {
        let place =
            |bytes| HeldPlace { id: 1, table: TableName::new("a", "b"), cause: None, bytes };
        let small = vec![place(300); 1_000];
        assert_eq!(HeldImage::at_once(&small), 1_000);
        assert_eq!(HeldImage::at_once(&[place(BYTES_AT_ONCE + 1), place(1)]), 1);
        assert_eq!(HeldImage::at_once(&[place(1), place(BYTES_AT_ONCE), place(1)]), 1);
        assert_eq!(HeldImage::at_once(&[place(1), place(2), place(BYTES_AT_ONCE)]), 2);
    }
}
