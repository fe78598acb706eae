//! Names that nobody else has.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random name of 32 hexadecimal digits.
pub(super) fn random_name() -> String {
    // The keys come from the system's random source, and differ from call to call.
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
