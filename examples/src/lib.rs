//! Runnable examples live beside this crate; see `embedded.rs`. The code in the README is compiled
//! here:
//!
#![doc = include_str!("../../README.md")]

/// The guide for authors of stages and arbiters, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/plugins.md")]
pub struct PlugInGuide;
