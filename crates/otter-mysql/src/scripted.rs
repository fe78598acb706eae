//! For tests: a line to a server that says what it is told to.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, DuplexStream};

use super::packet::PacketStream;

pub(crate) const ADDRESS: &str = "db:3306";

/// The server's end of a line, and the packets of the client's.
pub(crate) fn line() -> (DuplexStream, PacketStream<DuplexStream>) {
    let (server, client) = tokio::io::duplex(1 << 20);
    (server, PacketStream::new(client, 256, 1 << 20, Duration::from_secs(5)))
}

/// Payloads as packets that are numbered from `first`.
pub(crate) fn framed(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, payload) in (first..).zip(payloads) {
        let [a, b, c, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
        bytes.extend_from_slice(&[a, b, c, sequence]);
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// The next packet: its number and its payload.
pub(crate) async fn receive(server: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let mut header = [0; 4];
    server.read_exact(&mut header).await.unwrap();
    let [a, b, c, sequence] = header;
    let mut payload = vec![0; usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap()];
    server.read_exact(&mut payload).await.unwrap();
    (sequence, payload)
}
