//! The foreign keys of the target, which tell whose rows depend on whose.

use std::collections::{HashMap, HashSet};

use otter_core::TableName;

use crate::mysql::conn::{ApplyConn, TextRow};
use crate::mysql::error::MySqlLoadError;

/// One foreign key of the target. Names of tables are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    name: String,
    pub(super) child: TableKey,
    /// The child's columns, in the key's order.
    pub(super) columns: Vec<String>,
    pub(super) parent: TableKey,
    /// The parent's columns, in the same order.
    pub(super) referenced: Vec<String>,
    /// Whether a change of the parent changes the child.
    pub(super) cascades: bool,
}

/// A table's name in lower case: a server may tell cases apart, but need not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableKey(String);

/// All foreign keys that the account may see.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(super) keys: Vec<ForeignKey>,
    /// The keys that lead from a table.
    from: HashMap<TableKey, Vec<usize>>,
    /// The keys that lead to a table.
    to: HashMap<TableKey, Vec<usize>>,
}

impl From<&TableName> for TableKey {
    fn from(name: &TableName) -> Self {
        // No name holds a zero byte.
        Self(format!("{}\0{}", name.database.to_lowercase(), name.table.to_lowercase()))
    }
}

impl TableKey {
    /// Whether the table is in this database.
    pub(crate) fn is_in(&self, database: &str) -> bool {
        self.0.split('\0').next() == Some(&database.to_lowercase())
    }
}

impl Relations {
    pub(crate) async fn read(conn: &mut dyn ApplyConn) -> Result<Self, MySqlLoadError> {
        let text = "SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, \
                    k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, \
                    k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE \
                    FROM information_schema.KEY_COLUMN_USAGE k \
                    JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
                    ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA \
                    AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME \
                    WHERE k.REFERENCED_TABLE_NAME IS NOT NULL \
                    ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION";
        let rows = conn.query(text).await.map_err(MySqlLoadError::plain)?;
        Ok(Self::of(&rows))
    }

    pub(super) fn of(rows: &[TextRow]) -> Self {
        let mut relations = Self::default();
        for row in rows {
            let [
                Some(name),
                Some(schema),
                Some(table),
                Some(column),
                Some(to_schema),
                Some(to_table),
                Some(to_column),
                Some(update),
                Some(delete),
            ] = row.as_slice()
            else {
                continue;
            };
            let child = TableKey::from(&TableName::new(schema.as_str(), table.as_str()));
            let is_open = |last: &&mut ForeignKey| last.child == child && last.name == *name;
            if let Some(open) = relations.keys.last_mut().filter(is_open) {
                open.columns.push(column.clone());
                open.referenced.push(to_column.clone());
                continue;
            }
            let changes = |rule: &str| rule == "CASCADE" || rule.starts_with("SET ");
            relations.keys.push(ForeignKey {
                name: name.clone(),
                child,
                columns: vec![column.clone()],
                parent: TableKey::from(&TableName::new(to_schema.as_str(), to_table.as_str())),
                referenced: vec![to_column.clone()],
                cascades: changes(update) || changes(delete),
            });
        }
        for (index, key) in relations.keys.iter().enumerate() {
            relations.from.entry(key.child.clone()).or_default().push(index);
            relations.to.entry(key.parent.clone()).or_default().push(index);
        }
        relations
    }

    /// The keys that lead from a table, with their numbers.
    pub(super) fn from(&self, table: &TableKey) -> impl Iterator<Item = &ForeignKey> {
        self.from.get(table).into_iter().flatten().filter_map(|index| self.keys.get(*index))
    }

    /// The keys that lead to a table.
    pub(super) fn to(&self, table: &TableKey) -> impl Iterator<Item = &ForeignKey> {
        self.to.get(table).into_iter().flatten().filter_map(|index| self.keys.get(*index))
    }

    /// Tables whose rows a change of this one may change by way of another: grandchildren by
    /// cascades, and theirs.
    pub(super) fn grandchildren(&self, table: &TableKey) -> HashSet<TableKey> {
        let cascading = |table: &TableKey| {
            let keys = self.to(table).filter(|key| key.cascades);
            keys.map(|key| key.child.clone()).collect::<Vec<_>>()
        };
        let mut waiting = cascading(table);
        let mut passed: HashSet<TableKey> = HashSet::new();
        let mut found = HashSet::new();
        while let Some(child) = waiting.pop() {
            if !passed.insert(child.clone()) {
                continue;
            }
            // What a cascade removes may be referred to by others, whatever their rule.
            found.extend(self.to(&child).map(|key| key.child.clone()));
            waiting.extend(cascading(&child));
        }
        found
    }

    /// These tables and all that foreign keys connect them with.
    pub(super) fn connected(&self, tables: impl Iterator<Item = TableKey>) -> HashSet<TableKey> {
        let mut waiting: Vec<TableKey> = tables.collect();
        let mut found = HashSet::new();
        while let Some(table) = waiting.pop() {
            waiting.extend(self.from(&table).map(|key| key.parent.clone()));
            waiting.extend(self.to(&table).map(|key| key.child.clone()));
            waiting.retain(|next| *next != table && !found.contains(next));
            found.insert(table);
        }
        found
    }
}

impl ForeignKey {
    /// Its own name within the child's database.
    pub(super) fn identity(&self) -> (&TableKey, &str) {
        (&self.child, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, child: &str, column: &str, parent: &str, rule: &str) -> TextRow {
        [name, "S", child, column, "s", parent, "id", "RESTRICT", rule]
            .map(|text| Some(text.to_owned()))
            .to_vec()
    }

    fn key(table: &str) -> TableKey {
        TableKey::from(&TableName::new("s", table))
    }

    #[test]
    fn relatives_are_found_over_several_tables_and_in_circles() {
        let relations = Relations::of(&[
            row("a", "child", "p", "Parent", "CASCADE"),
            row("b", "grandchild", "c", "child", "RESTRICT"),
            row("b", "grandchild", "d", "child", "RESTRICT"),
            row("c", "other", "o", "other", "CASCADE"),
            row("d", "self", "o", "self", "SET NULL"),
            row("d", "far", "o", "self", "CASCADE"),
        ]);
        assert_eq!(relations.keys[1].columns, ["c", "d"]);
        let connected = relations.connected([key("GRANDCHILD")].into_iter());
        assert_eq!(connected, ["grandchild", "child", "parent"].map(key).into());
        assert_eq!(relations.grandchildren(&key("parent")), ["grandchild"].map(key).into());
        assert_eq!(relations.grandchildren(&key("child")), HashSet::new());
        assert_eq!(relations.grandchildren(&key("self")), ["self", "far"].map(key).into());
        assert_eq!(relations.grandchildren(&key("other")), ["other"].map(key).into());
        assert!(key("child").is_in("S") && !key("child").is_in("t"));
    }
}
