//! Runnable examples live beside this crate; see `embedded.rs`. The code in the guide for authors
//! of stages and arbiters is compiled and run here.

/// `docs/plugins.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/plugins.md")]
pub struct PlugInGuide;
