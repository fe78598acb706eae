//! What a statement's text depends on besides itself: the server and the session it ran in.
//!
//! Separate from the reader so that a logged statement can be stored with all that its meaning
//! needs. It must never be guessed from the statement.

use std::sync::Arc;

use crate::connection::{Flavor, ServerVersion};

use super::charset;

/// The session variable `sql_mode` as the binlog stores it: a bit per mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SqlMode(u64);

impl SqlMode {
    /// No mode at all.
    pub const NONE: Self = Self(0);
    /// `REAL` means `FLOAT`.
    pub const REAL_AS_FLOAT: Self = Self(1);
    /// `"x"` is a name.
    pub const ANSI_QUOTES: Self = Self(1 << 2);
    /// MariaDB: Oracle's type names have Oracle's meaning.
    pub const ORACLE: Self = Self(1 << 9);
    /// `TIMESTAMP` means `DATETIME`.
    pub const MAXDB: Self = Self(1 << 12);
    /// A backslash in a text is a backslash.
    pub const NO_BACKSLASH_ESCAPES: Self = Self(1 << 20);

    /// The mode with these bits, as the status variables of a QUERY event give it.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether all modes of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This mode with those of `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a text is cut into tokens and what its type names mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The family of the server that wrote the binlog.
    pub flavor: Flavor,
    /// Its version as in versioned comments: `80036`, `101119`.
    pub version: u32,
    /// The session's modes.
    pub sql_mode: SqlMode,
}

impl Dialect {
    /// The dialect of a server version without special modes.
    #[must_use]
    pub fn new(flavor: Flavor, major: u16, minor: u16, patch: u16) -> Self {
        let version = u32::from(major) * 10_000 + u32::from(minor) * 100 + u32::from(patch);
        Self { flavor, version, sql_mode: SqlMode::default() }
    }

    /// The dialect of this server without special modes.
    #[must_use]
    pub fn of(version: &ServerVersion) -> Self {
        let (major, minor, patch) = version.numbers;
        Self::new(version.flavor, major, minor, patch)
    }

    /// The same dialect under these modes.
    #[must_use]
    pub fn under(mut self, sql_mode: SqlMode) -> Self {
        self.sql_mode = sql_mode;
        self
    }

    /// Whether the server is of this family and at least of this version (`80013`).
    #[must_use]
    pub fn is_at_least(&self, flavor: Flavor, version: u32) -> bool {
        self.flavor == flavor && self.version >= version
    }

    /// Whether the content of a versioned comment is executed.
    ///
    /// `version` is `None` where the comment names none; `marked_mariadb` is the form `/*M!`.
    #[must_use]
    pub fn executes(&self, version: Option<u32>, marked_mariadb: bool) -> bool {
        let Some(version) = version else {
            return true;
        };
        // MariaDB: comments for MySQL 5.7 to 9 are not for it, since its own 5.x ended at 5.5.
        let foreign = self.flavor == Flavor::MariaDb
            && !marked_mariadb
            && (50_700..=99_999).contains(&version);
        version <= self.version && !foreign
    }
}

/// The session in which a statement ran, as far as a definition depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// How its texts are read.
    pub dialect: Dialect,
    /// The default database; empty where there was none.
    pub database: Arc<str>,
    /// The id of the connection, which owns the temporary tables.
    pub thread: u32,
    /// `collation_server`, the default of new databases.
    pub server_collation: Arc<str>,
    /// What `CHARACTER SET utf8mb4` means without a collation.
    pub utf8mb4_collation: Arc<str>,
    /// `explicit_defaults_for_timestamp`: a TIMESTAMP without NOT NULL is nullable.
    pub explicit_timestamp_defaults: bool,
}

impl Session {
    /// A session without a default database and with the defaults of that server version.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let explicit_timestamp_defaults = match dialect.flavor {
            Flavor::MySql => dialect.version >= 80_002,
            Flavor::MariaDb => dialect.version >= 101_000,
        };
        Self {
            dialect,
            database: "".into(),
            thread: 0,
            server_collation: charset::server_default(&dialect).into(),
            utf8mb4_collation: charset::utf8mb4_default(&dialect).into(),
            explicit_timestamp_defaults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versioned_comments_run_on_their_own_servers_only() {
        let mysql = Dialect::new(Flavor::MySql, 8, 0, 36);
        let mariadb = Dialect::new(Flavor::MariaDb, 10, 11, 19);
        for (dialect, version, marked, executed) in [
            (mysql, Some(80_023), false, true),
            (mysql, Some(80_037), false, false),
            (mysql, Some(50_100), false, true),
            (mysql, Some(100_100), false, false),
            (mariadb, Some(50_100), false, true),
            (mariadb, Some(50_701), false, false),
            (mariadb, Some(80_023), false, false),
            (mariadb, Some(100_301), false, true),
            (mariadb, Some(100_301), true, true),
            (mariadb, Some(110_000), true, false),
            (mysql, None, false, true),
        ] {
            assert_eq!(dialect.executes(version, marked), executed, "{dialect:?} {version:?}");
        }
    }
}
