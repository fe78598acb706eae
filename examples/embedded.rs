//! Placeholder replaced with the first slice.
fn main() {}
