//! What becomes of tables, told in lines that a reader can compare with SHOW COLUMNS.

mod alter;
mod charsets;
mod columns;
mod keys;
mod names;
mod properties;
mod snapshots;
mod tables;

use otter_core::TableName;

use super::{Applied, ApplyError, Schema, SchemaOptions, TableSchema};
use crate::connection::Flavor;
use crate::history::dialect::{Dialect, Session};
use crate::history::reader::read;

/// A schema with a session in its database `d`.
struct Bench {
    schema: Schema,
    session: Session,
}

impl Bench {
    fn mysql() -> Self {
        Self::new(Dialect::new(Flavor::MySql, 9, 7, 4))
    }

    fn mariadb() -> Self {
        Self::new(Dialect::new(Flavor::MariaDb, 10, 11, 19))
    }

    fn new(dialect: Dialect) -> Self {
        let mut session = Session::new(dialect);
        session.database = "d".into();
        let mut bench = Self { schema: Schema::new(SchemaOptions::default()), session };
        bench.run("CREATE DATABASE d CHARACTER SET latin1");
        bench
    }

    fn try_run(&mut self, text: &str) -> Result<Applied, ApplyError> {
        let statement = read(text.as_bytes(), &self.session.dialect)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        self.schema.apply(&statement, &self.session)
    }

    fn run(&mut self, text: &str) -> Applied {
        self.try_run(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Runs statements that a semicolon ends.
    fn run_all(&mut self, script: &str) {
        for text in script.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            self.run(text);
        }
    }

    fn table(&self, name: &str) -> &TableSchema {
        let (database, table) = name.split_once('.').unwrap_or(("d", name));
        let name = TableName::new(database, table);
        self.schema.table(&name).unwrap_or_else(|| panic!("{name} is not tracked"))
    }

    fn has(&self, name: &str) -> bool {
        self.schema.table(&TableName::new("d", name)).is_some()
    }

    /// A line per column: name, type, collation, NOT NULL, key and what else it is.
    fn show(&self, name: &str) -> Vec<String> {
        let table = self.table(name);
        let columns = table.columns().iter().enumerate();
        columns
            .map(|(index, column)| {
                let generated = column.generated.map(|generated| format!("{generated:?}"));
                let words = [
                    column.name.to_string(),
                    column.data_type.to_string(),
                    column.collation.as_deref().unwrap_or_default().to_owned(),
                    if column.nullable { "" } else { "NOT NULL" }.to_owned(),
                    table.column_key(index, &self.session.dialect).as_str().to_owned(),
                    if column.auto_increment { "AUTO" } else { "" }.to_owned(),
                    if column.invisible { "INVISIBLE" } else { "" }.to_owned(),
                    if column.compressed { "COMPRESSED" } else { "" }.to_owned(),
                    generated.unwrap_or_default(),
                ];
                words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// The names of the columns, joined by spaces.
    fn names(&self, name: &str) -> String {
        let names: Vec<&str> =
            self.table(name).columns().iter().map(|column| &*column.name).collect();
        names.join(" ")
    }

    /// The keys: `name(parts)`, with `*` for unique ones and `~` for those of foreign keys.
    fn keys(&self, name: &str) -> String {
        use crate::history::statement::KeyKind;
        let keys = self.table(name).keys().iter().map(|key| {
            let parts = key.parts.iter().map(|part| match (&part.column, part.prefix) {
                (None, _) => "()".to_owned(),
                (Some(column), None) => column.to_string(),
                (Some(column), Some(prefix)) => format!("{column}:{prefix}"),
            });
            let unique =
                if matches!(key.kind, KeyKind::Primary | KeyKind::Unique) { "*" } else { "" };
            let generated = if key.generated { "~" } else { "" };
            format!("{}{unique}{generated}({})", key.name, parts.collect::<Vec<_>>().join(","))
        });
        keys.collect::<Vec<_>>().join(" ")
    }
}
