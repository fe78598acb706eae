//! Reads table definitions through an ordinary connection.

use otter_core::{Classify, DatabaseUrl, Fault};

use super::information::{COLUMNS, SchemaTable, read_tables};
use crate::connection::{Connection, ConnectionError, ResultSet};

/// Schemas of the server itself. Their tables are never replicated.
pub(crate) const SYSTEM_SCHEMAS: [&str; 4] =
    ["mysql", "information_schema", "performance_schema", "sys"];

/// Definitions of `information_schema`, read when they are needed.
#[derive(Debug)]
pub(crate) struct SchemaReader {
    url: DatabaseUrl,
    connection: Option<Connection>,
}

impl SchemaReader {
    pub(crate) fn new(url: DatabaseUrl) -> Self {
        Self { url, connection: None }
    }

    /// The server that is asked.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// All base tables of one schema, sorted by name.
    pub(crate) async fn schema(&mut self, name: &str) -> Result<Vec<SchemaTable>, ConnectionError> {
        self.read(&format!("table_schema = {}", quote(name))).await
    }

    async fn read(&mut self, place: &str) -> Result<Vec<SchemaTable>, ConnectionError> {
        let columns = self
            .query(&format!(
                "SELECT {COLUMNS} FROM information_schema.columns WHERE {place} \
                 ORDER BY ordinal_position"
            ))
            .await?;
        let keys = self
            .query(&format!(
                "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
                 WHERE {place} AND index_name = 'PRIMARY' ORDER BY seq_in_index"
            ))
            .await?;
        Ok(read_tables(&columns, &keys))
    }

    /// Runs a query; a connection that was idle for too long is replaced once.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<ResultSet, ConnectionError> {
        // While a query runs the connection is not ours: whoever drops the future drops it too.
        if let Some(mut connection) = self.connection.take() {
            match connection.query(sql).await {
                Ok(result) => {
                    self.connection = Some(connection);
                    return Ok(result);
                }
                Err(error) if error.fault() != Fault::Transient => return Err(error),
                Err(_) => {}
            }
        }
        let mut connection = Connection::connect(&self.url).await?;
        // Quotes and backslashes mean the same on every server then.
        connection.execute("SET SESSION sql_mode = ''").await?;
        let result = connection.query(sql).await?;
        self.connection = Some(connection);
        Ok(result)
    }
}

/// A text as a literal, in a session with the usual quotes and backslashes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        if matches!(letter, '\'' | '\\') {
            quoted.push(letter);
        }
        quoted.push(letter);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_doubled() {
        assert_eq!(quote(r"it's \ it"), r"'it''s \\ it'");
    }
}
