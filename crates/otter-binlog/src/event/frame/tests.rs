use proptest::prelude::*;

use super::*;
use crate::test_bytes::{EventBytes, format_description};

#[test]
fn an_event_with_a_right_checksum_is_split_and_one_flipped_bit_is_noticed() {
    let format = Format { checksum: Checksum::Crc32, ..Format::default() };
    let mut bytes = EventBytes::new(EventKind::XID, &7_u64.to_le_bytes()).checked();
    let event = RawEvent::parse(&bytes, &format).unwrap();
    assert_eq!((event.header.kind, event.body), (EventKind::XID, &7_u64.to_le_bytes()[..]));
    assert_eq!(event.checksum(), crc32fast::hash(&bytes[..bytes.len() - 4]));
    bytes[20] ^= 1;
    assert!(matches!(RawEvent::parse(&bytes, &format), Err(EventError::Checksum { .. })));
}

#[test]
fn a_size_that_is_not_the_length_is_refused() {
    let mut bytes = EventBytes::new(EventKind::XID, &[0; 8]).plain();
    bytes[9] = 200;
    let error = RawEvent::parse(&bytes, &Format::default()).unwrap_err();
    assert_eq!(error, EventError::Size { header: 200, actual: 27 });
}

#[test]
fn a_format_description_of_a_file_in_use_is_verified_without_that_flag() {
    let mut bytes = format_description("9.7.4", Checksum::Crc32);
    // Setting the flag afterwards is what the server does in the file.
    bytes[17] |= 1;
    let event = RawEvent::parse(&bytes, &Format::default()).unwrap();
    let format = Format::parse(event.body, true).unwrap();
    assert_eq!((format.checksum, format.mariadb), (Checksum::Crc32, false));
    bytes[30] ^= 1;
    assert!(RawEvent::parse(&bytes, &Format::default()).is_err());
}

#[test]
fn the_algorithm_is_read_only_from_servers_that_write_one() {
    for (version, checksum, mariadb) in [
        ("9.7.4", Checksum::None, false),
        ("10.11.19-MariaDB-log", Checksum::Crc32, true),
        ("5.5.5-10.0.1-MariaDB", Checksum::Crc32, true),
        ("5.1.73", Checksum::None, false),
    ] {
        let bytes = format_description(version, checksum);
        let own = Format::own_checksum(&bytes);
        let event = RawEvent::parse(&bytes, &Format::default()).unwrap();
        let format = Format::parse(event.body, own == Checksum::Crc32).unwrap();
        assert_eq!((format.checksum, format.mariadb), (checksum, mariadb), "{version}");
        assert_eq!(format.post_header_length(EventKind::QUERY), Some(13));
    }
}

#[test]
fn the_first_event_of_a_stream_is_read_with_or_without_checksum() {
    let body = [4, 0, 0, 0, 0, 0, 0, 0, b'b', b'.', b'1'];
    let event = EventBytes::new(EventKind::ROTATE, &body);
    for bytes in [event.clone().plain(), event.checked()] {
        assert_eq!(RawEvent::parse(&bytes, &Format::default()).unwrap().body, body);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_frame_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RawEvent::parse(&bytes, &Format::default());
        let _ = Format::own_checksum(&bytes);
        let _ = Format::parse(&bytes, false);
        let _ = Format::parse(&bytes, true);
    }
}
