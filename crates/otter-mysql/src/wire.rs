//! A cursor over the bytes of one packet.
//!
//! Every byte comes from a server that may be hostile: each step checks what is left and none
//! panics. `mysql_common`'s own readers do panic on some inputs (a greeting with a nonce length
//! over 127, a version with large numbers, a malformed RSA key), so what comes in is read here,
//! and only what goes out is written with its types.

/// The packet ended where a field was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Truncated;

/// What is left of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Truncated> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Truncated> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Truncated> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The bytes before the next zero, which is skipped.
    pub(super) fn until_zero(&mut self) -> Result<&'a [u8], Truncated> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(Truncated)?;
        let text = self.bytes(end)?;
        self.u8()?;
        Ok(text)
    }

    /// A length-encoded integer, or `None` for the NULL of text rows.
    pub(super) fn nullable_length(&mut self) -> Result<Option<u64>, Truncated> {
        Ok(Some(match self.u8()? {
            0xfb => return Ok(None),
            0xfc => u64::from(self.u16()?),
            0xfd => {
                let [a, b, c] = self.array()?;
                u64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            0xfe => u64::from_le_bytes(self.array()?),
            // MySQL: 0xff begins an error packet and is never a length.
            0xff => return Err(Truncated),
            short => u64::from(short),
        }))
    }

    pub(super) fn length(&mut self) -> Result<u64, Truncated> {
        self.nullable_length()?.ok_or(Truncated)
    }

    /// A length-encoded string, or `None` for NULL.
    pub(super) fn nullable_text(&mut self) -> Result<Option<&'a [u8]>, Truncated> {
        match self.nullable_length()? {
            None => Ok(None),
            Some(length) => self.bytes(usize::try_from(length).map_err(|_| Truncated)?).map(Some),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], Truncated> {
        self.nullable_text()?.ok_or(Truncated)
    }
}

/// A server's text for people: at most `limit` bytes, without control characters, so that it can
/// neither flood nor forge a log.
pub(super) fn printable(bytes: &[u8], limit: usize) -> String {
    let kept = bytes.get(..limit).unwrap_or(bytes);
    let text = String::from_utf8_lossy(kept);
    let mut text: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if kept.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_every_width_are_read() {
        for (bytes, expected) in [
            (&[0x00][..], Some(0)),
            (&[0xfa], Some(250)),
            (&[0xfb], None),
            (&[0xfc, 0x01, 0x02], Some(0x0201)),
            (&[0xfd, 0x01, 0x02, 0x03], Some(0x03_0201)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 1], Some(0x0100_0000_0000_0001)),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.nullable_length(), Ok(expected));
            assert!(reader.is_empty());
        }
        assert_eq!(Reader::new(&[0xff]).length(), Err(Truncated));
        assert_eq!(Reader::new(&[0xfb]).length(), Err(Truncated));
    }

    #[test]
    fn a_length_beyond_the_packet_is_truncated() {
        let hostile = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x'];
        assert_eq!(Reader::new(&hostile).text(), Err(Truncated));
    }

    #[test]
    fn server_texts_cannot_forge_a_log_line() {
        assert_eq!(printable(b"bad\nINFO all is well\x1b[2J", 100), "bad INFO all is well [2J");
        assert_eq!(printable(&[b'x'; 10], 4), "xxxx…");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() {
                if reader.nullable_text().is_err() || reader.until_zero().is_err() {
                    break;
                }
            }
            let _ = printable(&bytes, 7);
        }
    }
}
