//! Otter's own connection against real servers: login, TLS, queries, and the binlog dump.

use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_binlog::connection::{
    AtEnd, Connection, ConnectionError, DumpError, DumpRequest, DumpStart, DumpStream, Encryption,
    Flavor, ServerInfo, TlsError,
};
use otter_core::{Classify, DatabaseUrl, Fault};
use otter_server::sandbox::{self, Server, ServerOptions};
use tokio::time::{Instant, timeout};

/// Far more than anything here takes, even on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

const PASSWORD: &str = "hunt'er2@/?#%";

const HEARTBEAT: u8 = 0x1b;
const HEARTBEAT_V2: u8 = 0x29;
const QUERY: u8 = 0x02;
const ROTATE: u8 = 0x04;
const FORMAT_DESCRIPTION: u8 = 0x0f;
const XID: u8 = 0x10;
const TABLE_MAP: u8 = 0x13;
const WRITE_ROWS_V1: u8 = 0x17;
const WRITE_ROWS: u8 = 0x1e;
const GTID: u8 = 0x21;
const GTID_TAGGED: u8 = 0x2a;
const ANNOTATE_ROWS: u8 = 0xa0;
const MARIADB_GTID: u8 = 0xa2;

async fn start(flavor: sandbox::Flavor, args: &[&str]) -> Server {
    prepared(ServerOptions::new(flavor, 1).fast().args(args.iter().copied())).await
}

async fn prepared(options: ServerOptions) -> Server {
    let server = Server::start(options).await.unwrap();
    let quoted = PASSWORD.replace('\'', "''");
    server
        .execute(&format!(
            "CREATE USER otter@'%' IDENTIFIED BY '{quoted}';
             GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO otter@'%';
             CREATE USER plain@'%' IDENTIFIED BY '{quoted}';
             CREATE DATABASE shop;
             CREATE TABLE shop.item (id INT PRIMARY KEY, name LONGTEXT)"
        ))
        .await
        .unwrap();
    server
}

async fn mysql(args: &[&str]) -> Server {
    start(sandbox::Flavor::MySql, args).await
}

async fn mariadb(args: &[&str]) -> Server {
    start(sandbox::Flavor::MariaDb, args).await
}

fn url(server: &Server, params: &str) -> DatabaseUrl {
    format!("{}?{params}", server.url_as("otter", PASSWORD)).parse().unwrap()
}

async fn connect(server: &Server, params: &str) -> Result<Connection, ConnectionError> {
    Connection::connect(&url(server, params)).await
}

fn tls_error(result: Result<Connection, ConnectionError>) -> TlsError {
    let error = result.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    let ConnectionError::Tls { source, .. } = error else { panic!("{error}: {error:?}") };
    source
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connection").join(name)
}

async fn one_value(connection: &mut Connection, sql: &str) -> String {
    let result = connection.query(sql).await.unwrap();
    result.rows()[0].text(0).unwrap().to_owned()
}

async fn dump(server: &Server, request: &DumpRequest) -> Result<DumpStream, DumpError> {
    let mut connection = connect(server, "").await?;
    let info = connection.server_info().await?;
    DumpStream::start(connection, &info, request).await
}

fn from_file(name: &str, offset: u64) -> DumpRequest {
    DumpRequest::new(DumpStart::File { name: name.to_owned(), offset })
}

fn stopping(mut request: DumpRequest) -> DumpRequest {
    request.at_end = AtEnd::Stop;
    request
}

/// The types of all events until the end of what there is.
async fn types(server: &Server, request: &DumpRequest) -> Vec<u8> {
    let mut stream = dump(server, &stopping(request.clone())).await.unwrap();
    let mut types = Vec::new();
    while let Some(event) = timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap() {
        assert!(event.len() >= 19, "an event has a header");
        types.push(event[4]);
    }
    types
}

fn count(types: &[u8], wanted: u8) -> usize {
    types.iter().filter(|found| **found == wanted).count()
}

/// The error that ends a dump that should not begin.
async fn refusal(server: &Server, request: &DumpRequest) -> DumpError {
    let mut stream = match dump(server, request).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    loop {
        match timeout(DEADLINE, stream.next_event()).await.unwrap() {
            Ok(event) => assert!(event.is_some(), "the dump ended without an error"),
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn mysql_is_encrypted_and_verified_as_far_as_the_url_asks() {
    let server = mysql(&[]).await;
    let own = server.data_dir().join("ca.pem");
    let own = own.display();

    let connection = connect(&server, "").await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Unverified, "the default on loopback");
    let connection = connect(&server, "ssl-mode=required").await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Unverified);

    let mut connection =
        connect(&server, &format!("ssl-mode=verify-ca&ssl-ca={own}")).await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Verified);
    assert!(one_value(&mut connection, "SHOW STATUS LIKE 'Ssl_version'").await.contains("Ssl"));
    connection.close().await;

    let nameless = connect(&server, &format!("ssl-mode=verify-identity&ssl-ca={own}")).await;
    assert!(matches!(tls_error(nameless), TlsError::WrongName { .. }));
    let other = fixture("ca.pem");
    let foreign = connect(&server, &format!("ssl-mode=verify-ca&ssl-ca={}", other.display())).await;
    assert!(matches!(tls_error(foreign), TlsError::UnknownIssuer));
    let certificate = server.data_dir().join("server-cert.pem");
    let pinned = format!("ssl-mode=verify-ca&ssl-ca={}", certificate.display());
    assert_eq!(connect(&server, &pinned).await.unwrap().encryption(), Encryption::Verified);

    let missing = connect(&server, "ssl-mode=verify-ca&ssl-ca=/no/such/ca.pem").await.unwrap_err();
    assert!(matches!(missing, ConnectionError::File { parameter: "ssl-ca", .. }), "{missing}");
    let key = server.data_dir().join("public_key.pem");
    let no_certificate = format!("ssl-mode=verify-ca&ssl-ca={}", key.display());
    let error = connect(&server, &no_certificate).await.unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_with_the_hosts_name_passes_verify_identity() {
    let args = [
        format!("--ssl-cert={}", fixture("server.pem").display()),
        format!("--ssl-key={}", fixture("server.key").display()),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ca = fixture("ca.pem");
    for server in [mysql(&args).await, mariadb(&args).await] {
        for mode in ["verify-identity", "verify-ca"] {
            let params = format!("ssl-mode={mode}&ssl-ca={}", ca.display());
            let mut connection = connect(&server, &params).await.unwrap();
            assert_eq!(connection.encryption(), Encryption::Verified);
            connection.ping().await.unwrap();
        }
        let info =
            connect(&server, "ssl-mode=required").await.unwrap().server_info().await.unwrap();
        let params = format!("ssl-mode=verify-identity&ssl-ca={}", ca.display());
        let connection = connect(&server, &params).await.unwrap();
        let request = stopping(from_file("", 4));
        let mut stream = DumpStream::start(connection, &info, &request).await.unwrap();
        let mut seen = 0;
        while timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap().is_some() {
            seen += 1;
        }
        assert!(seen > 5, "a dump works inside TLS");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_reached_plainly_on_loopback_unless_tls_is_asked_for() {
    // The testbed's own driver cannot log in with a password where there is no TLS.
    let options = ServerOptions::new(sandbox::Flavor::MySql, 1).root_password("");
    let server = prepared(options.fast().arg("--tls-version=")).await;
    let connection = connect(&server, "allow-public-key-retrieval=true").await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Plain);
    for mode in ["required", "verify-ca", "verify-identity"] {
        let error = tls_error(connect(&server, &format!("ssl-mode={mode}")).await);
        assert!(matches!(error, TlsError::NotOffered), "{error}");
    }
}

#[tokio::test]
async fn without_tls_mysql_passwords_need_the_servers_key() {
    let server = mysql(&[]).await;
    let key = server.data_dir().join("public_key.pem");
    let refused = || async {
        let error = connect(&server, "ssl-mode=disabled").await.unwrap_err();
        assert!(matches!(error, ConnectionError::PublicKeyNeeded { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Fatal);
    };
    // The server forgets the passwords that it knows, so each login is a full one again.
    let forget = || async { server.execute("FLUSH PRIVILEGES").await.unwrap() };

    refused().await;
    let retrieval = "ssl-mode=disabled&allow-public-key-retrieval=true";
    let connection = connect(&server, retrieval).await.unwrap();
    assert_eq!(connection.encryption(), Encryption::Plain);
    connect(&server, "ssl-mode=disabled").await.expect("the server knows the password now");

    forget().await;
    refused().await;
    let named = format!("ssl-mode=disabled&server-public-key={}", key.display());
    connect(&server, &named).await.unwrap();

    forget().await;
    let foreign = fixture("other_public_key.pem");
    let named = format!("ssl-mode=disabled&server-public-key={}", foreign.display());
    let error = connect(&server, &named).await.unwrap_err();
    assert!(matches!(error, ConnectionError::AccessDenied { .. }), "{error}");
    let named = format!("ssl-mode=disabled&server-public-key={}", fixture("ca.pem").display());
    let error = connect(&server, &named).await.unwrap_err();
    assert!(matches!(error, ConnectionError::BadPublicKey { .. }), "{error}");
    let error = connect(&server, "ssl-mode=disabled&server-public-key=/none").await.unwrap_err();
    assert!(matches!(error, ConnectionError::File { .. }), "{error}");
}

#[tokio::test]
async fn mysqls_older_sha256_password_works_with_and_without_tls() {
    let server = mysql(&[]).await;
    let created =
        server.execute("CREATE USER old@'%' IDENTIFIED WITH sha256_password BY 'hunter2'").await;
    created.unwrap();
    let url = server.url_as("old", "hunter2");
    for params in ["", "ssl-mode=disabled&allow-public-key-retrieval=true"] {
        Connection::connect(&format!("{url}?{params}").parse().unwrap()).await.unwrap();
    }
    let error = Connection::connect(&format!("{url}?ssl-mode=disabled").parse().unwrap()).await;
    assert!(matches!(error.unwrap_err(), ConnectionError::PublicKeyNeeded { .. }));
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    for server in [mysql(&[]).await, mariadb(&[]).await] {
        for (user, password) in [("otter", "wrong"), ("nobody", "wrong"), ("otter", "")] {
            let url = server.url_as(user, password).parse().unwrap();
            let error = Connection::connect(&url).await.unwrap_err();
            let ConnectionError::AccessDenied { user: named, source, .. } = &error else {
                panic!("{error}: {error:?}")
            };
            assert_eq!((named.as_str(), source.code), (user, 1045));
            assert_eq!(error.fault(), Fault::Fatal);
            assert!(!format!("{error} {error:?}").contains("wrong"));
        }
        let url = format!("{}/no_such", server.url_as("otter", PASSWORD)).parse().unwrap();
        let error = Connection::connect(&url).await.unwrap_err();
        assert_eq!(error.server_error().unwrap().code, 1049, "{error}");

        // An account without the right to replicate.
        let url = server.url_as("plain", PASSWORD).parse().unwrap();
        let mut connection = Connection::connect(&url).await.unwrap();
        let info = connection.server_info().await.unwrap();
        let request = from_file("", 4);
        let error = match DumpStream::start(connection, &info, &request).await {
            Ok(mut stream) => stream.next_event().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, DumpError::NoReplicationRight(_)), "{error}: {error:?}");
        assert_eq!(error.fault(), Fault::Fatal);
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let url = "mysql://otter@no-such-host.invalid:3306".parse().unwrap();
    let error = Connection::connect(&url).await.unwrap_err();
    assert!(
        matches!(&error, ConnectionError::Resolve { host, .. } if host == "no-such-host.invalid")
    );
    assert_eq!(error.fault(), Fault::Transient);
}

#[tokio::test]
async fn a_session_is_in_utf8_and_survives_an_error() {
    for server in [mysql(&[]).await, mariadb(&[]).await] {
        let mut connection = connect(&server, "").await.unwrap();
        let error = connection.query("SELECT nonsense FROM nowhere").await.unwrap_err();
        assert!(matches!(error, ConnectionError::Server(_) | ConnectionError::MissingPrivilege(_)));
        let result = connection
            .query("SELECT 'grüße 🦦' AS a, NULL AS b, x'00ff' AS c, '' AS d")
            .await
            .unwrap();
        assert_eq!(result.columns(), ["a", "b", "c", "d"]);
        let row = &result.rows()[0];
        assert_eq!(row.text(0), Some("grüße 🦦"));
        assert_eq!((row.bytes(1), row.bytes(2)), (None, Some(&[0, 255][..])));
        assert_eq!(row.text(3), Some(""));
        let long = one_value(&mut connection, "SELECT REPEAT('x', 300000)").await;
        assert_eq!(long.len(), 300_000);
        connection.execute("DO 1").await.unwrap();
        connection.ping().await.unwrap();
    }
}

#[tokio::test]
async fn the_servers_tell_what_they_are() {
    let server = mysql(&["--binlog-row-metadata=FULL", "--binlog-row-image=MINIMAL"]).await;
    let info: ServerInfo = connect(&server, "").await.unwrap().server_info().await.unwrap();
    assert_eq!((info.flavor(), info.server_id, info.log_bin), (Flavor::MySql, 1, true));
    assert!(info.version.is_at_least(8, 0, 0));
    assert_eq!(info.server_uuid.as_ref().map(String::len), Some(36));
    assert_eq!(info.gtid_mode.as_deref(), Some("ON"));
    assert_eq!(info.binlog_row_metadata.as_deref(), Some("FULL"));
    assert_eq!(info.binlog_row_image.as_deref(), Some("MINIMAL"));
    assert_eq!(info.binlog_checksum.as_deref(), Some("CRC32"));
    assert_eq!(info.variable("lower_case_table_names"), Some("0"));

    let server = mariadb(&["--binlog-format=MIXED"]).await;
    let info = connect(&server, "").await.unwrap().server_info().await.unwrap();
    assert_eq!((info.flavor(), info.server_id, info.log_bin), (Flavor::MariaDb, 1, true));
    assert!(info.version.is_at_least(10, 5, 0));
    assert_eq!((info.server_uuid, info.gtid_mode), (None, None));
    assert_eq!(info.binlog_format.as_deref(), Some("MIXED"));
}

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
