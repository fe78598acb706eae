//! Servers, accounts and URLs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_binlog::connection::{Connection, ConnectionError, TlsError};
use otter_core::{Classify, DatabaseUrl, Fault};
use otter_server::sandbox::{self, Server, ServerOptions};

/// Far more than anything here takes, even on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const PASSWORD: &str = "hunt'er2@/?#%";

pub(crate) async fn start(flavor: sandbox::Flavor, args: &[&str]) -> Server {
    prepared(ServerOptions::new(flavor, 1).fast().args(args.iter().copied())).await
}

pub(crate) async fn prepared(options: ServerOptions) -> Server {
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

pub(crate) async fn mysql(args: &[&str]) -> Server {
    start(sandbox::Flavor::MySql, args).await
}

pub(crate) async fn mariadb(args: &[&str]) -> Server {
    start(sandbox::Flavor::MariaDb, args).await
}

pub(crate) fn url(server: &Server, params: &str) -> DatabaseUrl {
    format!("{}?{params}", server.url_as("otter", PASSWORD)).parse().unwrap()
}

pub(crate) async fn connect(server: &Server, params: &str) -> Result<Connection, ConnectionError> {
    Connection::connect(&url(server, params)).await
}

pub(crate) fn tls_error(result: Result<Connection, ConnectionError>) -> TlsError {
    let error = result.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    let ConnectionError::Tls { source, .. } = error else { panic!("{error}: {error:?}") };
    source
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connection").join(name)
}

pub(crate) async fn one_value(connection: &mut Connection, sql: &str) -> String {
    let result = connection.query(sql).await.unwrap();
    result.rows()[0].text(0).unwrap().to_owned()
}
