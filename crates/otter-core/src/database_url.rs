//! The address of a database as one URL, the same for sources and targets.
//!
//! `mysql://user:password@host:port/database?ssl-mode=verify-ca&ssl-ca=/etc/otter/ca.pem`
//!
//! Separate from every driver, so that each part of Otter reads the same language. This module
//! only parses: it never opens a file or a socket, and nothing it prints holds a password
//! (SECRET-1); its errors quote nothing that stands before the `@`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

mod error;
mod params;
#[cfg(test)]
mod tests;

pub use error::{DatabaseUrlError, UrlPart};
use params::Params;

/// The port of MySQL and MariaDB where the URL names none.
const MYSQL_PORT: u16 = 3306;

/// A text that never shows itself: passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be printed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The kind of database that a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `mysql://` or `mariadb://`: which of the two it is, the server says itself.
    MySql,
}

/// How far a connection is encrypted and the server verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SslMode {
    /// Never encrypted.
    Disabled,
    /// Encrypted, but not verified, where the server offers it; else plain. The default on
    /// loopback, where nobody stands in between; no URL can ask for it.
    Preferred,
    /// Encrypted, but the server is not verified.
    Required,
    /// Encrypted, and the certificate's chain is verified, but not the host's name.
    VerifyCa,
    /// Encrypted, and the certificate's chain and the host's name are verified. The default.
    VerifyIdentity,
}

impl SslMode {
    /// Whether the server's certificate is verified at all.
    #[must_use]
    pub fn verifies(self) -> bool {
        match self {
            Self::Disabled | Self::Preferred | Self::Required => false,
            Self::VerifyCa | Self::VerifyIdentity => true,
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Preferred => "preferred",
            Self::Required => "required",
            Self::VerifyCa => "verify-ca",
            Self::VerifyIdentity => "verify-identity",
        })
    }
}

/// Where a database is, who connects to it, and how the line is secured.
///
/// ```
/// use otter_core::database_url::{DatabaseUrl, SslMode};
///
/// let url: DatabaseUrl = "mysql://otter:p%40ss@db.example:3307/shop".parse().unwrap();
/// assert_eq!((url.host(), url.port(), url.database()), ("db.example", 3307, Some("shop")));
/// assert_eq!(url.password().expose(), "p@ss");
/// assert_eq!(url.ssl_mode(), SslMode::VerifyIdentity);
/// assert_eq!(url.to_string(), "mysql://otter@db.example:3307/shop");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatabaseUrl {
    scheme: Scheme,
    user: String,
    password: Secret,
    host: String,
    port: u16,
    database: Option<String>,
    ssl_mode: SslMode,
    params: Params,
}

impl DatabaseUrl {
    /// The kind of database.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The account's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The account's password; empty where the URL has none.
    #[must_use]
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// The host's name or address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database (schema) to start in, where one is named.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// How the line is secured: `ssl-mode`, or the default for the host.
    #[must_use]
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// The PEM file with the certificates that are trusted (`ssl-ca`); without it the machine's.
    #[must_use]
    pub fn ssl_ca(&self) -> Option<&str> {
        self.params.ssl_ca.as_deref()
    }

    /// The PEM file with the server's RSA key (`server-public-key`), for passwords without TLS.
    #[must_use]
    pub fn server_public_key(&self) -> Option<&str> {
        self.params.server_public_key.as_deref()
    }

    /// Whether the server may be asked for its RSA key (`allow-public-key-retrieval`). Whoever
    /// stands in between can send a key of their own, so the default is no.
    #[must_use]
    pub fn allows_public_key_retrieval(&self) -> bool {
        self.params.allow_public_key_retrieval
    }

    /// How long connecting, with TLS and login, may take (`connect-timeout-ms`).
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.params.connect_timeout
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Host and port as they are written in messages, an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// Writes the URL without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scheme::MySql = self.scheme;
        write!(f, "mysql://{}@{}", self.user, self.address())?;
        match &self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// Reads a URL.
    ///
    /// # Errors
    /// A [`DatabaseUrlError`] that names the part at fault and what to write instead, but quotes
    /// neither user nor password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(DatabaseUrlError::NoScheme)?;
        let scheme = match scheme {
            "mysql" | "mariadb" => Scheme::MySql,
            // A password written in the wrong place must not be quoted, so only names are.
            other if other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(DatabaseUrlError::UnknownScheme(other.to_owned()));
            }
            _ => return Err(DatabaseUrlError::NoScheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        // An unescaped `@`, `/`, `?` or `#` in a password moves the borders of all parts, and
        // then a message about the host would quote a piece of the password.
        let (login, place) = authority.rsplit_once('@').ok_or(DatabaseUrlError::NoUser)?;
        if login.contains('@') || tail.contains('@') {
            return Err(DatabaseUrlError::Unescaped);
        }
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let user = decode(user, UrlPart::User)?;
        if user.is_empty() {
            return Err(DatabaseUrlError::NoUser);
        }
        let password = Secret(decode(password, UrlPart::Password)?);
        let (host, port) = split_place(place)?;

        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (tail, None),
        };
        if path.contains('#') || query.is_some_and(|query| query.contains('#')) {
            return Err(DatabaseUrlError::Fragment);
        }
        let database = decode(path.strip_prefix('/').unwrap_or(path), UrlPart::Database)?;
        let database = (!database.is_empty()).then_some(database);
        let params = Params::parse(query.unwrap_or(""))?;
        let ssl_mode = params.ssl_mode(is_loopback(&host))?;
        Ok(Self { scheme, user, password, host, port, database, ssl_mode, params })
    }
}

/// Splits `host:port`, `[::1]:port` or either without the port.
fn split_place(place: &str) -> Result<(String, u16), DatabaseUrlError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(DatabaseUrlError::BadHost)?;
            let address: std::net::Ipv6Addr =
                host.parse().map_err(|_| DatabaseUrlError::BadHost)?;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None if port.is_empty() => None,
                None => return Err(DatabaseUrlError::BadPort),
            };
            (address.to_string(), port)
        }
        None => {
            let (host, port) = match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            };
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if host.is_empty() || !host.bytes().all(allowed) {
                return Err(DatabaseUrlError::BadHost);
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    let port = match port {
        None => MYSQL_PORT,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(DatabaseUrlError::BadPort),
            Ok(port) => port,
        },
    };
    Ok((host, port))
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost",
    }
}

/// Replaces `%XX`, and refuses what the MySQL protocol cannot carry.
fn decode(text: &str, part: UrlPart) -> Result<String, DatabaseUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(DatabaseUrlError::BadEscape(part));
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| DatabaseUrlError::BadEscape(part))?);
    }
    // MySQL: user, password and database travel as zero-terminated strings.
    if bytes.contains(&0) {
        return Err(DatabaseUrlError::BadEscape(part));
    }
    String::from_utf8(bytes).map_err(|_| DatabaseUrlError::BadEscape(part))
}
