//! Whether a table can be read: it is tried, since rights come in many ways and servers tell no rights apart
//! in any other.

use otter_core::{Classify, DatabaseUrl, Fault, TableName};

use super::tables::backtick;
use crate::connection::{Connection, ConnectionError, ResultSet};

/// What an attempt to read a table comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// It can be read; or somebody has locked it, whom a server lets one wait for who may read it.
    Readable,
    /// The account may not read it.
    Refused,
    /// There is no such table or database.
    Absent,
    /// It is broken, or was changed meanwhile.
    Broken,
}

/// A session in which tables are tried one by one.
pub(super) struct Trying(Connection);

impl Trying {
    pub(super) async fn begin(url: &DatabaseUrl) -> Result<Self, ConnectionError> {
        Self::on(Connection::connect(url).await?).await
    }

    pub(super) async fn on(mut connection: Connection) -> Result<Self, ConnectionError> {
        // Where others have locked a table, that tells enough.
        connection.execute("SET SESSION lock_wait_timeout=1").await?;
        Ok(Self(connection))
    }

    /// Reads nothing of a table, and is refused as if it read something.
    pub(super) async fn try_one(&mut self, table: &TableName) -> Result<Trial, ConnectionError> {
        let (database, table) = (backtick(&table.database), backtick(&table.table));
        judge(self.0.query(&format!("SELECT 1 FROM {database}.{table} LIMIT 0")).await)
    }

    pub(super) async fn end(self) {
        self.0.close().await;
    }
}

fn judge(answer: Result<ResultSet, ConnectionError>) -> Result<Trial, ConnectionError> {
    let error = match answer {
        Ok(_) => return Ok(Trial::Readable),
        Err(ConnectionError::MissingPrivilege(_)) => return Ok(Trial::Refused),
        Err(error) => error,
    };
    match error.server_error().map(|server| server.code) {
        Some(1049 | 1146) => Ok(Trial::Absent),
        Some(1205) => Ok(Trial::Readable),
        _ if error.fault() == Fault::Transient => Err(error),
        _ => Ok(Trial::Broken),
    }
}
