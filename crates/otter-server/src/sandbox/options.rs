//! What a sandbox server is started with.

use std::fmt;

use super::Flavor;

/// The settings of one sandbox server.
///
/// Without more, a server logs rows to its binlog with GTIDs, keeps the
/// durability that its makers chose, and protects `root` by a random password.
#[derive(Clone)]
pub struct ServerOptions {
    pub(super) flavor: Flavor,
    pub(super) server_id: u32,
    pub(super) root_password: Option<String>,
    pub(super) binlog: bool,
    pub(super) args: Vec<String>,
}

impl ServerOptions {
    /// Describes a server of a flavor; the id must differ from those of all
    /// servers that it will exchange changes with, and must not be 0.
    pub fn new(flavor: Flavor, server_id: u32) -> Self {
        Self { flavor, server_id, root_password: None, binlog: true, args: Vec::new() }
    }

    /// Sets the password of `root`, which may be empty: then every user of this
    /// machine can reach the server while it runs.
    pub fn root_password(mut self, password: impl Into<String>) -> Self {
        self.root_password = Some(password.into());
        self
    }

    /// Starts the server without a binlog.
    pub fn without_binlog(mut self) -> Self {
        self.binlog = false;
        self
    }

    /// Gives up durability over a crash of the machine (not of the server) for
    /// speed: nothing waits for the disk at a commit.
    pub fn fast(self) -> Self {
        self.arg("--innodb-flush-log-at-trx-commit=2")
            .arg("--sync-binlog=0")
            .arg("--innodb-doublewrite=OFF")
    }

    /// Adds one option of the server's own command line, such as
    /// `--binlog-row-metadata=FULL`; a later one wins over an earlier one.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several options of the server's own command line.
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Lists the options that make the server what these settings say, apart
    /// from its port and folders.
    pub(super) fn command_line(&self) -> Vec<String> {
        let mut line = vec![
            format!("--server-id={}", self.server_id),
            // Several servers share the machine with what is being tested.
            "--innodb-buffer-pool-size=64M".to_owned(),
            // The warm-up of a cache that is empty anyway only delays a start.
            "--innodb-buffer-pool-load-at-startup=OFF".to_owned(),
            "--innodb-buffer-pool-dump-at-shutdown=OFF".to_owned(),
        ];
        let flavored: &[&str] = match (self.flavor, self.binlog) {
            (Flavor::MariaDb, true) => &[
                "--innodb-log-file-size=64M",
                "--log-bin=binlog",
                "--binlog-format=ROW",
                "--log-slave-updates=ON",
                "--gtid-strict-mode=ON",
            ],
            (Flavor::MariaDb, false) => &["--innodb-log-file-size=64M", "--skip-log-bin"],
            (Flavor::MySql, true) => &[
                "--local-infile=ON",
                "--innodb-redo-log-capacity=64M",
                "--mysqlx=OFF",
                "--log-bin=binlog",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
            ],
            (Flavor::MySql, false) => &[
                "--local-infile=ON",
                "--innodb-redo-log-capacity=64M",
                "--mysqlx=OFF",
                "--skip-log-bin",
            ],
        };
        line.extend(flavored.iter().map(|option| (*option).to_owned()));
        line.extend(self.args.iter().cloned());
        line
    }
}

// The password must not reach a log through Debug (SECRET-1).
impl fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerOptions")
            .field("flavor", &self.flavor)
            .field("server_id", &self.server_id)
            .field("binlog", &self.binlog)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Flavor, ServerOptions};

    #[test]
    fn an_argument_of_the_caller_comes_last_so_that_it_wins() {
        let options = ServerOptions::new(Flavor::MariaDb, 7).arg("--gtid-strict-mode=OFF");
        assert_eq!(
            options.command_line().last().map(String::as_str),
            Some("--gtid-strict-mode=OFF")
        );
        assert!(options.command_line().contains(&"--server-id=7".to_owned()));
    }

    #[test]
    fn debug_output_does_not_show_the_password() {
        let options = ServerOptions::new(Flavor::MySql, 1).root_password("s3cret-word");
        assert!(!format!("{options:?}").contains("s3cret-word"));
    }
}
