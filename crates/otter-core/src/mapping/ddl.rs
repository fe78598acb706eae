//! What mappings make of a schema change: whether it is carried as a whole, and how the target
//! calls its tables.

use super::glob::Glob;
use super::{Mapping, Mappings, TablePattern};
use crate::ddl::{Ddl, DdlName, DdlReach};
use crate::table::TableName;

impl Mappings {
    /// Whether any of it concerns a mapped table, or may do so.
    pub(super) fn concerns(&self, ddl: &Ddl) -> bool {
        if ddl.tables.is_empty() {
            // Without a database nobody can tell what it touches, so it must be seen.
            return ddl.database.is_empty() || self.touches_database(&ddl.database);
        }
        ddl.tables.iter().any(|table| self.is_mapped(table))
    }

    /// The change as the target is to execute it; its reach tells where that is not possible, and
    /// then the words stay those of the source.
    #[must_use]
    pub fn route_ddl(&self, ddl: Ddl) -> Ddl {
        if ddl.tables.is_empty() {
            // What is excepted may be there too.
            let would_end = ddl.kind.starts_with("DROP");
            let spares = |except: &TablePattern| except.matches_database(&ddl.database);
            let is_spared = would_end && self.0.except.iter().any(spares);
            let is_whole = !is_spared && self.keeps_database(&ddl.database);
            let reach = if is_whole { DdlReach::Whole } else { DdlReach::Partly };
            return Ddl { reach, ..ddl };
        }
        let mentioned = ddl.tables.iter().chain(ddl.names.iter().map(|name| &name.table));
        for table in mentioned {
            if !self.is_mapped(table) {
                return Ddl { reach: DdlReach::Partly, ..ddl };
            }
            if self.merges(table) {
                return Ddl { reach: DdlReach::Merged, ..ddl };
            }
            if self.reshapes(table) {
                return Ddl { reach: DdlReach::Partly, ..ddl };
            }
        }
        self.rename(ddl)
    }

    /// Writes the target's names over the source's, each with its database: the session's need not
    /// be there, and a source that folds names may have written them otherwise.
    fn rename(&self, ddl: Ddl) -> Ddl {
        let mut statement = String::with_capacity(ddl.statement.len() + 32);
        let mut end = 0;
        let mut names = Vec::with_capacity(ddl.names.len());
        for name in &ddl.names {
            let between = ddl.statement.get(end..name.at.start);
            let (Some(between), Some(table)) = (between, self.route(&name.table)) else {
                return Ddl { reach: DdlReach::Partly, ..ddl };
            };
            statement.push_str(between);
            let start = statement.len();
            push_quoted(&mut statement, &table);
            names.push(DdlName { at: start..statement.len(), table });
            end = name.at.end;
        }
        statement.push_str(ddl.statement.get(end..).unwrap_or_default());
        let tables: Option<Vec<_>> = ddl.tables.iter().map(|table| self.route(table)).collect();
        // A table whose name does not stand in the text would keep the source's.
        let all_named =
            ddl.tables.iter().all(|table| ddl.names.iter().any(|name| name.table == *table));
        match tables {
            Some(tables) if all_named => Ddl {
                reach: DdlReach::Whole,
                statement: statement.into(),
                database: "".into(),
                tables,
                names,
                ..ddl
            },
            _ => Ddl { reach: DdlReach::Partly, ..ddl },
        }
    }

    /// Whether the target's table is another one than the source's by its mapping's rules.
    fn reshapes(&self, table: &TableName) -> bool {
        self.matching(table).is_some_and(|found| found.mapping.is_reshaped())
    }

    /// Whether another source table may become the same table of the target.
    #[must_use]
    pub fn merges(&self, table: &TableName) -> bool {
        let own = match self.0.exact.get(table) {
            Some(mapping) => Some(mapping),
            None => self.0.globs.iter().find(|mapping| mapping.from.matches(table)),
        };
        let Some(own) = own else { return false };
        if own.loses_names() {
            return true;
        }
        let Some(target) = self.route(table) else { return false };
        self.iter().filter(|other| other.from != own.from).any(|other| {
            let (from, to) = (&other.from, &other.to);
            if other.spread.is_some() {
                return to.matches(&target);
            }
            let database = source_of(&from.database, &to.database, &target.database);
            let name = source_of(&from.table, &to.table, &target.table);
            let (Some(database), Some(name)) = (database, name) else { return false };
            if other.loses_names() {
                return true;
            }
            // The one source table that it makes the same, where that is not left to another.
            let twin = TableName::new(database, name);
            twin != *table && self.route(&twin).as_ref() == Some(&target)
        })
    }

    /// Whether all tables of the database are carried under their own names.
    fn keeps_database(&self, database: &str) -> bool {
        let mut whole = false;
        for mapping in self.iter().filter(|mapping| mapping.from.matches_database(database)) {
            if mapping.from != mapping.to || mapping.is_reshaped() {
                return false;
            }
            whole |= mapping.from.takes_all_tables();
        }
        whole
    }
}

impl Mapping {
    /// Whether several names may become one.
    fn loses_names(&self) -> bool {
        let loses = |from: &Glob, to: &Glob| {
            (from.exact().is_none() && to.exact().is_some()) || (from.forgets() && from != to)
        };
        loses(&self.from.database, &self.to.database) || loses(&self.from.table, &self.to.table)
    }
}

/// The part of a source name that becomes this one, where names are not lost.
fn source_of(from: &Glob, to: &Glob, target: &str) -> Option<String> {
    let captures = to.captures(target)?;
    // An expression in `to` is that of `from`: names are kept.
    Some(if to.is_expression() { target.to_owned() } else { from.fill(&captures) })
}

/// Appends the name with its database, in backticks, which every mode understands.
fn push_quoted(text: &mut String, table: &TableName) {
    for (part, before) in [(&table.database, "`"), (&table.table, ".`")] {
        text.push_str(before);
        text.push_str(&part.replace('`', "``"));
        text.push('`');
    }
}

#[cfg(test)]
mod tests;
