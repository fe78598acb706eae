//! ALTER TABLE: all of its changes refer to the table as it was, and take effect together.

use std::sync::Arc;

use otter_core::TableName;

use super::apply::full_name;
use super::columns::{ColumnList, unknown_column};
use super::keys::KeyList;
use super::names::same;
use super::resolve::{self, Defaults};
use super::table::{ColumnSchema, Key, TableSchema, Versioning};
use super::{Applied, ApplyError, Schema};
use crate::connection::Flavor;
use crate::history::charset;
use crate::history::dialect::Session;
use crate::history::statement::{
    AlterTable, CharsetName, ColumnAction, Generated, KeyAction, KeyKind, KeyPart, PartitionMove,
    Place,
};

impl Schema {
    pub(super) fn alter_table(
        &mut self,
        alter: &AlterTable,
        session: &Session,
        applied: &mut Applied,
    ) -> Result<(), ApplyError> {
        let name = full_name(&alter.name, session)?;
        let Some(table) = self.find(&name, session).map(Arc::clone) else {
            if alter.if_exists || alter.changes_nothing() {
                applied.unknown.push(name);
                return Ok(());
            }
            return Err(ApplyError::UnknownTable { table: name });
        };
        let collation = self.database_collation(&name.database, session);
        let altered = Alteration { name: &name, table: &table, alter, session };
        let current = match session.dialect.flavor {
            Flavor::MySql => self.database_collation(&session.database, session),
            Flavor::MariaDb => Arc::clone(&collation),
        };
        let altered = altered.apply(&collation, &current)?;
        let rename = alter.rename.as_ref().map(|to| full_name(to, session)).transpose()?;
        let mut arrived = Vec::new();
        let mut left = Vec::new();
        for partition_move in &alter.partition_moves {
            match partition_move {
                PartitionMove::ToTable(new) => arrived.push(full_name(new, session)?),
                PartitionMove::FromTable(old) => left.push(full_name(old, session)?),
            }
        }
        // Nothing fails from here on.
        if altered != *table {
            self.replace_table(&name, Arc::new(altered), session);
            applied.changed.push(name.clone());
        }
        for new in arrived {
            self.put(&new, Arc::clone(&table), &collation);
            applied.changed.push(new);
        }
        for old in left {
            self.take(&old);
            applied.changed.push(old);
        }
        if let Some(to) = rename.filter(|to| *to != name) {
            self.rename_table(&name, &to, session, applied);
        }
        Ok(())
    }

    /// Puts a new definition in the place of the one that the name means in this session.
    fn replace_table(&mut self, name: &TableName, altered: Arc<TableSchema>, session: &Session) {
        if self.is_temporary(name, session) {
            let key = self.temporary_key(name, session);
            self.temporary.insert(key, altered);
            return;
        }
        let altered = self.share_names(altered);
        let rule = self.options.table_names;
        let database = self.databases.get_mut(&*rule.key(&name.database));
        let entry = database.and_then(|database| database.tables.get_mut(&*rule.key(&name.table)));
        if let Some(entry) = entry {
            // The table keeps its name as it was written first.
            entry.table = altered;
        }
    }
}

/// One ALTER TABLE on one table.
struct Alteration<'a> {
    name: &'a TableName,
    table: &'a TableSchema,
    alter: &'a AlterTable,
    session: &'a Session,
}

impl Alteration<'_> {
    /// The new definition. DEFAULT means the collation of the table's `database`, but MySQL means
    /// that of the session's `current` one in a conversion.
    fn apply(&self, database: &str, current: &str) -> Result<TableSchema, ApplyError> {
        let before = &self.table.collation;
        let clause = &self.alter.charset;
        let mut collation = resolve::collation(clause, before, database, self.session);
        let convert = self.alter.convert.as_ref();
        let convert =
            convert.map(|clause| resolve::collation(clause, &collation, current, self.session));
        if let Some(convert) = convert.as_ref().filter(|convert| !self.keeps_default(convert)) {
            collation = Arc::clone(convert);
        }
        let defaults =
            Defaults { collation: &collation, convert: convert.as_ref(), session: self.session };
        let (columns, keys) = self.keys(self.columns(&defaults)?)?;
        let has_times = columns.iter().any(|column| column.generated == Some(Generated::RowTime));
        let before = self.table.versioning != Versioning::None;
        Ok(TableSchema {
            versioning: Versioning::of(self.alter.versioning.unwrap_or(before), has_times),
            columns,
            keys,
            collation,
            kind: self.table.kind,
            is_complete: self.table.is_complete,
        })
    }

    /// Whether a default that is given with a conversion stays the default: always in MariaDB, and
    /// in MySQL if it is the later of the two and not the same charset once more.
    fn keeps_default(&self, convert: &str) -> bool {
        let clause = &self.alter.charset;
        let is_repeated = clause.collation.is_none()
            && matches!(&clause.charset, Some(CharsetName::Named(name))
                if charset::canonical(name) == charset::of_collation(convert));
        match self.session.dialect.flavor {
            Flavor::MySql => self.alter.charset_is_later && !is_repeated,
            Flavor::MariaDb => !clause.is_empty(),
        }
    }

    fn columns(&self, defaults: &Defaults<'_>) -> Result<ColumnList, ApplyError> {
        self.check_names()?;
        let mut list = ColumnList::default();
        for column in &self.table.columns {
            if let Some(kept) = self.kept(column, defaults) {
                list.insert(kept, Some(&column.name), &Place::Last, self.name)?;
            }
        }
        for action in &self.alter.columns {
            match action {
                ColumnAction::Add { column, place, if_not_exists } => {
                    let is_known = self.has(&column.name) || list.has(&column.name);
                    if !(*if_not_exists && is_known) {
                        list.insert(resolve::column(column, defaults), None, place, self.name)?;
                    }
                }
                ColumnAction::Change { name, column, place, .. } => {
                    // MariaDB: a column that the same statement adds can be changed by it.
                    let is_old = self.has(name) && !self.is_dropped(name);
                    if !is_old && list.take_new(name) {
                        list.insert(resolve::column(column, defaults), None, place, self.name)?;
                    }
                    // Another has changed where it was, and moves from there.
                    let moved = (*place != Place::Last).then(|| list.take(name)).flatten();
                    if let Some(column) = moved {
                        list.insert(column, Some(name), place, self.name)?;
                    }
                }
                ColumnAction::Drop { .. }
                | ColumnAction::Rename { .. }
                | ColumnAction::SetInvisible { .. } => {}
            }
        }
        Ok(list)
    }

    /// Every column that is dropped, changed or renamed must be there.
    fn check_names(&self) -> Result<(), ApplyError> {
        for action in &self.alter.columns {
            let (name, may_be_missing) = match action {
                ColumnAction::Add { .. } => continue,
                ColumnAction::Drop { name, if_exists }
                | ColumnAction::Change { name, if_exists, .. } => (name, *if_exists),
                ColumnAction::Rename { from, if_exists, .. } => (from, *if_exists),
                ColumnAction::SetInvisible { name, .. } => (name, false),
            };
            // A table of which not all columns are known may have it.
            let is_known = self.has(name) || self.adds(name);
            if !may_be_missing && self.table.is_complete && !is_known {
                return Err(unknown_column(self.name, name));
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.table.column_index(name).is_some()
    }

    fn adds(&self, name: &str) -> bool {
        self.alter.columns.iter().any(
            |action| matches!(action, ColumnAction::Add { column, .. } if same(&column.name, name)),
        )
    }

    fn is_dropped(&self, name: &str) -> bool {
        self.alter.columns.iter().any(|action| {
            matches!(action, ColumnAction::Drop { name: dropped, .. } if same(dropped, name))
        })
    }

    /// What becomes of a column in its old place: `None` where it is dropped.
    fn kept(&self, column: &ColumnSchema, defaults: &Defaults<'_>) -> Option<ColumnSchema> {
        if self.is_dropped(&column.name) {
            return None;
        }
        let mut kept = column.clone();
        if let Some(convert) = defaults.convert {
            resolve::convert(&mut kept, convert);
        }
        for action in &self.alter.columns {
            match action {
                ColumnAction::Change { name, column: new, .. } if same(name, &column.name) => {
                    return Some(resolve::column(new, defaults));
                }
                ColumnAction::Rename { from, to, .. } if same(from, &column.name) => {
                    kept.name = Arc::clone(to);
                }
                ColumnAction::SetInvisible { name, invisible } if same(name, &column.name) => {
                    kept.invisible = *invisible;
                }
                ColumnAction::Add { .. }
                | ColumnAction::Drop { .. }
                | ColumnAction::Change { .. }
                | ColumnAction::Rename { .. }
                | ColumnAction::SetInvisible { .. } => {}
            }
        }
        Some(kept)
    }

    /// The keys over the new columns, and these with the NOT NULL that keys imply.
    fn keys(&self, columns: ColumnList) -> Result<(Vec<ColumnSchema>, Vec<Key>), ApplyError> {
        let mut list = KeyList::default();
        for key in self.table.keys.iter().filter(|key| !self.drops(key)) {
            let mut key = key.clone();
            key.parts.retain_mut(|part| move_part(part, &columns));
            list.keep(key);
        }
        for action in &self.alter.keys {
            // Only keys that were there have names by which they can be renamed.
            if let KeyAction::Rename { from, to } = action {
                list.rename(from, to);
            }
        }
        let mut columns = columns.into_columns();
        for action in &self.alter.keys {
            match action {
                KeyAction::Add { key, or_replace } => {
                    if let Some(name) = key.name.as_ref().filter(|_| *or_replace) {
                        list.remove(name);
                    }
                    if self.table.is_complete {
                        list.add(key, &columns, self.name)?;
                    } else {
                        list.add_known(key, &columns, self.name)?;
                    }
                }
                KeyAction::AddPeriod(begin, end) => {
                    resolve::forbid_null(&mut columns, [begin, end]);
                }
                KeyAction::Drop { .. }
                | KeyAction::DropConstraint { .. }
                | KeyAction::Rename { .. } => {}
            }
        }
        let keys = list.finish(&mut columns);
        Ok((columns, keys))
    }

    fn drops(&self, key: &Key) -> bool {
        let is_constraint = matches!(key.kind, KeyKind::Primary | KeyKind::Unique);
        self.alter.keys.iter().any(|action| match action {
            KeyAction::Drop { name } => same(name, &key.name),
            KeyAction::DropConstraint { name } => is_constraint && same(name, &key.name),
            KeyAction::Add { .. } | KeyAction::Rename { .. } | KeyAction::AddPeriod(..) => false,
        })
    }
}

/// Follows a part's column to its heir; tells whether it has one.
fn move_part(part: &mut KeyPart, columns: &ColumnList) -> bool {
    let Some(name) = &part.column else {
        return true;
    };
    part.column = columns.heir(name).map(Arc::clone);
    part.column.is_some()
}
