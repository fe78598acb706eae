//! (see Cargo.toml)

pub mod connection;
