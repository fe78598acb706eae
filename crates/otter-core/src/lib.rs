//! The words of Otter as types, the traits of its stages, and the pipeline that runs them.
//!
//! A pipeline reads a source's history (`Select`), enriches it (`Extract`), changes it
//! (`Transform`) and writes it to a target (`Load`), while an [`Arbiter`] decides who may do so.
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `script` | no | row filters written in Rhai |
//! | `testkit` | no | conformance suites, in-memory parts and the seeded simulation |
//!
//! This crate never speaks a database's protocol, opens a socket, or knows serde.

pub mod arbiter;
pub mod batch;
pub mod budget;
pub mod copy;
pub mod database_url;
pub mod ddl;
pub mod event;
pub mod fault;
pub mod finding;
pub mod mapping;
pub mod nearest;
pub mod pipeline;
pub mod position;
pub mod presence;
pub mod resync;
pub mod rows;
pub mod schema_log;
#[cfg(feature = "script")]
pub mod script;
pub mod sharing;
mod source_time;
pub mod stage;
pub mod stop;
pub mod table;
pub mod temporal;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod throttle;
pub mod value;

pub use arbiter::{Arbiter, ArbiterId, Campaign, Holder, Lease, PipelineId, Role, Side, Term};
pub use batch::{Batch, Origin, Part, SourceTime, Transaction, TransactionEnd};
pub use budget::{Budget, Permit};
pub use copy::{CopyLog, CopyRecord, CopyStage, CopyStep, CopyTable, InCopy, Prepared};
pub use database_url::DatabaseUrl;
pub use ddl::{Ddl, DdlName, DdlReach, DdlSession};
pub use event::{Change, ColumnView, Event, Row, RowFlags, RowKind, RowsEvent};
pub use fault::{Causes, Classify, Error, Fault, Result};
pub use finding::{Finding, Verdict};
pub use mapping::{ColumnRules, Mapping, Mappings, Route};
pub use pipeline::{AtStart, Pipeline, PipelineError, PipelineOptions, Progress, State};
pub use position::{Distance, FilePlace, Fingerprint, Gtid, GtidSet, Place, Position};
pub use presence::{Join, Node, Nodes, Presence};
pub use resync::{ResyncLog, ResyncRecord, ResyncRequest, ResyncStage, ResyncStep, ResyncWish};
pub use rows::{Cell, RowArena, RowArenaBuilder};
pub use schema_log::{MemorySchemaLog, SchemaLog, SchemaLogConflict, SchemaRecord};
pub use sharing::{Share, Shares};
pub use stage::{Appetite, Extract, Load, Loaded, Select, Start, Transform};
pub use stop::{Stop, StopHandle};
pub use table::{Column, ColumnType, Table, TableName};
pub use temporal::{Date, DateTime, Time, Timestamp};
pub use throttle::{Throttle, ThrottleHandle, ThrottleLimits};
pub use value::Value;
