//! Applying a statement: each change is worked out first and put in place as one.

use std::sync::Arc;

use otter_core::TableName;

use super::columns::ColumnList;
use super::keys::KeyList;
use super::table::{TableKind, TableSchema, Versioning};
use super::{Applied, ApplyError, Schema, resolve, sequence};
use crate::history::charset;
use crate::history::dialect::Session;
use crate::history::statement::{
    CharsetClause, CreateBody, CreateTable, Element, Generated, Place, QualifiedName, SchemaChange,
    Statement,
};

impl Schema {
    /// Carries the schema over a statement that succeeded in this session.
    ///
    /// Statements without schema changes do nothing. CREATE replaces what has the name, unless IF
    /// NOT EXISTS finds it; dropping or renaming what is not tracked is no error, since views are
    /// not tracked.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] (poison) where the tracked schema cannot be what the source had. The
    /// statement is then not applied; [`Schema::forget`] makes its table unknown, so that only that
    /// table stops.
    pub fn apply(
        &mut self,
        statement: &Statement,
        session: &Session,
    ) -> Result<Applied, ApplyError> {
        let mut applied = Applied::default();
        let Statement::Ddl(ddl) = statement else {
            return Ok(applied);
        };
        match ddl.changes.as_slice() {
            [] => {}
            [change] => self.apply_change(change, session, &mut applied)?,
            changes => {
                // One change is all or nothing by itself; several are so on a copy.
                let mut copy = self.clone();
                for change in changes {
                    copy.apply_change(change, session, &mut applied)?;
                }
                *self = copy;
            }
        }
        Ok(applied)
    }

    /// Carries the schema over a statement that failed, but was logged because it had an effect:
    /// its QUERY event has an error code.
    ///
    /// DROP TABLE has dropped the tables that there were. MariaDB's CREATE OR REPLACE TABLE has
    /// dropped the old table before it failed to create the new one.
    ///
    /// # Errors
    ///
    /// [`ApplyError::NoDatabase`] (poison) for a name without a database in a session without one.
    pub fn apply_failed(
        &mut self,
        statement: &Statement,
        session: &Session,
    ) -> Result<Applied, ApplyError> {
        let mut applied = Applied::default();
        let Statement::Ddl(ddl) = statement else {
            return Ok(applied);
        };
        for change in &ddl.changes {
            match change {
                SchemaChange::DropTables { names, temporary } => {
                    let names = full_names(names, session)?;
                    self.drop_tables(&names, *temporary, session, &mut applied);
                }
                SchemaChange::CreateTable(create) if create.or_replace => {
                    let name = full_name(&create.name, session)?;
                    self.drop_tables(&[name], create.temporary, session, &mut applied);
                }
                SchemaChange::CreateTable(_)
                | SchemaChange::CreateDatabase { .. }
                | SchemaChange::AlterDatabase { .. }
                | SchemaChange::DropDatabase { .. }
                | SchemaChange::AlterTable(_)
                | SchemaChange::RenameTables(_)
                | SchemaChange::TruncateTable(_)
                | SchemaChange::CreateSequence { .. } => {}
            }
        }
        Ok(applied)
    }

    fn apply_change(
        &mut self,
        change: &SchemaChange,
        session: &Session,
        applied: &mut Applied,
    ) -> Result<(), ApplyError> {
        match change {
            SchemaChange::CreateDatabase { name, if_not_exists, charset } => {
                self.create_database(name, *if_not_exists, charset, session);
            }
            SchemaChange::AlterDatabase { name, charset: clause } => {
                let name = name.as_ref().unwrap_or(&session.database);
                let before = self.database_collation(name, session);
                let server = charset::canonical(&session.server_collation);
                let collation = resolve::collation(clause, &before, &server, session);
                self.put_database(name, &collation);
            }
            SchemaChange::DropDatabase { name } => self.take_database(name, applied),
            SchemaChange::CreateTable(create) => self.create_table(create, session, applied)?,
            SchemaChange::AlterTable(alter) => self.alter_table(alter, session, applied)?,
            SchemaChange::DropTables { names, temporary } => {
                let names = full_names(names, session)?;
                self.drop_tables(&names, *temporary, session, applied);
            }
            SchemaChange::RenameTables(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(from, to)| Ok((full_name(from, session)?, full_name(to, session)?)))
                    .collect::<Result<Vec<_>, ApplyError>>()?;
                for (from, to) in &pairs {
                    self.rename_table(from, to, session, applied);
                }
            }
            SchemaChange::TruncateTable(_) => {}
            SchemaChange::CreateSequence { name, if_not_exists } => {
                let name = full_name(name, session)?;
                if !*if_not_exists || self.table(&name).is_none() {
                    let collation = self.database_collation(&name.database, session);
                    self.put(&name, Arc::new(sequence::table(&collation)), &collation);
                    applied.changed.push(name);
                }
            }
        }
        Ok(())
    }

    fn create_database(
        &mut self,
        name: &str,
        if_not_exists: bool,
        clause: &CharsetClause,
        session: &Session,
    ) {
        let is_known = self.databases.contains_key(&*self.options.table_names.key(name));
        if is_known && if_not_exists {
            return;
        }
        // A database that is created anew was dropped unseen: its tables are gone.
        self.take_database(name, &mut Applied::default());
        let server = charset::canonical(&session.server_collation);
        let collation = resolve::collation(clause, &server, &server, session);
        self.put_database(name, &collation);
    }

    fn create_table(
        &mut self,
        create: &CreateTable,
        session: &Session,
        applied: &mut Applied,
    ) -> Result<(), ApplyError> {
        let name = full_name(&create.name, session)?;
        let is_known = if create.temporary {
            self.is_temporary(&name, session)
        } else {
            self.table(&name).is_some()
        };
        if is_known && create.if_not_exists {
            return Ok(());
        }
        let collation = self.database_collation(&name.database, session);
        let table = match &create.body {
            CreateBody::Like(like) => {
                let like = full_name(like, session)?;
                let Some(table) = self.find(&like, session).map(Arc::clone) else {
                    return Err(ApplyError::UnknownTable { table: like });
                };
                table
            }
            CreateBody::Defined { .. } => {
                Arc::new(define_table(&name, &create.body, &collation, session)?)
            }
        };
        if create.temporary {
            self.temporary.insert(self.temporary_key(&name, session), table);
        } else {
            self.put(&name, table, &collation);
            applied.changed.push(name);
        }
        Ok(())
    }

    fn drop_tables(
        &mut self,
        names: &[TableName],
        temporary: bool,
        session: &Session,
        applied: &mut Applied,
    ) {
        for name in names {
            if self.is_temporary(name, session) {
                let key = self.temporary_key(name, session);
                self.temporary.remove(&key);
            } else if !temporary && self.take(name).is_some() {
                applied.changed.push(name.clone());
            }
        }
    }

    pub(super) fn rename_table(
        &mut self,
        from: &TableName,
        to: &TableName,
        session: &Session,
        applied: &mut Applied,
    ) {
        if self.is_temporary(from, session) {
            let key = self.temporary_key(from, session);
            if let Some(table) = self.temporary.remove(&key) {
                self.temporary.insert(self.temporary_key(to, session), table);
            }
            return;
        }
        let collation = self.database_collation(&to.database, session);
        match self.take(from) {
            Some(table) => {
                self.put(to, table, &collation);
                applied.changed.extend([from.clone(), to.clone()]);
            }
            None => {
                // Whatever had the new name before cannot have it now.
                if self.take(to).is_some() {
                    applied.changed.push(to.clone());
                }
                applied.unknown.push(from.clone());
            }
        }
    }
}

/// The full name, with the session's database for one that has none.
pub(super) fn full_name(name: &QualifiedName, session: &Session) -> Result<TableName, ApplyError> {
    if name.database.is_none() && session.database.is_empty() {
        return Err(ApplyError::NoDatabase { table: Arc::clone(&name.table) });
    }
    Ok(name.within(&session.database))
}

fn full_names(names: &[QualifiedName], session: &Session) -> Result<Vec<TableName>, ApplyError> {
    names.iter().map(|name| full_name(name, session)).collect()
}

/// Makes a table of the columns and keys in CREATE TABLE; `database` is its database's collation.
fn define_table(
    name: &TableName,
    body: &CreateBody,
    database: &str,
    session: &Session,
) -> Result<TableSchema, ApplyError> {
    let CreateBody::Defined { elements, charset, has_select, is_versioned, is_sequence } = body
    else {
        return Err(ApplyError::UnknownTable { table: name.clone() });
    };
    let collation = resolve::collation(charset, database, database, session);
    let defaults = resolve::Defaults { collation: &collation, convert: None, session };
    let mut columns = ColumnList::default();
    for element in elements {
        if let Element::Column(column) = element {
            columns.insert(resolve::column(column, &defaults), None, &Place::Last, name)?;
        }
    }
    let mut columns = columns.into_columns();
    let mut keys = KeyList::default();
    for element in elements {
        match element {
            Element::Key(key) if *has_select => keys.add_known(key, &columns, name)?,
            Element::Key(key) => keys.add(key, &columns, name)?,
            Element::Period(begin, end) => resolve::forbid_null(&mut columns, [begin, end]),
            Element::Column(_) => {}
        }
    }
    let has_times = columns.iter().any(|column| column.generated == Some(Generated::RowTime));
    let keys = keys.finish(&mut columns);
    Ok(TableSchema {
        columns,
        keys,
        collation,
        kind: if *is_sequence { TableKind::Sequence } else { TableKind::Base },
        versioning: Versioning::of(*is_versioned, has_times),
        is_complete: !has_select,
    })
}
