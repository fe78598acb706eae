//! zlib as MariaDB writes it into events and columns, unfolded step by step.
//!
//! The promised size bounds the output but is never allocated at once: memory grows with what
//! really comes out.

use flate2::{Decompress, FlushDecompress, Status};

use super::frame::EventError;
use crate::cursor::Cursor;

const STEP: usize = 64 * 1024;

/// Whether the deflated bytes have zlib's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Zlib,
    None,
}

/// Unfolds `input` behind the end of `output` to exactly `promised` bytes.
pub(crate) fn inflate(
    input: &[u8],
    wrapper: Wrapper,
    promised: usize,
    output: &mut Vec<u8>,
) -> Result<(), EventError> {
    let begin = output.len();
    let end = begin.checked_add(promised).ok_or(EventError::Compressed("its size is too large"))?;
    let mut inflater = Decompress::new(wrapper == Wrapper::Zlib);
    let mut rest = input;
    loop {
        let room = (end - output.len()).min(STEP);
        // One byte more than promised shows that there is more.
        output.reserve(room + 1);
        let before = inflater.total_in();
        let length = output.len();
        let status = inflater
            .decompress_vec(rest, output, FlushDecompress::None)
            .map_err(|_| EventError::Compressed("it is no zlib stream"))?;
        let taken = usize::try_from(inflater.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if output.len() > end {
            return Err(EventError::Compressed("it is longer than promised"));
        }
        match status {
            Status::StreamEnd if output.len() == end => return Ok(()),
            Status::StreamEnd => return Err(EventError::Compressed("it is shorter than promised")),
            Status::Ok | Status::BufError if taken == 0 && output.len() == length => {
                return Err(EventError::Compressed("it is cut off"));
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Unfolds the compressed part of an event: a byte of algorithm and length width, the length
/// (big-endian), then the zlib stream.
pub(crate) fn inflate_event(
    input: &[u8],
    limit: usize,
    output: &mut Vec<u8>,
) -> Result<(), EventError> {
    const MARK: u8 = 0xe0;
    let mut cursor = Cursor::new(input);
    let head = cursor.u8()?;
    // The three upper bits: compressed, by zlib.
    if head & MARK != 0x80 {
        return Err(EventError::Compressed("its algorithm is unknown"));
    }
    let width = usize::from(head & 0x07);
    if !(1..=4).contains(&width) {
        return Err(EventError::Compressed("its length has no valid width"));
    }
    let promised = usize::try_from(cursor.uint_be(width)?).map_err(|_| EventError::Short)?;
    if promised > limit {
        return Err(EventError::TooLarge { limit });
    }
    inflate(cursor.take_rest(), Wrapper::Zlib, promised, output)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;

    use super::*;

    fn compress(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        let mut bytes = vec![0x84];
        bytes.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_be_bytes());
        bytes.extend(encoder.finish().unwrap());
        bytes
    }

    #[test]
    fn a_wrong_promise_is_refused_in_both_directions() {
        let bytes = compress(&[7; 1000]);
        for (promise, message) in [(999_u32, "longer"), (1001, "shorter")] {
            let mut bytes = bytes.clone();
            bytes[1..5].copy_from_slice(&promise.to_be_bytes());
            let error = inflate_event(&bytes, 1 << 20, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        assert!(inflate_event(&bytes[..bytes.len() - 8], 1 << 20, &mut Vec::new()).is_err());
    }

    #[test]
    fn more_than_the_limit_is_refused_before_anything_is_unfolded() {
        let error = inflate_event(&compress(&[7; 1000]), 999, &mut Vec::new()).unwrap_err();
        assert_eq!(error, EventError::TooLarge { limit: 999 });
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(plain in prop::collection::vec(any::<u8>(), 0..300), times in 1_usize..1000) {
            let plain = plain.repeat(times);
            let mut output = vec![1, 2];
            inflate_event(&compress(&plain), 1 << 20, &mut output).unwrap();
            prop_assert_eq!(&output[2..], &plain[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = inflate_event(&bytes, 1 << 16, &mut Vec::new());
            let _ = inflate(&bytes, Wrapper::None, 100, &mut Vec::new());
        }
    }
}
