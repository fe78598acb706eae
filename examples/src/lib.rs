//! Runnable examples live beside this crate; see `embedded.rs`.
