//! The foreign keys from and to one table.

use otter_core::TableName;

use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::string;

/// The foreign keys from and to a table, one row each: `1` for one that leads to it and changes other
/// rows with its own.
pub(super) async fn read(
    conn: &mut dyn ApplyConn,
    name: &TableName,
    is_mariadb: bool,
) -> Result<Vec<TextRow>, MySqlLoadError> {
    if is_mariadb && let Some(rows) = ask_innodb(conn, name).await? {
        return Ok(rows);
    }
    let parent = place(name, "UNIQUE_CONSTRAINT_SCHEMA", "REFERENCED_TABLE_NAME");
    let text = format!(
        "SELECT {parent} AND (UPDATE_RULE IN ('CASCADE', 'SET NULL') \
         OR DELETE_RULE IN ('CASCADE', 'SET NULL')) \
         FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE {} OR {parent}",
        place(name, "CONSTRAINT_SCHEMA", "TABLE_NAME"),
    );
    conn.query(&text).await.map_err(MySqlLoadError::plain)
}

/// The same from MariaDB's InnoDB: MariaDB opens every table of the server to tell which ones refer
/// to one, and InnoDB looks it up. `None` where the account may not ask it, or where it writes the
/// name in a way of its own.
async fn ask_innodb(
    conn: &mut dyn ApplyConn,
    name: &TableName,
) -> Result<Option<Vec<TextRow>>, MySqlLoadError> {
    let Some(inner) = innodb_name(name) else { return Ok(None) };
    // ON DELETE CASCADE is 1, ON DELETE SET NULL 2, and those of UPDATE are 4 and 8. Letters are
    // compared without case, since a server need not tell cases apart.
    let text = format!(
        "SELECT 0 FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE {}; \
         SELECT (TYPE & 15) <> 0 FROM information_schema.INNODB_SYS_FOREIGN \
         WHERE LOWER(REF_NAME) = LOWER({})",
        place(name, "CONSTRAINT_SCHEMA", "TABLE_NAME"),
        string(&inner),
    );
    match conn.query(&text).await {
        Ok(rows) => Ok(Some(rows)),
        // The right PROCESS is missing, or the table is.
        Err(error) if matches!(error.number(), Some(1227 | 1142 | 1109 | 1146)) => Ok(None),
        Err(error) => Err(MySqlLoadError::plain(error)),
    }
}

/// How InnoDB writes the table's name, where that is plain: other letters it codes.
fn innodb_name(name: &TableName) -> Option<String> {
    let is_plain =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let TableName { database, table } = name;
    (is_plain(database) && is_plain(table)).then(|| format!("{database}/{table}"))
}

fn place(name: &TableName, schema: &str, table: &str) -> String {
    format!("{schema} = {} AND {table} = {}", string(&name.database), string(&name.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_asked_of_innodb() {
        let inner = |database, table| innodb_name(&TableName::new(database, table));
        assert_eq!(inner("Shop", "item_2"), Some("Shop/item_2".to_owned()));
        assert_eq!(inner("shop", "order-item"), None);
        assert_eq!(inner("shöp", "item"), None);
        assert_eq!(inner("shop", "a/b"), None);
    }
}
