//! Seeds of random runs, so that a failing one can be repeated.

use otter_core::testkit::random::Random as Stream;

/// A seeded stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(Stream);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Stream::new(seed))
    }

    /// The seed from `OTTER_SEED`, else one from the system's randomness; print it.
    #[must_use]
    pub fn seed_from_environment() -> u64 {
        use std::hash::{BuildHasher, Hasher};

        let random = || std::hash::RandomState::new().build_hasher().finish();
        Self::given_seed().unwrap_or_else(random)
    }

    /// The seed from `OTTER_SEED`, if it is set.
    #[must_use]
    pub fn given_seed() -> Option<u64> {
        std::env::var("OTTER_SEED").ok().and_then(|text| text.parse().ok())
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.number() % bound.max(1)
    }
}
