//! JSON documents that MySQL logs as differences (`binlog_row_value_options = PARTIAL_JSON`).

use otter_core::{Change, Event, Value};
use otter_server::sandbox::Server;
use otter_tests::{query, testbed};

use super::support::{assert_fatal, failure, open_now, options, transactions};

const DOCUMENT: &str = r#"{"a": 1, "bb": [1, [2, 3, {"x": "y"}], "three"], "key with space": {"q\"uote": 1, "é": 2, "tab\t\\": 3}, "n": null, "": 5, "deep": {"er": {"est": [[[1.50]]]}}}"#;

/// Each is applied to the document above in one update.
const CHANGES: &[&str] = &[
    "JSON_SET(v, '$.a', 2)",
    "JSON_SET(v, '$.a', JSON_OBJECT('new', JSON_ARRAY(1, 2)))",
    "JSON_SET(v, '$.zz', 'inserted', '$.c', TRUE)",
    "JSON_SET(v, '$.bb[1][2].x', 'longer than it was before')",
    "JSON_SET(v, '$.bb[10]', 'at the end')",
    "JSON_SET(v, '$.bb[last]', 'the last')",
    "JSON_SET(v, '$.bb[last-1]', 'before the last')",
    "JSON_SET(v, '$.a[0]', 'wrapped')",
    "JSON_SET(v, '$.a[1]', 'wrapped with another')",
    "JSON_SET(v, '$.deep.er.est[0][0][1]', CAST('2024-01-02 03:04:05.6' AS DATETIME(3)))",
    "JSON_SET(v, '$.deep.er.est[0][0][0]', CAST(2.75 AS DECIMAL(10,4)))",
    "JSON_SET(v, '$.\"key with space\".\"q\\\\\"uote\"', 'quoted')",
    "JSON_SET(v, '$.\"key with space\".\"tab\\\\t\\\\\\\\\"', 'escaped', '$.\"key with space\".é', 7)",
    "JSON_SET(v, '$.\"\"', 'empty key', '$.\"1\"', 'digit', '$.\"🦦.x[0]\"', 'otter')",
    "JSON_REPLACE(v, '$.n', 18446744073709551615, '$.missing', 1)",
    "JSON_REPLACE(v, '$.missing', 1)",
    "JSON_REPLACE(v, '$.bb', REPEAT('é', 200))",
    "JSON_REPLACE(v, '$.a', 1)",
    "JSON_REPLACE(v, '$', JSON_ARRAY(1))",
    "JSON_REMOVE(v, '$.a')",
    "JSON_REMOVE(v, '$.bb[0]', '$.bb[0][1]', '$.\"key with space\".é')",
    "JSON_REMOVE(v, '$.bb[last]', '$.\"\"')",
    "JSON_REMOVE(JSON_SET(v, '$.a', 9, '$.b', 8), '$.n')",
    "JSON_SET(JSON_REMOVE(v, '$.a'), '$.a', 'again')",
    "JSON_ARRAY_INSERT(v, '$.bb[0]', 'first')",
    "JSON_ARRAY_APPEND(v, '$.bb', 'appended', '$.bb[1]', 'inside')",
    "JSON_INSERT(v, '$.bb[7]', 'appended', '$.new', 1e20)",
    "JSON_MERGE_PATCH(v, '{\"a\": null}')",
    "NULL",
    "'[1, 2]'",
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\"))
}

/// The last image of each row, in the order in which they were written.
fn documents(events: &[Event], columns: &[&str]) -> Vec<Vec<String>> {
    let mut read = Vec::new();
    for event in events {
        let Event::Rows(rows) = event else { panic!("no rows") };
        for change in rows.changes() {
            let Change::Update { after, .. } = change else { panic!("no update") };
            read.push(columns.iter().map(|name| shown(after.by_name(name))).collect());
        }
    }
    read
}

fn shown(value: Option<Value<'_>>) -> String {
    match value {
        Some(Value::Json(text)) => text.to_owned(),
        Some(Value::Null) => "NULL".to_owned(),
        other => panic!("no document: {}", other.is_some()),
    }
}

async fn start(arguments: &[&str]) -> Server {
    let mut testbed = testbed::mysql().source().arg("--binlog-row-value-options=PARTIAL_JSON");
    for argument in arguments {
        testbed = testbed.arg(*argument);
    }
    let server = testbed.start().await;
    testbed::execute(
        &server,
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v JSON, t INT, w JSON) \
         CHARACTER SET utf8mb4",
    )
    .await;
    server
}

/// The types of the row updates in the server's binlog.
async fn partial_updates(server: &Server) -> usize {
    let status = query::texts(server, "SHOW BINARY LOG STATUS").await;
    let file = &status[0][0];
    let events = query::texts(server, &format!("SHOW BINLOG EVENTS IN '{file}'")).await;
    events.iter().filter(|event| event[2] == "Update_rows_partial").count()
}

async fn differences_give_what_the_server_has(arguments: &[&str]) {
    let server = start(arguments).await;
    let document = quoted(DOCUMENT);
    let mut insert = vec!["SET NAMES utf8mb4".to_owned()];
    for id in 0..CHANGES.len() {
        insert.push(format!(
            "INSERT INTO shop.t VALUES ({id}, {document}, 0, {})",
            if id % 2 == 0 { "'{\"k\": [1]}'" } else { "NULL" },
        ));
    }
    testbed::execute(&server, &insert.join("; ")).await;
    let mut selector = open_now(options(&server)).await;
    let mut updates = vec!["SET NAMES utf8mb4; BEGIN".to_owned()];
    for (id, change) in CHANGES.iter().enumerate() {
        updates.push(format!(
            "UPDATE shop.t SET v = {change}, t = t + 1, w = JSON_SET(w, '$.k[1]', {id}) \
             WHERE id = {id}"
        ));
    }
    updates.push("COMMIT".to_owned());
    testbed::execute(&server, &updates.join("; ")).await;
    let read = transactions(&mut selector, 1).await;
    let read = documents(&read[0].events, &["v", "w"]);
    let selected = query::texts(&server, "SELECT v, w FROM shop.t ORDER BY id").await;
    assert_eq!(read.len(), CHANGES.len());
    for ((change, read), selected) in CHANGES.iter().zip(&read).zip(&selected) {
        assert_eq!(read, selected, "{change}");
    }
    // Many rows of one statement, one behind the other.
    testbed::execute(&server, "UPDATE shop.t SET w = JSON_SET(w, '$.m', id) WHERE w IS NOT NULL")
        .await;
    let read = transactions(&mut selector, 1).await;
    let selected =
        query::texts(&server, "SELECT w FROM shop.t WHERE w IS NOT NULL ORDER BY id").await;
    assert_eq!(documents(&read[0].events, &["w"]), selected);
    if arguments.iter().all(|argument| !argument.contains("compression")) {
        let count = partial_updates(&server).await;
        println!("{count} events with differences, {} changes", CHANGES.len());
        assert!(count > CHANGES.len() / 2, "only {count} events hold differences");
    }
}

#[tokio::test]
async fn differences_of_documents_give_what_the_server_has() {
    differences_give_what_the_server_has(&["--binlog-row-metadata=FULL"]).await;
}

#[tokio::test]
async fn differences_in_compressed_transactions_give_what_the_server_has() {
    differences_give_what_the_server_has(&["--binlog-transaction-compression=ON"]).await;
}

#[tokio::test]
async fn differences_from_a_document_that_is_not_logged_name_the_remedy() {
    let server = start(&[]).await;
    testbed::execute(&server, "INSERT INTO shop.t VALUES (1, '{\"a\": 1, \"b\": 2}', 0, NULL)")
        .await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(
        &server,
        "SET SESSION binlog_row_image = 'MINIMAL'; \
         UPDATE shop.t SET v = JSON_SET(v, '$.a', 2) WHERE id = 1",
    )
    .await;
    let error = failure(&mut selector).await;
    assert_fatal(&error, "SET GLOBAL binlog_row_value_options = ''");
    assert_fatal(&error, "column `v` of `shop.t`");
}
