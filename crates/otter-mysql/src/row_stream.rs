//! The answer to one query, row by row, however large it is: whoever is slow slows the server down.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::error::ConnectionError;
use super::packet::PacketStream;
use super::query::{COM_QUERY, MOST_COLUMNS, command, is_end, server_error};
use super::result::Row;
use super::statements::parse_end;
use super::wire::Reader;

/// Sends a statement and hands its rows on.
///
/// Not cancel safe: a dropped call leaves half an answer in the line.
pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    sql: &str,
    deprecate_eof: bool,
    address: &str,
    rows: &mpsc::Sender<Row>,
) -> Result<(), ConnectionError> {
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    let broken = |error| ConnectionError::packet(error, address, "read rows");
    command(packets, COM_QUERY, sql.as_bytes(), address).await?;
    let packet = packets.read().await.map_err(broken)?;
    let width = match packet.first() {
        Some(0xff) => return Err(server_error(packet, address)),
        Some(0x00 | 0xfb) | None => return Err(problem("an answer without rows")),
        Some(_) => Reader::new(packet).length().map_err(|_| problem("a malformed answer"))?,
    };
    if width > MOST_COLUMNS {
        return Err(problem("an answer with an impossible number of columns"));
    }
    // Nobody asks for the names of the columns.
    for _ in 0..width {
        packets.read().await.map_err(broken)?;
    }
    if !deprecate_eof && !is_end(packets.read().await.map_err(broken)?, deprecate_eof) {
        return Err(problem("columns without an end"));
    }
    let width = usize::try_from(width).unwrap_or_default();
    loop {
        let packet = packets.read().await.map_err(broken)?;
        if is_end(packet, deprecate_eof) {
            let end = parse_end(packet).map_err(|_| problem("a malformed end of an answer"))?;
            return if end.has_more {
                Err(problem("several answers to one statement"))
            } else {
                Ok(())
            };
        }
        if packet.first() == Some(&0xff) {
            return Err(server_error(packet, address));
        }
        let row = Row::parse(packet, width).map_err(|_| problem("a malformed row"))?;
        if rows.send(row).await.is_err() {
            return Err(ConnectionError::Interrupted { address: address.to_owned() });
        }
    }
}
