//! A cursor over the bytes of one event.
//!
//! Every byte comes from a disk or a line that may be damaged or hostile: each step checks what
//! is left, none panics, and none allocates.

/// The event ended where a field was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it ends in the middle of a field")]
pub(crate) struct Short;

/// What is left of an event.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl std::fmt::Debug for Cursor<'_> {
    /// Shows no byte: they may be row values (SECRET-1).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} bytes left)", self.rest.len())
    }
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Everything that is left, without moving.
    #[inline]
    pub(crate) fn peek(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number of bytes left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes everything that is left.
    #[inline]
    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u24(&mut self) -> Result<u32, Short> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Six bytes: a table's id.
    #[inline]
    pub(crate) fn u48(&mut self) -> Result<u64, Short> {
        self.uint(6)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Short> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A little-endian number of up to eight bytes.
    #[inline]
    pub(crate) fn uint(&mut self, width: usize) -> Result<u64, Short> {
        let bytes = self.bytes(width)?;
        if bytes.len() > 8 {
            return Err(Short);
        }
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A big-endian number of up to eight bytes.
    #[inline]
    pub(crate) fn uint_be(&mut self, width: usize) -> Result<u64, Short> {
        let bytes = self.bytes(width)?;
        if bytes.len() > 8 {
            return Err(Short);
        }
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The bytes behind a little-endian length of `width` bytes.
    #[inline]
    pub(crate) fn prefixed(&mut self, width: usize) -> Result<&'a [u8], Short> {
        let length = match width {
            1 => usize::from(self.u8()?),
            2 => usize::from(self.u16()?),
            _ => usize::try_from(self.uint(width)?).map_err(|_| Short)?,
        };
        self.bytes(length)
    }

    /// A length-encoded integer of the MySQL protocol.
    pub(crate) fn packed(&mut self) -> Result<u64, Short> {
        Ok(match self.u8()? {
            0xfc => u64::from(self.u16()?),
            0xfd => u64::from(self.u24()?),
            0xfe => self.u64()?,
            // MySQL: 0xfb is NULL and 0xff an error packet; neither is a length in an event.
            0xfb | 0xff => return Err(Short),
            small => u64::from(small),
        })
    }

    /// A length-encoded integer that counts or measures something in memory.
    pub(crate) fn packed_length(&mut self) -> Result<usize, Short> {
        usize::try_from(self.packed()?).map_err(|_| Short)
    }

    /// A length-encoded string.
    pub(crate) fn packed_bytes(&mut self) -> Result<&'a [u8], Short> {
        let length = self.packed_length()?;
        self.bytes(length)
    }

    /// The bytes before the next zero, which is skipped.
    pub(crate) fn until_zero(&mut self) -> Result<&'a [u8], Short> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(Short)?;
        let text = self.bytes(end)?;
        self.u8()?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_width_are_read_in_both_orders() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Cursor::new(&bytes).u24(), Ok(0x03_0201));
        assert_eq!(Cursor::new(&bytes).u48(), Ok(0x0605_0403_0201));
        assert_eq!(Cursor::new(&bytes).uint_be(3), Ok(0x01_0203));
        assert_eq!(Cursor::new(&bytes).uint(8), Ok(u64::from_le_bytes(bytes)));
        assert_eq!(Cursor::new(&bytes).uint(9), Err(Short));
        assert_eq!(Cursor::new(&[0; 9]).uint_be(9), Err(Short));
    }

    #[test]
    fn a_length_beyond_the_event_is_short_and_moves_nothing_else() {
        assert_eq!(
            Cursor::new(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]).packed_bytes(),
            Err(Short)
        );
        assert_eq!(Cursor::new(&[3, b'a', b'b']).packed_bytes(), Err(Short));
        assert_eq!(Cursor::new(&[255, 255, 255, 255, 0]).prefixed(4), Err(Short));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_cursor_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.packed_bytes().is_ok() && cursor.until_zero().is_ok() {}
            prop_assert!(cursor.left() <= bytes.len());
        }
    }
}
