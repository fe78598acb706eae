use proptest::prelude::*;

use super::*;
use crate::test_bytes::table_map;

#[test]
fn full_metadata_names_every_column() {
    let rest = table_map(
        ("shop", "item"),
        &[(3, &[]), (254, &[0xee, 0xfc]), (254, &[247, 1]), (15, &[200, 0]), (246, &[10, 2])],
        &[0b10110],
        &[
            // Unsigned: the first of two numeric columns.
            (1, &[0x80]),
            // utf8mb4, but the second character column is binary.
            (2, &[45, 1, 63]),
            (4, b"\x02id\x04code\x05state\x04data\x05price"),
            (6, &[2, 1, b'a', 2, b'b', b'c']),
            (10, &[8]),
            (8, &[0]),
            (12, &[0xff]),
            (99, b"from the future"),
        ],
    );
    let map = TableMap::parse(7, &rest, false).unwrap();
    assert_eq!(map.name, TableName::new("shop", "item"));
    assert_eq!(map.primary_key, Some(vec![0]));
    let [id, code, state, data, price] = map.columns.as_slice() else { panic!("five columns") };
    assert_eq!((id.code, id.facts.unsigned, id.nullable), (TypeCode::LONG, Some(true), false));
    // CHAR(255) in utf8mb4: two bits of 1020 hide in the type.
    assert_eq!((code.code, code.meta), (TypeCode::STRING, Meta::Length(1020 & 0x0ff | 0x100)));
    assert_eq!((code.facts.collation, data.facts.collation), (Some(45), Some(63)));
    assert_eq!((state.code, state.meta), (TypeCode::ENUM, Meta::Width(1)));
    assert_eq!(state.facts.collation, Some(8));
    assert_eq!(state.facts.labels.as_ref().unwrap()[1].as_ref(), b"bc");
    assert_eq!(price.meta, Meta::Decimal { precision: 10, scale: 2 });
    assert_eq!((price.facts.unsigned, price.facts.name.as_deref()), (Some(false), Some("price")));
}

#[test]
fn without_metadata_the_key_is_unknown_and_with_it_it_may_be_empty() {
    let plain = table_map(("d", "t"), &[(1, &[])], &[0], &[]);
    assert_eq!(TableMap::parse(1, &plain, false).unwrap().primary_key, None);
    let full = table_map(("d", "t"), &[(1, &[])], &[0], &[(4, b"\x01a")]);
    assert_eq!(TableMap::parse(1, &full, false).unwrap().primary_key, Some(vec![]));
    let prefix = table_map(("d", "t"), &[(1, &[])], &[0], &[(4, b"\x01a"), (9, &[0, 5])]);
    assert_eq!(TableMap::parse(1, &prefix, false).unwrap().primary_key, Some(vec![0]));
}

/// Seen on MySQL 9.7 and MariaDB 10.11 with `SET GLOBAL binlog_row_metadata = FULL`.
#[test]
fn years_have_a_sign_and_vectors_or_geometries_a_charset() {
    let columns: [(u8, &[u8]); 5] =
        [(13, &[]), (3, &[]), (255, &[4]), (242, &[4]), (254, &[254, 3])];
    let names = b"\x01y\x01i\x01g\x01v\x01c";
    for (mariadb, charsets) in [(false, &[63_u8, 8][..]), (true, &[63, 63, 8])] {
        let optional: [(u8, &[u8]); 3] = [(1, &[0x80]), (3, charsets), (4, names)];
        let rest = table_map(("d", "t"), &columns, &[0], &optional);
        let map = TableMap::parse(1, &rest, mariadb).unwrap();
        assert_eq!(map.columns[1].facts.unsigned, Some(false));
        assert_eq!(map.columns[4].facts.collation, Some(8));
    }
}

#[test]
fn hostile_counts_and_indexes_are_refused() {
    let mut many = table_map(("d", "t"), &[], &[], &[]);
    many.truncate(8);
    many.extend_from_slice(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert!(TableMap::parse(1, &many, false).is_err());
    for optional in [
        (8_u8, &[3_u8][..]),
        (9, &[0, 1, 0, 1]),
        (2, &[45, 9, 9]),
        (6, &[0xfd, 255, 255, 255]),
        (4, b"\x01\xff"),
        (1, &[]),
        (1, &[0, 0]),
        (3, &[8]),
        (11, &[8, 8]),
    ] {
        let rest = table_map(("d", "t"), &[(1, &[]), (254, &[247, 1])], &[0], &[optional]);
        assert!(TableMap::parse(1, &rest, false).is_err(), "{optional:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        codes in prop::collection::vec(any::<u8>(), 0..9),
        kind in 0_u8..14, value in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let _ = TableMap::parse(1, &bytes, false);
        let columns: Vec<(u8, &[u8])> = codes.iter().map(|code| (*code, &[1, 2][..])).collect();
        let rest = table_map(("d", "t"), &columns, &[0, 0], &[(kind, &value)]);
        let _ = TableMap::parse(1, &rest, false);
    }
}
