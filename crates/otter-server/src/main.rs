//! The `otter-server` binary.

fn main() {}
