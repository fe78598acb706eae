//! The tracked schema: what each table looked like when its rows were written.
//!
//! A binlog with `binlog_row_metadata=FULL` describes its tables itself. All others carry types but
//! no names, no signedness and no labels, and asking the server gives today's answer for
//! yesterday's rows. So a snapshot of the schema is carried forward by the DDL of the binlog:
//!
//! ```text
//! read(statement, &session.dialect) -> Statement       what the text says   (reader, token)
//! Schema::apply(&statement, &session) -> Applied       what it does         (schema)
//! Schema::table(&name) -> &TableSchema                 what a row decoder needs
//! Schema::to_text(), Schema::from_text(..)             the snapshot, to be stored with a position
//! DdlRecord::to_text(), from_text(..)                  one logged statement, to be stored likewise
//! ```
//!
//! The reader knows columns, keys, character sets and names, and skips everything else by balanced
//! parentheses; a statement that it cannot place is refused by its byte position, never guessed.
//! Separate from the decoder because it has no bytes of a binlog in it: this module does no I/O,
//! asks no clock, never panics on any text, and never quotes a value in an error.
//!
//! # Example
//!
//! ```
//! use otter_binlog::history::{Dialect, Flavor, Schema, SchemaOptions, Session, read};
//! use otter_core::TableName;
//!
//! let mut session = Session::new(Dialect::new(Flavor::MySql, 8, 0, 36));
//! session.database = "shop".into();
//! let mut schema = Schema::new(SchemaOptions::default());
//! for text in [
//!     "CREATE DATABASE shop CHARACTER SET utf8mb4",
//!     "CREATE TABLE item (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(80))",
//!     "ALTER TABLE item ADD COLUMN price DECIMAL(10,2) NOT NULL AFTER id, RENAME TO article",
//! ] {
//!     let statement = read(text.as_bytes(), &session.dialect)?;
//!     schema.apply(&statement, &session)?;
//! }
//! let article = schema.table(&TableName::new("shop", "article")).expect("it was renamed");
//! let names: Vec<&str> = article.columns().iter().map(|column| &*column.name).collect();
//! assert_eq!(names, ["id", "price", "title"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod charset;
pub mod dialect;
pub mod reader;
pub mod record;
pub mod schema;
pub mod statement;
pub mod token;
pub mod types;

mod escape;

pub use crate::connection::Flavor;
pub use dialect::{Dialect, Session, SqlMode};
pub use reader::{NotUnderstood, read, read_column_type};
pub use record::{DdlRecord, DdlRecordError, ReplayError};
pub use schema::{
    Applied, ApplyError, ColumnKey, ColumnSchema, Schema, SchemaOptions, TableKind, TableSchema,
};
pub use statement::{Ddl, DmlKind, QualifiedName, SchemaChange, Statement, TransactionControl};
pub use types::DataType;
