//! From a URL to a session: greeting, TLS, and the conversation about who we are.

use otter_core::database_url::{DatabaseUrl, SslMode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};

use super::auth::{Account, Method};
use super::dial::dial;
use super::error::{ConnectionError, ServerError};
use super::handshake::{Greeting, GreetingError, Response, ssl_request};
use super::packet::PacketStream;
use super::session::Session;
use super::tls::{self, TlsError};
use super::transport::{Encryption, Transport};
use super::wire::Reader;
use super::{DEFAULT_READ_TIMEOUT, INPUT_BUFFER};

/// Greetings, challenges and keys are small; a larger packet is not a login.
const LARGEST_PACKET: usize = 64 * 1024;
/// The longest login known takes five packets.
const MOST_PACKETS: usize = 16;

/// A session that has just begun.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) packets: PacketStream<Transport>,
    pub(super) greeting: Greeting,
    pub(super) capabilities: CapabilityFlags,
    pub(super) extensions: MariadbCapabilities,
    pub(super) encryption: Encryption,
}

/// Connects and logs in before the deadline, which the URL's connect timeout sets.
pub(super) async fn log_in(
    url: &DatabaseUrl,
    purpose: Session,
    deadline: Instant,
) -> Result<LoggedIn, ConnectionError> {
    let stream = dial(url, deadline).await?;
    match tokio::time::timeout_at(deadline, Box::pin(converse(stream, url, purpose))).await {
        Ok(session) => session,
        Err(_) => Err(timeout(url)),
    }
}

pub(super) fn timeout(url: &DatabaseUrl) -> ConnectionError {
    let (address, after) = (url.address(), url.connect_timeout());
    ConnectionError::Timeout { address, doing: "log in", after }
}

async fn converse(
    stream: TcpStream,
    url: &DatabaseUrl,
    purpose: Session,
) -> Result<LoggedIn, ConnectionError> {
    let address = url.address();
    let mut packets = PacketStream::new(stream, INPUT_BUFFER, LARGEST_PACKET, DEFAULT_READ_TIMEOUT);
    let greeting = read_greeting(&mut packets, &address).await?;
    let tls = match url.ssl_mode() {
        SslMode::Disabled => false,
        SslMode::Preferred => greeting.offers_tls(),
        SslMode::Required | SslMode::VerifyCa | SslMode::VerifyIdentity => {
            if !greeting.offers_tls() {
                return Err(ConnectionError::Tls { address, source: TlsError::NotOffered });
            }
            true
        }
    };
    let capabilities = greeting.client_capabilities(tls, url.database(), purpose);
    let extensions = greeting.client_extensions(purpose);
    let broken = |error| ConnectionError::packet(error, &address, "log in");
    if tls {
        packets.write(&ssl_request(capabilities, extensions)).await.map_err(broken)?;
    }
    let (stream, sequence) = packets.into_io().map_err(broken)?;
    let (transport, encryption) = match (tls, url.ssl_mode().verifies()) {
        (false, _) => (Transport::Plain(stream), Encryption::Plain),
        (true, verified) => (
            Transport::Tls(Box::new(tls::upgrade(stream, url).await?)),
            if verified { Encryption::Verified } else { Encryption::Unverified },
        ),
    };
    let mut packets =
        PacketStream::new(transport, INPUT_BUFFER, LARGEST_PACKET, DEFAULT_READ_TIMEOUT)
            .with_sequence(sequence);
    let account = Account {
        user: url.user(),
        password: url.password(),
        address: address.clone(),
        encryption,
        public_key: match (encryption, url.server_public_key()) {
            (Encryption::Plain, Some(path)) => Some(read_public_key(path).await?),
            (Encryption::Plain | Encryption::Unverified | Encryption::Verified, _) => None,
        },
        may_ask_for_key: url.allows_public_key_retrieval(),
    };
    let asked = (capabilities, extensions);
    authenticate(&mut packets, &greeting, asked, url.database(), &account).await?;
    Ok(LoggedIn { packets, greeting, capabilities, extensions, encryption })
}

pub(super) async fn read_greeting<S: AsyncRead + Unpin>(
    packets: &mut PacketStream<S>,
    address: &str,
) -> Result<Greeting, ConnectionError> {
    let packet = packets
        .read()
        .await
        .map_err(|error| ConnectionError::packet(error, address, "read the greeting"))?;
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    // A server that turns us away before it greets: too many connections, host not allowed.
    if packet.first() == Some(&0xff) {
        let error = ServerError::parse(packet).map_err(|_| problem("a malformed error"))?;
        return Err(ConnectionError::server(error));
    }
    Greeting::parse(packet).map_err(|error| match error {
        GreetingError::Malformed => problem("a greeting that is not one"),
        GreetingError::TooOld => problem("a server older than 5.5"),
    })
}

/// Proves who we are, by whatever method the account asks for.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    greeting: &Greeting,
    (capabilities, extensions): (CapabilityFlags, MariadbCapabilities),
    database: Option<&str>,
    account: &Account<'_>,
) -> Result<(), ConnectionError> {
    let address = &account.address;
    let broken = |error| ConnectionError::packet(error, address, "log in");
    let problem = |problem| ConnectionError::Protocol { address: address.clone(), problem };

    let plugin = Method::first(&greeting.plugin);
    let (mut method, proof) = Method::begin(plugin.as_bytes(), &greeting.nonce, account)?;
    let response = Response { user: account.user, database, plugin, proof, extensions };
    packets.write(&response.serialize(capabilities)).await.map_err(broken)?;

    for _ in 0..MOST_PACKETS {
        let packet = packets.read().await.map_err(broken)?;
        let answer = match packet.split_first() {
            Some((0x00, _)) => return Ok(()),
            Some((0xff, _)) => {
                let error = ServerError::parse(packet).map_err(|_| problem("a malformed error"))?;
                return Err(denied(error, account));
            }
            // The server asks for another method; a bare 0xfe for the one of before 4.1.
            Some((0xfe, switch)) => {
                let mut reader = Reader::new(switch);
                let plugin = reader.until_zero().unwrap_or(b"mysql_old_password");
                let (next, answer) = Method::begin(plugin, reader.rest(), account)?;
                method = next;
                Some(answer)
            }
            Some((0x01, said)) => method.answer(said, account)?,
            // MariaDB: bytes of a method are escaped by 0x01 only where they could be mistaken.
            Some(_) => method.answer(packet, account)?,
            None => return Err(problem("an empty packet during login")),
        };
        if let Some(answer) = answer {
            packets.write(&answer).await.map_err(broken)?;
        }
    }
    Err(problem("a login that does not end"))
}

fn denied(error: ServerError, account: &Account<'_>) -> ConnectionError {
    match error.code {
        // Wrong password, no account for our address, account locked (MySQL, MariaDB).
        1045 | 1130 | 1698 | 3118 | 4151 => ConnectionError::AccessDenied {
            address: account.address.clone(),
            user: account.user.to_owned(),
            source: error,
        },
        _ => ConnectionError::server(error),
    }
}

async fn read_public_key(path: &str) -> Result<Vec<u8>, ConnectionError> {
    let (owned, file) = (path.to_owned(), path.to_owned());
    let failed = |problem: String| ConnectionError::File {
        parameter: "server-public-key",
        path: owned,
        problem,
    };
    match tokio::task::spawn_blocking(move || std::fs::read(file)).await {
        Ok(Ok(pem)) => Ok(pem),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
