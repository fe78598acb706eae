//! One logged statement with its session, as text: the DDL log is made of these.
//!
//! A snapshot of the schema plus the records behind it, applied in order, give the schema at a
//! position. Positions are the log's, not the record's.

use std::sync::Arc;

use otter_core::{Classify, Fault};

use super::dialect::{Dialect, Session, SqlMode};
use super::escape::{field, unfield};
use super::reader::{NotUnderstood, read};
use super::schema::{Applied, ApplyError, Schema};
use crate::connection::Flavor;

/// A statement that changes definitions, with all that its meaning depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlRecord {
    /// The session in which it ran.
    pub session: Session,
    /// Its text in UTF-8.
    pub statement: Arc<str>,
    /// Whether its event had an error code: see [`Schema::apply_failed`].
    pub failed: bool,
}

/// Why a record cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The reader does not know the statement.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
    /// The statement does not fit the schema.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Classify for ReplayError {
    fn fault(&self) -> Fault {
        match self {
            Self::NotUnderstood(error) => error.fault(),
            Self::Apply(error) => error.fault(),
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::NotUnderstood(error) => error.doing(),
            Self::Apply(error) => error.doing(),
        }
    }
}

/// A stored statement that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field {field} of a stored statement is not understood")]
pub struct DdlRecordError {
    /// Counted from 1.
    pub field: usize,
}

impl Classify for DdlRecordError {
    fn fault(&self) -> Fault {
        Fault::Fatal
    }

    fn doing(&self) -> &'static str {
        "read a stored schema change"
    }
}

/// The first word of the format.
const HEADER: &str = "otter-ddl 1";

impl DdlRecord {
    /// Carries a schema over the statement.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] (poison), with the schema unchanged.
    pub fn replay(&self, schema: &mut Schema) -> Result<Applied, ReplayError> {
        let statement = read(self.statement.as_bytes(), &self.session.dialect)?;
        let applied = if self.failed {
            schema.apply_failed(&statement, &self.session)?
        } else {
            schema.apply(&statement, &self.session)?
        };
        Ok(applied)
    }

    /// The record as one line of fields between tabs: the format, `mysql` or `mariadb`, its
    /// version, sql_mode, thread, explicit timestamps (0 or 1), failed (0 or 1), the collations of
    /// the server and of utf8mb4, the database, the statement.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Session {
            dialect: Dialect { flavor, version, sql_mode },
            database,
            thread,
            server_collation,
            utf8mb4_collation,
            explicit_timestamp_defaults,
        } = &self.session;
        let flavor = match flavor {
            Flavor::MySql => "mysql",
            Flavor::MariaDb => "mariadb",
        };
        let (explicit, failed) = (u8::from(*explicit_timestamp_defaults), u8::from(self.failed));
        format!(
            "{HEADER}\t{flavor}\t{version}\t{}\t{thread}\t{explicit}\t{failed}\t{}\t{}\t{}\t{}",
            sql_mode.bits(),
            field(server_collation),
            field(utf8mb4_collation),
            field(database),
            field(&self.statement),
        )
    }

    /// Reads what [`DdlRecord::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`DdlRecordError`] (fatal) where the text is damaged or of another version.
    pub fn from_text(text: &str) -> Result<Self, DdlRecordError> {
        let mut fields = Fields { fields: text.split('\t'), number: 0 };
        fields.take(|field| (field == HEADER).then_some(()))?;
        let flavor = fields.take(|field| match field {
            "mysql" => Some(Flavor::MySql),
            "mariadb" => Some(Flavor::MariaDb),
            _ => None,
        })?;
        let version = fields.take(|field| field.parse().ok())?;
        let sql_mode = SqlMode::from_bits(fields.take(|field| field.parse().ok())?);
        let thread = fields.take(|field| field.parse().ok())?;
        let explicit_timestamp_defaults = fields.take(read_flag)?;
        let failed = fields.take(read_flag)?;
        let mut text = || fields.take(|field| unfield(field).map(Arc::<str>::from));
        let (server_collation, utf8mb4_collation) = (text()?, text()?);
        let (database, statement) = (text()?, text()?);
        let session = Session {
            dialect: Dialect { flavor, version, sql_mode },
            database,
            thread,
            server_collation,
            utf8mb4_collation,
            explicit_timestamp_defaults,
        };
        Ok(Self { session, statement, failed })
    }
}

fn read_flag(field: &str) -> Option<bool> {
    match field {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

struct Fields<'a> {
    fields: std::str::Split<'a, char>,
    number: usize,
}

impl<'a> Fields<'a> {
    fn take<T>(&mut self, read: impl Fn(&'a str) -> Option<T>) -> Result<T, DdlRecordError> {
        self.number += 1;
        self.fields.next().and_then(read).ok_or(DdlRecordError { field: self.number })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_survives_its_text(
            database in "\\PC{0,8}", statement in any::<String>(), bits in any::<u64>(),
            thread in any::<u32>(), explicit in any::<bool>()
        ) {
            let dialect =
                Dialect::new(Flavor::MariaDb, 10, 11, 4).under(SqlMode::from_bits(bits));
            let mut session = Session::new(dialect);
            session.database = database.into();
            session.thread = thread;
            session.explicit_timestamp_defaults = explicit;
            let record = DdlRecord { session, statement: statement.into(), failed: !explicit };
            prop_assert_eq!(DdlRecord::from_text(&record.to_text()), Ok(record));
        }

        #[test]
        fn any_text_is_a_record_or_an_error(text in "(otter-ddl 1|x)?(\t\\PC{0,6}){0,10}") {
            let _ = DdlRecord::from_text(&text);
        }
    }

    #[test]
    fn a_damaged_record_is_refused_by_its_field() {
        let error = DdlRecord::from_text("otter-ddl 1\tpostgres").unwrap_err();
        assert_eq!(error.to_string(), "field 2 of a stored statement is not understood");
    }
}
