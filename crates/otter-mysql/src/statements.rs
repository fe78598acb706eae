//! A text of statements, answered one by one, and the data that some of them ask for.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::ConnectionError;
use super::packet::PacketStream;
use super::query::{COM_QUERY, LARGEST_ANSWER, MOST_COLUMNS, command, is_end, server_error};
use super::result::{Row, column_name};
use super::wire::{Reader, Truncated};

/// The name of the file in every `LOAD DATA LOCAL INFILE`: there is none, the data is at hand.
pub const LOCAL_DATA: &str = "otter";
/// How much data goes into one packet; a server refuses those above its `max_allowed_packet`, which
/// nobody has below 64 KiB.
const DATA_PACKET: usize = 32 * 1024;
/// Bits of the server's status.
const IN_TRANSACTION: u16 = 0x0001;
const MORE_RESULTS: u16 = 0x0008;

/// What a server answers to the statements of a text, in their order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// The names of the columns of the statement that is answered now.
    Columns(Vec<String>),
    /// A row of the statement that is answered now.
    Row(Row),
    /// A statement is done.
    Done(Done),
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Done {
    /// Rows inserted, deleted, or matched by an UPDATE; for one that inserts or updates, as the
    /// manual counts them. 0 for a statement that returns rows.
    pub affected_rows: u64,
    /// How many warnings it left; 65,535 stands for that many or more.
    pub warnings: u16,
    /// Whether a transaction is open behind it. MySQL since 9.6 rolls one back that loses a deadlock
    /// inside a cascade, and answers the statement as if all were well but for this.
    pub in_transaction: bool,
}

/// Sends a text and hands every answer to `take`; the server asks for `data` in the order of the
/// statements.
///
/// Not cancel safe: a dropped call leaves half an answer in the line.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    text: &str,
    data: &[String],
    deprecate_eof: bool,
    address: &str,
    mut take: impl FnMut(Answer),
) -> Result<(), ConnectionError> {
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    let broken = |error| ConnectionError::packet(error, address, "run statements");
    command(packets, COM_QUERY, text.as_bytes(), address).await?;
    let mut data = data.iter();
    // A text has no more statements than letters; a server that answers more often means harm.
    let mut answers_left = text.len().saturating_add(1);
    let mut room = LARGEST_ANSWER;
    loop {
        let packet = packets.read().await.map_err(broken)?;
        let end = match packet.first() {
            Some(0x00) => parse_end(packet).map_err(|_| problem("a malformed end of an answer"))?,
            Some(0xff) => return Err(server_error(packet, address)),
            Some(0xfb) => {
                let asked = packet.get(1..).unwrap_or_default();
                // A hostile server may ask for any file that we can read: it gets none.
                let next = if asked == LOCAL_DATA.as_bytes() { data.next() } else { None };
                let next = next.ok_or_else(|| problem("a request for a local file"))?;
                for piece in next.as_bytes().chunks(DATA_PACKET) {
                    packets.write_parts(&[], piece).await.map_err(broken)?;
                }
                packets.write_parts(&[], &[]).await.map_err(broken)?;
                continue;
            }
            Some(_) | None => {
                let width = Reader::new(packet).length();
                let width = width.map_err(|_| problem("a malformed answer"))?;
                rows(packets, width, deprecate_eof, (address, &mut room), &mut take).await?
            }
        };
        answers_left =
            answers_left.checked_sub(1).ok_or_else(|| problem("more answers than statements"))?;
        take(Answer::Done(end.done));
        if !end.has_more {
            return Ok(());
        }
    }
}

/// Reads columns and rows up to their end.
async fn rows<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    width: u64,
    deprecate_eof: bool,
    (address, room): (&str, &mut usize),
    take: &mut impl FnMut(Answer),
) -> Result<End, ConnectionError> {
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    let broken = |error| ConnectionError::packet(error, address, "run statements");
    let width = usize::try_from(width.min(MOST_COLUMNS + 1)).unwrap_or_default();
    if width == 0 || u64::try_from(width).unwrap_or(u64::MAX) > MOST_COLUMNS {
        return Err(problem("an answer with an impossible number of columns"));
    }
    let mut take_room = |size: usize| {
        *room = room.checked_sub(size).ok_or_else(|| ConnectionError::TooLarge {
            address: address.to_owned(),
            limit: LARGEST_ANSWER,
        })?;
        Ok::<(), ConnectionError>(())
    };
    let mut columns = Vec::new();
    for _ in 0..width {
        let packet = packets.read().await.map_err(broken)?;
        take_room(packet.len())?;
        columns.push(column_name(packet).map_err(|_| problem("a malformed column"))?);
    }
    if !deprecate_eof {
        let packet = packets.read().await.map_err(broken)?;
        if !is_end(packet, deprecate_eof) {
            return Err(problem("columns without an end"));
        }
    }
    take(Answer::Columns(columns));
    loop {
        let packet = packets.read().await.map_err(broken)?;
        if is_end(packet, deprecate_eof) {
            return parse_end(packet).map_err(|_| problem("a malformed end of an answer"));
        }
        if packet.first() == Some(&0xff) {
            return Err(server_error(packet, address));
        }
        // Each value costs memory beside its bytes.
        take_room(packet.len().saturating_add(width.saturating_mul(32)))?;
        take(Answer::Row(Row::parse(packet, width).map_err(|_| problem("a malformed row"))?));
    }
}

/// An OK packet, or one that ends rows.
pub(super) struct End {
    pub(super) done: Done,
    pub(super) has_more: bool,
}

pub(super) fn parse_end(packet: &[u8]) -> Result<End, Truncated> {
    let mut reader = Reader::new(packet);
    let is_old_end = reader.u8()? == 0xfe && packet.len() < 7;
    let (affected_rows, warnings, status);
    if is_old_end {
        affected_rows = 0;
        warnings = reader.u16()?;
        status = reader.u16()?;
    } else {
        affected_rows = reader.length()?;
        reader.length()?; // the last number of an AUTO_INCREMENT
        status = reader.u16()?;
        warnings = reader.u16()?;
    }
    let in_transaction = status & IN_TRANSACTION != 0;
    let done = Done { affected_rows, warnings, in_transaction };
    Ok(End { done, has_more: status & MORE_RESULTS != 0 })
}

#[cfg(test)]
mod tests;
