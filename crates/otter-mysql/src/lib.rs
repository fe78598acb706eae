//! Connections to MySQL and MariaDB servers: login, statements, and the binlog dump.
//!
//! ```text
//! Connection::connect(&url)                        TCP, TLS, login
//!     .query(sql) -> ResultSet                     names and rows of texts
//!     .execute(sql)                                a statement without rows
//! Connection::connect_for(&url, Session::Writing)
//!     .run(text, data, take)                       several statements, data for LOAD DATA LOCAL
//!     .server_info() -> ServerInfo                 flavor, version, binlog settings
//! DumpStream::start(connection, &info, &request)   begins to stream events
//!     .next_event() -> Option<&[u8]>               one raw event, checksum included; cancel safe
//!     .has_buffered_event()                        whether the next one needs no waiting
//! ```
//!
//! Separate from any driver because a binlog reader needs what none offers: a reusable buffer
//! without a copy per event, packets over 16 MiB, a read deadline that heartbeats feed, and
//! MariaDB's GTIDs. Every byte from the server is taken for hostile: nothing here panics on it or
//! allocates by a length that it claims.
//!
//! **Cancel safety.** A command whose future was dropped leaves an unknown rest in the line. Such a
//! connection refuses every further command with [`ConnectionError::Interrupted`]; open a new one.
//! [`DumpStream::next_event`] alone may be dropped and called again.
//!
//! This crate never decodes an event and never knows what its statements are for.

use std::time::Duration;

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};
use otter_core::DatabaseUrl;
use tokio::time::Instant;

mod auth;
mod dial;
mod dump;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gtid_text;
mod handshake;
mod login;
mod packet;
mod prepared;
mod query;
mod result;
mod row_stream;
mod server_info;
mod session;
mod statements;
mod tls;
mod transport;
mod version;
mod wire;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use dump::{AtEnd, DumpError, DumpRequest, DumpStart, DumpStream};
pub use error::{ConnectionError, ServerError};
pub use prepared::{ParameterRows, ParameterType, Statement};
pub use result::{ResultSet, Row};
pub use server_info::ServerInfo;
pub use session::Session;
pub use statements::{Answer, Done, LOCAL_DATA};
pub use tls::TlsError;
pub use transport::Encryption;
pub use version::{Flavor, ServerVersion};

use packet::PacketStream;
use transport::Transport;

/// Enough for the answers to questions; a dump takes more.
const INPUT_BUFFER: usize = 16 * 1024;
/// A single value of an answer, such as the DDL of a table, stays far below this.
const LARGEST_PACKET: usize = 256 * 1024 * 1024;
/// How long a server may think about a question of ours. `information_schema` of a server with
/// very many tables is the slowest of them.
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// No timer is set further ahead than this.
const LONGEST_READ_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

const COM_QUIT: u8 = 0x01;
const COM_PING: u8 = 0x0e;

/// A session with a server. One command at a time; see the crate's words on cancelling.
#[derive(Debug)]
pub struct Connection {
    packets: PacketStream<Transport>,
    address: String,
    connection_id: u32,
    version: ServerVersion,
    capabilities: CapabilityFlags,
    extensions: MariadbCapabilities,
    encryption: Encryption,
    /// A command is on its way, or was when its future was dropped.
    busy: bool,
}

impl Connection {
    /// Connects, encrypts and verifies as the URL asks, logs in, and sets the session's character
    /// set to `utf8mb4`. Everything together takes at most the URL's connect timeout.
    ///
    /// # Errors
    /// Transient where the server cannot be reached or is not ready; fatal where it refuses us or
    /// cannot be trusted. A caller that starts up may well treat all of them as fatal.
    ///
    /// # Cancel safety
    /// Dropping the future closes the line.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, ConnectionError> {
        Self::connect_for(url, Session::Asking).await
    }

    /// As [`connect`](Self::connect), for a session of another kind.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Dropping the future closes the line.
    pub async fn connect_for(url: &DatabaseUrl, session: Session) -> Result<Self, ConnectionError> {
        let deadline = Instant::now() + url.connect_timeout();
        let session = Box::pin(login::log_in(url, session, deadline)).await?;
        let mut packets = session.packets;
        packets.set_limit(LARGEST_PACKET);
        let mut connection = Self {
            packets,
            address: url.address(),
            connection_id: session.greeting.connection_id,
            version: ServerVersion::parse(&session.greeting.version),
            capabilities: session.capabilities,
            extensions: session.extensions,
            encryption: session.encryption,
            busy: false,
        };
        // MySQL: with skip-character-set-client-handshake the server ignores the login's.
        let greeted = connection.execute("SET NAMES utf8mb4");
        match tokio::time::timeout_at(deadline, greeted).await {
            Ok(greeted) => greeted.map(|()| connection),
            Err(_) => Err(login::timeout(url)),
        }
    }

    /// Runs one statement and reads its whole answer, which must be a small one.
    ///
    /// # Errors
    /// [`ConnectionError::Server`] and [`ConnectionError::MissingPrivilege`] leave the connection
    /// usable; every other error ends it.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn query(&mut self, sql: &str) -> Result<ResultSet, ConnectionError> {
        self.begin()?;
        let deprecate_eof = self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let result = query::query(&mut self.packets, sql, deprecate_eof, &self.address).await;
        self.end(result)
    }

    /// Runs one statement and drops its rows, if it has any.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn execute(&mut self, sql: &str) -> Result<(), ConnectionError> {
        self.query(sql).await.map(drop)
    }

    /// Runs a text of statements, with a semicolon between them, in a session for
    /// [writing](Session::Writing). Every answer goes to `take` in order. Each `LOAD DATA LOCAL
    /// INFILE` in the text names [`LOCAL_DATA`] as its file and gets the next of `data`.
    ///
    /// # Errors
    /// As [`query`](Self::query). On an error of the server's own, the statements before the failing
    /// one were answered; those behind it were not executed.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn run(
        &mut self,
        text: &str,
        data: &[String],
        take: impl FnMut(Answer),
    ) -> Result<(), ConnectionError> {
        self.begin()?;
        let deprecate_eof = self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let (packets, address) = (&mut self.packets, &self.address);
        let result = statements::run(packets, text, data, deprecate_eof, address, take).await;
        self.end(result)
    }

    /// Runs one statement that returns rows and sends them one by one, as fast as they are taken:
    /// the answer may be of any size. Ends early, with a connection that is of no further use, where
    /// nobody takes them any more.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn send_rows(
        &mut self,
        sql: &str,
        rows: &tokio::sync::mpsc::Sender<Row>,
    ) -> Result<(), ConnectionError> {
        self.begin()?;
        let deprecate_eof = self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let (packets, address) = (&mut self.packets, &self.address);
        let result = row_stream::send(packets, sql, deprecate_eof, address, rows).await;
        self.end(result)
    }

    /// Whether [`execute_rows`](Self::execute_rows) can be used: with MariaDB, in a session for
    /// [writing](Session::Writing).
    #[must_use]
    pub fn takes_rows(&self) -> bool {
        self.extensions.contains(MariadbCapabilities::MARIADB_CLIENT_STMT_BULK_OPERATIONS)
    }

    /// Has a statement read by the server, with a question mark for each parameter. The server keeps
    /// it as long as the connection lives.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn prepare(&mut self, sql: &str) -> Result<Statement, ConnectionError> {
        self.begin()?;
        let deprecate_eof = self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let result = prepared::prepare(&mut self.packets, sql, deprecate_eof, &self.address).await;
        self.end(result)
    }

    /// Has the server forget a statement. It does not answer to that.
    ///
    /// # Errors
    /// Only where the line broke.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn close_statement(&mut self, statement: Statement) -> Result<(), ConnectionError> {
        self.begin()?;
        let result = prepared::close(&mut self.packets, statement, &self.address).await;
        self.end(result)
    }

    /// Executes a statement of this connection once for each of the rows, whose parameters have these
    /// types. On an error some of the rows may have been executed.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn execute_rows(
        &mut self,
        statement: Statement,
        types: &[ParameterType],
        rows: &ParameterRows,
    ) -> Result<Done, ConnectionError> {
        self.begin()?;
        let (packets, address) = (&mut self.packets, &self.address);
        let result = prepared::execute_rows(packets, statement, types, rows, address).await;
        self.end(result)
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn ping(&mut self) -> Result<(), ConnectionError> {
        self.command(COM_PING, &[]).await
    }

    /// Reads what a reader must know about the server; variables that it does not have are `None`.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection refuses further use.
    pub async fn server_info(&mut self) -> Result<ServerInfo, ConnectionError> {
        ServerInfo::read(self).await
    }

    /// Says good-bye, so that the server does not note an aborted client. Failures do not matter.
    pub async fn close(mut self) {
        if !self.busy {
            let _ = query::command(&mut self.packets, COM_QUIT, &[], &self.address).await;
        }
    }

    /// Sets how long the server may stay silent within a command; 60 s until set.
    pub fn set_read_timeout(&mut self, timeout: Duration) {
        self.packets.set_patience(timeout.min(LONGEST_READ_TIMEOUT));
    }

    /// The server's number of this connection, for `KILL`.
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// What the server calls itself in its greeting.
    #[must_use]
    pub fn version(&self) -> &ServerVersion {
        &self.version
    }

    /// How the line is secured.
    #[must_use]
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs a command that is answered by OK or an error.
    async fn command(&mut self, code: u8, body: &[u8]) -> Result<(), ConnectionError> {
        self.begin()?;
        let result = query::simple(&mut self.packets, code, body, &self.address).await;
        self.end(result)
    }

    fn begin(&mut self) -> Result<(), ConnectionError> {
        if self.busy {
            return Err(ConnectionError::Interrupted { address: self.address.clone() });
        }
        self.busy = true;
        Ok(())
    }

    /// The line is in order again after an answer or an error of the server's own.
    fn end<T>(&mut self, result: Result<T, ConnectionError>) -> Result<T, ConnectionError> {
        self.busy = match &result {
            Ok(_) => false,
            Err(error) => error.server_error().is_none(),
        };
        result
    }
}
