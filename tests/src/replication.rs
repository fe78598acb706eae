//! The servers' own replication, to measure against.

use otter_server::sandbox::{Flavor, Server};

/// Makes `replica` follow `source` by native replication, from the source's beginning.
///
/// # Panics
/// Where the replica refuses.
pub async fn follow(replica: &Server, source: &Server) {
    let (port, password) = (source.port(), source.root_password());
    let statements = match source.flavor() {
        Flavor::MariaDb => format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='root', \
             MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos; START SLAVE"
        ),
        Flavor::MySql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, \
             SOURCE_USER='root', SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, \
             GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
        ),
    };
    replica.execute(&statements).await.expect("the replica follows");
}
