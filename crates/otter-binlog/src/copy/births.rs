//! Schema changes of tables that are not being copied: new ones, and such as the copy does not know.

use otter_core::{CopyRecord, CopyStage, Ddl, Event, TableName};

use super::error::CopyError;
use super::passing::{Notes, Passed, step_of, tell_left_out};
use super::renames::changes_of;
use super::run::{OpenTable, Run};
use crate::history::SchemaChange;

/// What a schema change makes of the tables that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Birth {
    /// A table that was not there: all its rows come with the stream.
    Made,
    /// A table that may have been there before, with rows.
    Unsure,
    /// No table.
    None,
}

impl Run {
    /// Takes in what a schema change makes a table refer to, and has it executed unchecked where that is
    /// not all in the target yet; tells whether it is not.
    pub(super) fn relate(&mut self, ddl: &mut Ddl) -> Result<bool, CopyError> {
        let Some(table) = ddl.tables.first().filter(|_| birth(ddl) != Birth::None) else {
            return Ok(false);
        };
        let stage = self.open.get(table).map(|open| open.record.stage);
        if stage == Some(CopyStage::Waiting) {
            return Ok(false);
        }
        let is_open = |parent: &TableName| self.open.contains_key(parent);
        let (refers, silently) = self.source.learn_more((table, &ddl.statement), is_open);
        if silently && (stage.is_some() || self.known.contains(table)) {
            // Its rows go with such as the target does not have, and would stay there.
            let (kind, tables) = (ddl.kind.to_string(), table.to_string());
            return Err(CopyError::Ddl { kind, tables });
        }
        ddl.session.no_foreign_key_checks |= refers;
        Ok(refers)
    }

    /// Passes a schema change on of tables none of which is being copied or waits for it.
    pub(super) fn pass_other(&mut self, ddl: Ddl, refers: bool, notes: &mut Notes) -> Passed {
        let mappings = &self.setting.mappings;
        let is_new = |name: &&TableName| !self.known.contains(name) && mappings.is_mapped(name);
        let new: Vec<TableName> = ddl.tables.iter().filter(is_new).cloned().collect();
        let birth = birth(&ddl);
        // What it is made like, the target may not have; nor one that went before it was listed.
        let is_like_waiting = ddl.names.iter().any(|name| {
            let open = self.open.get(&name.table);
            let is_gone = || {
                !self.is_over() && !ddl.tables.contains(&name.table) && self.is_unknown(&name.table)
            };
            open.map_or_else(is_gone, |open| open.record.stage == CopyStage::Waiting)
        });
        let waits = refers || is_like_waiting || birth == Birth::Unsure;
        if new.is_empty() || birth == Birth::None {
            return Passed::Event(Event::Ddl(ddl));
        }
        if !waits {
            notes.made.extend(new);
            return Passed::Event(Event::Ddl(ddl));
        }
        for table in new {
            let record = CopyRecord::new(table.clone(), CopyStage::Waiting);
            self.open.insert(table, OpenTable::new(record.clone()));
            notes.steps.push(step_of(record));
        }
        tell_left_out(&ddl);
        Passed::Nothing
    }
}

fn birth(ddl: &Ddl) -> Birth {
    let is_of_table = ["CREATE TABLE", "CREATE OR REPLACE TABLE", "ALTER TABLE", "TRUNCATE"];
    if !is_of_table.iter().any(|kind| ddl.kind.starts_with(kind)) && !ddl.kind.ends_with("INDEX") {
        return Birth::None;
    }
    let is_made = |change: &SchemaChange| matches!(change, SchemaChange::CreateTable(made) if made.or_replace || !made.if_not_exists);
    if changes_of(ddl).iter().any(is_made) { Birth::Made } else { Birth::Unsure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_where_it_cannot_have_been_there() {
        let of = |kind: &str, statement: &str| {
            let (kind, statement) = (kind.into(), statement.into());
            birth(&Ddl { kind, statement, ..Ddl::default() })
        };
        for statement in
            ["CREATE TABLE a (i INT)", "create table a like b", "CREATE TABLE a SELECT 1 AS i"]
        {
            assert_eq!(of("CREATE TABLE", statement), Birth::Made, "{statement}");
        }
        for (kind, statement) in [
            ("CREATE TABLE", "CREATE TABLE IF NOT EXISTS a (i INT)"),
            ("ALTER TABLE", "ALTER TABLE a ADD j INT"),
            ("TRUNCATE TABLE", "TRUNCATE TABLE a"),
            ("CREATE INDEX", "CREATE INDEX i ON a (j)"),
        ] {
            assert_eq!(of(kind, statement), Birth::Unsure, "{statement}");
        }
        assert_eq!(of("CREATE VIEW", "CREATE VIEW a AS SELECT 1"), Birth::None);
    }
}
