//! The tagged GTID event of MySQL 8.3 and later, in the format of the server's serialization
//! library: fields with ids, of which newer ones may be ignored if the writer says so.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PageLibsMysqlSerialization.html>

use otter_core::Gtid;

use super::frame::EventError;
use super::gtid::MySqlGtidEvent;
use crate::cursor::Cursor;

const VERSION: u64 = 1;
const LONGEST_TAG: usize = 32;

impl MySqlGtidEvent {
    pub(crate) fn parse_tagged(body: &[u8]) -> Result<Self, EventError> {
        let mut cursor = Cursor::new(body);
        if number(&mut cursor)? != VERSION {
            return Err(EventError::Malformed("its serialization format is unknown"));
        }
        let whole = number(&mut cursor)?;
        let last_needed = number(&mut cursor)?;
        // The size covers everything from the version on.
        let read = body.len() - cursor.left();
        let fields = usize::try_from(whole)
            .ok()
            .and_then(|whole| whole.checked_sub(read))
            .ok_or(EventError::Short)?;
        let mut fields = Cursor::new(cursor.bytes(fields)?);
        let mut uuid = [0; 16];
        let mut tag = "";
        let mut transaction = 0;
        let mut committed_micros = None;
        while !fields.is_empty() {
            match number(&mut fields)? {
                // Flags, transaction length, server versions, the ticket of the commit group.
                0 | 8..=11 => drop(number(&mut fields)?),
                1 => {
                    for byte in &mut uuid {
                        *byte = u8::try_from(number(&mut fields)?)
                            .map_err(|_| EventError::Malformed("its uuid is not one"))?;
                    }
                }
                2 => transaction = signed(&mut fields)?,
                3 => tag = tag_text(&mut fields)?,
                // The logical clock.
                4 | 5 => drop(signed(&mut fields)?),
                6 => committed_micros = Some(number(&mut fields)?),
                7 => drop(number(&mut fields)?),
                unknown if unknown <= last_needed => {
                    return Err(EventError::Malformed("it has a field that must be understood"));
                }
                // How long an unknown field is cannot be known, and the ids ascend.
                _ => break,
            }
        }
        let Some(number) = u64::try_from(transaction).ok().filter(|number| *number > 0) else {
            return Err(EventError::Malformed("its transaction number is not positive"));
        };
        Ok(Self { gtid: Some(Gtid::MySql { uuid, tag: tag.into(), number }), committed_micros })
    }
}

/// A variable-length number: the ones at the low end of the first byte count the bytes behind it.
fn number(cursor: &mut Cursor<'_>) -> Result<u64, EventError> {
    let first = cursor.u8()?;
    let more = first.trailing_ones();
    let width = usize::try_from(more).map_err(|_| EventError::Short)?;
    let rest = cursor.uint(width)?;
    // With seven or eight bytes behind it the first one has no room for a part of the number.
    Ok(if more >= 7 { rest } else { u64::from(first) >> (more + 1) | rest << (7 - more) })
}

/// A signed number: the lowest bit is the sign, the others the value, less one if negative.
fn signed(cursor: &mut Cursor<'_>) -> Result<i64, EventError> {
    let zigzag = number(cursor)?;
    let value = (zigzag >> 1).cast_signed();
    Ok(if zigzag & 1 == 0 { value } else { -value - 1 })
}

pub(super) fn tag_text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, EventError> {
    let malformed = EventError::Malformed("its tag is not one");
    let length = usize::try_from(number(cursor)?).map_err(|_| EventError::Short)?;
    if length > LONGEST_TAG {
        return Err(malformed);
    }
    let bytes = cursor.bytes(length)?;
    let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    std::str::from_utf8(bytes).ok().filter(|_| plain).ok_or(malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(value: u64) -> Vec<u8> {
        let bits = usize::try_from(64 - value.leading_zeros()).unwrap().max(1);
        let width = bits.div_ceil(7).min(9);
        if width == 9 {
            return [&[0xff][..], &value.to_le_bytes()].concat();
        }
        let marker = (1_u128 << (width - 1)) - 1;
        let word = u128::from(value) << width | marker;
        word.to_le_bytes()[..width].to_vec()
    }

    fn event(fields: &[u8], last_needed: u64) -> Vec<u8> {
        let needed = encode(last_needed);
        let mut size = 2 + needed.len() + fields.len();
        if encode(u64::try_from(size).unwrap()).len() > 1 {
            size += 1;
        }
        [encode(1), encode(u64::try_from(size).unwrap()), needed, fields.to_vec()].concat()
    }

    fn known_fields() -> Vec<u8> {
        let mut fields = [encode(0), encode(1), encode(1)].concat();
        for byte in 1..=16_u64 {
            fields.extend(encode(byte * 15));
        }
        fields.extend([encode(2), encode(2 * 77)].concat());
        fields.extend([encode(3), encode(5), b"otter".to_vec()].concat());
        fields.extend([encode(4), encode(0), encode(5), encode(2)].concat());
        fields.extend([encode(6), encode(1_700_000_000_000_000)].concat());
        fields
    }

    #[test]
    fn uuid_tag_number_and_time_are_read() {
        let event = MySqlGtidEvent::parse_tagged(&event(&known_fields(), 5)).unwrap();
        assert_eq!(
            event.gtid.unwrap().to_string(),
            "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0:otter:77"
        );
        assert_eq!(event.committed_micros, Some(1_700_000_000_000_000));
    }

    #[test]
    fn an_unknown_field_is_skipped_only_where_the_writer_allows_it() {
        let fields = [known_fields(), encode(30), vec![9, 9]].concat();
        assert!(MySqlGtidEvent::parse_tagged(&event(&fields, 29)).is_ok());
        assert!(MySqlGtidEvent::parse_tagged(&event(&fields, 30)).is_err());
    }

    proptest! {
        #[test]
        fn numbers_of_every_size_come_back(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(number(&mut Cursor::new(&encode(value))), Ok(value));
        }

        #[test]
        fn signed_numbers_come_back(value: i64) {
            let zigzag = if value < 0 {
                (-(value + 1)).cast_unsigned() << 1 | 1
            } else {
                value.cast_unsigned() << 1
            };
            prop_assert_eq!(signed(&mut Cursor::new(&encode(zigzag))), Ok(value));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = MySqlGtidEvent::parse_tagged(&bytes);
        }
    }
}
