//! What can be wrong with a database URL. No message quotes user or password (SECRET-1).

use std::fmt;

/// A part of a URL that is percent-decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlPart {
    /// Before the `:` or `@`.
    User,
    /// Between `:` and `@`.
    Password,
    /// After the host's `/`.
    Database,
    /// After the `?`.
    Parameter,
}

impl fmt::Display for UrlPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Password => "password",
            Self::Database => "database name",
            Self::Parameter => "parameter",
        })
    }
}

/// Why a text is not a database URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It does not begin with a scheme.
    #[error(
        "the database URL has no scheme: write mysql://user:password@host:port/, \
         with special characters in user and password percent-encoded"
    )]
    NoScheme,
    /// The scheme is not one that Otter speaks.
    #[error("unknown scheme `{0}` of a database URL: write mysql:// or mariadb://")]
    UnknownScheme(String),
    /// No `@` follows the scheme, or nothing stands before it.
    #[error(
        "the database URL names no user: write mysql://user:password@host:port/, \
         and in user and password `%25` for `%`, `%2F` for `/`, `%3F` for `?`, `%23` for `#`"
    )]
    NoUser,
    /// More than one unescaped `@`.
    #[error(
        "the database URL holds more than one `@`: in user, password, database and parameters \
         write `%40` for `@`, and in the password `%2F` for `/`, `%3F` for `?`, `%23` for `#`"
    )]
    Unescaped,
    /// A `%` without two hexadecimal digits, a NUL, or bytes that are not UTF-8.
    #[error(
        "the {0} in the database URL is not valid percent-encoded UTF-8: write `%25` for `%`, \
         and no zero bytes"
    )]
    BadEscape(UrlPart),
    /// The host is empty or holds characters that no host has.
    #[error(
        "the host in the database URL is neither a name nor an address: write host:port, \
         or [address]:port for IPv6"
    )]
    BadHost,
    /// The port is not a number from 1 to 65535.
    #[error("the port in the database URL is not a number from 1 to 65535")]
    BadPort,
    /// A `#` after the host.
    #[error("the database URL holds a `#` after the host: write `%23`, it has no fragment")]
    Fragment,
    /// A parameter that Otter does not know.
    #[error("unknown parameter `{name}` of a database URL: did you mean `{nearest}`?")]
    UnknownParameter {
        /// As it was written.
        name: String,
        /// The known one that resembles it most.
        nearest: &'static str,
    },
    /// A parameter that stands there twice.
    #[error("the parameter `{0}` stands in the database URL more than once: keep one")]
    RepeatedParameter(&'static str),
    /// A value that the parameter does not take.
    #[error("the parameter `{name}` of the database URL takes {takes}")]
    BadValue {
        /// The parameter.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// `ssl-ca` beside a mode that verifies nothing.
    #[error(
        "`ssl-ca` has no effect with ssl-mode={0}: use ssl-mode=verify-ca or verify-identity, \
         or leave `ssl-ca` out"
    )]
    UnusedCa(super::SslMode),
}
