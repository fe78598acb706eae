//! MariaDB 12.3's rows events in pieces (`PARTIAL_ROW_DATA_EVENT`): joined before they are read.
//!
//! Format: MariaDB's documentation, "PARTIAL_ROW_DATA_EVENT". Each piece tells how many there are
//! and which one it is, from 1; the first also tells the size of the whole. The whole is an event with
//! a header of its own, since nothing else tells its kind. No recorded file has such events: what
//! differs from the documentation is an error.

use super::{EventError, RawEvent, rows};
use crate::cursor::Cursor;

/// The size of the whole event stands in this piece.
const HAS_SIZE: u8 = 1;

/// The pieces of one event, as far as they have come.
#[derive(Default)]
pub(crate) struct Pieces {
    total: u32,
    come: u32,
    size: Option<u64>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Pieces {
    /// Shows counts only: the bytes hold row values (SECRET-1).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pieces({} of {})", self.come, self.total)
    }
}

impl Pieces {
    /// Adds the body of the next piece; returns the whole with the last one. `limit` bounds it.
    pub(crate) fn add(&mut self, body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, EventError> {
        let mut cursor = Cursor::new(body);
        let (total, number, flags) = (cursor.u32()?, cursor.u32()?, cursor.u8()?);
        if flags & !HAS_SIZE != 0 {
            return Err(EventError::Malformed("it has flags that are not known"));
        }
        if flags & HAS_SIZE != 0 {
            self.size = Some(cursor.u64()?);
        }
        if self.come == 0 {
            self.total = total;
        }
        if total != self.total || number != self.come.saturating_add(1) || number > total {
            return Err(EventError::Malformed("it is not the next piece of its rows"));
        }
        let piece = cursor.take_rest();
        if self.bytes.len().saturating_add(piece.len()) > limit {
            return Err(EventError::TooLarge { limit });
        }
        self.bytes.extend_from_slice(piece);
        self.come = number;
        if number < total {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        let length = u64::try_from(whole.bytes.len()).unwrap_or(u64::MAX);
        if whole.size.is_some_and(|size| size != length) {
            return Err(EventError::Malformed(
                "the pieces of its rows are not as long as they say",
            ));
        }
        Ok(Some(whole.bytes))
    }
}

/// The rows event that the pieces make.
pub(crate) fn joined(bytes: &[u8]) -> Result<RawEvent<'_>, EventError> {
    let event = RawEvent::parse_joined(bytes)?;
    if rows::classify(event.header.kind).is_none() {
        return Err(EventError::Malformed("its pieces make no rows event"));
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::test_bytes::EventBytes;

    const LIMIT: usize = 1 << 20;

    fn piece(total: u32, number: u32, size: Option<u64>, bytes: &[u8]) -> Vec<u8> {
        let mut body = [total.to_le_bytes(), number.to_le_bytes()].concat();
        body.push(u8::from(size.is_some()));
        body.extend(size.iter().flat_map(|size| size.to_le_bytes()));
        body.extend_from_slice(bytes);
        body
    }

    #[test]
    fn pieces_in_order_make_their_event() {
        let whole = EventBytes::new(EventKind::WRITE_ROWS_V1, &[7; 100]).plain();
        let size = Some(u64::try_from(whole.len()).unwrap());
        let mut pieces = Pieces::default();
        let (first, rest) = whole.split_at(50);
        let (second, third) = rest.split_at(20);
        assert_eq!(pieces.add(&piece(3, 1, size, first), LIMIT), Ok(None));
        assert_eq!(pieces.add(&piece(3, 2, None, second), LIMIT), Ok(None));
        let joint = pieces.add(&piece(3, 3, None, third), LIMIT).unwrap().unwrap();
        assert_eq!(joint, whole);
        let event = joined(&joint).unwrap();
        assert_eq!((event.header.kind, event.body), (EventKind::WRITE_ROWS_V1, &[7u8; 100][..]));
        // The next rows begin anew.
        assert_eq!(pieces.add(&piece(2, 1, None, b"x"), LIMIT), Ok(None));
    }

    #[test]
    fn a_checksum_of_the_whole_is_no_part_of_it() {
        let plain = EventBytes::new(EventKind::WRITE_ROWS_V1, &[7; 10]).plain();
        let with = |size: usize| {
            let mut bytes = plain.clone();
            bytes[9..13].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
            bytes
        };
        // Counted in its size and cut off, or there.
        assert_eq!(joined(&with(plain.len() + 4)).unwrap().body, [7; 10]);
        let mut checked = with(plain.len() + 4);
        checked.extend(crc32fast::hash(&checked).to_le_bytes());
        assert_eq!(joined(&checked).unwrap().body, [7; 10]);
        assert!(joined(&with(plain.len() + 1)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let errors = |bodies: &[Vec<u8>]| {
            let mut pieces = Pieces::default();
            bodies.iter().map(|body| pieces.add(body, LIMIT)).any(|outcome| outcome.is_err())
        };
        assert!(errors(&[piece(3, 2, None, b"x")]));
        assert!(errors(&[piece(3, 1, None, b"x"), piece(3, 3, None, b"x")]));
        assert!(errors(&[piece(3, 1, None, b"x"), piece(2, 2, None, b"x")]));
        assert!(errors(&[piece(0, 1, None, b"x")]));
        assert!(errors(&[piece(1, 1, Some(5), b"x")]));
        assert!(errors(&[piece(2, 1, None, &vec![0; LIMIT]), piece(2, 2, None, b"x")]));
        assert!(errors(&[vec![1, 0, 0, 0]]));
        let mut flagged = piece(1, 1, None, b"x");
        flagged[8] = 2;
        assert!(errors(&[flagged]));
        let query = EventBytes::new(EventKind::QUERY, &[7; 10]).plain();
        assert!(joined(&query).is_err());
    }
}
