//! What can be known about a source before a pipeline reads from it.
//!
//! Looks only: nothing is changed, and a dump that is begun as a trial ends at once. Each finding
//! that is not right carries the exact statement that mends it.

mod rights;
mod settings;
mod tables;
mod trial;
mod unmatched;

use otter_core::{Causes, Classify, DatabaseUrl, Fault, Finding, Result, Table};

use crate::connection::{Connection, ConnectionError, DumpError, Encryption};
use crate::schema::SchemaReader;
use crate::selector::TableFilter;
pub use unmatched::check_unmatched;

/// Why the definitions of a source's tables cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// A question to the source failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A column has a type that this version does not know.
    #[error("column `{column}` of `{table}` has a type that this version does not know")]
    UnknownType {
        /// The table.
        table: otter_core::TableName,
        /// The column.
        column: String,
    },
}

impl Classify for PreflightError {
    fn fault(&self) -> Fault {
        match self {
            Self::Connection(error) => error.fault(),
            Self::UnknownType { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "read the definitions of the source's tables"
    }
}

/// Checks everything that reading the source's binlog needs, for the tables that pass the filter.
///
/// The findings come in the order in which they should be mended. Where the source cannot be
/// reached there is only that one.
pub async fn check_source(url: &DatabaseUrl, filter: &TableFilter) -> Vec<Finding> {
    let mut connection = match Connection::connect(url).await {
        Ok(connection) => connection,
        Err(error) => return vec![unreachable(url, &error)],
    };
    let info = match connection.server_info().await {
        Ok(info) => info,
        Err(error) => return vec![unreachable(url, &error)],
    };
    let mut answers = Finding::pass(format!("{} answers", info.version));
    answers.detail = url.address();
    let mut findings = vec![answers, encryption(url, &connection)];
    findings.extend(settings::check(&mut connection, &info).await);
    findings.extend(rights::check(url, &mut connection, &info).await);
    let mut schema = SchemaReader::new(url.clone());
    findings.extend(tables::check(&mut schema, &info, filter).await);
    connection.close().await;
    findings
}

/// The definitions of all tables that pass the filter, sorted by name, as the source has them now.
///
/// Views, temporary tables, the server's own schemas and Otter's own are left out.
///
/// # Errors
/// With the connection's fault where the source cannot be asked; fatal where a column's type is
/// unknown.
pub async fn source_tables(url: &DatabaseUrl, filter: &TableFilter) -> Result<Vec<Table>> {
    let mut schema = SchemaReader::new(url.clone());
    let (tables, _) = tables::read(&mut schema, filter).await.map_err(PreflightError::from)?;
    let convert = |table: &crate::schema::SchemaTable| {
        table.to_table().map_err(|column| PreflightError::UnknownType {
            table: table.name.clone(),
            column: column.as_ref().to_owned(),
        })
    };
    Ok(tables.iter().map(convert).collect::<Result<_, _>>()?)
}

fn unreachable(url: &DatabaseUrl, error: &ConnectionError) -> Finding {
    Finding::fail(
        "the source answers",
        Causes(error).to_string(),
        format!("check the URL of the source ({url}) and that its account may log in from here"),
    )
}

fn encryption(url: &DatabaseUrl, connection: &Connection) -> Finding {
    let what = "the line is encrypted and the source verified";
    let remedy = "set ssl-mode=verify-identity, or verify-ca with ssl-ca, in the URL of the source";
    match connection.encryption() {
        Encryption::Verified => Finding::pass(what),
        Encryption::Unverified | Encryption::Plain if url.is_loopback() => {
            Finding::pass("the line stays on this machine")
        }
        Encryption::Unverified => {
            Finding::warn(what, "whoever stands in between can pretend to be the source", remedy)
        }
        Encryption::Plain => {
            Finding::warn(what, "rows and passwords can be read on the way", remedy)
        }
    }
}

/// Whether the error says that a right is missing.
fn lacks_right(error: &DumpError) -> bool {
    matches!(
        error,
        DumpError::NoReplicationRight(_)
            | DumpError::Connection(ConnectionError::MissingPrivilege(_))
    )
}
