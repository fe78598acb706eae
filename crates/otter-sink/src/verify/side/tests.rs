use proptest::prelude::*;

use super::*;

fn shape(nullable: bool, measured: bool) -> Shape {
    Shape { nullable, measured, large: false, document: false, grows: None }
}

fn side(key: &[&str]) -> Side {
    let name = |name: &str| format!("`{name}`");
    let part =
        |column: &&str| KeyPart::new(&name(column), name(column), Some(Literal::Number), false);
    let columns: Vec<(String, String)> =
        ["a", "b", "c"].iter().map(|column| (name(column), name(column))).collect();
    let shapes = [shape(false, false), shape(false, false), shape(true, true)];
    Side::new("`s`.`t`".to_owned(), &columns, &shapes, key.iter().map(part).collect())
}

fn key(values: &[&str]) -> Option<KeyText> {
    Some(values.iter().map(|value| (*value).to_owned()).collect())
}

#[test]
fn ranges_are_written_for_an_index() {
    let within = |range: &Range| side(&["a", "b"]).within(range).unwrap();
    assert_eq!(within(&Range::default()), "");
    assert_eq!(within(&Range { after: key(&["1"]), through: None }), " WHERE `a` > 1");
    assert_eq!(
        within(&Range { after: key(&["1", "2"]), through: key(&["3", "4"]) }),
        " WHERE `a` >= 1 AND (`a` > 1 OR (`b` > 2)) AND `a` <= 3 AND (`a` < 3 OR (`b` <= 4))"
    );
}

#[test]
fn rows_are_looked_up_by_all_columns_of_the_key() {
    let (one, two) = (key(&["1", "2"]).unwrap(), key(&["3", "4"]).unwrap());
    let found = side(&["a", "b"]).any_of(&[&one, &two]).unwrap();
    assert_eq!(found, "(`a` = 1 AND `b` = 2) OR (`a` = 3 AND `b` = 4)");
    let (one, two) = (key(&["1"]).unwrap(), key(&["3"]).unwrap());
    assert_eq!(side(&["a"]).any_of(&[&one, &two]).unwrap(), "`a` IN (1,3)");
}

#[test]
fn what_is_no_value_of_its_kind_is_never_written() {
    assert_eq!(written(&Literal::Number, "-1.5e3"), Some("-1.5e3".to_owned()));
    assert_eq!(written(&Literal::Number, "1 OR 1"), None);
    assert_eq!(written(&Literal::Number, ""), None);
    assert_eq!(written(&Literal::Quoted, "a'b"), Some("'a''b'".to_owned()));
    assert_eq!(
        written(&Literal::Text("latin1".to_owned()), "E9"),
        Some("_latin1 X'E9'".to_owned())
    );
    assert_eq!(written(&Literal::Bytes, "00'"), None);
    assert_eq!(written(&Literal::Bytes, ""), Some("X''".to_owned()));
}

#[test]
fn a_checksum_tells_lengths_and_nulls() {
    assert_eq!(
        side(&["a"]).checksum,
        "CRC32(CRC32(CONCAT_WS(CAST('#' AS BINARY),`a`,`b`,`c`,LENGTH(`c`),CONCAT(ISNULL(`c`)))))"
    );
}

/// The servers' CRC32.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

fn row_sum(row: &[u8]) -> u64 {
    u64::from(crc32(crc32(row).to_string().as_bytes()))
}

#[test]
fn the_checksum_is_that_of_the_servers() {
    assert_eq!(crc32(b"MySQL"), 3_259_397_556);
}

proptest! {
    /// Two rows that change in the same way: the XOR of plain checksums does not see it.
    #[test]
    fn equal_differences_in_two_rows_do_not_cancel(
        mut one in prop::collection::vec(any::<u8>(), 24),
        mut other in prop::collection::vec(any::<u8>(), 24),
        at in 0usize..24,
        change in 1u8..,
    ) {
        prop_assume!(one != other);
        let xor = |one: &[u8], other: &[u8]| crc32(one) ^ crc32(other);
        let sum = |one: &[u8], other: &[u8]| row_sum(one) + row_sum(other);
        let before = (xor(&one, &other), sum(&one, &other));
        one[at] ^= change;
        other[at] ^= change;
        prop_assume!(one != other);
        prop_assert_eq!(before.0, xor(&one, &other), "the reason for this test is gone");
        prop_assert_ne!(before.1, sum(&one, &other));
    }

    /// The sum of plain checksums is blind for pairs of rows whose changed bits are the opposite of
    /// each other, which is one in a few for small changes; of four rows with such changes some
    /// cancel. The outer checksum leaves nothing of that.
    #[test]
    fn equal_differences_in_many_rows_do_not_cancel(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 12), 2..40),
        at in 0usize..12,
    ) {
        let before: u64 = rows.iter().map(|row| row_sum(row)).sum();
        let mut after = 0;
        for mut row in rows {
            row[at] ^= 1;
            after += row_sum(&row);
        }
        prop_assert_ne!(before, after);
    }
}
