//! Prepared statements that take many rows of parameters at once: MariaDB's bulk execution.
//!
//! Source: MariaDB's knowledge base, "COM_STMT_PREPARE" and "COM_STMT_BULK_EXECUTE".

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::ConnectionError;
use super::packet::PacketStream;
use super::query::{command, is_end, server_error};
use super::statements::{Done, parse_end};
use super::wire::{Reader, Truncated};

const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_STMT_BULK_EXECUTE: u8 = 0xfa;
/// The types come with the parameters.
const SEND_TYPES: u16 = 128;
const VALUE_FOLLOWS: u8 = 0;
const IS_NULL: u8 = 1;

/// How a parameter's values are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterType {
    /// Eight bytes with a sign.
    Int,
    /// Eight bytes without a sign.
    UInt,
    /// Eight bytes of a DOUBLE.
    Double,
    /// The digits of a DECIMAL.
    Decimal,
    /// Text in the session's character set.
    Text,
    /// Bytes without a character set.
    Bytes,
}

impl ParameterType {
    /// The type's number in the protocol, and whether it is unsigned.
    fn code(self) -> [u8; 2] {
        match self {
            Self::Int => [0x08, 0],
            Self::UInt => [0x08, 0x80],
            Self::Double => [0x05, 0],
            Self::Decimal => [0xf6, 0],
            Self::Text => [0xfe, 0],
            Self::Bytes => [0xfc, 0],
        }
    }
}

/// A statement that the server has read and keeps for this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    id: u32,
    parameters: u16,
}

/// Rows of parameters, as they are sent. Values never show in `Debug`.
#[derive(Clone, Default)]
pub struct ParameterRows {
    bytes: Vec<u8>,
}

impl std::fmt::Debug for ParameterRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParameterRows({} bytes)", self.bytes.len())
    }
}

impl ParameterRows {
    /// Appends NULL, for a parameter of any type.
    pub fn push_null(&mut self) {
        self.bytes.push(IS_NULL);
    }

    /// Appends eight bytes: an [`Int`](ParameterType::Int) or [`UInt`](ParameterType::UInt) as two's
    /// complement, a [`Double`](ParameterType::Double) as its bits.
    pub fn push_bits(&mut self, bits: u64) {
        self.bytes.push(VALUE_FOLLOWS);
        self.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    /// Appends text, digits or bytes.
    pub fn push_bytes(&mut self, value: &[u8]) {
        self.bytes.push(VALUE_FOLLOWS);
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        let [a, b, c, ..] = length.to_le_bytes();
        match length {
            0..=0xfa => self.bytes.push(a),
            0xfb..=0xffff => self.bytes.extend_from_slice(&[0xfc, a, b]),
            0x1_0000..=0xff_ffff => self.bytes.extend_from_slice(&[0xfd, a, b, c]),
            _ => {
                self.bytes.push(0xfe);
                self.bytes.extend_from_slice(&length.to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(value);
    }

    /// How many bytes all rows take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets everything behind a length that [`len`](Self::len) gave.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }
}

/// Has a statement read by the server.
///
/// Not cancel safe: a dropped call leaves half an answer in the line.
pub(super) async fn prepare<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    sql: &str,
    deprecate_eof: bool,
    address: &str,
) -> Result<Statement, ConnectionError> {
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    let broken = |error| ConnectionError::packet(error, address, "prepare a statement");
    command(packets, COM_STMT_PREPARE, sql.as_bytes(), address).await?;
    let packet = packets.read().await.map_err(broken)?;
    if packet.first() == Some(&0xff) {
        return Err(server_error(packet, address));
    }
    let (statement, columns) =
        parse_prepared(packet).map_err(|_| problem("a malformed prepared statement"))?;
    for count in [statement.parameters, columns] {
        // Descriptions of parameters and columns: nobody asks for them.
        for _ in 0..count {
            packets.read().await.map_err(broken)?;
        }
        if count > 0 && !deprecate_eof {
            let packet = packets.read().await.map_err(broken)?;
            if !is_end(packet, deprecate_eof) {
                return Err(problem("parameters without an end"));
            }
        }
    }
    Ok(statement)
}

fn parse_prepared(packet: &[u8]) -> Result<(Statement, u16), Truncated> {
    let mut reader = Reader::new(packet);
    if reader.u8()? != 0 {
        return Err(Truncated);
    }
    let id = reader.u32()?;
    let columns = reader.u16()?;
    let parameters = reader.u16()?;
    Ok((Statement { id, parameters }, columns))
}

/// Has the server forget a statement, which it does without an answer.
///
/// Not cancel safe: a dropped call leaves half a command in the line.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    statement: Statement,
    address: &str,
) -> Result<(), ConnectionError> {
    command(packets, COM_STMT_CLOSE, &statement.id.to_le_bytes(), address).await
}

/// Executes a statement for each of the rows.
///
/// Not cancel safe: a dropped call leaves half an answer in the line.
pub(super) async fn execute_rows<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut PacketStream<S>,
    statement: Statement,
    types: &[ParameterType],
    rows: &ParameterRows,
    address: &str,
) -> Result<Done, ConnectionError> {
    let problem = |problem| ConnectionError::Protocol { address: address.to_owned(), problem };
    let broken = |error| ConnectionError::packet(error, address, "execute a statement for rows");
    if types.len() != usize::from(statement.parameters) {
        return Err(problem("a statement with another number of parameters"));
    }
    let mut head = vec![COM_STMT_BULK_EXECUTE];
    head.extend_from_slice(&statement.id.to_le_bytes());
    head.extend_from_slice(&SEND_TYPES.to_le_bytes());
    head.extend(types.iter().flat_map(|it| it.code()));
    packets.begin().map_err(broken)?;
    packets.write_parts(&head, &rows.bytes).await.map_err(broken)?;
    let packet = packets.read().await.map_err(broken)?;
    match packet.first() {
        Some(0x00) => {
            let end = parse_end(packet).map_err(|_| problem("a malformed end of an answer"))?;
            if end.has_more {
                return Err(problem("several answers to one statement"));
            }
            Ok(end.done)
        }
        Some(0xff) => Err(server_error(packet, address)),
        Some(_) | None => Err(problem("rows where none were asked for")),
    }
}

#[cfg(test)]
mod tests;
