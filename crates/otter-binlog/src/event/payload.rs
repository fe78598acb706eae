//! The TRANSACTION_PAYLOAD event: a transaction in one compressed piece.
//!
//! It is unfolded event by event, so that memory holds the compressed piece and one event,
//! whatever the sizes in its head promise.

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::frame::{EventError, HEADER_LENGTH, Header};
use crate::cursor::Cursor;

/// How much is unfolded at a time.
const STEP: usize = 128 * 1024;
/// As a power of two, what every level of compression up to 19 needs and no limit forbids.
const USUAL_WINDOW: u32 = 23;
/// As a power of two, the most that zstd knows.
const GREATEST_WINDOW: u32 = 31;

/// zstd's own words; it tells nothing else.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// The events inside one TRANSACTION_PAYLOAD event.
pub(crate) struct Payload {
    input: Vec<u8>,
    taken: usize,
    /// `None` where the payload is not compressed.
    decoder: Option<Decoder<'static>>,
    /// A zstd frame has begun and not ended.
    in_frame: bool,
    output: Vec<u8>,
    /// Bytes of `output` that belong to earlier events.
    used: usize,
    limit: usize,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} of {} bytes read)", self.taken, self.input.len())
    }
}

impl Payload {
    /// Takes over the body of the event; no event inside may be larger than `limit` bytes.
    pub(crate) fn parse(body: &[u8], limit: usize) -> Result<Self, EventError> {
        const END: u64 = 0;
        const ALGORITHM: u64 = 2;
        const ZSTD: u64 = 0;
        const NONE: u64 = 255;
        let mut cursor = Cursor::new(body);
        let mut algorithm = NONE;
        loop {
            let field = cursor.packed()?;
            if field == END {
                break;
            }
            let value = cursor.packed_bytes()?;
            // The two sizes are only promises; the bytes themselves tell.
            if field == ALGORITHM {
                algorithm = Cursor::new(value).packed()?;
            }
        }
        let decoder = match algorithm {
            ZSTD => Some(decoder(limit)?),
            NONE => None,
            _ => return Err(EventError::Compressed("its algorithm is unknown")),
        };
        let input = cursor.take_rest().to_vec();
        Ok(Self { input, taken: 0, decoder, in_frame: false, output: Vec::new(), used: 0, limit })
    }

    /// The bytes of the next event inside; `None` behind the last one.
    pub(crate) fn next_event(&mut self) -> Result<Option<&[u8]>, EventError> {
        if !self.fill(HEADER_LENGTH)? {
            return if self.ahead().is_empty() { Ok(None) } else { Err(EventError::Short) };
        }
        let header = Header::parse(&mut Cursor::new(self.ahead()))?;
        let size = usize::try_from(header.size).map_err(|_| EventError::Short)?;
        if size < HEADER_LENGTH {
            return Err(EventError::Short);
        }
        if size > self.limit {
            return Err(EventError::TooLarge { limit: self.limit });
        }
        if !self.fill(size)? {
            return Err(EventError::Short);
        }
        let begin = self.used;
        self.used += size;
        Ok(self.output.get(begin..self.used))
    }

    fn ahead(&self) -> &[u8] {
        self.output.get(self.used..).unwrap_or_default()
    }

    /// Unfolds until `needed` bytes are there; false where the payload ends before.
    fn fill(&mut self, needed: usize) -> Result<bool, EventError> {
        while self.ahead().len() < needed {
            self.output.drain(..self.used);
            self.used = 0;
            if !self.step()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Unfolds a little more; false where nothing is left.
    fn step(&mut self) -> Result<bool, EventError> {
        let rest = self.input.get(self.taken..).unwrap_or_default();
        let Some(decoder) = &mut self.decoder else {
            let chunk = rest.get(..STEP).unwrap_or(rest);
            self.output.extend_from_slice(chunk);
            self.taken += chunk.len();
            return Ok(!chunk.is_empty());
        };
        if !self.in_frame && !rest.is_empty() && !begins_frame(rest) {
            return Err(EventError::Compressed("it is no zstd stream"));
        }
        let begin = self.output.len();
        self.output.reserve(STEP);
        let mut source = InBuffer::around(rest);
        // The decoder fills the vector's free room and sets its length.
        let mut target = OutBuffer::around_pos(&mut self.output, begin);
        let result = decoder.run(&mut source, &mut target);
        let (read, end) = (source.pos(), target.pos());
        self.taken += read;
        let left = result.map_err(|error| match error.to_string().as_str() {
            WINDOW_TOO_LARGE => EventError::Window { limit: self.limit },
            _ => EventError::Compressed("it is no zstd stream"),
        })?;
        if read == 0 && end == begin {
            let cut = EventError::Compressed("it is cut off");
            return if rest.is_empty() && !self.in_frame { Ok(false) } else { Err(cut) };
        }
        // Several frames may follow each other; the decoder begins the next one by itself.
        self.in_frame = left != 0;
        Ok(true)
    }
}

/// Whether a frame begins here, or one to be skipped (RFC 8878, section 3.1). The library may also know
/// formats of before the first release, whose memory no parameter bounds.
fn begins_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// A decoder that takes less memory than `limit` for what it looks back upon. A frame's first
/// bytes tell how much that is, and zstd takes it before anything is unfolded.
fn decoder(limit: usize) -> Result<Decoder<'static>, EventError> {
    let no_memory = |_| EventError::Compressed("zstd has no memory left");
    let mut decoder = Decoder::new().map_err(no_memory)?;
    let window = limit.saturating_sub(1).checked_ilog2().unwrap_or(0);
    let window = window.clamp(USUAL_WINDOW, GREATEST_WINDOW);
    decoder.set_parameter(DParameter::WindowLogMax(window)).map_err(no_memory)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::EventKind;
    use crate::test_bytes::EventBytes;

    fn body(algorithm: u64, payload: &[u8]) -> Vec<u8> {
        let mut body = vec![2];
        if algorithm < 251 {
            body.extend_from_slice(&[1, u8::try_from(algorithm).unwrap()]);
        } else {
            body.extend_from_slice(&[3, 0xfc, u8::try_from(algorithm).unwrap(), 0]);
        }
        // A hostile promise.
        body.extend_from_slice(&[1, 9, 0xfe, 255, 255, 255, 255, 255, 255, 255, 127, 0]);
        body.extend_from_slice(payload);
        body
    }

    fn events() -> Vec<Vec<u8>> {
        (1..60_usize)
            .map(|index| EventBytes::new(EventKind::XID, &vec![7; index * index]).plain())
            .collect()
    }

    fn read(body: &[u8]) -> Result<Vec<Vec<u8>>, EventError> {
        let mut payload = Payload::parse(body, 1 << 20)?;
        let mut events = Vec::new();
        while let Some(event) = payload.next_event()? {
            events.push(event.to_vec());
        }
        Ok(events)
    }

    #[test]
    fn several_frames_and_plain_bytes_give_the_events_one_by_one() {
        let (first, second) = (events()[..20].concat(), events()[20..].concat());
        let frames =
            [zstd::encode_all(&first[..], 3).unwrap(), zstd::encode_all(&second[..], 3).unwrap()];
        assert_eq!(read(&body(0, &frames.concat())).unwrap(), events());
        assert_eq!(read(&body(255, &events().concat())).unwrap(), events());
    }

    #[test]
    fn a_cut_a_garbled_and_an_oversized_payload_are_errors() {
        let frame = zstd::encode_all(&events().concat()[..], 3).unwrap();
        assert!(read(&body(0, &frame[..frame.len() / 2])).is_err());
        assert!(read(&body(0, b"no zstd at all")).is_err());
        assert!(read(&body(7, &frame)).is_err());
        let mut payload = Payload::parse(&body(0, &frame), 30).unwrap();
        let mut error = None;
        while error.is_none() {
            error = payload.next_event().err();
        }
        assert_eq!(error, Some(EventError::TooLarge { limit: 30 }));
    }

    /// zstd 0.7's format, of which ten bytes asked for 128 MiB.
    #[test]
    fn formats_of_before_the_first_release_are_refused() {
        let old = [0x27, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        assert_eq!(read(&body(0, &old)), Err(EventError::Compressed("it is no zstd stream")));
        let frame = zstd::encode_all(&events().concat()[..], 3).unwrap();
        let behind = [&frame[..], &old].concat();
        assert_eq!(read(&body(0, &behind)), Err(EventError::Compressed("it is no zstd stream")));
        // A frame to be skipped is no event.
        let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7][..], &frame].concat();
        assert_eq!(read(&body(0, &skipped)).unwrap(), events());
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused_before_it_is_taken() {
        // A frame with one empty block and a window of 64 MiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x80, 0x01, 0x00, 0x00];
        let read = |limit| Payload::parse(&body(0, &frame), limit).unwrap().next_event().map(drop);
        assert_eq!(read(64 << 20), Err(EventError::Window { limit: 64 << 20 }));
        assert_eq!(read(1), Err(EventError::Window { limit: 1 }));
        assert_eq!(read(65 << 20), Ok(()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes);
        }
    }
}
