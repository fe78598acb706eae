//! Which of the two database families a sandbox server belongs to.

use std::fmt;
use std::str::FromStr;

/// A family of servers that share a binlog format and a set of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MariaDB, `mariadbd`.
    MariaDb,
    /// MySQL 8.0 or newer, `mysqld`.
    MySql,
}

impl Flavor {
    /// Names the flavor as the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// Names the server program.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadbd",
            Self::MySql => "mysqld",
        }
    }

    /// Names the environment variable that tells the folder of the programs.
    pub(super) fn folder_variable(self) -> &'static str {
        match self {
            Self::MariaDb => "OTTER_MARIADB_BIN",
            Self::MySql => "OTTER_MYSQL_BIN",
        }
    }

    /// Says how to get the server, for the error that misses it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "install MariaDB (Debian and Ubuntu: apt install mariadb-server-core mariadb-client)"
            }
            Self::MySql => {
                "install MySQL 8.0 or newer (on Debian scripts/install mysql of Otter's sources does it)"
            }
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no flavor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no database flavor: use mariadb or mysql")]
pub struct UnknownFlavor(String);

impl FromStr for Flavor {
    type Err = UnknownFlavor;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "mariadb" => Ok(Self::MariaDb),
            "mysql" => Ok(Self::MySql),
            other => Err(UnknownFlavor(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flavor;

    #[test]
    fn a_flavor_is_read_back_from_its_own_name() {
        for flavor in [Flavor::MariaDb, Flavor::MySql] {
            assert_eq!(flavor.to_string().parse(), Ok(flavor));
        }
    }

    #[test]
    fn an_unknown_flavor_names_the_known_ones() {
        let error = "oracle".parse::<Flavor>().unwrap_err();
        assert_eq!(error.to_string(), "\"oracle\" is no database flavor: use mariadb or mysql");
    }
}
