//! The text protocol: one statement, one answer.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{ConnectionError, ServerError};
use super::packet::PacketStream;
use super::result::{ResultSet, Row, column_name};
use super::wire::Reader;

const COM_QUERY: u8 = 0x03;
/// MySQL's own limit of columns is 4096.
const MOST_COLUMNS: u64 = 4096;
/// Schemas of tens of thousands of tables fit; more is not an answer to a question of ours.
const LARGEST_ANSWER: usize = 512 * 1024 * 1024;
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
    command(packets, COM_QUERY, sql.as_bytes(), address).await?;
    let broken = |error| ConnectionError::packet(error, address, "run a query");
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };

    let packet = packets.read().await.map_err(broken)?;
    let width = match packet.first() {
        Some(0x00) => {
            ensure_last(packet, address)?;
            return Ok(ResultSet::default());
        }
        Some(0xff) => return Err(server_error(packet, address)),
        // A hostile server may ask for any file that we can read.
        Some(0xfb) => return Err(problem("a request for a local file, which is refused")),
        _ => Reader::new(packet).length().map_err(|_| problem("a malformed answer"))?,
    };
    if width == 0 || width > MOST_COLUMNS {
        return Err(problem("an answer with an impossible number of columns"));
    }
    let mut columns = Vec::new();
    for _ in 0..width {
        let packet = packets.read().await.map_err(broken)?;
        columns.push(column_name(packet).map_err(|_| problem("a malformed column"))?);
    }
    if !deprecate_eof {
        let packet = packets.read().await.map_err(broken)?;
        if !is_end(packet, deprecate_eof) {
            return Err(problem("columns without an end"));
        }
    }
    let width = columns.len();
    let mut result = ResultSet::new(columns);
    let mut size = 0usize;
    loop {
        let packet = packets.read().await.map_err(broken)?;
        if is_end(packet, deprecate_eof) {
            ensure_last(packet, address)?;
            return Ok(result);
        }
        if packet.first() == Some(&0xff) {
            return Err(server_error(packet, address));
        }
        // Each value costs memory beside its bytes.
        size = size.saturating_add(packet.len()).saturating_add(width.saturating_mul(32));
        if size > LARGEST_ANSWER {
            let address = address.to_owned();
            return Err(ConnectionError::TooLarge { address, limit: LARGEST_ANSWER });
        }
        result.push(Row::parse(packet, width).map_err(|_| problem("a malformed row"))?);
    }
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
    let mut payload = Vec::with_capacity(body.len() + 1);
    payload.push(code);
    payload.extend_from_slice(body);
    packets.write(&payload).await.map_err(broken)
}

pub(super) fn server_error(packet: &[u8], address: &str) -> ConnectionError {
    match ServerError::parse(packet) {
        Ok(error) => ConnectionError::server(error),
        Err(_) => {
            ConnectionError::Protocol { address: address.to_owned(), problem: "a malformed error" }
        }
    }
}

fn is_end(packet: &[u8], deprecate_eof: bool) -> bool {
    let longest = if deprecate_eof { LONGEST_END } else { 9 };
    packet.first() == Some(&0xfe) && packet.len() < longest
}

/// We ask for one answer at a time: another one behind it would be taken for the next command's.
fn ensure_last(packet: &[u8], address: &str) -> Result<(), ConnectionError> {
    const MORE_RESULTS: u16 = 0x0008;
    let mut reader = Reader::new(packet);
    let status = (|| {
        if reader.u8()? == 0xfe && packet.len() < 7 {
            reader.u16()?; // warnings come first in the old end of rows
        } else {
            reader.length()?;
            reader.length()?;
        }
        reader.u16()
    })();
    let problem = match status {
        Ok(status) if status & MORE_RESULTS == 0 => return Ok(()),
        Ok(_) => "several answers to one statement",
        Err(_) => "a malformed end of an answer",
    };
    Err(ConnectionError::Protocol { address: address.to_owned(), problem })
}
