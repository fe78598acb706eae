use proptest::prelude::*;

use super::*;

/// The stored form of a time, as the server computes it: two parts that borrow.
fn encode_time(time: Time) -> Vec<u8> {
    let width = fraction_width(time.digits).unwrap();
    let whole =
        i64::from(time.hours) << 12 | i64::from(time.minutes) << 6 | i64::from(time.seconds);
    let unit = i64::try_from(fraction_unit(width)).unwrap();
    let fraction = if width == 0 { 0 } else { i64::from(time.micros) / unit };
    let shift = 8 * width;
    let mut packed = whole << shift | fraction;
    if time.negative {
        packed = -packed;
    }
    let stored = packed + (0x80_0000_i64 << shift);
    stored.to_be_bytes()[8 - 3 - width..].to_vec()
}

fn encode_date_time(value: DateTime) -> Vec<u8> {
    let width = fraction_width(value.digits).unwrap();
    let year_month = u64::from(value.date.year) * 13 + u64::from(value.date.month);
    let word = (year_month << 5 | u64::from(value.date.day)) << 17
        | u64::from(value.hour) << 12
        | u64::from(value.minute) << 6
        | u64::from(value.second);
    let mut bytes = (word | 1 << 39).to_be_bytes()[3..].to_vec();
    let fraction = if width == 0 { 0 } else { u64::from(value.micros) / fraction_unit(width) };
    bytes.extend_from_slice(&fraction.to_be_bytes()[8 - width..]);
    bytes
}

/// The microseconds that `digits` digits can say.
fn cut(micros: u32, digits: u8) -> u32 {
    let unit = 10_u32.pow(6 - u32::from(digits));
    micros / unit * unit
}

#[test]
fn stored_times_of_the_server_are_read() {
    for (bytes, digits, text) in [
        (&[0x80, 0x00, 0x00][..], 0, "00:00:00"),
        (&[0x7f, 0xff, 0xfe, 0xce], 1, "-00:00:01.5"),
        (&[0x7f, 0xff, 0xff, 0xff], 2, "-00:00:00.01"),
        (&[0xb4, 0x6e, 0xfb], 0, "838:59:59"),
        (&[0x4b, 0x91, 0x05], 0, "-838:59:59"),
    ] {
        let width = fraction_width(digits).unwrap();
        let time = read_time(&mut Cursor::new(bytes), digits, width).unwrap();
        assert_eq!(time.to_string(), text);
    }
}

#[test]
fn old_forms_are_read_with_sign_and_all_hours() {
    let old = |number: i32| {
        let bytes = number.to_le_bytes();
        read_old_time(&mut Cursor::new(&bytes[..3])).map(|time| time.to_string())
    };
    assert_eq!(old(8_385_959), Ok("838:59:59".to_owned()));
    assert_eq!(old(-123_456), Ok("-12:34:56".to_owned()));
    assert!(old(8_400_000).is_err() && old(6_000).is_err());
    let bytes = 20_240_229_235_959_u64.to_le_bytes();
    let value = read_old_date_time(&mut Cursor::new(&bytes)).unwrap();
    assert_eq!(value.to_string(), "2024-02-29 23:59:59");
    assert!(read_old_date_time(&mut Cursor::new(&u64::MAX.to_le_bytes())).is_err());
}

#[test]
fn years_and_dates_keep_their_zeros() {
    assert_eq!(read_year(&mut Cursor::new(&[0])), Ok(0));
    assert_eq!(read_year(&mut Cursor::new(&[1])), Ok(1901));
    assert_eq!(read_year(&mut Cursor::new(&[255])), Ok(2155));
    let word = (2024_u32 << 9).to_le_bytes();
    let date = read_date(&mut Cursor::new(&word)).unwrap();
    assert_eq!(date.to_string(), "2024-00-00");
}

proptest! {
    #[test]
    fn every_time_comes_back(
        negative: bool, hours in 0_u16..839, minutes in 0_u8..60, seconds in 0_u8..60,
        micros in 0_u32..1_000_000, digits in 0_u8..7,
    ) {
        let micros = cut(micros, digits);
        let zero = hours == 0 && minutes == 0 && seconds == 0 && micros == 0;
        let time =
            Time { negative: negative && !zero, hours, minutes, seconds, micros, digits };
        let bytes = encode_time(time);
        let mut cursor = Cursor::new(&bytes);
        let width = fraction_width(digits).unwrap();
        prop_assert_eq!(read_time(&mut cursor, digits, width), Ok(time));
        prop_assert!(cursor.is_empty());
    }

    #[test]
    fn every_date_with_time_comes_back(
        year in 0_u16..10_000, month in 0_u8..13, day in 0_u8..32, hour in 0_u8..24,
        minute in 0_u8..60, second in 0_u8..60, micros in 0_u32..1_000_000, digits in 0_u8..7,
    ) {
        let micros = cut(micros, digits);
        let value = DateTime { date: Date { year, month, day }, hour, minute, second, micros, digits };
        let bytes = encode_date_time(value);
        let width = fraction_width(digits).unwrap();
        prop_assert_eq!(read_date_time(&mut Cursor::new(&bytes), digits, width), Ok(value));
    }

    #[test]
    fn no_bytes_make_the_readers_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..9), digits in 0_u8..7, packed: i64,
    ) {
        let width = fraction_width(digits).unwrap();
        let _ = read_time(&mut Cursor::new(&bytes), digits, width);
        let _ = read_date_time(&mut Cursor::new(&bytes), digits, width);
        let _ = read_timestamp(&mut Cursor::new(&bytes), digits, width);
        let _ = read_old_time(&mut Cursor::new(&bytes));
        let _ = read_old_date_time(&mut Cursor::new(&bytes));
        let _ = read_date(&mut Cursor::new(&bytes));
        for kind in [JsonTemporalKind::Date, JsonTemporalKind::DateTime, JsonTemporalKind::Time] {
            let _ = unpack_json(kind, packed);
        }
    }
}
