//! The binlog as a stream of events, from all kinds of positions and until all kinds of ends.

use std::time::Duration;

use otter_binlog::connection::{
    Connection, ConnectionError, DumpError, DumpRequest, DumpStart, DumpStream, Encryption,
};
use otter_core::{Classify, Fault};
use otter_server::sandbox::{self, Server, ServerOptions};
use tokio::time::{Instant, timeout};

use crate::events::{
    ANNOTATE_ROWS, FORMAT_DESCRIPTION, GTID, GTID_TAGGED, HEARTBEAT, HEARTBEAT_V2, MARIADB_GTID,
    QUERY, ROTATE, TABLE_MAP, WRITE_ROWS, WRITE_ROWS_V1, XID, count, dump, from_file, refusal,
    stopping, types,
};
use crate::support::{DEADLINE, connect, mariadb, mysql, one_value};

#[tokio::test]
async fn mysql_dumps_from_a_gtid_set_and_from_a_file() {
    let server = mysql(&[]).await;
    let mut connection = connect(&server, "").await.unwrap();
    server.execute("INSERT INTO shop.item VALUES (1, 'a'), (2, 'b')").await.unwrap();
    let executed = one_value(&mut connection, "SELECT @@global.gtid_executed").await;
    server
        .execute("SET gtid_next = 'AUTOMATIC:blue'; INSERT INTO shop.item VALUES (3, 'c')")
        .await
        .unwrap();
    let tagged = one_value(&mut connection, "SELECT @@global.gtid_executed").await;
    server.execute("DELETE FROM shop.item WHERE id = 1").await.unwrap();

    let all = types(&server, &DumpRequest::new(DumpStart::MySqlGtid(String::new()))).await;
    assert_eq!(all[..2], [ROTATE, FORMAT_DESCRIPTION]);
    assert_eq!((count(&all, WRITE_ROWS), count(&all, GTID_TAGGED)), (2, 1));

    let rest = types(&server, &DumpRequest::new(DumpStart::MySqlGtid(executed))).await;
    assert_eq!((count(&rest, WRITE_ROWS), count(&rest, GTID_TAGGED)), (1, 1), "{rest:x?}");
    assert_eq!((count(&rest, GTID), count(&rest, XID)), (1, 2), "{rest:x?}");

    assert!(tagged.contains(":blue:1"), "{tagged}");
    let last = types(&server, &DumpRequest::new(DumpStart::MySqlGtid(tagged))).await;
    assert_eq!((count(&last, GTID_TAGGED), count(&last, GTID)), (0, 1), "{last:x?}");

    let file = one_value(&mut connection, "SHOW BINARY LOGS").await;
    let by_file = types(&server, &from_file(&file, 4)).await;
    assert_eq!(count(&by_file, WRITE_ROWS), 2);
    assert_eq!(types(&server, &from_file("", 4)).await, by_file, "no name is the oldest file");
}

#[tokio::test]
async fn mariadb_dumps_from_a_gtid_position_and_from_a_file() {
    // Newer ones have TLS unless told otherwise.
    let server = mariadb(&["--skip-ssl"]).await;
    let mut connection = connect(&server, "").await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Plain);
    server.execute("INSERT INTO shop.item VALUES (1, 'a'), (2, 'b')").await.unwrap();
    let position = one_value(&mut connection, "SELECT @@global.gtid_binlog_pos").await;
    server.execute("INSERT INTO shop.item VALUES (3, 'c')").await.unwrap();

    let all = types(&server, &DumpRequest::new(DumpStart::MariaDbGtid(String::new()))).await;
    assert_eq!(all[..2], [ROTATE, FORMAT_DESCRIPTION]);
    assert_eq!(count(&all, WRITE_ROWS_V1), 2, "{all:x?}");
    assert_eq!(count(&all, ANNOTATE_ROWS), 0);

    let mut request = DumpRequest::new(DumpStart::MariaDbGtid(position));
    let rest = types(&server, &request).await;
    assert_eq!((count(&rest, MARIADB_GTID), count(&rest, WRITE_ROWS_V1)), (1, 1), "{rest:x?}");
    request.annotate_rows = true;
    assert_eq!(count(&types(&server, &request).await, ANNOTATE_ROWS), 1);

    let file = one_value(&mut connection, "SHOW BINARY LOGS").await;
    let by_file = types(&server, &from_file(&file, 4)).await;
    assert_eq!(count(&by_file, WRITE_ROWS_V1), 2);
    assert!(count(&by_file, MARIADB_GTID) > 3, "they are not replaced by dummies");
}

#[tokio::test]
async fn an_idle_server_sends_heartbeats_and_a_change_arrives_at_once() {
    for server in [mysql(&[]).await, mariadb(&[]).await] {
        let mut request = from_file("", 4);
        request.heartbeat = Duration::from_millis(200);
        let mut stream = dump(&server, &request).await.unwrap();
        let mut heartbeats = 0;
        let kind = |event: Option<&[u8]>| event.unwrap()[4];
        while heartbeats < 3 {
            match kind(timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap()) {
                HEARTBEAT | HEARTBEAT_V2 => heartbeats += 1,
                _ => heartbeats = 0,
            }
        }
        assert!(!stream.has_buffered_event());

        server.execute("INSERT INTO shop.item VALUES (1, 'a')").await.unwrap();
        let mut seen = Vec::new();
        let mut buffered = 0;
        while seen.last() != Some(&XID) {
            seen.push(kind(timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap()));
            buffered += usize::from(stream.has_buffered_event());
        }
        assert_eq!(count(&seen, TABLE_MAP), 1, "{seen:x?}");
        assert!(buffered > 0, "a transaction comes in one piece");
        assert!(stream.replica_id() >= 0xf000_0000);
    }
}

#[tokio::test]
async fn a_source_that_freezes_is_noticed_and_one_that_dies_breaks_the_line() {
    for mut server in [mysql(&[]).await, mariadb(&[]).await] {
        let mut request = from_file("", 4);
        request.heartbeat = Duration::from_millis(400);
        let mut stream = dump(&server, &request).await.unwrap();
        let wait = async {
            loop {
                if matches!(
                    stream.next_event().await.unwrap().unwrap()[4],
                    HEARTBEAT | HEARTBEAT_V2
                ) {
                    break;
                }
            }
        };
        timeout(DEADLINE, wait).await.unwrap();

        server.pause().unwrap();
        let frozen = Instant::now();
        let error = loop {
            // A selector that looks at other things in between.
            tokio::select! {
                biased;
                result = stream.next_event() => if let Err(error) = result { break error },
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            assert!(frozen.elapsed() < DEADLINE);
        };
        server.resume().unwrap();
        assert!(matches!(error, DumpError::SilentSource { .. }), "{error}");
        assert_eq!((error.fault(), stream.patience()), (Fault::Transient, Duration::from_secs(1)));
        let error = stream.next_event().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "a failed stream does not end quietly");

        let mut stream = dump(&server, &from_file("", 4)).await.unwrap();
        timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap();
        server.kill9().unwrap();
        let error = loop {
            match timeout(DEADLINE, stream.next_event()).await.unwrap() {
                Ok(event) => assert!(event.is_some(), "a broken line is not an end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, DumpError::Connection(ConnectionError::Broken { .. })), "{error}");
        assert_eq!(error.fault(), Fault::Transient);
        let error = connect(&server, "").await.unwrap_err();
        assert!(matches!(error, ConnectionError::Refused { .. }), "{error}");
    }
}

#[tokio::test]
async fn mysql_positions_that_cannot_be_served_are_told_apart() {
    let server = mysql(&[]).await;
    let gtid = |text: String| DumpRequest::new(DumpStart::MySqlGtid(text));
    let mut connection = connect(&server, "").await.unwrap();
    server.execute("INSERT INTO shop.item VALUES (1, 'a'); FLUSH BINARY LOGS").await.unwrap();
    let logs = connection.query("SHOW BINARY LOGS").await.unwrap();
    let name = |row: usize| logs.rows()[row].text(0).unwrap().to_owned();
    let (first, last) = (name(0), name(logs.rows().len() - 1));
    server.execute(&format!("PURGE BINARY LOGS TO '{last}'")).await.unwrap();

    let error = refusal(&server, &gtid(String::new())).await;
    assert!(matches!(error, DumpError::Purged(_)), "{error}: {error:?}");
    assert_eq!(error.fault(), Fault::Fatal);
    let error = refusal(&server, &from_file(&first, 4)).await;
    assert!(matches!(error, DumpError::UnknownFile(_)), "{error}: {error:?}");
    let error = refusal(&server, &from_file(&last, 999_999)).await;
    assert!(matches!(error, DumpError::NoSuchPlace(_)), "{error}: {error:?}");
    let uuid = one_value(&mut connection, "SELECT @@global.server_uuid").await;
    let error = refusal(&server, &gtid(format!("{uuid}:1-99999"))).await;
    assert!(matches!(error, DumpError::Diverged(_)), "{error}: {error:?}");
}

#[tokio::test]
async fn mariadb_positions_that_cannot_be_served_are_told_apart() {
    let server = mariadb(&[]).await;
    let gtid = |text: &str| DumpRequest::new(DumpStart::MariaDbGtid(text.to_owned()));
    let mut connection = connect(&server, "").await.unwrap();
    server.execute("INSERT INTO shop.item VALUES (1, 'a'); FLUSH BINARY LOGS").await.unwrap();
    let logs = connection.query("SHOW BINARY LOGS").await.unwrap();
    let name = |row: usize| logs.rows()[row].text(0).unwrap().to_owned();
    let (first, last) = (name(0), name(logs.rows().len() - 1));
    server.execute("INSERT INTO shop.item VALUES (2, 'b')").await.unwrap();
    // A file is purged only once no crash recovery needs it.
    let deadline = Instant::now() + DEADLINE;
    while connection.query("SHOW BINARY LOGS").await.unwrap().rows().len() > 1 {
        server.execute(&format!("PURGE BINARY LOGS TO '{last}'")).await.unwrap();
        assert!(Instant::now() < deadline, "the file is never purged");
    }

    let error = refusal(&server, &gtid("0-1-1")).await;
    assert!(matches!(error, DumpError::Purged(_)), "{error}: {error:?}");
    assert_eq!(error.fault(), Fault::Fatal);
    let error = refusal(&server, &from_file(&first, 4)).await;
    assert!(matches!(error, DumpError::UnknownFile(_)), "{error}: {error:?}");
    let error = refusal(&server, &from_file(&last, 999_999)).await;
    assert!(matches!(error, DumpError::NoSuchPlace(_)), "{error}: {error:?}");
    let error = refusal(&server, &gtid("0-1-99999")).await;
    assert!(matches!(error, DumpError::Diverged(_)), "{error}: {error:?}");
}

#[tokio::test]
async fn a_server_without_gtids_or_without_a_binlog_is_told_what_to_set() {
    let server = mysql(&["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await;
    let request = DumpRequest::new(DumpStart::MySqlGtid(String::new()));
    assert!(matches!(refusal(&server, &request).await, DumpError::NoGtids));
    let plain = types(&server, &from_file("", 4)).await;
    assert!(count(&plain, QUERY) > 0 && count(&plain, GTID) == 0);

    let options = ServerOptions::new(sandbox::Flavor::MariaDb, 1).without_binlog();
    let server = Server::start(options).await.unwrap();
    let mut connection = Connection::connect(&server.url().parse().unwrap()).await.unwrap();
    let info = connection.server_info().await.unwrap();
    let request = DumpRequest::new(DumpStart::MariaDbGtid(String::new()));
    let error = DumpStream::start(connection, &info, &request).await.unwrap_err();
    assert!(matches!(error, DumpError::NoBinlog), "{error}");
}

/// MEM-1
#[tokio::test]
async fn events_over_sixteen_megabytes_arrive_whole_or_are_refused_by_name() {
    const SIZE: usize = 40 << 20;
    for server in
        [mysql(&["--max-allowed-packet=128M"]).await, mariadb(&["--max-allowed-packet=128M"]).await]
    {
        let insert = format!("INSERT INTO shop.item VALUES (1, REPEAT('x', {SIZE}))");
        server
            .execute(&format!("{insert}; INSERT INTO shop.item VALUES (2, 'after')"))
            .await
            .unwrap();
        let mut request = stopping(from_file("", 4));
        let mut stream = dump(&server, &request).await.unwrap();
        let mut rows = Vec::new();
        while let Some(event) = timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap() {
            if matches!(event[4], WRITE_ROWS | WRITE_ROWS_V1) {
                let stated = u32::from_le_bytes([event[9], event[10], event[11], event[12]]);
                assert_eq!(usize::try_from(stated).unwrap(), event.len());
                rows.push(event.iter().filter(|byte| **byte == b'x').count());
            }
        }
        assert_eq!(rows.len(), 2);
        assert!(rows[0] >= SIZE, "{} of {SIZE} bytes arrived", rows[0]);

        request.max_event = 20 << 20;
        let error = refusal(&server, &request).await;
        assert!(
            matches!(error, DumpError::EventTooLarge { limit } if limit == 20 << 20),
            "{error}"
        );
        assert_eq!(error.fault(), Fault::Fatal);
    }
}

#[tokio::test]
async fn a_reader_that_is_killed_at_the_source_may_come_back() {
    for server in [mysql(&[]).await, mariadb(&[]).await] {
        let mut connection = connect(&server, "").await.unwrap();
        let id = connection.connection_id();
        let info = connection.server_info().await.unwrap();
        let request = from_file("", 4);
        let mut stream = DumpStream::start(connection, &info, &request).await.unwrap();
        timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap();
        server.execute(&format!("KILL {id}")).await.unwrap();
        let error = loop {
            match timeout(DEADLINE, stream.next_event()).await.unwrap() {
                Ok(event) => assert!(event.is_some(), "a broken line is not an end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.fault(), Fault::Transient, "{error}: {error:?}");
    }
}
