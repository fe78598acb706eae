//! What happens to which kind of schema change.

use crate::mysql::options::DdlPolicy;

/// What a loader does with schema changes, kind by kind. Make it from one policy for all and change
/// what differs:
///
/// ```
/// use otter_sink::{DdlPolicies, DdlPolicy};
///
/// let mut policies = DdlPolicies::from(DdlPolicy::Apply);
/// policies.drop = DdlPolicy::Halt;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DdlPolicies {
    /// CREATE TABLE.
    pub create: DdlPolicy,
    /// ALTER TABLE, CREATE INDEX and DROP INDEX.
    pub alter: DdlPolicy,
    /// RENAME TABLE.
    pub rename: DdlPolicy,
    /// DROP TABLE.
    pub drop: DdlPolicy,
    /// TRUNCATE TABLE.
    pub truncate: DdlPolicy,
    /// CREATE, ALTER and DROP DATABASE.
    pub database: DdlPolicy,
}

impl From<DdlPolicy> for DdlPolicies {
    fn from(all: DdlPolicy) -> Self {
        Self { create: all, alter: all, rename: all, drop: all, truncate: all, database: all }
    }
}

impl DdlPolicies {
    /// What happens to a statement that begins like this: `ALTER TABLE`. What is of no known kind is
    /// never executed.
    #[must_use]
    pub fn of(&self, kind: &str) -> DdlPolicy {
        match kind {
            "CREATE TABLE" => self.create,
            "ALTER TABLE" | "CREATE INDEX" | "DROP INDEX" => self.alter,
            "RENAME TABLE" => self.rename,
            "DROP TABLE" => self.drop,
            "TRUNCATE TABLE" => self.truncate,
            "CREATE DATABASE" | "ALTER DATABASE" | "DROP DATABASE" => self.database,
            _ if *self == Self::from(DdlPolicy::Skip) => DdlPolicy::Skip,
            _ => DdlPolicy::Halt,
        }
    }

    /// Whether any kind is executed.
    #[must_use]
    pub fn applies_any(&self) -> bool {
        [self.create, self.alter, self.rename, self.drop, self.truncate, self.database]
            .contains(&DdlPolicy::Apply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_policy_and_unknown_ones_are_never_executed() {
        let mut policies = DdlPolicies::from(DdlPolicy::Apply);
        policies.drop = DdlPolicy::Skip;
        for (kind, policy) in [
            ("CREATE TABLE", DdlPolicy::Apply),
            ("DROP INDEX", DdlPolicy::Apply),
            ("DROP TABLE", DdlPolicy::Skip),
            ("DROP DATABASE", DdlPolicy::Apply),
            ("FROB TABLE", DdlPolicy::Halt),
        ] {
            assert_eq!(policies.of(kind), policy, "{kind}");
        }
        assert_eq!(DdlPolicies::from(DdlPolicy::Skip).of("FROB TABLE"), DdlPolicy::Skip);
        assert!(policies.applies_any() && !DdlPolicies::default().applies_any());
    }
}
