//! MySQL or MariaDB, and which version.

use std::fmt;

/// Which of the two families a server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MySQL and what derives from it without changing its binlog: Percona, Aurora.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A server's version: the numbers to compare and the text to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// The family.
    pub flavor: Flavor,
    /// Major, minor and patch; what cannot be read is 0.
    pub numbers: (u16, u16, u16),
    /// As the server writes it.
    pub text: String,
}

impl ServerVersion {
    /// Reads a version text such as `9.7.4` or `5.5.5-10.11.19-MariaDB-log`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let flavor = if text.to_ascii_lowercase().contains("mariadb") {
            Flavor::MariaDb
        } else {
            Flavor::MySql
        };
        // MariaDB: before 11, greetings begin so, to please replicas that expect one digit.
        let own = text.strip_prefix("5.5.5-").filter(|_| flavor == Flavor::MariaDb).unwrap_or(text);
        let end = own.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
        let mut numbers = end
            .and_then(|end| own.get(..end))
            .unwrap_or(own)
            .split('.')
            .map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { flavor, numbers: (next(), next(), next()), text: text.to_owned() }
    }

    /// Whether this is at least the given version of its own family.
    #[must_use]
    pub fn is_at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.numbers >= (major, minor, patch)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.numbers;
        write!(f, "{} {major}.{minor}.{patch}", self.flavor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_families_are_read() {
        for (text, flavor, numbers) in [
            ("9.7.4", Flavor::MySql, (9, 7, 4)),
            ("8.0.36-28-percona", Flavor::MySql, (8, 0, 36)),
            ("5.7.44-log", Flavor::MySql, (5, 7, 44)),
            ("5.5.5-10.11.19-MariaDB-log", Flavor::MariaDb, (10, 11, 19)),
            ("11.8.3-MariaDB-0+deb13u1", Flavor::MariaDb, (11, 8, 3)),
            ("5.5.5", Flavor::MySql, (5, 5, 5)),
            ("99999999.1", Flavor::MySql, (0, 1, 0)),
            ("", Flavor::MySql, (0, 0, 0)),
            ("é.1", Flavor::MySql, (0, 0, 0)),
        ] {
            let version = ServerVersion::parse(text);
            assert_eq!((version.flavor, version.numbers), (flavor, numbers), "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        let version = ServerVersion::parse("8.0.26");
        assert!(version.is_at_least(8, 0, 26) && version.is_at_least(5, 7, 99));
        assert!(!version.is_at_least(8, 0, 27) && !version.is_at_least(8, 4, 0));
    }
}
