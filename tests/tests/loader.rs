//! `MySqlLoader` on real servers: the conformance suite, fencing, poison, values and load.
#![allow(missing_docs, reason = "tests describe themselves by their names")]

#[path = "loader/place.rs"]
mod place;
#[path = "loader/suite.rs"]
mod suite;
