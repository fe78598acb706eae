//! Why a server cannot be reached, will not let us in, or stops answering.
//!
//! Each message names the thing and, where there is one, the remedy. None holds a password or a
//! row value; texts of the server are cut short and freed of control characters.

use std::fmt;
use std::io;
use std::time::Duration;

use otter_core::{Classify, Fault};

use super::packet::PacketError;
use super::tls::TlsError;
use super::wire::{Reader, Truncated, printable};

/// An error that the server itself reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// MySQL's error number.
    pub code: u16,
    /// The SQLSTATE, empty where the server sent none.
    pub state: String,
    /// The server's text, shortened to one line.
    pub message: String,
}

/// Error texts of MySQL end at 512 bytes; the dump's name two files and positions.
const LONGEST_MESSAGE: usize = 1024;

impl ServerError {
    /// Reads an ERR packet. Before the handshake is done it carries no SQLSTATE.
    pub(super) fn parse(packet: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(packet);
        reader.u8()?;
        let code = reader.u16()?;
        let rest = reader.rest();
        let (state, message) = match rest.split_first() {
            Some((b'#', tail)) => tail.split_at_checked(5).ok_or(Truncated)?,
            _ => (&[][..], rest),
        };
        Ok(Self { code, state: printable(state, 5), message: printable(message, LONGEST_MESSAGE) })
    }

    /// Whether the server may well accept the same thing a little later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.code,
            1040 // too many connections
                | 1041 // out of memory
                | 1042 | 1043 // cannot resolve the client's address, bad handshake
                | 1053 // shutdown in progress
                | 1077..=1079 // normal shutdown, signal, shutdown complete
                | 1129 // host blocked after too many broken connections
                | 1152 | 1158..=1161 | 1184 // aborted connection, network errors
                | 1203 | 1226 // the account's own limits
                | 1205 | 1213 // lock wait, deadlock
                | 1317 | 1927 | 3024 // interrupted, killed, too slow
                | 3032 | 3168 // offline mode, not available yet
                | 4031 // idle for too long
        )
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state.is_empty() {
            write!(f, "server error {}: {}", self.code, self.message)
        } else {
            write!(f, "server error {} ({}): {}", self.code, self.state, self.message)
        }
    }
}

impl std::error::Error for ServerError {}

/// What went wrong between us and a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The host's name has no address.
    #[error("no address is known for host `{host}`: check the name in the URL and the resolver")]
    Resolve {
        /// As in the URL.
        host: String,
        /// What the resolver said; `None` where it answered with an empty list.
        #[source]
        source: Option<io::Error>,
    },
    /// Nobody listens at the port.
    #[error("nothing listens at {address}: check host and port, and that the server runs")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// The network does not lead to the host.
    #[error("{address} cannot be reached: check the route and the firewalls in between")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Connecting, or one answer, took too long.
    #[error("{address} did not answer within {after:?} while we tried to {doing}")]
    Timeout {
        /// Host and port.
        address: String,
        /// The step, as a verb phrase.
        doing: &'static str,
        /// The limit.
        after: Duration,
    },
    /// A PEM file of the URL cannot be used.
    #[error("the file `{path}` of `{parameter}` cannot be used: {problem}")]
    File {
        /// The URL's parameter.
        parameter: &'static str,
        /// As in the URL.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The line cannot be encrypted as asked, or the server is not who it should be.
    #[error("no secure line to {address}")]
    Tls {
        /// Host and port.
        address: String,
        /// What failed.
        #[source]
        source: TlsError,
    },
    /// Wrong user or password, or no account for our address.
    #[error(
        "{address} does not let `{user}` in: check user and password in the URL, \
         and that the account may log in from this machine"
    )]
    AccessDenied {
        /// Host and port.
        address: String,
        /// The account's name.
        user: String,
        /// The server's words.
        source: ServerError,
    },
    /// The account logs in by a method that we do not know.
    #[error(
        "the account `{user}` logs in by `{plugin}`, which is not supported: give it \
         caching_sha2_password (MySQL), or ed25519 or mysql_native_password (MariaDB)"
    )]
    UnsupportedPlugin {
        /// The account's name.
        user: String,
        /// The server's name of the method.
        plugin: String,
    },
    /// The server wants the password in clear over a line that is not verified.
    #[error(
        "{address} asks for the password in clear text, which is sent only to a verified server: \
         use ssl-mode=verify-identity or verify-ca, or give the account another login method"
    )]
    CleartextRefused {
        /// Host and port.
        address: String,
    },
    /// A password must be encrypted with the server's RSA key, and we have none.
    #[error(
        "{address} needs the password encrypted with its RSA key because the line has no TLS: \
         use ssl-mode=verify-ca with ssl-ca, or name the key's file with server-public-key, \
         or set allow-public-key-retrieval=true where nobody can stand in between"
    )]
    PublicKeyNeeded {
        /// Host and port.
        address: String,
    },
    /// The server's RSA key is not one, or is too weak.
    #[error("the public key of {address} is not a usable RSA key of 2048 bits or more")]
    BadPublicKey {
        /// Host and port.
        address: String,
    },
    /// The account lacks a right.
    #[error("the account lacks a privilege: grant what the server names to the account")]
    MissingPrivilege(#[source] ServerError),
    /// Any other error of the server.
    #[error(transparent)]
    Server(ServerError),
    /// The server says something that the protocol does not allow.
    #[error("{address} does not speak the MySQL protocol as expected: {problem}")]
    Protocol {
        /// Host and port.
        address: String,
        /// What was met.
        problem: &'static str,
    },
    /// An answer is larger than we are ready to hold.
    #[error("an answer of {address} is larger than {limit} bytes")]
    TooLarge {
        /// Host and port.
        address: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The line broke.
    #[error("the line to {address} broke")]
    Broken {
        /// Host and port.
        address: String,
        /// What the system said; `None` where the server closed it in order.
        #[source]
        source: Option<io::Error>,
    },
    /// An earlier command was dropped half way, so nobody knows what the next bytes mean.
    #[error("an earlier command to {address} was cut short: open a new connection")]
    Interrupted {
        /// Host and port.
        address: String,
    },
}

impl ConnectionError {
    /// The error that the server reported, where this is one.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::AccessDenied { source, .. }
            | Self::MissingPrivilege(source)
            | Self::Server(source) => Some(source),
            Self::Resolve { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::File { .. }
            | Self::Tls { .. }
            | Self::UnsupportedPlugin { .. }
            | Self::CleartextRefused { .. }
            | Self::PublicKeyNeeded { .. }
            | Self::BadPublicKey { .. }
            | Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::Broken { .. }
            | Self::Interrupted { .. } => None,
        }
    }

    pub(super) fn server(error: ServerError) -> Self {
        match error.code {
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 => Self::MissingPrivilege(error),
            _ => Self::Server(error),
        }
    }

    pub(super) fn packet(error: PacketError, address: &str, doing: &'static str) -> Self {
        let address = address.to_owned();
        match error {
            PacketError::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Broken { address, source: None }
            }
            PacketError::Io(source) => Self::Broken { address, source: Some(source) },
            PacketError::Closed => Self::Broken { address, source: None },
            PacketError::Silent(after) => Self::Timeout { address, doing, after },
            PacketError::OutOfSequence => {
                Self::Protocol { address, problem: "packets out of sequence" }
            }
            PacketError::TooLarge { limit } => Self::TooLarge { address, limit },
            PacketError::Unread => {
                Self::Protocol { address, problem: "bytes that nobody asked for" }
            }
        }
    }
}

impl Classify for ConnectionError {
    fn fault(&self) -> Fault {
        match self {
            Self::Resolve { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Interrupted { .. } => Fault::Transient,
            Self::Tls { source, .. } => source.fault(),
            Self::Server(source) if source.is_temporary() => Fault::Transient,
            Self::File { .. }
            | Self::AccessDenied { .. }
            | Self::UnsupportedPlugin { .. }
            | Self::CleartextRefused { .. }
            | Self::PublicKeyNeeded { .. }
            | Self::BadPublicKey { .. }
            | Self::MissingPrivilege(_)
            | Self::Server(_)
            | Self::Protocol { .. }
            | Self::TooLarge { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::Resolve { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::File { .. }
            | Self::Tls { .. } => "connect to the server",
            Self::AccessDenied { .. }
            | Self::UnsupportedPlugin { .. }
            | Self::CleartextRefused { .. }
            | Self::PublicKeyNeeded { .. }
            | Self::BadPublicKey { .. } => "log in to the server",
            Self::Timeout { .. }
            | Self::MissingPrivilege(_)
            | Self::Server(_)
            | Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::Broken { .. }
            | Self::Interrupted { .. } => "talk to the server",
        }
    }
}
