//! What a logged statement is: a transaction's border, DML, DDL with its tables, or neither.
//!
//! A light reader with a proper tokenizer: it understands enough to find the tables of a
//! statement and leaves the rest alone. What it does not recognise is told as such, so that
//! whoever asks can be careful.

mod classify;
mod kind;
mod named;
mod names;
pub(crate) mod tokens;

pub(crate) use classify::classify;
pub(crate) use kind::{Scope, Statement, XaVerb};
pub(crate) use named::{Named, named_tables};
pub(crate) use names::QualifiedName;
pub(crate) use tokens::{Dialect, Wide};
