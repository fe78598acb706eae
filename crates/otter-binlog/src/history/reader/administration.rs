//! Statements that change no definition of a table: accounts, sessions, maintenance.

use super::super::statement::Ddl;
use super::cursor::Cursor;
use super::{Result, without_change};

/// First words of statements that are known by them alone.
const KNOWN: [&str; 39] = [
    "BACKUP",
    "BINLOG",
    "CACHE",
    "CHANGE",
    "CLONE",
    "DEALLOCATE",
    "DESC",
    "DESCRIBE",
    "EXPLAIN",
    "FLUSH",
    "GET",
    "GRANT",
    "HELP",
    "IMPORT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "PREPARE",
    "PURGE",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "REVOKE",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "SLAVE",
    "START",
    "STOP",
    "UNINSTALL",
    "UNLOCK",
    "USE",
    // Maintenance, which names its tables.
    "ANALYZE",
    "CHECK",
    "CHECKSUM",
    "OPTIMIZE",
    "REPAIR",
];

pub(super) fn read(first: &str, cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let maintenance = match first {
        "ANALYZE" => "ANALYZE TABLE",
        "CHECK" => "CHECK TABLE",
        "CHECKSUM" => "CHECKSUM TABLE",
        "OPTIMIZE" => "OPTIMIZE TABLE",
        "REPAIR" => "REPAIR TABLE",
        _ => {
            let kind = KNOWN.iter().find(|known| **known == first);
            return kind
                .map(|kind| without_change(kind))
                .ok_or_else(|| cursor.refuse("a statement"));
        }
    };
    cursor.eat_any_word(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    let mut ddl = without_change(maintenance);
    if cursor.eat_any_word(&["TABLE", "TABLES"]) {
        ddl.tables = cursor.table_names()?;
    }
    Ok(ddl)
}
