//! The login methods, without I/O: what to answer to which challenge.
//!
//! The arithmetic is `mysql_common`'s; what may be sent over which line is decided here. A
//! password leaves in clear only inside TLS, and by `mysql_clear_password` only to a server whose
//! certificate was verified.

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::client_ed25519::ClientEd25519;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::auth::plugins::parsec::Parsec;
use mysql_common::auth::plugins::{ChallengeResponsePlugin, Context, Response};
use mysql_common::packets::AuthPlugin;
use otter_core::database_url::Secret;

use super::error::ConnectionError;
use super::handshake::NONCE;
use super::transport::Encryption;
use super::wire::printable;

mod rsa;
#[cfg(test)]
mod tests;

/// MariaDB's ed25519 has a longer nonce than the others.
const ED25519_NONCE: usize = 32;
const FAST_LOGIN_DONE: &[u8] = &[3];
const FULL_LOGIN: &[u8] = &[4];
const ASK_KEY_CACHING_SHA2: u8 = 2;
const ASK_KEY_SHA256: u8 = 1;

/// Who logs in, and over what kind of line.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    pub(super) address: String,
    pub(super) encryption: Encryption,
    /// The server's RSA key in PEM, where the URL names it.
    pub(super) public_key: Option<Vec<u8>>,
    pub(super) may_ask_for_key: bool,
}

/// A login method on its way.
#[derive(Debug)]
pub(super) enum Method {
    Native,
    CachingSha2(Sha2),
    Sha256(Sha2),
    Ed25519,
    Parsec(Parsec),
    Clear,
}

/// How far a login with RSA or TLS has come.
#[derive(Debug)]
pub(super) struct Sha2 {
    nonce: [u8; NONCE],
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The proof was sent; the server knows the password or asks for it.
    Proof,
    /// The server was asked for its key.
    Key,
    /// The password was sent.
    Password,
}

impl Method {
    /// The method for the first answer: the server's own where it gives nothing away.
    pub(super) fn first(plugin: &[u8]) -> AuthPlugin<'static> {
        if AuthPlugin::from_bytes(plugin) == AuthPlugin::MysqlNativePassword {
            return AuthPlugin::MysqlNativePassword;
        }
        // The server asks for another one, if the account has another one.
        AuthPlugin::CachingSha2Password
    }

    /// Begins a method that the server names, and makes the answer to its first challenge.
    pub(super) fn begin(
        plugin: &[u8],
        challenge: &[u8],
        account: &Account<'_>,
    ) -> Result<(Self, Vec<u8>), ConnectionError> {
        let password = account.password.expose().as_bytes();
        match AuthPlugin::from_bytes(plugin) {
            AuthPlugin::MysqlNativePassword => {
                let nonce = nonce::<NONCE>(challenge, account)?;
                let proof = scramble_native(&nonce, password).map(|proof| proof.to_vec());
                Ok((Self::Native, proof.unwrap_or_default()))
            }
            AuthPlugin::CachingSha2Password => {
                let nonce = nonce::<NONCE>(challenge, account)?;
                let proof = scramble_sha256(&nonce, password).map(|proof| proof.to_vec());
                let method = Self::CachingSha2(Sha2 { nonce, step: Step::Proof });
                Ok((method, proof.unwrap_or_default()))
            }
            AuthPlugin::Sha256Password => {
                let mut state =
                    Sha2 { nonce: nonce::<NONCE>(challenge, account)?, step: Step::Proof };
                let answer = match account.password.is_empty() {
                    true => vec![0],
                    false => state.password(ASK_KEY_SHA256, account)?,
                };
                Ok((Self::Sha256(state), answer))
            }
            AuthPlugin::Ed25519 => {
                let nonce = nonce::<ED25519_NONCE>(challenge, account)?;
                let answer = run(&mut ClientEd25519::default(), &nonce, account)?;
                Ok((Self::Ed25519, answer))
            }
            AuthPlugin::Parsec => {
                let mut parsec = Parsec::default();
                let answer = run(&mut parsec, challenge, account)?;
                Ok((Self::Parsec(parsec), answer))
            }
            AuthPlugin::MysqlClearPassword => match account.encryption {
                Encryption::Verified => Ok((Self::Clear, zero_terminated(password))),
                Encryption::Plain | Encryption::Unverified => {
                    Err(ConnectionError::CleartextRefused { address: account.address.clone() })
                }
            },
            AuthPlugin::MysqlOldPassword | AuthPlugin::Other(_) => {
                Err(ConnectionError::UnsupportedPlugin {
                    user: account.user.to_owned(),
                    plugin: printable(plugin, 64),
                })
            }
        }
    }

    /// Answers what the server says after the first challenge; `None` where it only informs.
    pub(super) fn answer(
        &mut self,
        said: &[u8],
        account: &Account<'_>,
    ) -> Result<Option<Vec<u8>>, ConnectionError> {
        match self {
            Self::CachingSha2(state) => match (state.step, said) {
                (Step::Proof, FAST_LOGIN_DONE) => Ok(None),
                (Step::Proof, FULL_LOGIN) => {
                    state.password(ASK_KEY_CACHING_SHA2, account).map(Some)
                }
                (Step::Key, pem) => state.encrypted(pem, account).map(Some),
                (Step::Proof | Step::Password, _) => Err(unexpected(account)),
            },
            Self::Sha256(state) if state.step == Step::Key => {
                state.encrypted(said, account).map(Some)
            }
            Self::Parsec(parsec) => run(parsec, said, account).map(Some),
            Self::Native | Self::Sha256(_) | Self::Ed25519 | Self::Clear => {
                Err(unexpected(account))
            }
        }
    }
}

impl Sha2 {
    /// The password in the safest form that the line allows, or the request for the server's key.
    fn password(&mut self, ask_key: u8, account: &Account<'_>) -> Result<Vec<u8>, ConnectionError> {
        match (account.encryption, &account.public_key) {
            (Encryption::Verified | Encryption::Unverified, _) => {
                self.step = Step::Password;
                Ok(zero_terminated(account.password.expose().as_bytes()))
            }
            (Encryption::Plain, Some(pem)) => self.encrypted(pem, account),
            (Encryption::Plain, None) if account.may_ask_for_key => {
                self.step = Step::Key;
                Ok(vec![ask_key])
            }
            (Encryption::Plain, None) => {
                Err(ConnectionError::PublicKeyNeeded { address: account.address.clone() })
            }
        }
    }

    fn encrypted(&mut self, pem: &[u8], account: &Account<'_>) -> Result<Vec<u8>, ConnectionError> {
        self.step = Step::Password;
        rsa::encrypt(account.password.expose().as_bytes(), &self.nonce, pem)
            .ok_or_else(|| ConnectionError::BadPublicKey { address: account.address.clone() })
    }
}

/// A challenge of `N` bytes; MySQL ends it with a zero that does not belong to it.
fn nonce<const N: usize>(
    challenge: &[u8],
    account: &Account<'_>,
) -> Result<[u8; N], ConnectionError> {
    match challenge.split_first_chunk::<N>() {
        Some((nonce, [] | [0])) => Ok(*nonce),
        Some(_) | None => Err(unexpected(account)),
    }
}

fn zero_terminated(password: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(password.len() + 1);
    bytes.extend_from_slice(password);
    bytes.push(0);
    bytes
}

fn unexpected(account: &Account<'_>) -> ConnectionError {
    ConnectionError::Protocol {
        address: account.address.clone(),
        problem: "a login challenge that does not fit the method",
    }
}

/// Runs one step of a method that `mysql_common` carries out as a whole.
fn run(
    plugin: &mut impl ChallengeResponsePlugin,
    challenge: &[u8],
    account: &Account<'_>,
) -> Result<Vec<u8>, ConnectionError> {
    let response =
        plugin.run(Password(account.password), challenge).map_err(|_| unexpected(account))?;
    match response {
        Response::Next { packet } | Response::Last { packet } => Ok(packet.unwrap_or_default()),
    }
}

/// What those methods may know: the password, and nothing that would let them send it in clear.
struct Password<'a>(&'a Secret);

impl Context for Password<'_> {
    fn pass(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
    fn is_ipc_transport(&self) -> bool {
        false
    }
    fn is_tls_transport(&self) -> bool {
        false
    }
    fn scramble(&self) -> &[u8] {
        &[]
    }
    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
