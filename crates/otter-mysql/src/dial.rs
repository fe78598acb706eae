//! From a host's name to a TCP stream.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use otter_core::database_url::DatabaseUrl;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::error::ConnectionError;

/// An idle line is asked for a sign of life after so long, and again every so often, so many times: a
/// machine that is gone is noticed within a minute, where the system would wait for hours.
const QUIET: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_secs(10);
const TIMES: u32 = 3;

/// Resolves the host and connects to the first of its addresses that answers, before `deadline`.
///
/// # Errors
/// [`ConnectionError::Resolve`], `Refused`, `Unreachable` or `Timeout`.
pub(super) async fn dial(
    url: &DatabaseUrl,
    deadline: Instant,
) -> Result<TcpStream, ConnectionError> {
    let timeout = || ConnectionError::Timeout {
        address: url.address(),
        doing: "connect",
        after: url.connect_timeout(),
    };
    let lookup = tokio::net::lookup_host((url.host(), url.port()));
    let addresses: Vec<SocketAddr> = match tokio::time::timeout_at(deadline, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let host = url.host().to_owned();
            return Err(ConnectionError::Resolve { host, source: Some(error) });
        }
        Err(_) => return Err(timeout()),
    };
    let mut failure = None;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        // A host with a dead address first must leave time for the others.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match connect(address, share).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(match failure {
        None => ConnectionError::Resolve { host: url.host().to_owned(), source: None },
        Some(error) if error.kind() == io::ErrorKind::TimedOut => timeout(),
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            ConnectionError::Refused { address: url.address() }
        }
        Some(source) => ConnectionError::Unreachable { address: url.address(), source },
    })
}

async fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Commands are small and each waits for its answer.
    socket.set_nodelay(true)?;
    // Heartbeats watch a dump; this watches all that waits for a server to answer.
    let keepalive = TcpKeepalive::new().with_time(QUIET).with_interval(BETWEEN).with_retries(TIMES);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    match tokio::time::timeout(patience, socket.connect(address)).await {
        Ok(stream) => stream,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
