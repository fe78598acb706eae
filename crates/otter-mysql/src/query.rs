//! The text protocol: one statement, one answer.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{ConnectionError, ServerError};
use super::packet::PacketStream;
use super::result::ResultSet;
use super::statements::{self, Answer};

pub(super) const COM_QUERY: u8 = 0x03;
/// MySQL's own limit of columns is 4096.
pub(super) const MOST_COLUMNS: u64 = 4096;
/// Schemas of tens of thousands of tables fit; more is not an answer to a question of ours.
pub(super) const LARGEST_ANSWER: usize = 512 * 1024 * 1024;
/// An OK or EOF packet that ends rows is shorter than the shortest row that begins with 0xfe.
const LONGEST_END: usize = 0xff_ffff;

/// Sends a statement and reads its whole answer.
///
/// Not cancel safe: a dropped call leaves half an answer in the line.
pub(super) async fn query<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    sql: &str,
    deprecate_eof: bool,
    address: &str,
) -> Result<ResultSet, ConnectionError> {
    let mut result = ResultSet::default();
    let mut answers = 0;
    let take = |answer| match answer {
        Answer::Columns(columns) => result = ResultSet::new(columns),
        Answer::Row(row) => result.push(row),
        Answer::Done(_) => answers += 1,
    };
    statements::run(packets, sql, &[], deprecate_eof, address, take).await?;
    if answers == 1 {
        return Ok(result);
    }
    let problem = "several answers to one statement";
    Err(ConnectionError::Protocol { address: address.to_owned(), problem })
}

/// Sends a command that is answered by OK or an error.
pub(super) async fn simple<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    code: u8,
    body: &[u8],
    address: &str,
) -> Result<(), ConnectionError> {
    command(packets, code, body, address).await?;
    let packet = packets
        .read()
        .await
        .map_err(|error| ConnectionError::packet(error, address, "run a command"))?;
    match packet.first() {
        Some(0x00) => Ok(()),
        Some(0xff) => Err(server_error(packet, address)),
        _ => Err(ConnectionError::Protocol {
            address: address.to_owned(),
            problem: "an answer that is neither OK nor an error",
        }),
    }
}

/// Sends a command without waiting for its answer.
pub(super) async fn command<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    code: u8,
    body: &[u8],
    address: &str,
) -> Result<(), ConnectionError> {
    let broken = |error| ConnectionError::packet(error, address, "send a command");
    packets.begin().map_err(broken)?;
    packets.write_parts(&[code], body).await.map_err(broken)
}

pub(super) fn server_error(packet: &[u8], address: &str) -> ConnectionError {
    match ServerError::parse(packet) {
        Ok(error) => ConnectionError::server(error),
        Err(_) => {
            ConnectionError::Protocol { address: address.to_owned(), problem: "a malformed error" }
        }
    }
}

pub(super) fn is_end(packet: &[u8], deprecate_eof: bool) -> bool {
    let longest = if deprecate_eof { LONGEST_END } else { 9 };
    packet.first() == Some(&0xfe) && packet.len() < longest
}
