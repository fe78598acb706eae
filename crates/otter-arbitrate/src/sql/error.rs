//! What can go wrong with an arbiter in a database, and what mends it.

use std::io::ErrorKind;
use std::time::Duration;

use otter_core::database_url::DatabaseUrl;
use otter_core::{ArbiterId, Classify, Fault};
use sqlx::mysql::MySqlDatabaseError;

/// A failure of a [`SqlArbiter`](super::SqlArbiter).
///
/// No message holds a password; what a server said is quoted only where the statement held none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlArbiterError {
    /// The server cannot be reached.
    #[error(
        "{address} cannot be reached: {cause}; check host and port in the arbiter's URL, and that \
         the server runs"
    )]
    Unreachable {
        /// Host and port.
        address: String,
        /// What happened.
        cause: String,
    },
    /// The connection cannot be encrypted as the URL asks.
    #[error(
        "no encrypted connection to {address}: {cause}; check ssl-mode and ssl-ca in the \
         arbiter's URL and the server's certificate"
    )]
    Tls {
        /// Host and port.
        address: String,
        /// What happened.
        cause: String,
    },
    /// The account's password can only be sent over TLS.
    #[error(
        "the account {user} at {address} uses caching_sha2_password or sha256_password, which \
         needs TLS here: switch TLS on in the server, and write ssl-mode=required or better in \
         the arbiter's URL"
    )]
    NeedsTls {
        /// Host and port.
        address: String,
        /// The account.
        user: String,
    },
    /// The server does not let the account in.
    #[error(
        "{address} does not let {user} in (error {number}): {message}; check user and password in \
         the arbiter's URL"
    )]
    Login {
        /// Host and port.
        address: String,
        /// The account.
        user: String,
        /// The server's error number; 0 where the driver refused.
        number: u16,
        /// The server's words.
        message: String,
    },
    /// The account lacks a right.
    #[error(
        "{user} at {address} lacks a right in the arbiter's schema (error {number}): {message}; \
         an administrator may run: {remedy}"
    )]
    MissingRight {
        /// Host and port.
        address: String,
        /// The account.
        user: String,
        /// The server's error number.
        number: u16,
        /// The server's words.
        message: String,
        /// The statement that mends it.
        remedy: String,
    },
    /// The server takes no writes.
    #[error(
        "{address} takes no writes (error {number}): SET GLOBAL read_only = OFF, or point the \
         arbiter's URL to the primary"
    )]
    ReadOnly {
        /// Host and port.
        address: String,
        /// The server's error number.
        number: u16,
    },
    /// The connection broke.
    #[error("the connection to the arbiter at {address} broke: {cause}")]
    Lost {
        /// Host and port.
        address: String,
        /// What happened.
        cause: String,
    },
    /// No answer in time.
    #[error("the arbiter at {address} does not answer within {} s", .limit.as_secs_f32())]
    Late {
        /// Host and port.
        address: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Others hold the locks.
    #[error("the arbiter at {address} is busy: other processes hold its rows")]
    Contention {
        /// Host and port.
        address: String,
    },
    /// The tables went away or were made anew while this process worked.
    #[error(
        "the arbiter at {place} is no longer {ours}: {}", found_text(.found)
    )]
    Rebuilt {
        /// Address and schema.
        place: String,
        /// The arbiter that this process began with.
        ours: ArbiterId,
        /// The arbiter that is there now.
        found: Option<ArbiterId>,
    },
    /// The tables are of another version of Otter.
    #[error(
        "the arbiter's tables at {place} have layout {found}, this version knows {known}: run \
         the same version of otter-server everywhere"
    )]
    Layout {
        /// Address and schema.
        place: String,
        /// The layout there.
        found: String,
        /// The layout that this version knows.
        known: u32,
    },
    /// A name that does not fit into the tables.
    #[error("the pipeline's name is longer than {longest} letters: shorten it")]
    BadName {
        /// The longest name that fits.
        longest: usize,
    },
    /// An answer that cannot be understood.
    #[error("the arbiter's tables at {place} hold what nobody wrote there: {what}")]
    BadAnswer {
        /// Address and schema.
        place: String,
        /// What was not as expected.
        what: &'static str,
    },
    /// The server refused a statement.
    #[error("the arbiter at {address} answered error {number}: {message}")]
    Server {
        /// Host and port.
        address: String,
        /// The server's error number.
        number: u16,
        /// The server's words.
        message: String,
    },
    /// The system has no random numbers for ids.
    #[error("the system gives no random numbers")]
    NoRandomness(#[source] getrandom::Error),
    /// The runtime ended.
    #[error("the runtime is shutting down")]
    RuntimeGone(#[source] tokio::task::JoinError),
    /// The arbiter was asked after it was closed.
    #[error("this arbiter was closed")]
    Closed,
}

fn found_text(found: &Option<ArbiterId>) -> String {
    match found {
        Some(found) => format!(
            "its tables were made anew, as {found}; start this process again, and when no process of \
             the former arbiter runs any more, run `otter-server position adopt` for its pipelines"
        ),
        None => "its tables are gone; start this process again: where this machine remembers the \
                 arbiter, it makes them as they were"
            .to_owned(),
    }
}

impl SqlArbiterError {
    /// Names the failure of connecting.
    pub(super) fn connecting(url: &DatabaseUrl, error: &sqlx::Error) -> Self {
        let (address, user) = (url.address(), url.user().to_owned());
        if let sqlx::Error::Configuration(_) = error {
            // The only configuration that sqlx refuses here is RSA, which is left out because of
            // RUSTSEC-2023-0071.
            return Self::NeedsTls { address, user };
        }
        if let sqlx::Error::Tls(cause) = error {
            return Self::Tls { address, cause: cause.to_string() };
        }
        if let sqlx::Error::Io(cause) = error {
            let is_tls = cause.kind() == ErrorKind::InvalidData;
            let cause = cause.to_string();
            return if is_tls {
                Self::Tls { address, cause }
            } else {
                Self::Unreachable { address, cause }
            };
        }
        let Some((number, message)) = server_error(error) else {
            return Self::Unreachable { address, cause: error.to_string() };
        };
        match number {
            // Too many connections, of all or of this account; the account's hourly limits;
            // shutting down; the network.
            1040 | 1203 | 1226 | 1158..=1161 => {
                Self::Unreachable { address, cause: format!("error {number}: {message}") }
            }
            _ if ends_sessions(number) => {
                Self::Unreachable { address, cause: format!("error {number}: {message}") }
            }
            _ => Self::Login { address, user, number, message },
        }
    }

    /// Names the failure of a statement.
    pub(super) fn asking(url: &DatabaseUrl, schema: &str, error: &sqlx::Error) -> Self {
        let address = url.address();
        let Some((number, message)) = server_error(error) else {
            return Self::Lost { address, cause: error.to_string() };
        };
        match number {
            1044 | 1142 | 1143 | 1227 => {
                let user = url.user().to_owned();
                let remedy = format!("GRANT ALL ON `{schema}`.* TO '{user}'@'…'");
                Self::MissingRight { address, user, number, message, remedy }
            }
            1290 | 1792 | 1836 => Self::ReadOnly { address, number },
            1205 | 1213 | 1020 => Self::Contention { address },
            1153 | 1158..=1161 | 2006 | 2013 => {
                Self::Lost { address, cause: format!("error {number}: {message}") }
            }
            _ if ends_sessions(number) => {
                Self::Lost { address, cause: format!("error {number}: {message}") }
            }
            _ => Self::Server { address, number, message },
        }
    }

    /// Whether the statement failed because a table or the schema is not there: 1049, 1146.
    pub(super) fn is_missing_table(&self) -> bool {
        matches!(self, Self::Server { number: 1049 | 1146, .. })
    }
}

/// Whether a server says that it goes, or ends the session; or is not, or not any more, a member of its
/// cluster: 1047 of Galera, 3100 and 3101 of Group Replication. All of it passes.
fn ends_sessions(number: u16) -> bool {
    matches!(number, 1047 | 1053 | 1077 | 1079 | 1152 | 1317 | 1927 | 3100 | 3101 | 3169 | 4031)
}

fn server_error(error: &sqlx::Error) -> Option<(u16, String)> {
    let sqlx::Error::Database(error) = error else { return None };
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some((error.number(), error.message().to_owned()))
}

impl Classify for SqlArbiterError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. }
            // A failover makes a server read-only for a while, and heals without an operator.
            | Self::ReadOnly { .. }
            | Self::Lost { .. }
            | Self::Late { .. }
            | Self::Contention { .. }
            | Self::RuntimeGone(_) => Fault::Transient,
            Self::Tls { .. }
            | Self::NeedsTls { .. }
            | Self::Login { .. }
            | Self::MissingRight { .. }
            | Self::Rebuilt { .. }
            | Self::Layout { .. }
            | Self::BadName { .. }
            | Self::BadAnswer { .. }
            | Self::Server { .. }
            | Self::NoRandomness(_)
            | Self::Closed => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "arbitrate in the database"
    }
}
