//! Who gets in, over which line, and what a session can do.

use otter_binlog::connection::{
    Connection, ConnectionError, DumpError, DumpStream, Encryption, Flavor, ServerInfo, TlsError,
};
use otter_core::{Classify, Fault};
use otter_server::sandbox::{self, ServerOptions};
use tokio::time::timeout;

use crate::events::{from_file, stopping};
use crate::support::{
    DEADLINE, PASSWORD, connect, fixture, mariadb, mysql, one_value, prepared, tls_error,
};

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
