use tokio::io::AsyncWriteExt;

use super::*;
use crate::scripted::{ADDRESS, framed, line, receive};

/// Two rows affected, more answers follow; and the last one, with three warnings.
const TWO_ROWS: &[u8] = &[0, 2, 0, 0x0a, 0, 0, 0];
const LAST: &[u8] = &[0, 1, 0, 0x02, 0, 3, 0];
const DENIED: &[u8] = b"\xff\x15\x04#28000no";

/// Runs a text against what a server says, without waiting for anything.
async fn answered(said: Vec<u8>) -> (Vec<Answer>, Result<(), ConnectionError>) {
    let (mut server, mut packets) = line();
    server.write_all(&said).await.unwrap();
    let mut answers = Vec::new();
    let result = run(&mut packets, "text", &[], true, ADDRESS, |answer| answers.push(answer)).await;
    (answers, result)
}

fn dones(answers: &[Answer]) -> Vec<(u64, u16)> {
    let done = |answer: &Answer| match answer {
        Answer::Done(done) => Some((done.affected_rows, done.warnings)),
        Answer::Columns(_) | Answer::Row(_) => None,
    };
    answers.iter().filter_map(done).collect()
}

#[tokio::test]
async fn each_statement_is_answered_in_order() {
    let column: &[u8] = b"\x03def\0\0\0\x01a";
    let rows: &[&[u8]] =
        &[TWO_ROWS, b"\x01", column, b"\x01x", b"\xfb", &[0xfe, 0, 0, 0x0a, 0, 0, 0], LAST];
    let (answers, result) = answered(framed(1, rows)).await;
    result.unwrap();
    assert_eq!(dones(&answers), [(2, 0), (0, 0), (1, 3)]);
    assert!(matches!(&answers[1], Answer::Columns(names) if *names == ["a"]));
    assert!(matches!(&answers[2], Answer::Row(row) if row.text(0) == Some("x")));
    assert!(matches!(&answers[3], Answer::Row(row) if row.text(0).is_none()));
}

#[tokio::test]
async fn every_answer_tells_whether_a_transaction_is_open() {
    let open_and_more: &[u8] = &[0, 1, 0, 0x0b, 0, 0, 0];
    let column: &[u8] = b"\x03def\0\0\0\x01a";
    let open_rows: &[u8] = &[0xfe, 0, 0, 0x09, 0, 0, 0];
    let said: &[&[u8]] = &[open_and_more, b"\x01", column, open_rows, LAST];
    let (answers, result) = answered(framed(1, said)).await;
    result.unwrap();
    let open = |answer: &Answer| match answer {
        Answer::Done(done) => Some(done.in_transaction),
        Answer::Columns(_) | Answer::Row(_) => None,
    };
    assert_eq!(answers.iter().filter_map(open).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test]
async fn an_error_ends_the_text_behind_the_answers_before_it() {
    let (answers, result) = answered(framed(1, &[TWO_ROWS, DENIED])).await;
    let error = result.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, 1045);
    assert_eq!(dones(&answers), [(2, 0)]);
}

#[tokio::test]
async fn data_is_sent_where_it_is_asked_for_and_nowhere_else() {
    let (mut server, mut packets) = line();
    let data = ["x".repeat(DATA_PACKET + 3), String::new()];
    let client = tokio::spawn(async move {
        let mut answers = Vec::new();
        let take = |answer| answers.push(answer);
        let result = run(&mut packets, "two loads", &data, true, ADDRESS, take).await;
        (answers, result)
    });
    assert_eq!(receive(&mut server).await, (0, b"\x03two loads".to_vec()));
    server.write_all(&framed(1, &[b"\xfbotter"])).await.unwrap();
    assert_eq!(receive(&mut server).await, (2, vec![b'x'; DATA_PACKET]));
    assert_eq!(receive(&mut server).await, (3, b"xxx".to_vec()));
    assert_eq!(receive(&mut server).await, (4, Vec::new()));
    server.write_all(&framed(5, &[TWO_ROWS, b"\xfbotter"])).await.unwrap();
    assert_eq!(receive(&mut server).await, (7, Vec::new()));
    server.write_all(&framed(8, &[LAST])).await.unwrap();
    let (answers, result) = client.await.unwrap();
    result.unwrap();
    assert_eq!(dones(&answers), [(2, 0), (1, 3)]);
}

#[tokio::test]
async fn no_file_is_read_and_no_data_is_sent_twice() {
    for asked in [&b"\xfb/etc/passwd"[..], b"\xfbotter"] {
        let (_, result) = answered(framed(1, &[asked])).await;
        let error = result.unwrap_err();
        assert!(matches!(error, ConnectionError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn more_answers_than_statements_are_refused() {
    let (answers, result) = answered(framed(1, &[TWO_ROWS; 9])).await;
    assert!(matches!(result, Err(ConnectionError::Protocol { .. })));
    // One for each letter of the text, and one more.
    assert_eq!(answers.len(), 5);
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    for said in [
        &[&b""[..]][..],
        &[&b"\x00"[..]],
        &[&[0, 0, 0, 2]],
        &[&b"\xfc\xff\xff"[..]],
        &[&b"\xfe"[..]],
    ] {
        let (_, result) = answered(framed(1, said)).await;
        assert!(matches!(result, Err(ConnectionError::Protocol { .. })), "{said:?}");
    }
}
