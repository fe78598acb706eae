use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::scripted::{ADDRESS, framed, line};

/// Statement 7 with two parameters and no columns.
const PREPARED: &[u8] = &[0, 7, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];

#[tokio::test]
async fn a_statement_is_prepared_and_executed_for_rows() {
    let (mut server, mut packets) = line();
    server.write_all(&framed(1, &[PREPARED, b"first", b"second"])).await.unwrap();
    let statement = prepare(&mut packets, "INSERT", true, ADDRESS).await.unwrap();
    assert_eq!(statement, Statement { id: 7, parameters: 2 });
    let mut sent = vec![0; 11];
    server.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, b"\x07\0\0\0\x16INSERT");

    let mut rows = ParameterRows::default();
    rows.push_bits(5);
    rows.push_bytes(b"abc");
    let length = rows.len();
    rows.push_null();
    rows.truncate(length);
    rows.push_bits(u64::MAX);
    rows.push_null();
    server.write_all(&framed(1, &[&[0, 2, 0, 2, 0, 1, 0]])).await.unwrap();
    let types = [ParameterType::UInt, ParameterType::Text];
    let done = execute_rows(&mut packets, statement, &types, &rows, ADDRESS).await.unwrap();
    assert_eq!((done.affected_rows, done.warnings), (2, 1));
    let mut sent = vec![0; 4 + 11 + 14 + 10];
    server.read_exact(&mut sent).await.unwrap();
    assert_eq!(
        sent[4..],
        *b"\xfa\x07\0\0\0\x80\0\x08\x80\xfe\0\
        \0\x05\0\0\0\0\0\0\0\0\x03abc\
        \0\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    );
}

#[test]
fn lengths_of_every_width_are_written_as_they_are_read() {
    for length in [0, 0xfa, 0xfb, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000] {
        let mut rows = ParameterRows::default();
        rows.push_bytes(&vec![b'x'; length]);
        let mut reader = Reader::new(&rows.bytes);
        assert_eq!(reader.u8(), Ok(0));
        assert_eq!(reader.text().map(<[u8]>::len), Ok(length));
        assert!(reader.is_empty());
    }
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    for said in [&b""[..], b"\x00\x01", b"\xff", b"\x05rows"] {
        let (mut server, mut packets) = line();
        server.write_all(&framed(1, &[said])).await.unwrap();
        assert!(prepare(&mut packets, "INSERT", true, ADDRESS).await.is_err(), "{said:?}");
        let (mut server, mut packets) = line();
        server.write_all(&framed(1, &[said])).await.unwrap();
        let statement = Statement { id: 1, parameters: 0 };
        let rows = ParameterRows::default();
        let done = execute_rows(&mut packets, statement, &[], &rows, ADDRESS).await;
        assert!(done.is_err(), "{said:?}");
    }
}
