//! The binary `otter-server` as a library: configuration, commands, demo.
//!
//! Everything that moves rows lives in the other crates; here it is put together, watched and
//! explained to an operator.

mod assemble;
mod attended;
mod check;
pub mod cli;
pub mod config;
mod copy;
pub mod demo;
pub mod exit;
mod live;
pub mod logs;
mod operator;
mod position;
mod preflight;
mod quarantine;
mod resync;
mod retention;
pub mod run;
pub mod sandbox;
mod signals;
mod status;
mod tail;
mod terminal;
mod verify;
mod wanted;
