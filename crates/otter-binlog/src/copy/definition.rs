//! What a table of the source is, as far as copying it needs.

use std::fmt;
use std::sync::Arc;

use otter_core::{ColumnType, Ddl, DdlName, DdlSession, RowArenaBuilder, Table, TableName};

use super::error::CopyError;
use super::key::{Key, KeyColumn, mark_of};
use super::value::{expression, push, quoted};
use crate::connection::{Connection, ConnectionError, Flavor, ResultSet, Row, ServerInfo};
use crate::schema::information::{COLUMNS, SchemaColumn, read_tables};
use crate::schema::reader::quote;
use crate::statement::{Dialect, Named, named_tables};

/// Which rows of a table are read.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Pick {
    /// All of them.
    All,
    /// So many behind a place in the key, in its order.
    Part { after: Option<Arc<str>>, rows: u64 },
    /// Of so many behind a place in the key those that meet a condition.
    Where {
        after: Option<Arc<str>>,
        rows: u64,
        condition: Arc<str>,
        /// The place of the last that is looked at; without one, it is the last of the table.
        until: Option<Arc<str>>,
    },
    /// Those at these places in the key.
    Keys(Arc<[Arc<str>]>),
}

impl fmt::Debug for Pick {
    /// Leaves places and conditions out, which hold values of rows (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "All",
            Self::Part { .. } => "Part",
            Self::Where { .. } => "Where",
            Self::Keys(_) => "Keys",
        })
    }
}

/// A table that is about to be copied.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) table: Arc<Table>,
    pub(super) columns: Vec<SchemaColumn>,
    pub(super) types: Vec<ColumnType>,
    /// `None` where nothing tells rows apart.
    pub(super) key: Option<Key>,
    /// Further keys that tell them apart.
    pub(super) other_keys: Vec<Key>,
    /// The statement that makes it.
    pub(super) statement: Ddl,
    pub(super) database_collation: Option<Arc<str>>,
    /// How many rows it may have.
    pub(super) estimated: u64,
}

impl Definition {
    /// The statement that reads rows; `None` where the table has no key, or another one than the pick
    /// is about.
    pub(super) fn select(&self, pick: &Pick) -> Option<String> {
        let mut expressions: Vec<_> = self.columns.iter().map(expression).collect();
        if let Pick::Keys(places) = pick {
            // Behind the columns stands which of the keys a row has, as the source compares them.
            let key = self.key.as_ref()?;
            let mut tag = String::from("CASE");
            for (number, place) in places.iter().enumerate() {
                tag.push_str(&format!(" WHEN {} THEN {number}", key.equal(place)?));
            }
            expressions.push(format!("{tag} END"));
        }
        let name = &self.table.name;
        let mut sql = format!(
            "SELECT {} FROM {}.{}",
            expressions.join(", "),
            quoted(&name.database),
            quoted(&name.table)
        );
        if *pick == Pick::All {
            return Some(sql);
        }
        let key = self.key.as_ref()?;
        sql.push_str(&format!(" FORCE INDEX ({})", quoted(&key.name)));
        match pick {
            Pick::All => {}
            Pick::Part { after, rows } => {
                if let Some(place) = after {
                    sql.push_str(&format!(" WHERE {}", key.behind(place)?));
                }
                sql.push_str(&format!(" ORDER BY {} LIMIT {rows}", key.order()));
            }
            Pick::Where { after, condition, until, .. } => {
                // The line's end ends a comment.
                sql.push_str(&format!(" WHERE ({condition}\n)"));
                if let Some(place) = after {
                    sql.push_str(&format!(" AND ({})", key.behind(place)?));
                }
                if let Some(place) = until {
                    sql.push_str(&format!(" AND {}", key.up_to(place)?));
                }
                sql.push_str(&format!(" ORDER BY {}", key.order()));
            }
            Pick::Keys(places) => {
                let each: Option<Vec<_>> = places.iter().map(|place| key.equal(place)).collect();
                sql.push_str(&format!(" WHERE {}", each?.join(" OR ")));
            }
        }
        Some(sql)
    }

    /// Whether a copy in the order of the key can go on behind a place: it is of the key as it is now,
    /// or the beginning.
    pub(super) fn goes_on_behind(&self, after: Option<&str>) -> bool {
        after.is_none_or(|place| self.key.as_ref().is_some_and(|key| key.has_place(place)))
    }

    /// The statement that reads the key of the row that is so many behind a place, in the order of its
    /// columns.
    pub(super) fn select_end(&self, (after, rows): (Option<&str>, u64)) -> Option<String> {
        let key = self.key.as_ref()?;
        let columns = key.columns.iter().map(|column| self.columns.get(column.index));
        let columns: Option<Vec<String>> = columns.map(|column| column.map(expression)).collect();
        let name = &self.table.name;
        let mut sql = format!(
            "SELECT {} FROM {}.{} FORCE INDEX ({})",
            columns?.join(", "),
            quoted(&name.database),
            quoted(&name.table),
            quoted(&key.name)
        );
        if let Some(place) = after {
            sql.push_str(&format!(" WHERE {}", key.behind(place)?));
        }
        sql.push_str(&format!(" ORDER BY {} LIMIT 1 OFFSET {}", key.order(), rows.max(1) - 1));
        Some(sql)
    }

    /// The place that a row of [`select_end`](Self::select_end) names.
    pub(super) fn place_in(&self, row: &Row) -> Option<Arc<str>> {
        let key = self.key.as_ref()?;
        let mut arena = RowArenaBuilder::new();
        for (number, part) in key.columns.iter().enumerate() {
            let (column, kind) = (self.columns.get(part.index)?, self.types.get(part.index)?);
            push(&mut arena, column, kind, row.bytes(number)).ok()?;
        }
        let values = arena.finish();
        key.place(|index| values.value(key.columns.iter().position(|part| part.index == index)?))
    }

    /// The key of these columns, in any order; the first one where none are named.
    pub(super) fn key_of(&self, names: &[Arc<str>]) -> Option<&Key> {
        let mut keys = self.key.iter().chain(&self.other_keys);
        if names.is_empty() {
            return keys.next();
        }
        keys.find(|key| {
            let is_named = |column: &KeyColumn| {
                names.iter().any(|name| name.eq_ignore_ascii_case(&column.name))
            };
            key.columns.len() == names.len() && key.columns.iter().all(is_named)
        })
    }
}

/// Reads a table's definition; `None` where there is no such table.
pub(super) async fn read(
    connection: &mut Connection,
    info: &ServerInfo,
    name: &TableName,
) -> Result<Option<Definition>, CopyError> {
    let refuse = |problem: String| CopyError::Table { table: name.clone(), problem };
    let place =
        format!("table_schema = {} AND table_name = {}", quote(&name.database), quote(&name.table));
    let facts = connection
        .query(&format!(
            "SELECT table_type AS kind, engine AS engine, table_rows AS guess \
             FROM information_schema.tables WHERE {place}"
        ))
        .await?;
    let Some(kind) = facts.first("kind") else { return Ok(None) };
    if kind != "BASE TABLE" {
        return Err(refuse(format!(
            "it is a {}, whose rows nobody can write as they are: copy it by hand, and leave it \
             out of the mapping until then",
            kind.to_lowercase()
        )));
    }
    let engine = facts.first("engine").unwrap_or_default();
    if !engine.eq_ignore_ascii_case("InnoDB") {
        return Err(refuse(format!(
            "its engine {engine} has no snapshots: ALTER TABLE {}.{} ENGINE=InnoDB",
            quoted(&name.database),
            quoted(&name.table)
        )));
    }
    let estimated = facts.first("guess").and_then(|guess| guess.parse().ok()).unwrap_or(0);
    let columns = connection
        .query(&format!(
            "SELECT {COLUMNS}, collation_name FROM information_schema.columns WHERE {place} \
             ORDER BY ordinal_position"
        ))
        .await?;
    let keys = connection
        .query(&format!(
            "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
             WHERE {place} AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        ))
        .await?;
    let Some(schema) = read_tables(&columns, &keys).into_iter().next() else { return Ok(None) };
    let table = schema
        .to_table()
        .map_err(|column| refuse(format!(
            "the type of column {column} is not known: change it, copy the table by hand, or leave the \
             table out of the mapping (`except`)"
        )))?;
    let types = table.columns.iter().map(|column| column.column_type.clone()).collect();
    let uniques = connection
        .query(&format!(
            "SELECT * FROM information_schema.statistics WHERE {place} AND non_unique = 0 \
             ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
        ))
        .await?;
    let collation = columns.column("collation_name");
    let collation = |row: &Row| Some(row.text(collation?)?.to_owned());
    let collations: Vec<Option<String>> = columns.rows().iter().map(collation).collect();
    let mut keys = usable_keys(&uniques, (&schema.columns, &collations)).into_iter();
    let (statement, database_collation) = statement(connection, info, name).await?;
    Ok(Some(Definition {
        table: Arc::new(Table { name: name.clone(), ..table }),
        columns: schema.columns,
        types,
        key: keys.next(),
        other_keys: keys.collect(),
        statement,
        database_collation,
        estimated,
    }))
}

/// The keys, the primary one before others, that tell rows apart and can be compared.
fn usable_keys(
    parts: &ResultSet,
    (columns, collations): (&[SchemaColumn], &[Option<String>]),
) -> Vec<Key> {
    let mut keys: Vec<(String, Option<Vec<KeyColumn>>)> = Vec::new();
    for row in parts.rows() {
        let part = Part { names: parts, row };
        let name = part.text("index_name").unwrap_or_default();
        if keys.last().is_none_or(|(last, _)| last != name) {
            keys.push((name.to_owned(), Some(Vec::new())));
        }
        let Some((_, own)) = keys.last_mut() else { continue };
        match (own.as_mut(), key_column(part, columns)) {
            (Some(own), Some(column)) => own.push(column),
            _ => *own = None,
        }
    }
    let usable = keys.into_iter().filter_map(|(name, parts)| Some((name, parts?)));
    let marked = usable.map(|(name, parts)| {
        let facts = parts.iter().map(|part| {
            let column_type = columns.get(part.index).map_or("", |column| &column.column_type);
            let collation = collations.get(part.index).and_then(Option::as_deref);
            (&*part.name, column_type, collation.unwrap_or_default())
        });
        let mark = mark_of(facts);
        Key { name, columns: parts, mark }
    });
    marked.collect()
}

/// A row of `information_schema.statistics`, whose columns differ between servers.
#[derive(Clone, Copy)]
struct Part<'r> {
    names: &'r ResultSet,
    row: &'r Row,
}

impl<'r> Part<'r> {
    fn text(self, name: &str) -> Option<&'r str> {
        self.row.text(self.names.column(name)?)
    }

    /// Whether a statement may name the key: MySQL hides invisible ones, and MariaDB ignored ones.
    fn is_usable(self) -> bool {
        self.text("is_visible").is_none_or(|it| !it.eq_ignore_ascii_case("NO"))
            && self.text("ignored").is_none_or(|it| !it.eq_ignore_ascii_case("YES"))
    }
}

fn key_column(part: Part<'_>, columns: &[SchemaColumn]) -> Option<KeyColumn> {
    // A part of a column, or of what is calculated from columns, tells less than the column.
    if part.text("sub_part").is_some()
        || !part.text("index_type")?.eq_ignore_ascii_case("BTREE")
        || !part.is_usable()
    {
        return None;
    }
    let name = part.text("column_name")?;
    let index = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
    let column = columns.get(index)?;
    if column.nullable { None } else { KeyColumn::new(index, column) }
}

/// The statement that makes the table, with the names in it.
async fn statement(
    connection: &mut Connection,
    info: &ServerInfo,
    name: &TableName,
) -> Result<(Ddl, Option<Arc<str>>), ConnectionError> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
    let made = connection.query(&sql).await?;
    let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default().to_owned();
    let sql = format!(
        "SELECT default_collation_name AS name FROM information_schema.schemata \
         WHERE schema_name = {}",
        quote(&name.database)
    );
    let collation = connection.query(&sql).await?.first("name").map(Into::into);
    let resolve = |named: Named| {
        let database = named.name.database.unwrap_or_else(|| name.database.to_string());
        DdlName { at: named.at, table: TableName::new(database, named.name.table) }
    };
    let names = named_tables(&text, Dialect::default()).into_iter().map(resolve).collect();
    let mut session = DdlSession::default();
    session.is_mariadb = info.flavor() == Flavor::MariaDb;
    let ddl = Ddl {
        database: Arc::clone(&name.database),
        statement: text.into(),
        kind: "CREATE TABLE".into(),
        tables: vec![name.clone()],
        names,
        session,
        ..Ddl::default()
    };
    Ok((ddl, collation))
}
