//! The part of a database URL after the `?`.

use std::time::Duration;

use super::{DatabaseUrlError, SslMode, UrlPart, decode};

const SSL_MODE: &str = "ssl-mode";
const SSL_CA: &str = "ssl-ca";
const SERVER_PUBLIC_KEY: &str = "server-public-key";
const ALLOW_PUBLIC_KEY_RETRIEVAL: &str = "allow-public-key-retrieval";
const CONNECT_TIMEOUT_MS: &str = "connect-timeout-ms";
const KNOWN: [&str; 5] =
    [SSL_MODE, SSL_CA, SERVER_PUBLIC_KEY, ALLOW_PUBLIC_KEY_RETRIEVAL, CONNECT_TIMEOUT_MS];

/// Long enough for a handshake across an ocean on a bad day, short enough to be noticed.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever waits longer than an hour meant another unit.
const LONGEST_CONNECT_TIMEOUT_MS: u64 = 3_600_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Params {
    mode: Option<SslMode>,
    pub(super) ssl_ca: Option<String>,
    pub(super) server_public_key: Option<String>,
    pub(super) allow_public_key_retrieval: bool,
    pub(super) connect_timeout: Duration,
}

impl Params {
    pub(super) fn parse(query: &str) -> Result<Self, DatabaseUrlError> {
        let mut params = Self {
            mode: None,
            ssl_ca: None,
            server_public_key: None,
            allow_public_key_retrieval: false,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        };
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = KNOWN.into_iter().find(|known| *known == name) else {
                return Err(DatabaseUrlError::UnknownParameter {
                    name: name.to_owned(),
                    nearest: nearest(name),
                });
            };
            if seen.contains(&name) {
                return Err(DatabaseUrlError::RepeatedParameter(name));
            }
            seen.push(name);
            params.set(name, decode(value, UrlPart::Parameter)?)?;
        }
        Ok(params)
    }

    fn set(&mut self, name: &'static str, value: String) -> Result<(), DatabaseUrlError> {
        let bad = |takes| DatabaseUrlError::BadValue { name, takes };
        match name {
            SSL_MODE => {
                self.mode = Some(match value.as_str() {
                    "disabled" => SslMode::Disabled,
                    "required" => SslMode::Required,
                    "verify-ca" => SslMode::VerifyCa,
                    "verify-identity" => SslMode::VerifyIdentity,
                    _ => return Err(bad("disabled, required, verify-ca or verify-identity")),
                });
            }
            SSL_CA if value.is_empty() => return Err(bad("the path of a PEM file")),
            SSL_CA => self.ssl_ca = Some(value),
            SERVER_PUBLIC_KEY if value.is_empty() => return Err(bad("the path of a PEM file")),
            SERVER_PUBLIC_KEY => self.server_public_key = Some(value),
            ALLOW_PUBLIC_KEY_RETRIEVAL => {
                self.allow_public_key_retrieval = match value.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(bad("true or false")),
                };
            }
            CONNECT_TIMEOUT_MS => {
                let takes = "a number of milliseconds from 1 to 3600000";
                let ms: u64 = value.parse().map_err(|_| bad(takes))?;
                if ms == 0 || ms > LONGEST_CONNECT_TIMEOUT_MS {
                    return Err(bad(takes));
                }
                self.connect_timeout = Duration::from_millis(ms);
            }
            // `parse` looks every name up in `KNOWN`.
            _ => return Err(bad("nothing")),
        }
        Ok(())
    }

    /// The mode that was asked for, or the default of the host.
    pub(super) fn ssl_mode(&self, is_loopback: bool) -> Result<SslMode, DatabaseUrlError> {
        match self.mode {
            // Whoever names a certificate wants it to be looked at.
            Some(mode) if self.ssl_ca.is_some() && !mode.verifies() => {
                Err(DatabaseUrlError::UnusedCa(mode))
            }
            Some(mode) => Ok(mode),
            None if !is_loopback => Ok(SslMode::VerifyIdentity),
            None if self.ssl_ca.is_some() => Ok(SslMode::VerifyCa),
            None => Ok(SslMode::Preferred),
        }
    }
}

/// The known parameter with the fewest letters to change.
fn nearest(name: &str) -> &'static str {
    KNOWN.into_iter().min_by_key(|known| distance(name, known)).unwrap_or(SSL_MODE)
}

/// Levenshtein's distance; `_` and `-` count as the same letter, as do cases.
fn distance(left: &str, right: &str) -> usize {
    let fold = |letter: char| if letter == '_' { '-' } else { letter.to_ascii_lowercase() };
    let right: Vec<char> = right.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().map(fold).enumerate() {
        let mut previous = index + 1;
        let mut next = vec![previous];
        for ((above_left, above), other) in row.iter().zip(row.iter().skip(1)).zip(&right) {
            let change = above_left + usize::from(letter != *other);
            previous = change.min(above + 1).min(previous + 1);
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
