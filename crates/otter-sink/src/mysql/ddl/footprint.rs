//! What a schema change leaves behind, by which a later process knows whether it was executed.
//!
//! Neither server tells of a past statement, and comparing definitions cannot see two tables that
//! changed names. So each table is known by its definition and by the numbers that InnoDB gave it
//! and its partitions: a table that is made, rebuilt or emptied gets a new one, and a number keeps
//! to its table when that is renamed.

use otter_core::{Ddl, TableName};

use crate::mysql::conn::{ApplyConn, ConnError, TextRow};
use crate::mysql::connect::{Flavour, ServerFacts};
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::{identifier, qualified, string};

/// Stands between two traces; never inside one.
const SEPARATOR: char = '\u{1}';
/// The trace of what is not there.
const ABSENT: &str = "-";

/// What is seen of each table that a statement changes, or of its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footprint(Vec<String>);

/// How much of a statement was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    Nothing,
    All,
    /// These tables are as they were.
    Without(Vec<usize>),
}

impl Footprint {
    pub(super) async fn read(
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
        ddl: &Ddl,
    ) -> Result<Self, MySqlLoadError> {
        if ddl.tables.is_empty() {
            let text = format!("SHOW CREATE DATABASE {}", identifier(&ddl.database));
            return Ok(Self(vec![definition(conn, facts, &text).await?]));
        }
        let mut traces = Vec::with_capacity(ddl.tables.len());
        for table in &ddl.tables {
            let text = format!("SHOW CREATE TABLE {}", qualified(&table.database, &table.table));
            let mut trace = definition(conn, facts, &text).await?;
            if trace != ABSENT {
                trace.push_str(&numbers(conn, facts, table).await?);
            }
            traces.push(trace);
        }
        Ok(Self(traces))
    }

    pub(super) fn to_text(&self) -> String {
        self.0.join(SEPARATOR.encode_utf8(&mut [0; 4]))
    }

    pub(super) fn from_text(text: &str) -> Self {
        Self(text.split(SEPARATOR).map(str::to_owned).collect())
    }

    /// What happened since `before`, which is of the same statement.
    pub(super) fn progress_since(&self, before: &Self) -> Progress {
        let pairs = || before.0.iter().zip(&self.0).enumerate();
        let as_before: Vec<usize> = pairs()
            .filter(|(_, (before, now))| before == now && *now != ABSENT)
            .map(|(index, _)| index)
            .collect();
        if pairs().all(|(_, (before, now))| before == now) {
            Progress::Nothing
        } else if as_before.is_empty() {
            Progress::All
        } else {
            Progress::Without(as_before)
        }
    }
}

async fn definition(
    conn: &mut dyn ApplyConn,
    facts: &ServerFacts,
    text: &str,
) -> Result<String, MySqlLoadError> {
    let rows = match conn.query(text).await {
        Ok(rows) => rows,
        // No such database, no such table.
        Err(error) if matches!(error.number(), Some(1049 | 1146)) => return Ok(ABSENT.to_owned()),
        Err(error) => return Err(missing_right(error, facts)),
    };
    let text = rows.first().and_then(|row| row.get(1)?.as_deref()).unwrap_or_default();
    Ok(without_counter(&text.replace(SEPARATOR, " ")))
}

/// A definition without its next number, which rows move.
fn without_counter(text: &str) -> String {
    const COUNTER: &str = " AUTO_INCREMENT=";
    let (columns, options) = text.split_at(text.rfind("\n)").unwrap_or(0));
    match options.split_once(COUNTER) {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{columns}{before}{rest}")
        }
        None => text.to_owned(),
    }
}

/// The numbers of a table and its partitions, as text.
async fn numbers(
    conn: &mut dyn ApplyConn,
    facts: &ServerFacts,
    table: &TableName,
) -> Result<String, MySqlLoadError> {
    let view = match facts.flavour {
        Flavour::MySql => "INNODB_TABLES",
        Flavour::MariaDb => "INNODB_SYS_TABLES",
    };
    let text = format!(
        "SELECT NAME, TABLE_ID FROM information_schema.{view} WHERE {} ORDER BY NAME, TABLE_ID",
        own_names(table)
    );
    let rows = conn.query(&text).await.map_err(|error| missing_right(error, facts))?;
    let number = |row: &TextRow| {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect();
        format!("\n{}", cells.join(" ")).replace(SEPARATOR, " ")
    };
    Ok(rows.iter().map(number).collect())
}

/// The condition for the table's names in InnoDB. Other letters than these are coded there, each
/// with an `@`; all tables with such names are taken for the one.
fn own_names(table: &TableName) -> String {
    let is_plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_plain(&table.database) || !is_plain(&table.table) {
        return "LOCATE('@', NAME) > 0".to_owned();
    }
    let name = format!("{}/{}", table.database, table.table);
    let partition = format!("{name}#p#");
    format!("NAME = {} OR LEFT(NAME, {}) = {}", string(&name), partition.len(), string(&partition))
}

fn missing_right(error: ConnError, facts: &ServerFacts) -> MySqlLoadError {
    match error.number() {
        Some(number @ (1044 | 1142 | 1227 | 1370)) => MySqlLoadError::MissingRight {
            number,
            remedy: format!("GRANT PROCESS, SELECT ON *.* TO {}", facts.account),
        },
        _ => MySqlLoadError::plain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(traces: &[&str]) -> Footprint {
        Footprint(traces.iter().map(|trace| (*trace).to_owned()).collect())
    }

    #[test]
    fn progress_is_told_by_the_tables_that_changed() {
        for (before, now, progress) in [
            (&["a 1"][..], &["a 1"][..], Progress::Nothing),
            (&["a 1"], &["a 2"], Progress::All),
            (&["-"], &["a 1"], Progress::All),
            (&["-"], &["-"], Progress::Nothing),
            // A swap by way of a third name.
            (&["a 1", "-", "a 2", "a 1", "-"], &["a 2", "-", "a 1", "a 2", "-"], Progress::All),
            (&["a 1", "a 2", "-"], &["-", "a 2", "-"], Progress::Without(vec![1])),
        ] {
            assert_eq!(print(now).progress_since(&print(before)), progress, "{before:?} {now:?}");
            let stored = Footprint::from_text(&print(before).to_text());
            assert_eq!(stored, print(before));
        }
    }

    #[test]
    fn a_definition_does_not_change_by_new_rows() {
        let table = |counter: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB{counter} X=1"
            )
        };
        assert_eq!(without_counter(&table(" AUTO_INCREMENT=42")), table(""));
        assert_eq!(without_counter(&table("")), table(""));
    }

    #[test]
    fn tables_are_found_by_their_names_in_innodb() {
        assert_eq!(
            own_names(&TableName::new("d_1", "t")),
            "NAME = 'd_1/t' OR LEFT(NAME, 8) = 'd_1/t#p#'"
        );
        assert_eq!(own_names(&TableName::new("d", "ä")), "LOCATE('@', NAME) > 0");
    }
}
