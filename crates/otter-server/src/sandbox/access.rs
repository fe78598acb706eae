//! How a sandbox server is reached: its places, its URLs, connections to it.
//!
//! Nothing here changes the server or its process.

use std::path::{Path, PathBuf};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::process::ChildProcess;
use super::{Flavor, SandboxError, Server, binaries};

impl Server {
    /// Returns the family of the server.
    pub fn flavor(&self) -> Flavor {
        self.options.flavor
    }

    /// Returns the version that the server program prints.
    pub fn version(&self) -> &str {
        &self.binary.version
    }

    /// Returns the server program.
    pub fn program(&self) -> &Path {
        &self.binary.path
    }

    /// Finds a program that came with the server, such as `mysqlbinlog`: beside
    /// it, in the `bin` next to its `sbin`, or on the `PATH`.
    pub fn companion(&self, name: &str) -> Option<PathBuf> {
        binaries::companion(&self.binary.path, name)
    }

    /// Returns the id that the server writes into its binlog.
    pub fn server_id(&self) -> u32 {
        self.options.server_id
    }

    /// Returns the port on 127.0.0.1, which stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the number of the server's own process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ChildProcess::id)
    }

    /// Returns the socket file for local connections.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Returns the data directory, which also holds the binlogs.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the folder from and to which the server reads and writes files.
    pub fn files_dir(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Returns the server's error log, which grows over restarts.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }

    /// Returns the password of `root`.
    pub fn root_password(&self) -> &str {
        &self.root_password
    }

    /// Returns the URL of `root`, without a database.
    pub fn url(&self) -> String {
        self.url_as("root", &self.root_password)
    }

    /// Returns the URL of an account, without a database.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let colon = if password.is_empty() { "" } else { ":" };
        let (user, password) = (percent_encoded(user), percent_encoded(password));
        format!("mysql://{user}{colon}{password}@127.0.0.1:{}", self.port())
    }

    /// Returns how to connect as `root`, with a session as the server sets it.
    pub fn connect_options(&self) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port())
            .username("root")
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        // An empty password that is set is answered with a hash, which MariaDB refuses.
        if self.root_password.is_empty() { options } else { options.password(&self.root_password) }
    }

    /// Connects as `root`.
    ///
    /// # Errors
    /// [`SandboxError::Sql`] if the server does not take the connection.
    pub async fn connect(&self) -> Result<MySqlConnection, SandboxError> {
        Ok(MySqlConnection::connect_with(&self.connect_options()).await?)
    }

    /// Executes statements, separated by semicolons, as `root` on a connection of
    /// their own.
    ///
    /// # Errors
    /// [`SandboxError::Sql`] at the first statement that fails.
    ///
    /// # Cancel safety
    /// A dropped call closes the connection; what it had sent may have been done.
    pub async fn execute(&self, statements: &str) -> Result<(), SandboxError> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Encodes what a URL would read as its own punctuation.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn punctuation_of_a_password_is_encoded_in_a_url() {
        assert_eq!(percent_encoded("a-b_c.~9"), "a-b_c.~9");
        assert_eq!(percent_encoded("p@ss:w/ö"), "p%40ss%3Aw%2F%C3%B6");
    }
}
