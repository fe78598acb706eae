//! Conversations with a server that says anything: any bytes at all are survived, without a panic
//! and without much memory.
//!
//! The targets in `fuzz/` call these, and so do the unit tests, over every input that once broke
//! one. Nothing of this is in a normal build.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use otter_core::database_url::Secret;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::auth::Account;
use super::error::ConnectionError;
use super::packet::PacketStream;
use super::prepared::ParameterRows;
use super::result::ResultSet;
use super::session::Session;
use super::transport::Encryption;
use super::version::ServerVersion;
use super::{gtid_text, login, prepared, query, statements};

const ADDRESS: &str = "db:3306";
const LARGEST_PACKET: usize = 32 << 20;

/// Bits of the second byte.
mod option {
    /// The bytes are packets with headers, instead of lengths (two bytes) and payloads.
    pub(super) const RAW: u8 = 1;
    pub(super) const OLD_END_OF_ROWS: u8 = 2;
    pub(super) const ENCRYPTED: u8 = 4;
    pub(super) const VERIFIED: u8 = 8;
    pub(super) const MAY_ASK_FOR_KEY: u8 = 16;
    pub(super) const SMALL_PIECES: u8 = 32;
}

/// The conversation (one byte), options (one byte), and what the server says; answers are looked at.
pub fn packets(bytes: &[u8], look_at: impl Fn(&ResultSet)) {
    let Some((conversation, rest)) = bytes.split_first() else { return };
    let Some((options, said)) = rest.split_first() else { return };
    // Nobody waits: the line always has bytes or is closed.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return;
    };
    let has = |bit| options & bit != 0;
    let line = Line {
        said,
        raw: has(option::RAW),
        ready: Vec::new(),
        taken: 0,
        sequence: 0,
        piece: if has(option::SMALL_PIECES) { 3 } else { 4096 },
    };
    let packets = PacketStream::new(line, 256, LARGEST_PACKET, Duration::from_secs(60));
    runtime.block_on(async {
        match conversation % 4 {
            0 => frames(packets).await,
            1 => log_in(packets, *options).await,
            3 => run(packets, !has(option::OLD_END_OF_ROWS)).await,
            _ => ask(packets, !has(option::OLD_END_OF_ROWS), look_at).await,
        }
    });
}

/// Texts of GTIDs as they go into a dump's request.
pub fn gtid_texts(text: &str) {
    let _ = gtid_text::parse_mysql(text);
    if let Ok(position) = gtid_text::parse_mariadb(text) {
        assert!(gtid_text::parse_mariadb(&position) == Ok(position), "it is read as it is sent");
    }
}

async fn frames(mut packets: PacketStream<Line<'_>>) {
    loop {
        packets.has_packet();
        match packets.read().await {
            Ok(payload) => assert!(payload.len() <= LARGEST_PACKET, "packets keep to the limit"),
            Err(error) => {
                drop(ConnectionError::packet(error, ADDRESS, "read").to_string());
                return;
            }
        }
    }
}

async fn log_in(mut packets: PacketStream<Line<'_>>, options: u8) {
    let has = |bit| options & bit != 0;
    let Ok(greeting) = login::read_greeting(&mut packets, ADDRESS).await else { return };
    let _ = ServerVersion::parse(&greeting.version);
    let encryption = match (has(option::ENCRYPTED), has(option::VERIFIED)) {
        (false, _) => Encryption::Plain,
        (true, false) => Encryption::Unverified,
        (true, true) => Encryption::Verified,
    };
    let session = Session::Writing;
    let capabilities = greeting.client_capabilities(has(option::ENCRYPTED), Some("shop"), session);
    let asked = (capabilities, greeting.client_extensions(session));
    let account = Account {
        user: "otter",
        password: &Secret::new("secret"),
        address: ADDRESS.to_owned(),
        encryption,
        public_key: None,
        may_ask_for_key: has(option::MAY_ASK_FOR_KEY),
    };
    let result = login::authenticate(&mut packets, &greeting, asked, Some("shop"), &account).await;
    if let Err(error) = result {
        drop(error.to_string());
    }
}

async fn ask(
    mut packets: PacketStream<Line<'_>>,
    deprecate_eof: bool,
    look_at: impl Fn(&ResultSet),
) {
    while let Ok(answer) = query::query(&mut packets, "SELECT 1", deprecate_eof, ADDRESS).await {
        for row in answer.rows() {
            assert!(row.width() == answer.columns().len(), "a row is as wide as its head");
        }
        look_at(&answer);
    }
}

async fn run(mut packets: PacketStream<Line<'_>>, deprecate_eof: bool) {
    let data = ["1\t2\n".to_owned(), String::new()];
    let mut rows = 0_usize;
    while let Ok(()) =
        statements::run(&mut packets, "DO 1", &data, deprecate_eof, ADDRESS, |answer| {
            rows += usize::from(matches!(answer, statements::Answer::Row(_)));
        })
        .await
    {}
    while let Ok(statement) = prepared::prepare(&mut packets, "DO ?", deprecate_eof, ADDRESS).await
    {
        let rows = ParameterRows::default();
        drop(prepared::execute_rows(&mut packets, statement, &[], &rows, ADDRESS).await);
    }
}

/// A server that has its part ready and takes everything that is sent.
struct Line<'a> {
    said: &'a [u8],
    raw: bool,
    /// The packet that is being sent, and how much of it was.
    ready: Vec<u8>,
    taken: usize,
    sequence: u8,
    /// The most that is received at once.
    piece: usize,
}

impl Line<'_> {
    fn next(&mut self) {
        self.taken = 0;
        self.ready.clear();
        if self.raw {
            self.ready.extend_from_slice(std::mem::take(&mut self.said));
            return;
        }
        let Some((length, rest)) = self.said.split_first_chunk::<2>() else { return };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let [a, b, ..] = length.to_le_bytes();
        self.ready.extend_from_slice(&[a, b, 0, self.sequence]);
        self.ready.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.said = rest;
    }
}

impl AsyncRead for Line<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.taken == line.ready.len() {
            line.next();
        }
        let left = line.ready.get(line.taken..).unwrap_or_default();
        let count = left.len().min(line.piece).min(buffer.remaining());
        buffer.put_slice(left.get(..count).unwrap_or_default());
        line.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(sequence) = bytes.get(3) {
            self.get_mut().sequence = sequence.wrapping_add(1);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
