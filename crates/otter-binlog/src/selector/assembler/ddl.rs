//! Schema changes as events of a transaction: the text, its names, and its session.

use otter_core::{Ddl, DdlName, DdlSession, TableName};

use super::{Assembler, Seal};
use crate::event::RawEvent;
use crate::event::gtid::MariaDbRole;
use crate::event::query::Query;
use crate::schema::charset::{collation_name, to_utf8};
use crate::selector::error::SelectError;
use crate::statement::{Dialect, Named, Wide, named_tables};

/// A statement with its session.
#[derive(Clone, Copy)]
pub(super) struct Spoken<'a> {
    /// The session's default database, or the one that the statement is about.
    pub(super) database: &'a str,
    pub(super) query: &'a Query<'a>,
    /// Uncompressed.
    pub(super) text: &'a [u8],
    pub(super) charset: &'static str,
    pub(super) dialect: Dialect,
}

impl Assembler {
    pub(super) fn push_ddl(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
        kind: String,
        tables: Vec<TableName>,
        spoken: &Spoken<'_>,
    ) -> Result<(), SelectError> {
        let place = self.place(seal);
        let draft = self.draft_for(&event.header, seal.start)?;
        // MariaDB: an ALTER in two phases is logged twice; it counts when it is committed.
        let counts = !matches!(draft.role, MariaDbRole::StartAlter | MariaDbRole::RollbackAlter);
        if draft.is_known || !counts {
            return Ok(());
        }
        let Some(statement) = to_utf8(spoken.charset, spoken.text) else {
            let charset = spoken.charset.to_owned();
            return Err(SelectError::StatementText { place, kind, charset });
        };
        let named = if tables.is_empty() {
            Vec::new()
        } else {
            named_tables(&statement, Dialect { wide: Wide::No, ..spoken.dialect })
        };
        let own = tables.first().map_or(spoken.database, |table| &*table.database);
        let name = |named: Named| {
            let within = if named.is_parent { own } else { spoken.database };
            DdlName { at: named.at, table: self.resolve(named.name, within) }
        };
        let names = named.into_iter().map(name).collect();
        let ddl = Ddl {
            database: spoken.database.into(),
            names,
            statement: statement.into(),
            kind: kind.into(),
            tables,
            session: self.session_of(event, spoken.query),
            ..Ddl::default()
        };
        self.draft_for(&event.header, seal.start)?.push_ddl(ddl);
        Ok(())
    }

    fn session_of(&self, event: &RawEvent<'_>, query: &Query<'_>) -> DdlSession {
        let spoken = &query.session;
        let mut session = DdlSession::default();
        session.is_mariadb = self.format.mariadb;
        session.sql_mode = spoken.sql_mode;
        session.begun_micros =
            u64::from(event.header.timestamp) * 1_000_000 + u64::from(spoken.micros);
        session.time_zone = query.time_zone.map(|zone| String::from_utf8_lossy(zone).into());
        session.system_time_zone = self.system_time_zone.clone();
        session.server_collation = spoken.server_collation.and_then(collation_name).map(Into::into);
        session.utf8mb4_collation =
            spoken.utf8mb4_collation.and_then(collation_name).map(Into::into);
        session.explicit_timestamp_defaults = spoken.explicit_timestamp_defaults;
        session.no_foreign_key_checks = spoken.has_no_foreign_key_checks();
        session.no_unique_checks = spoken.has_no_unique_checks();
        session.failed = query.failed;
        session
    }
}
