//! What the target's tables are, read from `information_schema`.
//!
//! Only facts; whether the source's rows fit is `fit`'s business.

mod foreign_keys;

use std::sync::Arc;

use otter_core::TableName;

use super::conn::{ApplyConn, TextRow};
use super::error::MySqlLoadError;
use super::names::string;

/// A table of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetTable {
    /// The name in the target's spelling.
    pub(crate) name: TableName,
    /// `BASE TABLE`, `VIEW`, …
    pub(crate) kind: String,
    pub(crate) engine: Option<String>,
    pub(crate) transactional: bool,
    pub(crate) columns: Vec<TargetColumn>,
    /// Unique keys whose columns are all NOT NULL, the primary key first.
    pub(crate) identities: Vec<TargetKey>,
    /// The columns of every unique key; `None` where one cannot be told by columns alone.
    pub(crate) uniques: Vec<Option<Vec<String>>>,
    /// Whether a foreign key leads from or to the table.
    pub(crate) related: bool,
    /// Whether the server may give a change of a row up without an error: MySQL since 9.6 does where
    /// another session holds a row that the change cascades to.
    pub(crate) silent_cascades: bool,
    /// The names of all keys.
    pub(crate) key_names: Vec<String>,
    pub(crate) triggers: Vec<String>,
}

/// A key that tells rows apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetKey {
    pub(crate) name: String,
    /// Column names in key order.
    pub(crate) columns: Vec<String>,
}

/// A column of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetColumn {
    pub(crate) name: Arc<str>,
    pub(crate) nullable: bool,
    /// Whether an INSERT may leave the column out.
    pub(crate) has_default: bool,
    pub(crate) generated: bool,
    /// Declared ON UPDATE CURRENT_TIMESTAMP.
    pub(crate) stamps_updates: bool,
    /// Declared AUTO_INCREMENT: NULL becomes the next number.
    pub(crate) counts: bool,
    /// `int`, `varchar`, `datetime`, in lower case.
    pub(crate) data_type: String,
    /// With length, signedness and labels: `enum('a','b')`.
    pub(crate) column_type: String,
    pub(crate) charset: Option<String>,
    pub(crate) collation: Option<String>,
    pub(crate) max_letters: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) scale: Option<u32>,
    /// Fraction digits of a temporal type.
    pub(crate) fraction_digits: Option<u32>,
}

impl TargetTable {
    pub(crate) fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// Reads a table's definition; `None` where there is no such table (or no right to see it).
pub(crate) async fn read_table(
    conn: &mut dyn ApplyConn,
    name: &TableName,
) -> Result<Option<TargetTable>, MySqlLoadError> {
    let place = |schema: &str, table: &str| {
        format!("{schema} = {} AND {table} = {}", string(&name.database), string(&name.table))
    };
    let here = place("TABLE_SCHEMA", "TABLE_NAME");
    let rows = conn
        .query(&format!(
            "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, e.TRANSACTIONS, VERSION() \
             FROM information_schema.TABLES t \
             LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE WHERE {here}"
        ))
        .await
        .map_err(MySqlLoadError::plain)?;
    let Some([Some(schema), Some(table), Some(kind), engine, transactions, Some(version)]) =
        rows.first().map(Vec::as_slice)
    else {
        return Ok(None);
    };
    let columns = conn
        .query(&format!(
            "SELECT COLUMN_NAME, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, \
             DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, CHARACTER_MAXIMUM_LENGTH, \
             CHARACTER_OCTET_LENGTH, NUMERIC_SCALE, DATETIME_PRECISION \
             FROM information_schema.COLUMNS WHERE {here} ORDER BY ORDINAL_POSITION"
        ))
        .await
        .map_err(MySqlLoadError::plain)?
        .iter()
        .filter_map(parse_column)
        .collect::<Vec<_>>();
    let keys = conn
        .query(&format!(
            "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, INDEX_TYPE, SUB_PART \
             FROM information_schema.STATISTICS WHERE {here} \
             ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
        ))
        .await
        .map_err(MySqlLoadError::plain)?;
    let triggers = conn
        .query(&format!(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE {} ORDER BY TRIGGER_NAME",
            place("EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE")
        ))
        .await
        .map_err(MySqlLoadError::plain)?;
    let is_mariadb = version.contains("MariaDB");
    let relations = foreign_keys::read(conn, name, is_mariadb).await?;
    let cascades = relations.iter().any(|row| row.first() == Some(&Some("1".to_owned())));
    let silent_cascades = cascades && gives_up_silently(conn).await?;
    let (identities, key_names) = group_keys(&keys, &columns);
    let uniques = group_uniques(&keys);
    Ok(Some(TargetTable {
        name: TableName::new(schema.as_str(), table.as_str()),
        kind: kind.clone(),
        engine: engine.clone(),
        transactional: transactions.as_deref() == Some("YES"),
        columns,
        identities,
        uniques,
        related: !relations.is_empty(),
        silent_cascades,
        key_names,
        triggers: triggers.into_iter().filter_map(|row| row.into_iter().next()?).collect(),
    }))
}

/// Whether the server's SQL layer does what foreign keys say: servers without the setting leave it
/// to the engine.
async fn gives_up_silently(conn: &mut dyn ApplyConn) -> Result<bool, MySqlLoadError> {
    let rows = conn
        .query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'")
        .await
        .map_err(MySqlLoadError::plain)?;
    Ok(rows.iter().any(|row| row.get(1) == Some(&Some("OFF".to_owned()))))
}

fn parse_column(row: &TextRow) -> Option<TargetColumn> {
    let [
        Some(name),
        Some(nullable),
        default,
        Some(extra),
        generation,
        Some(data_type),
        Some(column_type),
        charset,
        collation,
        letters,
        bytes,
        scale,
        digits,
    ] = row.as_slice()
    else {
        return None;
    };
    let extra = extra.to_ascii_lowercase();
    let nullable = nullable == "YES";
    // MySQL writes '' and MariaDB NULL where a column is not generated.
    let generated = generation.as_ref().is_some_and(|expression| !expression.is_empty());
    Some(TargetColumn {
        name: Arc::from(name.as_str()),
        nullable,
        has_default: nullable
            || default.is_some()
            || generated
            || extra.contains("auto_increment")
            || extra.contains("default_generated"),
        generated,
        stamps_updates: extra.contains("on update"),
        counts: extra.contains("auto_increment"),
        data_type: data_type.to_ascii_lowercase(),
        column_type: column_type.clone(),
        charset: charset.clone(),
        collation: collation.clone(),
        max_letters: letters.as_ref().and_then(|text| text.parse().ok()),
        max_bytes: bytes.as_ref().and_then(|text| text.parse().ok()),
        scale: scale.as_ref().and_then(|text| text.parse().ok()),
        fraction_digits: digits.as_ref().and_then(|text| text.parse().ok()),
    })
}

/// The identities and the names of all keys, from rows ordered by key and place.
fn group_keys(rows: &[TextRow], columns: &[TargetColumn]) -> (Vec<TargetKey>, Vec<String>) {
    let mut identities: Vec<TargetKey> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut broken: Option<&str> = None;
    for row in rows {
        let [Some(name), Some(non_unique), column, Some(kind), _] = row.as_slice() else {
            continue;
        };
        if names.last() != Some(name) {
            names.push(name.clone());
        }
        if non_unique != "0" || broken == Some(name) {
            continue;
        }
        // A part of a functional key has no column; one that takes NULL tells nothing.
        let usable = column.as_ref().is_some_and(|column| {
            columns.iter().any(|known| &*known.name == column.as_str() && !known.nullable)
        });
        let is_open = identities.last().is_some_and(|key| key.name == *name);
        match column {
            Some(column) if usable && kind != "FULLTEXT" => {
                if !is_open {
                    identities.push(TargetKey { name: name.clone(), columns: Vec::new() });
                }
                if let Some(key) = identities.last_mut() {
                    key.columns.push(column.clone());
                }
            }
            _ => {
                broken = Some(name);
                if is_open {
                    identities.pop();
                }
            }
        }
    }
    (identities, names)
}

/// The columns of every unique key, from rows ordered by key and place.
fn group_uniques(rows: &[TextRow]) -> Vec<Option<Vec<String>>> {
    let mut uniques: Vec<(&str, Option<Vec<String>>)> = Vec::new();
    for row in rows {
        let [Some(name), Some(non_unique), column, Some(_), prefix] = row.as_slice() else {
            continue;
        };
        if non_unique != "0" {
            continue;
        }
        if uniques.last().is_none_or(|(last, _)| last != name) {
            uniques.push((name, Some(Vec::new())));
        }
        let Some((_, columns)) = uniques.last_mut() else { continue };
        match (column, prefix, columns.as_mut()) {
            (Some(column), None, Some(columns)) => columns.push(column.clone()),
            // A part that is an expression, or the beginning of a column.
            (None, ..) | (_, Some(_), _) | (.., None) => *columns = None,
        }
    }
    uniques.into_iter().map(|(_, columns)| columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, nullable: bool) -> TargetColumn {
        TargetColumn {
            name: Arc::from(name),
            nullable,
            has_default: false,
            generated: false,
            stamps_updates: false,
            counts: false,
            data_type: "int".to_owned(),
            column_type: "int".to_owned(),
            charset: None,
            collation: None,
            max_letters: None,
            max_bytes: None,
            scale: None,
            fraction_digits: None,
        }
    }

    #[test]
    fn only_unique_keys_without_null_identify_rows() {
        let row = |key: &str, non_unique: &str, column: &str| {
            let texts = [key, non_unique, column, "BTREE"].map(|text| Some(text.to_owned()));
            [&texts[..], &[None]].concat()
        };
        let rows = [
            row("PRIMARY", "0", "a"),
            row("PRIMARY", "0", "b"),
            row("by_c", "0", "a"),
            row("by_c", "0", "c"),
            row("by_c", "0", "b"),
            row("plain", "1", "b"),
            row("u", "0", "b"),
        ];
        let columns = [column("a", false), column("b", false), column("c", true)];
        let (identities, names) = group_keys(&rows, &columns);
        let names_of: Vec<_> =
            identities.iter().map(|key| (&*key.name, key.columns.len())).collect();
        assert_eq!(names_of, [("PRIMARY", 2), ("u", 1)]);
        assert_eq!(names, ["PRIMARY", "by_c", "plain", "u"]);
    }

    #[test]
    fn a_unique_key_with_an_expression_has_no_columns() {
        let row = |key: &str, non_unique: &str, column: Option<&str>| {
            let text = |text: &str| Some(text.to_owned());
            vec![text(key), text(non_unique), column.and_then(text), text("BTREE"), None]
        };
        let rows = [
            row("PRIMARY", "0", Some("a")),
            row("f", "0", Some("b")),
            row("f", "0", None),
            row("plain", "1", Some("b")),
            row("u", "0", Some("b")),
            row("u", "0", Some("c")),
            [&row("v", "0", Some("b"))[..4], &[Some("3".to_owned())]].concat(),
        ];
        let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(group_uniques(&rows), [named(&["a"]), None, named(&["b", "c"]), None]);
    }
}
