//! Finding, putting and taking tables, with names folded as the server does.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::TableName;

use super::{Applied, Database, Entry, Schema, SchemaOptions, TableSchema};
use crate::history::charset;
use crate::history::dialect::Session;

impl Schema {
    /// A schema without any database.
    #[must_use]
    pub fn new(options: SchemaOptions) -> Self {
        Self {
            options,
            databases: BTreeMap::new(),
            temporary: BTreeMap::new(),
            names: super::Names::default(),
        }
    }

    /// How names are treated.
    #[must_use]
    pub fn options(&self) -> SchemaOptions {
        self.options
    }

    /// The definition of a table, if it is tracked.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Arc<TableSchema>> {
        let rule = self.options.table_names;
        let database = self.databases.get(&*rule.key(&name.database))?;
        database.tables.get(&*rule.key(&name.table)).map(|entry| &entry.table)
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = (TableName, &Arc<TableSchema>)> {
        self.databases.values().flat_map(|database| {
            database.tables.values().map(|entry| {
                let name = TableName {
                    database: Arc::clone(&database.name),
                    table: Arc::clone(&entry.name),
                };
                (name, &entry.table)
            })
        })
    }

    /// All databases by name, with their default collations.
    pub fn databases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.databases.values().map(|database| (&*database.name, &*database.collation))
    }

    /// The number of tables.
    #[must_use]
    pub fn table_count(&self) -> usize {
        self.databases.values().map(|database| database.tables.len()).sum()
    }

    /// Lets go of a table whose tracked definition has proved wrong; tells whether it was tracked.
    pub fn forget(&mut self, name: &TableName) -> bool {
        self.take(name).is_some()
    }

    /// Puts a definition in place, as one read from the server heals a wrong one.
    pub fn insert(&mut self, name: &TableName, table: TableSchema) {
        let collation = Arc::clone(&table.collation);
        self.put(name, Arc::new(table), &collation);
    }

    /// Lets go of all temporary tables: the server has started anew.
    pub fn forget_temporary(&mut self) {
        self.temporary.clear();
    }

    /// The default collation of a database, or the session's where it is not known.
    pub(super) fn database_collation(&self, database: &str, session: &Session) -> Arc<str> {
        let key = self.options.table_names.key(database);
        match self.databases.get(&*key) {
            Some(database) => Arc::clone(&database.collation),
            None => charset::canonical(&session.server_collation).into(),
        }
    }

    /// Puts a database in place, keeping its tables if it is there.
    pub(super) fn put_database(&mut self, name: &str, collation: &str) -> &mut Database {
        let rule = self.options.table_names;
        let key = self.names.share(&rule.key(name));
        let name = self.names.share(&rule.kept(name));
        let collation = self.names.share(collation);
        let database = self.databases.entry(key).or_insert_with(|| Database {
            name,
            collation: Arc::clone(&collation),
            tables: BTreeMap::new(),
        });
        database.collation = collation;
        database
    }

    /// Puts a table in place; its database comes into being with it, if need be.
    pub(super) fn put(&mut self, name: &TableName, table: Arc<TableSchema>, collation: &str) {
        let rule = self.options.table_names;
        let collation = match self.databases.get(&*rule.key(&name.database)) {
            Some(database) => Arc::clone(&database.collation),
            None => collation.into(),
        };
        let table = self.share_names(table);
        let key = self.names.share(&rule.key(&name.table));
        let kept = self.names.share(&rule.kept(&name.table));
        let database = self.put_database(&name.database, &collation);
        database.tables.insert(key, Entry { name: kept, table });
    }

    pub(super) fn share_names(&mut self, mut table: Arc<TableSchema>) -> Arc<TableSchema> {
        // A table that is shared already has gone through here.
        if let Some(own) = Arc::get_mut(&mut table) {
            own.share_names(&mut self.names);
        }
        table
    }

    pub(super) fn take(&mut self, name: &TableName) -> Option<Arc<TableSchema>> {
        let rule = self.options.table_names;
        let database = self.databases.get_mut(&*rule.key(&name.database))?;
        database.tables.remove(&*rule.key(&name.table)).map(|entry| entry.table)
    }

    /// The key of a temporary table.
    pub(super) fn temporary_key(&self, name: &TableName, session: &Session) -> (u32, TableName) {
        let rule = self.options.table_names;
        let name = TableName::new(&*rule.key(&name.database), &*rule.key(&name.table));
        (session.thread, name)
    }

    /// The table that a name means in this session: a temporary one hides a real one.
    pub(super) fn find(&self, name: &TableName, session: &Session) -> Option<&Arc<TableSchema>> {
        if !self.temporary.is_empty() {
            let key = self.temporary_key(name, session);
            if let Some(table) = self.temporary.get(&key) {
                return Some(table);
            }
        }
        self.table(name)
    }

    pub(super) fn is_temporary(&self, name: &TableName, session: &Session) -> bool {
        !self.temporary.is_empty()
            && self.temporary.contains_key(&self.temporary_key(name, session))
    }

    /// Drops a whole database; tells its tables.
    pub(super) fn take_database(&mut self, name: &str, applied: &mut Applied) {
        let key = self.options.table_names.key(name);
        let Some(database) = self.databases.remove(&*key) else {
            return;
        };
        let names = database
            .tables
            .into_values()
            .map(|entry| TableName { database: Arc::clone(&database.name), table: entry.name });
        applied.changed.extend(names);
    }
}
