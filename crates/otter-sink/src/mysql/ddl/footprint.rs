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

/// Stands between two tables, and between a table's definition and its numbers; never inside.
const BETWEEN_TABLES: char = '\u{1}';
const BETWEEN_PARTS: char = '\u{2}';

/// What is seen of each table that a statement changes, or of its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footprint(Vec<Trace>);

/// What is seen of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    /// Empty where it is not there.
    definition: String,
    /// Empty where there are none: not InnoDB, or a name that is not known in its coding.
    numbers: String,
}

/// How much of a statement was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing that could be seen. `surely` where it would be seen.
    Nothing {
        surely: bool,
    },
    All,
    /// These tables are as they were.
    Without(Vec<usize>),
}

impl Trace {
    fn is_there(&self) -> bool {
        !self.definition.is_empty()
    }

    /// Whether it is as it was; numbers mean something on one server only.
    fn is_as(&self, before: &Self, same_server: bool) -> bool {
        self.definition == before.definition && (!same_server || self.numbers == before.numbers)
    }
}

impl Footprint {
    pub(super) async fn read(
        conn: &mut dyn ApplyConn,
        facts: &ServerFacts,
        ddl: &Ddl,
    ) -> Result<Self, MySqlLoadError> {
        if ddl.tables.is_empty() {
            let text = format!("SHOW CREATE DATABASE {}", identifier(&ddl.database));
            let definition = definition(conn, facts, &text).await?;
            return Ok(Self(vec![Trace { numbers: definition.clone(), definition }]));
        }
        let mut traces = Vec::with_capacity(ddl.tables.len());
        for table in &ddl.tables {
            let text = format!("SHOW CREATE TABLE {}", qualified(&table.database, &table.table));
            let definition = definition(conn, facts, &text).await?;
            let numbers = match file_name(table) {
                Some(name) if !definition.is_empty() => numbers(conn, facts, &name).await?,
                Some(_) | None => String::new(),
            };
            traces.push(Trace { definition, numbers });
        }
        Ok(Self(traces))
    }

    pub(super) fn to_text(&self) -> String {
        let trace = |trace: &Trace| format!("{}{BETWEEN_PARTS}{}", trace.definition, trace.numbers);
        self.0.iter().map(trace).collect::<Vec<_>>().join(&BETWEEN_TABLES.to_string())
    }

    pub(super) fn from_text(text: &str) -> Self {
        let trace = |text: &str| {
            let (definition, numbers) = text.split_once(BETWEEN_PARTS).unwrap_or((text, ""));
            Trace { definition: definition.to_owned(), numbers: numbers.to_owned() }
        };
        Self(text.split(BETWEEN_TABLES).map(trace).collect())
    }

    /// What happened since `before`, which is of the same statement.
    pub(super) fn progress_since(&self, before: &Self, same_server: bool) -> Progress {
        let pairs = || before.0.iter().zip(&self.0).enumerate();
        let as_before: Vec<usize> = pairs()
            .filter(|(_, (before, now))| now.is_there() && now.is_as(before, same_server))
            .map(|(index, _)| index)
            .collect();
        if pairs().all(|(_, (before, now))| now.is_as(before, same_server)) {
            let counted = |trace: &Trace| !trace.is_there() || !trace.numbers.is_empty();
            Progress::Nothing { surely: same_server && self.0.iter().all(counted) }
        } else if as_before.is_empty() {
            Progress::All
        } else {
            Progress::Without(as_before)
        }
    }

    /// Whether the first table is not there.
    pub(super) fn lacks_the_first(&self) -> bool {
        self.0.first().is_none_or(|trace| !trace.is_there())
    }
}

/// Which server this is, as long as it keeps its files, and its version, on which the words of a
/// definition depend.
pub(super) async fn server_of(
    conn: &mut dyn ApplyConn,
    facts: &ServerFacts,
) -> Result<String, MySqlLoadError> {
    let text = match facts.flavour {
        Flavour::MySql => "SELECT CONCAT_WS(' ', VERSION(), @@server_uuid)",
        // MariaDB has no identity of its own before 11.
        Flavour::MariaDb => {
            "SELECT CONCAT_WS(' ', VERSION(), @@server_id, @@hostname, @@port, @@datadir)"
        }
    };
    let rows = conn.query(text).await.map_err(MySqlLoadError::plain)?;
    Ok(rows.first().and_then(|row| row.first()?.clone()).unwrap_or_default())
}

async fn definition(
    conn: &mut dyn ApplyConn,
    facts: &ServerFacts,
    text: &str,
) -> Result<String, MySqlLoadError> {
    let rows = match conn.query(text).await {
        Ok(rows) => rows,
        // No such database, no such table.
        Err(error) if matches!(error.number(), Some(1049 | 1146)) => return Ok(String::new()),
        Err(error) => return Err(missing_right(error, facts)),
    };
    let text = rows.first().and_then(|row| row.get(1)?.as_deref()).unwrap_or_default();
    Ok(without_counter(&text.replace([BETWEEN_TABLES, BETWEEN_PARTS], " ")))
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
    name: &str,
) -> Result<String, MySqlLoadError> {
    let view = match facts.flavour {
        Flavour::MySql => "INNODB_TABLES",
        Flavour::MariaDb => "INNODB_SYS_TABLES",
    };
    let partition = format!("{name}#p#");
    let text = format!(
        "SELECT NAME, TABLE_ID FROM information_schema.{view} \
         WHERE NAME = {} OR LEFT(NAME, {}) = {} ORDER BY NAME, TABLE_ID",
        string(name),
        partition.len(),
        string(&partition)
    );
    let rows = conn.query(&text).await.map_err(|error| missing_right(error, facts))?;
    let number = |row: &TextRow| {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect();
        cells.join(" ")
    };
    Ok(rows.iter().map(number).collect::<Vec<_>>().join(", "))
}

/// The table's name in InnoDB, where other characters than letters, digits and underscores are coded:
/// those of ASCII by four hexadecimal digits. `None` where there are others.
fn file_name(table: &TableName) -> Option<String> {
    let mut coded = String::new();
    for (part, before) in [(&table.database, ""), (&table.table, "/")] {
        coded.push_str(before);
        for letter in part.chars() {
            match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => coded.push(letter),
                letter if letter.is_ascii() => {
                    coded.push_str(&format!("@{:04x}", u32::from(letter)));
                }
                _ => return None,
            }
        }
    }
    Some(coded)
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

    /// Each as `definition number`.
    fn print(traces: &[&str]) -> Footprint {
        let trace = |text: &&str| {
            let (definition, numbers) = text.split_once(' ').unwrap_or(("", ""));
            Trace { definition: definition.to_owned(), numbers: numbers.to_owned() }
        };
        Footprint(traces.iter().map(trace).collect())
    }

    #[test]
    fn progress_is_told_by_the_tables_that_changed() {
        let nothing = || Progress::Nothing { surely: true };
        for (before, now, progress) in [
            (&["a 1"][..], &["a 1"][..], nothing()),
            (&["a 1"], &["a 2"], Progress::All),
            (&["-"], &["a 1"], Progress::All),
            (&["-"], &["-"], nothing()),
            // A swap by way of a third name.
            (&["a 1", "-", "a 2", "a 1", "-"], &["a 2", "-", "a 1", "a 2", "-"], Progress::All),
            (&["a 1", "a 2", "-"], &["-", "a 2", "-"], Progress::Without(vec![1])),
            // Without numbers nobody knows.
            (&["a "], &["a "], Progress::Nothing { surely: false }),
        ] {
            let (before, now) = (print(before), print(now));
            assert_eq!(now.progress_since(&before, true), progress, "{before:?} {now:?}");
            assert_eq!(Footprint::from_text(&before.to_text()), before);
        }
    }

    #[test]
    fn on_another_server_only_definitions_mean_something() {
        let progress =
            |before: &str, now: &str| print(&[now]).progress_since(&print(&[before]), false);
        assert_eq!(progress("a 1", "a 7"), Progress::Nothing { surely: false });
        assert_eq!(progress("a 1", "b 7"), Progress::All);
    }

    #[test]
    fn a_definition_does_not_change_by_new_rows() {
        let table = |counter: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=7'\n) \
                 ENGINE=InnoDB{counter} X=1"
            )
        };
        assert_eq!(without_counter(&table(" AUTO_INCREMENT=42")), table(""));
        assert_eq!(without_counter(&table("")), table(""));
    }

    #[test]
    fn tables_are_found_by_their_names_in_innodb() {
        let name = |database: &str, table: &str| file_name(&TableName::new(database, table));
        assert_eq!(name("d_1", "t"), Some("d_1/t".to_owned()));
        assert_eq!(name("x-y", "a #@$b"), Some("x@002dy/a@0020@0023@0040@0024b".to_owned()));
        assert_eq!(name("d", "ä"), None);
    }
}
