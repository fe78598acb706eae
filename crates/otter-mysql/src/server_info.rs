//! What a reader must know about a server before it reads.

use std::collections::BTreeMap;

use super::version::{Flavor, ServerVersion};
use super::{Connection, ConnectionError};

/// Asked for in one question. Each server answers with those that it has.
const VARIABLES: [&str; 31] = [
    "binlog_annotate_row_events",
    "binlog_checksum",
    "binlog_expire_logs_auto_purge",
    "max_binlog_total_size",
    "binlog_space_limit",
    "binlog_expire_logs_seconds",
    "binlog_order_commits",
    "binlog_format",
    "binlog_legacy_event_pos",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "binlog_rows_query_log_events",
    "binlog_transaction_compression",
    "enforce_gtid_consistency",
    "expire_logs_days",
    "gtid_domain_id",
    "gtid_mode",
    "gtid_strict_mode",
    "innodb_native_foreign_keys",
    "log_bin",
    "log_bin_compress",
    "log_replica_updates",
    "log_slave_updates",
    "lower_case_table_names",
    "max_allowed_packet",
    "server_id",
    "server_uuid",
    "system_time_zone",
    "time_zone",
    "version",
];

/// A server's identity and its settings that shape the binlog.
///
/// A setting that the server does not have is `None`: MySQL 9 has no `binlog_format` any more,
/// MariaDB no `server_uuid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Family and version.
    pub version: ServerVersion,
    /// MySQL's name of this server's data, `server_uuid`.
    pub server_uuid: Option<String>,
    /// The number that the server writes into its own events.
    pub server_id: u32,
    /// Whether a binlog is written.
    pub log_bin: bool,
    /// `ROW`, `MIXED` or `STATEMENT`.
    pub binlog_format: Option<String>,
    /// `FULL`, `MINIMAL`, `NOBLOB` or `FULL_NODUP`.
    pub binlog_row_image: Option<String>,
    /// `FULL`, `MINIMAL` or `NO_LOG`.
    pub binlog_row_metadata: Option<String>,
    /// `CRC32` or `NONE`.
    pub binlog_checksum: Option<String>,
    /// MySQL's `ON`, `OFF` or a state in between.
    pub gtid_mode: Option<String>,
    variables: BTreeMap<String, String>,
}

impl ServerInfo {
    pub(super) async fn read(connection: &mut Connection) -> Result<Self, ConnectionError> {
        let names: Vec<String> = VARIABLES.iter().map(|name| format!("'{name}'")).collect();
        let sql = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", names.join(","));
        let result = connection.query(&sql).await?;
        let variables: BTreeMap<String, String> = result
            .rows()
            .iter()
            .filter_map(|row| Some((row.text(0)?.to_ascii_lowercase(), row.text(1)?.to_owned())))
            .collect();
        Ok(Self::from_variables(variables, connection.version()))
    }

    fn from_variables(variables: BTreeMap<String, String>, greeting: &ServerVersion) -> Self {
        let of = |name: &str| variables.get(name).cloned();
        let mut version = variables
            .get("version")
            .map_or_else(|| greeting.clone(), |text| ServerVersion::parse(text));
        // A proxy may greet in its own name, and a server may be told to hide its own.
        if greeting.flavor == Flavor::MariaDb {
            version.flavor = Flavor::MariaDb;
        }
        Self {
            version,
            server_uuid: of("server_uuid").filter(|uuid| !uuid.is_empty()),
            server_id: of("server_id").and_then(|id| id.parse().ok()).unwrap_or(0),
            log_bin: of("log_bin").is_some_and(|on| on.eq_ignore_ascii_case("ON") || on == "1"),
            binlog_format: of("binlog_format"),
            binlog_row_image: of("binlog_row_image"),
            binlog_row_metadata: of("binlog_row_metadata"),
            binlog_checksum: of("binlog_checksum"),
            gtid_mode: of("gtid_mode"),
            variables,
        }
    }

    /// The family, shorthand for `version.flavor`.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.version.flavor
    }

    /// Another variable of those that are read, as the server writes it: `time_zone`,
    /// `lower_case_table_names`, `binlog_transaction_compression`, `log_replica_updates` and more.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a server with these variables tells.
    pub(crate) fn info(greeting: &str, pairs: &[(&str, &str)]) -> ServerInfo {
        let variables = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ServerInfo::from_variables(variables.collect(), &ServerVersion::parse(greeting))
    }

    #[test]
    fn variables_that_a_server_does_not_have_are_none() {
        let info = info("9.7.4", &[("server_id", "7"), ("log_bin", "ON"), ("gtid_mode", "ON")]);
        assert_eq!((info.server_id, info.log_bin), (7, true));
        assert_eq!(info.gtid_mode.as_deref(), Some("ON"));
        assert_eq!((info.server_uuid, info.binlog_format), (None, None));
    }

    #[test]
    fn the_variable_knows_the_version_better_than_the_greeting() {
        let info = info("5.5.5-10.11.2-MariaDB", &[("version", "10.11.19-MariaDB-log")]);
        assert_eq!(info.version.numbers, (10, 11, 19));
        assert_eq!(info.flavor(), Flavor::MariaDb);
    }
}
