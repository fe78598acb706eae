//! Ending another client's session, as no client library lets one: whoever knows a session's number
//! and password may take it over and close it.
//!
//! ZooKeeper's servers make the password from the number, so that each of them knows it
//! (`generatePasswd` of `ZooKeeperServer`).

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the servers mix into the number.
const SERVERS_SECRET: u64 = 0xb341_5c00;
const PASSWORD_LEN: usize = 16;
/// What the session is asked to last, which nobody waits for.
const TIMEOUT_MS: i32 = 5_000;
/// The request that closes a session.
const CLOSE_SESSION: i32 = -11;
/// Servers that serve answer in milliseconds; one that has just found its leader closes connections.
const ANSWER: Duration = Duration::from_secs(5);

/// Tries to end a session through the servers at these ports of 127.0.0.1, one after the other until
/// one of them takes the request. Whether it is over then, the nodes of the session tell.
pub(super) async fn try_to_end(ports: &[u16], session: i64) {
    for port in ports {
        let tried = timeout(ANSWER, take_over_and_close(*port, session)).await;
        if tried.is_ok_and(|outcome| outcome.is_ok()) {
            return;
        }
    }
}

async fn take_over_and_close(port: u16, session: i64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut hello = Vec::new();
    hello.extend(0_i32.to_be_bytes());
    hello.extend(0_i64.to_be_bytes());
    hello.extend(TIMEOUT_MS.to_be_bytes());
    hello.extend(session.to_be_bytes());
    hello.extend(length(PASSWORD_LEN));
    hello.extend(password(session));
    // Not read-only.
    hello.push(0);
    send(&mut stream, &hello).await?;
    let mut answer = vec![0; usize::try_from(stream.read_u32().await?).expect("a length")];
    stream.read_exact(&mut answer).await?;
    // Protocol version, time-out, session: none where the server does not know it.
    let granted = answer.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    if granted != Some(session) {
        return Err(ErrorKind::NotFound.into());
    }
    let mut goodbye = Vec::new();
    goodbye.extend(1_i32.to_be_bytes());
    goodbye.extend(CLOSE_SESSION.to_be_bytes());
    send(&mut stream, &goodbye).await?;
    // It answers, and closes.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(())
}

async fn send(stream: &mut TcpStream, packet: &[u8]) -> std::io::Result<()> {
    let mut framed = length(packet.len()).to_vec();
    framed.extend(packet);
    stream.write_all(&framed).await
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a packet is short").to_be_bytes()
}

/// The bytes of Java's `Random` with this seed.
fn password(session: i64) -> Vec<u8> {
    const MULTIPLIER: u64 = 0x5_deec_e66d;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = (session.cast_unsigned() ^ SERVERS_SECRET ^ MULTIPLIER) & MASK;
    let mut bytes = Vec::with_capacity(PASSWORD_LEN);
    while bytes.len() < PASSWORD_LEN {
        seed = (seed.wrapping_mul(MULTIPLIER).wrapping_add(0xb)) & MASK;
        let word = u32::try_from(seed >> 16).expect("48 bits less 16");
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `new Random(42).nextBytes` of Java gives.
    #[test]
    fn the_password_is_that_of_javas_generator() {
        let session = (42_u64 ^ SERVERS_SECRET).cast_signed();
        let first = password(session).into_iter().take(4).collect::<Vec<u8>>();
        // nextInt() is -1170105035; bytes come from its lowest.
        assert_eq!(first, (-1_170_105_035_i32).to_le_bytes());
    }
}
