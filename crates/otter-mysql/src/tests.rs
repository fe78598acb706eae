//! Whole conversations with a scripted server, honest or hostile.

use mysql_common::constants::MariadbCapabilities;
use otter_core::{Classify, Fault};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::handshake::tests::greeting;
use super::scripted::{ADDRESS, framed, line, receive};
use super::*;

fn capabilities() -> CapabilityFlags {
    CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_DEPRECATE_EOF
}

/// A server that says `after_login` to everything that follows a login it does not check.
async fn server(after_login: Vec<u8>) -> (DatabaseUrl, tokio::task::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("mysql://otter:hunter2@127.0.0.1:{port}").parse().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = greeting("9.7.4", capabilities(), "caching_sha2_password");
        stream.write_all(&framed(0, &[&hello])).await.unwrap();
        receive(&mut stream).await;
        stream.write_all(&framed(2, &[b"\x01\x03", OK])).await.unwrap();
        receive(&mut stream).await; // SET NAMES
        stream.write_all(&framed(1, &[OK])).await.unwrap();
        receive(&mut stream).await;
        stream.write_all(&after_login).await.unwrap();
        stream
    });
    (url, task)
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END_OF_ROWS: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];

async fn asked(answer: Vec<u8>) -> (Connection, Result<ResultSet, ConnectionError>) {
    let (url, task) = server(answer).await;
    let mut connection = Connection::connect(&url).await.unwrap();
    let result = connection.query("SELECT 1").await;
    drop(task);
    (connection, result)
}

fn column(name: &str) -> Vec<u8> {
    let mut bytes = b"\x03def\0\0\0".to_vec();
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

#[tokio::test]
async fn rows_are_read() {
    let (a, b) = (column("Variable_name"), column("Value"));
    let answer = framed(1, &[b"\x02", &a, &b, b"\x01x\x011", b"\x01y\xfb", END_OF_ROWS]);
    let (_, result) = asked(answer).await;
    let result = result.unwrap();
    assert_eq!(result.columns(), ["Variable_name", "Value"]);
    assert_eq!(result.rows().len(), 2);
    assert_eq!(result.first("VALUE"), Some("1"));
    assert_eq!(result.rows()[1].text(1), None);
}

#[tokio::test]
async fn the_old_end_of_columns_and_rows_is_understood() {
    let (mut line, mut packets) = line();
    let name = column("a");
    let end: &[u8] = &[0xfe, 0, 0, 2, 0];
    line.write_all(&framed(1, &[b"\x01", &name, end, b"\x01x", end])).await.unwrap();
    let result = query::query(&mut packets, "SELECT 1", false, ADDRESS).await.unwrap();
    assert_eq!(result.first("a"), Some("x"));
}

#[tokio::test]
async fn a_request_for_a_local_file_is_refused() {
    let (mut connection, result) = asked(framed(1, &[b"\xfb/etc/passwd"])).await;
    let error = result.unwrap_err();
    assert!(matches!(error, ConnectionError::Protocol { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(matches!(connection.ping().await, Err(ConnectionError::Interrupted { .. })));
}

#[tokio::test]
async fn several_answers_to_one_statement_are_refused() {
    let more: &[u8] = &[0, 0, 0, 0x08, 0, 0, 0];
    let (_, result) = asked(framed(1, &[more, OK])).await;
    assert!(matches!(result, Err(ConnectionError::Protocol { .. })));
}

#[tokio::test]
async fn an_error_of_the_server_leaves_the_connection_usable() {
    let (connection, result) = asked(framed(1, &[b"\xff\x28\x04#42000You have an error"])).await;
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "server error 1064 (42000): You have an error");
    assert!(!connection.busy);
}

#[tokio::test]
async fn rights_that_are_missing_are_told_apart() {
    let (_, result) = asked(framed(1, &[b"\xff\xcb\x04#42000Access denied; you need X"])).await;
    assert!(matches!(result, Err(ConnectionError::MissingPrivilege(_))));
}

#[tokio::test]
async fn a_command_that_was_dropped_half_way_spoils_the_connection() {
    let (url, task) = server(framed(1, &[b"\x02", &column("a")])).await;
    let mut connection = Connection::connect(&url).await.unwrap();
    let mut query = Box::pin(connection.query("SELECT 1"));
    let stream = tokio::select! {
        biased;
        result = &mut query => panic!("half an answer became {result:?}"),
        stream = task => stream.unwrap(),
    };
    drop(query);
    let error = connection.query("SELECT 2").await.unwrap_err();
    assert!(matches!(error, ConnectionError::Interrupted { .. }), "{error}");
    drop(stream);
}

#[tokio::test]
async fn a_server_that_turns_us_away_before_the_greeting_is_heard() {
    let (mut server, mut packets) = line();
    server.write_all(&framed(0, &[b"\xff\x10\x04Too many connections"])).await.unwrap();
    let error = login::read_greeting(&mut packets, ADDRESS).await.unwrap_err();
    assert_eq!(error.to_string(), "server error 1040: Too many connections");
    assert_eq!(error.fault(), Fault::Transient);
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("mysql://otter:hunter2@127.0.0.1:{port}").parse().unwrap();
    let error = Connection::connect(&url).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Refused { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Transient);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("mysql://otter:hunter2@127.0.0.1:{port}?connect-timeout-ms=50");
    let error = Connection::connect(&url.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Timeout { doing: "log in", .. }), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    for mode in ["required", "verify-ca", "verify-identity"] {
        let (url, task) = server(Vec::new()).await;
        let url: DatabaseUrl =
            format!("mysql://otter:hunter2@{}?ssl-mode={mode}", url.address()).parse().unwrap();
        let error = Connection::connect(&url).await.unwrap_err();
        let ConnectionError::Tls { source, .. } = error else { panic!("{error}") };
        assert!(matches!(source, TlsError::NotOffered), "{source}");
        task.abort();
    }
}

/// What follows the greeting before TLS must not be read as part of the encrypted conversation.
#[tokio::test]
async fn bytes_injected_before_tls_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = greeting("9.7.4", capabilities() | CapabilityFlags::CLIENT_SSL, "");
        stream.write_all(&framed(0, &[&hello, OK])).await.unwrap();
        stream
    });
    let url = format!("mysql://otter:hunter2@127.0.0.1:{port}").parse().unwrap();
    let error = Connection::connect(&url).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Protocol { .. }), "{error}");
    drop(task);
}

/// A stage's future must be able to move between threads.
#[test]
fn the_future_of_an_event_can_move_between_threads() {
    fn check<T: Send>(_: fn(&'static mut DumpStream) -> T) {}
    check(DumpStream::next_event);
}

/// SECRET-1
#[tokio::test]
async fn a_connection_does_not_show_its_password() {
    let (connection, _) = asked(framed(1, &[OK])).await;
    assert!(!format!("{connection:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_makes_a_query_panic(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..24), 0..8),
        deprecate_eof: bool,
    ) {
        runtime().block_on(async {
            let (mut server, mut packets) = line();
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            server.write_all(&framed(1, &payloads)).await.unwrap();
            server.shutdown().await.unwrap();
            let _ = query::query(&mut packets, "SELECT 1", deprecate_eof, ADDRESS).await;
        });
    }

    #[test]
    fn no_conversation_makes_a_login_panic(
        hello in prop::collection::vec(any::<u8>(), 0..100),
        first in prop::sample::select(vec![0u8, 1, 1, 0xfe, 0xfe, 0xff, 7]),
        plugin in prop::sample::select(vec![
            "caching_sha2_password", "mysql_native_password", "sha256_password", "parsec",
            "client_ed25519", "mysql_clear_password", "other",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        later in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..24), 0..4),
    ) {
        runtime().block_on(async {
            let (mut server, mut packets) = line();
            server.write_all(&framed(0, &[&hello])).await.unwrap();
            let _ = login::read_greeting(&mut packets, ADDRESS).await;

            let (mut server, mut packets) = line();
            let hello = greeting("9.7.4", capabilities(), plugin);
            let mut said = vec![first];
            if first == 0xfe {
                said.extend_from_slice(plugin.as_bytes());
                said.push(0);
            }
            said.extend(tail);
            let mut bytes = framed(0, &[&hello]);
            let mut payloads: Vec<&[u8]> = vec![&said];
            payloads.extend(later.iter().map(Vec::as_slice));
            // Our own packets take every second number.
            for (index, payload) in payloads.iter().enumerate() {
                bytes.extend(framed(u8::try_from(2 + 2 * index).unwrap(), &[payload]));
            }
            server.write_all(&bytes).await.unwrap();
            let hello = login::read_greeting(&mut packets, ADDRESS).await.unwrap();
            let password = otter_core::database_url::Secret::new("hunter2");
            let account = auth::Account {
                user: "otter",
                password: &password,
                address: ADDRESS.to_owned(),
                encryption: Encryption::Plain,
                public_key: None,
                may_ask_for_key: true,
            };
            server.shutdown().await.unwrap();
            let _ = login::authenticate(&mut packets, &hello, (capabilities(), MariadbCapabilities::empty()), None, &account)
                .await;
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
